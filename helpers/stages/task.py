"""A small task for the models: which class a text belongs to, by a classifier on their vectors."""

import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path

from helpers.common.errors import CourseError
from helpers.common.progress import Progress
from helpers.common.symbols import LONGEST_LINE
from helpers.evaluation.classifying import (
    DRAWS,
    always_the_same,
    confusion,
    guessed_classes,
    task_scores,
)
from helpers.evaluation.labelled import FOLDS, Task, no_task, task_of
from helpers.evaluation.report import MODELS
from helpers.evaluation.task_report import TaskReport, task_judgement
from helpers.evaluation.vectors import as_read, vectors
from helpers.sharing.results import write_results
from helpers.stages.both_models import check_others, files_compared, read_all
from helpers.stages.sample import is_named
from helpers.text.files import not_read, text_files
from helpers.training.runs.run import read_by
from helpers.workflow.definition import Job, Stage
from helpers.workflow.settings import SplitSettings, TaskSettings
from helpers.workflow.workspace import Workspace

TRAINED_ON = ("train", "valid")  # by valid the checkpoint was chosen
MOST = 100_000_000  # bytes of a corpus in which classes are looked for without being asked to


def _read_as(workspace: Workspace) -> SplitSettings:
    """How the workspace's texts were read; as the course does it where nothing is recorded."""
    recorded = workspace.record.entry("split").settings
    more = {name: recorded[name] for name in ("txt_files", "max_line_tokens") if name in recorded}
    return SplitSettings(**read_by(workspace), **more)


def _texts(workspace: Workspace, settings: TaskSettings) -> tuple[list[Path], list[str]]:
    """The files with labelled texts; and what is to be said of them, or why there are none.

    Raises:
        CourseError: there are none where a person has named them.
    """
    split = _read_as(workspace)
    names = settings.labels or split.txt_files
    try:
        found = text_files(names, workspace, split.encoding, split.text_field, "labels")
    except CourseError as error:
        if settings.labels:
            raise
        return [], [error.message]
    size = sum(file.stat().st_size for file in found.files)
    if not settings.labels and size > MOST:
        return [], [f"The texts that were split are {size / 1e6:,.0f} MB long."]
    return found.files, not_read(found.left_out)


def _folder(workspace: Workspace, names: Sequence[str], files: Sequence[Path]) -> Path:
    """The folder whose folders are classes: the one that was named, else that around all files."""
    named = [workspace.locate(name).resolve() for name in names]
    if len(named) == 1 and named[0].is_dir() and all(f.is_relative_to(named[0]) for f in files):
        return named[0]
    return Path(os.path.commonpath([file.parent for file in (*files, *filter(Path.is_dir, named))]))


def _check(workspace: Workspace, settings: TaskSettings) -> None:
    """Refuse texts and models that are not there; the sample may not be there yet."""
    check_others(workspace, settings)
    names = settings.labels
    if not workspace.texts.exists():
        names = tuple(name for name in names if not is_named([name], workspace))
    if names:
        _texts(workspace, settings.model_copy(update={"labels": names}))


def _read(job: Job) -> Task:
    workspace, settings = job.workspace, job.settings
    files, notes = _texts(workspace, settings)
    if not files:
        return no_task(
            "No classes were looked for. Name texts with a class each in labels.", *notes
        )
    raws = [workspace.raw(split) for split in TRAINED_ON]
    try:
        folder = _folder(workspace, settings.labels or _read_as(workspace).txt_files, files)
        task = task_of(files, folder, _read_as(workspace), settings, raws)
    except CourseError as error:
        if settings.labels:
            raise
        return no_task(f"The texts that were split have no classes. {error}", *notes)
    if settings.labels and not task.texts:  # and what was found before stays
        raise CourseError("There is no task in labels.", " ".join(task.notes))
    return dataclasses.replace(task, notes=(*task.notes, *notes))


def _work(job: Job) -> TaskReport:
    settings, task = job.settings, _read(job)
    scores, tables, notes, same, verdict = (), {}, list(task.notes), 0.0, ()
    if task.texts:
        both = read_all(job.workspace, settings.models, settings.device)
        read = [as_read(text, both.dictionary, both.size) for text in task.texts]
        samples = [sample for sample, _ in read]
        with Progress(len(both.models) * len(samples) + DRAWS * FOLDS, "steps") as bar:
            of_models = {
                name: vectors(model, samples, name, bar) for name, model in both.models.items()
            }
            found, true, learned_from = guessed_classes(of_models, task, settings.seed, bar)
        if cut := sum(not is_whole for _, is_whole in read):
            notes.append(f"Of {cut:,} documents the first {LONGEST_LINE} tokens were read.")
        scores = tuple(task_scores(found, true, task.groups[task.is_new], learned_from))
        tables = {name: confusion(found[name][0], true, len(task.classes)) for name in MODELS}
        notes = [*both.notes, *notes, *_of_replay(job.workspace)]
        same, judged = always_the_same(true), [s for s in scores if s.labels == learned_from]
        verdict = tuple(task_judgement(judged, [*task.counts()], same))
    report = TaskReport(
        classes=tuple(task.counts()),
        scores=scores,
        confusion=tables,
        most_frequent=same,
        verdict=verdict,
        of=_of(job),
        notes=(*notes, *verdict),
    )
    text = json.dumps(report.to_json(), indent=1, ensure_ascii=False)
    job.out(job.workspace.task).write_text(text + "\n", "utf-8")
    return report


def _of_replay(workspace: Workspace) -> list[str]:
    if workspace.record.entry("finetune").settings.get("replay"):
        return ["Whether a text was trained on as general text (replay) is not looked at."]
    return []


def _of(job: Job) -> dict:
    files = {job.workspace.key(path): print_.sha256 for path, print_ in job.inputs.items()}
    return {"files": files, "settings": job.settings.of_the_result()}


def _inputs(workspace: Workspace, settings: TaskSettings) -> list[Path]:
    raws = [workspace.raw(split) for split in TRAINED_ON]
    texts, _ = _texts(workspace, settings)
    return [*files_compared(workspace, settings), *raws, *texts]


TASK = Stage(
    name="task",
    does="classify texts by the vectors of base and fine-tuned model",
    notebook="06_evaluate",
    settings=TaskSettings,
    report=TaskReport,
    inputs=_inputs,
    outputs=lambda workspace: [workspace.task],
    work=_work,
    also=lambda workspace, settings: {"read_as": _read_as(workspace).model_dump(mode="json")},
    check=_check,
    after=("base", "split", "convert"),
    then=lambda workspace, settings: write_results(workspace),
)
