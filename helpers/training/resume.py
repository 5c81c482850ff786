"""The folders of a training's checkpoints: where it goes on, and where its result comes to lie.

fairseq resumes by itself from ``checkpoint_last.pt`` in its folder, whatever base model, data or
settings it is given; so ``run.json`` there names the ones it was made with. A run trains in
``checkpoints.unfinished``; when it is done, that becomes ``checkpoints``, and what lay there before
``checkpoints.old-N``. So a result stays in its place until there is another, and a run that was
begun or finished once is found again, wherever its folder lies.
"""

import json
import math
import os
from pathlib import Path
from shutil import copyfile as copy

from helpers.common.errors import CourseError
from helpers.common.files import files_below, flush, remove, set_aside, write_whole
from helpers.models import checkpoints
from helpers.models.finite import refuse_not_finite
from helpers.models.summaries import summary
from helpers.workflow.definition import Job
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace

LAST, BEST, RUN = "checkpoint_last.pt", "checkpoint_best.pt", "run.json"
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
    if not state.get("last_optimizer_state"):
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


def _identity(job: Job) -> dict:
    """What makes two runs the same run: base, data and settings."""
    data_bin = job.workspace.data_bin
    data = {
        file.relative_to(data_bin).as_posix(): print_.sha256
        for file, print_ in job.inputs.items()
        if file.is_relative_to(data_bin)
    }
    return {
        "base": job.inputs[job.workspace.base_model].sha256,
        "data": data,
        "settings": job.settings.of_the_result(),
    }


def begin_or_resume(job: Job) -> tuple[int, list[str]]:
    """Make the folder of the training ready: the updates that are done already, and notes."""
    folder, notes = job.workspace.training, []
    identity = _identity(job)
    same = None if job.force else _made_from(identity, job.workspace)
    if same != folder and any(folder.glob("*.pt")):
        kept = set_aside(folder).name
        notes.append(f"An unfinished training with other settings or data is kept in {kept}.")
    if same is None:
        remove(folder)
        write_whole(folder / RUN, json.dumps(identity, indent=1) + "\n")
        return 0, notes
    if same != folder:
        remove(folder)
        same.rename(folder)
    done, mended = _mend(folder)
    if same not in (folder, job.workspace.checkpoints):
        notes.append(f"The same training was found in {same.name}.")
    if 0 < done < job.settings.max_update:
        notes.append(f"An interrupted run was continued after update {done:,}.")
    return done, [*notes, *mended]


def _made_from(identity: dict, workspace: Workspace) -> Path | None:
    """The folder with the checkpoints of the same run, finished or not; None without one."""
    name = workspace.checkpoints.name
    asides = sorted(workspace.root.glob(f"{name}*.old-*"))
    for folder in (workspace.training, workspace.checkpoints, *asides):
        if written_identity(folder) == identity:
            return folder
    return None


def finish(workspace: Workspace) -> list[str]:
    """Let a finished training take the place of the one before; notes."""
    folder, notes = workspace.checkpoints, []
    if os.path.lexists(folder) and not (folder.is_dir() and not any(folder.iterdir())):
        kept = set_aside(folder).name
        notes.append(f"The checkpoints of the training before are kept in {kept}.")
    remove(folder)
    for path in (*files_below(workspace.training), workspace.training):
        flush(path)  # fairseq leaves it to the system when its checkpoints reach the disk
    workspace.training.rename(folder)
    flush(folder.parent)
    return notes


def written_identity(folder: Path) -> dict | None:
    """What ``run.json`` says that a folder's checkpoints were made from; None without it."""
    try:
        found = json.loads((folder / RUN).read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


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
