"""Which split each document goes to, and which ones resemble some of train nevertheless."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from helpers.common.errors import CourseError
from helpers.common.symbols import SPLITS
from helpers.text.division import DUPLICATE, NEAR
from helpers.text.near_duplicates import NONE, groups_of, nearest
from helpers.workflow.settings import NO_SHARE, SplitSettings

MOST = 1_000_000  # documents that are looked at without being asked for: memory
EXAMPLES = 3
SHOWN, BEFORE = 90, 30  # characters of an example, and before the place where two part
HELD = 20_000  # characters of a document in which that place is looked for


class Places(NamedTuple):
    """Where documents go.

    Attributes:
        places: a byte for each document: the index in ``SPLITS`` where it goes, or ``DUPLICATE``,
            or ``NEAR``.
        ranks: of each document, how many different ones have a smaller hash: (documents,).
        beyond: how many different documents more than its share each split has got, since groups
            stay whole.
    """

    places: bytes
    ranks: np.ndarray
    beyond: tuple[int, ...] = (0, 0, 0)


def places_of(
    hashes: bytes, settings: SplitSettings, signatures: np.ndarray | None = None
) -> Places:
    """Where each document goes.

    Args:
        hashes: of all documents, one after the other.
        signatures: likewise, (documents, PERMUTATIONS); needed unless near-duplicates are kept.

    Raises:
        CourseError: there are too few documents, or too few groups of them, for the splits.
    """
    halves = np.frombuffer(hashes, ">u8").astype(np.uint64).reshape(-1, 2)
    order = np.lexsort((halves[:, 1], halves[:, 0]))  # the first of equal ones stays the first
    ranked = halves[order]
    new = np.ones(len(order), dtype=bool)
    new[1:] = (ranked[1:] != ranked[:-1]).any(axis=1)
    ranks = np.empty(len(order), dtype=np.int64)
    ranks[order] = np.cumsum(new) - 1
    shares = (settings.train, settings.valid, settings.test)
    first = order[new]  # of each different document
    parts = shares_of(len(first), shares)
    beyond = (0, 0, 0)
    if settings.near_duplicates == "keep":
        place = _in_order(parts)
    else:
        groups = groups_of(signatures, first)  # by the smallest hash of each
        _refuse_too_few(len(np.unique(groups)), len(first), parts)
        if settings.near_duplicates == "drop":
            alone = groups == np.arange(len(groups))
            place = np.full(len(groups), NEAR, dtype=np.uint8)
            place[alone] = _in_order(shares_of(int(alone.sum()), shares))
        else:
            place = _by_groups(groups, ranked[new, 1] / 2**64, parts)
            beyond = tuple(int((place == i).sum()) - part for i, part in enumerate(parts))
    places = place[ranks]
    if settings.deduplicate:
        places[order[~new]] = DUPLICATE
    return Places(places.tobytes(), ranks, beyond)


def _in_order(parts: Sequence[int]) -> np.ndarray:
    """The first go to train, the next to valid, the rest to test."""
    return np.repeat(np.arange(len(parts), dtype=np.uint8), parts)


def _by_groups(groups: np.ndarray, lots: np.ndarray, parts: Sequence[int]) -> np.ndarray:
    """The split of each document, where groups stay whole: (documents,).

    The largest groups come first. A group goes to a split by lot, if it has room for all of it,
    else to where there is most room. Documents that are alone come last and fill what is left.

    Args:
        groups: of each document the number of the first one of its group: (documents,).
        lots: of each document a number between 0 and 1 that no other one has a part in.
        parts: how many documents each split should get.
    """
    firsts, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    bounds = np.cumsum(parts) / sum(parts)
    wanted = np.searchsorted(bounds[:-1], lots[firsts], side="right").tolist()
    room, empty = list(parts), {i for i, part in enumerate(parts) if part}
    chosen = np.empty(len(firsts), dtype=np.uint8)
    order = np.argsort(-sizes, kind="stable").tolist()
    for left, number in zip(range(len(order), 0, -1), order, strict=True):
        size, split = int(sizes[number]), wanted[number]
        can = empty if left <= len(empty) else range(len(parts))  # none is to stay empty
        if split not in can or room[split] < size:
            split = max(can, key=lambda i: room[i])
        chosen[number] = split
        room[split] -= size
        empty.discard(split)
    return chosen[group]


def _refuse_too_few(groups: int, total: int, parts: Sequence[int]) -> None:
    needed = sum(part > 0 for part in parts)
    if groups < needed:
        are = "is 1 group" if groups == 1 else f"are {groups} groups"
        raise CourseError(
            f"{total} documents resemble each other so much that there {are} of near-duplicates, "
            f"too few for {needed} splits.",
            "Set near_duplicates = 'keep', which divides them nevertheless; or give other text.",
        )


def shares_of(total: int, shares: Iterable[float]) -> list[int]:
    """Divide a number by shares: largest remainders, at least 1 for every share above zero.

    Raises:
        CourseError: fewer than one for each.

    >>> shares_of(10, (0.8, 0.1, 0.1)), shares_of(3, (0.98, 0.01, 0.01)), shares_of(7, (1, 0, 0))
    ([8, 1, 1], [1, 1, 1], [7, 0, 0])
    """
    shares = [share if share > NO_SHARE else 0.0 for share in shares]
    needed = sum(share > 0 for share in shares)
    if total < needed:
        raise CourseError(
            f"There {'is 1 document' if total == 1 else f'are {total} different documents'}, "
            f"too few for {needed} splits.",
            "Blank lines part documents of plain text; without them, set unit = 'line', or "
            "'chapter' for a novel. Or give more text, or set the share of a split to 0.",
        )
    exact = [total * share / sum(shares) for share in shares]
    parts = [max(int(value + 1e-9), int(value > 0)) for value in exact]
    while sum(parts) < total:
        parts[max(range(len(parts)), key=lambda i: exact[i] - parts[i])] += 1
    while sum(parts) > total:
        can_give = [i for i, part in enumerate(parts) if part > 1]
        parts[max(can_give, key=lambda i: parts[i] - exact[i])] -= 1
    return parts


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
    return " ".join(document[:HELD].split())


def where_they_differ(one: str, other: str) -> tuple[str, str]:
    """Two documents, each on a line, from a little before the place where they part.

    From their beginning, where all that is given is the same.

    >>> where_they_differ("a" * 99 + " one", "a" * 99 + " two")[0]
    '…aaaaaaaaaaaaaaaaaaaaaaaaaaaaa one'
    """
    parts = (i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    end = min(len(one), len(other)) if len(one) != len(other) else 0
    start = max(0, next(parts, end) - BEFORE)
    if start < BEFORE:
        start = 0
    return tuple(
        f"{'…' * (start > 0)}{text[start : start + SHOWN]}{'…' * (len(text) > start + SHOWN)}"
        for text in (one, other)
    )
