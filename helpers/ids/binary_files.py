"""fairseq's binary data files: ``.bpe`` text in, ``.bin`` and ``.idx`` out, and back.

The format is that of ``MMapIndexedDataset`` (fairseq/data/indexed_dataset.py), little-endian:

- ``.bin``: the dictionary indices of all lines one after the other, each line closed by ``</s>``.
- ``.idx``: ``MMIDIDX\\0\\0``, version 1 (uint64), code of the number type (uint8), number of lines
  (uint64), tokens of each line (int32), byte offset of each line in ``.bin`` (int64).
"""

import functools
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from helpers.common.errors import DamagedFile
from helpers.common.processes import ALONE, Workers
from helpers.common.symbols import EOS, UNK
from helpers.ids.dictionary import Dictionary
from helpers.text.chunks import Chunk, chunks_of
from helpers.tokens.bpe_files import parse_bpe
from helpers.tokens.line_ids import encode_lines

MAGIC = b"MMIDIDX\x00\x00"
HEADER = struct.Struct("<9sQBQ")
TYPES = {8: np.dtype("<u2"), 9: np.dtype("<u4"), 4: np.dtype("<i4")}
BLOCK = 1 << 20  # bytes, or numbers, that are worked on at a time


def type_code(types: int) -> int:
    """fairseq's choice of number type for a dictionary: uint16 (8) below 65 500 types."""
    return 8 if types < 65500 else 9


def index_table(dictionary: Dictionary) -> np.ndarray:
    """Dictionary index of every GPT-2 id, and last ``</s>``, in the file's type: shape (50258,).

    A line's end, -1, takes the last entry.
    """
    return np.append(dictionary.from_gpt2, EOS).astype(TYPES[type_code(len(dictionary))])


def line_sizes(ids: np.ndarray) -> np.ndarray:
    """Tokens of each line, its ``</s>`` included: int32."""
    return np.diff(np.flatnonzero(ids < 0), prepend=-1).astype("<i4")


class Lines(NamedTuple):
    """Lines as they stand in the files.

    Attributes:
        data: their indices in the type of the ``.bin``, each line closed by ``</s>``.
        sizes: the tokens of each, its ``</s>`` included: int32.
        unknown: how many tokens are ``<unk>``.
    """

    data: bytes
    sizes: bytes
    unknown: int


def looked_up(ids: np.ndarray, table: np.ndarray) -> Lines:
    """Lines of GPT-2 ids, each closed by -1, in the ``table`` of :func:`index_table`."""
    indices = table[ids]
    return Lines(indices.tobytes(), line_sizes(ids).tobytes(), int((indices == UNK).sum()))


def prepared_chunk(chunk: Chunk, table: np.ndarray) -> Lines:
    """Lines of text, encoded and looked up."""
    return looked_up(encode_lines(chunk.text()), table)


def _indexed_chunk(chunk: Chunk, table: np.ndarray) -> Lines | tuple[str, int]:
    """Lines of a ``.bpe`` file; what is wrong with one of them and which it is, from 0."""
    text = chunk.text()
    try:
        return looked_up(parse_bpe(text), table)
    except ValueError as error:
        offset, what = error.args
        return what, text.count("\n", 0, offset)


class Counts(NamedTuple):
    """What a ``.bin`` holds: lines, tokens without ``</s>``, bytes, and tokens that are unknown."""

    lines: int
    tokens: int
    bytes: int
    unknown: int


class IndexedWriter:
    """Writes ``prefix.bin`` and ``prefix.idx`` chunk by chunk; use as a context manager.

    Args:
        types: size of the dictionary, which decides the number type of the ``.bin``.
    """

    def __init__(self, prefix: Path, types: int) -> None:
        self.prefix, self.code = prefix, type_code(types)
        self.lines = self.tokens = self.unknown = 0

    def __enter__(self) -> "IndexedWriter":
        self.data = Path(f"{self.prefix}.bin").open("wb")
        self.index = Path(f"{self.prefix}.idx").open("wb+")
        self.index.write(bytes(HEADER.size))  # written again when the number of lines is known
        return self

    def add(self, some: Lines) -> None:
        """Add lines, whose indices have the file's type."""
        self.data.write(some.data)
        self.index.write(some.sizes)
        lines = len(some.sizes) // 4
        self.lines += lines
        self.tokens += len(some.data) // self.width - lines
        self.unknown += some.unknown

    @property
    def width(self) -> int:
        """Bytes of an index in ``.bin``."""
        return TYPES[self.code].itemsize

    @property
    def counts(self) -> Counts:
        """Of the lines that were added so far."""
        size = (self.tokens + self.lines) * self.width
        return Counts(self.lines, self.tokens, size, self.unknown)

    def __exit__(self, *error: object) -> None:
        with self.data, self.index:
            if error[0] is None:
                self._finish()

    def _finish(self) -> None:
        """The byte offset of each line behind all sizes, which are read back block by block."""
        place = 0
        for start in range(0, 4 * self.lines, BLOCK):
            self.index.seek(HEADER.size + start)
            sizes = np.frombuffer(self.index.read(min(BLOCK, 4 * self.lines - start)), "<i4")
            ends = place + np.cumsum(sizes, dtype="<i8") * self.width
            offsets = np.concatenate((np.array([place], "<i8"), ends[:-1]))
            self.index.seek(0, os.SEEK_END)
            self.index.write(offsets.tobytes())
            place = int(ends[-1])
        self.index.seek(0)
        self.index.write(HEADER.pack(MAGIC, 1, self.code, self.lines))


def binarize_file(
    bpe: Path, prefix: Path, dictionary: Dictionary, workers: Workers = ALONE
) -> Counts:
    """Write ``prefix.bin`` and ``prefix.idx``, byte for byte as ``fairseq-preprocess`` does.

    Raises:
        DamagedFile: a token that is no GPT-2 id, with its line.
    """
    function = functools.partial(_indexed_chunk, table=index_table(dictionary))
    with IndexedWriter(prefix, len(dictionary)) as out:
        for found in workers.map(function, chunks_of(bpe)):
            if not isinstance(found, Lines):
                what, line = found
                raise DamagedFile(
                    f"{bpe}, line {out.lines + line + 1}: {what}.",
                    "Encode the text again (notebook 02_bpe).",
                )
            out.add(found)
    return out.counts


def read_sizes(prefix: Path) -> tuple[np.ndarray, np.dtype]:
    """The tokens of each line and the number type of the ``.bin``, after a look at its health.

    The tokens are not read into memory, where those of a large corpus have no room: int32,
    shape (lines,).

    Raises:
        DamagedFile: not this format, or ``.bin`` and ``.idx`` do not fit each other.
    """
    index, data = Path(f"{prefix}.idx"), Path(f"{prefix}.bin")
    again = "Binarize again (notebook 03_binarize)."
    with index.open("rb") as handle:
        head, size = handle.read(HEADER.size), os.fstat(handle.fileno()).st_size
    if len(head) < HEADER.size or head[:9] != MAGIC:
        raise DamagedFile(f"{index} is not an index of fairseq's (it has another head).", again)
    _, _, code, lines = HEADER.unpack(head)
    if code not in TYPES or size != HEADER.size + 12 * lines:
        raise DamagedFile(
            f"{index} should have {HEADER.size + 12 * lines} bytes for {lines} lines, "
            f"and has {size}.",
            again,
        )
    sizes = np.memmap(index, "<i4", "r", HEADER.size, (lines,)) if lines else np.empty(0, "<i4")
    wanted = int(sizes.sum(dtype=np.int64)) * TYPES[code].itemsize
    if data.stat().st_size != wanted:
        raise DamagedFile(
            f"{data} should have {wanted} bytes by its .idx, and has {data.stat().st_size}.", again
        )
    return sizes, TYPES[code]


def read_lines(prefix: Path) -> list[np.ndarray]:
    """The dictionary indices of every line, each with its ``</s>``."""
    sizes, number_type = read_sizes(prefix)
    data = np.fromfile(f"{prefix}.bin", dtype=number_type)
    return np.split(data, np.cumsum(sizes)[:-1]) if len(sizes) else []


def read_counts(prefix: Path, dictionary: Dictionary) -> Counts:
    """What the files hold, by reading all of them.

    Raises:
        DamagedFile: the first index that the dictionary does not have, with its line and token.
    """
    sizes, _ = read_sizes(prefix)
    data = _mapped(prefix)
    unknown = 0
    for start, block in zip(range(0, len(data), BLOCK), blocks(prefix), strict=True):
        wrong = np.flatnonzero((block < 0) | (block > dictionary.mask))
        if len(wrong):
            raise _beyond(prefix, sizes, start + int(wrong[0]), data, dictionary)
        unknown += int((block == UNK).sum())
    tokens = int(sizes.sum(dtype=np.int64)) - len(sizes)
    return Counts(len(sizes), tokens, data.nbytes, unknown)


def blocks(prefix: Path) -> Iterator[np.ndarray]:
    """The indices of all lines one after the other, a million at a time."""
    data = _mapped(prefix)
    for start in range(0, len(data), BLOCK):
        yield data[start : start + BLOCK]


def _mapped(prefix: Path) -> np.ndarray:
    _, number_type = read_sizes(prefix)
    size = Path(f"{prefix}.bin").stat().st_size
    return np.memmap(f"{prefix}.bin", number_type, "r") if size else np.empty(0, number_type)


def _beyond(
    prefix: Path, sizes: np.ndarray, place: int, data: np.ndarray, dictionary: Dictionary
) -> DamagedFile:
    ends = np.cumsum(sizes, dtype=np.int64)
    line = int(np.searchsorted(ends, place, side="right"))
    token = place - int(ends[line] - sizes[line])
    return DamagedFile(
        f"{prefix}.bin, line {line + 1:,}, token {token + 1:,}: the index {data[place]:,} "
        f"is none of 0 to {dictionary.mask:,}, which the dictionary has.",
        "Binarize again with the base model's dictionary (notebook 03_binarize).",
    )
