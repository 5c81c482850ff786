"""How much of a text stands in others, whatever their lines are."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as some

from helpers.evaluation.contained import GRAM, shares_within

WORDS = [f"{word}{i}" for i in range(40) for word in ("tea", "茶叶", "Überraschung", "🙂")]
TEXTS = some.lists(some.sampled_from(WORDS), min_size=1, max_size=60)


@given(TEXTS, some.sampled_from(["\n", " ", "\r\n", "\u3000", "  \n\n", ""]), TEXTS, TEXTS)
def test_what_stands_there_in_other_lines_is_found(words, space, before, behind) -> None:
    other = space.join([*before, "", *words, "", *behind])
    [share] = shares_within([" ".join(words)], [other])
    assert share == 1 or len("".join(words).encode()) < GRAM
    assert shares_within([" ".join(words)], [" ".join(words)]).tolist() == [1]


@given(TEXTS)
def test_nothing_stands_in_nothing(words) -> None:
    assert shares_within([" ".join(words)], []).tolist() == [0]
    assert shares_within([" ".join(words)], ["\n\n", "another text that says something else"]) == 0
    assert shares_within([], ["text"]).tolist() == []


def test_a_half_that_stands_there_counts_half() -> None:
    random = np.random.default_rng(1)
    one, other = ("".join(map(chr, random.integers(97, 123, 5000))) for _ in range(2))
    [share] = shares_within([one + other], ["x" * 9, other])
    assert abs(share - 0.5) < 0.01


def test_a_short_text_must_be_a_line() -> None:
    texts = ["很好", "good", "bad", "so so"]
    shares = shares_within(texts, ["goodness\n 很 好 \n", "SO SO\nbad\nso so"])
    assert shares.tolist() == [1, 0, 1, 1]
