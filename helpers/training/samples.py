"""What one pass over the data consists of: samples of lines, and batches of samples.

It follows fairseq's ``TokenBlockDataset`` and ``batch_by_size`` by sizes alone, so that nothing of
the data is read but its index, and fairseq need not be there.
"""

import numpy as np

Sizes = np.ndarray  # of integers, shape (number,)
Slices = np.ndarray  # what each begins with, and what stands behind it: int64, shape (number, 2)


def sample_slices(lines: Sizes, mode: str, limit: int) -> Slices:
    """Which of the dictionary indices of all lines are in each sample.

    Args:
        lines: the indices of each line, with its ``</s>``; a document's border has one.
        mode: ``complete`` fills a sample with whole lines, ``complete_doc`` with those of one
            document; ``none`` cuts where it is full, and ``eos`` gives each line a sample.
        limit: the most indices of a sample, with the ``<s>`` that fairseq puts before it; a single
            longer line stays whole.

    >>> lines = np.array([3, 4, 1, 2, 9])
    >>> for mode in MODES:
    ...     print(mode, sample_slices(lines, mode, 9).tolist())
    complete [[0, 8], [8, 10], [10, 19]]
    complete_doc [[0, 7], [8, 10], [10, 19]]
    none [[0, 8], [8, 16], [16, 19]]
    eos [[0, 3], [3, 7], [7, 8], [8, 10], [10, 19]]
    """
    return MODES[mode](np.concatenate(([0], np.cumsum(lines, dtype=np.int64))), limit - 1)


def sample_sizes(lines: Sizes, mode: str, limit: int) -> Sizes:
    """The dictionary indices of each sample, with its ``<s>``; see :func:`sample_slices`.

    >>> sample_sizes(np.array([3, 4, 1, 2, 9]), "complete", 9)
    array([ 9,  3, 10])
    """
    return 1 + np.diff(sample_slices(lines, mode, limit)).ravel()


def _between(borders: Sizes) -> Slices:
    return np.stack((borders[:-1], borders[1:]), axis=1)


def _complete(ends: Sizes, limit: int) -> Slices:
    """Of lines whose borders these are, the first one's beginning among them."""
    borders, line = [ends[0]], 0
    while line + 1 < len(ends):
        room = int(borders[-1]) + limit
        line = max(line + 1, int(np.searchsorted(ends, room, "right")) - 1)
        borders.append(ends[line])
    return _between(np.array(borders, np.int64))


def _complete_doc(ends: Sizes, limit: int) -> Slices:
    blank = np.flatnonzero(np.diff(ends) == 1)  # these lines part documents, and are in none
    begins, behind = np.append(0, blank + 1), np.append(blank, len(ends) - 1)
    found = [_complete(ends[a : b + 1], limit) for a, b in zip(begins, behind, strict=True)]
    return np.concatenate(found)


def _none(ends: Sizes, limit: int) -> Slices:
    return _between(np.append(np.arange(0, ends[-1], limit), ends[-1]))


def _eos(ends: Sizes, _: int) -> Slices:
    return _between(ends)


MODES = {"complete": _complete, "complete_doc": _complete_doc, "none": _none, "eos": _eos}


def batches(samples: Sizes, max_tokens: int) -> tuple[Sizes, Sizes]:
    """Of each batch of one pass, the dictionary indices, and these with padding.

    fairseq sorts samples by size, and fills a batch while its number times its longest sample is
    at most ``max_tokens``. (In training the batches come in another order each time.)

    >>> batches(np.array([2, 5, 3, 3]), 9)
    (array([8, 5]), array([9, 5]))
    """
    ordered, borders = np.sort(samples), [0]
    while (begun := borders[-1]) < len(ordered):
        some = ordered[begun : begun + max(1, max_tokens // int(ordered[begun]))]
        fits = np.arange(1, len(some) + 1) * some <= max_tokens
        borders.append(begun + max(1, int(fits.sum())))
    ends = np.array(borders[1:], np.int64)
    sums = np.append(0, np.cumsum(ordered))
    return np.diff(sums[borders]), np.diff(borders) * ordered[ends - 1]
