"""Held-out text in samples: nothing is left out, and each token knows its document."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from helpers.base.course_base import unpack
from helpers.common.symbols import BOS, EOS, FIRST
from helpers.evaluation.texts import NO_DOCUMENT, hidden_in, hide, text_of
from helpers.ids.dictionary import Dictionary
from helpers.tokens.gpt2 import encode


@pytest.fixture(scope="module")
def dictionary() -> Dictionary:
    return unpack()[1]


LINES = some.lists(
    some.one_of(
        some.sampled_from(["", " ", "\u3000", "今天的天气很好。", "a 🙂 b", "x"]), some.text()
    ).map(lambda line: " ".join(line.split("\n")))
)


@given(lines=LINES, size=some.integers(2, 40))
def test_every_token_is_there_once_and_knows_its_document(dictionary, lines, size) -> None:
    text = text_of(lines, dictionary, size)
    joined = [int(i) for sample in text.samples for i in sample if i >= FIRST]
    assert joined == [i for line in lines for i in dictionary.from_gpt2[encode(line.strip())]]
    documents = np.concatenate([*text.documents, [NO_DOCUMENT]])
    ids = np.concatenate([*text.samples, [EOS]])
    counts = np.bincount(documents[ids >= FIRST], minlength=len(text.tokens))
    assert counts.tolist() == text.tokens.tolist() and (text.tokens > 0).all()
    assert (np.diff(documents[ids >= FIRST]) >= 0).all()
    for sample, of in zip(text.samples, text.documents, strict=True):
        assert sample[0] == BOS and len(sample) == len(of) <= size
    wanted = sum(not c.isspace() for line in lines if len(encode(line.strip())) for c in line)
    assert text.characters.sum() == wanted


def test_samples_are_whole_lines_as_in_training(dictionary: Dictionary) -> None:
    lines = ["one two three", "", "four five", "a very long line " * 20]
    found = text_of(lines, dictionary, 16)
    first = [*dictionary.from_gpt2[encode("one two three")], 2, 2]
    assert found.samples[0].tolist()[1:] == [
        *first,
        *dictionary.from_gpt2[encode("four five")],
        2,
    ]
    assert found.tokens.tolist() == [3, 2 + len(encode(lines[3].strip()))]
    assert text_of([], dictionary, 16).samples == []


def test_the_same_text_has_as_many_characters_however_it_is_wrapped(dictionary) -> None:
    words = ["The", "mean", "of", "all", "samples", "in", "the", "forest", "is", "taken"]
    wrapped = [text_of(lines, dictionary, 64) for lines in ([" ".join(words)], words)]
    assert wrapped[0].characters.tolist() == wrapped[1].characters.tolist() == [37]


def test_hiding_follows_the_recipe(dictionary: Dictionary) -> None:
    block = np.array([0, *range(FIRST, FIRST + 20_000), 2])
    hidden, chosen = hide(block, dictionary, 0.15, np.random.default_rng(1))
    assert len(chosen) == 3000
    assert (block[chosen] >= FIRST).all(), "special symbols are never hidden"
    untouched = np.setdiff1d(np.arange(len(block)), chosen)
    assert (hidden[untouched] == block[untouched]).all()
    masked = (hidden[chosen] == dictionary.mask).mean()
    same = (hidden[chosen] == block[chosen]).mean()
    assert 0.77 < masked < 0.83 and 0.08 < same < 0.12


def test_the_same_seed_hides_the_same_tokens_and_each_time_others(dictionary) -> None:
    text = text_of(["one two three four five six seven eight nine ten"] * 9, dictionary, 40)
    one, again = (hidden_in(text, dictionary, 0.3, 1, 2) for _ in range(2))
    other = hidden_in(text, dictionary, 0.3, 2, 2)
    assert np.array_equal(np.concatenate(one.seen), np.concatenate(again.seen))
    assert not np.array_equal(np.concatenate(one.seen), np.concatenate(other.seen))
    half = len(text.samples)
    assert not np.array_equal(np.concatenate(one.at[:half]), np.concatenate(one.at[half:]))
    true = [sample[places] for sample, places in zip(one.true, one.at, strict=True)]
    assert np.array_equal(one.ids, np.concatenate(true))
    some_of = one.first(3)
    assert len(some_of.ids) == len(some_of.documents) == sum(map(len, some_of.at))
