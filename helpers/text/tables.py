"""The texts in tables: a column of a Parquet file, or of CSV and TSV."""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

from helpers.common.errors import CourseError, DamagedFile
from helpers.text.archives import Gauge
from helpers.text.documents import LONGEST, lines
from helpers.text.kinds import Dialect
from helpers.text.records import NAME_IT, checked, listed

ROWS = 64  # of a Parquet file that are in memory at a time


def csv_texts(
    file: Path, encoding: str, field: str, dialect: Dialect, gauge: Gauge | None = None
) -> Iterator[str]:
    """The column of every row below the header; line ends in quotes belong to the text.

    Raises:
        DamagedFile: a quote that does not end, or a row with more or fewer fields than the header.
        CourseError: no such column, or two of that name.
    """
    csv.field_size_limit(LONGEST)
    numbered = (f"{line}\n" for line in lines(file, encoding, gauge))
    rows = csv.reader(numbered, delimiter=dialect.delimiter, quoting=dialect.quoting, strict=True)
    try:
        header = next(filter(None, rows), [])
        if header and header[0].lower() == "sep=":  # Excel's note of the delimiter
            header = next(rows, [])
        header = [name.strip() for name in header]
        if header.count(field) != 1:
            there = listed(header)
            raise CourseError(f"{file} has no column {field!r}. There is {there}.", NAME_IT)
        column = header.index(field)
        for row in filter(None, rows):
            if len(row) != len(header):
                raise csv.Error(f"{len(row)} fields, but {len(header)} in the header")
            yield row[column]
    except csv.Error as error:
        raise DamagedFile(
            f"{file}, line {rows.line_num:,}: this is no row of the table ({error}).",
            "Mend it, or save the table again with its own program.",
        ) from None


def parquet_texts(file: Path, field: str, gauge: Gauge | None = None) -> Iterator[str]:
    """The column of every row; null is no text.

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
                        found = f"{place}, row {row:,}, {field!r}"
                        yield from checked(_as_text(value.as_py(), found), found)
            if row != rows:
                raise pyarrow.ArrowInvalid(f"{row:,} of {rows:,} rows are there")
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DamagedFile(
            f"{place}: this is damaged, or no Parquet file ({' '.join(str(error).split())}).",
            "Copy or download it again, or leave it out.",
        ) from None


def _as_text(value: object, place: str) -> object:
    """Bytes as the text that they are in UTF-8; all else as it is."""
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise CourseError(
            f"{place} holds bytes that are not UTF-8 (byte {error.start:,}).", NAME_IT
        ) from None


def _check_column(file: Path, field: str, schema: Iterable) -> None:
    """Raise a CourseError unless one column has this name, and holds texts."""
    from pyarrow import types

    def is_text(kind: object) -> bool:
        kind = kind.value_type if types.is_dictionary(kind) else kind
        return any(is_it(kind) for is_it in texts_are)

    texts_are = (types.is_string, types.is_large_string, types.is_string_view)
    # Bytes may be UTF-8; and where no row has a text, the writer could not know what it would be.
    texts_are += (types.is_binary, types.is_large_binary, types.is_binary_view, types.is_null)

    if [column.name for column in schema].count(field) != 1:
        there = listed(column.name for column in schema)
        raise CourseError(f"{file} has no column {field!r}. There is {there}.", NAME_IT)
    kind = schema.field(field).type
    if not is_text(kind):
        texts = listed(column.name for column in schema if is_text(column.type))
        raise CourseError(
            f"{file}: the column {field!r} holds {kind}, no text. With text there is {texts}.",
            NAME_IT,
        )
