"""The sample corpus: docstrings of an installed, pinned package, the same bytes everywhere."""

import dataclasses
from pathlib import Path

from helpers.common.report import Report, Table
from helpers.text.docstrings import modules
from helpers.text.files import below
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


def _work(job: Job) -> SampleReport:
    files = documents = size = 0
    for package in job.settings.packages:
        for name, found in modules(package):
            file = job.out(job.workspace.texts / f"{name}.txt")
            file.write_bytes(("\n\n".join(found) + "\n").encode("utf-8", "replace"))
            files, documents, size = files + 1, documents + len(found), size + file.stat().st_size
    return SampleReport(files=files, documents=documents, bytes=size)


def _texts(workspace: Workspace) -> list[Path]:
    """All that splitting would read there."""
    return below(workspace.texts).files


def _describe(workspace: Workspace) -> SampleReport:
    texts = _texts(workspace)
    plain = [file for file in texts if file.suffix.lower() == ".txt"]
    documents = sum(
        1
        for file in plain
        for block in file.read_text("utf-8", errors="replace").split("\n\n")
        if block.strip()
    )
    others = len(texts) - len(plain)
    notes = [f"Documents are counted in plain text only, not in {others} other files."]
    return SampleReport(
        files=len(texts),
        documents=documents,
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
)
