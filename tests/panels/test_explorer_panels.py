"""The explorer's panels without a browser: what is typed, picked, moved and saved."""

import csv
import re
import shutil
import subprocess
import sys
from pathlib import Path

import ipywidgets as widgets
import numpy as np
import pytest

from helpers.common.errors import CourseError
from helpers.common.files import PROJECT
from helpers.explorer import known as module
from helpers.explorer.corpus import corpus_tokens
from helpers.explorer.html.masks import masked_strip
from helpers.explorer.known import KnownTokens, known_tokens
from helpers.explorer.text import explore
from helpers.ids.dictionary import Dictionary
from helpers.panels.explorer.comparison import SideBySide, Spellings
from helpers.panels.explorer.corpus_view import CorpusView
from helpers.panels.explorer.explorer import Explorer
from helpers.panels.explorer.mask_preview import MaskPreview
from helpers.panels.explorer.merge_walk import MergeWalk
from helpers.panels.explorer.text_box import RAW, TextBox
from helpers.panels.explorer.token_search import LATEST, TokenSearch
from helpers.tokens.gpt2 import GPT2_IDS, encode
from helpers.workflow.workspace import Workspace
from tests.support.hands import LIVE, SCRIPT, inside

DICTIONARY = Dictionary.from_counts(np.arange(GPT2_IDS))


@pytest.fixture
def known(workspace: Workspace) -> Workspace:
    """A workspace with a dictionary and a counted corpus."""
    workspace.base_dict.parent.mkdir(parents=True)
    workspace.base_dict.write_text(DICTIONARY.text())
    workspace.raw("train").parent.mkdir()
    workspace.raw("train").write_text("the cat and the dog\n\nthe end\n")
    corpus_tokens(workspace, workers=1)
    return workspace


@pytest.fixture
def unknown(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace with nothing in it, where RoBERTa's dictionary was not put either."""

    def missing(**_: object) -> Path:
        raise CourseError("RoBERTa's own is not here yet.", "Put it there.")

    monkeypatch.setattr(module, "roberta_dictionary", missing)
    return workspace


def pick(box: TextBox, name: str) -> None:
    """Click the token that looks so."""
    tokens = [token.content for token in box.explored.tokens]
    box.view.picked = tokens.index(name.encode())


def button(panel: widgets.Widget, name: str) -> widgets.Button:
    found = [w for w in inside(panel) if isinstance(w, widgets.Button) and w.description == name]
    assert len(found) == 1
    return found[0]


def test_typing_changes_tokens_table_merges_and_masks(known: Workspace) -> None:
    panel = Explorer(known, "the dog")
    assert "␣dog" in panel.box.view.content
    assert panel.merges.word == b" dog"
    before = panel.masks.view.value
    panel.box.view.text = "the dog sleeps"
    assert "␣sleep" in panel.box.view.content
    assert panel.merges.word == b" dog"  # it is still there
    assert panel.masks.view.value != before
    panel.box.view.text = "another text"
    assert panel.merges.word == b" text"
    panel.box.view.text = ""
    assert panel.merges.word == b""
    assert "0 tokens" in panel.box.view.content


def test_the_table_has_the_ids_of_this_workspace_and_how_often_tokens_occur(
    known: Workspace,
) -> None:
    panel = Explorer(known, "the the")
    first, second, _ = csv.reader(panel.table().splitlines()[1:])
    assert second[1] == "␣the"
    gpt2_id = int(encode(" the")[0])
    assert second[4:] == [str(gpt2_id), str(DICTIONARY.index(str(gpt2_id))), "1"]
    assert first[6] == "2"


def test_a_click_shows_the_merges_of_the_word(known: Workspace) -> None:
    panel = Explorer(known, "tokenization of the world")
    pick(panel.box, "ization")
    assert panel.merges.word == b"tokenization"
    assert panel.merges.slider.max == len("tokenization") - 2
    assert panel.merges.slider.value == 0
    for number in range(panel.merges.slider.max + 1):
        panel.merges.slider.value = number
        assert (f"Merge {number} of 10" in panel.merges.view.value) == (number > 0)
    assert "No neighbours are left" in panel.merges.view.value
    pick(panel.box, " world")
    assert panel.merges.word == b" world"
    assert panel.merges.slider.value == 0
    panel.box.view.picked = len(panel.box.explored.tokens) - 1  # </s> is no word
    assert panel.merges.word == b" world"


def test_the_same_word_can_be_picked_again_in_another_text(known: Workspace) -> None:
    panel = Explorer(known, "the dog")
    for text in ("the dog", "dog", "the dog"):
        panel.box.view.text = text
        pick(panel.box, "the" if text != "dog" else "dog")
        assert panel.merges.word == (b"the" if text != "dog" else b"dog")


def test_the_slider_never_points_beyond_the_merges() -> None:
    walk = MergeWalk()
    for word in (b"tokenization", b"a", b"", b"x" * 1000, " 好".encode()):
        walk.show(word)
        assert walk.slider.value == 0 <= walk.slider.max
        walk.slider.value = walk.slider.max
        assert bool(walk.view.value) == (len(word) < 1000)
    walk.show(b"x" * 1000)
    assert "1,000 bytes" in walk.heading.value


def test_a_text_can_be_read_as_it_is(known: Workspace) -> None:
    panel = Explorer(known, " a\n")
    assert "&lt;/s&gt;" in panel.box.view.content
    panel.box.reading.value = RAW
    assert "&lt;/s&gt;" not in panel.box.view.content
    assert "␣a" in panel.box.view.content and "⏎" in panel.box.view.content


def test_the_next_epoch_and_another_seed_hide_other_tokens() -> None:
    preview = MaskPreview(DICTIONARY)
    text = "one two three four five six seven eight nine ten " * 4
    preview.show(text)
    sample = np.array([0, *(token.index for token in explore(text, DICTIONARY).tokens)])
    assert preview.html() == masked_strip(sample, DICTIONARY, seed=1, epoch=1)
    preview.next.click()
    assert preview.html() == masked_strip(sample, DICTIONARY, seed=1, epoch=2)
    preview.seed.value = 7
    assert preview.html() == masked_strip(sample, DICTIONARY, seed=7, epoch=2)
    assert preview.html() in preview.view.value


def test_the_unit_that_is_hidden_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    preview = MaskPreview(DICTIONARY)
    preview.show("今天天气很好。" * 8)
    shown = {}
    for unit in preview.unit.options:
        preview.unit.value = unit
        assert preview.html() in preview.view.value
        shown[unit] = preview.html()
    assert preview.unit.options == ("token", "character", "word") and len({*shown.values()}) == 3
    monkeypatch.setitem(sys.modules, "rjieba", None)
    preview.next.click()
    assert "segmenter" in preview.view.value and "pip install" in preview.view.value
    preview.show("ภาษาไทย")
    assert "This text has characters without spaces" in preview.view.value
    assert "7 of Thai. Each such letter" in preview.view.value
    preview.unit.value = "character"
    assert "Thai" not in preview.view.value


def test_a_long_text_is_cut_to_one_sample() -> None:
    preview = MaskPreview(DICTIONARY)
    preview.show("word " * 3000)
    assert "of 512 positions" in preview.html()


def test_without_a_dictionary_all_but_the_indices_and_masks_is_there(unknown: Workspace) -> None:
    panel = Explorer(unknown, "Hello")
    assert "15496" in panel.box.view.content
    assert "00_setup" in panel.masks.view.value
    said = " ".join(w.value for w in inside(panel) if isinstance(w, widgets.HTML))
    assert "There are no dictionary indices." in said
    assert not unknown.root.exists()  # looking makes nothing


def test_a_damaged_dictionary_is_named_and_the_rest_goes_on(unknown: Workspace) -> None:
    unknown.base_dict.parent.mkdir(parents=True)
    unknown.base_dict.write_bytes(b"\xff\xfe no dictionary")
    known = known_tokens(unknown)
    assert known.dictionary is None
    assert str(unknown.base_dict) in known.origin
    assert "Hello" in Explorer(unknown, "Hello").box.view.content


def test_pages_and_tables_are_saved_beside_each_other(known: Workspace) -> None:
    panel = Explorer(known, SCRIPT + "微调")
    folder = known.root / "explorer"
    shutil.rmtree(folder)
    button(panel, "Save as HTML").click()
    assert "explorer/tokens-1.html" in panel.saved.value
    first = (folder / "tokens-1.html").read_text("utf-8")
    assert first.startswith("<!doctype html>") and "<script" not in first and "微" in first
    panel.box.view.text = "another"
    button(panel, "Save as HTML").click()
    button(panel, "Save table as CSV").click()
    assert (folder / "tokens-1.html").read_text("utf-8") == first
    assert "another" in (folder / "tokens-2.html").read_text("utf-8")
    assert (folder / "tokens-1.csv").read_bytes().startswith(b"\xef\xbb\xbf#,token,")


def test_a_disk_that_cannot_be_written_to_is_said(known: Workspace) -> None:
    panel = Explorer(known, "x")
    shutil.rmtree(known.root / "explorer")
    (known.root / "explorer").write_text("a file in the way")
    button(panel, "Save as HTML").click()
    assert "⚠" in panel.saved.value


def test_a_word_in_its_spellings(known: Workspace) -> None:
    panel = Spellings(known, "Word")
    shown = re.findall(r"<td[^>]*>([^<]*)</td>", panel.view.value)
    for spelled in ("Word", " Word", "word", " word", "WORD", " WORD"):
        assert " ".join(map(str, encode(spelled))) in shown
    panel.word.value = "词"  # has no capitals
    assert len(re.findall("<tr><td", panel.view.value)) == 2
    panel.word.value = SCRIPT
    assert "<script" not in panel.view.value


def test_two_texts_have_their_own_tokens(known: Workspace) -> None:
    panel = SideBySide(known, "left side", "right side")
    panel.boxes[1].view.text = "something else"
    left, right = (box.view.content for box in panel.boxes)
    assert "left" in left and "something" in right and "something" not in left


def test_a_search_finds_tokens_and_says_what_is_wrong_with_an_expression(known: Workspace) -> None:
    panel = TokenSearch(known, "dog")
    assert "<td" in panel.view.value and "␣dog" in panel.view.value
    many = int(re.search(r"<b>Tokens found: (\d+)", panel.view.value)[1])
    panel.after_space.value = True
    assert int(re.search(r"<b>Tokens found: (\d+)", panel.view.value)[1]) < many
    panel.regex.value, panel.query.value = True, "("
    assert "is not a regular expression" in panel.view.value
    panel.query.value, panel.order.value = "", LATEST
    assert "these are the first 50" in panel.view.value


def test_every_panel_can_be_saved(known: Workspace) -> None:
    for panel in panels(known):
        button(panel, "Save as HTML").click()
        file = known.root / panel.saved.value.split("Saved as ")[1].split("<")[0]
        assert panel.html() in file.read_text("utf-8")


def panels(workspace: Workspace) -> list:
    return [
        CorpusView(workspace),
        Explorer(workspace, SCRIPT),
        Spellings(workspace, SCRIPT),
        SideBySide(workspace, SCRIPT, "x"),
        TokenSearch(workspace, "cat"),
    ]


def test_every_panel_is_shown_twice_live_and_still(known: Workspace) -> None:
    for panel in panels(known):
        shown = panel._repr_mimebundle_()
        assert LIVE in shown
        assert shown["text/plain"]
        assert "<script" not in shown["text/html"]
        assert "data-t" in shown["text/html"] or "<td" in shown["text/html"]


def test_the_explorer_needs_neither_fairseq_nor_torch(known: Workspace) -> None:
    code = (
        "import sys\n"
        "sys.modules.update(fairseq=None, torch=None, transformers=None)\n"
        "from helpers.panels.explorer.explorer import Explorer\n"
        "from helpers.workflow.workspace import Workspace\n"
        "panel = Explorer(Workspace(sys.argv[1]), 'Hello world')\n"
        "print('Same ids as Hugging Face' in panel.html(), 'positions' in panel.masks.html())\n"
    )
    command = [sys.executable, "-c", code, str(known.root)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    assert done.stdout.split() == ["True", "True"], done.stderr


def test_what_is_known_follows_the_workspace(known: Workspace) -> None:
    found = known_tokens(known)
    assert isinstance(found, KnownTokens)
    assert found.dictionary.symbols == DICTIONARY.symbols
    assert found.counts.sum() == 7
    known.raw("train").write_text("changed\n")
    assert known_tokens(known).counts is None
