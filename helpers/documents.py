"""Students' text files, whatever their encoding, as documents: streams of lines."""

import codecs
import io
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

from helpers.errors import CourseError
from helpers.workspace import Workspace

BLOCK = 1 << 20  # bytes
MARKS = (  # the longer ones first: UTF-32's begins with UTF-16's
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_GLOB = set("*?[")


def text_files(names: Iterable[str], workspace: Workspace) -> list[Path]:
    """The files that names stand for: files, folders (all ``.txt`` below), patterns.

    Raises:
        CourseError: a name that leads nowhere, or no text file at all.
    """
    found: dict[Path, None] = {}
    for name in names:
        path = workspace.locate(name)
        if path.is_dir():
            new = sorted(f for f in path.rglob("*.txt") if f.is_file())
        elif path.is_file():
            new = [path]
        elif _GLOB & set(name):
            base = Path(path.anchor)
            new = sorted(f for f in base.glob(str(path.relative_to(base))) if f.is_file())
        else:
            raise CourseError(
                f"There is no file or folder {path}.",
                "Name text files, folders or patterns in txt_files; relative names start in the "
                "workspace (00_setup puts a sample there).",
            )
        found |= dict.fromkeys(file.resolve() for file in new)
    if not found:
        raise CourseError(
            f"There are no text files in {', '.join(names)}.",
            "Put .txt files there, or name others in txt_files.",
        )
    return list(found)


def encoding_of(file: Path, wanted: str) -> str:
    """The encoding to read a file with: a byte-order mark decides, then what was wanted.

    ``auto`` is UTF-8 where that fits the whole file, else the best guess from its beginning.

    Raises:
        CourseError: ``auto``, and nothing fits.
    """
    with file.open("rb") as handle:
        head = handle.read(BLOCK)
    for mark, name in MARKS:
        if head.startswith(mark):
            return name
    if wanted != "auto":
        return wanted
    guess = "utf-8" if _fits(file, "utf-8") else guessed_encoding(head)
    if guess is None:
        raise CourseError(
            f"The encoding of {file} cannot be guessed; perhaps it is not a text file.",
            "Name the encoding, for example gb18030 or utf-16, or leave the file out.",
        )
    return guess


def _fits(file: Path, encoding: str) -> bool:
    try:
        for _ in _decoded_blocks(file, encoding):
            pass
    except UnicodeDecodeError:
        return False
    return True


def guessed_encoding(head: bytes) -> str | None:
    """The likely encoding of some bytes that are not UTF-8; None if it cannot be told."""
    import charset_normalizer

    if head.count(b"\0") > len(head) / 20:  # UTF-16 without its mark: half of English is zeros
        return "utf-16-le" if head[1::2].count(b"\0") >= head[::2].count(b"\0") else "utf-16-be"
    if _mostly_chinese(head):
        return "gb18030"
    best = charset_normalizer.from_bytes(head[:100_000]).best()
    return best.encoding if best else None


def _mostly_chinese(head: bytes) -> bool:
    """Whether GB18030 makes mainly everyday Chinese of the bytes outside ASCII.

    The 3 755 most used characters fill rows B0–D7 of the first plane (GB 2312, level 1); other
    encodings, read as GB18030, scatter over the whole table.
    """
    try:
        text = codecs.getincrementaldecoder("gb18030")().decode(head)
    except UnicodeDecodeError:
        return False
    other = [c for c in text if ord(c) > 0x7F]
    everyday = sum(1 for c in other if "\u4e00" <= c <= "\u9fff" and _level_one(c))
    marks = sum(1 for c in other if c in "，。、；：？！“”‘’（）《》—…　·")
    return bool(other) and (everyday + marks) / len(other) > 0.8


def _level_one(character: str) -> bool:
    encoded = character.encode("gb18030")
    return len(encoded) == 2 and 0xB0 <= encoded[0] <= 0xD7 and encoded[1] >= 0xA1


def _decoded_blocks(file: Path, encoding: str) -> Iterator[str]:
    """The text of a file, block by block.

    Raises:
        UnicodeDecodeError: its ``start`` counts bytes from the beginning of the file, and its
            ``reason`` names the line.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    done, line = 0, 1
    with file.open("rb") as handle:
        while True:
            block = handle.read(BLOCK)
            pending = len(decoder.getstate()[0])
            try:
                text = decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                before = error.object[: error.start].decode(encoding, "replace")
                line += before.count("\n")
                at = done - pending + error.start
                raise UnicodeDecodeError(
                    encoding, error.object, at, at + 1, f"line {line}"
                ) from None
            if "\0" in text:  # no text has this character; UTF-16 read as UTF-8 is full of it
                before = text[: text.index("\0")]
                at = done - pending + len(before.encode(encoding))
                line += before.count("\n")
                raise UnicodeDecodeError(encoding, block, at, at + 1, f"line {line}")
            line += text.count("\n")
            done += len(block)
            yield text
            if not block:
                return


def lines(file: Path, encoding: str) -> Iterator[str]:
    """The lines of a file without their ends (``\\n``, ``\\r\\n`` or ``\\r``).

    Raises:
        CourseError: bytes that are not in the encoding: file, line, byte, and what to try.
    """
    newlines = io.IncrementalNewlineDecoder(None, translate=True)
    carried: list[str] = []
    try:
        for text in _decoded_blocks(file, encoding):
            head, newline, tail = newlines.decode(text, final=not text).rpartition("\n")
            if newline:
                yield from ("".join((*carried, head))).split("\n")
                carried = []
            carried.append(tail)
    except UnicodeDecodeError as error:
        with file.open("rb") as handle:
            guess = guessed_encoding(handle.read(BLOCK))
        other = guess if guess and guess != encoding else "gb18030 or utf-16"
        raise CourseError(
            f"{file} is not {encoding}: {error.reason}, byte {error.start}.",
            f"Try encoding = {other!r}, or 'auto'; or save the file as UTF-8.",
        ) from None
    if rest := "".join(carried):
        yield rest


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
