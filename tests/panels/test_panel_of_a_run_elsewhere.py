"""A panel finds the run that works already, wherever it was begun, and stops it; so does ■."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest
from jupyter_client.manager import KernelManager, start_new_kernel

from helpers.common.files import PROJECT
from helpers.workflow.workspace import Workspace
from tests.support.hands import panel_of

# A step that goes on until it is stopped.
WORK = """
import sys, time
from helpers.common.progress import Progress
from helpers.workflow.run import Run

def work(self):
    with Progress(90, "updates") as progress:
        progress.update(30, "loss 2.5 bits")
        while True:
            time.sleep(0.01)

Run.into_workspace = work
"""
COMMAND = "from helpers.__main__ import main; sys.exit(main(sys.argv[1:]))"
PRESS = """
from helpers.panels.settings.settings_panel import SettingsPanel
from helpers.stages.road import ROAD
from helpers.workflow.workspace import Workspace
panel = SettingsPanel("split", Workspace({root!r}), ROAD["split"].settings())
panel.run.button.click()
"""


def until(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def running(workspace: Workspace) -> Iterator[subprocess.Popen]:
    process = subprocess.Popen(
        [sys.executable, "-c", WORK + COMMAND, "split", "--workspace", str(workspace.root)],
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
    )
    until(lambda: workspace.worker and workspace.worker.standing)
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def kernel(workspace: Workspace) -> Iterator[tuple[KernelManager, Callable[[str], dict]]]:
    environment = os.environ | {
        "PYTHONPATH": str(PROJECT),
        "JPY_SESSION_NAME": "notebooks/01_split.ipynb",
    }
    manager, client = start_new_kernel(env=environment)

    def told(code: str) -> dict:
        return client.execute_interactive(code, timeout=60, output_hook=lambda _: None)["content"]

    assert told(WORK + PRESS.format(root=str(workspace.root)))["status"] == "ok"
    until(lambda: workspace.worker and workspace.worker.standing)
    yield manager, told
    client.stop_channels()
    manager.shutdown_kernel(now=True)


@pytest.mark.parametrize("pressed", [False, True])
def test_a_command_is_seen_and_stopped_by_a_panel(workspace, running, pressed):
    panel = panel_of("split", workspace)
    if pressed:  # ended meanwhile, and begun again
        panel.run.button.click()
    until(lambda: "30 of 90 updates" in panel.run.progress.value)
    assert f"the command split has been working on split since {time.strftime('%H:')}" in (
        panel.run.progress.value
    )
    assert "loss 2.5 bits" in panel.run.progress.value
    assert panel.run.button.disabled and not panel.run.stop_button.disabled
    panel.run.stop_button.click()
    assert running.wait(30) != 0
    panel.run.thread.join(30)
    assert "Ended at" in panel.run.progress.value
    assert not panel.run.button.disabled and panel.run.stop_button.disabled


def test_a_notebook_is_named_and_stopped_by_a_panel_elsewhere(workspace, kernel):
    _, told = kernel
    panel = panel_of("encode", workspace)
    until(lambda: "the notebook 01_split.ipynb has been" in panel.run.progress.value)
    panel.run.stop_button.click()
    panel.run.thread.join(30)
    assert workspace.worker is None
    assert told("assert 'Stopped' in panel.run.result.value, panel.run.result")["status"] == "ok"


def test_a_panel_that_is_opened_again_stops_the_work_of_the_first(workspace, kernel):
    _, told = kernel
    again = "second = SettingsPanel('split', panel.workspace, panel.settings)"
    assert told(f"{again}; assert second.run.button.disabled")["status"] == "ok"
    assert told("second.run.stop_button.click(); second.run.thread.join(30)")["status"] == "ok"
    assert workspace.worker is None
    assert told("assert 'Ended' in second.run.progress.value")["status"] == "ok"


def test_an_interrupt_of_the_kernel_stops_what_a_panel_began(workspace, kernel):
    manager, told = kernel
    assert told("1 + 1")["status"] == "ok"  # other cells may run meanwhile
    assert workspace.worker
    time.sleep(0.2)  # the kernel has nothing to do again
    manager.interrupt_kernel()
    until(lambda: workspace.worker is None)
    assert told("assert 'Stopped' in panel.run.result.value, panel.run.result")["status"] == "ok"
    manager.interrupt_kernel()  # with nothing to stop
    assert told("panel.run.button.click(); assert panel.run.busy")["status"] == "ok"
    assert told("panel.run.stop_button.click(); panel.run.thread.join(30)")["status"] == "ok"


def test_a_run_on_another_machine_is_shown_and_cannot_be_stopped_here(workspace, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("socket.gethostname", lambda: "the-other-one")
        held = workspace.lock("encode")
        held.__enter__()
    panel = panel_of("encode", workspace)
    until(lambda: "on the-other-one" in panel.run.progress.value)
    until(lambda: panel.run.stop_button.disabled)
    panel.run.stop()
    held.__exit__(None, None, None)
    panel.run.thread.join(30)
    assert not panel.run.button.disabled


def test_a_stop_leaves_the_work_in_other_workspaces_alone(workspace, kernel):
    _, told = kernel
    other = str(workspace.root.with_name("other"))
    begin = f"other = SettingsPanel('split', Workspace({other!r}), panel.settings)"
    assert told(f"{begin}; other.run.button.click()")["status"] == "ok"
    until(lambda: Workspace(other).worker)
    second = "second = SettingsPanel('split', panel.workspace, panel.settings)"
    assert told(f"{second}; second.run.stop_button.click()")["status"] == "ok"
    until(lambda: not workspace.worker)
    assert Workspace(other).worker
    assert told("other.run.stop_button.click(); other.run.thread.join(30)")["status"] == "ok"
