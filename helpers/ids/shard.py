"""A large text in shards: where it is cut, and how the files of one shard are made.

Light functions: any process on any machine that sees the workspace can run them. A shard is made
in a folder of its own, which is renamed when it is whole. So two attempts at the same one never
meet, and one that is there is finished.
"""

import dataclasses
import functools
import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import socket
import sys
import uuid
from pathlib import Path
from typing import BinaryIO

import numpy as np

from helpers.common.errors import CourseError
from helpers.common.files import PROJECT
from helpers.ids.binary_files import Counts, IndexedWriter, index_table, prepared_chunk
from helpers.ids.dictionary import Dictionary
from helpers.text.chunks import Chunk, line_end, smaller_chunks

LOOK = 4_000_000  # bytes, in which the end of a document is looked for
COUNTS = "counts.json"
ON_A_SHARED_DISK = "All machines need the workspace under the same path: put it on a shared disk."
SAME_COURSE = "Install the course there as it is here, from the same folder or bundle."
VERSIONS = ("roberta-course", "tiktoken", "numpy")  # of what the bytes depend on
# An end of a line; a "\r" at the end of a block is not decided. Then a line's end and blank lines.
_END = rb"(?:\r\n|\n|\r(?=[^\n]))"
_BLANK = re.compile(rb"(?:\A|" + _END + rb")(?:[ \t]*" + _END + rb")+")


def shard_chunks(file: Path, number: int) -> list[Chunk]:
    """A text file in at most so many chunks of about equal size, which together are the file.

    A chunk ends behind a blank line, where a document ends; where none is near, at a line's end.
    """
    with file.open("rb") as handle:
        total = os.fstat(handle.fileno()).st_size
        places = [0]
        for i in range(1, number):
            place = line_end(handle, max(total * i // number, places[-1], 1), total)
            best = _document_end(handle, place, places[-1], total)
            if places[-1] < best < total:
                places.append(best)
    return [Chunk(file, a, b - a) for a, b in zip(places, [*places[1:], total], strict=True)]


def _document_end(handle: BinaryIO, place: int, first: int, total: int) -> int:
    """The next end of a document after a line's end, or the last before, or the line's end."""
    after = [end for end in _blank_lines(handle, place, place + LOOK) if end < total]
    if after:
        return after[0]
    start = first if place - first <= LOOK else line_end(handle, place - LOOK, total)
    before = [end for end in _blank_lines(handle, start, place) if end > first]
    return before[-1] if before else place


def _blank_lines(handle: BinaryIO, start: int, end: int) -> list[int]:
    """Where runs of blank lines end, between the beginning of a line and another place."""
    handle.seek(start)
    return [start + found.end() for found in _BLANK.finditer(handle.read(max(0, end - start)))]


def shard_names(number: int) -> list[str]:
    """Names in an order that sorting keeps.

    >>> shard_names(2), shard_names(101)[-1]
    (['shard00', 'shard01'], 'shard100')
    """
    width = max(2, len(str(number - 1)))
    return [f"shard{i:0{width}d}" for i in range(number)]


@functools.cache
def versions() -> dict[str, str]:
    """What has to be the same on every machine; the course's, with a fingerprint of its code."""
    code = hashlib.sha256()
    for folder in ("common", "text", "tokens", "ids"):
        for file in sorted((PROJECT / "helpers" / folder).glob("*.py")):
            code.update(file.read_bytes())
    found = {name: importlib.metadata.version(name) for name in VERSIONS}
    found["roberta-course"] += f"+{code.hexdigest()[:8]}"
    return {"Python": "{}.{}".format(*sys.version_info)} | found


@dataclasses.dataclass(frozen=True)
class ShardTask:
    """One task: a shard, or valid or test as a whole; small to hand to another machine.

    Attributes:
        split: the name of the files, ``train`` for a shard.
        text: the lines.
        text_stat: size and modification time of the whole text file, which must stay.
        dictionary: the base's, and the fingerprint that it must have.
        folder: where the files stand when all of them are whole.
        versions: those of the machine that hands out the work.
    """

    split: str
    text: Chunk
    text_stat: tuple[int, int]
    dictionary: Path
    fingerprint: str
    folder: Path
    versions: dict[str, str]

    @property
    def counts(self) -> Counts | None:
        """What the finished files hold; None where they are not finished."""
        file = self.folder / COUNTS
        return Counts(**json.loads(file.read_text("utf-8"))) if file.is_file() else None

    def drafts(self) -> list[Path]:
        """What attempts that did not end have left."""
        return sorted(self.folder.parent.glob(f".{self.folder.name}.*"))


def make_shard(task: ShardTask) -> None:
    """Make the ``.bin`` and ``.idx`` of a task in one process, with little memory.

    Raises:
        CourseError: the machine does not see the workspace or has other versions, or the text
            has changed.
    """
    _look_around(task)
    draft = task.folder.with_name(f".{task.folder.name}.{uuid.uuid4().hex}")
    draft.mkdir()
    try:
        _write(task, draft)
        _unchanged(task)
        if not task.counts:  # else another attempt at it was faster, and its bytes are the same
            draft.rename(task.folder)
    except OSError:
        if not task.counts:
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


@functools.lru_cache(maxsize=1)  # a process does one task after the other
def _dictionary(file: Path, fingerprint: str) -> tuple[int, np.ndarray]:
    """The number of types of a dictionary, and its table for look-ups."""
    dictionary = Dictionary.load(file)
    if dictionary.fingerprint != fingerprint:
        raise CourseError(f"{file} has changed.", "Run this step again.")
    return len(dictionary), index_table(dictionary)


def _write(task: ShardTask, draft: Path) -> None:
    types, table = _dictionary(task.dictionary, task.fingerprint)
    with IndexedWriter(draft / task.split, types) as out:
        for chunk in smaller_chunks(task.text):
            out.add(prepared_chunk(chunk, table))
    (draft / COUNTS).write_text(json.dumps(out.counts._asdict()), "utf-8")
    files = [draft / f"{task.split}.{kind}" for kind in ("bin", "idx")]
    for file in (*files, draft / COUNTS):
        with file.open("rb+") as handle:
            os.fsync(handle.fileno())


def _look_around(task: ShardTask) -> None:
    """Whether this machine can do the work."""
    host = socket.gethostname()
    for path in (task.text.file, task.dictionary, task.folder.parent):
        if not path.exists():
            raise CourseError(
                f"The worker on {host} does not see {path}.",
                ON_A_SHARED_DISK,
            )
    refuse_other_versions(f"on {host}", versions(), task.versions)
    _unchanged(task)


def refuse_other_versions(worker: str, theirs: dict[str, str], ours: dict[str, str]) -> None:
    """Raise CourseError where a worker has not what the machine has that hands out the work."""
    for name, wanted in ours.items():
        if theirs.get(name) != wanted:
            raise CourseError(
                f"The worker {worker} has {name} {theirs.get(name)}; here it is {wanted}.",
                SAME_COURSE,
            )


def _unchanged(task: ShardTask) -> None:
    stat = task.text.file.stat()
    if (stat.st_size, stat.st_mtime_ns) != task.text_stat:
        raise CourseError(
            f"{task.text.file} has changed while it was read.", "Run this step again."
        )
