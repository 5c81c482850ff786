"""Intervals hold the truth as often as they say, and differences are called by them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from helpers.evaluation.changes import BANDS, by_frequency, by_token, difference
from helpers.evaluation.intervals import Estimate, product_of_ratios, ratio
from helpers.evaluation.report import Measured, Score, judgement
from helpers.ids.dictionary import Dictionary


def drawn(random: np.random.Generator, documents: int) -> tuple[np.ndarray, np.ndarray]:
    """Nats and tokens of documents that differ in both; the truth is 2 nats a token."""
    tokens = random.geometric(0.05, documents)
    own = random.normal(2, 0.4, documents)
    return own * tokens + random.normal(0, np.sqrt(tokens)), tokens


@pytest.mark.parametrize("documents", [15, 60])
def test_ninety_five_of_a_hundred_intervals_hold_the_truth(documents: int) -> None:
    random = np.random.default_rng(5)
    held = [e.low <= 2 <= e.high for e in (ratio(*drawn(random, documents)) for _ in range(800))]
    assert np.mean(held) == pytest.approx(0.95, abs=0.02)


def test_a_difference_is_sure_though_both_numbers_are_not() -> None:
    """Documents are hard or easy for both models: paired, that cancels out."""
    random = np.random.default_rng(1)
    documents = np.repeat(np.arange(40), 20)
    before = np.repeat(random.normal(3, 1, 40), 20) + random.normal(0, 0.1, 800)
    after = before - 0.05 + random.normal(0, 0.1, 800)
    one, other = (
        ratio(np.bincount(documents, weights=x), np.full(40, 20)) for x in (before, after)
    )
    assert one.low < other.value < one.high
    change = difference(before, after, documents)
    assert change.is_clear and change.high < 0
    assert change.value == pytest.approx(-0.05, abs=0.02)
    assert not difference(before, before[::-1].copy(), documents).is_clear


def test_one_document_has_no_interval() -> None:
    alone = ratio(np.array([6.0]), np.array([3]))
    assert alone == Estimate(2.0) and not alone.is_clear


@given(some.lists(some.tuples(some.floats(-50, 50), some.integers(1, 60)), min_size=2, max_size=30))
def test_the_value_is_within_its_interval_and_a_unit_changes_nothing(pairs) -> None:
    sums, counts = (np.array(each) for each in zip(*pairs, strict=True))
    found = ratio(sums, counts)
    assert found.value == pytest.approx(sums.sum() / counts.sum())
    assert found.low - 1e-9 <= found.value <= found.high + 1e-9 or len(pairs) < 10
    twice = product_of_ratios([(sums, counts), (2 * counts, counts)])
    assert twice.value == pytest.approx(found.times(2).value)
    assert found.times(2).low == pytest.approx(2 * found.low)


def test_tokens_are_told_by_how_often_they_were_there_to_be_learned() -> None:
    counts = np.array([0, 0, 0, 0, 5, 50, 5000])
    ids = np.array([4, 4, 5, 6, 6, 6])
    base, tuned = np.full(6, np.log(4)), np.full(6, np.log(2))
    found = {
        b.occurs: b for b in by_frequency(counts, ids, np.array([0, 1, 0, 0, 1, 2]), base, tuned)
    }
    names = [name for _, name in BANDS]
    assert [*found] == [names[1], names[2], names[4]]
    assert [band.hidden for band in found.values()] == [2, 1, 3]
    for band in found.values():
        assert (band.base, band.tuned) == pytest.approx((2, 1)) and band.change.value == -1


def test_the_tokens_that_gained_and_lost_most() -> None:
    dictionary = Dictionary(("464", "1612", "13"), (1, 1, 1))  # The, ␣mean, .
    ids = np.repeat([4, 5, 6], [5, 6, 4])
    base, tuned = np.full(15, np.log(4)), np.full(15, np.log(4))
    tuned[ids == 4], tuned[ids == 5], tuned[ids == 6] = np.log(2), np.log(8), 0  # 4 times: too few
    gained, lost = by_token(ids, base, tuned, dictionary)
    assert [(c.token, c.hidden) for c in (*gained, *lost)] == [("The", 5), ("␣mean", 6)]
    assert (gained[0].base, gained[0].tuned, lost[0].tuned) == pytest.approx((2, 1, 3))


@pytest.mark.parametrize(
    ("gain", "documents", "said"),
    [
        (
            Estimate(-0.5, -0.6, -0.4),
            40,
            "is lower than the base's by 0.721 bits (0.577 to 0.866 with 95 %, over 40 documents)",
        ),
        (Estimate(0.5, 0.4, 0.6), 40, "is higher than the base's by 0.721 bits"),
        (Estimate(-0.1, -0.3, 0.1), 40, "is not clearly better or worse than the base"),
        (Estimate(-0.5, -0.6, -0.4), 4, "an interval may be far too narrow"),
        (Estimate(-0.5), 1, "nobody can say how sure"),
        (Estimate(0.0, 0.0, 0.0), 40, "it is the same model"),
    ],
)
def test_a_difference_is_called_one_only_if_it_is(gain, documents, said) -> None:
    one = Estimate(1.0)
    scores = [Score("fine-tuned", "yours", one, one, one, one, gain)]
    notes = [*judgement(scores, [Measured("yours", documents, 9, 9, 9)])]
    assert any(said in note for note in notes)
