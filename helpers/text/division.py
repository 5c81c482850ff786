"""Documents to hashes, and to the splits that they belong to: pure functions for worker processes.

A task, the work for one process, is a list of texts of whole documents: some megabytes, because
longer documents come passage by passage. (A record is one passage, however long.)
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from helpers.common.symbols import SPLITS
from helpers.text.documents import documents
from helpers.text.near_duplicates import signatures
from helpers.text.variants import variants_in

DIGEST = 16  # bytes: with a million documents, two have the same by chance once in 10^26 times
LONG = 2000  # characters of a line that is more than a paragraph
SEPARATORS, MARK = "\x85\u2028\u2029", "\ufeff"
_CONTROLS = re.compile(r"[\x01-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]")
# The places of documents that are left out: having occurred before, or as near-duplicates.
DUPLICATE, NEAR = len(SPLITS), len(SPLITS) + 1

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
        long: lines of more than ``LONG`` characters, before they were wrapped.
        simplified, traditional, full_width: see :class:`helpers.text.variants.Variants`.
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
    long: int
    simplified: int
    traditional: int
    full_width: int


NUMBERS = len(SplitText._fields) - 1  # all but the text


def hash_of(texts: Iterable[str], key: bytes) -> bytes:
    """The keyed hash (BLAKE2b) of a document, which is given in texts of whole lines."""
    digest = hashlib.blake2b(digest_size=DIGEST, key=key)
    for text in texts:
        digest.update((text + "\n").encode("utf-8", "surrogatepass"))
    return digest.digest()


def hash_documents(
    work: tuple[Sequence[FileText], bool], key: bytes
) -> tuple[list[tuple[int, bytes]], np.ndarray | None]:
    """What is kept of the documents of a task.

    Args:
        work: a task, and whether signatures are wanted.

    Returns:
        For each text its file's number and the hashes of its documents, one after the other. And
        the signatures of all documents, see :func:`helpers.text.near_duplicates.signatures`.
    """
    texts, are_signed = work
    found = [(file, documents(text, unit)) for file, unit, text in texts]
    hashes = [(file, b"".join([hash_of((each,), key) for each in some])) for file, some in found]
    every = [document for _, some in found for document in some]
    return hashes, signatures(every) if are_signed else None


def divide_documents(work: tuple[Sequence[FileText], bytes], shorten: Shorten) -> list[SplitText]:
    """The documents of a task, by the split that they go to.

    Args:
        work: a task, and a byte for each of its documents: the index in ``SPLITS`` that it goes
            to, or ``DUPLICATE``, or ``NEAR``.

    Raises:
        ValueError: there are more or fewer documents than places.
    """
    texts, places = work
    found = [document for _, unit, text in texts for document in documents(text, unit)]
    given: list[list[str]] = [[] for _ in range(NEAR + 1)]
    for document, place in zip(found, places, strict=True):
        given[place].append(document)
    return [as_written(chosen, shorten) for chosen in given[: len(SPLITS)]]


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
        long=sum(len(line) > LONG for line in given),
        **variants_in(text)._asdict(),
    )
