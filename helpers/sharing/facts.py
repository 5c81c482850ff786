"""What is known of a converted model: its texts, its training, its losses, how far it is proved.

All of it is in the workspace's record, or beside the model. What the record tells of another
checkpoint, or of a model that has changed since, is left out.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from helpers.evaluation.report import Measured, Score
from helpers.evaluation.task_report import TaskScore
from helpers.models.hf.certificate import Certificate
from helpers.workflow.record import Entry, Record, fingerprint, is_unchanged, versions
from helpers.workflow.workspace import Workspace

Curve = tuple[tuple[int, float], ...]  # (update, loss in bits per hidden token)
Known = TypeVar("Known")


@dataclasses.dataclass(frozen=True)
class Base:
    """The model that training began with, as the stage ``base`` reports it."""

    source: str
    parameters: int
    layers: int
    width: int
    heads: int
    positions: int
    vocabulary: int


@dataclasses.dataclass(frozen=True)
class Corpus:
    """Documents and lines in train, valid and test; blank lines between documents are counted."""

    documents: tuple[int, ...]
    lines: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Tokens:
    """GPT-2 tokens in train, valid and test."""

    tokens: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Training:
    """How it was trained, as the stage ``finetune`` reports it; losses in bits per hidden token."""

    updates: int
    best_update: int
    best_loss: float
    train_curve: Curve
    valid_curve: Curve
    computed: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Facts:
    """What is known of a model; None, or empty, where nothing is.

    Attributes:
        name: of the workspace.
        certificate: ``conversion.json``, where the files are still those that it names.
        base_sha256: of the ``model.pt`` that training began with.
        settings: of the training, as plain JSON values.
        texts, measured, precision: of the evaluation: how much was measured, by which settings,
            in which numbers.
        task, classes, verdict: of a task with classes: the scores; of each class its name, its
            documents, and how many of them were judged; what can be said of it.
        examples: rows of sentence, hidden word, the base's guesses, the fine-tuned model's.
        versions: of the packages that took part in training, else of today's.
    """

    name: str
    certificate: Certificate | None
    base: Base | None = None
    base_sha256: str = ""
    corpus: Corpus | None = None
    tokens: Tokens | None = None
    training: Training | None = None
    settings: Mapping[str, object] = dataclasses.field(default_factory=dict)
    losses: tuple[Score, ...] = ()
    texts: tuple[Measured, ...] = ()
    precision: str = ""
    measured: Mapping[str, object] = dataclasses.field(default_factory=dict)
    task: tuple[TaskScore, ...] = ()
    classes: tuple[tuple[str, int, int], ...] = ()
    verdict: tuple[str, ...] = ()
    examples: tuple[tuple[str, str, str, str], ...] = ()
    versions: Mapping[str, str] = dataclasses.field(default_factory=dict)


def facts(workspace: Workspace, folder: Path) -> Facts:
    """What is known of the Hugging Face model in a folder.

    Raises:
        CourseError: the workspace's record cannot be read.
    """
    record = workspace.record
    certificate = _certificate(workspace, record, folder)
    known: dict[str, object] = {"versions": versions()}
    trained = record.entry("finetune")
    made = {print_.sha256 for print_ in trained.outputs.values()}
    if certificate and certificate.sha256 in made:
        known |= _of_training(workspace, record, trained)
    told = record.entry("evaluate").report
    if folder == workspace.hf and _is_of_today(workspace, record.entry("evaluate")):
        known |= {
            "losses": losses(workspace),
            "measured": record.entry("evaluate").settings,
            "texts": _read(tuple[Measured, ...], told.get("texts")) or (),
            "precision": told.get("precision", ""),
            "examples": _read(
                tuple[tuple[str, str, str, str], ...],
                told.get("examples"),
            )
            or (),
        }
    task = record.entry("task")
    if folder == workspace.hf and _is_of_today(workspace, task):
        known |= {
            "task": _read(tuple[TaskScore, ...], task.report.get("scores")) or (),
            "classes": _read(tuple[tuple[str, int, int], ...], task.report.get("classes")) or (),
            "verdict": _read(tuple[str, ...], task.report.get("verdict")) or (),
        }
    return Facts(workspace.root.name, certificate, **known)


def losses(workspace: Workspace) -> tuple[Score, ...]:
    """What the last evaluation has measured; nothing where its report has no such numbers."""
    return _read(tuple[Score, ...], workspace.record.entry("evaluate").report.get("scores")) or ()


def _certificate(workspace: Workspace, record: Record, folder: Path) -> Certificate | None:
    """The certificate of a folder, where the files that it names are there as they were."""
    found = Certificate.read(folder)
    known = record.entry("convert").outputs
    for name, sha256 in found.files.items() if found else ():
        file = folder / name
        if not file.is_file():
            return None
        if fingerprint(file, known.get(workspace.key(file))).sha256 != sha256:
            return None
    return found


def _of_training(workspace: Workspace, record: Record, trained: Entry) -> dict[str, object]:
    """What is known of a training and, unless it was made anew since, of what it was made from."""
    base = trained.inputs.get(workspace.key(workspace.base_model))
    known: dict[str, object] = {
        "training": _read(Training, trained.report),
        "settings": trained.settings,
        "base_sha256": base.sha256 if base else "",
    }
    if trained.versions:
        known["versions"] = trained.versions
    if record.is_outdated("finetune"):
        return known
    binarized = record.entry("prepare" if "prepare" in record.stages else "binarize")
    return known | {
        "base": _read(Base, record.entry("base").report),
        "corpus": _read(Corpus, record.entry("split").report),
        "tokens": _read(Tokens, binarized.report),
    }


def _is_of_today(workspace: Workspace, evaluated: Entry) -> bool:
    """Whether what was evaluated is there, and as it was."""
    there = ((workspace.path(key), print_) for key, print_ in evaluated.inputs.items())
    return bool(evaluated.inputs) and all(is_unchanged(path, print_) for path, print_ in there)


def _read(kind: type[Known], values: object) -> Known | None:
    """A part of a record in this form; None where another version of the course wrote another."""
    try:
        return TypeAdapter(kind).validate_python(values)
    except ValidationError:
        return None
