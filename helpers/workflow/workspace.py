"""Where every file of a run lies.

A workspace is one folder with fairseq's and the classroom guide's names in it (``mydata``,
``data-bin``, ``checkpoints``, ``pt``), so that any fairseq tutorial can be followed beside it.
"""

import contextlib
import errno
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from helpers.common.errors import CourseError
from helpers.common.files import PROJECT, expanded, home, possible, resolve, seen
from helpers.common.names import as_is, spelled
from helpers.workflow.lock import Holder, held, holder, in_use, last_holder
from helpers.workflow.record import Record

# fairseq splits its data path at ':', and Hydra expands '$' and cannot quote these others.
UNUSABLE = set(':$"\\\n\r')
DEFAULT = "runs/sample"
SESSION = "ROBERTA_COURSE_WORKSPACE"  # names another for a session, in place of the default
STAGE, BATCH = ".stage.lock", ".batch.lock"
LONGEST_INSIDE = "n/" * 100  # no file of the course has a longer name, with its folders


class Workspace:
    """The paths of one run and the record of what was made in it (``workspace.json``)."""

    def __init__(self, root: str | Path = DEFAULT) -> None:
        self.of_session = root == DEFAULT and bool(os.environ.get(SESSION))
        self.root = resolve(os.environ[SESSION] if self.of_session else root)
        possible(self.root / LONGEST_INSIDE)
        if self.root == PROJECT:
            raise CourseError(
                f"The workspace {str(root)!r} is the project's own folder.",
                "Name a folder for the run, such as runs/mine.",
            )
        path = self.root.as_posix().removeprefix(self.root.drive)
        if bad := sorted(c for c in set(path) if c in UNUSABLE or spelled(c) != c):
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
        self.task = self.root / "task.json"
        self.result = self.root / "result.html"
        self.notebooks = self.root / "notebooks"
        self.scratch = self.root / ".unfinished"
        self.record_file = self.root / "workspace.json"

    @property
    def name(self) -> str:
        """Its path, as it is given in a parameter: short, where it lies in the project."""
        return _name(self.root)

    @property
    def introduced(self) -> str:
        """Which one it is, and why; of a new one also which others there are."""
        why = f", which {SESSION} names for this session" if self.of_session else ""
        return " ".join((f"Workspace: {self.name}{why}.", *self.others()))

    def others(self) -> list[str]:
        """Where nothing was made in it, the sentence that names those beside it, if there are any.

        Its name may be mistyped.
        """
        beside = self.root.parent.glob("*/workspace.json")
        if seen(Path.exists, self.record_file) or not (
            found := sorted(file.parent for file in beside)
        ):
            return []
        names = ", ".join(map(_name, found))
        return [f"Nothing was made in {self.name} yet; beside it there are: {names}."]

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
        return spelled(path.relative_to(self.root).as_posix() if inside else str(path))

    def path(self, key: str) -> Path:
        return as_is(self.root / key)

    def locate(self, name: str) -> Path:
        """A file or folder that a person named: relative ones start here, else at the project.

        Raises:
            CourseError: no file can have such a name, or it may not be read.
        """
        here = as_is(possible(self.root / expanded(name)))
        there = as_is(resolve(name))
        path = there if seen(Path.exists, there) and not seen(Path.exists, here) else here
        refuse_unreadable(path)
        return path

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
        return Record(self.record_file)

    @contextlib.contextmanager
    def lock(self, stage: str) -> Iterator[int]:
        """Hold the workspace, so that one run at a time works in it; see :func:`held`.

        Args:
            stage: what is to be done, for those who find the workspace in use.

        Raises:
            InUse: another run works in it, or a batch that this process does not belong to.
        """
        with held(self.root / STAGE, stage) as lock:
            if (batch := self.batch) and not batch.is_ours:
                raise in_use(self.root, batch)
            yield lock

    @contextlib.contextmanager
    def lock_for_all(self) -> Iterator[None]:
        """Hold the workspace for a batch, between its steps too; its own kernels work in it.

        Raises:
            InUse: another batch or another run works in it.
        """
        with held(self.root / BATCH, "all notebooks"):
            if self.worker:
                raise in_use(self.root, self.worker)
            yield

    @property
    def batch(self) -> Holder | None:
        """The batch that holds it, between its steps too."""
        return holder(self.root / BATCH)

    @property
    def worker(self) -> Holder | None:
        """The run that works in it now."""
        return holder(self.root / STAGE)

    @property
    def last_worker(self) -> Holder | None:
        """The run that works in it, or was the last to do so, with how that ended."""
        return last_holder(self.root / STAGE)


def _name(root: Path) -> str:
    inside = root.is_relative_to(home())
    return spelled(root.relative_to(home()).as_posix() if inside else str(root))


def refuse_unreadable(path: Path) -> None:
    """Raise CourseError where a file or folder, or one above it, may not be read."""
    try:
        wanted = os.R_OK | os.X_OK if path.is_dir() else os.R_OK
        is_allowed = os.access(path, wanted) or not path.exists()
    except PermissionError:
        is_allowed = False
    if not is_allowed:
        raise CourseError(
            f"{path} cannot be read: {os.strerror(errno.EACCES)}.",
            "Mend its permissions, or those of the folders above it; or name another.",
        )


def refuse_folders(files: Iterable[Path]) -> None:
    """Raise CourseError where a folder has the name of a file that is to be made."""
    for file in files:
        if file.is_dir():
            raise CourseError(
                f"{file} is a folder, and a file of this name is to be made there.",
                "Move the folder elsewhere, and run this step again.",
            )
