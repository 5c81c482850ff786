"""What one pass over the data consists of: samples of lines, batches of samples, updates.

It follows fairseq's ``TokenBlockDataset`` and ``batch_by_size`` by sizes alone, so that nothing of
the data is read but its index.
"""

import numpy as np

Sizes = np.ndarray  # of integers, shape (number,)


def sample_sizes(lines: Sizes, mode: str, limit: int) -> Sizes:
    """The dictionary indices of each sample, with the ``<s>`` that fairseq puts before it.

    Args:
        lines: the indices of each line, with its ``</s>``; a document's border has one.
        mode: ``complete`` fills a sample with whole lines, ``complete_doc`` with those of one
            document; ``none`` cuts where it is full, and ``eos`` gives each line a sample.
        limit: the most indices of a sample, ``<s>`` included; a single longer line stays whole.

    >>> lines = np.array([3, 4, 1, 2, 9])
    >>> {mode: sample_sizes(lines, mode, 9).tolist() for mode in MODES}
    {'complete': [9, 3, 10], 'complete_doc': [8, 3, 10], 'none': [9, 9, 4], 'eos': [4, 5, 2, 3, 10]}
    """
    return 1 + MODES[mode](lines.astype(np.int64), limit - 1)


def _complete(lines: Sizes, limit: int) -> Sizes:
    ends = np.cumsum(lines)
    borders, begun = [0], 0  # in tokens
    while begun < len(lines):
        room = borders[-1] + limit
        begun = max(begun + 1, int(np.searchsorted(ends, room, "right")))
        borders.append(int(ends[begun - 1]))
    return np.diff(np.array(borders, np.int64))


def _complete_doc(lines: Sizes, limit: int) -> Sizes:
    documents = np.split(lines, np.flatnonzero(lines == 1))
    found = [_complete(document[document > 1], limit) for document in documents]
    return np.concatenate(found)


def _none(lines: Sizes, limit: int) -> Sizes:
    full, rest = divmod(int(lines.sum()), limit)
    return np.array([limit] * full + [rest] * bool(rest), np.int64)


def _eos(lines: Sizes, _: int) -> Sizes:
    return lines


MODES = {"complete": _complete, "complete_doc": _complete_doc, "none": _none, "eos": _eos}


def batch_sizes(samples: Sizes, max_tokens: int) -> Sizes:
    """The indices in each batch of one pass, padding left out.

    fairseq sorts samples by size, and fills a batch while its number times its longest sample is
    at most ``max_tokens``. (In training the batches come in another order each time.)

    >>> batch_sizes(np.array([2, 5, 3, 3]), 9)
    array([8, 5])
    """
    ordered, batches, begun = np.sort(samples), [], 0
    while begun < len(ordered):
        some = ordered[begun : begun + max(1, max_tokens // int(ordered[begun]))]
        fits = np.arange(1, len(some) + 1) * some <= max_tokens
        number = max(1, int(fits.sum()))
        batches.append(int(some[:number].sum()))
        begun += number
    return np.array(batches, np.int64)
