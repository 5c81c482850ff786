"""Which encoding a student's text file is in."""

import codecs
from pathlib import Path

from helpers.common.errors import CourseError
from helpers.text.decoding.archives import blocks
from helpers.text.decoding.characters import MARK, LineEnds, decoded_blocks, is_partly_utf8
from helpers.text.decoding.damage import LOOKED_AT, SAMPLE, bad_lines, first_bad_block
from helpers.text.decoding.guesses import (
    CHINESE,
    chinese_in_utf_16,
    guessed_encoding,
    in_seven_bits,
    is_nearly_utf8,
)
from helpers.text.decoding.kinds import SAVE_AS_TEXT, binary
from helpers.text.decoding.mistaken import is_wide

MARKS = (  # the longer ones first: UTF-32's begins with UTF-16's
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def encoding_of(file: Path, wanted: str) -> str:
    """The encoding to read a file with: a byte-order mark decides, then what was wanted.

    ``auto`` is UTF-8 where that fits the whole file, else the best guess.

    Raises:
        CourseError: no text at all; or ``auto``, and the encoding cannot be told; or UTF-16
            without the mark that says the order of its bytes.
        DamagedFile: an archive that cannot be unpacked.
    """
    head = next(blocks(file), b"")
    refuse_binary(file, head)
    for mark, name in MARKS:
        if head.startswith(mark):
            return name
    if wanted != "auto":
        _refuse_another(file, wanted, head)
        return wanted
    if guess := _guess(file, head):
        return guess
    raise CourseError(
        f"The encoding of {file} cannot be guessed: none fits, or several nearly as well.",
        "Name the encoding, for example gb18030, utf-16 or cp1252, or leave the file out. Where "
        "it is UTF-8 with damaged places, name utf-8 and set errors = 'skip' or 'replace'.",
    )


def _refuse_another(file: Path, wanted: str, head: bytes) -> None:
    """Raise a CourseError where the beginning of a file shows that it is not in an encoding."""
    name = codecs.lookup(wanted).name
    if head and name in ("utf-16", "utf-32"):
        raise CourseError(
            f"{file} does not begin with the mark of {wanted} that says the order of its bytes.",
            f"Name the order in encoding: {wanted}-le, as Windows writes it, or {wanted}-be.",
        )
    if name == "utf-8" and (escaped := in_seven_bits(head[:SAMPLE])):
        raise CourseError(
            f"{file} is not {wanted}: it is in {escaped}, which looks like ASCII.",
            f"Try encoding = {escaped!r}, or 'auto' where the files differ.",
        )
    if is_wide(wanted):
        _refuse_bytes_for_characters(file, wanted, head)


def _refuse_bytes_for_characters(file: Path, wanted: str, head: bytes) -> None:
    """Raise a CourseError where UTF-16 or UTF-32 was named, and a file begins in another encoding.

    Pairs of its bytes would be read as characters: any two are one, and no error shows it.
    """
    guess = "utf-8" if _is_utf8(head) else None if b"\0" in head else guessed_encoding(head)
    if guess in ("utf-8", *CHINESE):
        raise CourseError(
            f"{file} is not {wanted}: it begins in {guess}.",
            f"Try encoding = {guess!r}; or 'auto' where the files differ.",
        )


def _is_utf8(head: bytes) -> bool:
    """Whether all of a beginning is; its last character may be cut off."""
    try:
        return b"\0" not in head and bool(codecs.getincrementaldecoder("utf-8")().decode(head))
    except UnicodeDecodeError:
        return False


def begins_in(file: Path) -> str:
    """What ``auto`` will take, as far as the beginning of a file tells; UTF-8 if that is open."""
    head = next(blocks(file), b"")
    guess = None if not head or binary(head) else _guess(file, head, LOOKED_AT)
    return guess or "utf-8"


def refuse_binary(file: Path, head: bytes) -> None:
    """Raise a CourseError where a file begins as one that holds no plain text."""
    if what := binary(head):
        raise CourseError(f"{file} is no plain text, but {what}.", SAVE_AS_TEXT)


def beginning(file: Path, encoding: str) -> str:
    """The first block of a file as text, its line ends as ``\\n``; bad bytes are replaced."""
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    return LineEnds().decode(decoder.decode(next(blocks(file), b"")), final=True)


def _guess(file: Path, head: bytes, most: int | None = None) -> str | None:
    """UTF-8 also where only a part of the file is: it alone shows what is not in it.

    Args:
        head: the first block.
        most: of so many blocks, and mostly of the first; None: of the whole file.
    """
    if escaped := in_seven_bits(head[:SAMPLE]):
        return escaped
    if _is_utf8(head) if most else _fits(file, "utf-8"):
        return "utf-8"
    block = head if most else first_bad_block(file, "utf-8")
    if is_nearly_utf8(block) or is_partly_utf8(file, most):
        return "utf-8"
    guess = chinese_in_utf_16(block) or guessed_encoding(bad_lines(block, "utf-8"))
    if most is None and guess == "cp950" and not _fits(file, "cp950") and _fits(file, "big5hkscs"):
        return "big5hkscs"  # which has the signs of Cantonese, too, wherever they stand
    return guess


def _fits(file: Path, encoding: str) -> bool:
    return not any(MARK in text for text in decoded_blocks(file, encoding))
