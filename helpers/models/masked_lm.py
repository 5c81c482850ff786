"""Masked-language modelling by hand: hide tokens, let a model guess them, measure its surprise."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from helpers.common.errors import CourseError
from helpers.common.symbols import BOS, EOS, FIRST, MASK
from helpers.ids.dictionary import Dictionary
from helpers.ids.token_names import token_text
from helpers.tokens.gpt2 import encode

if TYPE_CHECKING:
    from transformers import RobertaForMaskedLM

BATCH = {"cpu": 4, "cuda": 32}  # samples that are computed at once


def samples_of(lines: Iterator[str], dictionary: Dictionary, size: int) -> list[np.ndarray]:
    """Whole lines, as many as fit, in samples that begin with ``<s>``: as in training.

    Args:
        size: the most dictionary indices in a sample.
    """
    found, sample = [], [BOS]
    for line in lines:
        ids = [*dictionary.from_gpt2[encode(line.strip())].tolist(), EOS][: size - 1]
        if len(sample) + len(ids) > size:
            found.append(np.array(sample))
            sample = [BOS]
        sample += ids
    return [*found, np.array(sample)] if len(sample) > 1 else found


def hide(sample: np.ndarray, dictionary: Dictionary, share: float, random: np.random.Generator):
    """Hide tokens as in training: of those chosen 80% masked, 10% replaced, 10% left.

    Special symbols are never chosen, unlike in fairseq's training.

    Returns:
        The sample with hidden tokens, and the positions that were chosen (at least one).
    """
    candidates = np.flatnonzero(sample >= FIRST)
    number = max(1, round(share * len(candidates)))
    chosen = np.sort(random.choice(candidates, number, replace=False))
    hidden = sample.copy()
    lot = random.random(number)
    hidden[chosen[lot < 0.8]] = dictionary.mask
    swapped = chosen[lot >= 0.9]
    hidden[swapped] = random.integers(FIRST, len(dictionary), len(swapped))
    return hidden, chosen


def measure(
    model: "RobertaForMaskedLM",
    hidden: list[np.ndarray],
    true: list[np.ndarray],
    at: list,
    named: str = "the model",
) -> tuple[float, float]:
    """Mean cross entropy in nats, and the share of right first guesses, at the chosen positions.

    The vocabulary's logits are computed for these positions only, which saves most of the work.

    Raises:
        CourseError: the loss is no number.
    """
    import torch

    pad, device = model.config.pad_token_id, model.device
    total = right = count = 0
    at_once = BATCH[device.type]
    for first in range(0, len(hidden), at_once):
        part = range(first, min(first + at_once, len(hidden)))
        width = max(len(hidden[i]) for i in part)
        ids = np.full((len(part), width), pad)
        for row, i in enumerate(part):
            ids[row, : len(hidden[i])] = hidden[i]
        rows = np.concatenate([np.full(len(at[i]), row) for row, i in enumerate(part)])
        columns = np.concatenate([at[i] for i in part])
        answers = torch.from_numpy(np.concatenate([true[i][at[i]] for i in part])).to(device)
        batch = torch.from_numpy(ids).to(device)
        with torch.inference_mode():
            states = model.roberta(batch, attention_mask=(batch != pad).long()).last_hidden_state
            logits = model.lm_head(states[rows, columns])
            total += float(torch.nn.functional.cross_entropy(logits, answers, reduction="sum"))
        likeliest = FIRST + logits[:, FIRST:].argmax(-1)  # special symbols are never the answer
        right += int((likeliest == answers).sum())
        count += len(answers)
    if not math.isfinite(total):
        raise CourseError(
            f"The loss of {named} is {total}: its numbers grow without bounds.",
            "Most likely its training diverged; take a checkpoint from before that.",
        )
    return total / count, right / count


def perplexity(bits: float) -> float:
    """2 to the loss in bits; infinite where that has no room in a number.

    >>> perplexity(3.0), perplexity(5000.0)
    (8.0, inf)
    """
    return 2**bits if bits < 1024 else math.inf


def masked_sentence(sentence: str, dictionary: Dictionary) -> list[int]:
    """Dictionary indices of a sentence with one ``<mask>``, from ``<s>`` to ``</s>``.

    The space before the mask belongs to the mask, as in fairseq's ``fill_mask``.

    Raises:
        CourseError: it has no mask, or several.
    """
    before, *after = sentence.strip().split(MASK)
    if len(after) != 1:
        raise CourseError(
            f"{sentence!r} has {len(after)} times {MASK}; it should have one.",
            f"Write one {MASK} where the models are to guess a token.",
        )
    left, right = (dictionary.from_gpt2[encode(text.rstrip())] for text in (before, after[0]))
    return [BOS, *left.tolist(), dictionary.mask, *right.tolist(), EOS]


def guesses(
    model: "RobertaForMaskedLM", ids: list[int], dictionary: Dictionary, top: int = 3
) -> str:
    """The likeliest tokens at the mask with their probabilities among all that are no specials."""
    import torch

    with torch.inference_mode():
        batch = torch.tensor([ids], device=model.device)
        logits = model(batch).logits[0, ids.index(dictionary.mask)]
    values, indices = logits[FIRST : dictionary.mask].softmax(-1).topk(top)
    pairs = zip(indices.tolist(), values.tolist(), strict=True)
    return "  ".join(f"{token_text(FIRST + i, dictionary)} {p:.0%}" for i, p in pairs)
