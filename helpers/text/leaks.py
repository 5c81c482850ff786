"""Documents of valid and test that have a near-duplicate in train: a model may know them from there."""

import dataclasses

import numpy as np

from helpers.common.symbols import SPLITS
from helpers.text.near_duplicates import NONE, nearest
from helpers.text.places import Places

MOST = 1_000_000  # documents that are looked at without being asked for: memory
EXAMPLES = 3
SHOWN = 90  # characters of an example


@dataclasses.dataclass(frozen=True)
class Leaks:
    """What was found.

    Attributes:
        counts: how many documents of valid and of test have a near-duplicate in train.
        pairs: examples: the number of a document, that of the one in train, their similarity.
    """

    counts: tuple[int, int]
    pairs: tuple[tuple[int, int, float], ...]


def leaks_of(signatures: np.ndarray, found: Places) -> Leaks:
    """Look for them.

    Args:
        signatures: of all documents, (documents, PERMUTATIONS).
    """
    places = np.frombuffer(found.places, dtype=np.uint8)
    train, valid, test = (places == i for i in range(len(SPLITS)))
    best, similarity = nearest(signatures, train, valid | test)
    known = best != NONE
    numbers = np.flatnonzero(known & test)
    if not len(numbers):
        numbers = np.flatnonzero(known & valid)
    _, first = np.unique(found.ranks[numbers], return_index=True)  # by lot, and different ones
    chosen = numbers[first[:EXAMPLES]].tolist()
    return Leaks(
        (int((known & valid).sum()), int((known & test).sum())),
        tuple((number, int(best[number]), float(similarity[number])) for number in chosen),
    )


def beginning_of(document: str) -> str:
    """The first characters of a document, on one line."""
    text = " ".join(document[: 4 * SHOWN].split())
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
