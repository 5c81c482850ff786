"""The two passes over the texts; in memory there are some bytes for each document, never a text.

They are 16 of its hash and 256 of its signature, which tells near-duplicates. Where nobody asks for
these, signatures are given up with the millionth document.
"""

import functools
import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import BinaryIO

import numpy as np

from helpers.common.errors import CourseError
from helpers.common.processes import Workers
from helpers.common.progress import Progress
from helpers.common.symbols import SPLITS
from helpers.text.decoding.characters import MARK
from helpers.text.decoding.damage import about
from helpers.text.division import (
    DIGEST,
    NUMBERS,
    FileText,
    Shorten,
    SplitText,
    as_written,
    divide_documents,
    hash_documents,
    hash_of,
)
from helpers.text.documents import documents
from helpers.text.inputs import Input
from helpers.text.layout.arranged import Seen, refuse_no_chapters
from helpers.text.near_duplicates import PERMUTATIONS, LongSignature
from helpers.text.places import MOST, Places, beginning_of, places_of
from helpers.text.tasks import LongDocument, is_long, tasks_of
from helpers.workflow.settings import SplitSettings


class Splitter:
    """Two passes over the texts: where each document goes, and then writing it there."""

    def __init__(
        self,
        settings: SplitSettings,
        files: list[Input],
        workers: Workers,
        shorten: Shorten,
        signed: bool,
    ) -> None:
        self.settings, self.files, self.workers = settings, files, workers
        self.shorten = shorten
        self.found = [0] * len(files)  # documents in each file
        self.faults = [file.faults() for file in files]
        self.seen = [Seen() for _ in files]
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
            CourseError: there is no text at all, or no chapter's heading where these are wanted.
        """
        key = str(self.settings.seed).encode()
        function = functools.partial(hash_documents, key=key)
        tasks = tasks_of(self.files, self.faults, progress, self.seen)
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
        refuse_no_chapters([file.layout for file in self.files], self.seen)

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
