"""Held-out text as models read it, and tokens of it that are hidden from them."""

import dataclasses
from collections.abc import Iterable, Iterator

import numpy as np

from helpers.common.symbols import BOS, EOS, FIRST
from helpers.ids.dictionary import Dictionary
from helpers.tokens.gpt2 import encode

NO_DOCUMENT = -1


@dataclasses.dataclass(frozen=True)
class Text:
    """Text in samples of whole lines, and the document that each token belongs to.

    Attributes:
        samples: dictionary indices, each sample with ``<s>`` first.
        documents: of the same shapes, the number of the document; ``NO_DOCUMENT`` where there is
            no text.
        tokens, characters: of each document; characters without white space, so that it is the
            same text however its lines are wrapped.
    """

    samples: list[np.ndarray]
    documents: list[np.ndarray]
    tokens: np.ndarray
    characters: np.ndarray


def text_of(lines: Iterable[str], dictionary: Dictionary, size: int) -> Text:
    """Whole lines, as many as fit, in samples that begin with ``<s>``: as in training.

    A line that fits in no sample is cut, and nothing is left out. Blank lines end a document.

    Args:
        size: the most dictionary indices in a sample.
    """
    samples, documents = [[BOS]], [[NO_DOCUMENT]]
    tokens, characters = [], []
    is_within = False
    for line in lines:
        ids = dictionary.from_gpt2[encode(line.strip())].tolist()
        if ids and not is_within:
            tokens.append(0)
            characters.append(0)
        is_within = bool(ids)
        number = NO_DOCUMENT
        if ids:
            number = len(tokens) - 1
            tokens[-1] += len(ids)
            characters[-1] += sum(not character.isspace() for character in line)
        ids = [*ids, EOS]
        for piece in (ids[i : i + size - 1] for i in range(0, len(ids), size - 1)):
            if len(samples[-1]) + len(piece) > size:
                samples.append([BOS])
                documents.append([NO_DOCUMENT])
            samples[-1] += piece
            documents[-1] += [number] * len(piece)
    pairs = zip(map(np.array, samples), map(np.array, documents), strict=True)
    kept = [(sample, of) for sample, of in pairs if (sample >= FIRST).any()]  # else blank lines
    return Text(
        [sample for sample, _ in kept],
        [of for _, of in kept],
        np.array(tokens, dtype=np.int64),
        np.array(characters, dtype=np.int64),
    )


@dataclasses.dataclass(frozen=True)
class Hidden:
    """A text as the models see it, some times over with other tokens hidden.

    Attributes:
        seen, true: dictionary indices of each sample, with and without what is hidden.
        at: the hidden positions of each sample.
        ids, documents: of all hidden tokens in this order, what they were, and in which document.
    """

    seen: list[np.ndarray]
    true: list[np.ndarray]
    at: list[np.ndarray]
    ids: np.ndarray
    documents: np.ndarray

    def first(self, samples: int) -> "Hidden":
        """Some of it."""
        count = sum(map(len, self.at[:samples]))
        some = (self.seen[:samples], self.true[:samples], self.at[:samples])
        return Hidden(*some, self.ids[:count], self.documents[:count])


def hide(
    sample: np.ndarray, dictionary: Dictionary, share: float, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
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


def hidden_in(text: Text, dictionary: Dictionary, share: float, seed: int, times: int) -> Hidden:
    """Hide tokens of a text by lot, so many times over."""
    random = np.random.default_rng(seed)
    true = text.samples * times
    both = [hide(sample, dictionary, share, random) for sample in true]
    seen, at = [each for each, _ in both], [places for _, places in both]
    return Hidden(
        seen,
        true,
        at,
        np.concatenate(list(_at(true, at))),
        np.concatenate(list(_at(text.documents * times, at))),
    )


def _at(rows: list[np.ndarray], at: list[np.ndarray]) -> Iterator[np.ndarray]:
    return (row[places] for row, places in zip(rows, at, strict=True))
