"""Characters and words in tokens: each is whole, and no larger than it must be."""

import collections
import itertools
import sys
import tomllib

import numpy as np
import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from helpers.common.errors import CourseError
from helpers.common.files import PROJECT
from helpers.tokens.gpt2 import bytes_of_token, encode
from helpers.tokens.units import (
    HAN,
    SEGMENTER,
    UNDIVIDED,
    of_undivided,
    unit_sizes,
    without_spaces,
)
from tests.support.awkward import text


def contents_of(line: str) -> list[bytes]:
    return [bytes_of_token()[i] for i in encode(line)]


def units(line: str, unit: str) -> list[str]:
    """The text of each unit of a line."""
    contents = contents_of(line)
    ends = np.cumsum(unit_sizes(contents, unit)).tolist()
    return [b"".join(contents[a:b]).decode() for a, b in itertools.pairwise([0, *ends])]


def characters_of(line: str) -> list[set[int]]:
    """Which tokens each character is in."""
    owner = [i for i, content in enumerate(contents_of(line)) for _ in content]
    places = np.cumsum([0, *(len(character.encode()) for character in line)]).tolist()
    return [{*owner[a:b]} for a, b in itertools.pairwise(places)]


several_lines = st.lists(st.text(st.characters(exclude_categories=["Cs"])) | text, max_size=4)


@given(several_lines, st.integers(0, 20), st.sampled_from(["character", "word"]))
def test_a_character_is_whole_wherever_a_sample_begins(lines, cut, unit):
    """``</s>``, which has no bytes, is by itself; a sample may begin within a character."""
    tokens, characters = [], []
    for line in lines:
        characters += [{len(tokens) + i for i in each} for each in characters_of(line)]
        tokens += [*contents_of(line), b""]
    tokens = tokens[cut:]
    sizes = unit_sizes(tokens, unit)
    assert sizes.sum() == len(tokens) and (sizes > 0).all()
    unit_of = np.repeat(np.arange(len(sizes)), sizes).tolist()
    for tokens_of_it in characters:
        assert len({unit_of[i - cut] for i in tokens_of_it if i >= cut}) <= 1
    for place, content in enumerate(tokens):
        assert content or unit_of.count(unit_of[place]) == 1


@given(text)
def test_no_unit_of_characters_could_end_before(line):
    tokens = contents_of(line)
    places = np.cumsum([0, *map(len, tokens)]).tolist()
    between = {*np.cumsum([0, *(len(character.encode()) for character in line)]).tolist()}
    ends = [0, *np.cumsum(unit_sizes(tokens, "character")).tolist()]
    assert [places[end] for end in ends] == [place for place in places if place in between]


def test_half_a_character_stays_together():
    """Of an emoji a sample may begin, or end, with some of its bytes."""
    emoji = "🙂".encode()
    halves = [emoji[:1], emoji[1:2], b"", emoji[2:3], emoji[3:], b"a"]
    assert unit_sizes(halves, "character").tolist() == [2, 1, 2, 1]
    assert unit_sizes(halves, "word").tolist() == [2, 1, 2, 1]


WORDS = [
    ("Tokenization isn't hard.", ["Tokenization", " isn't", " hard", "."]),
    ("the state-of-the-art", ["the", " state", "-", "of", "-", "the", "-", "art"]),
    ("It costs $3.50 (or 1,000).", ["It", " costs", " $", "3.50", " (", "or", " 1,000", ")."]),
    ("two  spaces", ["two", " ", " spaces"]),
    ("naïve e\u0301tude", ["naïve", " e\u0301tude"]),
    ("한국어 문장", ["한국어", " 문장"]),
    ("ภาษา ไทย", ["ภ", "า", "ษ", "า", " ไ", "ท", "ย"]),
    ("ที่นี่", ["ที่", "นี่"]),
    ("ひらがな、コンピューター", ["ひ", "ら", "が", "な", "、", "コンピューター"]),
    ("👨‍👩‍👧 🙂", ["👨‍👩‍👧", " 🙂"]),
]


@pytest.mark.parametrize(("line", "found"), WORDS)
def test_a_word_is_what_a_reader_takes_for_one(line, found):
    assert units(line, "word") == found


def test_a_chinese_word_is_what_a_segmenter_takes_for_one():
    line = "小明硕士毕业于中国科学院计算所。Python 很好"
    words = ["小明", "硕士", "毕业", "于", "中国科学院", "计算所", "。", "Python", " 很", "好"]
    assert units(line, "word") == words
    assert units("天气很好", "character") == ["天", "气", "很", "好"]


def test_a_token_of_several_characters_is_a_unit_by_itself():
    assert units("Hello 。。", "character") == ["Hello", " ", "。", "。"]
    assert len(contents_of(" tokens")) == len(units(" tokens", "character")) == 1


@pytest.fixture
def no_segmenter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rjieba", None)


def test_without_a_segmenter_chinese_words_are_not_guessed(no_segmenter):
    with pytest.raises(CourseError, match="segmenter") as caught:
        units("今天天气", "word")
    assert f"pip install {SEGMENTER}" in caught.value.hint and "character" in caught.value.hint
    assert units("今天", "character") == ["今", "天"]
    assert units("no Chinese, はな", "word")[:3] == ["no", " Chinese", ","]


def test_the_segmenter_is_the_one_that_the_project_asks_for():
    extras = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]
    assert extras["optional-dependencies"]["chinese"] == [SEGMENTER]
    assert SEGMENTER in extras["optional-dependencies"]["test"]


@pytest.mark.parametrize("character", "中々〇㐀𠮷豈⺀鿿𰀀")
def test_all_of_chinese_goes_to_the_segmenter(character):
    assert without_spaces({character: 2}) == {HAN: 2}
    assert "".join(units(f"a{character}中 b", "word")) == f"a{character}中 b"


@pytest.mark.parametrize("character", "éカ한🙂。 aーяअ")
def test_what_has_spaces_or_is_no_letter_is_not_counted(character):
    assert without_spaces({character: 1}) == {}


def test_no_script_is_forgotten_of_which_each_letter_is_a_word():
    """Of ideographs each may be one; besides Chinese nobody writes any today."""
    points = (point for point in range(sys.maxunicode + 1) if not 0xD800 <= point < 0xE000)
    twice = "\n".join(chr(point) * 2 for point in points)
    letters = "".join(regex.findall(r"(?mw)^(\p{L})\b\1$", twice))
    for script in UNDIVIDED:
        letters, number = regex.subn(rf"\p{{{script}}}", "", letters)
        assert number, script
    assert regex.sub(r"[\p{Han}\p{Ideographic}]", "", letters) == ""


def test_what_nothing_divides_is_said():
    found = without_spaces(collections.Counter("ภาษาไทย 中文 한국어 English"))
    assert found == {HAN: 2, "Thai": 7}
    said = of_undivided(found, "Your text")
    assert said.startswith("Your text has characters without spaces between words")
    assert "7 of Thai. Each such letter" in said and "kanji" not in said and HAN not in said
    assert "kanji are divided as if" in of_undivided({"Hiragana": 1, "Tai_Le": 1}, "It")
    assert of_undivided({HAN: 5}, "It") == of_undivided({}, "It") == ""
