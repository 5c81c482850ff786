"""The folder of a training's checkpoints: what an interrupted run goes on from, and what is moved.

fairseq resumes by itself from ``checkpoint_last.pt`` in its folder, whatever base model, data or
settings it is given; so ``run.json`` there names the ones it was made with, and checkpoints of
other runs are moved aside first.
"""

import json
import shutil
from pathlib import Path

from helpers.common.errors import CourseError
from helpers.common.files import set_aside, write_whole
from helpers.models import checkpoints
from helpers.models.finite import refuse_not_finite
from helpers.models.summaries import summary
from helpers.workflow.definition import Job
from helpers.workflow.settings import FinetuneSettings
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
    """Make the folder ready: the updates that are done already, and notes."""
    folder = job.workspace.checkpoints
    identity = _identity(job)
    notes = []
    if folder.is_dir() and any(folder.iterdir()):
        if not job.force and written_identity(folder) == identity:
            return _mend(folder)
        notes.append(f"The checkpoints of another run are kept in {set_aside(folder).name}.")
    write_whole(folder / RUN, json.dumps(identity, indent=1) + "\n")
    return 0, notes


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
    newest = max(readable, key=lambda s: (s.updates, s.file.name == LAST))
    whole = {s.file.name for s in readable}
    notes = []
    for name in (LAST, BEST):
        if name not in whole:
            write_whole(folder / name, lambda target: shutil.copyfile(newest.file, target))
            notes.append(f"{name} could not be used; {newest.file.name} took its place.")
    done = next((s.updates for s in readable if s.file.name == LAST), newest.updates)
    return done, [f"An interrupted run was continued after update {done}.", *notes]
