"""The folders of a training's checkpoints: where it goes on, and where its result comes to lie.

fairseq resumes by itself from ``checkpoint_last.pt`` in its folder, whatever base model, data or
settings it is given; so ``run.json`` there names the ones it was made with. A run trains in
``checkpoints.unfinished``; when it is done, that becomes ``checkpoints``, and what lay there before
``checkpoints.NAME`` (see ``folders``). So a result stays in its place until there is another, and a
run that was begun or finished once is found again, wherever its folder lies. A finished one goes on
where only ``max_update`` is larger now.
"""

import contextlib
import dataclasses
import math
import os
from collections.abc import Iterable
from pathlib import Path
from shutil import copyfile as copy

from helpers.common.errors import CourseError
from helpers.common.files import files_below, flush, remove, write_whole
from helpers.models import checkpoints
from helpers.models.finite import refuse_not_finite
from helpers.models.summaries import summary
from helpers.training.log.events import LOG, events, stopped_early
from helpers.training.runs.folders import Run, earlier, keep, unfinished, written
from helpers.training.schedule import corners
from helpers.workflow.definition import Job
from helpers.workflow.record import is_as_known
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace

LAST, BEST = "checkpoint_last.pt", "checkpoint_best.pt"
CRASHED = "crash.pt"  # what fairseq saves where gradients are no numbers
IN_BETWEEN = "checkpoint_*_*.pt"  # fairseq's name for one in between: epoch_update


def updates_before(workspace: Workspace, settings: FinetuneSettings) -> int:
    """The updates that the base's own training counts for this run.

    Raises:
        CourseError: ``continue`` is asked for, and the base lacks what it needs.
    """
    if settings.start == "weights":
        return 0
    state = checkpoints.read(workspace.base_model)
    if not (state.get("last_optimizer_state") and state.get("optimizer_history")):
        raise CourseError(
            "To 'continue', fairseq needs the optimizer's state, and base/model.pt has none.",
            "Run 00_setup with keep_optimizer and a model.pt that has it, or start with 'weights'.",
        )
    refuse_not_finite(state["last_optimizer_state"], "The optimizer state in base/model.pt")
    optimizer = state["optimizer_history"][-1].get("optimizer_name", "FairseqAdam")
    if optimizer != "FairseqAdam":
        raise CourseError(
            f"The base was trained with the optimizer {optimizer}, and the course continues with "
            "FairseqAdam: fairseq cannot hand the state over.",
            "Start with 'weights', which needs no optimizer's state.",
        )
    done = checkpoints.updates(state)
    if settings.max_update <= done:
        raise CourseError(
            f"The base has {done:,} updates already, and max_update = {settings.max_update:,} "
            "counts from its first: fairseq would do one update at rate 0 and call it a result.",
            f"Set max_update to {done:,} and as many more as you want, or start with 'weights'.",
        )
    return done


def begin_or_resume(job: Job) -> tuple[int, list[str]]:
    """Make the folder of the training ready: the updates that are done already, and notes."""
    workspace, folder, notes = job.workspace, job.workspace.training, []
    run = Run.of(workspace, job.settings, job.inputs)
    same = None if job.force else _made_from(run, workspace)
    before = None if job.force or same else _to_go_on_from(run, workspace)
    if same != folder and any(folder.glob("*.pt")):
        kept = keep(folder, run).name
        notes.append(f"An unfinished training with other settings or data is kept in {kept}.")
    if same != folder:
        remove(folder)
    if before:
        _copy_to_go_on(before, run, job.folder / folder.name, folder)
    elif same is None:
        run.write(folder)
        return 0, notes
    elif same != folder:
        same.rename(folder)
    done, mended = _mend(folder)
    if before:
        notes.append(f"It goes on from the finished {done:,} updates in {before.name}.")
    elif same not in (folder, workspace.checkpoints):
        notes.append(f"The same training was found in {same.name}.")
    if not before and done and not is_done(folder, done, job.settings):
        notes.append(f"An interrupted run was continued after update {done:,}.")
    return done, [*notes, *mended]


def is_done(folder: Path, done: int, settings: FinetuneSettings) -> bool:
    """Whether there is nothing to train: fairseq would do one more update, at rate 0.

    What ``patience`` has ended stays ended.
    """
    return done >= settings.max_update or (done > 0 and stopped_early(folder / LOG))


def _made_from(run: Run, workspace: Workspace) -> Path | None:
    """The folder with the checkpoints of the same run, finished or not; None without one."""
    finished = (workspace.checkpoints, *earlier(workspace))
    folders = (workspace.training, *finished, *unfinished(workspace))
    return next((folder for folder in folders if run.is_same(written(folder))), None)


def _shorter(run: Run, workspace: Workspace) -> dict[Path, int]:
    """The folders of finished trainings that this run is a longer one of, the longest first.

    Each with its ``max_update``.
    """
    folders = (workspace.checkpoints, *earlier(workspace))
    found = {folder: made for folder in folders if run.goes_on(made := written(folder))}
    lengths = {folder: made.settings["max_update"] for folder, made in found.items()}
    return dict(sorted(lengths.items(), key=lambda item: -item[1]))


def _to_go_on_from(run: Run, workspace: Workspace) -> Path | None:
    """The longest of these that was trained to its end, and whose last checkpoint can be used."""
    for folder, until in _shorter(run, workspace).items():
        if (last := summary(folder / LAST)) and last.updates >= until:
            return folder
    return None


def what_is_there(
    workspace: Workspace, settings: FinetuneSettings, inputs: Iterable[Path]
) -> tuple[int, str]:
    """The updates of such a training that are done already, and a sentence on it; 0 and nothing.

    What takes long is not looked at: files that no record knows, and whether a checkpoint can be
    used.

    Args:
        inputs: what would be read.
    """
    known = {k: v for entry in workspace.record.stages.values() for k, v in entry.outputs.items()}
    known |= workspace.record.entry("finetune").inputs
    prints = {path: known.get(workspace.key(path)) for path in inputs}
    if not all(v and path.is_file() and is_as_known(path, v) for path, v in prints.items()):
        return 0, ""
    run = Run.of(workspace, settings, prints)
    if same := _made_from(run, workspace):
        done = _logged(same)
        if is_done(same, done, settings):
            return (
                settings.max_update,
                f"It is done, and kept in {same.name}: without force nothing is trained.",
            )
        said = f"{done:,} updates of it are logged: it goes on from its last checkpoint."
        return done, said if done else ""
    for folder, until in _shorter(run, workspace).items():
        if _logged(folder) >= until:
            highest = max(rate for _, rate in corners(until, settings))
            return until, (
                f"Goes on from the finished {until:,} updates in {folder.name}, and the rate rises "
                f"again from 0 to {highest:.2g}. With force it begins anew."
            )
    return 0, ""


def _logged(folder: Path) -> int:
    """The updates that a training's log tells of."""
    log = folder / LOG
    return max((e.update for e in events(log)), default=0) if log.is_file() else 0


def _copy_to_go_on(before: Path, run: Run, draft: Path, folder: Path) -> None:
    """Begin with all that a finished training has; it stays where it is until this one is done."""
    found = written(before)
    after = (*found.went_on_after, found.settings["max_update"])
    try:
        for file in files_below(before):
            _second(file, draft / file.relative_to(before))
        dataclasses.replace(run, went_on_after=after).write(draft)
    except BaseException:
        remove(draft)
        raise
    draft.rename(folder)


def _second(file: Path, target: Path) -> None:
    """A copy; of a checkpoint, which is replaced and never changed, a second name is enough."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix == ".pt":
        with contextlib.suppress(OSError):  # some disks know no second names
            target.hardlink_to(file)
            return
    copy(file, target)


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
    readable = [s for file in folder.glob("*.pt") if (s := summary(file))]
    if not readable:
        for file in folder.glob("*.pt"):
            file.unlink()
        return 0, []
    notes = []
    measured = [s for s in readable if not math.isnan(s.loss)]
    for name, able in ((LAST, readable), (BEST, measured)):
        if able and name not in {s.file.name for s in readable}:
            newest = max(able, key=lambda s: (s.updates, s.file.name == LAST))
            write_whole(folder / name, lambda target, newest=newest: copy(newest.file, target))
            notes.append(f"{name} could not be used; {newest.file.name} took its place.")
    return summary(folder / LAST).updates, notes
