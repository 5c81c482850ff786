"""``.bpe`` files: each line of a text as GPT-2 ids, written as decimal numbers.

fairseq's ``multiprocessing_bpe_encoder`` strips each line, encodes it, and writes its ids separated
by spaces; :mod:`helpers.tokens.line_ids` does the same, many times as fast.
"""

import re
import sys
from collections import Counter
from pathlib import Path

import numpy as np

from helpers.common.errors import DamagedFile
from helpers.common.processes import ALONE, Workers
from helpers.text.chunks import chunk_texts, chunks_of, count_lines
from helpers.tokens.gpt2 import GPT2_IDS, gpt2_file
from helpers.tokens.line_ids import encoded_chunk

ENCODER_MODULE = "fairseq.examples.roberta.multiprocessing_bpe_encoder"
_STRANGE = re.compile(r"[^0-9 \n]")
_LEADING_ZERO = re.compile(r"0(?<!\d0)\d")


def encoder_command(source: Path, target: Path, workers: int) -> list[str]:
    """fairseq's BPE encoder: one text file to GPT-2 ids, a line for every line."""
    return [
        *(sys.executable, "-m", ENCODER_MODULE),
        *("--encoder-json", str(gpt2_file("encoder.json"))),
        *("--vocab-bpe", str(gpt2_file("vocab.bpe"))),
        *("--inputs", str(source), "--outputs", str(target)),
        *("--keep-empty", "--workers", str(workers)),
    ]


def encode_file(source: Path, target: Path, workers: Workers = ALONE) -> tuple[int, int, int]:
    """Encode a text file, byte for byte as fairseq's encoder with ``--keep-empty``.

    Returns:
        Lines, tokens, and encoded bytes.
    """
    totals = np.zeros(3, dtype=np.int64)
    with target.open("wb") as out:
        for text, *counts in workers.map(encoded_chunk, chunks_of(source)):
            out.write(text)
            totals += counts
    return tuple(totals.tolist())


def token_counts(bpe: Path) -> Counter[int]:
    """How often each GPT-2 id occurs in a ``.bpe`` file, in the order of the first of each.

    Raises:
        ValueError: see :func:`parse_bpe`.
    """
    counts: Counter[int] = Counter()
    for text in chunk_texts(bpe):
        ids = parse_bpe(text)
        counts.update(ids[ids >= 0].tolist())
    return counts


def count_bpe(bpe: Path, raw: Path | None = None) -> tuple[int, int]:
    """Lines and tokens of a ``.bpe`` file, after a look at its health.

    Raises:
        DamagedFile: it does not end with a line end, or has other lines than ``raw``.
    """
    lines, tokens, last = 0, 0, "\n"
    for text in chunk_texts(bpe):
        lines += text.count("\n")
        tokens += len(text.split())
        last = text[-1]
    if last != "\n":
        raise DamagedFile(
            f"{bpe} breaks off in line {lines + 1}: its last line has no end.",
            "Encode the text again (notebook 02_bpe).",
        )
    if raw is not None and raw.is_file() and (wanted := count_lines(raw)) != lines:
        raise DamagedFile(
            f"{bpe} has {lines:,} lines, but {raw.name} has {wanted:,}; they should be equal.",
            "Encode the text again (notebook 02_bpe), with --keep-empty if you type it yourself.",
        )
    return lines, tokens


def parse_bpe(text: str) -> np.ndarray:
    """The GPT-2 ids in some lines of a ``.bpe`` file, each line closed by -1: int32.

    Raises:
        ValueError: ``(offset, what)`` of the first thing that is no GPT-2 id.

    >>> parse_bpe("15496 995\\n\\n").tolist()
    [15496, 995, -1, -1]
    """
    if strange := _STRANGE.search(text):
        raise ValueError(strange.start(), f"{strange[0]!r} is not a digit")
    if not text.endswith("\n"):  # the last line of a file may lack its end
        text += "\n"
    ids = np.fromstring(text.replace("\n", " -1 "), dtype=np.int64, sep=" ")
    if ids.max() >= GPT2_IDS or _LEADING_ZERO.search(text):
        wrong = next(w for w in re.finditer(r"\d+", text) if not _is_gpt2_id(w[0]))
        raise ValueError(wrong.start(), f"the token {wrong[0][:20]} is none of 0 to 50256")
    return ids.astype(np.int32)


def _is_gpt2_id(word: str) -> bool:
    return len(word) <= 5 and int(word) < GPT2_IDS and word == str(int(word))
