"""What a stage of the road is: what it reads, what it writes, and the work between."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

from helpers.common.report import Report
from helpers.workflow.parameters import Settings
from helpers.workflow.record import Fingerprint
from helpers.workflow.workspace import Workspace

Prints = dict[Path, Fingerprint]


@dataclasses.dataclass(frozen=True)
class Job:
    """What a stage's work is given.

    Attributes:
        workspace, settings: where, and with which settings, it is done.
        files: what the result is made of, in order: the files whose fingerprints are taken. Another
            file may be looked at to check the result, never to make it.
        inputs: the fingerprints of ``files``.
        folder: an empty folder that mirrors the workspace; what is written there is moved into
            the workspace when the work is done.
        kept: a folder, made when it is needed, that outlives a run that was broken off; it is
            removed when the stage is done.
        lock: file descriptor of the workspace's lock, for a child that must hold it too.
        force: begin from nothing, even where an interrupted run could go on.
        events: takes what is to be told of this work, and not of its result.
    """

    workspace: Workspace
    settings: Settings
    files: Sequence[Path]
    inputs: Prints
    folder: Path
    kept: Path
    lock: int
    force: bool
    events: list[str] = dataclasses.field(default_factory=list)

    def out(self, path: Path) -> Path:
        """Where to write the file that will stand at ``path`` in the workspace."""
        staged = self.folder / path.relative_to(self.workspace.root)
        staged.parent.mkdir(parents=True, exist_ok=True)
        return staged


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stage:
    """A stage of the road; :meth:`helpers.workflow.road.Road.run` does its work.

    Attributes:
        name: the command, and the key in the record.
        does: one line for the help.
        notebook: the notebook that runs it; empty where only the command line has it.
        inputs: every file that the work reads.
        also: what else the result depends on, as plain JSON values.
        look: reads the beginning of an input and raises a CourseError where it will be refused,
            before all of it is read for its fingerprint.
        settings, report: what the work is given and returns; both go into the record.
        outputs: the files that later stages, or people, take from it; files there that no record
            knows are the student's.
        work: does it, and returns the report.
        describe: the report on outputs that the student has put there. Without it nothing counts
            as the student's own: the work itself decides what happens to files in its place.
        in_place: the work itself puts its outputs where they are to stand, because it takes hours
            and goes on where it was broken off; else it writes into the job's folder, and whatever
            lies there when it is done is moved into the workspace.
        loses: what a person loses who stops it.
        after: names of the stages whose outputs are read.
        instead_of: names of stages that make the same files in another way; the record keeps the
            one that has made them last.
        elsewhere: a folder that the settings name for the outputs, instead of their place in the
            workspace.
        check: refuses what can be told to be impossible before the stages before it have run: a
            CourseError, as the work itself would raise it later.
        job: writes the script of a SLURM job that does the work, by a profile, and submits it
            where that is asked for, by force where that is; what is to be said of it.
        inspect: looks at a folder that was made before, by this or another program, and tells
            what is known of it; with a file to compare it with, where one is given.
        then: what is made of the result for people, each time that it is there, made or reused;
            no stage reads it, and no record knows it. Returns what is to be said of it.
        plan: what the work will do and need, told before it begins, from the inputs with their
            fingerprints. The lock is given where some of it is to be tried for that.
    """

    name: str
    does: str
    notebook: str
    settings: type[Settings]
    report: type[Report]
    inputs: Callable[[Workspace, Settings], list[Path]]
    outputs: Callable[[Workspace], list[Path]]
    work: Callable[[Job], Report]
    also: Callable[[Workspace, Settings], dict[str, object]] = lambda workspace, settings: {}
    look: Callable[[Path, Settings], None] = lambda path, settings: None
    describe: Callable[[Workspace], Report] | None = None
    after: tuple[str, ...] = ()
    instead_of: tuple[str, ...] = ()
    in_place: bool = False
    loses: str = "what it has done so far; what was made before stays"
    elsewhere: Callable[[Settings], Path | None] = lambda settings: None
    check: Callable[[Workspace, Settings], None] = lambda workspace, settings: None
    then: Callable[[Workspace, Settings], Sequence[str]] = lambda workspace, settings: ()
    plan: Callable[[Workspace, Settings, Prints, int | None], Report] | None = None
    job: Callable[[Workspace, Settings, str, bool, bool], str] | None = None
    inspect: Callable[[Workspace, Settings, Path, Path | None], Report] | None = None

    @property
    def called(self) -> str:
        """The notebook's name, by which people know the stage, else the command's."""
        return self.notebook or self.name

    @property
    def how_to_run(self) -> str:
        """What a person runs, in a sentence."""
        return f"the notebook {self.notebook}" if self.notebook else f"the command {self.name}"
