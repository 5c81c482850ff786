"""Where two models differ: by how often a token was there to be learned, and token by token."""

import dataclasses
import math
from collections.abc import Iterator

import numpy as np

from helpers.evaluation.intervals import Estimate, ratio
from helpers.ids.dictionary import Dictionary
from helpers.ids.token_names import token_text

# How often a token occurs in what was trained on: from, and a name.
BANDS = ((0, "never"), (1, "1 to 9 times"), (10, "10 to 99"), (100, "100 to 999"), (1000, "more"))
LEAST = 5  # times that a token was hidden, before its change is told
MOST = 6  # tokens that gained most, and as many that lost most


@dataclasses.dataclass(frozen=True)
class Band:
    """Tokens that occur about as often in the training text: their losses, in bits."""

    occurs: str
    hidden: int
    base: float
    tuned: float
    change: Estimate


@dataclasses.dataclass(frozen=True)
class Change:
    """A token, how often it was hidden, and its mean loss in bits before and after."""

    token: str
    hidden: int
    base: float
    tuned: float


def by_frequency(
    counts: np.ndarray, ids: np.ndarray, documents: np.ndarray, base: np.ndarray, tuned: np.ndarray
) -> Iterator[Band]:
    """The bands in which tokens were hidden.

    Args:
        counts: how often each dictionary index occurs in the training text: (indices,).
        ids, documents, base, tuned: of each hidden token its index, its document, and both
            models' losses in nats: all (tokens,).
    """
    edges = [edge for edge, _ in BANDS]
    band_of = np.searchsorted(edges, counts[ids], side="right") - 1
    for band, (_, name) in enumerate(BANDS):
        within = band_of == band
        if not within.any():
            continue
        before, after = base[within] / math.log(2), tuned[within] / math.log(2)
        change = difference(before, after, documents[within])
        yield Band(name, int(within.sum()), float(before.mean()), float(after.mean()), change)


def difference(before: np.ndarray, after: np.ndarray, documents: np.ndarray) -> Estimate:
    """How much more there is after than before, a hidden token: paired, over documents."""
    _, of = np.unique(documents, return_inverse=True)
    return ratio(
        np.bincount(of, weights=np.subtract(after, before, dtype=np.float64)), np.bincount(of)
    )


def by_token(
    ids: np.ndarray, base: np.ndarray, tuned: np.ndarray, dictionary: Dictionary
) -> tuple[list[Change], list[Change]]:
    """The tokens that gained most, and those that lost most; each hidden ``LEAST`` times or more.

    By all that they have gained, in bits: what is frequent counts as often as it is there.
    """
    which, of, hidden = np.unique(ids, return_inverse=True, return_counts=True)
    before, after = (np.bincount(of, weights=nats) / math.log(2) for nats in (base, tuned))
    often = np.flatnonzero(hidden >= LEAST)
    order = often[np.argsort(after[often] - before[often], kind="stable")]

    def told(places: np.ndarray) -> list[Change]:
        return [
            Change(
                token_text(int(which[i]), dictionary),
                int(hidden[i]),
                float(before[i] / hidden[i]),
                float(after[i] / hidden[i]),
            )
            for i in places
        ]

    gained = [i for i in order[:MOST] if after[i] < before[i]]
    lost = [i for i in order[::-1][:MOST] if after[i] > before[i]]
    return told(gained), told(lost)
