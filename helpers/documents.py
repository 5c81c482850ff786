"""Plain text as documents: streams of lines."""

import codecs
import io
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

from helpers.archives import Gauge, endings
from helpers.encodings import bad_place, decoded_blocks, guessed_encoding, telling_piece
from helpers.errors import CourseError

LONGEST = 1 << 26  # characters of a line: memory has to hold it


def lines(file: Path, encoding: str, gauge: Gauge | None = None) -> Iterator[str]:
    """The lines of a file without their ends (``\\n``, ``\\r\\n`` or ``\\r``).

    Raises:
        CourseError: bytes that are not in the encoding: file, line, byte, and what to try; a line
            of more than ``LONGEST`` characters, or some thousands more.
        DamagedFile: an archive that cannot be unpacked.
    """
    newlines = io.IncrementalNewlineDecoder(None, translate=True)
    carried: list[str] = []
    done = length = 0
    try:
        for text in decoded_blocks(file, encoding, gauge):
            head, newline, tail = newlines.decode(text, final=not text).rpartition("\n")
            if newline:
                yield from ("".join((*carried, head))).split("\n")
                carried, done, length = [], done + head.count("\n") + 1, 0
            carried.append(tail)
            length += len(tail)
            if length > LONGEST:
                raise CourseError(
                    f"{file}: line {done + 1:,} has more than {LONGEST:,} characters.",
                    "Put line ends into it, for example between paragraphs.",
                )
    except UnicodeDecodeError:
        raise _wrongly_encoded(file, encoding) from None
    if rest := "".join(carried):
        yield rest


def _wrongly_encoded(file: Path, encoding: str) -> CourseError:
    line, byte = bad_place(file, encoding)
    guess = guessed_encoding(telling_piece(file))
    other = guess and codecs.lookup(guess).name != codecs.lookup(encoding).name
    inner, archive = endings(file)
    if inner == ".jsonl":
        hint = "JSON lines are in UTF-8: save the file so."
    elif other:
        hint = f"Try encoding = {guess!r}, or save the file as UTF-8."
    else:
        hint = (
            "Mend this place in an editor if it alone is damaged, or name another encoding, "
            "for example gb18030 or utf-16."
        )
    where = f"line {line}, byte {byte}{' when unpacked' if archive else ''}"
    return CourseError(f"{file} is not {encoding}: {where}.", hint)


def documents(text: Iterable[str], unit: str) -> Iterator[Iterator[str]]:
    """Cut lines into documents, each a stream of lines that must be read before the next.

    Outer blank lines are not part of a document; a line of white space is blank.

    Args:
        unit: ``blank-line`` (blank lines part documents), ``file`` (all lines are one document,
            with its inner blank lines) or ``line`` (every line that is not blank is one).

    >>> [list(d) for d in documents(["a", "b", "", " ", "c"], "blank-line")]
    [['a', 'b'], ['c']]
    """
    if unit == "line":
        yield from (iter((line,)) for line in text if not _blank(line))
    elif unit == "blank-line":
        yield from (group for blank, group in itertools.groupby(text, _blank) if not blank)
    else:
        whole = _without_outer_blanks(text)
        first = next(whole, None)
        if first is not None:
            yield itertools.chain((first,), whole)


def _blank(line: str) -> bool:
    return not line or line.isspace()


def _without_outer_blanks(text: Iterable[str]) -> Iterator[str]:
    held = 0
    begun = False
    for line in text:
        if _blank(line):
            held += 1
            continue
        yield from itertools.repeat("", held if begun else 0)
        yield line
        held, begun = 0, True
