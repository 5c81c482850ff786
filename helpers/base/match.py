"""Do model and dictionary belong together? The loss on a few sentences tells."""

import math

import numpy as np

from helpers.base.course_base import unpack
from helpers.common.symbols import BOS, EOS, FIRST
from helpers.evaluation.guessing import guessed
from helpers.evaluation.texts import Hidden
from helpers.ids.dictionary import Dictionary
from helpers.machine.devices import chosen
from helpers.models.hf.folder import model_of, quiet
from helpers.tokens.gpt2 import encode

SENTENCES = (
    "She opened the door and walked into the room.",
    "The capital of France is Paris, and the capital of Italy is Rome.",
    "The function returns a list of the names of all files in the folder.",
    "If the value is not given, the default value is used.",
    "It was the first time that they had seen the sea.",
)
# So many bits below an even guess over the whole vocabulary a fitting pair surely is.
MARGIN = 3


def bits(state: dict, dictionary: Dictionary, device: str = "cpu") -> float:
    """Masked-LM loss on ``SENTENCES`` in bits per token; each token is hidden once, alone."""
    quiet()
    model = model_of(state).to(chosen(device))
    hidden, true, at = [], [], []
    for sentence in SENTENCES:
        ids = np.array([BOS, *dictionary.from_gpt2[encode(sentence)].tolist(), EOS])
        for position in np.flatnonzero(ids >= FIRST):
            masked = ids.copy()
            masked[position] = dictionary.mask
            hidden.append(masked)
            true.append(ids)
            at.append(np.array([position]))
    none = np.array([])  # of which document is not asked
    found = guessed(model, Hidden(hidden, true, at, none, none), "the base model")
    return float(found.nats.mean()) / math.log(2)


def warning(loss: float, dictionary: Dictionary) -> str:
    """What to tell a person whose model and dictionary most likely do not fit; else nothing."""
    even = math.log2(len(dictionary) + 1)
    if loss <= even - MARGIN:
        return ""
    return (
        f"On {len(SENTENCES)} plain sentences this model loses {loss:.1f} bits a token; guessing "
        f"evenly costs {even:.1f}, and the course's own base with its dictionary loses "
        f"{bits(*unpack()):.1f}. Most likely this model and this dict.txt do not belong together."
    )
