"""Large files in chunks of whole lines."""

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from helpers.common.errors import CourseError, DamagedFile

CHUNK = 1_000_000  # bytes
BLOCK = 1 << 16  # bytes, while a line's end is looked for
# The last byte of a line. Of "\r\n" that is "\n"; a "\r" at the end of a block is not decided yet.
_LINE_END = re.compile(rb"\n|\r(?=[^\n])")


@dataclasses.dataclass(frozen=True)
class Chunk:
    """Whole lines of a UTF-8 file; small to hand to another process, which reads them itself."""

    file: Path
    start: int
    size: int

    def text(self) -> str:
        """The lines as fairseq's tools read them, in Python's text mode: every end is ``\\n``.

        Raises:
            DamagedFile: bytes that are not UTF-8, with the line.
            CourseError: the file has become shorter.
        """
        with self.file.open("rb") as handle:
            handle.seek(self.start)
            content = handle.read(self.size)
        if len(content) < self.size:
            raise CourseError(
                f"{self.file} has become shorter while it was read.", "Run this step again."
            )
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise DamagedFile(
                f"{self.file}, line {_bad_line(self.file)}: not UTF-8 ({error.reason}).",
                "Split the original texts again with the right encoding.",
            ) from None
        return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def chunks_of(file: Path, size: int = CHUNK) -> Iterator[Chunk]:
    """A file in chunks that end at line ends, each of at least ``size`` bytes but the last."""
    return smaller_chunks(Chunk(file, 0, file.stat().st_size), size)


def smaller_chunks(whole: Chunk, size: int = CHUNK) -> Iterator[Chunk]:
    """A chunk in smaller ones, which end at line ends, too."""
    with whole.file.open("rb") as handle:
        start, total = whole.start, whole.start + whole.size
        while start < total:
            end = line_end(handle, start + size, total)
            yield Chunk(whole.file, start, end - start)
            start = end


def line_end(handle: BinaryIO, place: int, total: int) -> int:
    """Where the first line ends that does not end before ``place``."""
    while place < total:
        handle.seek(place - 1)
        block = handle.read(BLOCK)
        if found := _LINE_END.search(block):
            return place - 1 + found.end()
        place += len(block) - 1 or total
    return total


def chunk_texts(file: Path, size: int = CHUNK) -> Iterator[str]:
    """The text of :func:`chunks_of`. Only the last chunk may lack its final ``\\n``.

    Raises:
        DamagedFile: bytes that are not UTF-8, with the line.
    """
    return (chunk.text() for chunk in chunks_of(file, size))


def _bad_line(file: Path) -> int:
    """The first line with bytes that are not UTF-8."""
    with file.open("rb") as handle:
        lines = enumerate(handle, start=1)
        return next(n for n, line in lines if line.decode("utf-8", "ignore").encode() != line)


def count_lines(file: Path) -> int:
    """Lines as Python's text mode counts them; a last line without its end is one, too."""
    total, last = 0, "\n"
    for chunk in chunk_texts(file):
        total, last = total + chunk.count("\n"), chunk[-1]
    return total + (last != "\n")
