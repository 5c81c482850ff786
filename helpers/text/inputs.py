"""How a student's file is read: as text, or as the records that its content shows."""

import collections
import contextlib
import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from helpers.common.errors import CourseError
from helpers.common.names import spelled
from helpers.text.decoding.archives import Gauge, endings
from helpers.text.decoding.characters import LineEnds
from helpers.text.decoding.damage import IN_JSON, Errors, Faults, NotInEncoding
from helpers.text.decoding.encodings import beginning, begins_in, encoding_of
from helpers.text.decoding.kinds import JSON, Dialect, Kind, dialect_of, kind_of, marked_up
from helpers.text.documents import Passage, passages
from helpers.text.layout.arranged import AS_IT_IS, Layout, Seen
from helpers.text.records import Labels, json_line_texts, json_texts, wiki_texts
from helpers.text.tables import csv_texts, parquet_texts
from helpers.workflow.settings import SplitSettings

# The settings that hold for each kind of file.
USED: dict[Kind, set[str]] = {
    "text": {"unit", "encoding", "join_lines", "chapter_pattern"},
    "table": {"text_field", "encoding"},
    "wiki": {"encoding"},
    "json": {"text_field"},
    "json-lines": {"text_field"},
    "parquet": {"text_field"},
}
_NOT_USED = {
    "text_field": "they hold plain text, and no records with fields",
    "unit": "each of their records is a document",
    "join_lines": "the text of a record is read as it is",
    "encoding": "JSON and Parquet are in UTF-8 always",
}


@dataclasses.dataclass(frozen=True)
class Input:
    """A file and how it is read.

    Attributes:
        encoding: of plain text, of JSON, or of a table.
        unit: what ends a document, see :func:`helpers.text.documents.documents`; a record is one.
        field: the field or the column of its records that holds the text.
        dialect: how a table is written.
        errors: what is done about bytes that are not in the encoding, and other than characters.
        layout: what is done with the lines of plain text beforehand.
    """

    path: Path
    kind: Kind
    encoding: str
    unit: str
    field: str
    dialect: Dialect | None = None
    errors: Errors = "strict"
    layout: Layout = AS_IT_IS

    @property
    def is_plain(self) -> bool:
        """Whether the file's bytes are those of its text."""
        return self.kind == "text" and not endings(self.path)[1] and not self.layout.changes

    def faults(self) -> Faults:
        """A new account of what in this file is no text."""
        hint = IN_JSON if self.kind in ("json", "json-lines") else ""
        return Faults(self.path, self.encoding, self.errors, hint)

    def passages(
        self,
        gauge: Gauge | None = None,
        faults: Faults | None = None,
        labels: Labels | None = None,
        seen: Seen | None = None,
    ) -> Iterator[Passage]:
        """The text in passages, or record by record.

        Args:
            faults: counts what is no text, and what was left out.
            seen: is told how plain text is laid out.
            labels: takes the classes of JSON, or of a table; texts have none in them.

        Raises:
            CourseError: what cannot be read, with the file and the position.
        """
        faults = faults or self.faults()
        if self.kind == "text":
            how = (self.encoding, self.unit, gauge, faults)
            yield from passages(self.path, *how, self.layout, seen)
        else:
            try:
                for text in self._records(gauge, faults, labels):
                    yield Passage(LineEnds().decode(text, final=True))
            except NotInEncoding as error:
                raise self._with_bad_records(error) from None
        faults.refuse()

    def _with_bad_records(self, error: NotInEncoding) -> NotInEncoding:
        """The error, with the records that hold half characters, so that all can be mended."""
        faults = dataclasses.replace(self, errors="skip").faults()
        with contextlib.suppress(CourseError):  # what is damaged besides is told after that
            collections.deque(self._records(None, faults), maxlen=0)
        if not faults.bad_records:
            return error
        return NotInEncoding(f"{error.message} Besides, {faults.in_words()}.", error.hint)

    def _records(
        self, gauge: Gauge | None, faults: Faults, labels: Labels | None = None
    ) -> Iterator[str]:
        given = (self.path, self.encoding)
        match self.kind:
            case "json-lines":
                return json_line_texts(*given, self.field, faults, gauge, labels)
            case "json":
                return json_texts(*given, self.field, faults, gauge, labels)
            case "table":
                return csv_texts(*given, self.field, self.dialect, faults, gauge, labels)
            case "wiki":
                return wiki_texts(*given, faults, gauge)
            case "parquet":
                return parquet_texts(self.path, self.field, faults, gauge, labels)


def input_of(
    file: Path,
    encoding: str,
    unit: str,
    field: str,
    errors: Errors = "strict",
    layout: Layout = AS_IT_IS,
) -> Input:
    """How a file is read, by its content: settings of plain text do not hold for records.

    Raises:
        CourseError: what is neither text nor records; and see
            :func:`helpers.text.decoding.encodings.encoding_of`.
    """
    ending = endings(file)[0]
    if ending == ".parquet":
        return Input(file, "parquet", "utf-8", "file", field, errors=errors)
    found = encoding_of(file, "utf-8" if ending in JSON else encoding)
    head = beginning(file, found)
    if other := marked_up(head):
        raise CourseError(f"{file} is no plain text, but {other[0]}.", other[1])
    kind = kind_of(ending, head, field)
    if kind in ("json", "json-lines"):
        found = encoding_of(file, "utf-8")
    return Input(
        path=file,
        kind=kind,
        encoding=found,
        unit=unit if kind == "text" else "file",
        field=field,
        dialect=dialect_of(head) if kind == "table" else None,
        errors=errors,
        layout=layout if kind == "text" else AS_IT_IS,
    )


def read_as(settings: SplitSettings) -> tuple[str, str, Errors, Layout]:
    """What :func:`input_of` has to know beside a file and its encoding."""
    s = settings
    by_chapter = s.unit == "chapter"  # which the layout parts by blank lines
    unit = "blank-line" if by_chapter else s.unit
    return unit, s.text_field, s.errors, Layout(s.join_lines, by_chapter, s.chapter_pattern)


def inputs_of(files: Iterable[Path], settings: SplitSettings) -> list[Input]:
    """How files are read, each by itself: see :func:`input_of`."""
    how = read_as(settings)
    return [input_of(file, settings.encoding, *how) for file in files]


def input_beside(file: Path, settings: SplitSettings) -> Input:
    """How a further file is read, as the split's texts are but for its encoding, which is found.

    Raises:
        CourseError: as :func:`input_of`, in the split's encoding where none can be told.
    """
    how = read_as(settings)
    try:
        return input_of(file, "auto", *how)
    except CourseError:
        return input_of(file, settings.encoding, *how)


def look_at(file: Path, settings: SplitSettings) -> None:
    """Read the beginning of a file, as it will be read; where its encoding is open, as UTF-8.

    Raises:
        CourseError: what stands there is refused.
    """
    encoding = settings.encoding
    unit, field, errors, layout = read_as(settings)
    if encoding == "auto":
        encoding, errors = begins_in(file), "replace"
    source = input_of(file, encoding, unit, field, errors, layout)
    faults = source.faults()
    next(source.passages(faults=faults), None)
    faults.refuse()


def holds_records(file: Path, encoding: str, field: str) -> bool:
    """Whether a file begins as one of records does.

    Only its beginning is read, and so ``auto`` is taken for UTF-8: signs between texts are ASCII.

    Raises:
        CourseError: see :func:`input_of`.
    """
    encoding = "utf-8" if encoding == "auto" else encoding
    return input_of(file, encoding, "file", field).kind != "text"


def refuse_unused(settings: SplitSettings, files: Iterable[Input]) -> None:
    """Let no setting have been changed in vain.

    Raises:
        CourseError: one that holds for none of the files. They are asked as far as needed.
    """
    if settings.chapter_pattern and settings.unit != "chapter":
        raise CourseError(
            f"chapter_pattern = {settings.chapter_pattern!r} holds only with unit = 'chapter'.",
            "Set unit = 'chapter', or leave chapter_pattern empty.",
        )
    fields = type(settings).model_fields
    changed = {name for name in _NOT_USED if getattr(settings, name) != fields[name].default}
    if settings.encoding == "auto":  # which finds out
        changed -= {"encoding"}
    files = iter(files)
    while changed and (file := next(files, None)):
        changed -= USED[file.kind]
    for name in sorted(changed):
        raise CourseError(
            f"{name} = {getattr(settings, name)!r} holds for none of the files: {_NOT_USED[name]}.",
            f"Leave {name} out, or see whether txt_files names the right files.",
        )


def of_empty(
    files: Sequence[Input], documents: Sequence[int], faults: Sequence[Faults]
) -> Iterator[str]:
    """The notes on files without a document."""
    for file, number, found in zip(files, documents, faults, strict=True):
        if not number:
            has_more = found.left_out or found.without_text
            yield f"{spelled(file.path.name)} {'gives no document' if has_more else 'is empty'}."
