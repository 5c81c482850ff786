"""The bytes of a file as characters, and what in it is none."""

import codecs
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

from helpers.common.errors import CourseError
from helpers.text.decoding.archives import Gauge, blocks
from helpers.text.decoding.mistaken import in_utf_8, is_wide, turned_at, written_otherwise

MARK = "\udcff"  # stands in a text for bytes that are no character; no encoding gives it
MARKED = "marked"
# NUL, which no text has (UTF-16 read as UTF-8 is full of it), and halves of a UTF-16 pair.
NO_CHARACTER = re.compile("[\0\ud800-\udfff]")
_CARRIAGE_RETURNS = re.compile("\r+\n?")

codecs.register_error(MARKED, lambda error: (MARK, error.end))


def decoded_blocks(file: Path, encoding: str, gauge: Gauge | None = None) -> Iterator[str]:
    """The text of a file, block by block; the last one is what the decoder still held.

    Where Python's ``errors="replace"`` gives U+FFFD, ``MARK`` stands; and for every NUL.

    Raises:
        CourseError: a part of the file is in another encoding, or begins in the middle of a
            character: it would be read as other characters, without an error.
    """
    decoder = codecs.getincrementaldecoder(encoding)(MARKED)
    may_turn, line = is_wide(encoding), 1
    for block in itertools.chain(blocks(file, gauge), (b"",)):
        if found := written_otherwise(block, encoding):
            line += decoded(decoder, block[: found.start()]).count("\n")
            raise _partly_utf_8(file, encoding, line)
        text = decoded(decoder, block)
        if may_turn and (at := turned_at(text, MARK)) >= 0:
            raise _turned(file, encoding, line + text.count("\n", 0, at))
        line += text.count("\n")
        yield text


def decoded(decoder: codecs.IncrementalDecoder, block: bytes) -> str:
    """What a decoder with ``errors=MARKED`` makes of a block; an empty one is the last."""
    text = decoder.decode(block, final=not block)
    return text if text.isascii() and "\0" not in text else NO_CHARACTER.sub(MARK, text)


def is_partly_utf8(file: Path, most: int | None = None) -> bool:
    """Whether a part of a file, or of so many blocks of it, is UTF-8 that no older encoding has.

    Behind a block of nothing but zeros, as in a disk image, nothing is looked for.
    """
    looked_at = itertools.takewhile(lambda block: block.strip(b"\0"), blocks(file))
    return any(map(in_utf_8, itertools.islice(looked_at, most)))


def _partly_utf_8(file: Path, encoding: str, line: int) -> CourseError:
    return CourseError(
        f"{file} is not {encoding}: line {line:,} is UTF-8.",
        "Try encoding = 'utf-8', or 'auto'. If the file holds both, part it in two; or read it as "
        "UTF-8 with errors = 'skip', which leaves the other documents out and counts them.",
    )


def _turned(file: Path, encoding: str, line: int) -> CourseError:
    return CourseError(
        f"{file} is not {encoding} from line {line:,} on: bytes are missing or too many there, or "
        "their order is the other one, and what follows is read as other characters.",
        "Copy or save the file again, best as UTF-8; where the whole file is so, name the other "
        "order in encoding, utf-16-le or utf-16-be.",
    )


class LineEnds:
    """Makes every line end a ``\\n``, in a text that comes in blocks.

    Line ends are ``\\n``, ``\\r\\n`` and ``\\r``; and the ``\\r\\r\\n`` that a program makes of
    ``\\r\\n`` when it takes it for a character and an end.

    >>> LineEnds().decode("a\\r\\r\\nb\\r\\rc\\r\\n", final=True)
    'a\\nb\\n\\nc\\n'
    """

    def __init__(self) -> None:
        self._held = ""  # what may be the beginning of an end

    def decode(self, text: str, final: bool = False) -> str:
        text = self._held + text
        whole = text if final else text.rstrip("\r")
        self._held = text[len(whole) :]
        if "\r" not in whole:
            return whole
        return _CARRIAGE_RETURNS.sub(lambda end: "\n" * _lines_ended(end[0]), whole)


def _lines_ended(end: str) -> int:
    return 1 if end.endswith("\n") else len(end)
