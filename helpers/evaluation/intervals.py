"""How sure a number is that was measured on some documents: an interval for it.

Other documents of the same kind would have given another number. Which, is tried with documents
drawn again and again from those that are there (the bootstrap; Efron and Tibshirani 1993): the
interval holds the middle 95 % of what they give, and with few documents somewhat more than that,
since they differ less from each other than from those that are not there (Hesterberg 2015, the
expanded percentile interval). Documents are drawn and not tokens, because the tokens of one
document resemble each other.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

RESAMPLES = 2000
AT_ONCE = 5_000_000  # numbers that are drawn at once: memory
SURE = 0.95
FEW = 10  # documents: with fewer, nobody knows how wide the interval should be


class Estimate(NamedTuple):
    """A number, and the interval for it; None where one document alone tells nothing."""

    value: float
    low: float | None = None
    high: float | None = None

    def times(self, factor: float) -> "Estimate":
        """In another unit."""
        return Estimate(*(None if each is None else factor * each for each in self))

    def told(self, form: str = "{:.3f}") -> str:
        """The number, and the interval where there is one.

        >>> Estimate(0.5, 0.25, 0.75).told("{:+.0%}"), Estimate(1.0).told()
        ('+50% (+25% to +75%)', '1.000')
        """
        value = form.format(self.value)
        if self.low is None:
            return value
        return f"{value} ({form.format(self.low)} to {form.format(self.high)})"

    @property
    def is_clear(self) -> bool:
        """Whether zero is outside of the interval."""
        return self.low is not None and not self.low <= 0 <= self.high


def ratio(sums: np.ndarray, counts: np.ndarray) -> Estimate:
    """Sum by count, such as nats by hidden tokens, of documents: both of shape (documents,).

    >>> ratio(np.array([2.0, 4.0]), np.array([1, 2])).value
    2.0
    """
    return product_of_ratios([(sums, counts)])


def product_of_ratios(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> Estimate:
    """Several ratios of the same documents, multiplied.

    >>> nats_a_token, tokens_a_character = (np.array([6.0]), np.array([3])), ([1], [2])
    >>> product_of_ratios([nats_a_token, tokens_a_character]).value
    1.0
    """
    return resampled([column for pair in pairs for column in pair], _product)


def resampled(columns: Sequence[np.ndarray], statistic: Callable[..., np.ndarray]) -> Estimate:
    """A statistic of documents, with its interval.

    Args:
        columns: numbers of the documents, each of shape (documents,).
        statistic: takes the columns, of shape (…, documents) each, and the ``axis`` of documents.
    """
    from scipy.stats import bootstrap

    columns = [np.asarray(column, dtype=np.float64) for column in columns]
    value = float(statistic(*columns, axis=0))
    number = len(columns[0])
    if number < 2:
        return Estimate(value)
    drawn = bootstrap(
        columns,
        statistic,
        n_resamples=RESAMPLES,
        batch=max(1, AT_ONCE // (number * len(columns))),
        vectorized=True,
        paired=True,
        axis=0,
        confidence_level=_expanded(number),
        method="percentile",
        random_state=np.random.default_rng(1),
    )
    return Estimate(value, *map(float, drawn.confidence_interval))


def _expanded(number: int) -> float:
    """The share of resamples whose range is as wide as Student's interval of so many documents."""
    from scipy.stats import norm, t

    tail = (1 - SURE) / 2
    return float(1 - 2 * norm.cdf(t.ppf(tail, number - 1) * math.sqrt(number / (number - 1))))


def _product(*columns: np.ndarray, axis: int = 0) -> np.ndarray:
    sums = [column.sum(axis=axis) for column in columns]
    ratios = (above / below for above, below in zip(sums[::2], sums[1::2], strict=True))
    return functools.reduce(np.multiply, ratios)
