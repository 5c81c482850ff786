"""Both engines cut a text alike: fairseq's ``regex``, and tiktoken's."""

import functools

import pytest
import regex
import tiktoken
from fairseq.data.encoders.gpt2_bpe import get_encoder
from hypothesis import example, given
from hypothesis import strategies as st

from helpers.tokens.gpt2 import encode, gpt2_file
from helpers.tokens.pattern import LETTER, NUMBER, PATTERN

POINTS = "".join(chr(i) for i in range(0x110000) if not 0xD800 <= i <= 0xDFFF)


def of_tiktoken(pattern: str, text: str) -> str:
    """What a pattern of its engine takes of a text: all else is left out."""
    ranks = {bytes([i]): i for i in range(256)}
    engine = tiktoken.Encoding(
        name="bytes", pat_str=pattern, mergeable_ranks=ranks, special_tokens={}
    )
    return bytes(engine.encode(text, disallowed_special=())).decode()


@pytest.mark.parametrize(
    ("ours", "fairseqs"), [(LETTER, r"\p{L}"), (NUMBER, r"\p{N}"), (r"\s", r"\s")]
)
def test_the_classes_are_fairseqs_over_all_code_points(ours: str, fairseqs: str) -> None:
    wanted = "".join(regex.findall(fairseqs, POINTS))
    assert of_tiktoken(f"[{ours}]", POINTS) == wanted
    assert "".join(regex.findall(f"[{ours}]", POINTS)) == wanted


def test_a_class_that_differs_would_be_found() -> None:
    assert of_tiktoken(r"\p{L}", POINTS) != "".join(regex.findall(r"\p{L}", POINTS))


@functools.cache
def fairseqs_encoder() -> object:
    return get_encoder(str(gpt2_file("encoder.json")), str(gpt2_file("vocab.bpe")))


# Letters and numbers that Unicode has had for a few years only, in a text with contractions.
YOUNG = "\u088f\u209d\ua7d2\U00011db0\U00016ea0\U00033000\U0001246f\U00011de0"
signs = st.sampled_from([*YOUNG, *"ab1 ',.", "'s", "'ll", "'re", " ", "\n", "é", "中", "🙂"])


@given(st.lists(signs, max_size=30).map("".join))
@example("\u088f's")
@example(f" {YOUNG}'ll{YOUNG}1")
def test_young_letters_give_fairseqs_ids(text: str) -> None:
    assert encode(text).tolist() == fairseqs_encoder().encode(text)
    assert regex.findall(PATTERN, text) == regex.findall(fairseqs_encoder().pat, text)
