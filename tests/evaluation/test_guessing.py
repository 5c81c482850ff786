"""The loss at hidden positions, computed another way; models with other ids beside it."""

import math

import numpy as np
import pytest
import torch

from helpers.base.course_base import unpack
from helpers.common.symbols import FIRST
from helpers.evaluation.guessing import BATCH, guessed
from helpers.evaluation.texts import Hidden, hidden_in, text_of
from helpers.ids.dictionary import Dictionary
from helpers.models.hf.folder import model_of
from helpers.stages.both_models import in_order_of

LINES = ["The mean of all samples.", "微调", "x", "", "A long line " * 40, "The end of it."]


@pytest.fixture(scope="module")
def base() -> tuple[dict, Dictionary]:
    return unpack()


def hidden_of(dictionary: Dictionary) -> Hidden:
    return hidden_in(text_of(LINES * 3, dictionary, 64), dictionary, 0.3, 3, 2)


def test_losses_and_guesses_are_those_of_all_logits(base) -> None:
    state, dictionary = base
    model, hidden = model_of(state), hidden_of(dictionary)
    assert len(hidden.seen) > 2 * BATCH["cpu"]
    found = guessed(model, hidden, "the model")
    nats, first, fifth = [], [], []
    for seen, true, places in zip(hidden.seen, hidden.true, hidden.at, strict=True):
        with torch.inference_mode():
            logits = model(torch.from_numpy(seen)[None]).logits[0]
        for place in places:
            answer = int(true[place])
            nats.append(-float(logits[place].log_softmax(-1)[answer]))
            order = (FIRST + logits[place][FIRST:].argsort(descending=True))[:5].tolist()
            first.append(order[0] == answer)
            fifth.append(answer in order)
    np.testing.assert_allclose(found.nats, nats, rtol=1e-4, atol=1e-5)
    assert found.first.tolist() == first and found.fifth.tolist() == fifth
    assert 0 < sum(first) < sum(fifth) < len(nats)


def test_the_mean_loss_is_hugging_faces_own(base) -> None:
    """Its ``labels`` are -100 where nothing is hidden."""
    state, dictionary = base
    model, hidden = model_of(state), hidden_of(dictionary)
    losses, counts = [], []
    for seen, true, places in zip(hidden.seen, hidden.true, hidden.at, strict=True):
        labels = np.full(len(seen), -100)
        labels[places] = true[places]
        with torch.inference_mode():
            ids = torch.from_numpy(seen)[None]
            losses.append(float(model(ids, labels=torch.from_numpy(labels)[None]).loss))
        counts.append(len(places))
    found = guessed(model, hidden, "the model").nats.mean()
    assert found == pytest.approx(np.average(losses, weights=counts), rel=1e-5)


def test_a_model_with_other_ids_is_measured_as_it_is(base) -> None:
    """Another order of the vocabulary, with tokens that the base has not: the same losses."""
    state, dictionary = base
    symbols = (*dictionary.symbols[:-1][::-1], "madeupword9999")  # one of the base's is missing
    theirs = Dictionary(symbols, (1,) * len(symbols))
    there = {symbol: i for i, symbol in enumerate(dictionary.all_symbols)}
    rows = torch.tensor([there.get(symbol, 0) for symbol in theirs.all_symbols])
    model = {
        name: tensor[rows] if tensor.shape[:1] == (len(there),) else tensor
        for name, tensor in state["model"].items()
    }
    for name in ("encoder.lm_head.bias", "encoder.lm_head.weight"):
        if name in model:
            model[name] = model[name].clone()
    model["encoder.lm_head.bias"][theirs.index("madeupword9999")] = -1e4  # never guessed
    again = in_order_of(dictionary, theirs, state | {"model": model})
    hidden = hidden_of(dictionary)
    ours, others = (guessed(model_of(each), hidden, "it") for each in (state, again))
    np.testing.assert_allclose(ours.nats, others.nats, rtol=1e-4, atol=1e-5)
    assert ours.first.tolist() == others.first.tolist()
    assert in_order_of(dictionary, dictionary, state) is state


def test_bits_of_one_text_wrapped_otherwise_are_alike_by_character(base) -> None:
    from helpers.base.general_text import validation_lines
    from helpers.evaluation.intervals import product_of_ratios

    state, dictionary = base
    words = " ".join(validation_lines(200)).split()
    found = []
    for width in (12, 24, 48):
        lines = [" ".join(words[i : i + width]) for i in range(0, len(words), width)]
        text = text_of(lines, dictionary, 512)
        hidden = hidden_in(text, dictionary, 0.15, 1, 8)
        nats = guessed(model_of(state), hidden, "it").nats
        pairs = [(np.array([nats.sum() / math.log(2)]), np.array([len(nats)]))]
        found.append(product_of_ratios([*pairs, (text.tokens, text.characters)]).value)
    assert found == pytest.approx([np.mean(found)] * 3, rel=0.05)
