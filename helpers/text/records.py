"""The texts in files of records: a field of JSON lines, a column of a Parquet file."""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from helpers.common.errors import CourseError, DamagedFile
from helpers.text.archives import Gauge
from helpers.text.documents import lines

ROWS = 64  # of a Parquet file that are in memory at a time
_KINDS = {bool: "true or false", int: "a number", float: "a number", list: "a list"}
_NO_CHARACTER = re.compile("[\0\ud800-\udfff]")  # NUL, and halves of a UTF-16 pair
_NAME_IT = "Name the one that holds the text in text_field."


def json_texts(file: Path, encoding: str, field: str, gauge: Gauge | None = None) -> Iterator[str]:
    """The field of every JSON object, one a line; ``null`` is no text.

    Raises:
        DamagedFile: a line that is no JSON object.
        CourseError: a line that lacks the field, or has something else than a text there.
    """
    for number, line in enumerate(lines(file, encoding, gauge), 1):
        if not line.strip():
            continue
        place = f"{file}, line {number}"
        record = _parsed(line, place)
        if field not in record:
            raise CourseError(
                f"{place}: there is no field {field!r}. There is {_listed(record)}.", _NAME_IT
            )
        yield from _checked(record[field], f"{place}, {field!r}")


def _parsed(line: str, place: str) -> dict:
    record, what = None, "no object"
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        what = f"{error.msg}, column {error.colno}"
    except (ValueError, RecursionError) as error:  # thousands of digits, or of brackets
        what = str(error)
    if not isinstance(record, dict):
        raise DamagedFile(
            f"{place}: this is no line of a .jsonl file ({what}).",
            'Every line is one whole object, such as {"text": "…"}. Mend it, or leave it out.',
        )
    return record


def parquet_texts(
    file: Path, encoding: str, field: str, gauge: Gauge | None = None
) -> Iterator[str]:
    """The column of every row; null is no text. The encoding is always Parquet's own, UTF-8.

    Raises:
        DamagedFile: a row group that cannot be read, or fewer rows than there should be.
        CourseError: no such column, or one without texts.
    """
    import pyarrow
    from pyarrow.parquet import ParquetFile

    place, row = f"{file}, footer", 0
    try:
        with ParquetFile(file, page_checksum_verification=True, pre_buffer=False) as parquet:
            _check_column(file, field, parquet.schema_arrow)
            rows, groups = parquet.metadata.num_rows, parquet.num_row_groups
            for group in range(groups):
                place = f"{file}, row group {group + 1} of {groups}"
                for batch in parquet.iter_batches(ROWS, row_groups=[group], columns=[field]):
                    for value in batch.column(field):
                        row += 1
                        if gauge:
                            gauge.share = row / rows
                        yield from _checked(value.as_py(), f"{place}, row {row}, {field!r}")
            if row != rows:
                raise pyarrow.ArrowInvalid(f"{row:,} of {rows:,} rows are there")
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DamagedFile(
            f"{place}: this is damaged, or no Parquet file ({' '.join(str(error).split())}).",
            "Copy or download it again, or leave it out.",
        ) from None


def _check_column(file: Path, field: str, schema: Iterable) -> None:
    """Raise a CourseError unless one column has this name, and holds texts."""
    from pyarrow import types

    def is_text(kind: object) -> bool:
        kind = kind.value_type if types.is_dictionary(kind) else kind
        return types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)

    if [column.name for column in schema].count(field) != 1:
        there = _listed(column.name for column in schema)
        raise CourseError(f"{file} has no column {field!r}. There is {there}.", _NAME_IT)
    kind = schema.field(field).type
    if not is_text(kind):
        texts = _listed(column.name for column in schema if is_text(column.type))
        raise CourseError(
            f"{file}: the column {field!r} holds {kind}, no text. With text there is {texts}.",
            _NAME_IT,
        )


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - 20:,} more" if names[20:] else ""
    return ", ".join(map(repr, names[:20])) + more or "none"


def _checked(value: object, place: str) -> Iterator[str]:
    """The value, if it is a text that can be written to a file; nothing for null."""
    if value is None:
        return
    if not isinstance(value, str):
        raise CourseError(f"{place} is {_KINDS.get(type(value), 'an object')}, no text.", _NAME_IT)
    if found := _NO_CHARACTER.search(value):
        raise DamagedFile(
            f"{place} holds {found[0]!r}, which is no character.",
            "Mend this text, or leave it out.",
        )
    yield value
