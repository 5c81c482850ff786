"""Plain text as lines, and as documents."""

import itertools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from helpers.common.errors import CourseError
from helpers.text.decoding.archives import Gauge
from helpers.text.decoding.characters import MARK, LineEnds, decoded_blocks
from helpers.text.decoding.damage import Faults
from helpers.text.layout.arranged import Layout, Seen

LONGEST = 1 << 26  # characters of a line: memory has to hold it
SIZE = 1_000_000  # characters that are worked on at once
MOST = 8_000_000  # characters of a document that is held as a whole
_BORDER = re.compile(r"\n\s*\n")  # blank lines; \s is what str.isspace tells


def lines(
    file: Path, encoding: str, gauge: Gauge | None = None, faults: Faults | None = None
) -> Iterator[str]:
    """The lines of a file without their ends.

    What ends a line: see :class:`helpers.text.decoding.characters.LineEnds`.

    Raises:
        CourseError: see :func:`text_blocks`; or a line of more than ``LONGEST`` characters, or
            some thousands more.
        DamagedFile: see :func:`text_blocks`.
    """
    carried: list[str] = []
    done = length = 0
    for text in text_blocks(file, encoding, gauge, faults):
        head, newline, tail = text.rpartition("\n")
        if newline:
            yield from ("".join((*carried, head))).split("\n")
            carried, done, length = [], done + head.count("\n") + 1, 0
        carried.append(tail)
        length += len(tail)
        if length > LONGEST:
            raise _too_long(f"{file}: line {done + 1:,}")
    if rest := "".join(carried):
        yield rest


def text_blocks(
    file: Path, encoding: str, gauge: Gauge | None = None, faults: Faults | None = None
) -> Iterator[str]:
    """The text of a file in blocks, every line end as ``\\n``.

    Args:
        faults: what is to be done about bytes that are not in the encoding; else they are refused.

    Raises:
        CourseError: bytes that are not in the encoding: file, lines, bytes, and what to try.
        DamagedFile: an archive that cannot be unpacked.
    """
    faults = faults or Faults(file, encoding)
    ends = LineEnds()
    for text in decoded_blocks(file, encoding, gauge):
        yield ends.decode(faults.of_block(text))
    yield ends.decode("", final=True)


def _too_long(line: str) -> CourseError:
    return CourseError(
        f"{line} has more than {LONGEST:,} characters.",
        "Put line ends into it, for example between paragraphs.",
    )


class Passage(NamedTuple):
    """Whole documents with the blank lines around them; or lines of a long document.

    The texts of all passages together are the text.

    Attributes:
        begins, ends: whether the first document in it begins here, and the last one ends.
    """

    text: str
    begins: bool = True
    ends: bool = True

    @property
    def whole(self) -> bool:
        return self.begins and self.ends

    @property
    def lines(self) -> str:
        """Of a long document: without outer blank lines, nor the last line's end."""
        text = _with_empty_lines(_trimmed(self.text, self.begins, self.ends))
        return text.removesuffix("\n")

    def documents(self, unit: str) -> list[str]:
        """The documents in it; of a long one, its lines here."""
        return documents(self.text, unit) if self.whole else [self.lines]


def passages(
    file: Path,
    encoding: str,
    unit: str,
    gauge: Gauge | None = None,
    faults: Faults | None = None,
    layout: Layout | None = None,
    seen: Seen | None = None,
) -> Iterator[Passage]:
    """The text of a file, its line ends as ``\\n``, cut where documents end.

    Args:
        unit: see :func:`documents`.
        layout: what is done with its lines beforehand, if anything; and ``seen`` is told of it.
        faults: see :func:`text_blocks`. Where documents are to be left out that hold such bytes,
            only a document in several passages is given nevertheless, with ``MARK`` in it.

    Raises:
        CourseError, DamagedFile: see :func:`lines`.
    """
    faults = faults or Faults(file, encoding)
    blocks = text_blocks(file, encoding, gauge, faults)
    if layout and (layout.changes or seen):
        blocks = layout.arranged(blocks, seen or Seen(), LONGEST)
    try:
        for passage in passages_of_blocks(blocks, unit):
            yield _without_bad_documents(passage, unit, faults)
    except OverflowError:
        for _ in lines(file, encoding):  # which names the line, as a rule
            pass
        raise _too_long(f"{file}: a line, or what join_lines makes of several,") from None


def _without_bad_documents(passage: Passage, unit: str, faults: Faults) -> Passage:
    if MARK not in passage.text or not passage.whole:
        return passage
    good = [text for text in documents(passage.text, unit) if not faults.leaves_out([text])]
    return Passage("".join(f"{text}\n" if unit == "line" else f"{text}\n\n" for text in good))


def passages_of_blocks(
    blocks: Iterable[str], unit: str, size: int = SIZE, most: int = MOST
) -> Iterator[Passage]:
    """Cut a text that comes in blocks into passages of about ``size`` characters.

    Args:
        most: characters; a longer document is given in several passages.

    Raises:
        OverflowError: a line has more than ``LONGEST`` characters.
    """
    text, inside = "", False
    for block in itertools.chain(_with_line_ends(blocks, most), (None,)):
        text += block or ""
        while len(text) >= size or (inside and block is None):
            end, ends = _place_to_cut(text, unit, inside, inside or len(text) > most)
            if not end:
                break
            yield Passage(text[:end], not inside, ends)
            inside, text = not ends, text[end:]
        if len(text) > LONGEST and len(text) - text.rfind("\n") - 1 > LONGEST:
            raise OverflowError
    if text:
        yield Passage(text, not inside)


def _with_line_ends(blocks: Iterable[str], most: int) -> Iterator[str]:
    """The blocks, each that has no line end together with the next: for them one search does."""
    waiting: list[str] = []
    length = 0
    for block in blocks:
        waiting.append(block)
        length += len(block)
        if "\n" in block or length > most:
            yield "".join(waiting)
            waiting, length = [], 0
    yield "".join(waiting)


def _place_to_cut(text: str, unit: str, inside: bool, in_passages: bool) -> tuple[int, bool]:
    """How much of a text to give now (0: nothing yet), and whether a document ends there."""
    if unit == "line":
        return text.rfind("\n") + 1, True
    if unit == "blank-line":
        if inside:  # the long document ends with the first blank line
            border = _BORDER.search(text)
            end = border.end() if border else 0
        else:
            end = text.rfind("\n\n") + 2
            if end < 2:  # blank lines may hold spaces
                end = max((border.end() for border in _BORDER.finditer(text)), default=0)
        if end:
            return end, True
    return _end_of_passage(text) if in_passages else 0, False


def _end_of_passage(text: str) -> int:
    """Where the last line begins that is not blank, if there is one before it; else 0."""
    begun = len(text) - len(text.lstrip())
    return text.rfind("\n", begun, len(text.rstrip())) + 1


def documents(text: str, unit: str) -> list[str]:
    """The documents in a text, without the last line's end.

    Outer blank lines are not part of a document; a line of white space is blank.

    Args:
        unit: ``blank-line`` (blank lines part documents), ``file`` (all is one document, with its
            inner blank lines) or ``line`` (every line that is not blank is one).

    >>> documents("a\\nb\\n\\n \\nc\\n", "blank-line")
    ['a\\nb', 'c']
    """
    if unit == "line":
        return [line for line in text.split("\n") if line and not line.isspace()]
    text = _trimmed(text)
    if not text:
        return []
    return _BORDER.split(text) if unit == "blank-line" else [_with_empty_lines(text)]


def _trimmed(text: str, begins: bool = True, ends: bool = True) -> str:
    """Without blank lines at the beginning and at the end, nor the last line's end."""
    if text.isspace():
        return ""
    start = text.rfind("\n", 0, len(text) - len(text.lstrip())) + 1 if begins else 0
    end = text.find("\n", len(text.rstrip())) if ends else -1
    return text[start:end] if end >= 0 else text[start:]


def _with_empty_lines(text: str) -> str:
    """White space of blank lines is left out."""
    return _BORDER.sub(lambda blank: "\n" * blank[0].count("\n"), text)
