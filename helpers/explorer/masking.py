"""What fairseq's training hides of a sample, with fairseq's own random numbers."""

import enum

import numpy as np

from helpers.common.symbols import FIRST
from helpers.ids.dictionary import Dictionary

MASK_SHARE = 0.15  # of the positions; of these 10% stay as they are and 10% are replaced
STAY_OR_REPLACE, STAY = 0.2, 0.5  # the second is a share of the first


class Fate(enum.IntEnum):
    """What happens to a position; all but the untouched are to be guessed by the model."""

    UNTOUCHED = 0
    MASKED = 1
    REPLACED = 2
    LEFT = 3  # chosen, but left as it is


def fairseq_mask(
    indices: np.ndarray, dictionary: Dictionary, *, seed: int = 1, epoch: int = 1, sample: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """A sample as the model sees it in training, number for number.

    Each epoch hides other positions; validation always sees those of epoch 1. ``<s>`` and ``</s>``
    are hidden like any other. A replacement is drawn from all of the dictionary but its first four
    symbols: rarely it is what stood there before, or ``<mask>``.

    Source: ``MaskTokensDataset`` in ``fairseq/data/mask_tokens_dataset.py``.

    Args:
        indices: dictionary indices from ``<s>`` to the last ``</s>``, shape (positions,).
        seed: ``common.seed`` of the training.
        epoch: counted from 1.
        sample: the number of the sample in its file, from 0.

    Returns:
        The indices after masking, and the :class:`Fate` of each position: both of shape
        (positions,).

    >>> small = Dictionary(("13", "262", "11", "284"), (5, 4, 3, 2))
    >>> masked, fates = fairseq_mask(np.array([0, *[4, 5] * 9, 2]), small, sample=93)
    >>> {i: (Fate(fates[i]).name, int(masked[i])) for i in np.flatnonzero(fates).tolist()}
    {2: ('LEFT', 5), 9: ('MASKED', 8), 14: ('REPLACED', 7)}
    """
    # fairseq's 1e6 is a float: the hash is rounded before its remainder is taken.
    random = np.random.default_rng(int(hash((seed, epoch, sample)) % 1e6))
    size = len(indices)
    chosen = np.zeros(size, bool)
    number = int(MASK_SHARE * size + random.random())
    chosen[random.choice(size, number, replace=False)] = True
    not_masked = chosen & (random.random(size) < STAY_OR_REPLACE)
    stays = random.random(size) < STAY
    fates = np.where(chosen, Fate.MASKED, Fate.UNTOUCHED)
    fates[not_masked] = np.where(stays, Fate.LEFT, Fate.REPLACED)[not_masked]

    masked = indices.copy()
    masked[fates == Fate.MASKED] = dictionary.mask
    replaced = fates == Fate.REPLACED
    if replaced.any():
        weights = np.ones(len(dictionary) + 1)  # the task has added <mask>
        weights[:FIRST] = 0
        share = weights / weights.sum()
        masked[replaced] = random.choice(len(weights), replaced.sum(), p=share)
    return masked, fates
