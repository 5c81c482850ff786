"""One step of the road: what it reads, what it writes, and when it has to be done again.

A stage works in a folder of its own (``.unfinished/NAME`` in the workspace); when it is done,
the files are moved into place and the record is written. So a file is there whole or not at all,
and a killed run is simply run again.
"""

import contextlib
import dataclasses
import importlib.metadata
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from helpers.errors import CourseError, StageMissing, StageStale
from helpers.parameters import Settings
from helpers.report import Report
from helpers.workspace import (
    Record,
    Workspace,
    files_below,
    fingerprint,
    fresh_folder,
    move_into_place,
    same_content,
    set_aside,
    writing,
)

VERSIONS = ("roberta-course", "ve-fairseq", "torch", "transformers", "tiktoken", "scikit-learn")


@dataclasses.dataclass(frozen=True)
class Job:
    """What a stage's work is given.

    Attributes:
        folder: an empty folder that mirrors the workspace; what is written there is moved into
            the workspace when the work is done.
        lock: file descriptor of the workspace's lock, for a child that must hold it too.
        force: begin from nothing, even where an interrupted run could go on.
        kept: a folder, made when it is needed, that outlives a run that was broken off; it is
            removed when the stage is done.
        inputs: the files to read, in order, each with its fingerprint. The work reads these and
            no others, so that whatever went into a result is in the record.
    """

    workspace: Workspace
    settings: Settings
    folder: Path
    lock: int
    force: bool
    kept: Path
    inputs: dict[Path, dict]

    def out(self, path: Path) -> Path:
        """Where to write the file that will stand at ``path`` in the workspace."""
        staged = self.folder / path.relative_to(self.workspace.root)
        staged.parent.mkdir(parents=True, exist_ok=True)
        return staged


@dataclasses.dataclass(frozen=True)
class Stage:
    """A stage of the road; call :meth:`run`.

    Attributes:
        name: the command's name, and the key in the record.
        notebook: the notebook that runs it, for messages.
        inputs: every file that the work reads.
        outputs: the files that the work makes; files there that no record knows are the student's.
        work: does it, and returns the report.
        describe: the report on outputs that the student has put there (where ``keeps_own``).
        after: the stages whose outputs are read.
        instead_of: names of stages that make the same files in another way; the record keeps the
            one that has made them last.
    """

    name: str
    notebook: str
    settings: type[Settings]
    report: type[Report]
    inputs: Callable[[Workspace, Settings], list[Path]]
    outputs: Callable[[Workspace], list[Path]]
    work: Callable[[Job], Report]
    describe: Callable[[Workspace], Report] | None = None
    after: tuple["Stage", ...] = ()
    instead_of: tuple[str, ...] = ()
    # False where the work itself decides what happens to files that it finds in its place.
    keeps_own: bool = True

    def run(self, workspace: Workspace, settings: Settings, *, force: bool = False) -> Report:
        """Do the work, unless the same was done before on the same inputs.

        Raises:
            StageMissing, StageStale: an input is missing, or older than what it was made from.
            InUse: another run holds the workspace.
            CourseError: whatever else a person can mend.
        """
        with workspace.lock() as lock:
            record = workspace.record
            own = self._not_ours(workspace, record)
            if own and not force:
                return self._use_own(workspace, own)
            inputs, notes = self._read_inputs(workspace, settings, record)
            kept = [workspace.key(set_aside(path)) for path in own]
            notes += [f"Your own file is kept as {name}." for name in kept]
            if not force and (report := self._done_before(workspace, settings, inputs, record)):
                return report
            folder = fresh_folder(workspace.scratch / self.name)
            begun = time.monotonic()
            with writing(workspace.root):
                kept = workspace.kept(self.name)
                files = {workspace.path(key): print_ for key, print_ in inputs.items()}
                with _unchanged(workspace, inputs):
                    report = self.work(Job(workspace, settings, folder, lock, force, kept, files))
                report = dataclasses.replace(report, notes=(*notes, *report.notes))
                outputs = self._publish(workspace, folder, record, inputs)
            record.stages[self.name] = {
                "settings": settings.of_the_result(),
                "inputs": inputs,
                "outputs": outputs,
                "report": report.to_json(),
                "seconds": round(time.monotonic() - begun, 1),
                "finished": time.strftime("%Y-%m-%d %H:%M:%S"),
                "versions": _versions(),
            }
            for name in (self.name, *self.instead_of):
                record.moving.pop(name, None)
            for name in self.instead_of:
                record.stages.pop(name, None)
            record.save()
            return report

    def _read_inputs(
        self, workspace: Workspace, settings: Settings, record: Record
    ) -> tuple[dict, list[str]]:
        """Fingerprints of the inputs, and a note on those that are the student's own."""
        known = record.stages.get(self.name, {}).get("inputs", {})
        prints, own = {}, []
        for path in self.inputs(workspace, settings):
            key = workspace.key(path)
            makers = [s for s in self.after if path in s.outputs(workspace)]
            maker = next((s for s in makers if s.name in record.stages), next(iter(makers), None))
            if not path.is_file():
                notebook = maker.notebook if maker else self.notebook
                raise StageMissing(
                    f"{key} is not there yet.", f"Run the notebook {notebook} first."
                )
            made = record.stages.get(maker.name, {}) if maker else {}
            prints[key] = fingerprint(path, known.get(key) or made.get("outputs", {}).get(key))
            if maker is None:
                continue
            recorded = made.get("outputs", {}).get(key, {})
            sha256 = prints[key]["sha256"]
            if any(s.name in record.moving for s in makers) and sha256 in record.made.get(key, []):
                raise StageStale(
                    f"{maker.notebook} was stopped while it put {key} and others in their place.",
                    f"Run the notebook {maker.notebook} again, then come back here.",
                )
            if recorded.get("sha256") == sha256:
                maker.refuse_stale(workspace, record)
            else:
                own.append(key)
        return prints, [_used_as_it_is(own)] if own else []

    def refuse_stale(self, workspace: Workspace, record: Record) -> None:
        """Raise StageStale if what this stage's outputs were made from has changed since.

        Inputs that have been removed do not count: large intermediate files may be deleted.
        """
        entry = record.stages[self.name]
        for stage in self.after:
            if stage.name in record.stages:
                stage.refuse_stale(workspace, record)
        keys = list(entry["inputs"])
        with contextlib.suppress(CourseError):  # what was named is not there any more
            found = self.inputs(workspace, self.settings(**entry["settings"]))
            keys += [workspace.key(path) for path in found]
        for key in keys:
            path, before = workspace.path(key), entry["inputs"].get(key)
            if not path.is_file():
                continue
            if before is None or fingerprint(path, before)["sha256"] != before["sha256"]:
                raise StageStale(
                    f"{key} has changed since {self.notebook} was run.",
                    f"Run the notebook {self.notebook} again, then come back here.",
                )

    def _not_ours(self, workspace: Workspace, record: Record) -> list[Path]:
        """Outputs that stand there and that no record knows: the student's own."""
        if not self.keeps_own:
            return []
        entry = record.stages.get(self.name, {}).get("outputs", {})

        def ours(path: Path) -> bool:
            key = workspace.key(path)
            made = record.made.get(key, [])
            return bool(made) and fingerprint(path, entry.get(key))["sha256"] in made

        return [p for p in self.outputs(workspace) if p.is_file() and not ours(p)]

    def _use_own(self, workspace: Workspace, own: list[Path]) -> Report:
        names = ", ".join(workspace.key(path) for path in own)
        missing = [path for path in self.outputs(workspace) if not path.is_file()]
        if missing:
            raise CourseError(
                f"{names} is your own, but {workspace.key(missing[0])} is missing beside it.",
                "Put it there too, or run this step with force: your file is then set aside.",
            )
        report = self.describe(workspace)
        note = f"Your own files are used as they are: {names}. With force they are set aside."
        return dataclasses.replace(report, notes=(note, *report.notes))

    def _done_before(
        self, workspace: Workspace, settings: Settings, inputs: dict, record: Record
    ) -> Report | None:
        entry = record.stages.get(self.name)
        if (
            not entry
            or self.name in record.moving
            or entry["settings"] != settings.of_the_result()
            or not same_content(entry["inputs"], inputs)
        ):
            return None
        for key, before in entry["outputs"].items():
            path = workspace.path(key)
            if not path.is_file() or fingerprint(path, before)["sha256"] != before["sha256"]:
                return None
        try:
            return self.report(**entry["report"], reused=True)
        except TypeError:  # recorded by another version of the course
            return None

    def _publish(self, workspace: Workspace, folder: Path, record: Record, inputs: dict) -> dict:
        """Move the finished files into place and return their fingerprints."""
        staged = {path.relative_to(folder).as_posix(): path for path in files_below(folder)}
        prints = {key: fingerprint(path) for key, path in staged.items()}
        if not staged:  # the work has written where its outputs stand
            prints = {workspace.key(p): fingerprint(p) for p in self.outputs(workspace)}
        before = {
            key
            for name in (self.name, *self.instead_of)
            for key in (
                *record.stages.get(name, {}).get("outputs", {}),
                *record.moving.get(name, []),
            )
        }
        for key, made in prints.items():
            record.remember(key, made["sha256"])
        record.moving[self.name] = sorted({*before, *prints})
        record.save()
        for key, path in staged.items():
            move_into_place(path, workspace.path(key))
        for key in before - prints.keys() - inputs.keys():
            workspace.path(key).unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # other files are in it, or it is gone
                workspace.path(key).parent.rmdir()
        shutil.rmtree(workspace.scratch)
        for name in (self.name, *self.instead_of):
            shutil.rmtree(workspace.kept(name), ignore_errors=True)
        return prints


@contextlib.contextmanager
def _unchanged(workspace: Workspace, inputs: dict[str, dict]) -> Iterator[None]:
    """Refuse what comes of inputs that have changed meanwhile, be it an error or a result."""
    try:
        yield
    finally:
        for key, before in inputs.items():
            path = workspace.path(key)
            if not path.is_file() or fingerprint(path, before)["sha256"] != before["sha256"]:
                raise CourseError(
                    f"{path} has changed while it was read.",
                    "Run this step again when nobody writes to it.",
                )


def _used_as_it_is(keys: list[str]) -> str:
    """The note on inputs that the student has put there, however many they are."""
    named = ", ".join(keys[:3]) + (f" and {len(keys) - 3:,} more" if len(keys) > 3 else "")
    return f"Used as it is, because no finished step of the course made it: {named}."


def _versions() -> dict[str, str]:
    found = {}
    for name in VERSIONS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
