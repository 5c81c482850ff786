"""The road: every stage with its command, its notebook, its settings, and what runs it."""

import dataclasses
import importlib
import operator
from collections.abc import Callable

from helpers.settings import (
    BaseSettings,
    BinarizeSettings,
    ConvertSettings,
    EncodeSettings,
    EvaluateSettings,
    FinetuneSettings,
    PrepareSettings,
    SampleSettings,
    Settings,
    SplitSettings,
)


@dataclasses.dataclass(frozen=True)
class Step:
    """One stage as people meet it.

    Attributes:
        notebook: where it is run; empty for one that only the command line has.
        runs: module and attribute of the function that does the work, imported when it is needed.
        does: one line for the help.
    """

    notebook: str
    settings: type[Settings]
    runs: str
    does: str


# By command, in order.
ROAD = {
    "sample": Step(
        "00_setup", SampleSettings, "sample SAMPLE.run", "put the sample corpus into texts/"
    ),
    "base": Step(
        *("00_setup", BaseSettings, "base_model BASE.run"),
        "put a base model and its dictionary into base/",
    ),
    "split": Step(
        *("01_split", SplitSettings, "split SPLIT.run"),
        "divide text files into train, valid and test",
    ),
    "encode": Step(
        "02_bpe", EncodeSettings, "bpe ENCODE.run", "encode the splits with GPT-2's BPE"
    ),
    "binarize": Step(
        "03_binarize", BinarizeSettings, "binarize BINARIZE.run", "make fairseq's binary files"
    ),
    "prepare": Step(
        *("", PrepareSettings, "prepare PREPARE.run"),
        "encode and binarize in one pass, for large corpora",
    ),
    "finetune": Step(
        *("04_finetune", FinetuneSettings, "finetune FINETUNE.run"),
        "train the base model further on the data, which takes longest",
    ),
    "convert": Step(
        *("05_convert", ConvertSettings, "convert convert"),
        "make a Hugging Face model of the best checkpoint",
    ),
    "evaluate": Step(
        *("06_evaluate", EvaluateSettings, "evaluate EVALUATE.run"),
        "compare base and fine-tuned model on held-out text",
    ),
}
# The notebooks in order, and the settings that their parameters are.
NOTEBOOKS: dict[str, tuple[type[Settings], ...]] = {
    step.notebook: tuple(s.settings for s in ROAD.values() if s.notebook == step.notebook)
    for step in ROAD.values()
    if step.notebook
}


def runner(command: str) -> Callable:
    """The function behind a command: ``(workspace, settings, force=…) → report``."""
    module, path = ROAD[command].runs.split()
    return operator.attrgetter(path)(importlib.import_module(f"helpers.{module}"))
