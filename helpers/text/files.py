"""Students' files: which there are, and what lies beside them that is not read."""

import errno
import os
import re
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from helpers.common.errors import CourseError
from helpers.common.files import home, seen
from helpers.common.names import spelled
from helpers.common.processes import kernel
from helpers.common.report import enumerated
from helpers.text.decoding.archives import ARCHIVES, endings
from helpers.text.decoding.kinds import JSON, TABLES
from helpers.text.inputs import holds_records
from helpers.workflow.workspace import Workspace, refuse_unreadable

# What is taken from folders, and a file without an ending where it holds records. A file that is
# named may end as it likes.
TEXTS = (".txt", *JSON, *TABLES)
KINDS = (*(f"{text}{archive}" for text in TEXTS for archive in ("", *ARCHIVES)), ".parquet")
READ = f"{', '.join(TEXTS)} (also with {' or '.join(ARCHIVES)} behind) and .parquet"
NAMED, LONGEST = 10, 300  # names of what was left out, and characters of one
_GLOB = set("*?[")
_NO_ENDING = re.compile(r"(\.[\d_-]+)?")  # a number behind a point is none
# What the course sets aside, and what editors keep.
_COPY = re.compile(r"\.old-\d+$|~$|^#.*#$")


class Found(NamedTuple):
    """Files that were found.

    Attributes:
        files: those to be read.
        left_out: what lies beside them and is not read, as it is shown to people.
    """

    files: list[Path]
    left_out: list[str]


class Below(NamedTuple):
    """What was found in a folder.

    Attributes:
        files: those to be read.
        left_out: what lies beside them, and why it is not read.
    """

    folder: Path
    files: list[Path]
    left_out: dict[Path, str]

    def said(self) -> dict[Path, str]:
        """What is left out as it is shown to people, in the order of names."""
        items = sorted((str(path), path, why) for path, why in self.left_out.items())
        return {path: f"{path.relative_to(self.folder)} ({why})" for _, path, why in items}


def text_files(
    names: Iterable[str],
    workspace: Workspace,
    encoding: str = "utf-8",
    field: str = "text",
    setting: str = "txt_files",
) -> Found:
    """The files that names stand for: files, folders (all of known kinds below), patterns.

    Args:
        encoding, field: how a file without an ending is read, to tell whether it holds records.
        setting: in which the names stand.

    Raises:
        CourseError: a name that leads nowhere, no text file at all, or one that may not be read.
    """
    found: dict[Path, Path] = {}  # by where links lead to; a link may have the telling name
    read: set[Path] = set()
    beside: dict[Path, str] = {}
    for name in names:
        path = workspace.locate(name)
        if path.is_dir():
            new = below(path, encoding, field)
        elif path.is_file():
            new = Below(path.parent, [path], {})
        elif _GLOB & set(name):
            new = _matches(path, encoding, field)
        else:
            raise _missing(name, path, workspace, setting)
        beside |= new.said()
        read.update(new.files)
        for file in new.files:
            found.setdefault(file.resolve(), file.parent.resolve() / file.name)
    left_out = [said for path, said in beside.items() if path not in read]
    if not found:
        raise CourseError(
            " ".join((f"There are no text files in {', '.join(names)}.", *not_read(left_out))),
            f"Put files of these kinds there: {READ}. Or name others in {setting}.",
        )
    for file in found.values():
        refuse_unreadable(file)
    return Found(list(found.values()), left_out)


def _missing(name: str, path: Path, workspace: Workspace, setting: str) -> CourseError:
    hint = (
        f"Name text files, folders or patterns in {setting}; relative names start in the "
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
    where = "" if Path(name).is_absolute() else f" in {' or in '.join(map(str, places))}"
    return CourseError(f"There is no file or folder {name}{where}.", hint)


def not_read(left_out: Sequence[str]) -> list[str]:
    """The sentence that names what was left out, if there is any."""
    names = enumerated([*map(_shown, left_out)], NAMED)
    return [f"Not read ({len(left_out):,}): {names}."] if left_out else []


def _shown(name: str) -> str:
    name = spelled(name)
    return name if len(name) <= LONGEST else f"{name[: LONGEST // 2]}…{name[-LONGEST // 2 :]}"


def _matches(pattern: Path, encoding: str, field: str) -> Below:
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
    found = Below(base, [], {})
    if not os.access(base, os.R_OK):  # then it seems to be empty
        found.left_out[base] = os.strerror(errno.EACCES)
    for path in there:
        if _is_hidden(path.relative_to(base)) and not names_hidden:
            found.left_out[path] = "hidden"
        elif _is_copy(path) and not (_COPY.search(pattern.name) or pattern.suffix[1:].isdecimal()):
            found.left_out[path] = "a copy"
        elif seen(Path.is_file, path):
            found.files.append(path)
        elif "**" not in wanted.parts:
            is_folder = seen(Path.is_dir, path)
            found.left_out[path] = "a folder" if is_folder else _why_not(path, encoding, field)
    if "**" in wanted.parts:
        found.left_out.update(below(base, encoding, field).left_out)
    return found


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def below(folder: Path, encoding: str = "utf-8", field: str = "text") -> Below:
    """Its files of known kinds, except hidden ones such as JupyterLab's copies."""
    found = Below(folder, [], {})

    def cannot(error: OSError) -> None:
        found.left_out[Path(error.filename)] = error.strerror

    for here, folders, files in os.walk(folder, onerror=cannot):
        for name in sorted(folders):
            path = Path(here, name)
            if seen(Path.is_symlink, path):
                found.left_out[path] = "a link to a folder"
            elif name.startswith("."):
                found.left_out[path] = "hidden"
                folders.remove(name)
        for name in files:
            path = Path(here, name)
            if why := _why_not(path, encoding, field):
                found.left_out[path] = why
            else:
                found.files.append(path)
    found.files.sort()
    return found


def _why_not(file: Path, encoding: str, field: str) -> str:
    """Why a file in a folder is not read; empty, if it is."""
    ending = endings(file)[0]
    if file.name.startswith("."):
        return "hidden"
    try:
        is_file = stat.S_ISREG(file.stat().st_mode)
    except OSError as error:
        return "a link that leads nowhere" if seen(Path.is_symlink, file) else str(error.strerror)
    if not is_file:
        return "no file"
    if _is_copy(file):
        return "a copy"
    is_known = "".join(endings(file)) in KINDS
    if is_known or (_NO_ENDING.fullmatch(ending) and _has_records(file, encoding, field)):
        return ""
    return "another kind of file"


def _is_copy(file: Path) -> bool:
    """Also ``a.jsonl.1`` beside ``a.jsonl``; alone it may be a part."""
    before = file.with_suffix("")
    is_numbered = file.suffix[1:].isdecimal() and before.suffix
    return bool(_COPY.search(file.name) or (is_numbered and before.is_file()))


def _has_records(file: Path, encoding: str, field: str) -> bool:
    """As those of WikiExtractor (``AA/wiki_00``) and of Reddit (``RC_2019-01.zst``) have."""
    try:
        return holds_records(file, encoding, field)
    except (CourseError, OSError):
        return False
