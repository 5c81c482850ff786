"""Texts to ``mydata/data.{train,valid,test}.raw``: by document, exactly, streaming.

Pass one hashes every document with the seed as key. The distinct hashes in ascending order are a
shuffle of the documents that depends on their texts and the seed only; the first of them go to
train, the next to valid, the rest to test. So the order of the files does not matter, and equal
documents cannot fall into two splits. Pass two writes in reading order. In memory there are some
bytes for each document, never a text.
"""

import bisect
import contextlib
import dataclasses
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

from helpers.documents import documents, lines
from helpers.errors import CourseError
from helpers.inputs import Input, opened, text_files
from helpers.report import Grid, Report, Table
from helpers.sample import SAMPLE
from helpers.settings import SplitSettings
from helpers.stage import Job, Stage
from helpers.workspace import SPLITS, Workspace
from helpers.wrap import is_too_long, wrap

DIGEST = 16  # bytes: with a million documents, two have the same by chance once in 10^26 times
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
    shares = [share if share > 1e-9 else 0.0 for share in shares]
    needed = sum(share > 0 for share in shares)
    if total < needed:
        raise CourseError(
            f"There {'is 1 document' if total == 1 else f'are {total} different documents'}, "
            f"too few for {needed} splits.",
            "Blank lines part documents: where there are none, set unit = 'line' (--unit line). "
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


def _hashed(document: Iterable[str], key: bytes) -> bytes:
    """The keyed hash of a document's lines (BLAKE2b)."""
    digest = hashlib.blake2b(digest_size=DIGEST, key=key)
    for line in document:
        digest.update(line.encode("utf-8", "surrogatepass"))
        digest.update(b"\n")
    return digest.digest()


def _changed(file: Path) -> CourseError:
    return CourseError(
        f"{file} has changed while it was read.", "Run this step again when nobody writes to it."
    )


class _Splitter:
    """Where each document goes, and the files that it is written to."""

    def __init__(self, job: Job, files: list[Input]) -> None:
        self.settings: SplitSettings = job.settings
        self.files = files
        self.key = str(self.settings.seed).encode()
        self.order = bytearray()  # the hashes of all documents in reading order
        self.found: list[int] = []  # documents per file
        self.counts = {name: Counter() for name in ("documents", "lines", "characters")}
        self.duplicates = self.wrapped = 0

    def hash_all(self) -> None:
        """Pass one. Sets ``limits``: the first hash of valid, and of test."""
        for file in self.files:
            before = len(self.order)
            for document in file.documents():
                self.order += _hashed(document, self.key)
            self.found.append((len(self.order) - before) // DIGEST)
        self.unseen = {bytes(self.order[i : i + DIGEST]) for i in self._starts()}
        if not self.unseen:
            raise CourseError(
                f"There is no text in {', '.join(str(f.path) for f in self.files[:3])}.",
                "Name files with text in txt_files.",
            )
        ranked = sorted(self.unseen)
        settings = self.settings
        train, valid, _ = shares_of(len(ranked), (settings.train, settings.valid, settings.test))
        beyond = b"\xff" * (DIGEST + 1)
        ranked += [beyond, beyond]
        self.limits = [ranked[train], ranked[min(train + valid, len(ranked) - 1)]]

    def _starts(self) -> range:
        return range(0, len(self.order), DIGEST)

    def write_all(self, outputs: dict[str, TextIO]) -> None:
        """Pass two."""
        hashes = (bytes(self.order[i : i + DIGEST]) for i in self._starts())
        for file in self.files:
            for document in file.documents():
                expected = next(hashes, b"")
                first = expected in self.unseen
                self.unseen.discard(expected)
                if self.settings.deduplicate and expected and not first:
                    self.duplicates += 1
                else:
                    split = SPLITS[bisect.bisect(self.limits, expected)]
                    document = self._write(document, split, outputs[split])
                if _hashed(document, self.key) != expected:
                    raise _changed(file.path)
        if next(hashes, None) is not None:
            raise _changed(self.files[-1].path)

    def _write(self, document: Iterator[str], split: str, out: TextIO) -> Iterator[str]:
        """Write a document, and pass its lines on to whoever checks them."""
        if self.counts["documents"][split]:
            out.write("\n")
        self.counts["documents"][split] += 1
        limit = self.settings.max_line_tokens
        for line in document:
            pieces = list(wrap(line, limit)) if limit and is_too_long(line, limit) else [line]
            self.wrapped += len(pieces) > 1
            out.writelines(piece + "\n" for piece in pieces)
            self.counts["lines"][split] += len(pieces)
            self.counts["characters"][split] += len(line)
            yield line


def _work(job: Job) -> SplitReport:
    settings = job.settings
    files = [
        opened(file, settings.encoding, settings.unit, settings.text_field)
        for file in text_files(settings.txt_files, job.workspace)
    ]
    splitter = _Splitter(job, files)
    splitter.hash_all()
    with contextlib.ExitStack() as stack:
        outputs = {
            split: stack.enter_context(
                job.out(job.workspace.raw(split)).open("w", encoding="utf-8", newline="\n")
            )
            for split in SPLITS
        }
        splitter.write_all(outputs)
    return _report(splitter, job.workspace)


def _report(splitter: _Splitter, workspace: Workspace) -> SplitReport:
    counted = [*zip((file.path for file in splitter.files), splitter.found, strict=True)]
    notes = [f"{path.name} is empty." for path, number in counted if not number]
    wanted = splitter.settings.encoding
    other = [f"{f.path.name} ({f.encoding})" for f in splitter.files if f.encoding != wanted]
    if other and len(other) <= 5:
        notes.append(f"Read in the encoding that the file itself shows: {', '.join(other)}.")
    elif other:
        notes.append(f"{len(other)} files were read in the encoding that they show themselves.")
    if splitter.duplicates:
        were = _counted(splitter.duplicates, "document was", "documents were")
        notes.append(f"{were} left out, having occurred before.")
    if splitter.wrapped:
        limit = splitter.settings.max_line_tokens
        were = _counted(splitter.wrapped, "line was", "lines were")
        notes.append(f"{were} wrapped, having more than {limit} tokens.")
    counts = {
        name: tuple(counter[split] for split in SPLITS) for name, counter in splitter.counts.items()
    }
    return SplitReport(
        **counts,
        inputs=tuple((workspace.key(path), number) for path, number in counted),
        duplicates=splitter.duplicates,
        wrapped=splitter.wrapped,
        notes=tuple(notes),
    )


def _counted(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _describe(workspace: Workspace) -> SplitReport:
    counts = []
    for split in SPLITS:
        n_documents = n_lines = characters = 0
        for document in documents(lines(workspace.raw(split), "utf-8"), "blank-line"):
            n_documents += 1
            for line in document:
                n_lines, characters = n_lines + 1, characters + len(line)
        counts.append((n_documents, n_lines, characters))
    n_documents, n_lines, characters = zip(*counts, strict=True)
    return SplitReport(documents=n_documents, lines=n_lines, characters=characters)


SPLIT = Stage(
    name="split",
    notebook="01_split",
    settings=SplitSettings,
    report=SplitReport,
    inputs=lambda workspace, settings: text_files(settings.txt_files, workspace),
    outputs=lambda workspace: [workspace.raw(split) for split in SPLITS],
    work=_work,
    describe=_describe,
    after=(SAMPLE,),
)
