"""A panel in its notebook: what is displayed, and what is said before its step is done."""

import html
import threading
import time
from collections.abc import Callable

import pytest

from helpers.panels.settings import settings_panel
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace
from tests.support.awkward import CHINESE
from tests.support.commands import until
from tests.support.hands import LIVE, SCRIPT, all_html, done, is_possible, move, panel_of
from tests.support.road import text


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


def test_the_cell_below_takes_what_is_set(with_texts: Callable[..., Workspace]):
    panel = panel_of("split", with_texts(a=text("apple"), b=""))
    said = done(panel)
    assert "Documents are divided" in said and "b.txt is empty." in said
    assert "Nothing to do" not in said and "Nothing to do" in done(panel)
    move(panel, "seed", "2")
    assert "Nothing to do" not in done(panel)
    assert panel.workspace.record.stages["split"].settings["seed"] == 2
    move(panel, "seed", "x")
    assert "seed = &#x27;x&#x27; is not possible" in done(panel)


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
def test_what_is_wrong_with_the_texts_is_said_before_it_is_run(case: str, with_texts):
    files, said = WRONG[case]
    panel = panel_of("split", with_texts(**files))
    assert said in html.unescape(panel.message.value)
    assert panel.preview.value == ""
    assert is_possible(panel)
    assert (said in html.unescape(done(panel))) == (case != "no text at all")
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
    assert not is_possible(panel)
    assert "greater than or equal to 1" in panel.notes["max_update"].value


def test_what_is_moved_while_it_looks_ahead_is_there_at_once_and_shown_last(workspace, monkeypatch):
    """Where a thread delivers what is moved, as in JupyterLab."""
    panel, looked, go_on = panel_of("finetune", workspace), [], threading.Event()

    def slow(_: object, settings: FinetuneSettings) -> str:
        looked.append(settings.max_update)
        assert go_on.wait(60)
        return f"up to {settings.max_update}"

    monkeypatch.setitem(settings_panel.PREVIEWS, "finetune", slow)
    for value in ("10", "20", "30"):
        moving = threading.Thread(target=move, args=(panel, "max_update", value))
        moving.start()
        moving.join(20)
        assert panel.settings.max_update == int(value)
    go_on.set()
    until(lambda: "up to 30" in panel.preview.value)
    assert looked == [10, 30]
