"""What training hides of a sample: fairseq's tokens, or whole characters and words.

Both draw from the same random numbers, which depend on seed, epoch and sample alone, so that every
machine hides the same.
"""

import codecs
import collections
import enum
import functools
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from helpers.common.symbols import FIRST
from helpers.ids.binary_files import blocks
from helpers.ids.dictionary import Dictionary
from helpers.tokens.units import HAN, segmenter, unit_sizes, without_spaces

MASK_SHARE = 0.15  # of the positions; of these 10% stay as they are and 10% are replaced
STAY_OR_REPLACE, STAY = 0.2, 0.5  # the second is a share of the first


class Fate(enum.IntEnum):
    """What happens to a position; all but the untouched are to be guessed by the model."""

    UNTOUCHED = 0
    MASKED = 1
    REPLACED = 2
    LEFT = 3  # chosen, but left as it is


def units_of(indices: np.ndarray, dictionary: Dictionary, unit: str) -> np.ndarray:
    """How many positions of a sample each unit takes that is hidden whole: int64, (units,).

    Special symbols are units by themselves, so that text before and behind ``</s>`` never is one.

    Args:
        unit: ``token``, ``character`` or ``word``; see :mod:`helpers.tokens.units`.
    """
    contents = dictionary.contents
    return unit_sizes([contents[index] for index in indices.tolist()], unit)


def scripts_to_divide(files: Iterable[Path], dictionary: Dictionary) -> dict[str, int]:
    """How many characters data have of scripts without spaces, whose words are to be hidden.

    Args:
        files: prefixes of ``.bin`` and ``.idx``.

    Raises:
        CourseError: there is Chinese, and nothing that could segment it.
    """
    found: collections.Counter[str] = collections.Counter()
    for file in files:
        found += _characters(file, Path(f"{file}.bin").stat().st_mtime_ns, dictionary)
    scripts = without_spaces(found)
    if HAN in scripts:
        segmenter()
    return scripts


@functools.lru_cache(maxsize=16)
def _characters(file: Path, _: int, dictionary: Dictionary) -> collections.Counter[str]:
    """How often each character occurs that is not ASCII; a token may have a part of one only."""
    contents = dictionary.contents
    is_ascii = np.array([content.isascii() for content in contents])
    decode = codecs.getincrementaldecoder("utf-8")("ignore").decode
    found: collections.Counter[str] = collections.Counter()
    for block in blocks(file):
        others = block[~np.take(is_ascii, block, mode="clip")]
        found.update(decode(b"".join([contents[index] for index in others.tolist()])))
    return found


def number_hidden(sizes: Iterable[int], seed: int, share: float) -> int:
    """How many tokens validation hides of samples of these sizes, in their order.

    >>> number_hidden([20, 20, 20], seed=1, share=0.15)
    9
    """
    return sum(
        int(share * size + _random(seed, 1, number).random()) for number, size in enumerate(sizes)
    )


def _random(seed: int, epoch: int, sample: int) -> np.random.Generator:
    # fairseq's 1e6 is a float: the hash is rounded before its remainder is taken.
    return np.random.default_rng(int(hash((seed, epoch, sample)) % 1e6))


def mask_sample(
    indices: np.ndarray,
    dictionary: Dictionary,
    units: np.ndarray | None = None,
    *,
    seed: int = 1,
    epoch: int = 1,
    sample: int = 0,
    share: float = MASK_SHARE,
) -> tuple[np.ndarray, np.ndarray]:
    """A sample as the model sees it in training; of single tokens, fairseq's number for number.

    Each epoch hides other positions; validation always sees those of epoch 1. ``<s>`` and ``</s>``
    are hidden like any other. A unit is masked, replaced or left as a whole. A replacement is drawn
    for each position from all of the dictionary but its first four symbols: rarely it is what stood
    there before, or ``<mask>``.

    Source: ``MaskTokensDataset`` in ``fairseq/data/mask_tokens_dataset.py``.

    Args:
        indices: dictionary indices from ``<s>`` to the last ``</s>``, shape (positions,).
        units: as :func:`units_of` gives them; None for fairseq's single tokens.
        seed: ``common.seed`` of the training.
        epoch: counted from 1.
        sample: the number of the sample in its file, from 0.
        share: ``task.mask_prob``, of the positions that are to be guessed.

    Returns:
        The indices after masking, and the :class:`Fate` of each position: both of shape
        (positions,).

    >>> small = Dictionary(("13", "262", "11", "284"), (5, 4, 3, 2))
    >>> masked, fates = mask_sample(np.array([0, *[4, 5] * 9, 2]), small, sample=93)
    >>> {i: (Fate(fates[i]).name, int(masked[i])) for i in np.flatnonzero(fates).tolist()}
    {2: ('LEFT', 5), 9: ('MASKED', 8), 14: ('REPLACED', 7)}
    """
    random = _random(seed, epoch, sample)
    number = int(share * len(indices) + random.random())
    if units is None:
        units = np.ones(len(indices), np.int64)
        chosen = np.zeros(len(units), bool)
        chosen[random.choice(len(units), number, replace=False)] = True
    else:
        chosen = _chosen(units, number, random)
    not_masked = chosen & (random.random(len(units)) < STAY_OR_REPLACE)
    stays = random.random(len(units)) < STAY
    fates = np.where(chosen, Fate.MASKED, Fate.UNTOUCHED)
    fates[not_masked] = np.where(stays, Fate.LEFT, Fate.REPLACED)[not_masked]
    fates = np.repeat(fates, units)

    masked = indices.copy()
    masked[fates == Fate.MASKED] = dictionary.mask
    replaced = fates == Fate.REPLACED
    if replaced.any():
        weights = np.ones(len(dictionary) + 1)  # the task has added <mask>
        weights[:FIRST] = 0
        probabilities = weights / weights.sum()
        masked[replaced] = random.choice(len(weights), replaced.sum(), p=probabilities)
    return masked, fates


def _chosen(units: np.ndarray, number: int, random: np.random.Generator) -> np.ndarray:
    """Units with ``number`` positions in all, up to the length of one: bool, (units,).

    In random order they lie round a circle, and those are chosen that begin within an arc of
    ``number`` positions. So each has the same chance, a long one too; were units taken one after
    the other until there are enough, long ones would be rarer in short samples.
    """
    order = random.permutation(len(units))
    begins = np.cumsum(units[order]) - units[order]
    chosen = np.zeros(len(units), bool)
    chosen[order] = (begins - random.integers(units.sum())) % units.sum() < number
    return chosen
