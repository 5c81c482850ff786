"""A panel in its notebook: what is displayed, and what its button does and says."""

import html
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from helpers.common import progress
from helpers.common.progress import Progress, drawn_by
from helpers.common.report import Grid, Shown
from helpers.panels.settings import settings_panel
from helpers.panels.settings.settings_panel import SettingsPanel
from helpers.workflow.road import Road
from helpers.workflow.workspace import Workspace
from tests.support.awkward import CHINESE
from tests.support.hands import LIVE, SCRIPT, all_html, move, panel_of, press
from tests.support.road import text


def fail(error: BaseException) -> Callable:
    def work(*_: object, **__: object) -> None:
        raise error

    return work


def test_the_display_is_alive_and_still(workspace: Workspace):
    panel = panel_of("split", workspace, txt_files=SCRIPT)
    move(panel, "seed", "77")
    bundle = panel._repr_mimebundle_()
    assert bundle.keys() == {"text/plain", "text/html", LIVE}
    assert bundle[LIVE]["model_id"] == panel.model_id
    assert bundle["text/plain"] == str(panel.settings)
    assert panel.settings._repr_html_() in bundle["text/html"]
    assert panel.message.value in bundle["text/html"]
    assert "<script" not in bundle["text/html"] + all_html(panel)


def test_a_panel_with_something_wrong_can_be_displayed(workspace: Workspace):
    panel = panel_of("split", workspace)
    move(panel, "seed", "x")
    bundle = panel._repr_mimebundle_()
    assert LIVE in bundle
    assert "valid integer" in bundle["text/html"]


def test_the_button_does_the_work_once_and_with_force_again(with_texts: Callable[..., Workspace]):
    panel = panel_of("split", with_texts(a=text("apple"), b=""))
    said = press(panel)
    assert "Documents are divided" in said
    assert "b.txt is empty." in said
    assert "Nothing to do" not in said
    assert panel.workspace.raw("train").is_file()
    assert "Nothing to do" in press(panel)
    panel.run.force.value = True
    assert "Nothing to do" not in press(panel)
    move(panel, "seed", "2")
    press(panel)
    assert panel.workspace.record.stages["split"].settings["seed"] == 2


ENDS = {
    "a sentence": (None, "There is no file or folder", "relative names start in the workspace"),
    "a bug": (fail(ValueError(SCRIPT)), "Traceback (most recent call last)", "&lt;script&gt;"),
    "stopped": (fail(KeyboardInterrupt()), "Stopped. Press the button again to go on.", ""),
    "done": (lambda *_, force: Grid(("force",), [(force,)], SCRIPT), "&lt;script&gt;", ">no</td>"),
}


@pytest.mark.parametrize("how", ENDS)
def test_however_the_work_ends_the_button_can_be_pressed_again(how, workspace, monkeypatch):
    work, *words = ENDS[how]
    panel = panel_of("split", workspace)
    before: list[tuple] = []

    def watched(*given: object, force: bool) -> Shown:
        buttons = panel.run.button.disabled, panel.run.stop_button.disabled
        before.append((*buttons, panel.run.result.value, "Working" in panel.run.progress.value))
        return (work or run)(*given, force=force)

    run = Road.run
    monkeypatch.setattr(Road, "run", watched)
    for _ in range(2):
        said = press(panel)
        assert all(word in said for word in words)
        assert ("Traceback" in said) == (how == "a bug")
        assert "<script" not in said
        assert "Working" not in all_html(panel)
        assert not panel.run.button.disabled
        assert panel.run.stop_button.disabled
    assert before == [(True, False, "", True)] * 2


def test_wrong_settings_are_not_run(workspace: Workspace):
    panel = panel_of("split", workspace)
    move(panel, "seed", "x")
    panel.run.button.click()
    assert not panel.run.thread.is_alive()
    assert panel.run.result.value == panel.run.progress.value == ""
    move(panel, "seed", "3")
    assert press(panel)


@pytest.fixture
def working(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[SettingsPanel]:
    """A panel whose stage works until it is stopped; ``calls`` are the settings it was given."""
    panel = panel_of("split", workspace)
    panel.calls, panel.at_work = [], threading.Event()

    def work(*given: object, force: bool) -> None:
        panel.calls.append(given[-1])
        panel.at_work.set()
        while True:
            time.sleep(0.001)

    monkeypatch.setattr(Road, "run", work)
    panel.run.button.click()
    yield panel
    panel.run.stop_button.click()
    panel.run.thread.join(60)


def test_the_stop_button_stops_the_work(working: SettingsPanel):
    for _ in range(2):
        assert working.at_work.wait(20)
        working.at_work.clear()
        working.run.stop_button.click()
        working.run.thread.join(60)
        assert "Stopped. Press the button again to go on." in working.run.result.value
        assert not working.run.button.disabled
        assert working.run.stop_button.disabled
        working.run.stop_button.click()
        assert not working.run.thread.is_alive()
        working.run.button.click()
    assert len(working.calls) >= 2


def test_what_is_moved_while_the_stage_works_is_for_the_next_time(working: SettingsPanel):
    assert working.at_work.wait(20)
    move(working, "seed", "9")
    assert working.run.button.disabled
    working.run.button.click()
    time.sleep(0.1)  # in which it could have begun again
    assert [settings.seed for settings in working.calls] == [1]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_stop_when_the_work_has_just_ended_stops_nothing(workspace, monkeypatch):
    panel = panel_of("split", workspace)
    work = lambda *_, force: Grid(("done",), [])  # noqa: E731
    monkeypatch.setattr(Road, "run", work)
    panel.run.progress.observe(lambda change: panel.run.stop_button.click(), "value")
    for _ in range(2):
        assert "done" in press(panel)
        assert not panel.run.button.disabled
        assert panel.run.stop_button.disabled


# What is said before

WRONG = {
    "too few documents": ({"a": "one\n\ntwo\n\none\n"}, "2 different documents, too few for 3"),
    "no text at all": ({"a": "", "b": "\r\n \n"}, "There are 0 different documents"),
    "no text files": ({}, "There are no text files in texts"),
    "another encoding": ({"a": (CHINESE * 9).encode("gb18030")}, "Try encoding = 'gb18030'"),
    "no text": (
        {"a": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256))},
        "is no plain text, but a PNG picture",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_with_the_texts_is_said_above_the_button(case: str, with_texts):
    files, said = WRONG[case]
    panel = panel_of("split", with_texts(**files))
    assert said in html.unescape(panel.message.value)
    assert panel.preview.value == ""
    assert not panel.run.button.disabled
    assert (said in html.unescape(press(panel))) == (case != "no text at all")
    assert panel.message.value in panel._repr_mimebundle_()["text/html"]
    with_texts(a=text("apple"), b="")
    move(panel, "seed", "2")
    assert panel.message.value == ""
    assert "apple 0 is a short document." in panel.preview.value


@pytest.mark.parametrize("encoding", ["undefined", "idna", "punycode", "unicode_escape", "utf-7"])
def test_an_encoding_that_nobody_uses_does_not_break_the_panel(encoding: str, with_texts):
    panel = panel_of("split", with_texts(a=(CHINESE + ".\\xZZ\n") * 9))
    move(panel, "encoding", encoding)
    said = panel.message.value or panel.notes["encoding"].value
    assert (panel.preview.value == "") == ("⚠" in said)


# Bars


def bars(*totals: int) -> None:
    for total in totals:
        with Progress(total, "updates") as bar:
            bar.update(total // 2, "loss 2.5")


def elsewhere(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a notebook shows below the cell."""
    shown: list[str] = []
    monkeypatch.setattr(progress, "_notebook_display", lambda: shown.append)
    return shown


def test_the_bars_of_a_stage_are_drawn_in_its_panel_alone(workspace, monkeypatch, capsys):
    below, drawn = elsewhere(monkeypatch), []
    panel, other = panel_of("encode", workspace), panel_of("encode", workspace)
    panel.run.progress.observe(lambda change: drawn.append(change["new"]), "value")
    work = lambda *_, force: bars(10, 1234) or Grid((), [])  # noqa: E731
    monkeypatch.setattr(Road, "run", work)
    press(panel)
    assert "Working" in drawn[0]
    assert "0 of 10 updates" in drawn[1]
    assert any("617 of 1,234 updates" in bar and "loss 2.5" in bar for bar in drawn)
    assert "updates" not in drawn[-1] + all_html(other)
    assert below == []
    assert "".join(capsys.readouterr()) == ""
    bars(10)
    assert "5 of 10 updates" in below[-1]


def test_a_bar_goes_where_the_innermost_asks(monkeypatch):
    below, outer, inner = elsewhere(monkeypatch), [], []
    with drawn_by(outer.append):
        with pytest.raises(KeyboardInterrupt), drawn_by(inner.append):
            bars(2)
            raise KeyboardInterrupt
        bars(4)
    bars(6)
    for shown, total in ((inner, 2), (outer, 4), (below, 6)):
        assert shown
        assert all(f"of {total} updates" in bar for bar in shown)


def test_without_panel_and_notebook_the_bar_is_the_terminals(capsys):
    bars(8)
    assert "4/8" in capsys.readouterr().err


def test_what_two_threads_move_at_once_is_shown_as_it_is_in_the_end(workspace, monkeypatch):
    panel = panel_of("finetune", workspace)
    begun = threading.Event()

    def slow(*_: object) -> str:
        begun.set()
        time.sleep(0.3)
        return ""

    monkeypatch.setitem(settings_panel.PREVIEWS, "finetune", slow)
    earlier = threading.Thread(target=move, args=(panel, "validate_every", "10"))
    earlier.start()
    assert begun.wait(20)
    move(panel, "max_update", "0")
    earlier.join(20)
    assert panel.run.button.disabled
    assert "greater than or equal to 1" in panel.notes["max_update"].value
