"""The base model that training continues: ``base/model.pt`` and, beside it, ``base/dict.txt``."""

import dataclasses
import shutil
import tempfile
from pathlib import Path

from helpers.base import general_text, match, sources
from helpers.base.pretraining import prepare, pretrain
from helpers.base.sources import COURSE, SCRATCH, Source
from helpers.common.errors import CourseError
from helpers.common.fairseq import require_fairseq
from helpers.common.files import fresh_folder
from helpers.common.pickles import read_safely
from helpers.common.report import Report, Table
from helpers.ids.dictionary import Dictionary
from helpers.models import checkpoints, shapes
from helpers.text.packages.docstrings import modules
from helpers.workflow.definition import Job, Stage
from helpers.workflow.settings import BaseSettings
from helpers.workflow.workspace import Workspace

SCRATCH_PACKAGES = ("matplotlib", "networkx")
VALID_EVERY = 20  # of so many documents, one is for the validation of a scratch model


@dataclasses.dataclass(frozen=True, kw_only=True)
class BaseReport(Report):
    """``bits`` is the loss on a few sentences, per token; ``updates`` is None where unknown."""

    TITLE = "The base model, and the dictionary that belongs to it"
    source: str
    parameters: int
    layers: int
    width: int
    heads: int
    positions: int
    vocabulary: int
    updates: int | None
    bits: float
    dictionary: str  # fingerprint of the order of its symbols

    def table(self) -> Table:
        head = (
            *("source", "parameters", "layers", "width", "heads", "positions", "vocabulary"),
            *("updates", "bits on plain sentences"),
        )
        row = (
            *(self.source, self.parameters, self.layers, self.width, self.heads),
            *(self.positions, self.vocabulary, self.updates, round(self.bits, 2)),
        )
        return head, [row]


def _report(found: Source, device: str = "cpu") -> BaseReport:
    shape = shapes.shape(found.state)
    loss = match.bits(found.state, found.dictionary, device)
    warning = match.warning(loss, found.dictionary)
    return BaseReport(
        source=found.name,
        parameters=shapes.parameters(found.state),
        layers=shape["encoder_layers"],
        width=shape["encoder_embed_dim"],
        heads=shape["encoder_attention_heads"],
        positions=shape["max_positions"],
        vocabulary=shapes.rows_of_vocabulary(found.state),
        updates=checkpoints.updates(found.state) or None,
        bits=loss,
        dictionary=found.dictionary.fingerprint,
        notes=(*([warning] if warning else ()), *found.notes),
    )


def _work(job: Job) -> BaseReport:
    if job.settings.source == SCRATCH:
        return _written(job, _trained_from_scratch(job))
    unpacked = fresh_folder(job.workspace.scratch / "archive")
    try:
        return _written(job, sources.read(list(job.files), unpacked))
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)


def _written(job: Job, found: Source) -> BaseReport:
    base = checkpoints.for_a_base(found.state, keep_optimizer=job.settings.keep_optimizer)
    checkpoints.write(base, job.out(job.workspace.base_model))
    job.out(job.workspace.base_dict).write_text(found.dictionary.text(), "utf-8")
    return _report(dataclasses.replace(found, state=base), job.settings.device)


def _trained_from_scratch(job: Job) -> Source:
    """A very small RoBERTa, trained by fairseq on the docstrings of packages installed here."""
    folder = fresh_folder(job.workspace.scratch / "pretraining")
    found = (modules(p, lambda name: not general_text.is_held_out(name)) for p in SCRATCH_PACKAGES)
    documents = [document for each in found for _, d in each for document in d]
    valid = documents[::VALID_EVERY]
    del documents[::VALID_EVERY]
    dictionary = prepare({"train": documents, "valid": valid}, folder / "data")
    return Source(pretrain("scratch", folder, lock=job.lock), dictionary, SCRATCH)


def _inputs(workspace: Workspace, settings: BaseSettings) -> list[Path]:
    files = sources.inputs(settings.source, settings.dict_file, workspace)
    if workspace.base_model.resolve() in {file.resolve() for file in files}:
        raise CourseError(
            "The source is base/model.pt itself, which is to be replaced.",
            "It is used as it is when you run this step without naming it; or copy it elsewhere.",
        )
    if made := next((file for file in files if _is_made_here(file, workspace)), None):
        raise CourseError(
            f"{workspace.key(made)} lies where this workspace puts what it makes of its base "
            "model, and would be made of itself.",
            "Copy it elsewhere and name the copy; or train it further in a new workspace.",
        )
    return files


def _is_made_here(file: Path, workspace: Workspace) -> bool:
    """Whether it lies where this workspace trains and converts."""
    file, root = file.resolve(), workspace.root.resolve()
    folder = file.relative_to(root).parts[0] if file.is_relative_to(root) else ""
    return folder in (workspace.pt.name, workspace.hf.name) or folder.startswith(
        workspace.checkpoints.name
    )


def _check(workspace: Workspace, settings: BaseSettings) -> None:
    """Refuse a model that is not there, or cannot be read."""
    files = _inputs(workspace, settings)
    if settings.source == SCRATCH:
        require_fairseq()
    elif settings.source != COURSE and not workspace.record.has_read(
        "base", settings.of_the_result(), {workspace.key(file): file for file in files}
    ):
        with tempfile.TemporaryDirectory() as unpacked:
            sources.read(files, Path(unpacked))


def _describe(workspace: Workspace) -> BaseReport:
    """The report on a model.pt and a dict.txt that a person has put into base/."""
    state, dictionary = checkpoints.read(workspace.base_model), Dictionary.load(workspace.base_dict)
    names = read_safely(workspace.base_model)["model"].keys()
    if state.get("args") is not None or names != state["model"].keys():
        what = "of fairseq 0.10 or older" if state.get("args") is not None else "of another program"
        raise CourseError(
            f"base/model.pt is in the form {what}, which today's fairseq does not read.",
            "Move it and its dict.txt elsewhere, and name it in source: it is then converted.",
        )
    sources.refuse_unfit(state, dictionary, workspace.base_model, workspace.base_dict)
    return _report(Source(state, dictionary, "your own"))


BASE = Stage(
    name="base",
    does="put a base model and its dictionary into base/",
    notebook="00_setup",
    settings=BaseSettings,
    report=BaseReport,
    inputs=_inputs,
    outputs=lambda workspace: [workspace.base_model, workspace.base_dict],
    work=_work,
    describe=_describe,
    check=_check,
)
