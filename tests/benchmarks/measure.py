"""Run a command in a fresh process: how long it takes, what it needs, and what it has made."""

import contextlib
import dataclasses
import filecmp
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from helpers.common.errors import CourseError
from helpers.common.files import PROJECT
from helpers.common.processes import child

EVERY = 0.05  # seconds between two looks at the memory


class Different(CourseError):
    """A file is not byte for byte what fairseq made."""


@dataclasses.dataclass(frozen=True)
class Step:
    """One command of a tool.

    Attributes:
        tool: whose it is, as people read it.
        part: ``both``, ``encode`` or ``binarize``: what it does of the whole.
        makes: its files by the name that the same file has among fairseq's.
        own_clock: the last line it prints is its time in seconds, start-up not included.
    """

    tool: str
    part: str
    command: Sequence[str]
    makes: Mapping[str, Path]
    own_clock: bool = False


def seconds_of(step: Step, log: Path) -> float:
    """Run a step to its end: seconds from start to end of the process."""
    os.sync()  # what the step before has written is not to be this one's load
    begun = time.perf_counter()
    with _started(step, log) as process:
        process.wait()
        seconds = time.perf_counter() - begun
    return float(log.read_text("utf-8").split()[-1]) if step.own_clock else seconds


def memory_of(step: Step, log: Path) -> int:
    """Run a step and return the most bytes that its processes together had in memory.

    A page that several share is divided among them (PSS). Looking takes time, so such a run is
    not a timed one.
    """
    most = 0
    with _started(step, log) as process:
        while process.poll() is None:
            most = max(most, sum(map(_proportional_set, set(_family(process.pid)))))
            time.sleep(EVERY)
    return most


@contextlib.contextmanager
def _started(step: Step, log: Path) -> Iterator[subprocess.Popen]:
    with (
        log.open("w", encoding="utf-8") as said,
        child(
            step.command,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            env=os.environ | {"PYTHONPATH": str(PROJECT)},
            cwd=log.parent,
        ) as process,
    ):
        yield process
    if process.returncode:
        last = "\n".join(log.read_text("utf-8", errors="replace").splitlines()[-8:])
        raise CourseError(
            f"{step.tool} ({step.part}) ended with exit code {process.returncode}:\n{last}",
            "Run its command by itself.",
        )


def _family(pid: int) -> Iterator[int]:
    """A process and all that it and its children have started."""
    yield pid
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # the thread has ended
            for one in file.read_text().split():
                yield from _family(int(one))


def _proportional_set(pid: int) -> int:
    """Bytes of memory of a process, shared pages divided among those who share them."""
    with contextlib.suppress(OSError):  # it has ended
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def compare(step: Step, reference: Path) -> None:
    """Compare what a step has made, byte for byte, with the files of that name in ``reference``.

    Raises:
        Different: a file is missing, or has other bytes.
    """
    for name, file in step.makes.items():
        if not file.is_file() or not filecmp.cmp(file, reference / name, shallow=False):
            raise Different(
                f"{name} by {step.tool} ({step.part}) is not byte for byte what fairseq made.",
                "No time counts before this is understood.",
            )
