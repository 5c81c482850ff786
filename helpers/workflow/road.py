"""The road: stages in their order, and the one door to the work of each."""

import contextlib
import dataclasses

from helpers.common.report import Report
from helpers.workflow.definition import Stage
from helpers.workflow.parameters import Settings
from helpers.workflow.run import Run
from helpers.workflow.stale_inputs import InputCheck
from helpers.workflow.workspace import Workspace


class Road(dict[str, Stage]):
    """Stages by their names, in order; :meth:`run` is the one door to the work of each."""

    def __init__(self, *stages: Stage) -> None:
        super().__init__({stage.name: stage for stage in stages})

    def run(
        self, name: str, workspace: Workspace, settings: Settings, *, force: bool = False
    ) -> Report:
        """Do a stage's work, unless the same was done before on the same inputs.

        Args:
            force: do it in any case, and begin from nothing.

        Raises:
            StageMissing, StageStale: an input is missing, or older than what it was made from.
            InUse: another run holds the workspace.
            CourseError: whatever else a person can mend.
        """
        with workspace.lock(name) as lock:
            for folder in (workspace.scratch, *map(workspace.kept, self)):
                workspace.refuse_link(folder)
            run = Run(self, self[name], workspace, settings, lock, force)
            target = self[name].elsewhere(settings)
            report = run.into_folder(target) if target else run.into_workspace()
            said = tuple(self[name].then(workspace, settings))
            return dataclasses.replace(report, notes=(*said, *report.notes)) if said else report

    def is_done(self, name: str, workspace: Workspace, settings: Settings) -> bool:
        """Whether a stage's work was done on the same inputs, so that :meth:`run` does nothing.

        Raises:
            CourseError: as :meth:`run`.
        """
        if self[name].elsewhere(settings):
            return False
        with workspace.lock(f"a look at {name}") as lock:
            return Run(self, self[name], workspace, settings, lock, force=False).is_done()

    def plan(
        self, name: str, workspace: Workspace, settings: Settings, *, probe: bool = False
    ) -> Report:
        """What a stage's work will do and need; nothing is done, but what is tried for a probe.

        Raises:
            CourseError: as :meth:`run`.
        """
        _, inputs, _ = InputCheck(self, workspace, workspace.record).read(self[name], settings)
        with workspace.lock(f"a probe of {name}") if probe else contextlib.nullcontext() as lock:
            return self[name].plan(workspace, settings, inputs, lock)
