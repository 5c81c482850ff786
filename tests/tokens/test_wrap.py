"""Wrapping lines that the model cannot read: no character lost, no piece too long or blank."""

import itertools

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from helpers.tokens.gpt2 import count_tokens
from helpers.tokens.wrap import is_too_long, wrap
from tests.support.awkward import TEXTS, text

FAMILY = "👨‍👩‍👧‍👦"
HARD = "ab 1.,'é中文🙂\t\u3000\u2028\x0b\x1c\ufeff。！？\"”)\u0301\u200d👍🏽👨👩"


def check(line: str, limit: int) -> list[str]:
    pieces = list(wrap(line, limit))
    assert "".join(pieces) == line
    assert all(count_tokens(piece) <= limit for piece in pieces)
    assert all(piece.strip() for piece in pieces) or not line.strip()
    borders = {match.end() for match in regex.finditer(r"\X", line)}
    start = end = 0
    for piece in pieces:
        start, end = end, end + len(piece)
        inside = end not in borders
        assert not (inside and any(start < border < end for border in borders)), "avoidable"
    return pieces


@given(st.text(st.sampled_from(HARD), max_size=200), st.integers(16, 40))
def test_pieces_of_hard_text(line: str, limit: int):
    check(line, limit)


@given(text, st.integers(2, 30), st.integers(16, 40))
def test_pieces_of_any_text(line: str, times: int, limit: int):
    check(line * times, limit)


@pytest.mark.parametrize("limit", [16, 100, 510])
@pytest.mark.parametrize("name", TEXTS)
def test_pieces_of_awkward_texts(name: str, limit: int):
    for line in TEXTS[name].split("\n"):
        check(line, limit)


EXTREMES = {
    "one long word": "Donaudampfschiff" * 200,
    "Chinese without marks": "中文" * 500,
    "families": FAMILY * 60,
    "flags": "🏳️‍🌈 " * 60,
    "one letter with thousands of accents": "e" + "\u0301" * 3000,
    "a space that carries an accent": "ab \u0301" * 100,
    "white space in front": " " * 5000 + "word " * 100,
    "white space within": ("word" + "\u3000" * 3000) * 9,
}


@pytest.mark.parametrize("name", EXTREMES)
def test_pieces_of_extremes(name: str):
    assert len(check(EXTREMES[name], 20)) > 1


def test_a_line_that_fits_stays_whole():
    line = "Just enough words for this line. " * 2
    limit = count_tokens(line)
    assert [*wrap(line, limit)] == [line]
    assert not is_too_long(line, limit)
    assert is_too_long(line, limit - 1)


def test_a_blank_line_is_never_cut():
    assert [*wrap(" " * 30_000, 16)] == [" " * 30_000]
    assert not is_too_long("\u3000" * 30_000, 16)


def test_a_piece_ends_behind_a_sentence_if_there_is_one():
    line = "Here is one sentence. Here comes, with a comma, another that goes on and on and on."
    assert check(line, 16)[0] == "Here is one sentence. "


def test_a_closing_quote_stays_with_its_sentence():
    line = "“Is it so?” He asked this, and then he asked it again, until nobody listened."
    assert check(line, 16)[0] == "“Is it so?” "


def test_a_chinese_piece_ends_behind_its_mark():
    line = "微调之前，先把文本切分。" * 4
    assert check(line, count_tokens(line) // 2 + 5) == [line[:24], line[24:]]


def test_a_number_or_a_name_is_no_sentence_end():
    line = "word word version 3.14 of example.org and more words that follow here and there"
    assert all(not piece.endswith(".") for piece in check(line, 16))


def test_a_piece_ends_behind_a_space_where_no_sentence_ends():
    pieces = check("some words and no end " * 10, 16)
    assert all(piece.endswith(" ") for piece in pieces)
    assert all(count_tokens(piece) > 8 for piece in pieces[:-1])


def test_words_are_not_cut_where_there_are_spaces():
    line = "Donaudampfschifffahrt " * 20
    assert [word for piece in check(line, 16) for word in piece.split()] == line.split()


@pytest.mark.parametrize("limit", range(16, 60))
def test_white_space_goes_with_the_piece_before_it(limit: int):
    pieces = check(("中" * 9 + "\u3000\u3000") * 9, limit)
    assert not any(piece[0].isspace() for piece in pieces)


def test_a_character_that_readers_see_as_one_is_not_cut():
    assert {*check(FAMILY * 30, count_tokens(FAMILY) + 9)} == {FAMILY}


@pytest.mark.parametrize("limit", [16, 17, 33, 510])
def test_pieces_are_filled(limit: int):
    pieces = check("中" * 2000, limit)
    assert len({len(piece) for piece in pieces[:-1]}) == 1
    assert count_tokens(pieces[0] + "中") > limit


BEGIN_NEVER = "，。、；：！？…”’」』》〉）】"
PARTS = (
    *(
        "他说",
        "今天",
        "我们去公园",
        "，",
        "。",
        "！”",
        "？”，",
        "……",
        "》、",
        "——",
        "：“",
        "（他）",
    ),
    *("。』", "」。", "；", "“", "1,000", "GPT-2 ", "a word ", "　　"),
)
PROSE = st.lists(st.sampled_from(PARTS), max_size=120).map("".join)


@given(PROSE, st.integers(16, 120))
def test_no_piece_of_prose_begins_with_a_closing_mark(line: str, limit: int):
    """But where nothing else would fit: a run of marks that fills a line by itself."""
    pieces = check(line, limit)
    for before, piece in itertools.pairwise(pieces):
        if piece[0] in BEGIN_NEVER:
            assert not regex.search(rf"[^\s{BEGIN_NEVER}“（]{{2}}", before)


@pytest.mark.parametrize(
    "end", ["。", "！", "？", "；", "……", "。”", "？’”", "！」", "。』》", "。）"]
)
def test_a_sentence_keeps_its_mark_and_its_quotes(end: str):
    line = f"他想了很久{end}" * 12
    limit = count_tokens(f"他想了很久{end}") * 3 + 4
    assert all(piece.endswith(end) for piece in check(line, limit))


def test_a_quote_within_a_sentence_does_not_end_it():
    line = "“你好吗？”，他问了一句又一句，可是没有人回答他。" * 4
    assert {piece[-1] for piece in check(line, count_tokens(line) // 3)} == {"。"}


def test_a_long_sentence_ends_behind_a_comma():
    line = "他走了很远的路，翻过了三座山，" * 8
    assert {piece[-1] for piece in check(line, 50)} == {"，"}


def test_a_number_is_not_cut_at_its_comma():
    line = "1,000,000 " * 40
    assert all(piece.endswith("000 ") for piece in check(line, 30)[:-1])


def test_a_chapter_of_one_line_is_cut_between_its_paragraphs():
    paragraph = "他走了很远。路上没有人。天黑了。"
    line = "　　".join([paragraph] * 6)
    assert {piece.rstrip() for piece in check(line, count_tokens(paragraph) + 25)} == {paragraph}
    assert check(line, count_tokens(paragraph) * 3)[0] == f"{paragraph}　　{paragraph}　　"
