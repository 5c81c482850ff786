"""Documents to hashes, and to the splits that they belong to: pure functions for worker processes.

A task, the work for one process, is a list of texts of whole documents: some megabytes, because
longer documents come passage by passage. (A record is one passage, however long.)
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from helpers.common.errors import CourseError
from helpers.common.symbols import SPLITS
from helpers.text.documents import documents
from helpers.workflow.settings import NO_SHARE, SplitSettings

DIGEST = 16  # bytes: with a million documents, two have the same by chance once in 10^26 times
SEPARATORS, MARK = "\x85\u2028\u2029", "\ufeff"
_CONTROLS = re.compile(r"[\x01-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]")
DUPLICATE = len(SPLITS)  # the place of a document that has occurred before and is left out

# Wraps the lines that are too long, and says how many these were.
Shorten = Callable[[list[str]], tuple[list[str], int]]


def not_wrapped(lines: list[str]) -> tuple[list[str], int]:
    """For lines that are not wrapped, however long."""
    return lines, 0


class FileText(NamedTuple):
    """A text of whole documents; ``file`` is the number of the file that it is from."""

    file: int
    unit: str
    text: str


class SplitText(NamedTuple):
    """Documents as they are written to a split, and how much that is.

    Attributes:
        text: documents parted by an empty line, without an empty line at the end; UTF-8.
        lines, characters: without the empty lines between documents, and without line ends.
        wrapped: lines that were too long.
        padded: lines with white space around them, which stays here; the encoders leave it out.
        separators: of lines in Unicode (NEL, LS, PS), which end no line here.
        marks: of the order of bytes, in the middle of a text.
        controls: characters that steer a terminal or a printer, such as ESC.
    """

    text: bytes
    documents: int
    lines: int
    characters: int
    wrapped: int
    padded: int
    separators: int
    marks: int
    controls: int


NUMBERS = len(SplitText._fields) - 1  # all but the text


def hash_of(texts: Iterable[str], key: bytes) -> bytes:
    """The keyed hash (BLAKE2b) of a document, which is given in texts of whole lines."""
    digest = hashlib.blake2b(digest_size=DIGEST, key=key)
    for text in texts:
        digest.update((text + "\n").encode("utf-8", "surrogatepass"))
    return digest.digest()


def hash_documents(task: Sequence[FileText], key: bytes) -> list[tuple[int, bytes]]:
    """For each text its file's number and the hashes of its documents, one after the other."""
    return [
        (file, b"".join([hash_of((document,), key) for document in documents(text, unit)]))
        for file, unit, text in task
    ]


def divide_documents(work: tuple[Sequence[FileText], bytes], shorten: Shorten) -> list[SplitText]:
    """The documents of a task, by the split that they go to.

    Args:
        work: a task, and a byte for each of its documents: the index in ``SPLITS`` that it goes
            to, or ``DUPLICATE``.

    Raises:
        ValueError: there are more or fewer documents than places.
    """
    texts, places = work
    found = [document for _, unit, text in texts for document in documents(text, unit)]
    given: list[list[str]] = [[] for _ in range(DUPLICATE + 1)]
    for document, place in zip(found, places, strict=True):
        given[place].append(document)
    return [as_written(chosen, shorten) for chosen in given[:DUPLICATE]]


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
            "Blank lines part documents of plain text; without them, set unit = 'line'. "
            "Or give more text, or set the share of a split to 0.",
        )
    exact = [total * share / sum(shares) for share in shares]
    parts = [max(int(value + 1e-9), int(value > 0)) for value in exact]
    while sum(parts) < total:
        parts[max(range(len(parts)), key=lambda i: exact[i] - parts[i])] += 1
    while sum(parts) > total:
        can_give = [i for i, part in enumerate(parts) if part > 1]
        parts[max(can_give, key=lambda i: parts[i] - exact[i])] -= 1
    return parts


def places_of(hashes: bytes, settings: SplitSettings) -> bytes:
    """A byte for each document: the index in ``SPLITS`` where it goes, or ``DUPLICATE``.

    Args:
        hashes: of all documents, one after the other.
    """
    halves = np.frombuffer(hashes, ">u8").astype(np.uint64).reshape(-1, 2)
    order = np.lexsort((halves[:, 1], halves[:, 0]))  # the first of equal ones stays the first
    ranked = halves[order]
    new = np.ones(len(order), dtype=bool)
    new[1:] = (ranked[1:] != ranked[:-1]).any(axis=1)
    ranks = np.cumsum(new) - 1
    train, valid, _ = shares_of(int(new.sum()), (settings.train, settings.valid, settings.test))
    places = np.empty(len(order), dtype=np.uint8)
    places[order] = np.searchsorted([train, train + valid], ranks, side="right")
    if settings.deduplicate:
        places[order[~new]] = DUPLICATE
    return places.tobytes()


def as_written(chosen: Sequence[str], shorten: Shorten = not_wrapped) -> SplitText:
    """Documents, or a passage of one, as a split's file holds them."""
    if not chosen:
        return SplitText(b"", *([0] * NUMBERS))
    given = "\n\n".join(chosen).split("\n")
    lines, wrapped = shorten(given)
    text = "\n".join(lines)
    return SplitText(
        text=(text + "\n").encode(),
        documents=len(chosen),
        lines=len(lines) - (len(chosen) - 1),  # the empty lines between are no document's
        characters=len(text) - (len(lines) - 1),
        wrapped=wrapped,
        padded=sum(line != line.strip() for line in given),
        separators=sum(map(text.count, SEPARATORS)),
        marks=text.count(MARK),
        controls=len(_CONTROLS.findall(text)),
    )
