"""Running fairseq's tools, and showing their commands as a student would type them."""

import collections
import contextlib
import importlib.util
import itertools
import logging
import os
import re
import shlex
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import packaging.tags

from helpers.common.errors import CourseError
from helpers.common.files import PROJECT
from helpers.common.foreign_code import refuse_foreign_code
from helpers.common.processes import child

BUILDS = {f"cp{v}-cp{v}-manylinux_2_28_x86_64" for v in (311, 312)}  # the wheels of ve-fairseq
WITHOUT_FAIRSEQ = (
    "needs Linux on x86-64 and Python 3.11 or 3.12; on such a computer Windows has WSL 2 for it "
    "(wsl --install)"
)
LISTEN = 0.1  # seconds from one look at what a tool has said to the next
# Idle threads soon sleep instead of spinning, or a busy machine would slow training to a crawl; and
# freed memory is kept up to 1 GiB, since fetching it anew each update costs a quarter of the time.
CALM = {
    "GOMP_SPINCOUNT": "2000",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**30),
    "MALLOC_TOP_PAD_": str(2**26),
}


class ToolFailed(CourseError):
    """A tool ended with an error.

    Attributes:
        code: its exit status, or minus the signal that ended it.
    """

    def __init__(self, message: str, hint: str, code: int) -> None:
        super().__init__(message, hint)
        self.code = code


def has_fairseq() -> bool:
    """Whether fairseq is installed here."""
    return importlib.util.find_spec("fairseq") is not None


def is_offered() -> bool:
    """Whether there is a build of fairseq for this system, processor and Python."""
    return not BUILDS.isdisjoint(map(str, packaging.tags.sys_tags()))


def way_to_fairseq() -> str:
    """What to do where it is not installed."""
    return "Install everything anew: make -B env." if is_offered() else f"It {WITHOUT_FAIRSEQ}."


def require_fairseq() -> None:
    """Raise CourseError, with the way out, where fairseq is not installed."""
    if not has_fairseq():
        raise CourseError(
            "fairseq is not installed here, and this step is done by fairseq itself.",
            f"{way_to_fairseq()} The steps before, up to 03_binarize, work without it.",
        )


def ready_to_import() -> None:
    """Let an import of fairseq run nothing that lies in the working directory, and say nothing.

    Raises:
        CourseError: it is not installed.
    """
    require_fairseq()
    refuse_foreign_code()
    # One of its tasks lets all loggers tell whatever they do; the others draw the figures.
    for name in ("fairseq", "matplotlib", "PIL"):
        logging.getLogger(name).setLevel(logging.WARNING)


def tool(name: str) -> str:
    """The absolute path of one of fairseq's command line tools."""
    return str(Path(sysconfig.get_path("scripts")) / name)


def shown(command: Sequence[str]) -> str:
    """The command as a student would type it: one option a line, ``$COURSE`` for the project.

    Pasted into bash, where that name has its value, it is the command, whatever is in its paths.
    """
    program, *rest = command
    program = "python" if program == sys.executable else Path(program).name
    words = [shlex.quote(program), *map(_quoted, rest)]
    lines, line = [], words[0]
    for before, word in itertools.pairwise(words):
        starts = word.startswith("--") or ("=" in word and not before.startswith("--"))
        if starts and len(line) + len(word) > 60:
            lines.append(line)
            line = "    " + word
        else:
            line += " " + word
    return " \\\n".join((*lines, line))


def _quoted(word: str) -> str:
    """Shell quoting that lets ``$COURSE`` be expanded, and in which bash finds nothing else."""
    course = str(PROJECT)
    # The folder itself: neither /my/course2 nor /a/my/course.
    parts = re.split(rf"(?<![\w.-]){re.escape(course)}(?![^/:'\"])", word)
    if not parts[1:]:
        return shlex.quote(word)
    if any(set(part) & set('"$`\\!') for part in parts):  # not even in double quotes
        return '"$COURSE"'.join(shlex.quote(part) if part else "" for part in parts)
    text = "$COURSE".join(parts)
    is_plain = shlex.quote("".join((course, *parts))) == "".join((course, *parts))
    return text if is_plain else f'"{text}"'


def run(
    command: Sequence[str],
    log: Path,
    *,
    heard: Callable[[str], None] = lambda line: None,
    keep_open: Sequence[int] = (),
    saves: bool = False,
) -> None:
    """Run a fairseq tool to its end; all that it prints goes to ``log``.

    Args:
        heard: is given what it prints, line by line.
        keep_open: file descriptors that the tool inherits (the workspace's lock).
        saves: interrupted, it is told to end (SIGTERM) and is waited for; a second time, or where
            ``heard`` raises, it is killed.

    Raises:
        ToolFailed: the tool ended with an error; its last lines are in the message.
    """
    require_fairseq()
    refuse_foreign_code()
    environment = CALM | os.environ | {"PYTHONUNBUFFERED": "1"}
    environment.pop("MPLBACKEND", None)  # a notebook's backend is not known to the tool
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.is_symlink() or log.is_fifo():  # in somebody's workspace it may lead to another's file
        log.unlink()
    last: collections.deque[str] = collections.deque(maxlen=8)
    begun = log.stat().st_size if log.exists() else 0
    with (
        log.open("ab") as sink,
        log.open("rb") as source,
        child(
            command,
            saves=saves,
            stdin=subprocess.DEVNULL,
            stdout=sink,  # and no pipe: it goes on writing when nobody listens any more
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=log.parent,
            pass_fds=keep_open,
        ) as process,
    ):
        source.seek(begun)

        def listen(hear: Callable[[str], None]) -> None:
            for line in _lines(source, process):
                last.append(line.rstrip())
                hear(line)

        try:
            listen(heard)
        except KeyboardInterrupt:
            if saves:
                process.terminate()
                listen(lambda line: None)
            raise
    if process.returncode:
        raise ToolFailed(
            f"{_name(command)} ended with exit code {process.returncode}:\n" + "\n".join(last),
            f"The whole output is in {log}.",
            process.returncode,
        )


def _lines(source: BinaryIO, process: subprocess.Popen) -> Iterator[str]:
    """The lines that a process writes into a file, as they come, until it has ended."""
    begun, ended = b"", False
    while not ended:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(LISTEN)
        ended = process.returncode is not None  # so what is read now is the rest
        *lines, begun = (begun + source.read()).split(b"\n")
        for line in (*lines, begun) if ended and begun else lines:
            yield line.decode("utf-8", "replace").rstrip("\r")


def _name(command: Sequence[str]) -> str:
    """The tool in a command, without the Python that runs it."""
    python = command[0] == sys.executable
    words = [word for word in command[1:] if not word.startswith("-")] if python else command
    return Path(words[0]).stem.replace("_", "-") if words else "python"
