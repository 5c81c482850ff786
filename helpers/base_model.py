"""The base model that training continues: ``base/model.pt`` and, beside it, ``base/dict.txt``."""

import dataclasses
from pathlib import Path

import numpy as np

from helpers import checkpoints
from helpers.bpe import encode_file, encode_lines
from helpers.chunks import line_chunks
from helpers.dictionary import Dictionary, roberta_dictionary
from helpers.errors import CourseError
from helpers.fairseq_tools import CONFIG, train_command
from helpers.report import Report, Table
from helpers.sample import modules
from helpers.settings import BaseSettings
from helpers.stage import Job, Stage
from helpers.training import train
from helpers.vocabulary import GPT2_IDS
from helpers.workspace import Workspace, fresh_folder

SCRATCH = "scratch"
SCRATCH_PACKAGES = ("numpy", "matplotlib")
SCRATCH_CONFIG = CONFIG / "pretraining" / "base.yaml"
VALID_EVERY = 20  # of so many documents, one is for validation


@dataclasses.dataclass(frozen=True, kw_only=True)
class BaseReport(Report):
    TITLE = "The base model, and the dictionary that belongs to it"
    source: str
    parameters: int
    layers: int
    width: int
    heads: int
    positions: int
    vocabulary: int
    updates: int
    dictionary: str  # fingerprint of the order of its symbols

    def table(self) -> Table:
        head = ("source", "parameters", "layers", "width", "heads", "positions", "vocabulary")
        row = (
            *(self.source, self.parameters, self.layers, self.width, self.heads),
            *(self.positions, self.vocabulary),
        )
        return (*head, "updates"), [(*row, self.updates)]


def _report(state: dict, dictionary: Dictionary, source: str) -> BaseReport:
    shape = checkpoints.shape(state)
    return BaseReport(
        source=source,
        parameters=checkpoints.parameters(state),
        layers=shape["encoder_layers"],
        width=shape["encoder_embed_dim"],
        heads=shape["encoder_attention_heads"],
        positions=shape["max_positions"],
        vocabulary=checkpoints.rows_of_vocabulary(state),
        updates=int(state["optimizer_history"][-1]["num_updates"]),
        dictionary=dictionary.fingerprint,
    )


def model_and_dictionary(source: str, dict_file: str, workspace: Workspace) -> tuple[Path, Path]:
    """The files that ``source`` stands for: a ``.pt`` file or a folder with ``model.pt`` in it.

    The dictionary is the one named, else the ``dict.txt`` beside the model, else RoBERTa's own.

    Raises:
        CourseError: one of them is not there.
    """
    model = workspace.locate(source)
    model = model / "model.pt" if model.is_dir() else model
    if not model.is_file():
        raise CourseError(
            f"There is no base model {model}.",
            "Name a fairseq model.pt in source, or say 'scratch' to train a tiny one here.",
        )
    beside = model.with_name("dict.txt")
    if dict_file:
        dictionary = workspace.locate(dict_file)
    else:
        dictionary = beside if beside.is_file() else roberta_dictionary()
    if not dictionary.is_file():
        raise CourseError(
            f"There is no dictionary {dictionary}.",
            "Name the dict.txt that belongs to the model; another one turns it to noise.",
        )
    return model, dictionary


def check_fit(state: dict, dictionary: Dictionary, model: Path, file: Path) -> None:
    """Raise CourseError where the model has not one row for every symbol and the specials."""
    rows = checkpoints.rows_of_vocabulary(state)
    if rows != len(dictionary) + 1:
        raise CourseError(
            f"{model} has {rows:,} rows for tokens, but {file} with the special symbols has "
            f"{len(dictionary) + 1:,}: this dictionary is not the model's.",
            "Name the dict.txt that came with the model, with --dict (dict_file in the notebook).",
        )


def _work(job: Job) -> BaseReport:
    model, dict_file = job.out(job.workspace.base_model), job.out(job.workspace.base_dict)
    if job.settings.source == SCRATCH:
        state, dictionary = _train_from_scratch(job)
        source = SCRATCH
    else:
        found = model_and_dictionary(job.settings.source, job.settings.dict_file, job.workspace)
        state, dictionary = checkpoints.read(found[0]), Dictionary.load(found[1])
        check_fit(state, dictionary, *found)
        source = found[0].name
    checkpoints.write(checkpoints.for_a_base(state), model)
    dict_file.write_text(dictionary.text(), "utf-8")
    return _report(state, dictionary, source)


def _train_from_scratch(job: Job) -> tuple[dict, Dictionary]:
    """A small RoBERTa, trained by fairseq on the docstrings of packages installed here."""
    from helpers.indexed import binarize_file

    folder = fresh_folder(job.workspace.scratch / "pretraining")
    data = folder / "data"
    data.mkdir()
    documents = [d for package in SCRATCH_PACKAGES for _, found in modules(package) for d in found]
    parts = {"valid": documents[::VALID_EVERY], "train": documents}
    del parts["train"][::VALID_EVERY]
    for split, texts in parts.items():
        raw = folder / f"{split}.raw"
        raw.write_bytes(("\n\n".join(texts) + "\n").encode("utf-8", "replace"))
        encode_file(raw, folder / f"{split}.bpe")
    counts = np.zeros(GPT2_IDS, dtype=np.int64)
    for chunk in line_chunks(folder / "train.raw"):
        ids = encode_lines(chunk)
        counts += np.bincount(ids[ids >= 0], minlength=GPT2_IDS)
    dictionary = Dictionary.from_counts(counts)
    (data / "dict.txt").write_text(dictionary.text(), "utf-8")
    for split in parts:
        binarize_file(folder / f"{split}.bpe", data / split, dictionary)
    overrides = {
        "task.data": data,
        "checkpoint.save_dir": folder / "checkpoints",
        "hydra.run.dir": folder,
    }
    train(
        train_command(SCRATCH_CONFIG, overrides),
        folder / "train.log",
        max_update=_max_update(SCRATCH_CONFIG),
        must_load=None,
        lock=job.lock,
    )
    return checkpoints.read(folder / "checkpoints" / "checkpoint_last.pt"), dictionary


def _max_update(config: Path) -> int:
    from omegaconf import OmegaConf

    return OmegaConf.load(config).optimization.max_update


def _inputs(workspace: Workspace, settings: BaseSettings) -> list[Path]:
    if settings.source == SCRATCH:
        return []
    return list(model_and_dictionary(settings.source, settings.dict_file, workspace))


def _describe(workspace: Workspace) -> BaseReport:
    state, dictionary = checkpoints.read(workspace.base_model), Dictionary.load(workspace.base_dict)
    check_fit(state, dictionary, workspace.base_model, workspace.base_dict)
    return _report(state, dictionary, "your own")


BASE = Stage(
    name="base",
    notebook="00_setup",
    settings=BaseSettings,
    report=BaseReport,
    inputs=_inputs,
    outputs=lambda workspace: [workspace.base_model, workspace.base_dict],
    work=_work,
    describe=_describe,
)
