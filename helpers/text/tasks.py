"""Students' files as work for one process each: some texts of about a megabyte together."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from helpers.common.progress import Progress
from helpers.text.archives import Gauge
from helpers.text.division import Text
from helpers.text.documents import SIZE, Piece, part
from helpers.text.inputs import Input

PASSES = 2


class Long(NamedTuple):
    """A document of many megabytes; its parts, whole lines, are to be read before what follows."""

    file: int
    parts: Iterator[str]


def batches(files: Sequence[Input], progress: Progress) -> Iterator[list[Text] | Long]:
    """What is in the files, in reading order, in pieces for one worker each.

    Args:
        progress: counts the files' bytes, half of them in each pass.
    """
    batch, size, done = [], 0, progress.done
    for number, file in enumerate(files):
        gauge, total = Gauge(), file.path.stat().st_size
        pieces = file.pieces(gauge)
        for piece in pieces:
            progress.update(done + int(gauge.share * total) // PASSES)
            if piece.whole:
                batch.append(Text(number, file.unit, piece.text))
                size += len(piece.text)
            if batch and (size >= SIZE or not piece.whole):
                yield batch
                batch, size = [], 0
            if not piece.whole:
                yield Long(number, _parts(piece, pieces))
        done += total // PASSES
        progress.update(done)
    if batch:
        yield batch


def _parts(first: Piece, following: Iterator[Piece]) -> Iterator[str]:
    yield part(first)
    for piece in following:
        yield part(piece)
        if piece.ends:
            return


def is_long_document(item: list[Text] | Long) -> bool:
    return isinstance(item, Long)
