"""Make the course's own base model again: ``python -m helpers.base.make_course_base FOLDER``.

A run that was stopped goes on where it was. At the end the packed model, its dictionary and its
model card are written into ``course/``.
"""

import argparse
import math
import platform
import statistics
from pathlib import Path

import numpy as np

from helpers.base import general_text
from helpers.base.course_base import FOLDER, MODEL, pack
from helpers.base.pretraining import prepare, pretrain
from helpers.ids.binary_files import read_lines
from helpers.ids.dictionary import Dictionary
from helpers.models import checkpoints, shapes
from helpers.training.command import PLUGIN
from helpers.training.log.events import EPOCH, LOG, events

CARD = FOLDER / "README.md"
SHORT_UNTIL = 8_000


def make(folder: Path) -> None:
    """Prepare the text, train, pack; everything in between lies in ``folder``."""
    data = folder / "data"
    if not data.is_dir():
        texts = {"train": general_text.training_documents()}
        prepare(texts | {"valid": general_text.validation_documents()}, data)
    state = pretrain("course", folder, {"common.user_dir": PLUGIN}, short_until=SHORT_UNTIL)
    dictionary = Dictionary.load(data / "dict.txt")
    pack(state, dictionary)
    CARD.write_text(card(state, folder, dictionary), "utf-8")


def unigram_bits(folder: Path, dictionary: Dictionary) -> float:
    """What a model that knows only frequencies loses on the validation text, in bits a token."""
    size = len(dictionary)
    train, valid = (
        np.bincount(np.concatenate(read_lines(folder / split)), minlength=size)
        for split in ("train", "valid")
    )
    shares = (train + 1) / (train + 1).sum()
    return float(-(valid * np.log2(shares)).sum() / valid.sum())


def card(state: dict, folder: Path, dictionary: Dictionary) -> str:
    """``card.md`` with the numbers of this training."""
    log = events(folder / LOG)
    per_update = statistics.mean(e.values["train_wpb"] for e in log if e.kind == EPOCH)
    train_tokens = sum(map(len, read_lines(folder / "data" / "train")))
    updates = checkpoints.updates(state)
    loss = state["extra_state"]["val_loss"]
    shape = shapes.shape(state)
    return (
        (FOLDER / "card.md")
        .read_text("utf-8")
        .format(
            layers=shape["encoder_layers"],
            width=shape["encoder_embed_dim"],
            heads=shape["encoder_attention_heads"],
            parameters=shapes.parameters(state),
            megabytes=MODEL.stat().st_size / 1e6,
            text=(folder / "data" / "train.raw").stat().st_size / 1e6,
            corpus=train_tokens / 1e6,
            held_out=(folder / "data" / "valid.raw").stat().st_size / 1e3,
            packages=", ".join(general_text.PACKAGES),
            held_out_from=", ".join(general_text.HELD_OUT_FROM),
            one_in=general_text.ONE_IN,
            updates=updates,
            short=SHORT_UNTIL,
            tokens=per_update * updates / 1e6,
            epochs=per_update * updates / train_tokens,
            minutes=state["extra_state"]["previous_training_time"] / 60,
            loss=loss,
            perplexity=2**loss,
            unigram=unigram_bits(folder / "data", dictionary),
            even=math.log2(len(dictionary) + 1),
            python=platform.python_version(),
        )
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Train the course's own base model again.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path("runs/base-model"))
    make(parser.parse_args().folder.resolve())
