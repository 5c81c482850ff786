"""The folders of a training's checkpoints: where it goes on, and where its result comes to lie.

fairseq resumes by itself from ``checkpoint_last.pt`` in its folder, whatever base model, data or
settings it is given; so ``run.json`` there names the ones it was made with. A run trains in
``checkpoints.unfinished``; when it is done, that becomes ``checkpoints``, and what lay there before
``checkpoints.NAME`` (see ``folders``). So a result stays in its place until there is another, and a
run that was begun or finished once is found again, wherever its folder lies (see ``going_on``).
"""

import contextlib
import dataclasses
import math
import os
from collections.abc import Sequence
from pathlib import Path
from shutil import copyfile as copy

from helpers.common.errors import CourseError
from helpers.common.files import files_below, flush, remove, write_whole
from helpers.models import checkpoints
from helpers.models.summaries import Summary, summary
from helpers.training.log.diagnosis import diverged
from helpers.training.log.events import LOG
from helpers.training.runs.folders import BEST, CRASHED, LAST, in_between, keep, saved, unfinished
from helpers.training.runs.going_on import is_done, made_from, possible, to_go_on_from, trained
from helpers.training.runs.run import Run, written
from helpers.workflow.definition import Job
from helpers.workflow.workspace import Workspace

BEGINS_ANEW = "the training began anew."


def begin_or_resume(job: Job) -> tuple[int, list[str]]:
    """Make the folder of the training ready: the updates that are done already, and notes."""
    workspace, folder, notes = job.workspace, job.workspace.training, []
    run = Run.of(workspace, job.settings, job.inputs)
    same = None if job.force else made_from(run, workspace)
    before = None if job.force or same else to_go_on_from(run, job.settings, workspace)
    if before in unfinished(workspace):  # from here on it is this one
        _name_in_between(before, run)
        _went_on(run, before).write(before)
        same = before
    if not (job.force or same or before):
        lost = (path.name for path, _ in possible(run, job.settings, workspace) if saved(path))
        notes += [f"No checkpoint in {name} could be used: {BEGINS_ANEW}" for name in lost]
    if same != folder and saved(folder):
        kept = keep(folder, run).name
        notes.append(f"An unfinished training with other settings or data is kept in {kept}.")
    if same != folder:
        remove(folder)
    if before and not same:
        _copy_to_go_on(before, run, job.folder / folder.name, folder)
    elif same is None:
        run.write(folder)
        return 0, notes
    elif same != folder:
        same.rename(folder)
    done, mended = _mend(folder)
    if before:
        notes.append(f"It went on from the {done:,} updates in {before.name}.")
    elif same not in (folder, workspace.checkpoints):
        notes.append(f"The same training was found in {same.name}.")
    if not before and done and not is_done(folder, done, job.settings):
        notes.append(f"An interrupted run was continued after update {done:,}.")
    return done, [*notes, *mended]


def _went_on(run: Run, before: Path) -> Run:
    """What is to be written of a run that goes on from another one.

    With nothing but more patience it will be as one in one go.
    """
    found, done = written(before), trained(before)
    parts, until = found.went_on_after, found.settings["max_update"]
    if parts and parts[-1][0] == done:  # nothing was done with that max_update
        *parts, (_, until) = parts
    if until != run.settings["max_update"]:
        parts = (*parts, (done, until))
    return dataclasses.replace(run, went_on_after=tuple(parts), computed=found.computed)


def _copy_to_go_on(before: Path, run: Run, draft: Path, folder: Path) -> None:
    """Begin with all that a finished training has; it stays where it is until this one is done."""
    try:
        for file in files_below(before):
            _second(file, draft / file.relative_to(before))
        _name_in_between(draft, run)
        _went_on(run, before).write(draft)
    except BaseException:
        remove(draft)
        raise
    draft.rename(folder)


def _name_in_between(folder: Path, run: Run) -> None:
    """Give the last checkpoint the name that it has where a training does not end with it.

    (``keep_newest`` has taken it away. At the end of an epoch fairseq gives none.)
    """
    last = summary(folder / LAST)
    every = run.settings["validate_every"] if run.settings["keep_checkpoints"] else 0
    if last and every and last.updates % every == 0:
        at = checkpoints.read(folder / LAST)["extra_state"]["train_iterator"]
        name = folder / f"checkpoint_{at['epoch']}_{last.updates}.pt"
        if at["iterations_in_epoch"] and not name.exists():
            _second(folder / LAST, name)


def _second(file: Path, target: Path) -> None:
    """A copy; of a checkpoint, which is replaced and never changed, a second name is enough."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix == ".pt":
        with contextlib.suppress(OSError):  # some disks know no second names
            target.hardlink_to(file)
            return
    copy(file, target)


def keep_newest(folder: Path, number: int) -> list[str]:
    """Remove the checkpoints in between but so many of the newest; a note on these.

    What is a second name of the last one is none of them.
    """
    last = trained(folder)
    found = []
    for file in in_between(folder):
        if file.stem.endswith(f"_{last}"):
            file.unlink()
        else:
            found.append(file)
    gone = max(0, len(found) - number)
    for file in found[:gone]:
        file.unlink()
    kept = ", ".join(file.name for file in found[gone:])
    return [f"Kept beside the best and the last: {kept or 'none'}."] if number else []


def results(folder: Path) -> tuple[Summary, Summary]:
    """The best and the last checkpoint of a training that is done.

    Raises:
        CourseError: one of them cannot be used, or the loss is no number.
    """
    best, last = (summary(folder / name) for name in (BEST, LAST))
    if best is None or last is None:
        raise CourseError(
            f"{folder} has no {BEST if best is None else LAST} that can be used.",
            "Run the notebook 04_finetune again with force.",
        )
    if not math.isfinite(best.loss):
        raise diverged(best.updates, folder / LOG)
    return best, last


def finish(workspace: Workspace) -> list[str]:
    """Let a finished training take the place of the one before; notes."""
    folder, notes = workspace.checkpoints, []
    if os.path.lexists(folder) and not (folder.is_dir() and not any(folder.iterdir())):
        kept = keep(folder, written(workspace.training)).name
        notes.append(f"The checkpoints of the training before are kept in {kept}.")
    remove(folder)
    for path in (*files_below(workspace.training), workspace.training):
        flush(path)  # fairseq leaves it to the system when its folder reaches the disk
    workspace.training.rename(folder)
    flush(folder.parent)
    return notes


def _mend(folder: Path) -> tuple[int, list[str]]:
    """Replace what a kill left half written; the updates done so far, and notes."""
    for rest in (*folder.glob("*.tmp"), *folder.glob(CRASHED)):
        rest.unlink()
    files = saved(folder)
    readable = [s for file in files if (s := summary(file))]
    if not readable:
        for file in files:
            file.unlink()
        return 0, [f"No checkpoint there could be used: {BEGINS_ANEW}"] if files else []
    notes = []
    newest = max(readable, key=lambda s: (s.updates, s.file.name == LAST))
    for name, instead in ((LAST, newest), (BEST, _lowest(readable))):
        if instead and name not in {s.file.name for s in readable}:
            _take(instead.file, folder / name)
            notes.append(f"{name} could not be used; {instead.file.name} took its place.")
    return summary(folder / LAST).updates, notes


def _lowest(found: Sequence[Summary]) -> Summary | None:
    """The one with the lowest validation loss; None where none was measured."""
    measured = [s for s in found if not math.isnan(s.loss)]
    return min(measured, key=lambda s: (s.loss, s.file.name != BEST), default=None)


def _take(file: Path, target: Path) -> None:
    write_whole(target, lambda draft: copy(file, draft))


def choose_best(folder: Path) -> list[str]:
    """Let ``checkpoint_best.pt`` be the one with the lowest loss of those that are there; notes.

    It is, where fairseq has trained in one go; a best one that was lost in between fairseq still
    remembers, and would keep no other that is worse.
    """
    found = [s for file in saved(folder) if (s := summary(file))]
    lowest = _lowest(found)
    if lowest is None or lowest.file.name == BEST:
        return []
    _take(lowest.file, folder / BEST)
    return [f"{lowest.file.name} has the lowest loss of those that are left: it is {BEST} now."]
