"""How GPT-2's byte-pair encoding puts a word together, merge by merge, and its 50 257 tokens."""

import dataclasses
import functools
import itertools
from collections.abc import Sequence

import regex as re

from helpers.common.errors import CourseError
from helpers.explorer.pattern_search import matching
from helpers.tokens.gpt2 import END_OF_TEXT, byte_of_letter, bytes_of_token, gpt2_file
from helpers.tokens.pattern import PATTERN
from helpers.tokens.readable import readable

Pair = tuple[bytes, bytes]
SINGLE_BYTES = 256  # the first GPT-2 ids; the merge of rank r makes the token 256 + r
LONGEST = 200  # bytes of a word whose merges are walked; the work grows with the square


@dataclasses.dataclass(frozen=True)
class Step:
    """The pieces of a word after some merges.

    Attributes:
        pieces: what the word consists of now.
        merged: the pair that was joined to get here; None for the single bytes at the beginning.
        rank: its rank, the number of its line in ``vocab.bpe`` (from 0); the lowest wins.
        lost: the other pairs that could have been joined, best rank first.
    """

    pieces: tuple[bytes, ...]
    merged: Pair | None = None
    rank: int | None = None
    lost: tuple[tuple[Pair, int], ...] = ()


@dataclasses.dataclass(frozen=True)
class FoundToken:
    """A token; ``merged`` and ``rank`` are None for single bytes and ``<|endoftext|>``."""

    gpt2_id: int
    content: bytes
    merged: Pair | None
    rank: int | None


@functools.cache
def merge_ranks() -> dict[Pair, int]:
    """The 50 000 merges of ``vocab.bpe`` → rank, from 0; the file's first line is its version.

    >>> merge_ranks()[b" ", b"t"]
    0
    """
    letter = byte_of_letter()
    lines = gpt2_file("vocab.bpe").read_text("utf-8").splitlines()[1:]
    pairs = [tuple(bytes(letter[c] for c in half) for half in line.split(" ")) for line in lines]
    return {pair: rank for rank, pair in enumerate(pairs)}


@functools.cache
def _pairs() -> tuple[Pair, ...]:
    return tuple(merge_ranks())


def words(text: str) -> list[str]:
    """What GPT-2's pattern cuts a text into before it merges; merges never cross these borders.

    >>> words("Hello world, it's me")
    ['Hello', ' world', ',', ' it', "'s", ' me']
    """
    return re.findall(PATTERN, text)


def merge_steps(word: str | bytes) -> list[Step]:
    """From the bytes of a word to its tokens: of all neighbours the pair of lowest rank is joined.

    Where it stands several times it is joined everywhere in one step. Source of the algorithm:
    Sennrich et al. 2016; ``bpe`` in ``fairseq/data/encoders/gpt2_bpe_utils.py``.

    >>> [step.pieces for step in merge_steps("the")]
    [(b't', b'h', b'e'), (b't', b'he'), (b'the',)]

    Raises:
        CourseError: the word has more than 200 bytes.
    """
    content = word.encode() if isinstance(word, str) else word
    if len(content) > LONGEST:
        raise CourseError(
            f"This word has {len(content):,} bytes; merges are shown for up to {LONGEST}.",
            "Choose a shorter one.",
        )
    pieces = tuple(bytes([byte]) for byte in content)
    steps, ranks = [Step(pieces)], merge_ranks()
    while candidates := {pair: ranks[pair] for pair in _neighbours(pieces) if pair in ranks}:
        (best, rank), *lost = sorted(candidates.items(), key=lambda item: item[1])
        pieces = _joined(pieces, best)
        steps.append(Step(pieces, best, rank, tuple(lost)))
    return steps


def _neighbours(pieces: Sequence[bytes]) -> set[Pair]:
    return set(itertools.pairwise(pieces))


def _joined(pieces: tuple[bytes, ...], pair: Pair) -> tuple[bytes, ...]:
    """The pieces with every occurrence of a pair joined, from left to right."""
    found: list[bytes] = []
    i = 0
    while i < len(pieces):
        size = 2 if pieces[i : i + 2] == pair else 1
        found.append(b"".join(pieces[i : i + size]))
        i += size
    return tuple(found)


@functools.cache
def _searched(digits: bool) -> tuple[str, ...]:
    """Each token as a search sees it: its text; where it is none, ``⟨E5 A5⟩`` if that is wanted."""
    return tuple(_as_text(content, digits) for content in bytes_of_token())


def _as_text(content: bytes, digits: bool) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return readable(content) if digits else ""


def search_tokens(
    query: str = "", *, after_space: bool = False, regex: bool = False, latest: bool = False
) -> list[FoundToken]:
    """The tokens that hold a text: single bytes, then in the order in which they were merged.

    Bytes that are no text are found by their digits, with the bracket before them: ``⟨E5``.

    Args:
        after_space: only tokens that begin with a space, as words within a sentence do.
        regex: ``query`` is a regular expression, searched for anywhere in a token.
        latest: the other way round, the last merges first.

    >>> [token.gpt2_id for token in search_tokens("helmet")]
    [14335, 28359]

    Raises:
        CourseError: see :func:`helpers.explorer.pattern_search.matching`.
    """
    texts = _searched("⟨" in query)
    if regex:
        fitting = matching(query, texts)
    else:
        fitting = [i for i, text in enumerate(texts) if query in text]
    if after_space:
        fitting = [i for i in fitting if bytes_of_token()[i].startswith(b" ")]
    return [_found(i) for i in (reversed(fitting) if latest else fitting)]


def _found(gpt2_id: int) -> FoundToken:
    merged = SINGLE_BYTES <= gpt2_id < END_OF_TEXT
    rank = gpt2_id - SINGLE_BYTES if merged else None
    pair = _pairs()[rank] if merged else None
    return FoundToken(gpt2_id, bytes_of_token()[gpt2_id], pair, rank)
