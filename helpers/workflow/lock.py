"""The lock of a workspace, and what is known of the run that holds it.

The lock is the operating system's (flock): it vanishes with the last process that holds its file.
In the file stands who that is, how far it is, and so how it can be seen and stopped from elsewhere.
"""

import contextlib
import dataclasses
import json
import os
import shlex
import signal
import socket
import stat
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, BinaryIO

import portalocker
from pydantic import Field, TypeAdapter, ValidationError

from helpers.common.errors import CourseError, InUse
from helpers.common.files import seen, writing
from helpers.common.names import printable
from helpers.common.processes import kernel
from helpers.common.progress import Standing, watched_by

TRIES = 3  # to be sure that it is a run, not somebody who has looked whether there is one
PAUSE = 0.1  # seconds
# To look: on a disk of another machine an exclusive lock needs a file that is open for writing.
# Windows has a shared one only with another package.
LOOK = portalocker.LOCK_SH if os.name == "posix" else portalocker.LOCK_EX
BATCH = " (python -m helpers run)"  # behind the name of a notebook that nobody has open
BACKGROUND = " (in the background)"  # behind the name of a notebook whose kernel does not do it
DONE = "done"
WRITTEN = 1.0  # seconds, at least, from one standing to the next


@dataclasses.dataclass(frozen=True)
class Holder:
    """The run that works in a workspace.

    Attributes:
        process, host: where it runs.
        by: what has begun it: "the notebook 04_finetune.ipynb", "the command finetune".
        stage: what it does.
        since: when it began, in seconds since 1970.
        notebook: an interrupt stops it (■); a command is ended.
        born: of the process, as the system counts: its number is another's one day.
        standing: how far it is, where it says so.
        ended: how: ``DONE``, or what went wrong; empty while it works, and where it was killed;
            None of a run of another version of the course.
    """

    process: Annotated[int, Field(gt=1, lt=2**31)]
    host: str
    by: str
    stage: str
    since: Annotated[float, Field(ge=0, lt=1e11, allow_inf_nan=False)]
    notebook: bool
    born: str = ""
    standing: Standing | None = None
    ended: str | None = None

    @classmethod
    def this(cls, stage: str) -> "Holder":
        """This process."""
        notebook = kernel() is not None
        name = Path(os.environ.get("JPY_SESSION_NAME", "")).name
        by = f"the command {shlex.join(sys.argv[1:2]) or Path(sys.argv[0]).name}"
        if notebook or name.endswith(BACKGROUND):
            by = f"the notebook {name.strip()}".strip()
        me = os.getpid()
        return cls(me, socket.gethostname(), by, stage, time.time(), notebook, _born(me), None, "")

    @property
    def is_of_here(self) -> bool:
        """Whether this is the machine on which it was begun."""
        return self.host == socket.gethostname()

    @property
    def is_here(self) -> bool:
        """Whether it runs on this machine, and is alive; not so a child that it has left."""
        if not self.is_of_here or _born(self.process) != self.born:
            return False
        try:
            os.kill(self.process, 0)
        except ProcessLookupError:
            return False
        except OSError:  # somebody else's
            pass
        return True

    @property
    def is_ours(self) -> bool:
        """Whether it is this process, or the batch that has started it as its kernel."""
        return self.is_here and self.process in (os.getpid(), os.getppid())

    def stop(self) -> None:
        """Interrupt it, as ■ or Ctrl-C does, if it is here; it saves what it can."""
        if self.is_here:
            with contextlib.suppress(OSError):
                os.kill(self.process, signal.SIGINT if self.notebook else signal.SIGTERM)

    def __str__(self) -> str:
        if self.is_of_here and not self.is_here:
            return f"what {self.by} had begun is just ending: a training saves its checkpoint"
        there = "" if self.is_of_here else f" on {self.host}"
        begun, today = time.localtime(self.since), time.localtime()
        at = time.strftime("%H:%M" if begun[:3] == today[:3] else "%Y-%m-%d %H:%M", begun)
        return (
            f"{self.by} has been working on {self.stage} since {at} (process {self.process}{there})"
        )

    @property
    def how_to_stop(self) -> str:
        if not self.is_here and self.is_of_here:
            return "which takes a moment"
        if not self.is_of_here:
            return f"stop it on the machine {self.host}, where it runs"
        if self.notebook and not self.by.endswith(BATCH):
            return f"stop it with ■ in that notebook (or: kill -INT {self.process})"
        if self.by.endswith(BACKGROUND):
            return f"stop it with Stop in that notebook's monitor (or: kill {self.process})"
        how = "kill -INT" if self.notebook else "kill"
        return f"stop it with Ctrl-C in its terminal (or: {how} {self.process})"


def _born(process: int) -> str:
    """When a process began, as Linux counts; empty elsewhere, or where there is none."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


@contextlib.contextmanager
def held(lock: Path, stage: str) -> Iterator[int]:
    """Hold a lock: its file descriptor, which a child that must keep it is given.

    How far the bars within are is written into it, and how it ended.

    Raises:
        InUse: another process holds it.
        CourseError: the folder cannot be written to, or no plain file stands for the lock, or its
            disk knows no locks.
    """
    with writing(lock.parent):
        lock.parent.mkdir(parents=True, exist_ok=True)
        descriptor = _opened(lock)
    with os.fdopen(descriptor, "rb+", buffering=0) as file:
        for tries in range(TRIES):
            if _taken(file.fileno()):
                break
            if tries == TRIES - 1:
                raise in_use(lock.parent, holder(lock))
            time.sleep(PAUSE)
        me = Holder.this(stage)
        with writing(lock.parent):
            _write(file.fileno(), me)
        told = _Told(file.fileno(), me)
        try:
            with watched_by(told):
                yield file.fileno()
        except BaseException as error:
            told.end(_said(error))
            raise
        told.end(DONE)


def holder(lock: Path) -> Holder | None:
    """Who holds a lock now; None where nobody does, or nobody that is known."""
    if seen(Path.is_symlink, lock) or not seen(Path.is_file, lock):  # no run has made that
        return None
    found = None
    with contextlib.suppress(OSError, CourseError), lock.open("rb") as file:
        for _ in range(TRIES):
            if _taken(file.fileno(), LOOK):
                return None
            found = _read(file)
            if found and not found.ended and (found.is_here or not found.is_of_here):
                return found
            time.sleep(PAUSE)  # it is just being written, or somebody looks as we do
    return None if found and found.ended else found


def last_holder(lock: Path) -> Holder | None:
    """Who holds a lock, or held it last; None where nobody has, or nobody that is known."""
    if lock.is_symlink() or not lock.is_file():
        return None
    with contextlib.suppress(OSError), lock.open("rb") as file:
        return _read(file)
    return None


def _read(file: BinaryIO) -> Holder | None:
    file.seek(0)
    with contextlib.suppress(ValidationError):
        return TypeAdapter(Holder).validate_json(file.read())
    return None


class _Told:
    """Writes into the lock how far a bar is, now and then, and how the work ended."""

    def __init__(self, descriptor: int, me: Holder) -> None:
        self.descriptor, self.me, self.written = descriptor, me, 0.0
        self.one_at_a_time = threading.Lock()  # a bar's own thread tells, too

    def __call__(self, standing: Standing) -> None:
        with self.one_at_a_time:
            if self.me.ended:
                return
            self.me = dataclasses.replace(self.me, standing=standing)
            if time.monotonic() - self.written > WRITTEN:
                self.written = time.monotonic()
                self._tell()

    def end(self, how: str) -> None:
        with self.one_at_a_time:
            self.me = dataclasses.replace(self.me, ended=how)
            self._tell()

    def _tell(self) -> None:
        with contextlib.suppress(OSError):  # a full disk does not stop the work here
            _write(self.descriptor, self.me)


def _said(error: BaseException) -> str:
    """What went wrong, as a person reads it."""
    if isinstance(error, KeyboardInterrupt):
        return str(error) or "Stopped."
    bug = "" if isinstance(error, CourseError) else f"{type(error).__name__}: "
    return f"{bug}{printable(str(error))}"


def _write(descriptor: int, me: Holder) -> None:
    text = json.dumps(dataclasses.asdict(me)).encode()
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.write(descriptor, text)
    os.ftruncate(descriptor, len(text))


def _taken(descriptor: int, kind: portalocker.LockFlags = portalocker.LOCK_EX) -> bool:
    """Take the lock if it is free.

    Raises:
        CourseError: the disk knows no locks.
    """
    try:
        portalocker.lock(descriptor, kind | portalocker.LOCK_NB)
    except portalocker.AlreadyLocked:
        return False
    except portalocker.LockException as error:
        raise CourseError(
            f"Whether another run works in the workspace cannot be told: {error}.",
            "Choose a workspace on another disk, whose files can be locked.",
        ) from None
    return True


def in_use(folder: Path, who: Holder | None) -> InUse:
    """The error that says who works in a workspace, and what to do about it."""
    if who is None:
        return InUse(f"Another run works in {folder}.", "Wait a moment, and try again.")
    return InUse(
        f"In {folder}, {who}.",
        f"Wait until it is done, {who.how_to_stop}, or choose another workspace.",
    )


def _opened(lock: Path) -> int:
    """The file descriptor of a lock, which is made where it is not there; no link is followed.

    Raises:
        CourseError: it is a link, a folder, or another thing that is no file.
    """
    if not os.path.lexists(lock) or stat.S_ISREG(lock.lstat().st_mode):
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        return os.open(lock, flags, 0o666)
    raise CourseError(
        f"{lock} is no plain file, and the course writes into it which process is at work.",
        "Remove it, and run this step again.",
    )
