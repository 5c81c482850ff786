"""Large files in chunks of whole lines, worked on side by side, results in order."""

import collections
import concurrent.futures
import itertools
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from helpers.errors import DamagedFile

Item = TypeVar("Item")
Result = TypeVar("Result")
CHUNK = 4_000_000  # characters


def line_chunks(file: Path, size: int = CHUNK) -> Iterator[str]:
    """The text of a UTF-8 file in pieces that end at line ends, each of about ``size`` characters.

    Line ends are read as fairseq's tools read them (Python's text mode): ``\\r\\n`` and ``\\r``
    become ``\\n``. Only the last chunk may lack its final ``\\n``.

    Raises:
        DamagedFile: bytes that are not UTF-8, with the line.
    """
    carried: list[str] = []
    with file.open(encoding="utf-8") as handle:
        try:
            while block := handle.read(size):
                head, newline, tail = block.rpartition("\n")
                if newline:
                    yield "".join((*carried, head, newline))
                    carried = []
                carried.append(tail)
        except UnicodeDecodeError as error:
            raise DamagedFile(
                f"{file}, line {_bad_line(file)}: not UTF-8 ({error.reason}).",
                "Split the original texts again with the right encoding.",
            ) from None
    if rest := "".join(carried):
        yield rest


def _bad_line(file: Path) -> int:
    """The first line with bytes that are not UTF-8."""
    with file.open("rb") as handle:
        lines = enumerate(handle, start=1)
        return next(n for n, line in lines if line.decode("utf-8", "ignore").encode() != line)


def count_lines(file: Path) -> int:
    """Lines as Python's text mode counts them; a last line without its end is one, too."""
    total, last = 0, "\n"
    for chunk in line_chunks(file):
        total, last = total + chunk.count("\n"), chunk[-1]
    return total + (last != "\n")


def allowed_workers(wanted: int | None) -> tuple[int, list[str]]:
    """How many processes to use, and a note if more were wanted than there are cores."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    cores = cores or 1
    if wanted is not None and wanted > cores:
        return cores, [f"{wanted} workers were asked for; this machine has {cores} cores."]
    return wanted or cores, []


def map_in_order(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int
) -> Iterator[Result]:
    """``map`` with worker processes; at most two items a worker are in flight.

    A single item, or a single worker, is done in this process: starting another costs more.
    """
    items = iter(items)
    first = list(itertools.islice(items, 2))
    if workers == 1 or len(first) < 2:
        yield from map(function, itertools.chain(first, items))
        return
    context = multiprocessing.get_context("spawn")  # a notebook's kernel has threads: no fork
    with concurrent.futures.ProcessPoolExecutor(workers, mp_context=context) as pool:
        waiting: collections.deque = collections.deque()
        for item in itertools.chain(first, items):
            waiting.append(pool.submit(function, item))
            if len(waiting) >= 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
