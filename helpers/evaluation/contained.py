"""How much of a text stands in other texts, word for word.

It is told by runs of ``GRAM`` bytes of UTF-8 without white space, which are 24 letters of English
or 8 Chinese characters: however lines are wrapped, and whatever parts documents. Of a shorter text
all of it must stand on a line of its own.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from helpers.text.near_duplicates import spaceless

GRAM = 24
BITS = 24  # of a table that says which runs need not be looked for
_ODD = np.random.default_rng(1).integers(1 << 63, size=4, dtype=np.uint64) * 2 + 1


def shares_within(texts: Sequence[str], others: Iterable[str]) -> np.ndarray:
    """What share of each text stands in others: (texts,).

    Args:
        others: of whole lines each, some megabytes at most; only the texts are held.

    >>> shares_within(["It stands there, word for word."], ["It stands there,\\nword for word."])
    array([1.])
    """
    bare = [spaceless(text) for text in texts]
    short = {text: False for text in bare if len(text) < GRAM}
    runs = [_runs(text) for text in bare]
    wanted = np.unique(np.concatenate([np.zeros(0, dtype=np.uint64), *runs]))
    there = np.zeros(len(wanted), dtype=bool)
    may_be = np.zeros(1 << BITS, dtype=bool)
    may_be[wanted >> np.uint64(64 - BITS)] = True
    for other in others:
        found = _runs(spaceless(other))
        found = found[may_be[found >> np.uint64(64 - BITS)]]
        if len(wanted):
            places = np.minimum(np.searchsorted(wanted, found), len(wanted) - 1)
            there[places[wanted[places] == found]] = True
        if short:
            for line in map(spaceless, other.split("\n")):
                if line in short:
                    short[line] = True
    return np.array(
        [
            there[np.searchsorted(wanted, its)].mean() if len(its) else float(short[text])
            for text, its in zip(bare, runs, strict=True)
        ]
    )


def _runs(text: bytes) -> np.ndarray:
    """A number for each run of ``GRAM`` bytes: (runs,), uint64."""
    number = len(text) - GRAM + 1
    if number < 1:
        return np.zeros(0, dtype=np.uint64)
    words = (np.ndarray(number, "<u8", text, offset=i, strides=(1,)) for i in (0, 8, 16))
    mixed = sum(word * odd for word, odd in zip(words, _ODD, strict=False))
    mixed ^= mixed >> np.uint64(32)
    return mixed * _ODD[3]
