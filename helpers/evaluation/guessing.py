"""What a model thinks of hidden tokens: its surprise at each of them, and its first guesses."""

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from helpers.common.errors import CourseError
from helpers.common.progress import Progress
from helpers.common.symbols import FIRST
from helpers.machine.devices import NUMBERS

if TYPE_CHECKING:
    from transformers import RobertaForMaskedLM

from helpers.evaluation.texts import Hidden

BATCH = {"cpu": 4, "cuda": 32}  # samples that are computed at once
GUESSES = 5


@dataclasses.dataclass(frozen=True)
class Guessed:
    """Of each hidden token, as in :class:`Hidden`: shape (tokens,), all of them.

    Attributes:
        nats: the cross entropy.
        first, fifth: whether it was the likeliest token, and one of the five likeliest; special
            symbols are no guesses.
    """

    nats: np.ndarray
    first: np.ndarray
    fifth: np.ndarray


def guessed(
    model: "RobertaForMaskedLM",
    hidden: Hidden,
    named: str,
    precision: str = "fp32",
    bar: Progress | None = None,
) -> Guessed:
    """Let a model guess what is hidden; a precision is a key of ``NUMBERS``.

    The vocabulary's logits are computed at these positions only, which saves most of the work.

    Raises:
        CourseError: a loss is no number.
    """
    import torch

    parts, kind = [], model.device.type
    at_once = BATCH[kind]
    for first in range(0, len(hidden.seen), at_once):
        part = range(first, min(first + at_once, len(hidden.seen)))
        with torch.autocast(kind, getattr(torch, NUMBERS[precision]), enabled=precision != "fp32"):
            parts.append(_of_batch(model, hidden, part))
        if bar:
            bar.update(bar.done + len(part), f"of {named}")
    nats, first, fifth = map(np.concatenate, zip(*parts, strict=True))
    if not np.isfinite(nats).all():
        raise CourseError(
            f"The loss of {named} is {nats.sum()}: its numbers grow without bounds.",
            "Most likely its training diverged; take a checkpoint from before that.",
        )
    return Guessed(nats, first, fifth)


def _of_batch(
    model: "RobertaForMaskedLM", hidden: Hidden, part: range
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    import torch

    pad, device = model.config.pad_token_id, model.device
    width = max(len(hidden.seen[i]) for i in part)
    ids = np.full((len(part), width), pad)
    for row, i in enumerate(part):
        ids[row, : len(hidden.seen[i])] = hidden.seen[i]
    rows = np.concatenate([np.full(len(hidden.at[i]), row) for row, i in enumerate(part)])
    columns = np.concatenate([hidden.at[i] for i in part])
    true = np.concatenate([hidden.true[i][hidden.at[i]] for i in part])
    answers = torch.from_numpy(true.astype(np.int64)).to(device)
    batch = torch.from_numpy(ids).to(device)
    with torch.inference_mode():
        states = model.roberta(batch, attention_mask=(batch != pad).long()).last_hidden_state
        logits = model.lm_head(states[rows, columns])
        nats = torch.nn.functional.cross_entropy(logits.float(), answers, reduction="none")
        likeliest = FIRST + logits[:, FIRST:].topk(GUESSES).indices
    hit = likeliest == answers[:, None]
    return nats.double().cpu().numpy(), hit[:, 0].cpu().numpy(), hit.any(1).cpu().numpy()
