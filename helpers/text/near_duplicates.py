"""Documents that are nearly the same: found by a short signature of each, never by their texts.

Two documents are near-duplicates where most n-grams of the two are in both: where the Jaccard
similarity of these sets (how many are in both, by how many are in either) is ``SIMILAR`` or more.
An n-gram is ``GRAM`` bytes of UTF-8 without white space, which are 12 letters of English or 4
Chinese characters. So it is the same text however its lines are wrapped.

The signature (MinHash; Broder 1997) has ``PERMUTATIONS`` numbers. Two documents agree in each of
them with a probability of their similarity, which is so estimated to within about 0.05. Which ones
have to be compared is found by sorting (Indyk and Motwani 1998): the signature is cut into bands of
``BAND`` numbers, and only those are compared that agree in a whole band. Of pairs that are 0.8
similar, one in 4,600 agrees in none.

A signature has 256 bytes, those of a million documents 256 MB; with what is sorted, 300 MB.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

PERMUTATIONS, BAND = 64, 4
SIMILAR = 0.8
GRAM = 12
SEED = 1  # another one gives other signatures
NEIGHBOURS = 16  # where many agree in a band, with how many each is compared
AT_ONCE = 1 << 16  # rows that are worked on at once: memory
PIECE = 1 << 20  # characters of a document, likewise
NONE = -1
_SPACES = b" \t\n\v\f\r\x1c\x1d\x1e\x1f"  # of ASCII, by str.isspace
_ODD = np.random.default_rng(SEED).integers(1 << 63, size=PERMUTATIONS, dtype=np.uint64) * 2 + 1


def signature(document: str) -> np.ndarray:
    """What is kept of a document: (PERMUTATIONS,), uint32.

    >>> bool((signature("one two\\nthree") == signature("one\\ntwo three")).all())
    True
    """
    return signatures([document])[0]


def signatures(documents: Sequence[str]) -> np.ndarray:
    """The signatures of documents: (documents, PERMUTATIONS), uint32."""
    found = np.empty((len(documents), PERMUTATIONS), dtype=np.uint32)
    is_long = np.array([len(document) > PIECE for document in documents], dtype=bool)
    short = [spaceless(text) for text in documents if len(text) <= PIECE]
    if short:
        found[~is_long] = _of_bytes(short)
    for number in np.flatnonzero(is_long):
        found[number] = _of_pieces(documents[number])
    return found


class LongSignature:
    """The signature of a document that is given text by text.

    Of two sets together, each number is the smaller one of theirs.
    """

    def __init__(self) -> None:
        self._found: np.ndarray | None = None
        self._rest = b""  # what the next n-grams begin with

    def add(self, text: str) -> None:
        self._rest += spaceless(text)
        if len(self._rest) >= GRAM:
            here = _of_bytes([self._rest])[0]
            self._found = here if self._found is None else np.minimum(self._found, here)
            self._rest = self._rest[1 - GRAM :]

    @property
    def value(self) -> np.ndarray:
        """That of all that was given: (PERMUTATIONS,), uint32."""
        return _of_bytes([self._rest])[0] if self._found is None else self._found


def _of_pieces(text: str) -> np.ndarray:
    whole = LongSignature()
    for i in range(0, len(text), PIECE):
        whole.add(text[i : i + PIECE])
    return whole.value


def spaceless(text: str) -> bytes:
    """A text in UTF-8 without its white space."""
    if not text.isascii():
        text = "".join(text.split())
    return text.encode("utf-8", "surrogatepass").translate(None, _SPACES)


def _of_bytes(documents: Sequence[bytes]) -> np.ndarray:
    """The signatures of documents without white space; what is shorter than an n-gram, is one."""
    from rensa import RMinHash

    padded = [document.ljust(GRAM, b"\0") for document in documents]
    ends = np.cumsum([len(document) for document in padded])
    text = b"".join(padded)
    number = len(text) - GRAM + 1
    first = np.ndarray(number, "<u8", text, strides=(1,))
    last = np.ndarray(number, "<u4", text, offset=8, strides=(1,))
    grams = first * _ODD[0] + last * _ODD[1]
    grams ^= grams >> np.uint64(32)  # every bit depends on all of the n-gram
    grams *= _ODD[2]
    is_within = np.ones(number, dtype=bool)  # one document
    is_within[(ends[:-1, None] - np.arange(1, GRAM)).ravel()] = False
    offsets = np.concatenate([[0], ends - (GRAM - 1) * np.arange(1, len(ends) + 1)])
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(
        grams[is_within], offsets.astype(np.uint64), PERMUTATIONS, SEED
    )
    return np.array(matrix.to_rows(), dtype=np.uint32)


def groups_of(signatures: np.ndarray, used: np.ndarray | None = None) -> np.ndarray:
    """Of each document the number of the first one in its group: (documents,).

    A group is of near-duplicates, and of the near-duplicates of these.

    Args:
        signatures: (documents, PERMUTATIONS).
        used: the rows to look at, in the order in which they are documents; else all.

    >>> groups_of(signatures(["one", "two", "one", "three"])).tolist()
    [0, 1, 0, 3]
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    rows, of_row = _different(signatures, np.arange(len(signatures)) if used is None else used)
    groups = np.arange(len(rows))
    for a, b in _candidates(signatures, rows):
        other = groups[a] != groups[b]
        a, b = a[other], b[other]
        near = _similarities(signatures, rows[a], rows[b]) >= SIMILAR
        if near.any():
            edges = (groups[a[near]], groups[b[near]])
            graph = coo_array((np.ones(len(edges[0])), edges), shape=(len(rows), len(rows)))
            groups = connected_components(graph, directed=False)[1][groups]
    _, first, group = np.unique(groups[of_row], return_index=True, return_inverse=True)
    return first[group]


def nearest(
    signatures: np.ndarray, are_old: np.ndarray, are_new: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Of each new document the old one that is most similar to it, if it is a near-duplicate.

    Args:
        signatures: (documents, PERMUTATIONS).
        are_old, are_new: whether a document is among these, (documents,); no other is looked at.

    Returns:
        The number of the old document, or ``NONE``, and the estimated similarity: (documents,).
    """
    used = np.flatnonzero(are_old | are_new)
    rows, of_row = _different(signatures, used)
    old = np.full(len(rows), NONE)
    of_old = are_old[used]
    old[of_row[of_old][::-1]] = used[of_old][::-1]  # the first of them
    is_new = np.zeros(len(rows), dtype=bool)
    is_new[of_row[are_new[used]]] = True
    best, similarity = old.copy(), (old != NONE).astype(np.float64)
    for pair in _candidates(signatures, rows):
        for new, other in (pair, pair[::-1]):
            ask = is_new[new] & (old[other] != NONE) & (similarity[new] < 1)
            new, other = new[ask], other[ask]
            found = _similarities(signatures, rows[new], rows[other])
            better = (found >= SIMILAR) & (found > similarity[new])
            best[new[better]] = old[other[better]]
            similarity[new[better]] = found[better]
    all_best = np.full(len(signatures), NONE)
    all_best[used] = np.where(are_new[used], best[of_row], NONE)
    all_similar = np.zeros(len(signatures))
    all_similar[used] = np.where(are_new[used], similarity[of_row], 0)
    return all_best, all_similar


def have_near_duplicates(documents: Sequence[str], among: Iterable[Sequence[str]]) -> np.ndarray:
    """Whether each document has a near-duplicate among others: (documents,), bool.

    Args:
        among: the others, some at a time; only these are held.
    """
    own = signatures(documents)
    found = np.zeros(len(own), dtype=bool)
    for others in among:
        both = np.concatenate([own, signatures(others)])
        is_own = np.arange(len(both)) < len(own)
        found |= nearest(both, ~is_own, is_own)[0][: len(own)] != NONE
    return found


def _different(signatures: np.ndarray, used: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A document for each signature that occurs, in an order by what they are, not where.

    Returns:
        Their numbers: (different,). And of each that is used, which of them is its: (used,).
    """
    _, rows, of_row = np.unique(
        _mixed(signatures, used, slice(None)), return_index=True, return_inverse=True
    )
    return used[rows], of_row


def _mixed(signatures: np.ndarray, rows: np.ndarray, columns: slice) -> np.ndarray:
    """A number for some columns of each row; those that differ have other ones: (rows,)."""
    factors, mixed = _ODD[columns], np.empty(len(rows), dtype=np.uint64)
    for i in range(0, len(rows), AT_ONCE):
        some = signatures[rows[i : i + AT_ONCE], columns].astype(np.uint64)
        mixed[i : i + AT_ONCE] = (some * factors).sum(axis=1)
    return mixed


def _candidates(
    signatures: np.ndarray, rows: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs of rows that agree in a band, as places in ``rows``.

    Of those that come together, each row is the first one of a pair at most, and the second.
    """
    for i in range(0, PERMUTATIONS, BAND):
        band = _mixed(signatures, rows, slice(i, i + BAND))
        order = np.argsort(band, kind="stable")
        band = band[order]
        for step in range(1, NEIGHBOURS + 1):
            agree = np.flatnonzero(band[step:] == band[:-step])
            if not len(agree):
                break
            yield order[agree], order[agree + step]


def _similarities(signatures: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """How similar the documents of each pair are, by their signatures: (pairs,)."""
    parts = [
        (signatures[a[i : i + AT_ONCE]] == signatures[b[i : i + AT_ONCE]]).mean(axis=1)
        for i in range(0, len(a), AT_ONCE)
    ]
    return np.concatenate(parts) if parts else np.zeros(0)
