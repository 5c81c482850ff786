"""Students' files: which there are, of which kind, and the documents in them."""

import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path

from helpers.common.errors import CourseError
from helpers.common.files import home
from helpers.text.archives import ARCHIVES, Gauge, endings
from helpers.text.documents import Passage, passages
from helpers.text.encodings import encoding_of
from helpers.text.records import json_texts, parquet_texts
from helpers.workflow.workspace import Workspace

RECORDS = {".jsonl": json_texts, ".parquet": parquet_texts}
# What is taken from folders. A file that is named may end as it likes: it is plain text then.
KINDS = (
    *(f"{text}{archive}" for text in (".txt", ".jsonl") for archive in ("", *ARCHIVES)),
    ".parquet",
)
_GLOB = set("*?[")


def text_files(names: Iterable[str], workspace: Workspace) -> list[Path]:
    """The files that names stand for: files, folders (all of known kinds below), patterns.

    Raises:
        CourseError: a name that leads nowhere, or no text file at all.
    """
    found: dict[Path, Path] = {}  # by where links lead to; a link may have the telling name
    for name in names:
        path = workspace.locate(name)
        if path.is_dir():
            new = _texts_below(path)
        elif path.is_file():
            new = [path]
        elif _GLOB & set(name):
            new = _matches(path)
        else:
            raise CourseError(
                f"There is no file or folder {name} in {workspace.root} or in {home()}.",
                "Name text files, folders or patterns in txt_files; relative names start in the "
                "workspace (00_setup puts a sample there) or in the project.",
            )
        for file in new:
            found.setdefault(file.resolve(), file.parent.resolve() / file.name)
    if not found:
        raise CourseError(
            f"There are no text files in {', '.join(names)}.",
            f"Put files of these kinds there: {', '.join(KINDS)}. Or name others in txt_files.",
        )
    return list(found.values())


def _matches(pattern: Path) -> list[Path]:
    base = next(folder for folder in pattern.parents if folder.is_dir())
    try:
        return sorted(f for f in base.glob(str(pattern.relative_to(base))) if f.is_file())
    except ValueError:  # such as a**b
        raise CourseError(
            f"{pattern.name} is no pattern that can be looked for.",
            "Patterns are like novels/*.txt, or novels/**/*.txt with the folders below.",
        ) from None


def _texts_below(folder: Path) -> list[Path]:
    """Its files of known kinds, except hidden ones such as JupyterLab's copies."""
    return sorted(
        file
        for file in folder.rglob("*")
        if "".join(endings(file)) in KINDS
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
        and file.is_file()
    )


@dataclasses.dataclass(frozen=True)
class Input:
    """A file and how it is read.

    Attributes:
        encoding: of plain text, or of JSON lines.
        unit: what ends a document, see :func:`helpers.text.documents.documents`; a record is one.
        field: the field or the column of its records that holds the text.
    """

    path: Path
    encoding: str
    unit: str
    field: str

    @property
    def is_plain(self) -> bool:
        """Whether the file's bytes are those of its text."""
        kind, archive = endings(self.path)
        return not archive and kind not in RECORDS

    def passages(self, gauge: Gauge | None = None) -> Iterator[Passage]:
        """The text in passages, or record by record.

        Raises:
            CourseError: what cannot be read, with the file and the position.
        """
        records = RECORDS.get(endings(self.path)[0])
        if records is None:
            yield from passages(self.path, self.encoding, self.unit, gauge)
        else:
            for text in records(self.path, self.encoding, self.field, gauge):
                yield Passage(text.replace("\r\n", "\n").replace("\r", "\n"))


def input_of(file: Path, encoding: str, unit: str, field: str) -> Input:
    """How a file is read, by its kind: settings of plain text do not hold for records.

    Raises:
        CourseError: see :func:`helpers.text.encodings.encoding_of`.
    """
    kind = endings(file)[0]
    if kind == ".parquet":
        return Input(file, "utf-8", "file", field)
    if kind in RECORDS:
        return Input(file, encoding_of(file, "utf-8"), "file", field)
    return Input(file, encoding_of(file, encoding), unit, field)
