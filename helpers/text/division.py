"""Documents to hashes, and to the splits that they belong to: pure functions for worker processes.

A batch is a list of texts of whole documents. What has to be worked on in one go is some megabytes
at most, because longer documents come in parts.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from helpers.common.symbols import SPLITS
from helpers.text.documents import documents

DIGEST = 16  # bytes: with a million documents, two have the same by chance once in 10^26 times
DUPLICATE = len(SPLITS)  # the place of a document that has occurred before and is left out


Shorten = Callable[[list[str]], tuple[list[str], int]]


def unchanged(lines: list[str]) -> tuple[list[str], int]:
    """For lines that are not wrapped, however long."""
    return lines, 0


class Text(NamedTuple):
    """A text of whole documents; ``file`` is the number of the file that it is from."""

    file: int
    unit: str
    text: str


class Portion(NamedTuple):
    """What a split gets.

    Attributes:
        text: documents parted by an empty line, without an empty line at the end; UTF-8.
        wrapped: lines that were too long.
    """

    text: bytes
    documents: int
    lines: int
    characters: int
    wrapped: int


def hashed(parts: Iterable[str], key: bytes) -> bytes:
    """The keyed hash (BLAKE2b) of a document that is given in parts of whole lines."""
    digest = hashlib.blake2b(digest_size=DIGEST, key=key)
    for part in parts:
        digest.update((part + "\n").encode("utf-8", "surrogatepass"))
    return digest.digest()


def hashed_batch(batch: Sequence[Text], key: bytes) -> list[tuple[int, bytes]]:
    """For each text its file's number and the hashes of its documents, one after the other."""
    return [
        (file, b"".join([hashed((document,), key) for document in documents(text, unit)]))
        for file, unit, text in batch
    ]


def divided_batch(batch: tuple[Sequence[Text], bytes], shorten: Shorten) -> list[Portion]:
    """What each split gets of a batch.

    Args:
        batch: texts, and a byte for each of their documents: the index in ``SPLITS`` that it goes
            to, or ``DUPLICATE``.
        shorten: see :func:`portion`.

    Raises:
        ValueError: there are more or fewer documents than places.
    """
    texts, places = batch
    found = [document for _, unit, text in texts for document in documents(text, unit)]
    given: list[list[str]] = [[] for _ in range(DUPLICATE + 1)]
    for document, place in zip(found, places, strict=True):
        given[place].append(document)
    return [portion(chosen, shorten) for chosen in given[:DUPLICATE]]


def portion(chosen: Sequence[str], shorten: Shorten = unchanged) -> Portion:
    """Documents, or a part of one, as they are written.

    Args:
        shorten: wraps the lines that are too long, and says how many these were.
    """
    if not chosen:
        return Portion(b"", 0, 0, 0, 0)
    lines, wrapped = shorten("\n\n".join(chosen).split("\n"))
    text = "\n".join(lines)
    return Portion(
        text=(text + "\n").encode(),
        documents=len(chosen),
        lines=len(lines) - (len(chosen) - 1),  # the empty lines between are no document's
        characters=len(text) - (len(lines) - 1),
        wrapped=wrapped,
    )
