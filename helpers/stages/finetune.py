"""Continued masked-language-model training by ``fairseq-hydra-train``."""

import dataclasses
import importlib.util
import shutil
import sys
from collections.abc import Sequence

from helpers.base.replay import mix, replayed
from helpers.base.replay_files import look_at_replay_files, replay_files
from helpers.base.replay_text import general_sizes
from helpers.base.sources import refuse_unfit
from helpers.common.errors import CourseError
from helpers.common.processes import kernel
from helpers.common.report import Report, Table
from helpers.ids.data_bin import binarized_files, describe_data, refuse_lost_shards
from helpers.ids.dictionary import Dictionary
from helpers.models import checkpoints
from helpers.models.masked_lm import perplexity
from helpers.tokens.units import of_undivided
from helpers.training.command import MIXED, finetune_command, folders_to_train
from helpers.training.log.events import LOG
from helpers.training.masking import scripts_to_divide
from helpers.training.options.extra import options
from helpers.training.plan.largest_batch import with_batches
from helpers.training.plan.plan import TrainingPlan
from helpers.training.plan.planning import plan_training, with_findings
from helpers.training.plan.speed import from_probe
from helpers.training.runs.compare import Trained
from helpers.training.runs.folders import BEST, LAST
from helpers.training.runs.going_on import how_it_went, is_done
from helpers.training.runs.resume import begin_or_resume, choose_best, finish, keep_newest, results
from helpers.training.runs.run import Computed, read_by, write_computed, written
from helpers.training.runs.watching import left, stopped
from helpers.training.several import refuse_outside_a_job, refuse_too_many
from helpers.training.slurm import write_job
from helpers.training.train import train
from helpers.workflow.definition import Job, Prints, Stage
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace

RUINED = 3.0  # bits more than the base: most of what it knew is lost
TENSORBOARDS = ("tensorboard", "tensorboardX")  # fairseq takes the one that is there


@dataclasses.dataclass(frozen=True, kw_only=True)
class FinetuneReport(Report):
    """Losses are in bits per masked token; curves are ``(update, loss)`` in order.

    ``replayed`` is the share of general text among the tokens that were trained on; ``computed``
    says on which device, in which precision, and why; several, where it went on elsewhere.
    """

    TITLE = "The base model was trained further"
    updates: int
    best_update: int
    best_loss: float
    train_curve: tuple[tuple[int, float], ...]
    valid_curve: tuple[tuple[int, float], ...]
    replayed: float = 0.0
    computed: tuple[str, ...] = ()

    def table(self) -> Table:
        head = ("updates", "best at update", "validation loss (bits)", "perplexity")
        return head, [(self.updates, self.best_update, self.best_loss, perplexity(self.best_loss))]


def _check_settings(workspace: Workspace, settings: FinetuneSettings) -> None:
    """Raise CourseError where fairseq would say nothing, or not before it has begun."""
    options(settings)
    if not settings.nodes:  # else it may be planned on another machine
        refuse_too_many(settings)
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


def _check_beforehand(workspace: Workspace, settings: FinetuneSettings) -> None:
    _check_settings(workspace, settings)
    refuse_outside_a_job(settings)
    if settings.nodes:
        refuse_too_many(settings)


def _job(
    workspace: Workspace, settings: FinetuneSettings, profile: str, submit: bool, force: bool
) -> str:
    """Write a SLURM job, after what can be told before it waits for its turn."""
    settings = settings.model_copy(update={"nodes": max(1, settings.nodes)})
    _check_settings(workspace, settings)
    if not workspace.root.is_dir():
        raise CourseError(f"There is no workspace {workspace.root}.", "Name another: --workspace.")
    return write_job(workspace, settings, profile, submit, force)


def _check_data(workspace: Workspace, settings: FinetuneSettings) -> None:
    """Raise CourseError where fairseq would stumble an hour later, or skip with a warning."""
    refuse_lost_shards(workspace)
    describe_data(workspace)  # all of it is read
    state, dictionary = checkpoints.read(workspace.base_model), Dictionary.load(workspace.base_dict)
    refuse_unfit(state, dictionary, workspace.base_model, workspace.base_dict)
    look_at_replay_files(workspace, settings)


def _plan(
    workspace: Workspace, settings: FinetuneSettings, inputs: Prints, lock: int | None
) -> TrainingPlan:
    _check_settings(workspace, settings)
    _check_data(workspace, settings)
    general = general_sizes(workspace, settings) if settings.replay else ()
    plan = plan_training(workspace, settings, inputs, general)
    if lock is None or any(finding.stops for finding in plan.findings):
        return plan
    return with_findings(plan, speed=from_probe(workspace, settings, plan.first, lock))


def _work(job: Job) -> FinetuneReport:
    workspace, folder = job.workspace, job.workspace.training
    settings = _with_batches(job)
    job = dataclasses.replace(job, settings=settings)
    refuse_outside_a_job(settings)
    plan = _plan(workspace, settings, {} if job.force else job.inputs, None)
    if kernel() is None:  # in a notebook it has a cell of its own
        print(plan, file=sys.stderr)
    done, told = begin_or_resume(job)
    job.events.extend(told)
    if not is_done(folder, done, settings):
        plan.refuse()
        if settings.replay:
            mix(workspace, settings)
            if settings.mask_unit == "word":
                mixed = folders_to_train(workspace, settings)
                dictionary = Dictionary.load(workspace.base_dict)
                general = scripts_to_divide([place / "train1" for place in mixed], dictionary)
                job.events.extend(filter(None, [of_undivided(general, "The general text")]))
        write_computed(folder, Computed(plan.where, *plan.precision))
        try:
            train(
                finetune_command(
                    workspace,
                    settings.model_copy(update={"precision": plan.precision.name}),
                    resumed=done > 0,
                ),
                folder / LOG,
                max_update=settings.max_update,
                must_load=folder / LAST if done else workspace.base_model,
                done=done or plan.first,  # of an interrupted run, else of the base's own training
                lock=job.lock,
            )
        except KeyboardInterrupt:
            raise stopped(workspace, job.events) from None
        except CourseError as failed:
            raise CourseError(failed.message, f"{failed.hint} {left(workspace)}".strip()) from None
        finally:
            for begun in folder.glob("*.tmp"):  # on a full disk there is no room for what is half
                begun.unlink()
        shutil.rmtree(folder / MIXED, ignore_errors=True)
    job.events.extend(choose_best(folder))
    kept = keep_newest(folder, settings.keep_checkpoints)
    report = _report(workspace, settings, kept)
    job.events.extend(finish(workspace))
    return report


def _with_batches(job: Job) -> FinetuneSettings:
    """The settings with batches that have room."""
    if job.settings.max_tokens:
        return job.settings
    _check_settings(job.workspace, job.settings)
    _check_data(job.workspace, job.settings)
    found = with_batches(job.workspace, job.settings, job.lock)
    job.events.append(
        f"max_tokens = {found.max_tokens} and update_freq = {found.update_freq}: as few batches as "
        "there was memory for, when it was tried."
    )
    return found


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


def _report(
    workspace: Workspace, settings: FinetuneSettings, kept: Sequence[str]
) -> FinetuneReport:
    folder = workspace.training
    best, last = results(folder)
    trained = Trained.read(folder.name, folder)
    general = replayed(folder) if settings.replay else None
    run = written(folder)
    computed = tuple(map(str, run.computed)) if run else ()
    return FinetuneReport(
        updates=last.updates,
        best_update=best.updates,
        best_loss=best.loss,
        train_curve=trained.train,
        valid_curve=trained.valid,
        replayed=general.share if general else 0.0,
        computed=computed,
        notes=(
            *(f"Computed on {how}." for how in computed),
            *_ruined(workspace, best.loss),
            *how_it_went(folder, last.updates, settings),
            *kept,
            *([general.note] if general else []),
        ),
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
    also=lambda workspace, settings: (
        read_by(workspace) if replay_files(workspace, settings) else {}
    ),
    outputs=lambda workspace: [workspace.checkpoints / BEST, workspace.checkpoints / LAST],
    work=_work,
    check=_check_beforehand,
    in_place=True,
    loses="nothing: fairseq saves a checkpoint first, and the same training goes on from there. "
    "Pressed once more, it ends at once, and what was trained since the last one is lost",
    after=("binarize", "prepare", "base"),
    plan=_plan,
    job=_job,
)
