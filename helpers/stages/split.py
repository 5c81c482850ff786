"""Texts to ``mydata/data.{train,valid,test}.raw``: by document, exactly, side by side.

Pass one hashes every document with the seed as key. The distinct hashes in ascending order are a
shuffle of the documents that depends on their texts and the seed only; the first of them go to
train, the next to valid, the rest to test. So the order of the files does not matter, and equal
documents cannot fall into two splits. Pass two writes in reading order. In memory there are some
bytes for each document, never a text.
"""

import contextlib
import functools
import itertools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np

from helpers.common.errors import CourseError
from helpers.common.processes import Workers, allowed_workers
from helpers.common.progress import Progress
from helpers.common.symbols import SPLITS
from helpers.stages.sample import is_named
from helpers.stages.split_report import SplitReport, of_encodings, of_lines, of_signs
from helpers.text.decoding.characters import MARK
from helpers.text.decoding.damage import about
from helpers.text.division import (
    DIGEST,
    DUPLICATE,
    NUMBERS,
    SplitText,
    as_written,
    divide_documents,
    hash_documents,
    hash_of,
    places_of,
)
from helpers.text.documents import passages
from helpers.text.files import Found, not_read, text_files
from helpers.text.inputs import Input, inputs_of, look_at, of_empty, refuse_unused
from helpers.text.tasks import PASSES, LongDocument, is_long, tasks_of
from helpers.tokens.wrap import shortened
from helpers.workflow.definition import Job, Stage
from helpers.workflow.settings import SplitSettings
from helpers.workflow.workspace import Workspace


class _Splitter:
    """Two passes over the texts: where each document goes, and then writing it there."""

    def __init__(self, settings: SplitSettings, files: list[Input], workers: Workers) -> None:
        self.settings, self.files, self.workers = settings, files, workers
        self.shorten = functools.partial(shortened, limit=settings.max_line_tokens)
        self.found = [0] * len(files)  # documents in each file
        self.faults = [file.faults() for file in files]
        self.hashes = bytearray()  # of all documents in reading order
        self.sizes: list[int] = []  # documents in each task; a long one stands by itself
        self.totals = {
            split: np.zeros(NUMBERS, dtype=np.int64) for split in SPLITS
        }  # see SplitText

    def hash_all(self, progress: Progress) -> None:
        """Pass one: the keyed hash of every document.

        Raises:
            CourseError: there is no text at all.
        """
        key = str(self.settings.seed).encode()
        function = functools.partial(hash_documents, key=key)
        tasks = tasks_of(self.files, self.faults, progress)
        for are_long, items in itertools.groupby(tasks, is_long):
            if are_long:
                results = ([(long.file, self._hash_of_long(long, key))] for long in items)
            else:
                results = self.workers.map(function, items)
            for result in results:
                for file, hashes in result:
                    self.hashes += hashes
                    self.found[file] += len(hashes) // DIGEST
                self.sizes.append(sum(len(hashes) for _, hashes in result) // DIGEST)
        if not self.hashes:
            named = f"There is no text in {', '.join(str(f.path) for f in self.files[:3])}."
            raise CourseError(
                " ".join((named, *about(self.faults))), "Name files with text in txt_files."
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
        counted_before = [file.faults() for file in self.files]
        tasks = tasks_of(self.files, counted_before, progress)
        for are_long, items in itertools.groupby(tasks, is_long):
            if are_long:
                for long in items:
                    self._write_long(long.texts, next(of_task), outputs)
            else:
                for texts in self.workers.map(function, zip(items, of_task, strict=False)):
                    for split, text in zip(SPLITS, texts, strict=True):
                        self._write(split, text, outputs)
        if next(of_task, None) is not None:
            raise ValueError("there are fewer documents than before")
        return places.count(DUPLICATE)

    def _hash_of_long(self, long: LongDocument, key: bytes) -> bytes:
        """Nothing, where it is to be left out."""
        are_bad: list[bool] = []

        def texts() -> Iterator[str]:
            for text in long.texts:
                are_bad.append(MARK in text)
                yield text

        found = hash_of(texts(), key)
        self.faults[long.file].left_out += any(are_bad)
        return b"" if any(are_bad) else found

    def _write_long(
        self, texts: Iterable[str], places: bytes, outputs: Mapping[str, BinaryIO]
    ) -> None:
        first = 1
        for lines in texts:
            if places and places[0] != DUPLICATE:
                written = as_written([lines], self.shorten)
                self._write(SPLITS[places[0]], written._replace(documents=first), outputs)
            first = 0

    def _write(self, split: str, written: SplitText, outputs: Mapping[str, BinaryIO]) -> None:
        text, *counts = written
        if written.documents and self.totals[split][0]:
            outputs[split].write(b"\n")
        outputs[split].write(text)
        self.totals[split] += counts


def _check(workspace: Workspace, settings: SplitSettings) -> None:
    """Read all texts to their ends, unless they were split before, and count the documents.

    The sample may not be there yet; then what all of the texts hold together cannot be told.
    """
    names = settings.txt_files
    if not workspace.texts.exists():
        names = tuple(name for name in names if not is_named([name], workspace))
    paths = _inputs(workspace, settings.model_copy(update={"txt_files": names})) if names else []
    named = {workspace.key(path): path for path in paths}
    if not paths or workspace.record.has_read("split", settings.of_the_result(), named):
        return
    files = inputs_of(paths, settings)
    size = sum(path.stat().st_size for path in paths) // PASSES
    with Workers(allowed_workers(None)[0]) as workers, Progress(size, "bytes") as progress:
        splitter = _Splitter(settings, files, workers)
        progress.update(0, "checking")
        splitter.hash_all(progress)
    if names == settings.txt_files:
        refuse_unused(settings, files)
        places_of(splitter.hashes, settings)


def _work(job: Job) -> SplitReport:
    settings = job.settings
    files = inputs_of(job.files, settings)
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
    settings, files, faults = splitter.settings, splitter.files, splitter.faults
    counts = zip(*(splitter.totals[split].tolist() for split in SPLITS), strict=True)
    n_documents, n_lines, characters, *others = map(tuple, counts)
    wrapped, padded, *kept = map(sum, others)
    names = [workspace.key(file.path) for file in files]
    return SplitReport(
        documents=n_documents,
        lines=n_lines,
        characters=characters,
        inputs=tuple(zip(names, splitter.found, strict=True)),
        encodings=tuple(file.encoding for file in files),
        left_out=tuple(each.left_out for each in faults),
        replaced=tuple(each.replaced for each in faults),
        duplicates=duplicates,
        wrapped=wrapped,
        notes=(
            *of_empty(files, splitter.found, faults),
            *not_read(_found(workspace, settings).left_out),
            *about(faults),
            *of_encodings(files, settings.encoding),
            *of_lines(duplicates, wrapped, settings.max_line_tokens, padded),
            *of_signs(*kept),
        ),
    )


def _found(workspace: Workspace, settings: SplitSettings) -> Found:
    return text_files(settings.txt_files, workspace, settings.encoding, settings.text_field)


def _inputs(workspace: Workspace, settings: SplitSettings) -> list[Path]:
    files = _found(workspace, settings).files
    own = [workspace.raw(split) for split in SPLITS]
    if made := [file for file in files if any(file.samefile(o) for o in own if o.exists())]:
        raise CourseError(
            f"{workspace.key(made[0])} is what splitting makes: it would be divided once more.",
            "Name the texts that it was made from in txt_files, or copy the file elsewhere.",
        )
    return files


def _describe(workspace: Workspace) -> SplitReport:
    counts = []
    for split in SPLITS:
        total = np.zeros(NUMBERS, dtype=np.int64)
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
    inputs=_inputs,
    outputs=lambda workspace: [workspace.raw(split) for split in SPLITS],
    work=_work,
    look=look_at,
    describe=_describe,
    check=_check,
    after=("sample",),
)
