"""What a stage reads: is all of it there, and none of it older than what it was made from?"""

import contextlib
import dataclasses
from collections.abc import Mapping
from pathlib import Path

from helpers.common.errors import CourseError, StageMissing, StageStale
from helpers.workflow.definition import Stage
from helpers.workflow.parameters import Settings
from helpers.workflow.record import Fingerprint, Record, fingerprint, is_as_known, is_unchanged
from helpers.workflow.workspace import Workspace

BACK = "again, then come back here."


@dataclasses.dataclass(frozen=True)
class InputCheck:
    """The inputs of stages in a workspace, held against its record."""

    road: Mapping[str, Stage]
    workspace: Workspace
    record: Record

    def read(
        self, stage: Stage, settings: Settings
    ) -> tuple[list[Path], dict[Path, Fingerprint], list[str]]:
        """The inputs of a stage, their fingerprints, and the names of the student's own.

        Raises:
            StageMissing, StageStale: see :meth:`helpers.workflow.road.Road.run`.
        """
        files, prints, own = stage.inputs(self.workspace, settings), {}, []
        makers = {path: self._maker(stage, path) for path in files}
        for path, maker in makers.items():
            if not path.is_file():
                first = f"Run {(maker or stage).how_to_run} first."
                raise StageMissing(
                    f"{self.workspace.key(path)} is not there yet.",
                    " ".join((first, *self.workspace.others())),
                )
            known = self._known(stage, path, maker)
            if not (known and is_as_known(path, known)):
                stage.look(path, settings)
        for path, maker in makers.items():
            key = self.workspace.key(path)
            made = self.record.entry(maker.name).outputs.get(key) if maker else None
            prints[path] = fingerprint(path, self._known(stage, path, maker))
            if maker is None:
                continue
            if made and made.sha256 == prints[path].sha256:
                self._refuse_stale(maker)
            else:
                own.append(key)
        return files, prints, own

    def _known(self, stage: Stage, path: Path, maker: Stage | None) -> Fingerprint | None:
        """The fingerprint that an input had, when it was read or made."""
        key = self.workspace.key(path)
        made = self.record.entry(maker.name).outputs.get(key) if maker else None
        return self.record.entry(stage.name).inputs.get(key) or made

    def _maker(self, stage: Stage, path: Path) -> Stage | None:
        """The stage that makes an input; where several could, the one that has.

        Raises:
            StageStale: it was stopped while it put the file in its place.
        """
        after = [self.road[name] for name in stage.after]
        makers = [maker for maker in after if path in maker.outputs(self.workspace)]
        done = [maker for maker in makers if maker.name in self.record.stages]
        maker = next(iter((*done, *makers)), None)
        key = self.workspace.key(path)
        stopped = [other for other in makers if other.name in self.record.moving]
        hashes = self.record.made.get(key, [])
        if stopped and path.is_file() and fingerprint(path).sha256 in hashes:
            raise StageStale(
                f"{stopped[0].called} was stopped while it put {key} and others in their place.",
                f"Run {stopped[0].how_to_run} {BACK}",
            )
        return maker

    def _refuse_stale(self, stage: Stage) -> None:
        """Raise StageStale if what a stage's outputs were made from has changed since.

        Inputs that have been removed do not count: large intermediate files may be deleted.
        """
        entry = self.record.stages[stage.name]
        for name in stage.after:
            if name in self.record.stages:
                self._refuse_stale(self.road[name])
        settings, read, before = self._settings(stage), [], dict(entry.inputs)
        with contextlib.suppress(CourseError):  # what was named is not there any more
            read = [self.workspace.key(path) for path in stage.inputs(self.workspace, settings)]
        # With the course, or with a copy of the workspace, files outside have moved.
        moved = [key for key in before if read and key not in read and self._is_outside(key)]
        contents = {before.pop(key).sha256 for key in moved}
        for key in dict.fromkeys((*before, *read)):
            path = self.workspace.path(key)
            if not path.is_file() or (key in before and is_unchanged(path, before[key])):
                continue
            if key in before or fingerprint(path).sha256 not in contents:
                raise StageStale(
                    f"{key} has changed since {stage.called} was run.",
                    f"Run {stage.how_to_run} {BACK}",
                )

    def _settings(self, stage: Stage) -> Settings:
        """Those a stage was run with, as far as this version of the course knows them.

        Raises:
            StageStale: one of them has a value that is not possible here.
        """
        recorded, known = self.record.stages[stage.name].settings, stage.settings.model_fields
        try:
            return stage.settings(**{name: recorded[name] for name in recorded.keys() & known})
        except CourseError as error:
            raise StageStale(
                f"Whether the inputs of {stage.called} have changed cannot be told, since another "
                f"version of the course ran it: {error.message}",
                f"Run {stage.how_to_run} {BACK}",
            ) from None

    def _is_outside(self, key: str) -> bool:
        return not self.workspace.path(key).is_relative_to(self.workspace.root)
