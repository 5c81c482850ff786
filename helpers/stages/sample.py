"""The sample corpus, from an installed, pinned package: the same bytes everywhere.

In English it is docstrings; in Chinese reviews, in a folder for each label.
"""

import dataclasses
import fnmatch
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from helpers.common.report import Report, Table
from helpers.text.documents import documents
from helpers.text.files import below
from helpers.text.packages.docstrings import modules, package_folder
from helpers.text.packages.reviews import reviews, reviews_folder
from helpers.workflow.definition import Job, Stage
from helpers.workflow.settings import SampleSettings
from helpers.workflow.workspace import Workspace


@dataclasses.dataclass(frozen=True, kw_only=True)
class SampleReport(Report):
    TITLE = "Texts to learn from"
    files: int
    documents: int
    bytes: int

    def table(self) -> Table:
        return ("files", "documents", "bytes"), [(self.files, self.documents, self.bytes)]


def is_named(names: Iterable[str], workspace: Workspace) -> bool:
    """Whether names of texts, as in ``txt_files``, lead to the sample's folder."""
    return any(_leads(workspace.locate(name), workspace.texts) for name in names)


def _leads(path: Path, folder: Path) -> bool:
    """Whether a path, or a pattern, names a folder, one above it, or what is in it."""
    base = next(above for above in path.parents if above.is_dir())  # its signs are no pattern
    wanted = path.relative_to(base).parts
    if path.exists() or not any(set(part) & set("*?[") for part in wanted):
        path = path.resolve()
        return path.is_relative_to(folder) or (path.is_dir() and folder.is_relative_to(path))
    folder, base = folder.resolve(), base.resolve()
    if not folder.is_relative_to(base):
        return False
    parts = folder.relative_to(base).parts
    if "**" in wanted:
        wanted = wanted[: wanted.index("**")]
        return len(wanted) <= len(parts) and _match(parts, wanted)
    return len(wanted) == len(parts) + 1 and _match(parts, wanted)


def _match(parts: Sequence[str], patterns: Sequence[str]) -> bool:
    """Whether the first parts of a path fit the first parts of a pattern."""
    return all(map(fnmatch.fnmatchcase, parts, patterns))


def _check(_: Workspace, settings: SampleSettings) -> None:
    if settings.language == "zh":
        reviews_folder()
    else:
        for package in settings.packages:
            package_folder(package)


def _work(job: Job) -> SampleReport:
    files = number = size = 0
    for name, found in _corpus(job.settings):
        file = job.out(job.workspace.texts / f"{name}.txt")
        file.write_bytes(("\n\n".join(found) + "\n").encode("utf-8", "replace"))
        files, number, size = files + 1, number + len(found), size + file.stat().st_size
    return SampleReport(files=files, documents=number, bytes=size)


def _corpus(settings: SampleSettings) -> Iterator[tuple[str, list[str]]]:
    """Names of files, without their ending, and the documents in them."""
    if settings.language == "zh":
        for label, found in reviews().items():
            yield f"{label}/reviews", found
    else:
        for package in settings.packages:
            yield from modules(package)


def _texts(workspace: Workspace) -> list[Path]:
    """All that splitting would read there."""
    return below(workspace.texts).files


def _describe(workspace: Workspace) -> SampleReport:
    texts = _texts(workspace)
    plain = [file for file in texts if file.suffix.lower() == ".txt"]
    contents = (file.read_text("utf-8", errors="replace") for file in plain)
    others = len(texts) - len(plain)
    notes = [f"Documents are counted in plain text only, not in {others} other files."]
    return SampleReport(
        files=len(texts),
        documents=sum(len(documents(text, "blank-line")) for text in contents),
        bytes=sum(file.stat().st_size for file in texts),
        notes=tuple(notes if others else ()),
    )


SAMPLE = Stage(
    name="sample",
    does="put the sample corpus into texts/",
    notebook="00_setup",
    settings=SampleSettings,
    report=SampleReport,
    inputs=lambda workspace, settings: [],
    outputs=_texts,
    work=_work,
    describe=_describe,
    check=_check,
)
