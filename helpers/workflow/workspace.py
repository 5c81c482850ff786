"""Where every file of a run lies, and the lock.

A workspace is one folder with fairseq's and the classroom guide's names in it (``mydata``,
``data-bin``, ``checkpoints``, ``pt``), so that any fairseq tutorial can be followed beside it.
"""

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import portalocker

from helpers.common.errors import CourseError, InUse
from helpers.common.files import PROJECT, expanded, possible, resolve, writing
from helpers.workflow.record import Record

# fairseq splits its data path at ':', and Hydra expands '$' and cannot quote these others.
UNUSABLE = set(':$"\\\n\r')
LONGEST_INSIDE = "n/" * 100  # no file of the course has a longer name, with its folders


class Workspace:
    """The paths of one run and the record of what was made in it (``workspace.json``)."""

    def __init__(self, root: str | Path = "runs/sample") -> None:
        self.root = resolve(root)
        possible(self.root / LONGEST_INSIDE)
        if self.root == PROJECT:
            raise CourseError(
                f"The workspace {str(root)!r} is the project's own folder.",
                "Name a folder for the run, such as runs/mine.",
            )
        path = self.root.as_posix().removeprefix(self.root.drive)
        if bad := sorted(UNUSABLE & set(path)):
            raise CourseError(
                f"fairseq cannot work in {self.root}: the path holds {', '.join(map(repr, bad))}.",
                "Choose a workspace whose path has none of these characters.",
            )
        self.texts = self.root / "texts"
        self.base_model = self.root / "base" / "model.pt"
        self.base_dict = self.root / "base" / "dict.txt"
        self.data_bin = self.root / "data-bin" / "mydata"
        self.checkpoints = self.root / "checkpoints"
        self.training = self.root / "checkpoints.unfinished"
        self.pt = self.root / "pt"
        self.hf = self.root / "hf"
        self.evaluation = self.root / "evaluation.json"
        self.notebooks = self.root / "notebooks"
        self.scratch = self.root / ".unfinished"

    def raw(self, split: str) -> Path:
        return self.root / "mydata" / f"data.{split}.raw"

    def bpe(self, split: str) -> Path:
        return self.root / "mydata" / f"data.{split}.bpe"

    def kept(self, stage: str) -> Path:
        """Where a stage keeps what outlives a run that is broken off."""
        return self.root / f".{stage}.kept"

    def key(self, path: Path) -> str:
        """How the record names a file: inside the workspace by its relative path."""
        inside = path.is_relative_to(self.root)
        return path.relative_to(self.root).as_posix() if inside else str(path)

    def path(self, key: str) -> Path:
        return self.root / key

    def locate(self, name: str) -> Path:
        """A file or folder that a person named: relative ones start here, else at the project.

        Raises:
            CourseError: no file can have such a name.
        """
        here = possible(self.root / expanded(name))
        return here if here.exists() else resolve(name) if resolve(name).exists() else here

    def refuse_link(self, path: Path) -> Path:
        """A path of the course's own work, which is emptied and removed.

        Raises:
            CourseError: a link stands there, and what it leads to is not the course's.
        """
        if path.is_symlink():
            raise CourseError(
                f"{path} is a link to {path.readlink()}, and in its place the course makes and "
                "removes files.",
                "Remove the link, and run this step again.",
            )
        return path

    def holds(self, path: Path) -> bool:
        """Whether a file lies inside, once the links to its folder are followed."""
        return path.parent.resolve().is_relative_to(self.root)

    def refuse_outside(self, key: str) -> Path:
        """A recorded file that is to be removed or set aside.

        Raises:
            CourseError: a folder above it is a link that leads out of the workspace.
        """
        path = self.path(key)
        if os.path.lexists(path) and not self.holds(path):
            raise CourseError(
                f"{key} is out of date, but a link leads from the workspace to its folder, "
                f"{path.parent.resolve()}, where the course removes nothing.",
                "Remove the file yourself, if it is of no use, and run this step again.",
            )
        return path

    @property
    def record(self) -> Record:
        return Record(self.root / "workspace.json")

    @contextlib.contextmanager
    def lock(self, name: str = "stage") -> Iterator[int]:
        """Hold the workspace, so that one run at a time works in it.

        The lock is the operating system's (flock): it vanishes with the last process that holds
        the yielded file descriptor. A child that must keep the lock is given it.

        Raises:
            InUse: another process holds it.
            CourseError: the folder cannot be written to, or no plain file stands for the lock.
        """
        with writing(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            descriptor = self._opened(self.root / f".{name}.lock")
        with os.fdopen(descriptor, "r+", errors="replace") as handle:
            try:
                portalocker.lock(handle, portalocker.LOCK_EX | portalocker.LOCK_NB)
            except portalocker.LockException:
                raise InUse(
                    f"Another run is working in {self.root} (process {handle.read(20).strip()}).",
                    "Wait until it is done, stop it, or choose another workspace.",
                ) from None
            with writing(self.root):
                os.ftruncate(handle.fileno(), 0)
                os.write(handle.fileno(), str(os.getpid()).encode())
            yield handle.fileno()

    def _opened(self, lock: Path) -> int:
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
