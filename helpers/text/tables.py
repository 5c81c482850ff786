"""The texts in tables: a column of a Parquet file, or of CSV and TSV."""

import csv
import errno
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.common.errors import CourseError, DamagedFile
from helpers.text.decoding.archives import Gauge
from helpers.text.decoding.characters import MARKED
from helpers.text.decoding.damage import Faults
from helpers.text.decoding.kinds import Dialect
from helpers.text.documents import LONGEST, lines
from helpers.text.records import NAME_CLASS, NAME_IT, Labels, listed

if TYPE_CHECKING:
    from pyarrow import Array
    from pyarrow.parquet import ParquetFile

ROWS = 64  # of a Parquet file that are in memory at a time


def csv_texts(
    file: Path,
    encoding: str,
    field: str,
    dialect: Dialect,
    faults: Faults,
    gauge: Gauge | None = None,
    labels: Labels | None = None,
) -> Iterator[str]:
    """The column of every row below the header; line ends in quotes belong to the text.

    Raises:
        DamagedFile: a quote that does not end, or a row with more or fewer fields than the header.
        CourseError: no such column, or two of that name.
    """
    csv.field_size_limit(LONGEST)
    numbered = (f"{line}\n" for line in lines(file, encoding, gauge, faults))
    rows = csv.reader(numbered, delimiter=dialect.delimiter, quoting=dialect.quoting, strict=True)
    try:
        header = next(filter(None, rows), [])
        faults.outside_of_documents(header)
        if header and header[0].lower() == "sep=":  # Excel's note of the delimiter
            header = next(rows, [])
            faults.outside_of_documents(header)
        header = [name.strip() for name in header]
        _refuse_missing(file, header, field, labels)
        column = header.index(field)
        for row in filter(None, rows):
            if len(row) != len(header):
                raise csv.Error(f"{len(row)} fields, but {len(header)} in the header")
            if not faults.leaves_out(row):
                place = f"{file}, line {rows.line_num:,}"
                texts = faults.of_record(row[column], place)
                record = dict(zip(header, row, strict=True)) if labels else {}
                yield from labels.beside(texts, record, place) if labels else texts
    except csv.Error as error:
        raise DamagedFile(
            f"{file}, line {rows.line_num:,}: this is no row of the table ({error}).",
            "Mend it, or save the table again with its own program.",
        ) from None


def _refuse_missing(file: Path, names: list[str], field: str, labels: Labels | None) -> None:
    """Raise a CourseError unless one column, and one for the classes, has the name."""
    wanted = [(field, NAME_IT)] + ([(labels.field, NAME_CLASS)] if labels else [])
    for name, hint in wanted:
        if names.count(name) != 1:
            raise CourseError(f"{file} has no column {name!r}. There is {listed(names)}.", hint)


def parquet_texts(
    file: Path,
    field: str,
    faults: Faults,
    gauge: Gauge | None = None,
    labels: Labels | None = None,
) -> Iterator[str]:
    """The column of every row; null is no text.

    Raises:
        DamagedFile: a row group that cannot be read, or fewer rows than there should be.
        CourseError: no such column, or one without texts; or what pyarrow does not read.
    """
    import pyarrow
    from pyarrow.parquet import ParquetFile

    place, row = f"{file}, footer", 0
    try:
        with ParquetFile(file, page_checksum_verification=True, pre_buffer=False) as parquet:
            _check_column(file, field, parquet, labels)
            columns = [field, *([labels.field] if labels else [])]
            rows, groups = parquet.metadata.num_rows, parquet.num_row_groups
            for group in range(groups):
                place = f"{file}, row group {group + 1} of {groups}"
                for batch in parquet.iter_batches(ROWS, row_groups=[group], columns=columns):
                    classes = _classes(batch.column(labels.field), file) if labels else ()
                    values = itertools.zip_longest(_as_bytes(batch.column(field)), classes)
                    for value, label in values:
                        row += 1
                        if gauge:
                            gauge.share = row / rows
                        text = None if value is None else value.decode("utf-8", MARKED)
                        texts = faults.of_record(text, f"{place}, row {row:,}, {field!r}")
                        record = {labels.field: label} if labels else {}
                        yield from labels.beside(texts, record, place) if labels else texts
            if row != rows:
                raise pyarrow.ArrowInvalid(f"{row:,} of {rows:,} rows are there")
    except pyarrow.ArrowNotImplementedError as error:
        raise CourseError(
            f"{place}: this cannot be read here ({_in_a_line(error)}).",
            "Write it again with plain texts in it; or copy or download it again.",
        ) from None
    except MemoryError as error:
        raise CourseError(
            f"{place}: this is damaged, or takes more memory than there is ({_in_a_line(error)}).",
            "Write it again in smaller row groups; or copy or download it again.",
        ) from None
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        if getattr(error, "errno", None) not in (None, errno.EINVAL):  # the operating system's
            raise
        raise DamagedFile(
            f"{place}: this is damaged, or no Parquet file ({_in_a_line(error)}).",
            "Copy or download it again, or leave it out.",
        ) from None


def _classes(column: "Array", file: Path) -> list[object]:
    """The values of a column as Python has them.

    Raises:
        CourseError: Python has none such, as for times in billionths of a second.
    """
    try:
        return column.to_pylist()
    except ValueError:
        what = f"{file}: the column with the classes holds {column.type}, no class."
        raise CourseError(what, NAME_CLASS) from None


def _in_a_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _as_bytes(column: "Array") -> Iterator[bytes | None]:
    """A column as it is written: texts need not be the UTF-8 that they are said to be."""
    from pyarrow import large_binary, types

    if column.null_count == len(column):  # of whatever type
        return iter([None] * len(column))
    if types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return (value.as_py() for value in column.cast(large_binary()))


def _check_column(file: Path, field: str, parquet: "ParquetFile", labels: Labels | None) -> None:
    """Raise a CourseError unless one column has this name, and holds texts, or only nulls.

    Where no row has a value, the type of a column was chosen by chance.
    """
    from pyarrow import types

    def is_text(kind: object) -> bool:
        kind = kind.value_type if types.is_dictionary(kind) else kind
        return any(is_it(kind) for is_it in texts_are)

    texts_are = (types.is_string, types.is_large_string, types.is_string_view)
    # Bytes may be UTF-8; and where no row has a text, the writer could not know what it would be.
    texts_are += (types.is_binary, types.is_large_binary, types.is_binary_view, types.is_null)
    texts_are += (types.is_fixed_size_binary,)

    schema = parquet.schema_arrow
    _refuse_missing(file, [column.name for column in schema], field, labels)
    kind = schema.field(field).type
    batches = (batch.column(0) for batch in parquet.iter_batches(ROWS, columns=[field]))
    if not is_text(kind) and any(column.null_count < len(column) for column in batches):
        texts = listed(column.name for column in schema if is_text(column.type))
        raise CourseError(
            f"{file}: the column {field!r} holds {kind}, no text. With text there is {texts}.",
            NAME_IT,
        )
