"""The monitor of a notebook: it begins a step in the background, shows it, stops it."""

import html
import os
import signal
import sys
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import __main__ as cli
from helpers.panels.settings import monitor as module
from helpers.panels.settings.monitor import Monitor
from helpers.workflow import background
from helpers.workflow.parameters import Settings
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace
from tests.panels.test_panels import few, values_of
from tests.support.commands import until
from tests.support.hands import LIVE, SCRIPT, move, panel_of
from tests.support.road import text
from tests.support.running import running, step


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TICK", 0.05)


def pressed(monitor: Monitor) -> str:
    """Press the button, and wait; what is said then."""
    monitor.start_button.click()
    if monitor.busy:
        monitor.thread.join(120)
    return monitor.result.value


def at_rest(monitor: Monitor) -> bool:
    """Whether it can be begun, and there is nothing to stop."""
    return not monitor.start_button.disabled and monitor.stop_button.disabled


def test_it_does_the_step_once_as_it_is_set_and_with_force_again(with_texts):
    panel = panel_of("split", with_texts(a=text("apple"), b=""))
    monitor = Monitor(panel)
    said = pressed(monitor)
    assert "Documents are divided" in said and "b.txt is empty." in said
    assert "Nothing to do" not in said
    assert panel.workspace.raw("train").is_file()
    assert "Nothing to do" not in pressed(Monitor(panel, force=True))
    move(panel, "seed", "2")
    assert "Documents are divided" in pressed(monitor) and at_rest(monitor)
    assert panel.workspace.record.stages["split"].settings["seed"] == 2
    assert "Ended at" in monitor.standing.value


def test_wrong_settings_are_explained_and_nothing_is_begun(workspace: Workspace):
    panel = panel_of("split", workspace)
    monitor = Monitor(panel)
    move(panel, "seed", "x")
    assert "seed = &#x27;x&#x27; is not possible" in pressed(monitor)
    assert monitor.process is None and at_rest(monitor)
    move(panel, "seed", "3")
    assert "There is no file or folder" in pressed(monitor)  # as the command itself says it


ENDS = {
    "a sentence": (f"raise CourseError({SCRIPT!r}, 'Mend it.')", (html.escape(SCRIPT), "Mend it.")),
    "a bug": (f"raise ValueError({SCRIPT!r})", ("Traceback", html.escape(SCRIPT))),
    "stopped": ("raise KeyboardInterrupt", ("Stopped.",)),
    "killed": ("os.kill(os.getpid(), 9)", ("It ended without a word",)),
    "no beginning": (None, ("No module named",)),
}


@pytest.mark.parametrize("how", ENDS)
def test_however_it_ends_that_is_said_and_it_can_be_begun_again(how, workspace, monkeypatch):
    code, words = ENDS[how]
    command = step(code) if code else lambda *_, **__: [sys.executable, "-m", "no.such.module"]
    monkeypatch.setattr(background, "command", command)
    monitor = Monitor(panel_of("split", workspace))
    for _ in range(2):
        said = pressed(monitor)
        assert all(word in said for word in words), said
        assert ("Traceback" in said) == (how == "a bug") and "<script" not in said
        assert ("⚠" in said) == (how != "stopped")
        assert at_rest(monitor)


@pytest.fixture
def working(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Monitor]:
    """A monitor whose step goes on until it is stopped."""
    monkeypatch.setattr(background, "command", step())
    monitor = Monitor(panel_of("split", workspace))
    monitor.start_button.click()
    until(lambda: "30 of 90 updates" in monitor.standing.value)
    yield monitor
    monitor.process.kill()
    monitor.process.wait()
    monitor.thread.join(60)


def test_the_stop_button_stops_the_work_and_it_can_be_begun_again(working: Monitor):
    for _ in range(2):
        until(lambda: "30 of 90 updates" in working.standing.value)
        assert "loss 2.5 bits" in working.standing.value
        assert "Stopped, it loses what it has done so far" in working.standing.value
        assert working.start_button.disabled and not working.stop_button.disabled
        working.start_button.click()  # as two quick clicks do
        working.stop_button.click()
        working.thread.join(60)
        assert "Stopped." in working.result.value and at_rest(working)
        working.stop_button.click()
        working.start_button.click()


def test_stopped_before_it_works_it_does_not_begin(workspace: Workspace, monkeypatch):
    slow = lambda *_, **__: [sys.executable, "-c", "import time; time.sleep(600)"]  # noqa: E731
    monkeypatch.setattr(background, "command", slow)
    monitor = Monitor(panel_of("split", workspace))
    monitor.start_button.click()
    monitor.stop_button.click()
    monitor.thread.join(60)
    assert monitor.process.returncode == -signal.SIGTERM and at_rest(monitor)


def test_no_signal_to_this_process_reaches_it(working: Monitor):
    number = working.process.pid
    assert os.getsid(number) == os.getpgid(number) == number
    name = f"the notebook {os.environ.get('JPY_SESSION_NAME', '')}".strip()
    assert f"{name} (in the background) has been working on split" in working.standing.value
    assert "Stop in that notebook&#x27;s monitor" not in working.standing.value
    assert "stop it with Stop in that notebook's monitor" in working.workspace.worker.how_to_stop


def test_a_monitor_that_is_opened_again_shows_and_stops_it(working: Monitor):
    again = Monitor(working.panel)
    assert again.start_button.disabled
    until(lambda: "30 of 90 updates" in again.standing.value)
    again.stop_button.click()
    again.thread.join(60)
    working.thread.join(60)
    assert "Stopped." in again.result.value and "Stopped." in working.result.value
    assert at_rest(again)


@pytest.mark.parametrize("begun", [False, True])
def test_a_command_is_seen_and_stopped(workspace: Workspace, begun: bool):
    monitor = Monitor(panel_of("split", workspace)) if begun else None
    with running(workspace) as process:
        if begun:  # it was begun after the monitor was displayed
            monitor.start_button.click()
        monitor = monitor or Monitor(panel_of("split", workspace))
        until(lambda: "30 of 90 updates" in monitor.standing.value)
        since = f"the command split has been working on split since {time.strftime('%H:')}"
        assert since in monitor.standing.value
        monitor.stop_button.click()
        assert process.wait(30) != 0
    monitor.thread.join(30)
    assert monitor.process is None and at_rest(monitor)
    assert "Stopped." in monitor.result.value


def test_the_end_of_a_later_run_is_not_taken_for_that_of_the_one_that_was_seen(workspace):
    """The same process has begun both, as a kernel does cell by cell."""
    monitor = Monitor(panel_of("encode", workspace))
    with workspace.lock("split"):
        monitor.watched.look()
    assert "done" in monitor._ending()
    with workspace.lock("encode"):
        pass
    assert "another run has begun since" in monitor._ending()
    assert monitor.watched.ended(os.getpid()).stage == "encode"
    assert monitor.watched.ended(os.getppid()) is None


def test_a_run_on_another_machine_is_shown_and_cannot_be_stopped_here(workspace, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("socket.gethostname", lambda: "the-other-one")
        held = workspace.lock("encode")
        held.__enter__()
    monitor = Monitor(panel_of("encode", workspace))
    until(lambda: "on the-other-one" in monitor.standing.value)
    until(lambda: monitor.stop_button.disabled)
    monitor._stop(monitor.stop_button)
    held.__exit__(None, None, None)
    monitor.thread.join(30)
    assert not monitor.start_button.disabled


def test_a_stop_leaves_the_work_in_other_workspaces_alone(working: Monitor, tmp_path):
    other = Monitor(panel_of("split", Workspace(tmp_path / "other")))
    other.start_button.click()
    until(lambda: "30 of 90 updates" in other.standing.value)
    working.stop_button.click()
    working.thread.join(30)
    assert not working.workspace.worker and other.workspace.worker
    other.stop_button.click()
    other.thread.join(30)
    assert at_rest(other)


def test_the_display_is_alive_and_still(working: Monitor):
    bundle = working._repr_mimebundle_()
    assert bundle.keys() == {"text/plain", "text/html", LIVE}
    assert bundle[LIVE]["model_id"] == working.model_id
    assert "has been working on split" in bundle["text/plain"]
    assert "30 of 90 updates" in bundle["text/html"]
    resting = Monitor(panel_of("split", Workspace(working.workspace.root / "n")))
    bundle = resting._repr_mimebundle_()
    assert "Nothing is at work here." in bundle["text/plain"]
    assert "Nothing is at work here." in bundle["text/html"]


# The command

GIVEN: dict[str, dict[str, object]] = {
    "finetune": {"lr": 3e-4, "max_update": 7, "start": "continue", "dropout": 0.25},
    "split": {"txt_files": ("-a b.txt", "c'\"$x.txt"), "deduplicate": False, "encoding": "auto"},
    "evaluate": {"sentences": ("今天 <mask>。",)},
    "base": {"keep_optimizer": True, "dict_file": "my dict.txt"},
    "encode": {"workers": 2, "engine": "fairseq"},
}


@pytest.mark.parametrize("stage", GIVEN)
def test_the_command_has_the_settings_that_are_not_as_by_default(stage: str, workspace: Workspace):
    settings: Settings = panel_of(stage, workspace, **GIVEN[stage]).settings
    words = background.command(stage, workspace, settings, force=True)
    told = vars(cli.parser().parse_args(words[3:]))
    assert told["force"] and told["workspace"] == str(workspace.root)
    assert cli.settings_from(stage, told) == settings
    named = [word.split("=")[0] for word in words[7:]]
    assert len(named) == len(GIVEN[stage])


@pytest.mark.parametrize("name", FinetuneSettings.model_fields)
@given(data=st.data())
@few
def test_whatever_is_set_for_a_training_is_told(name: str, data: st.DataObject):
    """What no option could say would be lost without a word."""
    settings = FinetuneSettings(**{name: data.draw(values_of(FinetuneSettings, name))})
    told = cli.parser().parse_args(background.command("finetune", Workspace(), settings)[3:])
    assert cli.settings_from("finetune", vars(told)) == settings


def test_what_it_says_lies_in_no_other_place(workspace: Workspace, tmp_path):
    workspace.root.mkdir()
    (workspace.root / background.SAID).symlink_to(tmp_path / "mine.txt")
    monitor = Monitor(panel_of("split", workspace))
    assert "is a link to" in pressed(monitor)
    assert not (tmp_path / "mine.txt").exists()
