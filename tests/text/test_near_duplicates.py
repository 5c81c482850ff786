"""Near-duplicates are found by their signatures, whatever the script, and others are not."""

import itertools
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.text.near_duplicates import (
    GRAM,
    NONE,
    PERMUTATIONS,
    PIECE,
    SIMILAR,
    LongSignature,
    groups_of,
    have_near_duplicates,
    nearest,
    signature,
    signatures,
)
from helpers.text.packages.docstrings import docstrings_of
from tests.support.awkward import TEXTS

WORDS = [f"{a}{b}{c}" for a in ("lo", "mi", "ta") for b in "rnk" for c in ("us", "em", "a", "o")]
CHARACTERS = [chr(0x4E00 + 7 * i) for i in range(1000)]
SCRIPTS = {"English": (WORDS, " ", 200), "Chinese": (CHARACTERS, "", 400)}


def written(script: str, seed: int) -> list[str]:
    """The words of a text that shares no sentence with another."""
    words, _, number = SCRIPTS[script]
    lot = random.Random(f"{script} {seed}")
    return [lot.choice(words) + (f"{lot.randrange(10**4)}" * (not i % 9)) for i in range(number)]


def joined(script: str, words: list[str]) -> str:
    return SCRIPTS[script][1].join(words)


def changed(script: str, words: list[str], number: int) -> str:
    """With other words in some places."""
    other, lot = list(words), random.Random(3)
    for place in lot.sample(range(len(words)), number):
        other[place] = "新" if script == "Chinese" else "other"
    return joined(script, other)


def exact(a: str, b: str) -> float:
    """The Jaccard similarity of the sets of n-grams."""
    texts = ["".join(text.split()).encode().ljust(GRAM, b"\0") for text in (a, b)]
    one, other = ({t[i : i + GRAM] for i in range(len(t) - GRAM + 1)} for t in texts)
    return len(one & other) / len(one | other)


@pytest.mark.parametrize("script", SCRIPTS)
def test_documents_with_a_few_other_words_are_one_group_and_others_are_not(script: str):
    texts = [written(script, seed) for seed in range(40)]
    plain = [joined(script, words) for words in texts]
    near = [changed(script, words, len(words) // 100) for words in texts]
    far = [changed(script, words, len(words) // 3) for words in texts]
    groups = groups_of(signatures([*plain, *near, *far]))
    assert groups.tolist() == [*range(40), *range(40), *range(80, 120)]


@given(st.lists(st.integers(0, 9), min_size=1, max_size=40), st.randoms(use_true_random=False))
def test_the_order_of_documents_does_not_matter(numbers: list[int], lot: random.Random):
    made = [changed("English", written("English", n % 5), n) for n in numbers]
    mixed = list(range(len(made)))
    lot.shuffle(mixed)
    groups = groups_of(signatures(made))
    others = groups_of(signatures([made[i] for i in mixed]))
    for a, b in itertools.combinations(range(len(made)), 2):
        assert (groups[mixed[a]] == groups[mixed[b]]) == (others[a] == others[b])
    assert all(groups[first] == first <= i for i, first in enumerate(groups))


@given(st.text(), st.sampled_from([" ", "\n", "\r\n", "\t \n", "\u3000", "\x85", "\x1f"]))
def test_white_space_does_not_matter(text: str, space: str):
    respaced = space.join(["", *"".join(text.split()), ""])
    assert (signature(text) == signature(respaced)).all()


AWKWARD = ["", " ", "a", "word", "字", "\n", "é", "\ud800", "🧪", *TEXTS.values()]


def test_every_text_has_a_signature_and_is_its_own_near_duplicate():
    found = signatures(AWKWARD)
    assert (found.shape, found.dtype) == ((len(AWKWARD), PERMUTATIONS), np.uint32)
    assert all((row == signature(text)).all() for row, text in zip(found, AWKWARD, strict=True))
    groups = groups_of(found)
    stripped = ["".join(text.split()) for text in AWKWARD]
    for a, b in itertools.combinations(range(len(AWKWARD)), 2):
        if stripped[a] == stripped[b]:
            assert groups[a] == groups[b]
    assert len({*groups[:9].tolist()}) == 7  # the blank ones are one, short ones are not alike


def test_no_documents_have_no_groups():
    none = signatures([])
    assert groups_of(none).tolist() == []
    assert have_near_duplicates([], [["a"]]).tolist() == []
    assert have_near_duplicates(["a"], []).tolist() == [False]


@given(st.lists(st.text(max_size=30), max_size=8))
def test_a_document_given_text_by_text_has_the_same_signature(texts: list[str]):
    whole = LongSignature()
    for text in texts:
        whole.add(text)
    assert (whole.value == signature("".join(texts))).all()


def test_a_document_of_many_pieces_is_found_as_well():
    text = " ".join(f"{i} and {i * i % 977}" for i in range(200_000))
    other = text.replace(" 1234 ", " twelve ")
    assert len(text) > 2 * PIECE
    assert groups_of(signatures([text, "short", other])).tolist() == [0, 1, 0]
    assert (signatures(["short", text])[1] == signature(text)).all()


def test_the_signature_is_the_same_on_every_machine():
    """These numbers were made on Linux, x86-64."""
    assert signature("near-duplicate")[:3].tolist() == [3260402007, 3287641738, 3486326985]
    chinese = signature("近似重复的文档，一共十二个字。")
    assert chinese[:3].tolist() == [1140425370, 561283220, 3238985006]


def test_estimates_are_close_to_the_exact_similarity_of_real_docstrings():
    import sklearn.linear_model._coordinate_descent as some
    import sklearn.linear_model._least_angle as more

    texts = [text for module in (some, more) for text in docstrings_of(Path(module.__file__))]
    found = signatures(texts)
    pairs = list(itertools.combinations(range(len(texts)), 2))
    true = np.array([exact(texts[a], texts[b]) for a, b in pairs])
    estimated = np.array([(found[a] == found[b]).mean() for a, b in pairs])
    close = true > 0.3
    assert close.sum() > 20
    assert abs((estimated - true).mean()) < 0.03
    assert np.sqrt(((estimated - true)[close] ** 2).mean()) < 0.07
    groups = groups_of(found)
    surely = [pair for pair, value in zip(pairs, true, strict=True) if value > SIMILAR + 0.1]
    assert surely and all(groups[a] == groups[b] for a, b in surely)
    best, similarity = nearest(found, *(np.arange(len(texts)) % 2 == i for i in (0, 1)))
    for number in np.flatnonzero(best != NONE):
        assert number % 2 == 1 and best[number] % 2 == 0
        assert abs(similarity[number] - exact(texts[number], texts[best[number]])) < 0.2


def test_the_nearest_is_the_most_similar_one_and_others_are_not_looked_at():
    words = written("English", 1)
    documents = [joined("English", words), *(changed("English", words, n) for n in (9, 6, 3, 1))]
    documents += [joined("English", written("English", 2))]
    old = np.array([False, True, True, False, True, False])
    new = np.array([True, False, False, False, False, True])
    best, similarity = nearest(signatures(documents), old, new)
    assert best.tolist() == [4, NONE, NONE, NONE, NONE, NONE]
    assert SIMILAR <= similarity[0] < 1 and not similarity[1:].any()


@pytest.mark.parametrize("script", SCRIPTS)
def test_documents_are_found_among_others_that_come_in_parts(script: str):
    texts = [written(script, seed) for seed in range(30)]
    own = [changed(script, words, 3) for words in texts[:10]] + ["new", ""]
    parts = [[joined(script, words) for words in texts[i : i + 7]] for i in range(4, 30, 7)]
    assert have_near_duplicates(own, parts).tolist() == [False] * 4 + [True] * 6 + [False] * 2


def test_near_duplicates_are_found_among_many_that_resemble_each_other():
    """So many agree in a band that not all of them can be compared."""
    form = joined("English", written("English", 1))
    own = [written("English", n)[:26] for n in range(2, 1202)]
    near = [[w if i % 6 != 2 else "other" for i, w in enumerate(words)] for words in own[::10]]
    found = signatures([f"{form} {joined('English', words)}" for words in [*own, *near]])
    are_new = np.arange(len(found)) >= len(own)
    best, similarity = nearest(found, ~are_new, are_new)
    all_best = [(found[:1200] == row).mean(axis=1).max() for row in found[1200:]]
    there = np.array(all_best) >= SIMILAR
    assert there.sum() > 100 and not (best[1200:] != NONE)[~there].any()
    assert (best[1200:] != NONE)[there].mean() > 0.99
    assert (similarity[1200:] - all_best)[there].mean() > -0.02
