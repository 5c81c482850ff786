"""The texts in files of records: a field of JSON objects, what stands between ``<doc>`` tags."""

import dataclasses
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from helpers.common.errors import CourseError, DamagedFile
from helpers.common.names import cut, spelled
from helpers.common.report import enumerated
from helpers.text.decoding.archives import Gauge
from helpers.text.decoding.damage import Faults
from helpers.text.decoding.kinds import DOC
from helpers.text.documents import LONGEST, lines, text_blocks

_KINDS = {bool: "true or false", int: "a number", float: "a number", list: "a list"}
_SPACE, _DECODER = re.compile(r"\s*"), json.JSONDecoder()
_WHOLE = "Mend it, or copy or extract the file again."
NAME_IT = "Name the one that holds the text in text_field."
NAME_CLASS = "Name the one that holds the class in label_field."


@dataclasses.dataclass
class Labels:
    """The classes of records, which stand in another field than their texts.

    Attributes:
        field: the one that holds the class.
        found: a class for each text that was given so far; empty where a record has none.
    """

    field: str
    found: list[str] = dataclasses.field(default_factory=list)

    def beside(
        self, texts: Iterable[str], record: Mapping[str, object], place: str
    ) -> Iterator[str]:
        """The texts of a record, each given once its class is among those that were found.

        Raises:
            CourseError: the record lacks the field, or has a list or an object there.
        """
        for text in texts:
            if self.field not in record:
                there = listed(record)
                what = f"{place}: there is no field {self.field!r}. There is {there}."
                raise CourseError(what, NAME_CLASS)
            value = record[self.field]
            if isinstance(value, (list, dict)):
                what = _KINDS.get(type(value), "an object")
                raise CourseError(f"{place}, {self.field!r} is {what}, no class.", NAME_CLASS)
            self.found.append(_as_class(value))
            yield text


def _as_class(value: object) -> str:
    """A class as text, the same whoever wrote it.

    >>> _as_class(4.0), _as_class(4), _as_class(" 4\\u200b"), _as_class(b"4"), _as_class(None)
    ('4', '4', '4', '4', '')
    """
    if value is None:
        return ""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return spelled(unicodedata.normalize("NFC", text).strip(" \t\r\n\u3000\u200b\ufeff"))


def json_line_texts(
    file: Path,
    encoding: str,
    field: str,
    faults: Faults,
    gauge: Gauge | None = None,
    labels: Labels | None = None,
) -> Iterator[str]:
    """The field of every JSON object, one a line; ``null`` is no text.

    Raises:
        DamagedFile: a line that is no JSON object.
        CourseError: a line that lacks the field, or has something else than a text there.
    """
    for number, line in enumerate(lines(file, encoding, gauge, faults), 1):
        if not line.strip() or faults.leaves_out([line]):
            continue
        place = f"{file}, line {number:,}"
        yield from _field_of(_parsed(line, place), field, place, faults, labels)


def _field_of(
    record: dict, field: str, place: str, faults: Faults, labels: Labels | None
) -> Iterator[str]:
    if field not in record:
        raise CourseError(
            f"{place}: there is no field {field!r}. There is {listed(record)}.", NAME_IT
        )
    texts = text_of(record[field], f"{place}, {field!r}", faults)
    yield from labels.beside(texts, record, place) if labels else texts


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


def json_texts(
    file: Path,
    encoding: str,
    field: str,
    faults: Faults,
    gauge: Gauge | None = None,
    labels: Labels | None = None,
) -> Iterator[str]:
    """The field of every object in an array, or of objects that stand one after the other.

    The elements of an array may be texts themselves.

    Raises:
        DamagedFile: what is no JSON, with the number of the record.
        CourseError: a record that lacks the field, or has something else than a text there.
    """
    number = 0
    try:
        values = _values(text_blocks(file, encoding, gauge, faults))
        for number, (value, written) in enumerate(values, 1):
            place = f"{file}, record {number:,}"
            if faults.leaves_out([written]):
                continue
            if isinstance(value, dict):
                yield from _field_of(value, field, place, faults, labels)
            else:
                texts = text_of(value, place, faults)
                yield from labels.beside(texts, {}, place) if labels else texts
    except (ValueError, RecursionError) as error:
        what = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        raise DamagedFile(
            f"{file}, record {number + 1:,}: this is no JSON ({what}).",
            "Mend it, or copy or download the file again.",
        ) from None


def _values(blocks: Iterator[str]) -> Iterator[tuple[object, str]]:
    """The elements of an array, or values with white space between them; each with its JSON.

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

    def value(self) -> tuple[object, str]:
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError:
                if len(self._text) - self._at > LONGEST or not self._read_on():
                    raise
            else:
                written, self._at = self._text[self._at : end], end
                return value, written

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


def wiki_texts(
    file: Path, encoding: str, faults: Faults, gauge: Gauge | None = None
) -> Iterator[str]:
    """What stands between ``<doc …>`` and ``</doc>``, each on a line of its own.

    So writes WikiExtractor (github.com/attardi/wikiextractor); the first line is the title.

    Raises:
        DamagedFile: text outside of these lines, or no last ``</doc>``.
    """
    text: list[str] | None = None
    tag, number = "", 0
    for number, line in enumerate(lines(file, encoding, gauge, faults), 1):
        if DOC.fullmatch(line):
            if text is not None:
                raise DamagedFile(f"{file}, line {number:,}: a </doc> is missing before.", _WHOLE)
            text, tag = [], line
        elif text is not None and line.strip() == "</doc>":
            if not faults.leaves_out([tag, *text]):
                yield from faults.of_record("\n".join(text), f"{file}, line {number:,}")
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
    return enumerated([repr(cut(name, 60)) for name in names], 20) or "none"


def text_of(value: object, place: str, faults: Faults) -> Iterator[str]:
    """The value, if it is a text; nothing for null, and see :meth:`Faults.of_record`.

    Raises:
        CourseError: it is something else.
    """
    if value is not None and not isinstance(value, str):
        raise CourseError(f"{place} is {_KINDS.get(type(value), 'an object')}, no text.", NAME_IT)
    yield from faults.of_record(value, place)
