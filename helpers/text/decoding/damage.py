"""What in a file is no character: it is refused, replaced, or left out, and counted."""

import codecs
import dataclasses
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from helpers.common.errors import CourseError, DamagedFile
from helpers.common.names import spelled
from helpers.common.report import counted
from helpers.text.decoding.archives import blocks, endings
from helpers.text.decoding.characters import (
    MARK,
    MARKED,
    NO_CHARACTER,
    decoded,
    decoded_blocks,
    is_partly_utf8,
)
from helpers.text.decoding.guesses import guessed_encoding
from helpers.text.decoding.mistaken import is_wide
from helpers.text.decoding.places import around, bad_places

Errors = Literal["strict", "replace", "skip"]
REPLACEMENT = "\ufffd"
NAMED = 10  # places of a file
COUNTED = 10_000  # bad bytes of a file that is refused
_PLACE = re.compile(f"{NO_CHARACTER.pattern}+")
LOOKED_AT = 16  # blocks, for a second encoding
SAMPLE = 100_000  # bytes that tell an encoding
GO_ON = (
    "Or set errors = 'replace', which puts U+FFFD there, or errors = 'skip', which leaves such "
    "documents out; both count what they did."
)
IN_JSON = f"JSON is in UTF-8: save the file so. {GO_ON}"
IN_RAW = "A .raw file is in UTF-8: save it so, or make it again with 01_split."


def number_of_places(text: str) -> int:
    """Of those that are no character, those that stand one behind the other count as one."""
    return len(_PLACE.findall(text))


class NotInEncoding(CourseError):
    """Bytes of a file are not in the encoding."""


@dataclasses.dataclass
class Faults:
    """What was found in a file that is no text, and what was done about it.

    Attributes:
        errors: the setting of :class:`helpers.workflow.settings.SplitSettings`.
        hint: what to do about bytes that are not in the encoding; empty: what fits them is looked
            for. Without settings, the course's own files are read.
        in_bytes: places that are no characters of the encoding.
        in_records: places that are none though they are written as characters are, such as half
            of a pair in JSON.
        bad_records: those with such places.
        outside: places between the documents, such as in the header of a table, which are
            no reason to leave one out.
        left_out: documents, or records, that hold such places and are left out.
        without_text: records with null, or with white space only.
    """

    file: Path
    encoding: str
    errors: Errors = "strict"
    hint: str = IN_RAW
    in_bytes: int = 0
    in_records: int = 0
    bad_records: int = 0
    outside: int = 0
    left_out: int = 0
    without_text: int = 0
    _named: list[str] = dataclasses.field(default_factory=list)

    @property
    def replaced(self) -> int:
        return self.in_bytes + self.in_records if self.errors == "replace" else 0

    def of_block(self, text: str) -> str:
        """A block of the file's text; to leave documents out, ``MARK`` must stay in it.

        Raises:
            NotInEncoding: ``strict``, and there is one.
        """
        if MARK not in text:
            return text
        if self.errors == "strict":
            raise not_in_encoding(self.file, self.encoding, self.hint)
        self.in_bytes += number_of_places(text)
        return text if self.errors == "skip" else text.replace(MARK, REPLACEMENT)

    def leaves_out(self, parts: Sequence[str]) -> bool:
        """Whether a document, or a record, is to be left out, of which these are parts."""
        is_out = self.errors == "skip" and any(MARK in part for part in parts)
        self.left_out += is_out
        return is_out

    def outside_of_documents(self, parts: Sequence[str]) -> None:
        """Count the places in what belongs to no document, where these could be left out."""
        if self.errors == "skip":
            self.outside += sum(map(number_of_places, parts))

    def of_record(self, text: str | None, place: str) -> Iterator[str]:
        """The text of a record; nothing, where there is none or where it is left out."""
        self.without_text += not text or text.isspace()
        if text is None:
            return
        found = [] if text.isascii() and "\0" not in text else [*_PLACE.finditer(text)]
        if not found:
            yield text
            return
        self.in_records += len(found)
        self.bad_records += 1
        if len(self._named) < NAMED:
            start, end = found[0].span()
            sign = found[0][0][0]
            bad = "bytes that are not UTF-8" if sign == MARK else repr(sign)[1:-1]
            what = around(text[:start], bad, text[end:])
            self._named.append(f"{place} holds what is no character {what}")
        if self.errors == "replace":
            yield NO_CHARACTER.sub(REPLACEMENT, text)
        else:
            self.left_out += 1

    def refuse(self) -> None:
        """To be asked when the file, or as much of it as is looked at, has been read.

        Raises:
            DamagedFile: ``strict``, and records hold what is no character.
        """
        if self.errors == "strict" and self._named:
            raise DamagedFile(
                f"{self.in_words()}.",
                f"Mend these texts, or name another field in text_field. {GO_ON}",
            )

    def in_words(self) -> str:
        """The first records that hold what is none, and how many more do."""
        return "; ".join(self._named) + _and_more(self.bad_records - len(self._named))

    def named(self) -> list[str]:
        """The first places, in words."""
        places = bad_places(self.file, self.encoding, NAMED) if self.in_bytes else []
        named = [*(f"{self.file.name}, {place}" for place in places), *self._named]
        return [spelled(place) for place in named[:NAMED]]


def about(faults: Iterable[Faults]) -> list[str]:
    """What was done about faults, with the first places, in sentences; nothing without any."""
    faults = list(faults)
    left_out = sum(each.left_out for each in faults if each.errors == "skip")
    replaced = sum(each.replaced for each in faults)
    without = sum(each.without_text for each in faults)
    said = []
    if left_out:
        what = counted(left_out, "document that holds", "documents that hold")
        said.append(f"Left out: {what} what is no character")
    if replaced:
        what = counted(replaced, "place that is", "places that are")
        said.append(f"Replaced by U+FFFD: {what} no character")
    if outside := sum(each.outside for each in faults):
        what = counted(outside, "place that is", "places that are")
        said.append(f"Left where no document is, as in the header of a table: {what} no character")
    if said:
        places = itertools.chain.from_iterable(each.named() for each in faults)
        named = [*itertools.islice(places, NAMED)]
        said[0] += f": {'; '.join(named)}"
    ends = [f"{sentence}." for sentence in said]
    if without:
        what = counted(without, "record", "records")
        ends.append(f"Left out: {what} without text (null, or only white space).")
    return ends


def not_in_encoding(file: Path, encoding: str, hint: str) -> NotInEncoding:
    """The error for bytes that are not in the encoding: all places, and what to try.

    Args:
        hint: see :class:`Faults`.
    """
    places = bad_places(file, encoding, NAMED)
    named = "; ".join(map(str, places))
    more = _more_places(file, encoding, len(places))
    archive = " (bytes are counted when unpacked)" if endings(file)[1] else ""
    only_zeros = all(not any(place.found) for place in places)
    what = "holds NUL, which is no character of a text" if only_zeros else f"is not {encoding}"
    message = f"{file} {what}: {named}{more}{archive}."
    return NotInEncoding(message, hint or _what_to_try(file, encoding))


def _what_to_try(file: Path, encoding: str) -> str:
    """The hint; an encoding only where the bytes fit it better, and it would then be taken."""
    name = codecs.lookup(encoding).name
    block = first_bad_block(file, encoding)
    lines = bad_lines(block, encoding)
    has_mark = name in ("utf-8-sig", "utf-16", "utf-32")  # which is told by it alone
    is_ascii = lines.isascii() and b"\0" not in lines  # which fits them all
    guess = None if is_ascii else guessed_encoding(lines)
    if not guess or name.startswith(guess) or _bad(lines, guess) >= _bad(lines, encoding):
        guess = None
    if has_mark:
        perhaps = f", perhaps {guess!r}" if guess else ""
        return (
            f"The file begins with the mark of {encoding}, and what follows is damaged, or in "
            f"another encoding{perhaps}: save it again as UTF-8. {GO_ON}"
        )
    if guess and (is_partly_utf8(file, LOOKED_AT) or _bad(block, guess) >= _bad(block, encoding)):
        return (
            f"It holds two encodings, and these places are perhaps {guess!r}: part it in two, or "
            f"save all of it as UTF-8. {GO_ON}"
        )
    if guess:
        return (
            f"Try encoding = {guess!r}, or 'auto' where the files differ, or save the file as "
            f"UTF-8. {GO_ON}"
        )
    others = " or ".join(other for other in ("gb18030", "utf-16", "cp1252") if other != name)
    return (
        "Mend these places in an editor if they alone are damaged; or name another encoding, for "
        f"example {others}. {GO_ON}"
    )


def _bad(sample: bytes, encoding: str) -> int:
    """How many bytes, or places, in it are no character of an encoding."""
    return decoded(codecs.getincrementaldecoder(encoding)(MARKED), sample).count(MARK)


def _more_places(file: Path, encoding: str, shown: int) -> str:
    """How many more places there are; not where there is no end of them."""
    places = marks = 0
    for text in decoded_blocks(file, encoding):
        places += number_of_places(text)
        marks += text.count(MARK)
        if marks > COUNTED:
            return "; and many more"
    return _and_more(places - shown)


def _and_more(number: int) -> str:
    return f"; and {number:,} more" if number > 0 else ""


def first_bad_block(file: Path, encoding: str) -> bytes:
    """The first block that is not all in an encoding; else the last one."""
    decoder = codecs.getincrementaldecoder(encoding)(MARKED)
    block = b""
    for block in blocks(file):
        if MARK in decoded(decoder, block):
            break
    return block


def bad_lines(block: bytes, encoding: str) -> bytes:
    """The lines of a block that are not in an encoding.

    Of UTF-16 and UTF-32, whose bytes show no lines, all of the block.
    """
    if block.count(b"\0") > len(block) / 20 or is_wide(encoding):
        return block
    lines = block.splitlines(keepends=True)
    bad = (line for line in lines if NO_CHARACTER.search(line.decode(encoding, MARKED)))
    return b"".join(bad)[:SAMPLE]
