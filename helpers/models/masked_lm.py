"""Sentences with a mask, and what a model guesses there."""

import math
from typing import TYPE_CHECKING

from helpers.common.errors import CourseError
from helpers.common.symbols import BOS, EOS, FIRST, MASK
from helpers.ids.dictionary import Dictionary
from helpers.ids.token_names import token_text
from helpers.tokens.gpt2 import encode

if TYPE_CHECKING:
    from transformers import RobertaForMaskedLM


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
