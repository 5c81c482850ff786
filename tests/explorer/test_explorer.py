"""A text taken apart: ids as fairseq's and Hugging Face's, places as they are in the text."""

import itertools
import re

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from helpers.common.symbols import EOS
from helpers.explorer.merges import words
from helpers.explorer.references import _huggingface_tokenizer, fairseq_encode
from helpers.explorer.text import SHOWN, TYPED_SPECIALS, Explored, Token, explore
from helpers.ids.dictionary import Dictionary
from helpers.models.hf.folder import tokenizer_of
from helpers.tokens.gpt2 import bytes_of_token
from helpers.tokens.line_ids import encode_lines
from tests.support.awkward import TEXTS, text

with_fairseq = pytest.mark.skipif(fairseq_encode("") is None, reason="fairseq is not installed")

MORE = {
    "a script": "<script>alert(1)</script>\n",
    "nul": "\0a\0\0b \0\n\0",
    "lone surrogates": "a\ud83d b\ude42 \ud83d\ud83d\ude42 \udc00",
    "crlf at the end": "a\r\n\r\n\r\n",
    "carriage returns alone": "\r\ra \r b\r",
    "other line ends": "a\x0b\nb \x0c\r\nc\x85\nd\u2028\n\u2029e\x0b\n\x85\n\u2028",
    "byte-order mark alone": "\ufeff",
    "byte-order mark and a space": "\ufeff a\n \ufeff\n",
    "nothing at the end": "first\nsecond",
    "half characters": "龘 龘龘 🙂🙂 ーマーミ コーヒー 好\u0301",
    "a space and a half character": " 龘 🏳️‍🌈  👨‍👩‍👧‍👦 \xa0龘",
}
ALL = TEXTS | MORE
MILLION = {"letters": "a", "spaces": " ", "emoji": "🙂", "newlines": "\n"}

anything = st.one_of(
    text,
    st.text(st.sampled_from("a 龘ー🙂🏳\ufe0f\u200dé\u0301\n\x85\ufeff"), max_size=40),
    st.text(max_size=20),
    st.text(st.characters(categories=["Cs"]) | st.sampled_from("a \n"), max_size=10),
)


@pytest.fixture(scope="module")
def roberta(dictionary: Dictionary):
    """The tokenizer of a converted model."""
    return tokenizer_of(dictionary, 10**9)


def decoded(ids: np.ndarray) -> bytes:
    return b"".join(b"\n" if i < 0 else bytes_of_token()[i] for i in ids.tolist())


def well_formed(content: str) -> str:
    """Pairs of surrogates as the character that they are, and lone ones as U+FFFD."""
    return re.sub(
        "[\ud800-\udfff]", "\ufffd", re.sub("[\ud800-\udbff][\udc00-\udfff]", _pair, content)
    )


def _pair(found: re.Match) -> str:
    high, low = map(ord, found[0])
    return chr(0x10000 + (high - 0xD800) * 0x400 + low - 0xDC00)


# As it is


def check_raw(content: str, dictionary: Dictionary) -> Explored:
    explored = explore(content, dictionary, lines=False)
    assert explored.text == well_formed(content)
    assert decoded(explored.ids) == explored.text.encode()
    shown = b"".join(token.content for token in explored.tokens)
    assert explored.text.encode().startswith(shown)
    assert len(explored.tokens) == min(SHOWN, len(explored.ids))
    assert explored.bytes == len(explored.text.encode())
    check_tokens(explored, dictionary)
    return explored


def check_tokens(explored: Explored, dictionary: Dictionary) -> None:
    """What holds in both ways of reading, of the tokens that are taken apart."""
    assert explored.ids.dtype == np.int32
    ids = [-1 if token.gpt2_id is None else token.gpt2_id for token in explored.tokens]
    assert explored.ids[: len(ids)].tolist() == ids
    for token in explored.tokens:
        if token.gpt2_id is None:
            assert (token.content, token.word, token.index) == (b"", b"", EOS)
            assert token.span[0] == token.span[1]
        else:
            assert token.content == bytes_of_token()[token.gpt2_id]
            assert token.index == dictionary.index(str(token.gpt2_id))
            assert token.content in token.word
            assert touches_both_ends(token.content, explored.text[slice(*token.span)])
    check_groups(explored)


def touches_both_ends(content: bytes, place: str) -> bool:
    """The bytes are a part of these characters, and have a share in the first and the last."""
    first, last = len(place[0].encode()), len(place[-1].encode())
    whole, size = place.encode(), len(content)
    return any(
        whole.startswith(content, begin) and begin + size > len(whole) - last
        for begin in range(first)
    )


def check_groups(explored: Explored) -> None:
    """Tokens of one ``character`` are whole characters, and as few as can be."""
    found = itertools.groupby(explored.tokens, key=lambda token: token.character)
    groups = [[*group] for _, group in found]
    assert [group[0].character for group in groups] == [*range(len(groups))]
    if len(explored.tokens) < len(explored.ids):
        groups.pop()  # its end may not be shown
    for group in groups:
        pieces = [token.content for token in group]
        place = explored.text[group[0].span[0] : group[-1].span[1]]
        assert place.encode() == b"".join(pieces)
        for size in range(1, len(pieces)):
            with pytest.raises(UnicodeDecodeError):
                b"".join(pieces[:size]).decode()


@pytest.mark.parametrize("name", ALL)
def test_awkward_texts_are_taken_apart_and_put_together(name: str, dictionary: Dictionary):
    check_raw(ALL[name], dictionary)


@given(content=anything)
def test_any_text_is_taken_apart_and_put_together(content: str, dictionary: Dictionary):
    check_raw(content, dictionary)


@with_fairseq
@pytest.mark.parametrize("name", sorted(ALL.keys() - {"long gap", "long word"}))
def test_the_ids_of_awkward_texts_are_fairseqs(name: str):
    explored = explore(ALL[name], lines=False)
    assert explored.ids.tolist() == fairseq_encode(explored.text)


@with_fairseq
@given(content=anything)
def test_the_ids_of_any_text_are_fairseqs(content: str):
    explored = explore(content, lines=False)
    assert explored.ids.tolist() == fairseq_encode(explored.text)


def test_each_token_knows_its_word():
    content = "Donaudampfschifffahrt isn't 微调之前 龘\n\n  ok"
    tokens = explore(content, lines=False).tokens
    cut = []
    for word in words(content):
        pieces = []
        while b"".join(pieces) != word.encode():
            token = tokens[len(cut) + len(pieces)]
            assert token.word == word.encode()
            pieces.append(token.content)
        cut += pieces
    assert len(cut) == len(tokens)


# Beside Hugging Face


def check_roberta(content: str, dictionary: Dictionary, roberta) -> None:
    """The ids and places of the tokenizer of a converted model, which leaves spaces out."""
    explored = explore(content, dictionary, lines=False)
    found = roberta(explored.text, add_special_tokens=False, return_offsets_mapping=True)
    shown = explored.tokens
    assert dictionary.from_gpt2[explored.ids].tolist() == found["input_ids"]
    assert [token.index for token in shown] == found["input_ids"][: len(shown)]
    places = map(tuple, found["offset_mapping"][: len(shown)])
    assert [without_spaces(token) for token in shown] == [*places]


def without_spaces(token: Token) -> tuple[int, int]:
    begin, end = token.span
    begin = min(begin + len(token.content) - len(token.content.lstrip(b" ")), end)
    return begin, max(end - len(token.content) + len(token.content.rstrip(b" ")), begin)


@pytest.mark.parametrize("name", sorted(ALL.keys() - {"special tokens"}))
def test_awkward_texts_are_the_same_for_a_converted_model(name: str, dictionary, roberta):
    check_roberta(ALL[name], dictionary, roberta)


@given(content=anything)
def test_any_text_is_the_same_for_a_converted_model(content: str, dictionary, roberta):
    assume(not any(special in content for special in TYPED_SPECIALS))
    check_roberta(content, dictionary, roberta)


def offsets(content: str) -> list[tuple[int, int]]:
    return _huggingface_tokenizer().encode(content).offsets


@pytest.mark.parametrize("name", ALL)
def test_spans_are_hugging_faces_offsets_of_which_nothing_is_trimmed(name: str):
    explored = explore(ALL[name], lines=False)
    assert [t.span for t in explored.tokens] == offsets(explored.text)[:SHOWN]


@given(content=anything)
def test_spans_of_any_text_are_hugging_faces_offsets(content: str):
    explored = explore(content, lines=False)
    assert [t.span for t in explored.tokens] == offsets(explored.text)


# In lines


def check_lines(content: str, dictionary: Dictionary, folder) -> None:
    explored = explore(content, dictionary)
    file = folder / "text.raw"
    file.write_bytes(explored.text.encode())
    with file.open(encoding="utf-8") as handle:
        lines = [*handle]
    wanted = encode_lines("".join(lines)).tolist() if lines else []
    assert explored.ids.tolist() == wanted
    assert decoded(explored.ids) == "".join(line.strip() + "\n" for line in lines).encode()
    assert explored.bytes == sum(len(line.strip().encode()) for line in lines)
    check_tokens(explored, dictionary)
    if len(explored.tokens) == len(wanted):
        ends = [token.span[0] for token in explored.tokens if token.gpt2_id is None]
        assert ends == [*ends_of(explored.text)]


def ends_of(content: str):
    """Where the text of each line ends, without the white space behind it."""
    begin = 0
    for line in re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z", content):
        yield begin + len(line.rstrip())
        begin += len(line)


@pytest.mark.parametrize("name", ALL)
def test_lines_are_those_of_a_file_read_by_fairseqs_encoder(name, dictionary, tmp_path):
    check_lines(ALL[name], dictionary, tmp_path)


@given(content=anything)
def test_lines_of_any_text_are_those_of_a_file(content, dictionary, tmp_path_factory):
    check_lines(content, dictionary, tmp_path_factory.getbasetemp())


def test_an_empty_text_has_neither_tokens_nor_lines():
    for lines in (True, False):
        explored = explore("", lines=lines)
        assert (explored.tokens, explored.ids.tolist(), explored.notes) == ((), [], ())
        assert explored.ids.dtype == np.int32


# Much


@pytest.mark.parametrize("lines", [True, False])
@pytest.mark.parametrize("name", MILLION)
def test_a_million_characters(name: str, lines: bool, dictionary: Dictionary):
    content = MILLION[name] * 1_000_000
    explored = explore(content, dictionary, lines=lines)
    wanted = {("spaces", True): "\n", ("newlines", True): content}
    if lines:
        assert decoded(explored.ids) == wanted.get((name, True), content + "\n").encode()
    else:
        assert decoded(explored.ids) == content.encode()
    check_tokens(explored, dictionary)
    assert len(explored.tokens) == min(SHOWN, len(explored.ids))
    cut = f"Only the first {SHOWN:,} of {len(explored.ids):,} tokens are shown."
    assert explored.notes == ((cut,) if len(explored.ids) > SHOWN else ())


# Without a dictionary, notes, counts


def test_without_a_dictionary_tokens_have_no_rows():
    tokens = explore("Hi\n").tokens
    assert [token.index for token in tokens] == [None, EOS]


@pytest.mark.parametrize("special", TYPED_SPECIALS)
def test_a_typed_special_symbol_is_text_and_said_to_be(special: str):
    explored = explore(f"a {special} b", lines=False)
    assert decoded(explored.ids) == f"a {special} b".encode()
    [note] = explored.notes
    assert note.startswith(f"{special} is text here")


def test_lone_surrogates_are_replaced_and_said_to_be():
    assert explore("a\ud83d").text == "a\ufffd"
    [note] = explore("a\ud83d\ufffd").notes
    assert "surrogates" in note
    for sound in ("\ufffd", "\ud83d\ude42", "🙂"):
        assert explore(sound).notes == ()


@pytest.mark.parametrize(
    ("content", "number"),
    [
        ("", 0),
        (" \n\t\u3000", 0),
        ("Hello world", 2),
        ("don't stop-me, 3.14 🙂", 4),
        ("微调之前", 4),
        ("用BERT微调 RoBERTa", 5),
        ("ひらがな カタカナ", 8),
        ("한국어 텍스트", 2),
        ("русский текст\nи ещё", 4),
    ],
)
def test_words_are_counted_as_word_processors_do(content: str, number: int):
    assert explore(content).counts()["words"] == number


def test_counts():
    assert explore(" Hello world! 好\r\n\r\n").counts() == {
        "characters": 19,
        "words": 3,
        "tokens": 6,  # " 好" is three
        "tokens a word": 2,
        "bytes a token": 16 / 6,
    }
    nothing = explore("\n").counts()
    assert nothing["tokens a word"] is None and nothing["bytes a token"] is None
