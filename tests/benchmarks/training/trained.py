"""What all trainers are given, and what each of them tells: the same samples, the same numbers."""

import argparse
import dataclasses
import itertools
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from helpers.common.symbols import BOS
from helpers.ids.binary_files import read_lines
from helpers.ids.dictionary import Dictionary
from helpers.models import checkpoints
from helpers.models.hf.folder import model_of
from helpers.workflow.workspace import Workspace

if TYPE_CHECKING:
    from transformers import RobertaForMaskedLM

SAMPLE = 512  # indices, at most
SHARE = 0.15  # of the tokens that are hidden
RATE, DECAY, BETAS, EPS, LONGEST = 1e-4, 0.01, (0.9, 0.98), 1e-6, 1.0
WARM = 3  # updates before the clock starts: memory is fetched in them


@dataclasses.dataclass(frozen=True)
class Task:
    """What is to be trained: the arguments of each trainer's process."""

    workspace: Path
    updates: int
    tokens: int
    precision: str

    def words(self) -> list[str]:
        return [str(self.workspace), str(self.updates), str(self.tokens), self.precision]

    @classmethod
    def of_arguments(cls) -> "Task":
        parser = argparse.ArgumentParser()
        parser.add_argument("workspace", type=Path)
        parser.add_argument("updates", type=int)
        parser.add_argument("tokens", type=int)
        parser.add_argument("precision", choices=("fp32", "bf16"))
        return cls(**vars(parser.parse_args()))

    @property
    def rows(self) -> int:
        """Samples of a batch."""
        return max(1, self.tokens // SAMPLE)

    def model(self) -> "RobertaForMaskedLM":
        """The base model for transformers; every trainer begins with its weights.

        Nothing is dropped out, as in this kit's training by default: it would take time.
        """
        model = model_of(checkpoints.read(Workspace(self.workspace).base_model)).train()
        for part in model.modules():
            if isinstance(part, torch.nn.Dropout):
                part.p = 0.0
        return model

    def dictionary(self) -> Dictionary:
        return Dictionary.load(Workspace(self.workspace).base_dict)

    def samples(self) -> list[np.ndarray]:
        """Whole lines, as many as fit: what fairseq's ``complete`` makes of data-bin."""
        found, sample = [], [np.array([BOS])]
        for line in read_lines(Workspace(self.workspace).data_bin / "train"):
            if sum(map(len, sample)) + len(line) > SAMPLE:
                found.append(np.concatenate(sample))
                sample = [np.array([BOS])]
            sample.append(line)
        return [*found, np.concatenate(sample)]

    def batches(self) -> Iterator[list[np.ndarray]]:
        """As many as there are updates, in a mixed order that is always the same."""
        samples = self.samples()
        random = np.random.default_rng(1)
        order = itertools.chain.from_iterable(
            random.permutation(len(samples)) for _ in itertools.count()
        )
        for _ in range(self.updates):
            yield [samples[index] for index in itertools.islice(order, self.rows)]


class Clock:
    """Counts the tokens of the updates after the first ones, and their time."""

    def __init__(self) -> None:
        self.updates = self.tokens = 0
        self.begun = self.ended = 0.0
        self.losses: list[float] = []

    def update(self, tokens: int, loss: float | None = None) -> None:
        """An update of so many tokens is done; its loss in bits a hidden token."""
        self.updates += 1
        self.ended = time.perf_counter()
        if self.updates <= WARM:
            self.begun = self.ended
        else:
            self.tokens += tokens
        if loss is not None:
            self.losses.append(loss)

    def tell(self) -> None:
        """The last line of a trainer's output."""
        print(json.dumps([self.tokens / (self.ended - self.begun), self.losses]))
