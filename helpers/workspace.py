"""Where every file of a run lies, the record of what was made, and the lock.

A workspace is one folder with fairseq's and the classroom guide's names in it (``mydata``,
``data-bin``, ``checkpoints``, ``pt``), so that any fairseq tutorial can be followed beside it.
"""

import contextlib
import dataclasses
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import portalocker

from helpers.errors import CourseError, InUse

PROJECT = Path(__file__).resolve().parent.parent
SPLITS = ("train", "valid", "test")
# fairseq splits its data path at ':', and Hydra expands '$' and cannot quote these others.
UNUSABLE = set(':$"\\\n\r')


def home() -> Path:
    """The folder that relative paths start from: ``ROBERTA_COURSE_HOME``, else the project."""
    return expanded(os.environ.get("ROBERTA_COURSE_HOME") or PROJECT).resolve()


def resolve(path: str | Path) -> Path:
    """An absolute path; a relative one starts at :func:`home`, wherever the process stands."""
    return (home() / expanded(path)).resolve()


def expanded(path: str | Path) -> Path:
    """``~`` as the home folder; a name such as ``~notes.txt``, which is nobody's, stays."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 (pathlib's raises for such a name)


class Workspace:
    """The paths of one run and the record of what was made in it (``workspace.json``)."""

    def __init__(self, root: str | Path = "runs/sample") -> None:
        self.root = resolve(root)
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
        """A file or folder that a person named: relative ones start here, else at the project."""
        here = self.root / expanded(name)
        return here if here.exists() else resolve(name) if resolve(name).exists() else here

    @property
    def record(self) -> "Record":
        return Record(self.root / "workspace.json")

    @contextlib.contextmanager
    def lock(self, name: str = "stage") -> Iterator[int]:
        """Hold the workspace, so that one run at a time works in it.

        The lock is the operating system's (flock): it vanishes with the last process that holds
        the yielded file descriptor. A child that must keep the lock is given it.

        Raises:
            InUse: another process holds it.
            CourseError: the folder cannot be written to.
        """
        file = self.root / f".{name}.lock"
        with writing(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            file.touch()
        with file.open("r+") as handle:
            try:
                portalocker.lock(handle, portalocker.LOCK_EX | portalocker.LOCK_NB)
            except portalocker.LockException:
                raise InUse(
                    f"Another run is working in {self.root} (process {file.read_text().strip()}).",
                    "Wait until it is done, stop it, or choose another workspace.",
                ) from None
            with writing(self.root):
                os.ftruncate(handle.fileno(), 0)
                os.write(handle.fileno(), str(os.getpid()).encode())
            yield handle.fileno()


@dataclasses.dataclass
class Record:
    """``workspace.json``: per stage its settings, what it read and wrote, seconds, versions.

    ``made`` keeps every hash that a stage ever wrote to a path. It is saved before files are
    moved into place, so even after a kill between two moves a file is known to be ours; a file
    that is not in it is the student's own and is never overwritten. ``moving`` has, per stage,
    the files that are being moved: where a kill left it, they may be half old and half new.
    """

    file: Path

    def __post_init__(self) -> None:
        try:
            content = json.loads(self.file.read_text("utf-8")) if self.file.exists() else {}
            self.stages: dict[str, dict] = dict(content.get("stages", {}))
            self.made: dict[str, list[str]] = dict(content.get("made", {}))
            self.moving: dict[str, list[str]] = dict(content.get("moving", {}))
        except (ValueError, TypeError, AttributeError) as error:
            raise CourseError(
                f"{self.file} cannot be read ({error}).",
                "Delete it; the notebooks then take the files of the workspace as your own.",
            ) from None

    def save(self) -> None:
        content = {"stages": self.stages, "made": self.made, "moving": self.moving}
        write_whole(self.file, json.dumps(content, indent=1, sort_keys=True) + "\n")

    def remember(self, key: str, sha256: str) -> None:
        known = self.made.setdefault(key, [])
        if sha256 not in known:
            known.append(sha256)


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn the operating system's refusals into sentences: no permission, no space, a file there.

    Raises:
        CourseError: for these; other errors pass through.
    """
    try:
        yield
    except (PermissionError, FileExistsError, NotADirectoryError) as error:
        raise CourseError(
            f"{error.filename or folder} cannot be written: {error.strerror}.",
            "Choose a workspace in a folder of your own, or mend its permissions.",
        ) from None
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            raise
        raise CourseError(
            f"{folder} cannot be written: {os.strerror(error.errno)}.",
            "Make room, or choose a workspace on another disk; what was finished is kept.",
        ) from None


def write_whole(file: Path, content: str | bytes | Callable[[Path], object]) -> None:
    """Write a file so that it appears whole or not at all: beside, fsync, rename.

    Args:
        content: the text (UTF-8), the bytes, or a function that writes to the path it is given.
    """
    with writing(file.parent):
        file.parent.mkdir(parents=True, exist_ok=True)
        beside = file.with_name(f".{file.name}.{os.getpid()}")
        try:
            if callable(content):
                content(beside)
            else:
                beside.write_bytes(content.encode() if isinstance(content, str) else content)
            move_into_place(beside, file)
        finally:
            beside.unlink(missing_ok=True)


def move_into_place(source: Path, target: Path) -> None:
    """Flush ``source`` to the disk, then let it replace ``target`` in one step."""
    with source.open("rb+") as handle:
        os.fsync(handle.fileno())
    target.parent.mkdir(parents=True, exist_ok=True)
    source.replace(target)


def set_aside(path: Path) -> Path:
    """Rename ``path`` to the first free ``path.old-N``; nothing is deleted."""
    number = 1
    while (aside := path.with_name(f"{path.name}.old-{number}")).exists():
        number += 1
    path.rename(aside)
    return aside


def fresh_folder(folder: Path) -> Path:
    """An empty folder; whatever an earlier, killed run left there is removed."""
    with writing(folder):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    return folder


def fingerprint(path: Path, known: dict | None = None) -> dict:
    """Size, modification time and SHA-256 of a file.

    Args:
        known: an earlier fingerprint of it; with the same size and time its hash is trusted.

    Returns:
        ``{"size": bytes, "mtime_ns": …, "sha256": hex}``

    Raises:
        CourseError: it must not be read.
    """
    stat = path.stat()
    print_ = {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns}
    if known and all(known.get(name) == value for name, value in print_.items()):
        return known
    try:
        with path.open("rb") as handle:
            return print_ | {"sha256": hashlib.file_digest(handle, "sha256").hexdigest()}
    except PermissionError as error:
        raise CourseError(
            f"{path} cannot be read: {error.strerror}.", "Mend its permissions, or leave it out."
        ) from None


def same_content(one: dict[str, dict], other: dict[str, dict]) -> bool:
    """Whether two sets of fingerprints name the same files with the same bytes."""
    return {k: v["sha256"] for k, v in one.items()} == {k: v["sha256"] for k, v in other.items()}


def files_below(folder: Path) -> Iterable[Path]:
    """Every regular file below ``folder``, in a fixed order."""
    return sorted(path for path in folder.rglob("*") if path.is_file())
