"""Texts as vectors: the mean of what a model's last layer says of their tokens."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from helpers.common.errors import CourseError
from helpers.common.progress import Progress
from helpers.common.symbols import BOS, EOS
from helpers.ids.dictionary import Dictionary
from helpers.tokens.gpt2 import encode

if TYPE_CHECKING:
    from transformers import RobertaForMaskedLM

AT_ONCE = {"cpu": 4096, "cuda": 65536}  # tokens of a batch


def as_read(text: str, dictionary: Dictionary, size: int) -> tuple[np.ndarray, bool]:
    """A text as models have read lines in training, as much of it as fits; and whether all does.

    Args:
        size: the most dictionary indices, with ``<s>`` and the ``</s>`` behind each line.
    """
    ids = [BOS]
    for line in text.split("\n"):
        if len(ids) > size:
            break
        ids += [*dictionary.from_gpt2[encode(line.strip())].tolist(), EOS]
    return np.array(ids[:size]), len(ids) <= size


def vectors(
    model: "RobertaForMaskedLM",
    samples: Sequence[np.ndarray],
    named: str,
    bar: Progress | None = None,
) -> np.ndarray:
    """A vector for each sample of dictionary indices: shape (samples, width of the model).

    Raises:
        CourseError: a number in them is not finite.
    """
    found = np.empty((len(samples), model.config.hidden_size), dtype=np.float32)
    order = sorted(range(len(samples)), key=lambda i: len(samples[i]))
    while order:
        at_once = max(1, AT_ONCE[model.device.type] // len(samples[order[-1]]))
        batch, order = order[-at_once:], order[:-at_once]
        found[batch] = _of_batch(model, [samples[i] for i in batch])
        if bar:
            bar.update(bar.done + len(batch), f"of {named}")
    if not np.isfinite(found).all():
        raise CourseError(
            f"What {named} says of a text is no number: its numbers grow without bounds.",
            "Most likely its training diverged; take a checkpoint from before that.",
        )
    return found


def _of_batch(model: "RobertaForMaskedLM", samples: Sequence[np.ndarray]) -> np.ndarray:
    import torch

    pad = model.config.pad_token_id
    ids = np.full((len(samples), max(map(len, samples))), pad)
    for row, sample in enumerate(samples):
        ids[row, : len(sample)] = sample
    batch = torch.from_numpy(ids).to(model.device)
    mask = (batch != pad).long()
    with torch.inference_mode():
        states = model.roberta(batch, attention_mask=mask).last_hidden_state
        mean = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    return mean.cpu().numpy()
