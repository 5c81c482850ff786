"""Students' files: which there are, and what lies beside them that is not read."""

import contextlib
import errno
import os
import re
import stat
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from helpers.common.errors import CourseError
from helpers.common.files import home
from helpers.common.names import spelled
from helpers.common.processes import kernel
from helpers.text.decoding.archives import ARCHIVES, endings
from helpers.text.decoding.kinds import JSON, TABLES
from helpers.text.inputs import holds_records
from helpers.workflow.workspace import Workspace

# What is taken from folders, and a file without an ending where it holds records. A file that is
# named may end as it likes.
TEXTS = (".txt", *JSON, *TABLES)
KINDS = (*(f"{text}{archive}" for text in TEXTS for archive in ("", *ARCHIVES)), ".parquet")
READ = f"{', '.join(TEXTS)} (also with {' or '.join(ARCHIVES)} behind) and .parquet"
NAMED, LONGEST = 10, 300  # names of what was left out, and characters of one
_GLOB = set("*?[")
_ENDING = re.compile(r"\.[a-z]\w*")  # a number behind a point is none


class Found(NamedTuple):
    """Files that were found.

    Attributes:
        files: those to be read.
        left_out: what lies beside them and is not read, as it is shown to people.
    """

    files: list[Path]
    left_out: list[str]


def text_files(
    names: Iterable[str], workspace: Workspace, encoding: str = "utf-8", field: str = "text"
) -> Found:
    """The files that names stand for: files, folders (all of known kinds below), patterns.

    Args:
        encoding, field: how a file without an ending is read, to tell whether it holds records.

    Raises:
        CourseError: a name that leads nowhere, or no text file at all.
    """
    found: dict[Path, Path] = {}  # by where links lead to; a link may have the telling name
    left_out: list[str] = []
    for name in names:
        path = workspace.locate(name)
        if path.is_dir():
            new, beside = below(path, encoding, field)
        elif path.is_file():
            new, beside = [path], []
        elif _GLOB & set(name):
            new, beside = _matches(path, encoding, field)
        else:
            raise _missing(name, path, workspace)
        left_out += beside
        for file in new:
            found.setdefault(file.resolve(), file.parent.resolve() / file.name)
    if not found:
        raise CourseError(
            " ".join((f"There are no text files in {', '.join(names)}.", *not_read(left_out))),
            f"Put files of these kinds there: {READ}. Or name others in txt_files.",
        )
    return Found(list(found.values()), [*dict.fromkeys(left_out)])


def _missing(name: str, path: Path, workspace: Workspace) -> CourseError:
    hint = (
        "Name text files, folders or patterns in txt_files; relative names start in the "
        "workspace (00_setup puts a sample there) or in the project, in a shell where you stand."
    )
    places = dict.fromkeys(([] if kernel() else [Path.cwd()]) + [workspace.root, home()])
    try:
        path.stat()
        return CourseError(f"{name} is a pipe, a device or a socket, and no file.", hint)
    except OSError as error:
        if error.errno == errno.ELOOP:
            return CourseError(f"{name} leads by links back to itself.", hint)
        if error.errno != errno.ENOENT and not path.is_symlink():
            return CourseError(f"{name} cannot be read: {error.strerror}.", hint)
        if path.is_symlink():
            return CourseError(f"{name} is a link to {path.readlink()}, which is not there.", hint)
    return CourseError(
        f"There is no file or folder {name} in {' or in '.join(map(str, places))}.", hint
    )


def not_read(left_out: Sequence[str]) -> list[str]:
    """The sentence that names what was left out, if there is any."""
    more = f" and {len(left_out) - NAMED:,} more" if left_out[NAMED:] else ""
    names = ", ".join(map(_shown, left_out[:NAMED])) + more
    return [f"Not read ({len(left_out):,}): {names}."] if left_out else []


def _shown(name: str) -> str:
    name = spelled(name)
    return name if len(name) <= LONGEST else f"{name[: LONGEST // 2]}…{name[-LONGEST // 2 :]}"


def _matches(pattern: Path, encoding: str, field: str) -> Found:
    base = next(folder for folder in pattern.parents if folder.is_dir())
    wanted = pattern.relative_to(base)
    try:
        there = sorted(base.glob(str(wanted)))
    except (ValueError, OSError) as error:  # such as a**b
        if isinstance(error, OSError) and error.errno != errno.ENAMETOOLONG:
            raise
        if isinstance(error, OSError) and all(len(os.fsencode(p)) < 256 for p in wanted.parts):
            raise CourseError(
                f"Below {base} is a path that is longer than the system reads.",
                "Name the folder instead of a pattern: then what is too long is left out.",
            ) from None
        raise CourseError(
            f"{pattern.name} is no pattern that can be looked for.",
            "Patterns are like novels/*.txt, or novels/**/*.txt with the folders below.",
        ) from None
    names_hidden = any(part.startswith(".") for part in wanted.parts)
    found = Found([], [])
    for path in there:
        inside = path.relative_to(base)
        if _is_hidden(inside) and not names_hidden:
            found.left_out.append(f"{inside} (hidden)")
        elif _is(Path.is_file, path):
            found.files.append(path)
        elif "**" not in wanted.parts:
            what = "a folder" if _is(Path.is_dir, path) else _why_not(path, encoding, field)
            found.left_out.append(f"{inside} ({what})")
    if "**" in wanted.parts:
        found.left_out.extend(below(base, encoding, field).left_out)
    return found


def _is(asked: Callable[[Path], bool], path: Path) -> bool:
    """Whether it is; what the system does not even look at, such as too long a name, is not."""
    with contextlib.suppress(OSError):
        return asked(path)
    return False


def _is_link(path: Path) -> bool:
    return _is(Path.is_symlink, path)


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def below(folder: Path, encoding: str = "utf-8", field: str = "text") -> Found:
    """Its files of known kinds, except hidden ones such as JupyterLab's copies."""
    found = Found([], [])

    def cannot(error: OSError) -> None:
        found.left_out.append(f"{Path(error.filename).relative_to(folder)} ({error.strerror})")

    for here, folders, files in os.walk(folder, onerror=cannot):
        for name in sorted(folders):
            path = Path(here, name)
            if _is_link(path):
                found.left_out.append(f"{path.relative_to(folder)} (a link to a folder)")
            elif name.startswith("."):
                found.left_out.append(f"{path.relative_to(folder)} (hidden)")
                folders.remove(name)
        for name in files:
            path = Path(here, name)
            if why := _why_not(path, encoding, field):
                found.left_out.append(f"{path.relative_to(folder)} ({why})")
            else:
                found.files.append(path)
    return Found(sorted(found.files), sorted(found.left_out))


def _why_not(file: Path, encoding: str, field: str) -> str:
    """Why a file in a folder is not read; empty, if it is."""
    ending = endings(file)[0]
    if file.name.startswith("."):
        return "hidden"
    try:
        is_file = stat.S_ISREG(file.stat().st_mode)
    except OSError as error:
        return "a link that leads nowhere" if _is_link(file) else str(error.strerror)
    if not is_file:
        return "no file"
    is_known = "".join(endings(file)) in KINDS
    if is_known or (not _ENDING.fullmatch(ending) and _has_records(file, encoding, field)):
        return ""
    return "another kind of file"


def _has_records(file: Path, encoding: str, field: str) -> bool:
    """As those of WikiExtractor (``AA/wiki_00``) and of Reddit (``RC_2019-01.zst``) have."""
    try:
        return holds_records(file, encoding, field)
    except (CourseError, OSError):
        return False
