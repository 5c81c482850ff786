"""Tokens as HTML: nothing is run, nothing is loaded, and everybody can tell the colours apart."""

import csv
import html
import io
import itertools
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given

from helpers.explorer.html.masks import masked_strip
from helpers.explorer.html.merges import all_merges, found_tokens, merge_step
from helpers.explorer.html.tokens import (
    COLOURS,
    HEAD,
    page,
    spellings,
    token_csv,
    token_rows,
    token_strip,
    token_table,
)
from helpers.explorer.known import KnownTokens
from helpers.explorer.merges import merge_steps, search_tokens
from helpers.explorer.text import SHOWN, explore
from helpers.ids.dictionary import Dictionary
from helpers.tokens.gpt2 import GPT2_IDS
from helpers.tokens.readable import readable
from tests.support.awkward import TEXTS, text
from tests.support.hands import SCRIPT

DICTIONARY = Dictionary.from_counts(np.arange(GPT2_IDS))
KNOWN = KnownTokens(DICTIONARY, np.arange(GPT2_IDS), "")
SAFE = {"html", "head", "meta", "title", "body", "h1", "div", "span", "br", "code", "b"}
SAFE |= {"table", "thead", "tbody", "tr", "th", "td"}


class Seen(HTMLParser):
    """The elements of some HTML, its texts, and how often each ``data-t`` stands in it."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.numbers: list[int] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(content)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.numbers += [int(value) for name, value in attrs if name == "data-t"]
        if tag not in ("br", "meta"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def everything(content: str) -> str:
    """All views of a text, as one page."""
    explored = explore(content, DICTIONARY)
    words = {token.word for token in explored.tokens if len(token.word) <= 200}
    sample = np.array([0, *(token.index for token in explored.tokens)])
    return page(
        content[:50],
        token_strip(explored.tokens),
        token_table(explored, KNOWN.counts),
        *(all_merges(merge_steps(word)) for word in sorted(words)[:5]),
        masked_strip(sample, DICTIONARY, seed=1, epoch=1),
        spellings(content[:100], DICTIONARY),
        found_tokens(search_tokens(content[:2]), KNOWN),
    )


@given(text)
def test_every_view_is_self_contained_and_well_formed(content: str) -> None:
    seen = Seen(everything(content))
    assert seen.tags <= SAFE
    assert seen.attributes <= {"style", "data-t", "charset", "cellpadding"}


@pytest.mark.parametrize("content", [SCRIPT, "'><img src=x onerror=alert(1)>", "&lt;b&gt;"])
def test_what_is_typed_is_escaped(content: str) -> None:
    shown = everything(content)
    assert Seen(shown).tags <= SAFE
    strip = Seen(token_strip(explore(content).tokens))
    assert "".join(strip.texts) == readable(content.encode()) + "</s>"


@pytest.mark.parametrize("name", TEXTS)
def test_a_token_and_its_row_have_the_same_number(name: str) -> None:
    explored = explore(TEXTS[name], DICTIONARY)
    numbers = list(range(len(explored.tokens)))
    assert Seen(token_strip(explored.tokens)).numbers == numbers
    assert Seen(token_table(explored)).numbers == numbers


def test_a_character_of_several_tokens_is_shown_whole_above_its_pieces() -> None:
    tokens = explore("a 好", lines=False).tokens
    assert Seen(token_strip(tokens)).texts == ["a", "␣好", "20 E5", "A5", "BD"]
    assert [(t.content, t.span) for t in tokens[1:]] == [
        (b" \xe5", (1, 3)),
        (b"\xa5", (2, 3)),
        (b"\xbd", (2, 3)),
    ]


def test_spaces_and_line_ends_are_visible() -> None:
    strip = token_strip(explore(" a\n\tb", lines=False).tokens)
    assert Seen(strip).texts == ["␣a", "⏎", "⇥", "b"]
    assert strip.count("<br>") == 1


def test_a_row_has_both_ids_and_the_count_of_the_corpus() -> None:
    rows = token_rows(explore("Hello world", DICTIONARY), KNOWN.counts)
    index = [DICTIONARY.index(str(i)) for i in (15496, 995)]
    assert rows == [
        (0, "Hello", "48 65 6C 6C 6F", "0:5", 15496, index[0], 15496),
        (1, "␣world", "20 77 6F 72 6C 64", "5:11", 995, index[1], 995),
        (2, "</s>", "", "11:11", None, 2, None),
    ]


@pytest.mark.parametrize("name", TEXTS)
def test_the_table_is_read_back_from_its_csv(name: str) -> None:
    explored = explore(TEXTS[name], DICTIONARY)
    written = token_csv(explored, KNOWN.counts)
    assert written[0] == "\ufeff"
    head, *rows = csv.reader(io.StringIO(written[1:], newline=""))
    assert head == list(HEAD)
    wanted = token_rows(explored, KNOWN.counts)
    assert rows == [["" if v is None else str(v) for v in row] for row in wanted]


def test_only_the_beginning_of_a_long_text_is_shown_and_that_is_said() -> None:
    explored = explore("a b " * SHOWN)
    assert len(explored.tokens) == SHOWN
    assert f"Only the first {SHOWN:,} of {2 * SHOWN + 1:,} tokens are shown." in explored.notes
    assert explored.counts()["tokens"] == 2 * SHOWN


def test_a_step_names_the_merge_its_rank_and_what_lost() -> None:
    steps = merge_steps(" the")
    assert Seen(merge_step(steps, 0)).texts[:4] == ["␣", "t", "h", "e"]
    first = html.unescape(re.sub("<[^>]+>", "", merge_step(steps, 1)))
    assert "Merge 1 of 3: ␣ + t, of rank 0. It had the lowest rank." in first
    assert "The others were h + e of rank 2, t + h of rank" in first
    assert "No neighbours are left" in merge_step(steps, 3)
    assert all_merges(steps).count("Merge ") == 3


def test_a_masked_sample_shows_what_is_to_be_guessed() -> None:
    ids = explore("one two three four five six seven eight nine ten " * 5, DICTIONARY).tokens
    sample = np.array([0, *(token.index for token in ids)])
    first, second = (masked_strip(sample, DICTIONARY, seed=1, epoch=epoch) for epoch in (1, 2))
    assert first != second
    said = re.search(r"Epoch 1: (\d+) of 52 positions", first)
    assert said and int(said[1]) in (7, 8)
    assert "&lt;mask&gt;" in first


# The colours as people see them who lack one kind of cone. Source of the matrices: Machado,
# Oliveira and Fernandes 2009, "A Physiologically-based Model for Simulation of Color Vision
# Deficiency", severity 1.0, for linear RGB.
VISION = {
    "usual": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def linear(colour: str) -> np.ndarray:
    values = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIE L*a*b* of linear RGB, for white of D65."""
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    x, y, z = np.cbrt(to_xyz @ np.clip(rgb, 0, 1) / to_xyz.sum(axis=1))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("vision", VISION)
def test_neighbours_are_told_apart_with_any_colour_vision(vision: str) -> None:
    seen = [lab(np.asarray(VISION[vision]) @ linear(colour)) for colour in COLOURS]
    for one, other in itertools.pairwise([*seen, seen[0]]):
        assert np.linalg.norm(one - other) > 15  # 2.3 is what can just be told apart


def test_black_letters_stand_out_on_every_colour() -> None:
    for colour in COLOURS:
        brightness = linear(colour) @ [0.2126, 0.7152, 0.0722]
        assert (brightness + 0.05) / 0.05 > 7  # WCAG's level AAA
