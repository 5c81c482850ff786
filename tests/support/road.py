"""Split, encode and binarize (or prepare) on tiny texts, with a dictionary made by hand."""

import functools
import re
from pathlib import Path

import numpy as np

from helpers.common.report import Report
from helpers.ids.dictionary import Dictionary
from helpers.stages.road import ROAD
from helpers.tokens.gpt2 import GPT2_IDS
from helpers.training.command import CONFIG
from helpers.workflow.workspace import Workspace

STAGES = ("split", "encode", "binarize")


def text(word: str) -> str:
    """Ten short documents."""
    return "\n\n".join(f"{word} {i} is a short document." for i in range(10)) + "\n"


@functools.cache
def dict_text() -> str:
    """A dictionary of all GPT-2 ids."""
    return Dictionary.from_counts(np.zeros(GPT2_IDS, dtype=np.int64)).text()


@functools.cache
def own_order() -> Dictionary:
    """Another one, whose order is neither that of the ids nor RoBERTa's."""
    return Dictionary.from_counts(np.arange(GPT2_IDS) * 7919 % 101)


def begin(workspace: Workspace) -> Workspace:
    """Put two texts and a dictionary there; nothing is made of them yet."""
    for folder in (workspace.texts, workspace.base_dict.parent):
        folder.mkdir(parents=True)
    for name, word in (("a", "apple"), ("b", "pear")):
        (workspace.texts / f"{name}.txt").write_text(text(word), "utf-8")
    workspace.base_dict.write_text(dict_text(), "utf-8")
    return workspace


def do(workspace: Workspace, name: str, force: bool = False, **settings: object) -> Report:
    """Run a stage, in one process unless it is said otherwise."""
    stage = ROAD[name]
    if "workers" in stage.settings.model_fields:
        settings = {"workers": 1} | settings
    return ROAD.run(name, workspace, stage.settings(**settings), force=force)


def state(workspace: Workspace, name: str) -> dict[str, tuple[int, bytes]]:
    """Modification time and content of a stage's outputs."""
    outputs = ROAD[name].outputs(workspace)
    return {p.name: (p.stat().st_mtime_ns, p.read_bytes()) for p in outputs if p.is_file()}


def with_updates(number: int, folder: Path, name: str) -> Path:
    """A folder of configurations, in which that one of a pre-training has so many updates."""
    text = (CONFIG / "pretraining" / f"{name}.yaml").read_text("utf-8")
    text = re.sub("total_num_update: .*", f"total_num_update: {number}", text)
    text = re.sub("warmup_updates: .*", "warmup_updates: 1", text)
    file = folder / "config" / "pretraining" / f"{name}.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(text, "utf-8")
    return folder / "config"
