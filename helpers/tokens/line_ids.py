"""Lines of text to ids, chunk by chunk: pure functions, which worker processes load quickly.

A chunk of stripped lines is encoded in one call and cut at the newline tokens afterwards. That is
exact because a stripped line neither begins nor ends with white space, so the pattern never joins a
newline with anything but other newlines; and of newlines alone GPT-2 has two tokens only, 198 (one)
and 628 (two).
"""

import functools
from pathlib import Path

import numpy as np

from helpers.text.chunks import Chunk, chunk_texts
from helpers.tokens.gpt2 import GPT2_IDS, encode, token_sizes

NEWLINE, TWO_NEWLINES = 198, 628


def encode_lines(text: str) -> np.ndarray:
    """The GPT-2 ids of every line, each line closed by -1: int32.

    >>> encode_lines("Hello world\\n\\n hello\\n").tolist()
    [15496, 995, -1, -1, 31373, -1]
    """
    lines = text.removesuffix("\n").split("\n")
    ids = encode("\n".join(map(str.strip, lines)) + "\n").astype(np.int32)
    ids = np.repeat(ids, np.where(ids == TWO_NEWLINES, 2, 1))
    ids[(ids == NEWLINE) | (ids == TWO_NEWLINES)] = -1
    return ids


@functools.cache
def _words() -> list[bytes]:
    return [*(str(i).encode() for i in range(GPT2_IDS)), b"\n"]  # the last one is [-1]


def bpe_text(ids: np.ndarray) -> bytes:
    """Ids with -1 at line ends as the bytes of a ``.bpe`` file.

    >>> bpe_text(np.array([15496, 995, -1, -1]))
    b'15496 995\\n\\n'
    """
    text = b" ".join(map(_words().__getitem__, ids.tolist()))
    return text.replace(b" \n", b"\n").replace(b"\n ", b"\n")


def encoded_chunk(chunk: Chunk) -> tuple[bytes, int, int, int]:
    """The ``.bpe`` of some lines, and how many lines, tokens and encoded bytes they have."""
    ids = encode_lines(chunk.text())
    lines = int((ids < 0).sum())
    return bpe_text(ids), lines, len(ids) - lines, int(token_sizes()[ids].sum())


def encoded_bytes(file: Path) -> int:
    """The bytes of a text that are in its tokens: no line ends, no white space around lines."""
    return sum(
        len("".join(map(str.strip, text.split("\n"))).encode()) for text in chunk_texts(file)
    )


def line_lengths(file: Path) -> np.ndarray:
    """The GPT-2 tokens of every line of a text that is not blank: int64, shape (lines,)."""
    ends = (np.flatnonzero(encode_lines(text) < 0) for text in chunk_texts(file))
    lengths = [np.diff(places, prepend=-1) - 1 for places in ends]
    found = np.concatenate([*lengths, np.zeros(0, np.int64)])
    return found[found > 0]
