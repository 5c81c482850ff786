"""Texts to ``mydata/data.{train,valid,test}.raw``: by document, exactly, side by side.

Pass one hashes every document with the seed as key. The distinct hashes in ascending order are a
shuffle of the documents that depends on their texts and the seed only; the first of them go to
train, the next to valid, the rest to test. So the order of the files does not matter, and equal
documents cannot fall into two splits. Pass two writes in reading order. In memory there are some
bytes for each document, never a text: 16 of its hash and, unless there are more than a million
documents of which nobody wants to know, 256 of its signature, which tells near-duplicates.
"""

import contextlib
import functools
import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np

from helpers.common.errors import CourseError
from helpers.common.processes import Workers, allowed_workers
from helpers.common.progress import Progress
from helpers.common.symbols import SPLITS
from helpers.stages.sample import is_named
from helpers.stages.split_report import (
    SplitReport,
    of_encodings,
    of_lines,
    of_near_duplicates,
    of_signs,
)
from helpers.text.decoding.characters import MARK
from helpers.text.decoding.damage import about
from helpers.text.division import (
    DIGEST,
    DUPLICATE,
    NEAR,
    NUMBERS,
    FileText,
    SplitText,
    as_written,
    divide_documents,
    hash_documents,
    hash_of,
)
from helpers.text.documents import documents, passages
from helpers.text.files import Found, not_read, text_files
from helpers.text.inputs import Input, inputs_of, look_at, of_empty, refuse_unused
from helpers.text.leaks import MOST, Leaks, beginning_of, leaks_of
from helpers.text.near_duplicates import PERMUTATIONS, LongSignature
from helpers.text.places import Places, places_of
from helpers.text.tasks import PASSES, LongDocument, is_long, tasks_of
from helpers.tokens.wrap import shortened
from helpers.workflow.definition import Job, Stage
from helpers.workflow.settings import SplitSettings
from helpers.workflow.workspace import Workspace


class _Splitter:
    """Two passes over the texts: where each document goes, and then writing it there."""

    def __init__(
        self, settings: SplitSettings, files: list[Input], workers: Workers, signed: bool
    ) -> None:
        self.settings, self.files, self.workers = settings, files, workers
        self.shorten = functools.partial(shortened, limit=settings.max_line_tokens)
        self.found = [0] * len(files)  # documents in each file
        self.faults = [file.faults() for file in files]
        self.hashes = bytearray()  # of all documents in reading order
        self.signed = bytearray() if signed else None  # likewise, their signatures
        self.beginnings: dict[int, str] = {}  # of examples, by the numbers of the documents
        self.sizes: list[int] = []  # documents in each task; a long one stands by itself
        self.totals = {
            split: np.zeros(NUMBERS, dtype=np.int64) for split in SPLITS
        }  # see SplitText

    def hash_all(self, progress: Progress) -> None:
        """Pass one: the keyed hash of every document, and its signature.

        Raises:
            CourseError: there is no text at all.
        """
        key = str(self.settings.seed).encode()
        function = functools.partial(hash_documents, key=key)
        tasks = tasks_of(self.files, self.faults, progress)
        for are_long, items in itertools.groupby(tasks, is_long):
            if are_long:
                results = (self._hash_of_long(long, key) for long in items)
            else:
                wanted = (self.signed is not None for _ in itertools.count())
                results = self.workers.map(function, zip(items, wanted, strict=False))
            for result, found in results:
                for file, hashes in result:
                    self.hashes += hashes
                    self.found[file] += len(hashes) // DIGEST
                self.sizes.append(sum(len(hashes) for _, hashes in result) // DIGEST)
                self._keep(found)
        if not self.hashes:
            named = f"There is no text in {', '.join(str(f.path) for f in self.files[:3])}."
            raise CourseError(
                " ".join((named, *about(self.faults))), "Name files with text in txt_files."
            )

    def _keep(self, found: np.ndarray | None) -> None:
        """Signatures, until there are too many to be kept without being asked for."""
        if self.signed is not None:
            self.signed += found.tobytes()
            too_many = len(self.hashes) // DIGEST > MOST
            if too_many and self.settings.near_duplicates == "keep":
                self.signed = None

    @property
    def signatures(self) -> np.ndarray | None:
        if self.signed is None:
            return None
        return np.frombuffer(self.signed, dtype=np.uint32).reshape(-1, PERMUTATIONS)

    def places(self) -> Places:
        """Where every document goes."""
        return places_of(self.hashes, self.settings, self.signatures)

    def write_all(
        self,
        places: bytes,
        outputs: Mapping[str, BinaryIO],
        examples: Collection[int],
        progress: Progress,
    ) -> None:
        """Pass two: every document to its split.

        Args:
            places: of each document, see :class:`helpers.text.places.Places`.
            examples: documents whose beginnings are to be kept.
        """
        ends = itertools.accumulate(self.sizes)
        of_task = (
            (end - n, places[end - n : end]) for n, end in zip(self.sizes, ends, strict=True)
        )
        function = functools.partial(divide_documents, shorten=self.shorten)
        counted_before = [file.faults() for file in self.files]
        tasks = tasks_of(self.files, counted_before, progress)
        for are_long, items in itertools.groupby(tasks, is_long):
            if are_long:
                for long in items:
                    number, place = next(of_task)
                    texts = self._begun(long.texts, number) if number in examples else long.texts
                    self._write_long(texts, place, outputs)
            else:
                work = self._looked_at(items, of_task, examples)
                for texts in self.workers.map(function, work):
                    for split, text in zip(SPLITS, texts, strict=True):
                        self._write(split, text, outputs)
        if next(of_task, None) is not None:
            raise ValueError("there are fewer documents than before")

    def _looked_at(
        self,
        tasks: Iterable[list[FileText]],
        of_task: Iterable[tuple[int, bytes]],
        examples: Collection[int],
    ) -> Iterator[tuple[list[FileText], bytes]]:
        """Tasks with the places of their documents, on whose way examples are looked at."""
        for texts, (first, places) in zip(tasks, of_task, strict=False):
            if here := [n for n in examples if first <= n < first + len(places)]:
                found = [each for _, unit, text in texts for each in documents(text, unit)]
                known = {n: found[n - first] for n in here if n - first < len(found)}
                self.beginnings |= {n: beginning_of(text) for n, text in known.items()}
            yield texts, places

    def _begun(self, texts: Iterable[str], number: int) -> Iterator[str]:
        for text in texts:
            self.beginnings.setdefault(number, beginning_of(text))
            yield text

    def _hash_of_long(
        self, long: LongDocument, key: bytes
    ) -> tuple[list[tuple[int, bytes]], np.ndarray]:
        """As of a task; nothing, where it is to be left out."""
        are_bad: list[bool] = []
        signature = LongSignature()

        def texts() -> Iterator[str]:
            for text in long.texts:
                are_bad.append(MARK in text)
                if self.signed is not None:
                    signature.add(text)
                yield text

        found, number = hash_of(texts(), key), long.file
        self.faults[number].left_out += any(are_bad)
        if any(are_bad):
            return [(number, b"")], np.zeros((0, PERMUTATIONS), dtype=np.uint32)
        return [(number, found)], signature.value

    def _write_long(
        self, texts: Iterable[str], places: bytes, outputs: Mapping[str, BinaryIO]
    ) -> None:
        first = 1
        for lines in texts:
            if places and places[0] < len(SPLITS):
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
        splitter = _Splitter(settings, files, workers, settings.near_duplicates != "keep")
        progress.update(0, "checking")
        splitter.hash_all(progress)
    if names == settings.txt_files:
        refuse_unused(settings, files)
        splitter.places()


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
        splitter = _Splitter(settings, files, workers, signed=True)
        progress.update(0, "reading")
        splitter.hash_all(progress)
        places = splitter.places()
        leaks = None if splitter.signed is None else leaks_of(splitter.signatures, places)
        examples = [] if leaks is None else [n for *pair, _ in leaks.pairs for n in pair]
        progress.update(progress.done, "writing")
        outputs = {
            split: stack.enter_context(job.out(job.workspace.raw(split)).open("wb"))
            for split in SPLITS
        }
        splitter.write_all(places.places, outputs, examples, progress)
        progress.update(size, "written")
    return _report(splitter, places, leaks, job.workspace)


def _report(
    splitter: _Splitter, places: Places, leaks: Leaks | None, workspace: Workspace
) -> SplitReport:
    settings, files, faults = splitter.settings, splitter.files, splitter.faults
    counts = zip(*(splitter.totals[split].tolist() for split in SPLITS), strict=True)
    n_documents, n_lines, characters, *others = map(tuple, counts)
    wrapped, padded, *kept = map(sum, others)
    duplicates, dropped = map(places.places.count, (DUPLICATE, NEAR))
    counts_of_leaks, begun = (leaks.counts if leaks else ()), splitter.beginnings
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
        leaks=counts_of_leaks,
        examples=tuple((begun[a], begun[b], like) for a, b, like in leaks.pairs) if leaks else (),
        dropped=dropped,
        notes=(
            *of_empty(files, splitter.found, faults),
            *not_read(_found(workspace, settings).left_out),
            *about(faults),
            *of_encodings(files, settings.encoding),
            *of_near_duplicates(n_documents, counts_of_leaks, dropped, places.beyond),
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
