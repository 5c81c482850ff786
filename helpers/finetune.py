"""Continued masked-language-model training by ``fairseq-hydra-train``.

fairseq resumes by itself from ``checkpoint_last.pt`` in its folder, whatever base model, data or
settings it is given; so ``run.json`` there names the ones it was made with, and checkpoints of
other runs are moved aside first.
"""

import dataclasses
import json
import shutil
from pathlib import Path

from helpers import checkpoints
from helpers.binarize import (
    binarized_files,
    data_folders,
    refuse_both,
    refuse_other_dictionary,
)
from helpers.errors import CourseError, StageMissing
from helpers.fairseq_tools import CONFIG, train_command
from helpers.files import set_aside, write_whole
from helpers.indexed import read_sizes
from helpers.report import Report, Table
from helpers.settings import FinetuneSettings
from helpers.stage import Job, Stage
from helpers.summaries import summary
from helpers.training import curve, events, train
from helpers.workspace import SPLITS, Workspace

CONFIG_FILE = CONFIG / "finetuning" / "finetune.yaml"
LAST, BEST, RUN, LOG = "checkpoint_last.pt", "checkpoint_best.pt", "run.json", "train.log"
IN_BETWEEN = "checkpoint_*_*.pt"  # fairseq's name for one in between: epoch_update


@dataclasses.dataclass(frozen=True, kw_only=True)
class FinetuneReport(Report):
    """Losses are in bits per masked token; curves are ``(update, loss)`` in order."""

    TITLE = "The base model was trained further"
    updates: int
    best_update: int
    best_loss: float
    train_curve: tuple[tuple[int, float], ...]
    valid_curve: tuple[tuple[int, float], ...]

    def table(self) -> Table:
        head = ("updates", "best at update", "validation loss (bits)", "perplexity")
        return head, [(self.updates, self.best_update, self.best_loss, 2**self.best_loss)]


def overrides(
    workspace: Workspace, settings: FinetuneSettings, resumed: bool = False
) -> dict[str, object]:
    """Hydra's overrides for ``finetune.yaml``: all paths absolute, the shape from the base.

    Hydra changes the working directory: a relative base path would silently train from nothing.

    Args:
        resumed: an interrupted run goes on, from its own ``checkpoint_last.pt``.
    """
    shape = checkpoints.shape(checkpoints.read(workspace.base_model))
    return {
        "task.data": ":".join(map(str, data_folders(workspace.data_bin))),
        "checkpoint.save_dir": workspace.checkpoints,
        **_beginning(workspace, settings.start, resumed),
        "hydra.run.dir": workspace.checkpoints,
        "optimization.max_update": settings.max_update,
        "optimization.lr": [settings.lr],
        "optimization.update_freq": [settings.update_freq],
        "lr_scheduler.warmup_updates": round(settings.warmup_share * settings.max_update),
        "lr_scheduler.total_num_update": settings.max_update,
        "optimizer.weight_decay": settings.weight_decay,
        "dataset.max_tokens": settings.max_tokens,
        "task.tokens_per_sample": min(shape["max_positions"], settings.max_tokens),
        "checkpoint.save_interval_updates": settings.validate_every,
        "common.seed": settings.seed,
        **{f"model.{name}": value for name, value in shape.items()},
        "model.dropout": settings.dropout,
        "model.attention_dropout": settings.dropout,
    }


def _beginning(workspace: Workspace, start: str, resumed: bool) -> dict[str, object]:
    """What training takes over, from which file.

    With ``finetune_from_model`` fairseq takes the weights, and by itself resumes what was
    interrupted. With ``restore_file`` it takes everything, and would do so again each time.
    """
    if start == "weights":
        return {"checkpoint.finetune_from_model": workspace.base_model}
    if resumed:
        return {"checkpoint.finetune_from_model": None}
    return {
        "checkpoint.finetune_from_model": None,
        "checkpoint.restore_file": workspace.base_model,
        "checkpoint.reset_dataloader": True,  # the position in the base's own data means nothing
        "checkpoint.reset_meters": True,  # else its best loss stays, and no checkpoint_best.pt
    }


def finetune_command(
    workspace: Workspace, settings: FinetuneSettings, resumed: bool = False
) -> list[str]:
    """The command that a student would type."""
    return train_command(CONFIG_FILE, overrides(workspace, settings, resumed))


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


def _check_data(workspace: Workspace, settings: FinetuneSettings) -> None:
    """What fairseq would stumble over an hour later, or skip with a warning."""
    refuse_both(workspace.data_bin)
    refuse_other_dictionary(workspace)
    first, *others = data_folders(workspace.data_bin)
    _refuse_lost_shards(workspace)
    state = checkpoints.read(workspace.base_model)
    longest = min(checkpoints.shape(state)["max_positions"], settings.max_tokens) - 1
    for file in (*(first / split for split in SPLITS), *(other / "train" for other in others)):
        sizes, _ = read_sizes(file)
        split = file.name if not others else f"{file.name} in {file.parent.name}"
        if file.name != "test" and not len(sizes):
            raise CourseError(
                f"The split {split} is empty, and training needs it.",
                "Split again (notebook 01_split) with a larger share for it.",
            )
        if len(sizes) and sizes.max() > longest:
            raise CourseError(
                f"Line {int(sizes.argmax()) + 1:,} of {split} has {int(sizes.max()) - 1:,} tokens; "
                f"with these settings the model reads at most {longest - 1:,}.",
                f"Split again (notebook 01_split) with max_line_tokens = {longest - 1}, or raise "
                "max_tokens.",
            )


def _refuse_lost_shards(workspace: Workspace) -> None:
    """Where shards are missing behind the last one, nobody would see it by their names."""
    made = workspace.record.entry("prepare").outputs
    lost = [key for key in made if not workspace.path(key).is_file()]
    if lost and data_folders(workspace.data_bin) != [workspace.data_bin]:
        raise StageMissing(
            f"{lost[0]} is not there any more, and training would leave it out.",
            "Run prepare again.",
        )


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


def _begin_or_resume(job: Job) -> tuple[int, list[str]]:
    """Make the folder ready: the updates that are done already, and notes."""
    folder = job.workspace.checkpoints
    identity = _identity(job)
    notes = []
    if folder.is_dir() and any(folder.iterdir()):
        if not job.force and _written_identity(folder) == identity:
            return _mend(folder)
        notes.append(f"The checkpoints of another run are kept in {set_aside(folder).name}.")
    write_whole(folder / RUN, json.dumps(identity, indent=1) + "\n")
    return 0, notes


def _written_identity(folder: Path) -> dict | None:
    try:
        return json.loads((folder / RUN).read_text("utf-8"))
    except (OSError, ValueError):
        return None


def _mend(folder: Path) -> tuple[int, list[str]]:
    """Replace what a kill left half written; the updates done so far, and notes."""
    for rest in folder.glob("*.tmp"):
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
            notes.append(f"{name} could not be read; {newest.file.name} took its place.")
    done = next((s.updates for s in readable if s.file.name == LAST), newest.updates)
    return done, [f"An interrupted run was continued after update {done}.", *notes]


def _work(job: Job) -> FinetuneReport:
    workspace, settings, folder = job.workspace, job.settings, job.workspace.checkpoints
    _check_data(workspace, settings)
    first = updates_before(workspace, settings)
    done, notes = _begin_or_resume(job)
    if done < settings.max_update:  # else fairseq would do one more update, at rate 0
        train(
            finetune_command(workspace, settings, resumed=done > 0),
            folder / LOG,
            max_update=settings.max_update,
            must_load=folder / LAST if done else workspace.base_model,
            done=done or first,
            lock=job.lock,
        )
    for file in folder.glob(IN_BETWEEN):
        file.unlink()
    return dataclasses.replace(_report(workspace), notes=tuple(notes))


def _report(workspace: Workspace) -> FinetuneReport:
    folder = workspace.checkpoints
    best = summary(folder / BEST)
    last = summary(folder / LAST)
    if best is None or last is None:
        raise CourseError(
            f"{folder} has no {BEST if best is None else LAST} that can be read.",
            "Run the notebook 04_finetune again with force.",
        )
    found = events(folder / LOG) if (folder / LOG).is_file() else []
    return FinetuneReport(
        updates=last.updates,
        best_update=best.updates,
        best_loss=best.loss,
        train_curve=tuple(curve(found, "train_inner")),
        valid_curve=tuple(curve(found, "valid")),
    )


FINETUNE = Stage(
    name="finetune",
    does="train the base model further on the data, which takes longest",
    notebook="04_finetune",
    settings=FinetuneSettings,
    report=FinetuneReport,
    inputs=lambda workspace, settings: [
        workspace.base_model,
        workspace.base_dict,
        *binarized_files(workspace.data_bin),
    ],
    outputs=lambda workspace: [workspace.checkpoints / BEST, workspace.checkpoints / LAST],
    work=_work,
    after=("binarize", "prepare", "base"),
)
