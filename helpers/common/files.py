"""Paths from one beginning, and files that appear whole or not at all."""

import contextlib
import errno
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import portalocker

from helpers.common.errors import CourseError

PROJECT = Path(__file__).resolve().parents[2]
LONGEST_SHOWN = 100  # characters of a name that no file can have
DRAFTS = ".drafts-"
# What a disk answers to one who writes, in plain words.
FULL = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "your share of the disk is used up"}
REFUSED = {
    errno.EROFS: "nothing can be written there",
    errno.EFBIG: "no file there may be so large",
    errno.EIO: "the disk fails, this one or that of a file which was read",
    errno.ESTALE: "the disk of another machine is not what it was",
}


def home() -> Path:
    """The folder that relative paths start from: ``ROBERTA_COURSE_HOME``, else the project."""
    return _resolved(expanded(os.environ.get("ROBERTA_COURSE_HOME") or PROJECT))


def resolve(path: str | Path) -> Path:
    """An absolute path; a relative one starts at :func:`home`, wherever the process stands.

    Raises:
        CourseError: no file can have such a name.
    """
    return _resolved(possible(home() / expanded(path)))


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except (RuntimeError, OSError) as error:  # Python 3.11 and 3.12 raise the first
        if isinstance(error, OSError) and error.errno != errno.ELOOP:
            raise
        raise CourseError(
            f"{path} is a link that leads back to itself, or lies behind one.",
            "Name the file that it should lead to.",
        ) from None


def expanded(path: str | Path) -> Path:
    """``~`` as the home folder; a name such as ``~notes.txt``, which is nobody's, stays."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 (pathlib's raises for such a name)


def possible(path: Path) -> Path:
    """The path, if the system can have such a file, whether it is there or not.

    Raises:
        CourseError: it is too long, or there is a character in it that no name can have.
    """
    try:
        os.lstat(path)
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            return path
        why = os.strerror(error.errno)
    except ValueError as error:
        why = str(error)
    else:
        return path
    raise _no_name(path, why)


def _no_name(path: str | Path, why: str) -> CourseError:
    name = str(path)
    shown = repr(name[:LONGEST_SHOWN]) + (" …" if len(name) > LONGEST_SHOWN else "")
    return CourseError(
        f"{shown} cannot be the name of a file: {why}.",
        "Name another file or folder, or give it a shorter name.",
    )


def seen(asked: Callable[[Path], bool], path: Path) -> bool:
    """Whether ``asked(path)`` is so; not where the system does not let this process look."""
    with contextlib.suppress(OSError):
        return asked(path)
    return False


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn the operating system's refusals into sentences: no permission, no space, a file there.

    Also a folder in the place of a file, a name that is too long, and a disk that fails; told by
    Python, or by a library in Rust (safetensors, tokenizers), which has errors of its own.

    Raises:
        CourseError: for these; other errors pass through.
    """
    if folder.name.startswith(DRAFTS):  # which nobody has chosen, and nobody finds
        folder = folder.parent
    try:
        yield
    except (PermissionError, FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise CourseError(
            f"{error.filename or folder} cannot be written: {error.strerror}.",
            "Choose a place in a folder of your own, or mend its permissions.",
        ) from None
    except CourseError:
        raise
    except Exception as error:
        number = _number(error)
        if number == errno.ENAMETOOLONG:
            raise _no_name(
                getattr(error, "filename", None) or folder, os.strerror(number)
            ) from None
        if number not in FULL | REFUSED:
            raise
        raise CourseError(
            f"{folder} cannot be written: {os.strerror(number)} ({(FULL | REFUSED)[number]}).",
            f"{'Make room, or choose' if number in FULL else 'Choose'} a place on another disk; "
            "what was finished is kept.",
        ) from None


def _number(error: Exception) -> int | None:
    """The operating system's number of an error, if it is one of its."""
    if isinstance(error, OSError):
        return error.errno
    told = re.search(r"\(os error (\d+)\)", str(error))  # by Rust
    return int(told[1]) if told else None


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[Path]:
    """Hold a folder, which is made where it is not there; others who would hold it wait.

    Its lock is a file in it, which is removed afterwards; one that a killed run left locks nothing,
    and its drafts are removed.

    Yields:
        An empty folder in it, on the same disk, for drafts; it is removed afterwards, too.
    """
    _made(folder)
    file, flags = folder / ".in-use.lock", os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    while True:
        with os.fdopen(os.open(file, flags, 0o666), "r+") as handle:
            portalocker.lock(handle, portalocker.LOCK_EX)
            if not _is_at(file, handle.fileno()):  # it was removed while this process waited
                continue
            try:
                for killed in folder.glob(f"{DRAFTS}*"):
                    remove(killed)
                with tempfile.TemporaryDirectory(dir=folder, prefix=DRAFTS) as drafts:
                    yield Path(drafts)
            finally:
                file.unlink(missing_ok=True)
            return


def _is_at(path: Path, descriptor: int) -> bool:
    """Whether an open file stands there still."""
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def refuse_unwritable(folder: Path) -> None:
    """Raise CourseError where a folder is none, or nothing can be written into it, or made there.

    Nothing is made: the nearest folder above that is there is asked.
    """
    there = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
    with writing(folder):
        if not there.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(there))
        if not os.access(there, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(there))


def write_whole(file: Path, content: str | bytes | Callable[[Path], object]) -> None:
    """Write a file so that it appears whole or not at all: beside, fsync, rename.

    Args:
        content: the text (UTF-8), the bytes, or a function that writes to the path it is given.
    """
    with writing(file.parent):
        _made(file.parent)
        # Of this call alone, since processes of other machines may have the same number; and not
        # longer than names can be.
        beside = file.with_name(f".{file.name[:40]}.{secrets.token_hex(4)}")
        try:
            if callable(content):
                content(beside)
            else:
                beside.write_bytes(content.encode() if isinstance(content, str) else content)
            move_into_place(beside, file)
        finally:
            beside.unlink(missing_ok=True)


def move_into_place(source: Path, target: Path) -> None:
    """Flush ``source`` to the disk, let it replace ``target`` in one step, and flush its folder.

    So a file that stands there is whole after a power cut too. To another disk it is copied first,
    and the copy replaces ``target`` in one step.
    """
    flush(source)
    _made(target.parent)
    try:
        source.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        write_whole(target, lambda beside: _copy(source, beside))
        source.unlink()
    flush(target.parent)


def flush(path: Path) -> None:
    """Have the system write a file, or which files a folder has, to the disk now."""
    if path.is_dir() and os.name == "nt":
        return  # Windows opens no folders
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:  # disks on a network may know no flushing of folders
        if not path.is_dir() or error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def _made(folder: Path) -> None:
    """Make a folder and those above it that are missing, each flushed into the one above it."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in missing:
        flush(path.parent)


def _copy(source: Path, target: Path) -> None:
    """Copy a file with its time and permissions, as far as the disk knows such."""
    shutil.copyfile(source, target)
    with contextlib.suppress(OSError):
        shutil.copystat(source, target)


def set_aside(path: Path) -> Path:
    """Rename ``path`` to the first free ``path.old-N``; nothing is deleted."""
    number = 1
    while (aside := path.with_name(f"{path.name}.old-{number}")).exists():
        number += 1
    path.rename(aside)
    flush(path.parent)
    return aside


def remove(path: Path) -> None:
    """Remove what stands there: a folder with all that is in it, of a link only the link."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def remove_all_but_logs(folder: Path) -> None:
    """Remove what is in a folder, and the folder too where no log was in it; errors are ignored."""
    for path in sorted(folder.rglob("*"), reverse=True):  # what is inside comes first
        with contextlib.suppress(OSError):  # a log may be in a folder
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            elif path.suffix != ".log":
                path.unlink()
    with contextlib.suppress(OSError):
        folder.rmdir()


def fresh_folder(folder: Path) -> Path:
    """An empty folder; whatever an earlier, killed run left there is removed."""
    with writing(folder):
        if folder.is_symlink():
            folder.unlink()
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    return folder


def files_below(folder: Path) -> Iterable[Path]:
    """Every regular file below ``folder``, in a fixed order."""
    return sorted(path for path in folder.rglob("*") if path.is_file())
