"""Other processes: children that live no longer than what started them, and worker pools."""

import collections
import concurrent.futures
import contextlib
import ctypes
import itertools
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from helpers.common.errors import CourseError
from helpers.common.foreign_code import refuse_foreign_code

Item = TypeVar("Item")
Result = TypeVar("Result")
ENDINGS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


def die_with_parent(by: int = signal.SIGKILL) -> None:
    """Have this process get a signal when its parent dies (Linux)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, by)


@contextlib.contextmanager
def child(
    command: Sequence[str], *, saves: bool = False, **options: object
) -> Iterator[subprocess.Popen]:
    """A process that is killed when what is done with it fails or is interrupted.

    It ends when this one does, too (Linux).

    Args:
        saves: told to end (SIGTERM), it saves its work first. What else a terminal sends to all
            processes of a command it does not hear: this one tells it.
        options: as for ``subprocess.Popen``.
    """

    def begin() -> None:
        if saves:
            for number in (signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
        if sys.platform == "linux":
            die_with_parent(signal.SIGTERM if saves else signal.SIGKILL)

    with endings_interrupt() if saves else contextlib.nullcontext():
        with _interrupts_held() as came:
            process = subprocess.Popen(command, preexec_fn=begin, **options)
        with process:
            try:
                if came:
                    raise KeyboardInterrupt
                yield process
            except BaseException:
                process.kill()
                process.wait()  # interrupted, Popen itself waits a quarter of a second at most
                raise


@contextlib.contextmanager
def endings_interrupt() -> Iterator[None]:
    """What would end this process raises KeyboardInterrupt first, and ends it afterwards.

    So a child can save its work, and what was done can be told.
    """
    came: list[int] = []

    def interrupt(number: int, _: object) -> None:
        came.append(number)
        raise KeyboardInterrupt

    main = threading.current_thread() is threading.main_thread()
    before = {n: signal.getsignal(n) for n in ENDINGS if main}
    # Neither what is ignored, as under nohup, nor what a library in C hears.
    heard = [number for number in before if before[number] not in (signal.SIG_IGN, None)]
    for number in heard:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number in heard:
            signal.signal(number, before[number])
        if came:
            signal.raise_signal(came[0])


def kernel() -> object | None:
    """The notebook's kernel that this process is; None elsewhere."""
    if "IPython" not in sys.modules:  # importing it takes longer than much of the work
        return None
    from IPython import get_ipython

    return getattr(get_ipython(), "kernel", None)


@contextlib.contextmanager
def _interrupts_held() -> Iterator[list[int]]:
    """Collect interrupts instead of raising them: within a fork Python would lose one.

    (It runs hooks before and after the fork, and ignores the exceptions that rise in them.)
    """
    came: list[int] = []
    before = signal.getsignal(signal.SIGINT)
    here = threading.current_thread() is threading.main_thread() and callable(before)
    if here:  # other threads are never interrupted
        signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield came
    finally:
        if here:
            signal.signal(signal.SIGINT, before)


def allowed_workers(wanted: int | None) -> tuple[int, list[str]]:
    """How many processes to use, and a note if more were wanted than there are cores."""
    there = cores()
    if wanted is not None and wanted > there:
        return there, [f"{wanted} workers were asked for; this machine has {there} cores."]
    return wanted or there, []


def cores() -> int:
    """How many of the processor's cores this process can use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Workers:
    """So many processes, started when there is work for them; use as a context manager.

    >>> with Workers(2) as workers:
    ...     [*workers.map(abs, [-3, 2])]
    [3, 2]
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.pool: concurrent.futures.ProcessPoolExecutor | None = None

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *error: object) -> None:
        if self.pool:
            self.pool.shutdown(wait=False, cancel_futures=True)  # they end by themselves

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """``map``, at most two items a worker in flight.

        All with a single worker, or a single item before the others have started, is done in this
        process: starting another costs more.

        Raises:
            CourseError: a worker was killed, or had no memory left.
        """
        items = iter(items)
        first = list(itertools.islice(items, 2))
        every = itertools.chain(first, items)
        try:
            if self.number == 1 or (len(first) < 2 and not self.pool):
                yield from map(function, every)
            else:
                yield from self._side_by_side(function, every)
        except (BrokenProcessPool, MemoryError) as error:
            self.pool = None
            out = isinstance(error, MemoryError)
            raise CourseError(
                "There is not enough memory for this work."
                if out
                else "A worker process was killed, most likely because memory ran out.",
                "Close other programs, or use fewer workers (--workers 1), and run it again.",
            ) from error

    def _side_by_side(
        self, function: Callable[[Item], Result], items: Iterator[Item]
    ) -> Iterator[Result]:
        if self.pool is None:
            refuse_foreign_code()
            context = multiprocessing.get_context("spawn")  # a kernel has threads: no fork
            self.pool = concurrent.futures.ProcessPoolExecutor(
                self.number,
                mp_context=context,
                initializer=_begin,
            )
        waiting: collections.deque[concurrent.futures.Future] = collections.deque()
        for item in items:
            waiting.append(self.pool.submit(function, item))
            if len(waiting) >= 2 * self.number:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _begin() -> None:
    """In a worker: Ctrl-C reaches every process, and one tells of it; alone, it is of no use."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)


ALONE = Workers(1)
