"""What a training was made from, and how it was computed: ``run.json`` beside its checkpoints."""

import contextlib
import dataclasses
import json
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from pydantic import TypeAdapter, ValidationError

from helpers.common.files import write_whole
from helpers.workflow.record import Fingerprint
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace

RUN = "run.json"
# Settings of split.
READ_BY = ("unit", "chapter_pattern", "join_lines", "text_field", "errors", "encoding")
LONGEST_PART = 30  # characters of what a folder's name says of one setting


def read_by(workspace: Workspace) -> dict[str, object]:
    """How texts were read in this workspace, and general text is, too; empty where nothing was."""
    known = workspace.record.entry("split").settings
    return {name: known[name] for name in READ_BY if name in known}


class Computed(NamedTuple):
    """On which device a training was computed, in which precision, and why in that."""

    device: str
    precision: str
    why: str

    def __str__(self) -> str:
        return f"{self.device}, in {self.precision}: {self.why}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """What a training was made from.

    Attributes:
        base: the SHA-256 of the base model.
        data: those of the files of data-bin, by their names, and of texts that are mixed in.
        settings: those that the result depends on, as plain JSON values; empty where they are not
            known.
        went_on_after: where it went on after updates that were done with another ``max_update``:
            these updates, and that ``max_update``; several, where it did so several times.
        computed: where and how; several, where it went on elsewhere.
    """

    base: str
    data: dict[str, object] = dataclasses.field(default_factory=dict)
    settings: dict[str, object] = dataclasses.field(default_factory=dict)
    went_on_after: tuple[tuple[int, int], ...] = ()
    computed: tuple[Computed, ...] = dataclasses.field(default=(), compare=False)

    @classmethod
    def of(
        cls, workspace: Workspace, settings: FinetuneSettings, inputs: Mapping[Path, Fingerprint]
    ) -> "Run":
        """The run that these settings and inputs make."""
        data_bin, data, others = workspace.data_bin, {}, []
        for file, print_ in inputs.items():
            if file.is_relative_to(data_bin):
                data[file.relative_to(data_bin).as_posix()] = print_.sha256
            elif file not in (workspace.base_model, workspace.base_dict):
                others.append(print_.sha256)
        if others:
            data["replay"] = [*others, read_by(workspace)]
        base = inputs[workspace.base_model].sha256
        return cls(base=base, data=data, settings=_in_order(settings.of_the_result()))

    def is_same(self, other: "Run | None") -> bool:
        """Whether another is made from the same, however often it went on.

        One that was left to choose its precision is the same as one that was given what it chose;
        and one that may choose takes any. Where it was computed in two, it is no other's.
        """
        if other is None:
            return False
        wanted = self.settings.get("precision")
        settings = other.settings
        if settings:
            settings = settings | {"precision": wanted if wanted == "auto" else other.precision}
        return self == dataclasses.replace(
            other, went_on_after=self.went_on_after, settings=settings
        )

    @property
    def precision(self) -> str:
        """What it was computed in; as it was set, where it was not computed yet."""
        found = dict.fromkeys(each.precision for each in self.computed)
        return " and ".join(found) or str(self.settings.get("precision"))

    def goes_on(self, other: "Run | None") -> bool:
        """Whether another is made from the same, but for where it ends, and has no more patience.

        (With more, it may have gone on where this one would have ended.)
        """
        if other is None or not isinstance(other.settings.get("max_update"), int):
            return False
        if _patience(other) > _patience(self):
            return False
        ends = {name: self.settings[name] for name in ("max_update", "patience")}
        return self.is_same(dataclasses.replace(other, settings=other.settings | ends))

    def differs(self, other: "Run") -> Iterable[str]:
        """What it has and another has not, each as a part of a file's name."""
        if self.base != other.base:
            yield "other-base"
        if self.data != other.data:
            yield "other-data"
        for name, value in self.settings.items():
            if name not in other.settings or other.settings[name] != value:
                yield _plain(name, value)

    def write(self, folder: Path) -> None:
        """Write ``run.json``."""
        content = dataclasses.asdict(self)
        for name in ("went_on_after", "computed"):
            if not content[name]:
                del content[name]
        write_whole(folder / RUN, json.dumps(content, indent=1) + "\n")


_RUN = TypeAdapter(Run)


def write_computed(folder: Path, how: Computed) -> None:
    """Add to ``run.json`` how a training goes on."""
    run = written(folder)
    if run and how not in run.computed:
        dataclasses.replace(run, computed=(*run.computed, how)).write(folder)


def _patience(run: Run) -> float:
    value = run.settings.get("patience")
    return value if value and isinstance(value, int) else math.inf


def _plain(name: str, value: object) -> str:
    """A setting in letters that every file system knows.

    >>> _plain("lr", 0.002), _plain("files", ["a b.txt", "文.txt"]), _plain("extra", [])
    ('lr-0.002', 'files-a-b.txt+-.txt', 'extra-none')
    """
    text = "+".join(map(str, value)) if isinstance(value, list) else str(value)
    said = re.sub(r"[^A-Za-z0-9._+]+", "-", f"{name}-{text or 'none'}")
    return said[:LONGEST_PART].strip("-.") or "other"


def written(folder: Path) -> Run | None:
    """What ``run.json`` says that a folder's checkpoints were made from; None without it.

    A setting that the course did not have then has its default, which is what was done then; but
    that was single precision.
    """
    try:
        run = _RUN.validate_json((folder / RUN).read_bytes())
    except (OSError, ValidationError):
        return None
    settings = FinetuneSettings(precision="fp32").of_the_result() | run.settings
    return dataclasses.replace(run, settings=_in_order(settings)) if run.settings else run


def _in_order(settings: dict[str, object]) -> dict[str, object]:
    """With ``extra`` in the order of its names, and each number as Python writes it.

    >>> _in_order({"extra": ["b.x=1.50", "a.y= 1e-8"]})
    {'extra': ['a.y=1e-08', 'b.x=1.5']}
    """
    extra = settings.get("extra")
    if not isinstance(extra, list):
        return settings
    found = []
    for name, _, value in (str(each).partition("=") for each in extra):
        value = value.strip()
        with contextlib.suppress(ValueError):
            value = repr(float(value))
        found.append(f"{name}={value}")
    return settings | {"extra": sorted(found)}
