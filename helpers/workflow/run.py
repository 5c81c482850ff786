"""When a stage's work is done again, and how its result comes into the workspace.

A stage works in a folder of its own (``.unfinished/NAME`` in the workspace); when it is done,
the files are moved into place and the record is written. So a file is there whole or not at all,
and a killed run is simply run again. Training alone writes in place, and goes on where it was.
"""

import contextlib
import dataclasses
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from helpers.common.errors import CourseError
from helpers.common.files import (
    alone_in,
    files_below,
    fresh_folder,
    move_into_place,
    remove_all_but_logs,
    set_aside,
    writing,
)
from helpers.common.report import Report, enumerated
from helpers.machine.devices import enough_memory
from helpers.workflow.definition import Job, Stage
from helpers.workflow.parameters import Settings
from helpers.workflow.record import (
    Entry,
    Fingerprint,
    fingerprint,
    is_unchanged,
    same_content,
    versions,
)
from helpers.workflow.stale_inputs import InputCheck
from helpers.workflow.workspace import Workspace, refuse_folders


class Run:
    """One run of a stage: holds workspace, record and inputs while it goes on."""

    def __init__(
        self,
        road: Mapping[str, Stage],
        stage: Stage,
        workspace: Workspace,
        settings: Settings,
        lock: int,
        force: bool,
    ) -> None:
        self.road, self.stage, self.workspace, self.settings = road, stage, workspace, settings
        self.lock, self.force = lock, force
        self.record = workspace.record
        self.files: list[Path] = []
        self.inputs: dict[Path, Fingerprint] = {}
        self.notes: list[str] = []
        self.events: list[str] = []

    def into_workspace(self) -> Report:
        """The report on what stands in the workspace now; it is made where that is needed."""
        own = self._own_outputs()
        if own and not self.force:
            return self._report_on_own(own)
        self._read_inputs()
        for path in own:
            self._keep(path)
        if not self.force and (report := self._done_before()):
            return report
        begun = time.monotonic()
        with writing(self.workspace.root), self._folder() as folder:
            report = self._work(folder)
            outputs = self._publish(folder)
        report = _noted(report, [*self.notes, *self.events])
        self._write_entry(report, outputs, time.monotonic() - begun)
        return report

    def is_done(self) -> bool:
        """Whether :meth:`into_workspace` would only report; outputs of one's own are looked at."""
        if self._own_outputs():
            return False
        self._read_inputs()
        return self._done_before() is not None

    def into_folder(self, target: Path) -> Report:
        """Make the outputs in another folder; nothing else in it is touched.

        The record knows nothing of it: the work is done each time.
        """
        self._read_inputs()
        made = {path: target / path.name for path in self.stage.outputs(self.workspace)}
        refuse_folders(made.values())
        with writing(self.workspace.root), self._folder() as folder:
            report = _noted(self._work(folder), self.notes)
            staged = {path: folder / self.workspace.key(path) for path in made}
            made = {path: there for path, there in made.items() if staged[path].exists()}
            with writing(target), alone_in(target) as drafts:  # that files of two runs do not mix
                for path, there in made.items():  # to another disk they are copied: all, or none
                    move_into_place(staged[path], drafts / there.name)
                for there in made.values():
                    move_into_place(drafts / there.name, there)
        return report

    @contextlib.contextmanager
    def _folder(self) -> Iterator[Path]:
        """An empty folder for the work; of work that fails, logs stay, as its message may say."""
        try:
            yield fresh_folder(self.workspace.scratch / self.stage.name)
        except BaseException:
            remove_all_but_logs(self.workspace.scratch)
            raise
        shutil.rmtree(self.workspace.scratch)

    def _read_inputs(self) -> None:
        """Fingerprint every input; note those that are the student's own."""
        check = InputCheck(self.road, self.workspace, self.record)
        self.files, self.inputs, own = check.read(self.stage, self.settings)
        if own:
            self.notes.append(
                "Used as it is, because no finished step of the course made it: "
                f"{enumerated(own, 3)}."
            )

    def _own_outputs(self) -> list[Path]:
        """Outputs that stand there and that no record knows: the student's own."""
        if self.stage.describe is None:
            return []
        there = (path for path in self.stage.outputs(self.workspace) if path.is_file())
        return [path for path in there if not self._is_known(self.workspace.key(path))]

    def _is_known(self, key: str) -> bool:
        """Whether a stage has made the file that stands there."""
        hashes = self.record.made.get(key, [])
        known = self.record.entry(self.stage.name).outputs.get(key)
        return bool(hashes) and fingerprint(self.workspace.path(key), known).sha256 in hashes

    def _report_on_own(self, own: list[Path]) -> Report:
        """The report on outputs that the student has put there."""
        names = ", ".join(self.workspace.key(path) for path in own)
        missing = [path for path in self.stage.outputs(self.workspace) if not path.is_file()]
        if missing:
            raise CourseError(
                f"{names} is your own, but {self.workspace.key(missing[0])} is missing beside it.",
                "Put it there too, or run this step with force: your file is then set aside.",
            )
        note = f"Your own files are used as they are: {names}. With force they are set aside."
        return _noted(self.stage.describe(self.workspace), [note])

    def _done_before(self) -> Report | None:
        """The report on the same work on the same inputs, whose outputs are all still there."""
        entry = self.record.stages.get(self.stage.name)
        if (
            not entry
            or self.stage.name in self.record.moving
            or self._with_defaults(entry.settings) != self.settings.of_the_result()
            or entry.also != self._also()
            or not entry.outputs
            or not same_content(entry.inputs, self._input_keys())
            or not all(is_unchanged(self.workspace.path(k), v) for k, v in entry.outputs.items())
        ):
            return None
        try:
            self.stage.report(**entry.report)
            report = TypeAdapter(self.stage.report).validate_python(entry.report)
        except TypeError:  # recorded by another version of the course
            return None
        except ValidationError as error:
            raise self.record.unreadable(error) from None
        notes = tuple(note for note in report.notes if note not in entry.events)
        return dataclasses.replace(report, notes=notes, reused=True)

    def _with_defaults(self, recorded: dict) -> dict:
        """Settings as they would be recorded now: there were fewer of them once."""
        return type(self.settings)().of_the_result() | recorded

    def _also(self) -> dict[str, object]:
        return self.stage.also(self.workspace, self.settings)

    def _input_keys(self) -> dict[str, Fingerprint]:
        return {self.workspace.key(path): print_ for path, print_ in self.inputs.items()}

    def _work(self, folder: Path) -> Report:
        """Do the work. Where an input changes meanwhile, result or error are refused."""
        kept = self.workspace.kept(self.stage.name)
        job = Job(
            workspace=self.workspace,
            settings=self.settings,
            files=self.files,
            inputs=self.inputs,
            folder=folder,
            kept=kept,
            lock=self.lock,
            force=self.force,
            events=self.events,
        )
        try:
            with enough_memory():
                return self.stage.work(job)
        finally:
            for path, before in self.inputs.items():
                if not is_unchanged(path, before):
                    raise CourseError(
                        f"{path} has changed while it was read.",
                        "Run this step again when nobody writes to it.",
                    )

    def _keep(self, path: Path, what: str = "Your own file is") -> None:
        """Set a file aside, and say so."""
        self.events.append(f"{what} kept as {self.workspace.key(set_aside(path))}.")

    def _set_aside_what_told_of_others(self, prints: Mapping[str, Fingerprint]) -> None:
        """Results that people read, and no stage, must not lie beside files that they are not of.

        Args:
            prints: of the files that are about to be moved into the workspace.
        """
        read_by_stages = {name for stage in self.road.values() for name in stage.after}
        for name in self.road.keys() - read_by_stages - {self.stage.name}:
            entry = self.record.entry(name)
            about = entry.inputs.keys() & prints.keys()
            if all(entry.inputs[key].sha256 == prints[key].sha256 for key in about):
                continue
            for path in filter(Path.is_file, map(self.workspace.refuse_outside, entry.outputs)):
                self._keep(path, f"{path.name} told of other files: it is")

    def _publish(self, folder: Path) -> dict[str, Fingerprint]:
        """Move the finished files into place and remove those that are no more made.

        The record says beforehand what is moved, so that a kill leaves no doubt.

        Returns:
            The fingerprints of what stands there now.
        """
        record, workspace, path_of = self.record, self.workspace, self.workspace.path
        names = (self.stage.name, *self.stage.instead_of)
        staged = {path.relative_to(folder).as_posix(): path for path in files_below(folder)}
        made = staged
        if self.stage.in_place:
            made = {workspace.key(path): path for path in self.stage.outputs(workspace)}
        prints = {key: fingerprint(path) for key, path in made.items()}
        before = {key for n in names for key in record.entry(n).outputs}
        before |= {key for n in names for key in record.moving.get(n, [])}
        refuse_folders(map(path_of, staged))
        gone = before - prints.keys() - self._input_keys().keys()
        out_of_date = [path for path in map(workspace.refuse_outside, gone) if not path.is_dir()]
        self._set_aside_what_told_of_others(prints)
        for key, print_ in prints.items():
            record.remember(key, print_.sha256)
        record.moving[self.stage.name] = sorted({*before, *prints})
        record.save()
        for key, path in staged.items():
            if path_of(key).is_file() and not self._is_known(key):
                self._keep(path_of(key))
            move_into_place(path, path_of(key))
        for path in filter(workspace.holds, out_of_date):
            path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # other files are in it, or it is gone
                path.parent.rmdir()
        for name in names:
            shutil.rmtree(workspace.kept(name), ignore_errors=True)
        return prints

    def _write_entry(self, report: Report, outputs: dict, seconds: float) -> None:
        record, stage = self.record, self.stage
        for name in (stage.name, *stage.instead_of):
            record.moving.pop(name, None)
            record.stages.pop(name, None)
        record.stages[stage.name] = Entry(
            settings=self.settings.of_the_result(),
            inputs=self._input_keys(),
            outputs=outputs,
            report=report.to_json(),
            seconds=round(seconds, 1),
            finished=time.strftime("%Y-%m-%d %H:%M:%S"),
            versions=versions(),
            events=self.events,
            also=self._also(),
        )
        record.save()


def _noted(report: Report, notes: list[str]) -> Report:
    return dataclasses.replace(report, notes=(*notes, *report.notes))
