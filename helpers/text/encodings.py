"""Which encoding a student's text file is in, and where it is not what it claims to be."""

import codecs
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

from helpers.common.errors import CourseError
from helpers.text.archives import Gauge, blocks
from helpers.text.kinds import SAVE_AS_TEXT, binary

MARKS = (  # the longer ones first: UTF-32's begins with UTF-16's
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CARRIAGE_RETURNS = re.compile("\r+\n?")
_NOT_ASCII = re.compile(rb"[^\x01-\x7f]")
# What is tried when a file is neither UTF-8 nor everyday Chinese.
_CANDIDATES = [
    *("cp1252", "cp1250", "cp1251", "koi8_r", "cp1253", "cp1254", "cp1257"),
    *("gb18030", "big5", "cp932", "euc_jp", "cp949", "utf_16_le", "utf_16_be"),
]


def encoding_of(file: Path, wanted: str) -> str:
    """The encoding to read a file with: a byte-order mark decides, then what was wanted.

    ``auto`` is UTF-8 where that fits the whole file, else the best guess from a block of it.

    Raises:
        CourseError: no text at all, or ``auto``, and the encoding cannot be told.
        DamagedFile: an archive that cannot be unpacked.
    """
    head = next(blocks(file), b"")
    if what := binary(head):
        raise CourseError(f"{file} is no plain text, but {what}.", SAVE_AS_TEXT)
    for mark, name in MARKS:
        if head.startswith(mark):
            return name
    if wanted != "auto":
        return wanted
    guess = "utf-8" if _fits(file, "utf-8") else guessed_encoding(telling_block(file))
    if guess is None:
        raise CourseError(
            f"The encoding of {file} cannot be guessed; perhaps it is not a text file.",
            "Name the encoding, for example gb18030, utf-16 or cp1252, or leave the file out.",
        )
    return guess


def beginning(file: Path, encoding: str) -> str:
    """The first block of a file as text, its line ends as ``\\n``; bad bytes are replaced."""
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    return LineEnds().decode(decoder.decode(next(blocks(file), b"")), final=True)


def _fits(file: Path, encoding: str) -> bool:
    try:
        for _ in decoded_blocks(file, encoding):
            pass
    except UnicodeDecodeError:
        return False
    return True


def telling_block(file: Path) -> bytes:
    """From the first byte that is not ASCII (a little before it): the rest tells nothing."""
    for block in blocks(file):
        if first := _NOT_ASCII.search(block):
            return block[max(0, first.start() - 1000) & ~1 :]  # UTF-16 stays in step
    return b""


def guessed_encoding(block: bytes) -> str | None:
    """The likely encoding of a block of a file; None if several would make sense, or none.

    A few bytes that are not UTF-8 do not make a UTF-8 file another one: it is damaged there.
    """
    if _is_nearly_utf8(block):
        return "utf-8"
    if block.count(b"\0") > len(block) / 20:  # UTF-16 without its mark: half of English is zeros
        little = block[1::2].count(b"\0") >= block[::2].count(b"\0")
        name = "utf-16-le" if little else "utf-16-be"
        return name if "\0" not in _begin_decoded(block, name, "\0") else None
    if _mostly_chinese(block):
        return "gb18030"
    return _sole_candidate(block[:100_000])


def _begin_decoded(block: bytes, encoding: str, otherwise: str) -> str:
    """The block as text; its last character may be cut off."""
    try:
        return codecs.getincrementaldecoder(encoding)().decode(block)
    except UnicodeDecodeError:
        return otherwise


def _is_nearly_utf8(block: bytes) -> bool:
    text = codecs.getincrementaldecoder("utf-8")("replace").decode(block)
    bad = text.count("\ufffd")
    return "\0" not in text and sum(c > "\x7f" for c in text) - bad > 20 * bad


def _sole_candidate(block: bytes) -> str | None:
    """charset-normalizer's best guess, unless another one makes nearly as much sense.

    The Western, Central European and Baltic code pages often cannot be told from each other.
    """
    import charset_normalizer

    found = charset_normalizer.from_bytes(block, cp_isolation=_CANDIDATES)
    best, *others = [match for match in found if "\0" not in str(match)] or [None]
    if best is None or any(
        str(match) != str(best) and match.coherence >= 0.8 * best.coherence for match in others
    ):
        return None
    return best.encoding


def _mostly_chinese(block: bytes) -> bool:
    """Whether GB18030 makes mainly everyday Chinese of the bytes outside ASCII.

    The 3 755 most used characters fill rows B0–D7 of the first plane (GB 2312, level 1), sorted by
    sound; other encodings, read as GB18030, scatter over the whole table. Only Korean lies in rows
    B0–C8, where half of Chinese does.
    """
    other = [c for c in _begin_decoded(block, "gb18030", "") if ord(c) > 0x7F]
    rows = [row for c in other if "\u4e00" <= c <= "\u9fff" and (row := _row_of_level_one(c))]
    marks = sum(1 for c in other if c in "，。、；：？！“”‘’（）《》—…　·")
    beyond = sum(row > 0xC8 for row in rows)
    return bool(rows) and len(rows) + marks > 0.8 * len(other) and beyond > 0.15 * len(rows)


def _row_of_level_one(character: str) -> int:
    encoded = character.encode("gb18030")
    level_one = len(encoded) == 2 and 0xB0 <= encoded[0] <= 0xD7 and encoded[1] >= 0xA1
    return encoded[0] if level_one else 0


def decoded_blocks(file: Path, encoding: str, gauge: Gauge | None = None) -> Iterator[str]:
    """The text of a file, block by block; the last one is what the decoder still held.

    Raises:
        UnicodeDecodeError: bytes that are not in the encoding, or NUL, which no text has (UTF-16
            read as UTF-8 is full of it).
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    for block in itertools.chain(blocks(file, gauge), (b"",)):
        yield _decoded(decoder, block, encoding)


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


def _decoded(decoder: codecs.IncrementalDecoder, block: bytes, encoding: str) -> str:
    text = decoder.decode(block, final=not block)
    if "\0" in text:
        raise UnicodeDecodeError(encoding, b"\0", 0, 1, "NUL")
    return text


def bad_place(file: Path, encoding: str) -> tuple[int, int]:
    """Line and byte offset of what cannot be read: sought by blocks, then byte by byte."""
    decoder = codecs.getincrementaldecoder(encoding)()
    newlines = LineEnds()
    line, done = 1, 0
    for block in itertools.chain(blocks(file), (b"",)):
        state = decoder.getstate()
        try:
            line += newlines.decode(_decoded(decoder, block, encoding)).count("\n")
            done += len(block)
            continue
        except UnicodeDecodeError:
            decoder.setstate(state)
        for byte in [block[i : i + 1] for i in range(len(block))] or [b""]:
            state = decoder.getstate()
            try:
                line += newlines.decode(_decoded(decoder, byte, encoding)).count("\n")
            except UnicodeDecodeError as error:
                held = newlines.decode("", final=True).count("\n")
                return line + held, done - len(state[0]) + error.start
            done += 1
    return line, done
