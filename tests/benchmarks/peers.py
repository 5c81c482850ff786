"""The tools that are compared: each is a function that gives its commands, one after the other."""

import sys
from pathlib import Path

from helpers.ids.data_bin import preprocess_command
from helpers.tokens.bpe_files import encoder_command
from helpers.workflow.workspace import Workspace
from tests.benchmarks.corpus import Corpus
from tests.benchmarks.measure import Step

FAIRSEQ = "fairseq"
KIT = "this kit, one pass"
KIT_STEPS = "this kit, two steps"
HUGGING_FACE = "Hugging Face tokenizers"
TIKTOKEN = "tiktoken alone, on one core"


def fairseq(corpus: Corpus, folder: Path, workers: int) -> list[Step]:
    """fairseq's two commands. They do train only, so that they start once each."""
    raw, bpe, data = corpus.raw["train"], folder / "train.bpe", folder / "data-bin"
    encode = encoder_command(raw, bpe, workers)
    binarize = preprocess_command({"train": bpe}, corpus.dictionary, data, workers)
    return [
        Step(FAIRSEQ, "encode", encode, {"train.bpe": bpe}),
        Step(FAIRSEQ, "binarize", binarize, _binary(data)),
    ]


def kit(corpus: Corpus, folder: Path, workers: int, shards: int = 1) -> list[Step]:
    """The kit's own way for large corpora."""
    workspace = _workspace(corpus, folder)
    command = [*_helpers("prepare", workspace, workers), "--shards", str(shards)]
    return [Step(KIT, "both", command, _binary(workspace.data_bin))]


def kit_steps(corpus: Corpus, folder: Path, workers: int) -> list[Step]:
    """The kit's two commands that do what fairseq's two do."""
    workspace = _workspace(corpus, folder)
    encode, binarize = (_helpers(name, workspace, workers) for name in ("encode", "binarize"))
    return [
        Step(KIT_STEPS, "encode", encode, {"train.bpe": workspace.bpe("train")}),
        Step(KIT_STEPS, "binarize", binarize, _binary(workspace.data_bin)),
    ]


def hugging_face(corpus: Corpus, folder: Path, workers: int) -> list[Step]:
    """Hugging Face's ``tokenizers``, with the kit's writer of fairseq's files."""
    files = (corpus.raw["train"], corpus.dictionary, folder / "train")
    command = [*_here("hugging_face"), *map(str, files), str(workers)]
    return [Step(HUGGING_FACE, "both", command, _binary(folder))]


def tiktoken(corpus: Corpus, folder: Path, workers: int) -> list[Step]:
    """What the encoding alone costs on one core, in the library that the kit builds on."""
    command = [*_here("tiktoken_alone"), str(corpus.raw["train"])]
    return [Step(TIKTOKEN, "both", command, {}, own_clock=True)]


# fairseq first: what it makes is what the others' files are compared with.
PEERS = (fairseq, kit, kit_steps, hugging_face, tiktoken)


def _workspace(corpus: Corpus, folder: Path) -> Workspace:
    """A new workspace with the corpus in it; nothing is known there from an earlier run."""
    workspace = Workspace(folder)
    for split, raw in corpus.raw.items():
        workspace.raw(split).parent.mkdir(exist_ok=True)
        workspace.raw(split).hardlink_to(raw)
    workspace.base_dict.parent.mkdir()
    workspace.base_dict.hardlink_to(corpus.dictionary)
    return workspace


def _binary(folder: Path) -> dict[str, Path]:
    return {name: folder / name for name in ("train.bin", "train.idx")}


def _helpers(name: str, workspace: Workspace, workers: int) -> list[str]:
    options = ("--workspace", str(workspace.root), "--force", "--workers", str(workers))
    return [sys.executable, "-m", "helpers", name, *options]


def _here(module: str) -> list[str]:
    return [sys.executable, "-m", f"{__package__}.{module}"]
