"""Texts to ``mydata/data.{train,valid,test}.raw``: by document, exactly, side by side.

Pass one hashes every document with the seed as key. The distinct hashes in ascending order are a
shuffle of the documents that depends on their texts and the seed only; the first of them go to
train, the next to valid, the rest to test. So the order of the files does not matter, and equal
documents cannot fall into two splits. Pass two writes in reading order. In memory there are some
bytes for each document, never a text.
"""

import contextlib
import dataclasses
import functools
import itertools
from collections.abc import Iterable, Mapping
from typing import BinaryIO

import numpy as np

from helpers.common.errors import CourseError
from helpers.common.processes import Workers, allowed_workers
from helpers.common.progress import Progress
from helpers.common.report import Grid, Report, Table
from helpers.common.symbols import SPLITS
from helpers.text.division import (
    DIGEST,
    DUPLICATE,
    SplitText,
    as_written,
    divide_documents,
    hash_documents,
    hash_of,
)
from helpers.text.documents import passages
from helpers.text.files import not_read, text_files
from helpers.text.inputs import Input, input_of, refuse_unused
from helpers.text.tasks import is_long, tasks_of
from helpers.tokens.wrap import shortened
from helpers.workflow.definition import Job, Stage
from helpers.workflow.settings import NO_SHARE, SplitSettings
from helpers.workflow.workspace import Workspace

NAMED = 20  # files in the report


@dataclasses.dataclass(frozen=True, kw_only=True)
class SplitReport(Report):
    """Documents, lines and characters per split, in the order train, valid, test.

    Attributes:
        inputs: the name of every file that was read, and how many documents it has.
    """

    TITLE = "Documents are divided"
    documents: tuple[int, ...]
    lines: tuple[int, ...]
    characters: tuple[int, ...]
    inputs: tuple[tuple[str, int], ...] = ()
    duplicates: int = 0
    wrapped: int = 0

    def table(self) -> Table:
        total = sum(self.documents) or 1
        columns = (SPLITS, self.documents, self.lines, self.characters)
        rows = [
            (f"data.{split}.raw", docs, f"{docs / total:.1%}", n_lines, characters)
            for split, docs, n_lines, characters in zip(*columns, strict=True)
        ]
        return ("file", "documents", "share", "lines", "characters"), rows

    def more(self) -> Grid | None:
        rows, rest = [*self.inputs[:NAMED]], self.inputs[NAMED:]
        if rest:
            rows.append((f"and {len(rest):,} more", sum(number for _, number in rest)))
        if rows[1:]:
            rows.append(("together", sum(number for _, number in self.inputs)))
        return Grid(("file", "documents"), rows, "What was read") if rows else None


def shares_of(total: int, shares: Iterable[float]) -> list[int]:
    """Divide a number by shares: largest remainders, at least 1 for every share above zero.

    Raises:
        CourseError: fewer than one for each.

    >>> shares_of(10, (0.8, 0.1, 0.1)), shares_of(3, (0.98, 0.01, 0.01)), shares_of(7, (1, 0, 0))
    ([8, 1, 1], [1, 1, 1], [7, 0, 0])
    """
    shares = [share if share > NO_SHARE else 0.0 for share in shares]
    needed = sum(share > 0 for share in shares)
    if total < needed:
        raise CourseError(
            f"There {'is 1 document' if total == 1 else f'are {total} different documents'}, "
            f"too few for {needed} splits.",
            "Blank lines part documents of plain text; without them, set unit = 'line'. "
            "Or give more text, or set the share of a split to 0.",
        )
    exact = [total * share / sum(shares) for share in shares]
    parts = [max(int(value + 1e-9), int(value > 0)) for value in exact]
    while sum(parts) < total:
        parts[max(range(len(parts)), key=lambda i: exact[i] - parts[i])] += 1
    while sum(parts) > total:
        can_give = [i for i, part in enumerate(parts) if part > 1]
        parts[max(can_give, key=lambda i: parts[i] - exact[i])] -= 1
    return parts


class _Splitter:
    """Two passes over the texts: where each document goes, and then writing it there."""

    def __init__(self, settings: SplitSettings, files: list[Input], workers: Workers) -> None:
        self.settings, self.files, self.workers = settings, files, workers
        self.shorten = functools.partial(shortened, limit=settings.max_line_tokens)
        self.found = [0] * len(files)  # documents in each file
        self.hashes = bytearray()  # of all documents in reading order
        self.sizes: list[int] = []  # documents in each task; a long one stands by itself
        self.totals = {split: np.zeros(6, dtype=np.int64) for split in SPLITS}  # see SplitText

    def hash_all(self, progress: Progress) -> None:
        """Pass one: the keyed hash of every document.

        Raises:
            CourseError: there is no text at all.
        """
        key = str(self.settings.seed).encode()
        function = functools.partial(hash_documents, key=key)
        for are_long, items in itertools.groupby(tasks_of(self.files, progress), is_long):
            if are_long:
                results = ([(long.file, hash_of(long.texts, key))] for long in items)
            else:
                results = self.workers.map(function, items)
            for result in results:
                for file, hashes in result:
                    self.hashes += hashes
                    self.found[file] += len(hashes) // DIGEST
                self.sizes.append(sum(len(hashes) for _, hashes in result) // DIGEST)
        if not self.hashes:
            raise CourseError(
                f"There is no text in {', '.join(str(f.path) for f in self.files[:3])}.",
                "Name files with text in txt_files.",
            )

    def write_all(self, outputs: Mapping[str, BinaryIO], progress: Progress) -> int:
        """Pass two: every document to its split.

        Returns:
            How many documents were left out, having occurred before.
        """
        places = places_of(self.hashes, self.settings)
        ends = itertools.accumulate(self.sizes)
        of_task = (places[end - n : end] for n, end in zip(self.sizes, ends, strict=True))
        function = functools.partial(divide_documents, shorten=self.shorten)
        for are_long, items in itertools.groupby(tasks_of(self.files, progress), is_long):
            if are_long:
                for long in items:
                    self._write_long(long.texts, next(of_task)[0], outputs)
            else:
                for texts in self.workers.map(function, zip(items, of_task, strict=False)):
                    for split, text in zip(SPLITS, texts, strict=True):
                        self._write(split, text, outputs)
        if next(of_task, None) is not None:
            raise ValueError("there are fewer documents than before")
        return places.count(DUPLICATE)

    def _write_long(
        self, texts: Iterable[str], place: int, outputs: Mapping[str, BinaryIO]
    ) -> None:
        first = 1
        for lines in texts:
            if place != DUPLICATE:
                written = as_written([lines], self.shorten)
                self._write(SPLITS[place], written._replace(documents=first), outputs)
            first = 0

    def _write(self, split: str, written: SplitText, outputs: Mapping[str, BinaryIO]) -> None:
        text, *counts = written
        if written.documents and self.totals[split][0]:
            outputs[split].write(b"\n")
        outputs[split].write(text)
        self.totals[split] += counts


def places_of(hashes: bytes, settings: SplitSettings) -> bytes:
    """A byte for each document: the index in ``SPLITS`` where it goes, or ``DUPLICATE``.

    Args:
        hashes: of all documents, one after the other.
    """
    halves = np.frombuffer(hashes, ">u8").astype(np.uint64).reshape(-1, 2)
    order = np.lexsort((halves[:, 1], halves[:, 0]))  # the first of equal ones stays the first
    ranked = halves[order]
    new = np.ones(len(order), dtype=bool)
    new[1:] = (ranked[1:] != ranked[:-1]).any(axis=1)
    ranks = np.cumsum(new) - 1
    train, valid, _ = shares_of(int(new.sum()), (settings.train, settings.valid, settings.test))
    places = np.empty(len(order), dtype=np.uint8)
    places[order] = np.searchsorted([train, train + valid], ranks, side="right")
    if settings.deduplicate:
        places[order[~new]] = DUPLICATE
    return places.tobytes()


def _work(job: Job) -> SplitReport:
    settings = job.settings
    files = [
        input_of(file, settings.encoding, settings.unit, settings.text_field) for file in job.files
    ]
    refuse_unused(settings, files)
    size = sum(file.path.stat().st_size for file in files)
    with (
        Workers(allowed_workers(None)[0]) as workers,
        Progress(size, "bytes") as progress,
        contextlib.ExitStack() as stack,
    ):
        splitter = _Splitter(settings, files, workers)
        progress.update(0, "reading")
        splitter.hash_all(progress)
        progress.update(progress.done, "writing")
        outputs = {
            split: stack.enter_context(job.out(job.workspace.raw(split)).open("wb"))
            for split in SPLITS
        }
        duplicates = splitter.write_all(outputs, progress)
        progress.update(size, "written")
    return _report(splitter, duplicates, job.workspace)


def _report(splitter: _Splitter, duplicates: int, workspace: Workspace) -> SplitReport:
    counted = [*zip((file.path for file in splitter.files), splitter.found, strict=True)]
    notes = [f"{path.name} is empty." for path, number in counted if not number]
    notes += not_read(text_files(splitter.settings.txt_files, workspace).left_out)
    wanted = splitter.settings.encoding
    other = [f"{f.path.name} ({f.encoding})" for f in splitter.files if f.encoding != wanted]
    if other and len(other) <= 5:
        notes.append(f"Read in the encoding that the file itself shows: {', '.join(other)}.")
    elif other:
        notes.append(f"{len(other)} files were read in the encoding that they show themselves.")
    if duplicates:
        were = _counted(duplicates, "document was", "documents were")
        notes.append(f"{were} left out, having occurred before.")
    counts = zip(*(splitter.totals[split].tolist() for split in SPLITS), strict=True)
    n_documents, n_lines, characters, wrapped, padded, separators = map(tuple, counts)
    if any(wrapped):
        limit = splitter.settings.max_line_tokens
        were = _counted(sum(wrapped), "line was", "lines were")
        notes.append(f"{were} wrapped, having more than {limit} tokens.")
    if any(padded):
        have = _counted(sum(padded), "line has", "lines have")
        notes.append(
            f"{have} white space around the text (indents, form feeds): it stays in the .raw "
            "files, and every encoder leaves it out, as fairseq does."
        )
    if any(separators):
        notes.append(
            f"Kept as text: {sum(separators):,} × U+0085, U+2028 or U+2029, which end a line in "
            "Unicode, but not here."
        )
    return SplitReport(
        documents=n_documents,
        lines=n_lines,
        characters=characters,
        inputs=tuple((workspace.key(path), number) for path, number in counted),
        duplicates=duplicates,
        wrapped=sum(wrapped),
        notes=tuple(notes),
    )


def _counted(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _describe(workspace: Workspace) -> SplitReport:
    counts = []
    for split in SPLITS:
        total = np.zeros(6, dtype=np.int64)
        for passage in passages(workspace.raw(split), "utf-8", "blank-line"):
            total += as_written(passage.documents("blank-line"))[1:]
            total[0] -= not passage.begins
        counts.append(total.tolist())
    n_documents, n_lines, characters, *_ = map(tuple, zip(*counts, strict=True))
    return SplitReport(documents=n_documents, lines=n_lines, characters=characters)


SPLIT = Stage(
    name="split",
    does="divide text files into train, valid and test",
    notebook="01_split",
    settings=SplitSettings,
    report=SplitReport,
    inputs=lambda workspace, settings: text_files(settings.txt_files, workspace).files,
    outputs=lambda workspace: [workspace.raw(split) for split in SPLITS],
    work=_work,
    describe=_describe,
    after=("sample",),
)
