"""``workspace.json``: what was made from what, with which settings, and which files are ours."""

import contextlib
import dataclasses
import hashlib
import importlib.metadata
import json
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Annotated, NamedTuple

from pydantic import BeforeValidator, TypeAdapter, ValidationError

from helpers.common.errors import CourseError
from helpers.common.files import possible, write_whole
from helpers.common.names import cut
from helpers.workflow.refusals import what

VERSIONS = (
    *("roberta-course", "ve-fairseq", "torch", "transformers", "tiktoken", "scikit-learn"),
    "rjieba",
)
LONGEST_REASON = 200  # characters that are told of why the record cannot be read


class Fingerprint(NamedTuple):
    """Size in bytes, modification time and SHA-256 (in hexadecimal digits) of a file."""

    size: int
    mtime_ns: int
    sha256: str


def _as_saved(values: object) -> object:
    """A fingerprint without what another version of the course has added.

    Without size or time it is computed again when it is needed.
    """
    if not isinstance(values, Mapping):
        return values
    known = {name: value for name, value in values.items() if name in Fingerprint._fields}
    return {"size": -1, "mtime_ns": -1} | known


# By the record's name of a file.
Prints = Mapping[str, Annotated[Fingerprint, BeforeValidator(_as_saved)]]


def fingerprint(path: Path, known: Fingerprint | None = None) -> Fingerprint:
    """The fingerprint of a file.

    Args:
        known: an earlier fingerprint of it; with the same size and time its hash is trusted.

    Raises:
        CourseError: it may not be read.
    """
    if known and is_as_known(path, known):
        return known
    stat = path.stat()
    try:
        with path.open("rb") as handle:
            sha256 = hashlib.file_digest(handle, "sha256").hexdigest()
    except PermissionError as error:
        raise CourseError(
            f"{path} cannot be read: {error.strerror}.", "Mend its permissions, or leave it out."
        ) from None
    return Fingerprint(stat.st_size, stat.st_mtime_ns, sha256)


def is_as_known(path: Path, known: Fingerprint) -> bool:
    """Whether a file has the size and the time that it had."""
    stat = path.stat()
    return (known.size, known.mtime_ns) == (stat.st_size, stat.st_mtime_ns)


def is_unchanged(path: Path, before: Fingerprint) -> bool:
    """Whether a file is there, with the content that it had."""
    return path.is_file() and fingerprint(path, before).sha256 == before.sha256


def same_content(one: Prints, other: Prints) -> bool:
    """Whether two sets of fingerprints name the same files with the same bytes."""
    return {k: v.sha256 for k, v in one.items()} == {k: v.sha256 for k, v in other.items()}


@dataclasses.dataclass
class Entry:
    """What a stage has done; what another version of the course has added to it is left out.

    Attributes:
        settings: those that the result depends on, as plain JSON values.
        also: what else it depends on (see :class:`helpers.workflow.definition.Stage`).
        inputs, outputs: what was read and what was made.
        report: the fields of the stage's report.
        seconds: how long it took.
        finished: when, in local time.
        versions: of the packages that took part.
        events: notes of the report that tell of this work, and not of its result.
    """

    settings: dict = dataclasses.field(default_factory=dict)
    inputs: Prints = dataclasses.field(default_factory=dict)
    outputs: Prints = dataclasses.field(default_factory=dict)
    report: dict = dataclasses.field(default_factory=dict)
    seconds: float = 0.0
    finished: str = ""
    versions: dict[str, str] = dataclasses.field(default_factory=dict)
    events: list[str] = dataclasses.field(default_factory=list)
    also: dict = dataclasses.field(default_factory=dict)

    def to_json(self) -> dict:
        prints = {
            name: {key: print_._asdict() for key, print_ in getattr(self, name).items()}
            for name in ("inputs", "outputs")
        }
        return {
            field.name: getattr(self, field.name) for field in dataclasses.fields(self)
        } | prints


@dataclasses.dataclass
class _Content:
    stages: dict[str, Entry] = dataclasses.field(default_factory=dict)
    made: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    moving: dict[str, list[str]] = dataclasses.field(default_factory=dict)

    def refuse_names(self, root: Path) -> None:
        """Refuse names that no file can have, and files outside the workspace as made in it.

        Raises:
            ValueError, CourseError: for the first such name.
        """
        entries = self.stages.values()
        made = {*self.made, *(key for keys in self.moving.values() for key in keys)}
        made |= {key for entry in entries for key in entry.outputs}
        for key in made | {key for entry in entries for key in entry.inputs}:
            possible(root / key)
            path = PurePath(key)
            if not path.parts or (key in made and (path.anchor or ".." in path.parts)):
                raise ValueError(f"{key!r} is no file of the workspace")


_CONTENT = TypeAdapter(_Content)


@dataclasses.dataclass
class Record:
    """The entries of all stages, and what a kill must not make forgotten.

    Raises:
        CourseError: the file is there and cannot be read, or names files outside the workspace as
            made in it.

    ``made`` keeps every hash that a stage ever wrote to a path. It is saved before files are
    moved into place, so even after a kill between two moves a file is known to be ours; a file
    that is not in it is the student's own, which a stage that can describe such files (see
    :class:`helpers.workflow.definition.Stage`) never overwrites. ``moving`` has, per stage,
    the files that are being moved: where a kill left it, they may be half old and half new.
    """

    file: Path
    stages: dict[str, Entry] = dataclasses.field(init=False)
    made: dict[str, list[str]] = dataclasses.field(init=False)
    moving: dict[str, list[str]] = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        try:
            content = json.loads(self.file.read_text("utf-8")) if self.file.exists() else {}
            found = _CONTENT.validate_python(content)
            found.refuse_names(self.file.parent)
            self.stages, self.made, self.moving = found.stages, found.made, found.moving
            self._text()  # what is nested too deeply cannot be saved again
        except (ValueError, OSError, RecursionError, CourseError) as error:
            raise self.unreadable(error) from None

    def unreadable(self, error: Exception) -> CourseError:
        """The error that says what is wrong with the file, and how to go on without it."""
        why = getattr(error, "message", str(error))
        if isinstance(error, ValidationError):
            why = what(error.errors(include_url=False)[0])
        return CourseError(
            f"{self.file} cannot be read ({cut(why, LONGEST_REASON)}).",
            "Delete it; the notebooks then take the files of the workspace as your own.",
        )

    def save(self) -> None:
        """Write the file whole or not at all."""
        write_whole(self.file, self._text())

    def _text(self) -> str:
        stages = {name: entry.to_json() for name, entry in self.stages.items()}
        content = {"stages": stages, "made": self.made, "moving": self.moving}
        return json.dumps(content, indent=1, sort_keys=True) + "\n"

    def is_outdated(self, stage: str) -> bool:
        """Whether a stage has read what another one has made anew since."""
        asked: set[str] = set()  # a record from elsewhere may run in a circle
        waiting = [stage]
        while waiting:
            if (reader := waiting.pop()) in asked:
                continue
            asked.add(reader)
            for key, before in self.entry(reader).inputs.items():
                makers = ((name, other.outputs.get(key)) for name, other in self.stages.items())
                made = {name: print_ for name, print_ in makers if print_}
                if any(print_.sha256 != before.sha256 for print_ in made.values()):
                    return True
                waiting += made
        return False

    def remember(self, key: str, sha256: str) -> None:
        """Add a hash to ``made``."""
        known = self.made.setdefault(key, [])
        if sha256 not in known:
            known.append(sha256)

    def has_read(self, stage: str, settings: dict, files: Mapping[str, Path]) -> bool:
        """Whether a stage was done with these settings on these files, which are as they were.

        Args:
            settings: those that the result depends on.
            files: by the names that the record has for them.
        """
        entry = self.entry(stage)
        return (
            bool(entry.outputs)
            and entry.settings == settings
            and entry.inputs.keys() == files.keys()
            and all(is_unchanged(path, entry.inputs[key]) for key, path in files.items())
        )

    def entry(self, stage: str) -> Entry:
        """What a stage has done; an empty entry where it has done nothing yet."""
        return self.stages.get(stage) or Entry()


def versions() -> dict[str, str]:
    """Of the packages that take part, as far as they are installed."""
    found = {}
    for name in VERSIONS:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found
