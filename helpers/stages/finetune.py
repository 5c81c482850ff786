"""Continued masked-language-model training by ``fairseq-hydra-train``."""

import dataclasses
import importlib.util
import math
import shutil
import sys
from pathlib import Path

from helpers.base.replay import mix, replayed
from helpers.base.replay_files import look_at_replay_files, replay_files
from helpers.base.sources import refuse_unfit
from helpers.common.errors import CourseError, StageMissing, Stopped
from helpers.common.processes import kernel
from helpers.common.report import Report, Table, cell
from helpers.common.symbols import SPLITS
from helpers.ids.binary_files import read_counts
from helpers.ids.data_bin import (
    binarized_files,
    data_folders,
    refuse_both,
    refuse_other_dictionary,
    refuse_unlisted,
)
from helpers.ids.dictionary import Dictionary
from helpers.models import checkpoints, shapes
from helpers.models.masked_lm import perplexity
from helpers.models.summaries import summary
from helpers.tokens.units import of_undivided
from helpers.training.command import MIXED, finetune_command, folders_to_train
from helpers.training.log.events import LOG, curve, diverged, events
from helpers.training.masking import scripts_to_divide
from helpers.training.options import refuse_impossible
from helpers.training.plan.plan import TrainingPlan
from helpers.training.plan.planning import plan_training
from helpers.training.plan.speed import from_probe
from helpers.training.runs.folders import Run, written
from helpers.training.runs.resume import (
    BEST,
    IN_BETWEEN,
    LAST,
    begin_or_resume,
    finish,
    is_done,
)
from helpers.training.schedule import corners
from helpers.training.train import train
from helpers.workflow.definition import Job, Stage
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace

RUINED = 3.0  # bits more than the base: most of what it knew is lost
TENSORBOARDS = ("tensorboard", "tensorboardX")  # fairseq takes the one that is there


@dataclasses.dataclass(frozen=True, kw_only=True)
class FinetuneReport(Report):
    """Losses are in bits per masked token; curves are ``(update, loss)`` in order.

    ``replayed`` is the share of general text among the tokens that were trained on.
    """

    TITLE = "The base model was trained further"
    updates: int
    best_update: int
    best_loss: float
    train_curve: tuple[tuple[int, float], ...]
    valid_curve: tuple[tuple[int, float], ...]
    replayed: float = 0.0

    def table(self) -> Table:
        head = ("updates", "best at update", "validation loss (bits)", "perplexity")
        return head, [(self.updates, self.best_update, self.best_loss, perplexity(self.best_loss))]


def _check_settings(workspace: Workspace, settings: FinetuneSettings) -> None:
    """Raise CourseError where fairseq would say nothing, or not before it has begun."""
    refuse_impossible(settings.extra)
    if settings.replay_files and not settings.replay:
        raise CourseError(
            "replay_files names general text, and replay = 0 uses none of it.",
            "Set replay to the share that it is to have, such as 0.25, or leave replay_files out.",
        )
    replay_files(workspace, settings)
    if settings.tensorboard and not any(map(importlib.util.find_spec, TENSORBOARDS)):
        raise CourseError(
            "tensorboard = True needs one of the packages tensorboard and tensorboardX, and "
            "neither is installed here.",
            "Install one (pip install tensorboard), or leave tensorboard out: the curve in "
            "04_finetune needs none.",
        )


def _longest(workspace: Workspace, settings: FinetuneSettings) -> int:
    """The most tokens of a sample beside ``<s>``."""
    state = checkpoints.read(workspace.base_model)
    return min(shapes.shape(state)["max_positions"], settings.max_tokens) - 1


def _check_data(workspace: Workspace, settings: FinetuneSettings) -> None:
    """Raise CourseError where fairseq would stumble an hour later, or skip with a warning."""
    refuse_both(workspace.data_bin)
    refuse_unlisted(workspace.data_bin)
    refuse_other_dictionary(workspace)
    first, *others = data_folders(workspace.data_bin)
    _refuse_lost_shards(workspace)
    state = checkpoints.read(workspace.base_model)
    dictionary = Dictionary.load(workspace.base_dict)
    refuse_unfit(state, dictionary, workspace.base_model, workspace.base_dict)
    for file in (*(first / split for split in SPLITS), *(other / "train" for other in others)):
        read_counts(file, dictionary)  # refuses what would stop fairseq
    look_at_replay_files(workspace, settings)


def _plan(
    workspace: Workspace, settings: FinetuneSettings, lock: int | None, *, anew: bool = False
) -> TrainingPlan:
    _check_settings(workspace, settings)
    _check_data(workspace, settings)
    inputs = () if anew else FINETUNE.inputs(workspace, settings)
    plan = plan_training(workspace, settings, inputs)
    if lock is None or any(finding.stops for finding in plan.findings):
        return plan
    speed = from_probe(workspace, settings, plan.first, lock)
    return plan_training(workspace, settings, inputs, speed)


def _refuse_lost_shards(workspace: Workspace) -> None:
    """Raise StageMissing where shards are gone; nobody would see it by the names of the others."""
    made = workspace.record.entry("prepare").outputs
    lost = [key for key in made if not workspace.path(key).is_file()]
    if lost and data_folders(workspace.data_bin) != [workspace.data_bin]:
        raise StageMissing(
            f"{lost[0]} is not there any more, and training would leave it out.",
            "Run prepare again.",
        )


def _work(job: Job) -> FinetuneReport:
    workspace, settings, folder = job.workspace, job.settings, job.workspace.training
    plan = _plan(workspace, settings, None, anew=job.force)
    if kernel() is None:  # in a notebook it has a cell of its own
        print(plan, file=sys.stderr)
    done, told = begin_or_resume(job)
    job.events.extend(told)
    if not is_done(folder, done, settings):
        plan.refuse()
        if settings.replay:
            limit = _longest(workspace, settings) - 1  # each line ends in </s>
            mix(workspace, settings, limit)
            if settings.mask_unit == "word":
                mixed = folders_to_train(workspace, settings)
                dictionary = Dictionary.load(workspace.base_dict)
                general = scripts_to_divide([place / "train1" for place in mixed], dictionary)
                job.events.extend(filter(None, [of_undivided(general, "The general text")]))
        try:
            train(
                finetune_command(workspace, settings, resumed=done > 0),
                folder / LOG,
                max_update=settings.max_update,
                must_load=folder / LAST if done else workspace.base_model,
                done=done or plan.first,  # of an interrupted run, else of the base's own training
                lock=job.lock,
            )
        except KeyboardInterrupt:
            raise _stopped(job) from None
        finally:
            for begun in folder.glob("*.tmp"):  # on a full disk there is no room for what is half
                begun.unlink()
        shutil.rmtree(folder / MIXED, ignore_errors=True)
    kept = _keep(folder, settings.keep_checkpoints)
    report = _report(folder, settings, kept)
    ruined = _ruined(workspace, report.best_loss)
    report = dataclasses.replace(report, notes=(*ruined, *report.notes))
    job.events.extend(finish(workspace))
    return report


def _keep(folder: Path, number: int) -> list[str]:
    """Remove the checkpoints in between but the newest ones; the names of these, in order."""
    found = sorted(folder.glob(IN_BETWEEN), key=lambda file: int(file.stem.rpartition("_")[2]))
    gone = max(0, len(found) - number)
    for file in found[:gone]:
        file.unlink()
    return [file.name for file in found[gone:]]


def _stopped(job: Job) -> Stopped:
    """What to say of a training that was stopped: where it lies, and what lies there still."""
    workspace, folder = job.workspace, job.workspace.training
    saved = max((s.updates for file in folder.glob("*.pt") if (s := summary(file))), default=0)
    said = "Stopped before there was anything to save."
    if saved:
        said = (
            f"Stopped. {saved:,} of {job.settings.max_update:,} updates are saved in {folder}: run "
            "the same again, and it goes on from there."
        )
    if (workspace.checkpoints / BEST).is_file():
        said += f"\nThe training before stays in {workspace.checkpoints}."
    return Stopped("\n".join((said, *job.events)))


def _ruined(workspace: Workspace, bits: float) -> list[str]:
    """What is to be said of a loss that is far above what the base needs for plain sentences."""
    known = workspace.record.entry("base").report.get("bits")
    if not isinstance(known, float) or bits <= known + RUINED:
        return []
    return [
        f"{bits:.2f} bits are many more than the base needs for plain sentences ({known:.2f}): the "
        "text is of quite another kind, or the learning rate was so high that the model has lost "
        "what it knew. 06_evaluate tells which."
    ]


def _report(folder: Path, settings: FinetuneSettings, kept: list[str]) -> FinetuneReport:
    best = summary(folder / BEST)
    last = summary(folder / LAST)
    if best is None or last is None:
        raise CourseError(
            f"{folder} has no {BEST if best is None else LAST} that can be used.",
            "Run the notebook 04_finetune again with force.",
        )
    if not math.isfinite(best.loss):
        raise diverged(best.updates, folder / LOG)
    found = events(folder / LOG) if (folder / LOG).is_file() else []
    run = written(folder)
    notes = [_went_on(run)] if run and run.went_on_after else []
    if last.updates < settings.max_update:
        notes.append(
            f"Ended after {last.updates:,} of {settings.max_update:,} updates, as patience = "
            f"{settings.patience} asks: so many validations in a row were no better than the "
            "best before them."
        )
    if settings.keep_checkpoints:
        notes.append(f"Kept beside the best and the last: {', '.join(kept) or 'none'}.")
    general = replayed(folder) if settings.replay else None
    if general:
        notes.append(general.note)
    return FinetuneReport(
        updates=last.updates,
        best_update=best.updates,
        best_loss=best.loss,
        train_curve=tuple(curve(found, "train_inner")),
        valid_curve=tuple(curve(found, "valid")),
        replayed=general.share if general else 0.0,
        notes=tuple(notes),
    )


def _went_on(run: Run) -> str:
    """What is to be known of a result that was not made in one go."""
    after = run.went_on_after
    highest = max(rate for _, rate in corners(after[-1], FinetuneSettings(**run.settings)))
    return (
        f"This training went on from one of {' and one of '.join(map(cell, after))} updates that "
        f"was finished: the learning rate, which had fallen to 0, rose again to {cell(highest)}. "
        f"One of {cell(run.settings['max_update'])} updates in one go has other rates and another "
        "result."
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
        *replay_files(workspace, settings),
    ],
    outputs=lambda workspace: [workspace.checkpoints / BEST, workspace.checkpoints / LAST],
    work=_work,
    check=_check_settings,
    in_place=True,
    loses="nothing: fairseq saves a checkpoint first, and the same training goes on from there. "
    "Pressed once more, it ends at once, and what was trained since the last one is lost",
    after=("binarize", "prepare", "base"),
    plan=_plan,
)
