"""What works in the background outlives its kernel; a cell is stopped from elsewhere."""

import os
import time
from collections.abc import Callable, Iterator

import pytest
from jupyter_client.manager import KernelManager, start_new_kernel

from helpers.common.files import PROJECT
from helpers.panels.settings.monitor import Monitor
from helpers.workflow.workspace import Workspace
from tests.support.commands import until
from tests.support.hands import panel_of
from tests.support.running import ON_AND_ON

Told = Callable[[str], dict]
MONITOR = """
import sys
sys.path.insert(0, {project!r})
from helpers.panels.settings.monitor import Monitor
from helpers.panels.settings.settings_panel import SettingsPanel
from helpers.stages.road import ROAD
from helpers.workflow import background
from helpers.workflow.workspace import Workspace
from tests.support.running import step
background.command = step()
panel = SettingsPanel("split", Workspace({root!r}), ROAD["split"].settings())
monitor = Monitor(panel)
"""


@pytest.fixture
def kernel(workspace: Workspace) -> Iterator[tuple[KernelManager, Told]]:
    """A notebook with a monitor in it."""
    environment = os.environ | {
        "PYTHONPATH": str(PROJECT),
        "JPY_SESSION_NAME": "notebooks/01_split.ipynb",
    }
    manager, client = start_new_kernel(env=environment)

    def told(code: str) -> dict:
        return client.execute_interactive(code, timeout=60, output_hook=lambda _: None)["content"]

    told.client = client
    assert told(MONITOR.format(root=str(workspace.root), project=str(PROJECT)))["status"] == "ok"
    yield manager, told
    client.stop_channels()
    manager.shutdown_kernel(now=True)
    if workspace.worker:
        workspace.worker.stop()


def begun(workspace: Workspace, told: Told) -> int:
    """Press the button in the notebook: the process that works then."""
    assert told("monitor.start_button.click()")["status"] == "ok"
    until(lambda: (now := workspace.worker) and now.standing and now.standing.done)
    return workspace.worker.process


def test_the_kernel_can_be_used_while_it_works(workspace, kernel):
    _, told = kernel
    begun(workspace, told)
    seen = "assert '30 of 90 updates' in monitor.standing.value, monitor.standing.value"
    assert told(f"import time; time.sleep(1.5); {seen}")["status"] == "ok"
    assert told("monitor.stop_button.click(); monitor.thread.join(30)")["status"] == "ok"
    assert workspace.worker is None
    assert told("assert 'Stopped' in monitor.result.value")["status"] == "ok"


def test_it_is_not_stopped_by_an_interrupt_and_goes_on_when_the_kernel_is_restarted(
    workspace, kernel
):
    """A restart begins with an interrupt, which cannot be told from one by a person."""
    manager, told = kernel
    process = begun(workspace, told)
    time.sleep(0.2)  # the kernel has nothing to do again
    manager.interrupt_kernel()
    assert told("1 + 1")["status"] == "ok"
    assert workspace.worker.process == process
    manager.restart_kernel()
    told.client.wait_for_ready(timeout=60)
    assert workspace.worker.process == process
    assert told(MONITOR.format(root=str(workspace.root), project=str(PROJECT)))["status"] == "ok"
    assert told("assert monitor.busy and monitor.process is None")["status"] == "ok"
    seen = "assert '(in the background) has been working' in monitor.standing.value"
    assert told(f"import time; time.sleep(1.5); {seen}")["status"] == "ok"
    assert told("monitor.stop_button.click(); monitor.thread.join(30)")["status"] == "ok"
    assert told("assert 'Stopped' in monitor.result.value")["status"] == "ok"
    assert workspace.worker is None


def test_it_goes_on_when_the_kernel_is_killed(workspace, kernel):
    manager, told = kernel
    process = begun(workspace, told)
    manager.shutdown_kernel(now=True)
    time.sleep(0.5)
    assert workspace.worker.process == process
    monitor = Monitor(panel_of("split", workspace))
    until(lambda: "01_split.ipynb (in the background)" in monitor.standing.value)
    monitor.stop_button.click()
    monitor.thread.join(30)
    assert "Stopped." in monitor.result.value


def test_a_cell_is_named_and_stopped_by_a_monitor_elsewhere(workspace, kernel):
    _, told = kernel
    cell = told.client.execute(f"{ON_AND_ON}\nROAD.run('split', panel.workspace, panel.settings)")
    until(lambda: (now := workspace.worker) and now.standing and now.standing.done)
    monitor = Monitor(panel_of("encode", workspace))
    until(lambda: "the notebook 01_split.ipynb has been" in monitor.standing.value)
    monitor.stop_button.click()
    monitor.thread.join(30)
    assert workspace.worker is None and "Stopped." in monitor.result.value
    while (reply := told.client.get_shell_msg(timeout=30))["parent_header"]["msg_id"] != cell:
        pass
    assert reply["content"]["ename"] == "KeyboardInterrupt"


def test_a_cell_is_stopped_by_an_interrupt(workspace, kernel):
    manager, told = kernel
    told.client.execute(f"{ON_AND_ON}\nROAD.run('split', panel.workspace, panel.settings)")
    until(lambda: (now := workspace.worker) and now.standing and now.standing.done)
    manager.interrupt_kernel()
    until(lambda: workspace.worker is None)
    assert workspace.last_worker.ended == "Stopped."
