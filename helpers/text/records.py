"""The texts in files of records: a field of JSON objects, what stands between ``<doc>`` tags."""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from helpers.common.errors import CourseError, DamagedFile
from helpers.text.archives import Gauge
from helpers.text.documents import LONGEST, lines, text_blocks
from helpers.text.kinds import DOC

_KINDS = {bool: "true or false", int: "a number", float: "a number", list: "a list"}
_NO_CHARACTER = re.compile("[\0\ud800-\udfff]")  # NUL, and halves of a UTF-16 pair
_SPACE, _DECODER = re.compile(r"\s*"), json.JSONDecoder()
_WHOLE = "Mend it, or copy or extract the file again."
NAME_IT = "Name the one that holds the text in text_field."


def json_line_texts(
    file: Path, encoding: str, field: str, gauge: Gauge | None = None
) -> Iterator[str]:
    """The field of every JSON object, one a line; ``null`` is no text.

    Raises:
        DamagedFile: a line that is no JSON object.
        CourseError: a line that lacks the field, or has something else than a text there.
    """
    for number, line in enumerate(lines(file, encoding, gauge), 1):
        if not line.strip():
            continue
        place = f"{file}, line {number:,}"
        yield from _field_of(_parsed(line, place), field, place)


def _field_of(record: dict, field: str, place: str) -> Iterator[str]:
    if field not in record:
        raise CourseError(
            f"{place}: there is no field {field!r}. There is {listed(record)}.", NAME_IT
        )
    yield from checked(record[field], f"{place}, {field!r}")


def _parsed(line: str, place: str) -> dict:
    record, what = None, "no object"
    try:
        record = json.loads(line.strip())
    except json.JSONDecodeError as error:
        what = f"{error.msg}, column {error.colno}"
    except (ValueError, RecursionError) as error:  # thousands of digits, or of brackets
        what = str(error)
    if not isinstance(record, dict):
        raise DamagedFile(
            f"{place}: this line is no JSON object ({what}).",
            'Every line is one whole object, such as {"text": "…"}. Mend it, or leave it out.',
        )
    return record


def json_texts(file: Path, encoding: str, field: str, gauge: Gauge | None = None) -> Iterator[str]:
    """The field of every object in an array, or of objects that stand one after the other.

    The elements of an array may be texts themselves.

    Raises:
        DamagedFile: what is no JSON, with the number of the record.
        CourseError: a record that lacks the field, or has something else than a text there.
    """
    number = 0
    try:
        for number, value in enumerate(_values(text_blocks(file, encoding, gauge)), 1):
            place = f"{file}, record {number:,}"
            if isinstance(value, dict):
                yield from _field_of(value, field, place)
            else:
                yield from checked(value, place)
    except (ValueError, RecursionError) as error:
        what = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        raise DamagedFile(
            f"{file}, record {number + 1:,}: this is no JSON ({what}).",
            "Mend it, or copy or download the file again.",
        ) from None


def _values(blocks: Iterator[str]) -> Iterator[object]:
    """The elements of an array, or values with white space between them.

    Raises:
        ValueError: what is no JSON.
    """
    source = _Json(blocks)
    is_array, sign = source.sign() == "[", ","
    if is_array:
        source.take()
    while (found := source.sign()) and not (is_array and found == "]"):
        if is_array and sign != ",":
            raise ValueError("a comma is missing")
        yield source.value()
        if is_array and (sign := source.sign()) == ",":
            source.take()
            if source.sign() == "]":
                raise ValueError("nothing stands behind a comma")
    if is_array and found != "]":
        raise ValueError("the array does not end")
    if is_array:
        source.take()
        if source.sign():
            raise ValueError("something stands behind the array")


class _Json:
    """A JSON text that comes in blocks."""

    def __init__(self, blocks: Iterator[str]) -> None:
        self._blocks, self._text, self._at = blocks, "", 0

    def sign(self) -> str:
        """The next sign that is no white space; empty at the end."""
        while True:
            self._at = _SPACE.match(self._text, self._at).end()
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._read_on():
                return ""

    def take(self) -> None:
        self._at += 1

    def value(self) -> object:
        while True:
            try:
                value, self._at = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError:
                if len(self._text) - self._at > LONGEST or not self._read_on():
                    raise
            else:
                return value

    def _read_on(self) -> bool:
        """Read at least as much again as is left; false where there is no more."""
        left = self._text[self._at :]
        new, length = [], 0
        for block in self._blocks:
            new.append(block)
            length += len(block)
            if length > len(left):
                break
        self._text, self._at = left + "".join(new), 0
        return length > 0


def wiki_texts(file: Path, encoding: str, gauge: Gauge | None = None) -> Iterator[str]:
    """What stands between ``<doc …>`` and ``</doc>``, each on a line of its own.

    So writes WikiExtractor (github.com/attardi/wikiextractor); the first line is the title.

    Raises:
        DamagedFile: text outside of these lines, or no last ``</doc>``.
    """
    text: list[str] | None = None
    number = 0
    for number, line in enumerate(lines(file, encoding, gauge), 1):
        if DOC.fullmatch(line):
            if text is not None:
                raise DamagedFile(f"{file}, line {number:,}: a </doc> is missing before.", _WHOLE)
            text = []
        elif text is not None and line.strip() == "</doc>":
            yield "\n".join(text)
            text = None
        elif text is not None:
            text.append(line)
        elif line.strip():
            raise DamagedFile(
                f"{file}, line {number:,}: this stands outside of <doc …> and </doc>.", _WHOLE
            )
    if text is not None:
        raise DamagedFile(f"{file}, line {number:,}: the last </doc> is missing.", _WHOLE)


def listed(names: Iterable[str]) -> str:
    names = [name if len(name) <= 60 else f"{name[:60]}…" for name in names]
    more = f" and {len(names) - 20:,} more" if names[20:] else ""
    return ", ".join(map(repr, names[:20])) + more or "none"


def checked(value: object, place: str) -> Iterator[str]:
    """The value, if it is a text that can be written to a file; nothing for null."""
    if value is None:
        return
    if not isinstance(value, str):
        raise CourseError(f"{place} is {_KINDS.get(type(value), 'an object')}, no text.", NAME_IT)
    if found := _NO_CHARACTER.search(value):
        raise DamagedFile(
            f"{place} holds {found[0]!r}, which is no character.",
            "Mend this text, or leave it out.",
        )
    yield value
