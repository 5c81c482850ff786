"""Students' text files as documents: streams of lines."""

import codecs
import io
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

from helpers.encodings import bad_place, decoded_blocks, guessed_encoding, telling_piece
from helpers.errors import CourseError
from helpers.workspace import Workspace, home

_GLOB = set("*?[")


def text_files(names: Iterable[str], workspace: Workspace) -> list[Path]:
    """The files that names stand for: files, folders (all ``.txt`` below), patterns.

    Raises:
        CourseError: a name that leads nowhere, or no text file at all.
    """
    found: dict[Path, None] = {}
    for name in names:
        path = workspace.locate(name)
        if path.is_dir():
            new = _texts_below(path)
        elif path.is_file():
            new = [path]
        elif _GLOB & set(name):
            new = _matches(path)
        else:
            raise CourseError(
                f"There is no file or folder {name} in {workspace.root} or in {home()}.",
                "Name text files, folders or patterns in txt_files; relative names start in the "
                "workspace (00_setup puts a sample there) or in the project.",
            )
        found |= dict.fromkeys(file.resolve() for file in new)
    if not found:
        raise CourseError(
            f"There are no text files in {', '.join(names)}.",
            "Put .txt files there, or name others in txt_files.",
        )
    return list(found)


def _matches(pattern: Path) -> list[Path]:
    base = next(folder for folder in pattern.parents if folder.is_dir())
    try:
        return sorted(f for f in base.glob(str(pattern.relative_to(base))) if f.is_file())
    except ValueError:  # such as a**b
        raise CourseError(
            f"{pattern.name} is no pattern that can be looked for.",
            "Patterns are like novels/*.txt, or novels/**/*.txt with the folders below.",
        ) from None


def _texts_below(folder: Path) -> list[Path]:
    """Its ``.txt`` files, except hidden ones such as JupyterLab's copies."""
    return sorted(
        file
        for file in folder.rglob("*")
        if file.suffix.lower() == ".txt"
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
        and file.is_file()
    )


def lines(file: Path, encoding: str) -> Iterator[str]:
    """The lines of a file without their ends (``\\n``, ``\\r\\n`` or ``\\r``).

    Raises:
        CourseError: bytes that are not in the encoding: file, line, byte, and what to try.
    """
    newlines = io.IncrementalNewlineDecoder(None, translate=True)
    carried: list[str] = []
    try:
        for text in decoded_blocks(file, encoding):
            head, newline, tail = newlines.decode(text, final=not text).rpartition("\n")
            if newline:
                yield from ("".join((*carried, head))).split("\n")
                carried = []
            carried.append(tail)
    except UnicodeDecodeError:
        line, byte = bad_place(file, encoding)
        guess = guessed_encoding(telling_piece(file))
        other = guess and codecs.lookup(guess).name != codecs.lookup(encoding).name
        raise CourseError(
            f"{file} is not {encoding}: line {line}, byte {byte}.",
            f"Try encoding = {guess!r}, or save the file as UTF-8."
            if other
            else "Mend this place in an editor if it alone is damaged, or name another encoding, "
            "for example gb18030 or utf-16.",
        ) from None
    if rest := "".join(carried):
        yield rest


def documents(text: Iterable[str], unit: str) -> Iterator[Iterator[str]]:
    """Cut lines into documents, each a stream of lines that must be read before the next.

    Outer blank lines are not part of a document; a line of white space is blank.

    Args:
        unit: ``blank-line`` (blank lines part documents), ``file`` (all lines are one document,
            with its inner blank lines) or ``line`` (every line that is not blank is one).

    >>> [list(d) for d in documents(["a", "b", "", " ", "c"], "blank-line")]
    [['a', 'b'], ['c']]
    """
    if unit == "line":
        yield from (iter((line,)) for line in text if not _blank(line))
    elif unit == "blank-line":
        yield from (group for blank, group in itertools.groupby(text, _blank) if not blank)
    else:
        whole = _without_outer_blanks(text)
        first = next(whole, None)
        if first is not None:
            yield itertools.chain((first,), whole)


def _blank(line: str) -> bool:
    return not line or line.isspace()


def _without_outer_blanks(text: Iterable[str]) -> Iterator[str]:
    held = 0
    begun = False
    for line in text:
        if _blank(line):
            held += 1
            continue
        yield from itertools.repeat("", held if begun else 0)
        yield line
        held, begun = 0, True
