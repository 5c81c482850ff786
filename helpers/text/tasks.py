"""Students' files as tasks, the work for one process each: about a megabyte of text."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from helpers.common.progress import Progress
from helpers.text.decoding.archives import Gauge
from helpers.text.decoding.damage import Faults
from helpers.text.division import FileText
from helpers.text.documents import SIZE, Passage
from helpers.text.inputs import Input
from helpers.text.layout.arranged import Seen

PASSES = 2  # over the files: hashing, then writing


class LongDocument(NamedTuple):
    """A document of many megabytes, which the parent works on itself.

    Attributes:
        file: the number of the file that it is from.
        texts: its lines, passage by passage; to be read before what follows.
    """

    file: int
    texts: Iterator[str]


Task = list[FileText] | LongDocument


def tasks_of(
    files: Sequence[Input],
    faults: Sequence[Faults],
    progress: Progress,
    seen: Sequence[Seen] | None = None,
) -> Iterator[Task]:
    """What is in the files, in reading order; each long document is a task by itself.

    Args:
        faults: of each file, which count what is no text. A long document that is to be left out
            is given nevertheless, with ``MARK`` in it: that shows too late.
        progress: counts the files' bytes, half of them in each pass.
        seen: of each file, which is told how it is laid out.
    """
    task, size, done = [], 0, progress.done
    for number, file in enumerate(files):
        gauge, total = Gauge(), file.path.stat().st_size
        passages = file.passages(gauge, faults[number], seen=seen[number] if seen else None)
        for passage in passages:
            progress.update(done + int(gauge.share * total) // PASSES)
            if passage.whole:
                task.append(FileText(number, file.unit, passage.text))
                size += len(passage.text)
            if task and (size >= SIZE or not passage.whole):
                yield task
                task, size = [], 0
            if not passage.whole:
                yield LongDocument(number, _texts_of_document(passage, passages))
        done += total // PASSES
        progress.update(done)
    if task:
        yield task


def _texts_of_document(first: Passage, following: Iterator[Passage]) -> Iterator[str]:
    yield first.lines
    for passage in following:
        yield passage.lines
        if passage.ends:
            return


def is_long(task: Task) -> bool:
    return isinstance(task, LongDocument)
