"""From what models guessed, token by token, to numbers with intervals."""

import math
from collections.abc import Iterator

import numpy as np

from helpers.evaluation.changes import difference
from helpers.evaluation.guessing import Guessed
from helpers.evaluation.intervals import product_of_ratios, ratio
from helpers.evaluation.report import MODELS, Measured, Score
from helpers.evaluation.texts import Hidden, Text


def measured(name: str, text: Text, hidden: Hidden) -> Measured:
    """How much of a text there was to guess; of documents, those in which something was."""
    documents = len(np.unique(hidden.documents))
    counted = map(int, (documents, text.tokens.sum(), text.characters.sum()))
    return Measured(name, *counted, len(hidden.ids))


def scores_of(
    found: dict[tuple[str, str], Guessed], texts: dict[str, Text], hidden: dict[str, Hidden]
) -> Iterator[Score]:
    """Each model on each text, beside the base where it is another."""
    for (model, name), its in found.items():
        text, documents = texts[name], hidden[name].documents
        present, of = np.unique(documents, return_inverse=True)
        count = np.bincount(of)
        bits = np.bincount(of, weights=its.nats / math.log(2))
        a_character = (text.tokens[present], text.characters[present])
        base = found[MODELS[0], name]
        is_base = model == MODELS[0]
        yield Score(
            model=model,
            text=name,
            nats=ratio(np.bincount(of, weights=its.nats), count),
            bits_per_character=product_of_ratios([(bits, count), a_character]),
            first=ratio(np.bincount(of, weights=its.first), count),
            fifth=ratio(np.bincount(of, weights=its.fifth), count),
            gain=None if is_base else difference(base.nats, its.nats, documents),
            first_gain=None if is_base else difference(base.first, its.first, documents),
            fifth_gain=None if is_base else difference(base.fifth, its.fifth, documents),
        )
