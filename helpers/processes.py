"""Processes that live no longer than what started them, and how to stop what a thread does."""

import contextlib
import ctypes
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence

_running: dict[int, subprocess.Popen] = {}  # by the thread that waits for it


def die_with_parent() -> None:
    """Have this process killed when its parent dies (Linux)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


@contextlib.contextmanager
def child(command: Sequence[str], **options: object) -> Iterator[subprocess.Popen]:
    """A process that is killed when what is done with it fails or is interrupted.

    Args:
        options: as for ``subprocess.Popen``.
    """
    with _interrupts_held() as came:
        dies = die_with_parent if sys.platform == "linux" else None
        process = subprocess.Popen(command, preexec_fn=dies, **options)
    with process:
        try:
            _running[threading.get_ident()] = process
            if came:
                raise KeyboardInterrupt
            yield process
        except BaseException:
            process.kill()
            raise
        finally:
            _running.pop(threading.get_ident(), None)


def stop(thread: threading.Thread) -> None:
    """Raise KeyboardInterrupt in a thread, as Ctrl-C does in the main one, and kill its child.

    A thread that waits for something else than its child is stopped when that has come.
    """
    raised = ctypes.py_object(KeyboardInterrupt)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), raised)
    if process := _running.get(thread.ident):
        process.kill()


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
