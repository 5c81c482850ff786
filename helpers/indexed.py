"""fairseq's binary data files: ``.bpe`` text in, ``.bin`` and ``.idx`` out, and back.

The format is that of ``MMapIndexedDataset`` (fairseq/data/indexed_dataset.py), little-endian:

- ``.bin``: the dictionary indices of all lines one after the other, each line closed by ``</s>``.
- ``.idx``: ``MMIDIDX\\0\\0``, version 1 (uint64), code of the number type (uint8), number of lines
  (uint64), tokens of each line (int32), byte offset of each line in ``.bin`` (int64).
"""

import functools
import os
import re
import struct
from pathlib import Path

import numpy as np

from helpers.chunks import Span, spans
from helpers.dictionary import EOS, UNK, Dictionary
from helpers.errors import DamagedFile
from helpers.line_ids import encode_lines
from helpers.vocabulary import GPT2_IDS
from helpers.workers import ALONE, Workers

MAGIC = b"MMIDIDX\x00\x00"
HEADER = struct.Struct("<9sQBQ")
TYPES = {8: np.dtype("<u2"), 9: np.dtype("<u4"), 4: np.dtype("<i4")}
PIECE = 1 << 20  # bytes, or numbers, that are worked on at a time
_STRANGE = re.compile(r"[^0-9 \n]")
_LEADING_ZERO = re.compile(r"0(?<!\d0)\d")


def type_code(types: int) -> int:
    """fairseq's choice of number type for a dictionary: uint16 (8) below 65 500 types."""
    return 8 if types < 65500 else 9


def parse_bpe(chunk: str) -> np.ndarray:
    """The GPT-2 ids in some lines of a ``.bpe`` file, each line closed by -1: int32.

    Raises:
        ValueError: ``(offset, what)`` of the first thing that is no GPT-2 id.

    >>> parse_bpe("15496 995\\n\\n").tolist()
    [15496, 995, -1, -1]
    """
    if strange := _STRANGE.search(chunk):
        raise ValueError(strange.start(), f"{strange[0]!r} is not a digit")
    if not chunk.endswith("\n"):  # the last line of a file may lack its end
        chunk += "\n"
    ids = np.fromstring(chunk.replace("\n", " -1 "), dtype=np.int64, sep=" ")
    if ids.max() >= GPT2_IDS or _LEADING_ZERO.search(chunk):
        wrong = next(w for w in re.finditer(r"\d+", chunk) if not _is_gpt2_id(w[0]))
        raise ValueError(wrong.start(), f"the token {wrong[0][:20]} is none of 0 to 50256")
    return ids.astype(np.int32)


def _is_gpt2_id(word: str) -> bool:
    return len(word) <= 5 and int(word) < GPT2_IDS and word == str(int(word))


def index_table(dictionary: Dictionary) -> np.ndarray:
    """Dictionary index of every GPT-2 id, and last ``</s>``, in the file's type: shape (50258,).

    A line's end, -1, takes the last entry.
    """
    return np.append(dictionary.from_gpt2, EOS).astype(TYPES[type_code(len(dictionary))])


def line_sizes(ids: np.ndarray) -> np.ndarray:
    """Tokens of each line, its ``</s>`` included: int32."""
    return np.diff(np.flatnonzero(ids < 0), prepend=-1).astype("<i4")


def prepared_span(span: Span, table: np.ndarray) -> tuple[bytes, bytes, int]:
    """Lines of text as they stand in ``.bin``, the tokens of each, and how many are ``<unk>``."""
    ids = encode_lines(span.text())
    indices = table[ids]
    return indices.tobytes(), line_sizes(ids).tobytes(), int((indices == UNK).sum())


def _indexed_span(span: Span, table: np.ndarray) -> tuple[bytes, bytes] | tuple[str, int]:
    chunk = span.text()
    try:
        ids = parse_bpe(chunk)
    except ValueError as error:
        offset, what = error.args
        return what, chunk.count("\n", 0, offset)
    return table[ids].tobytes(), line_sizes(ids).tobytes()


class IndexedWriter:
    """Writes ``prefix.bin`` and ``prefix.idx`` chunk by chunk; use as a context manager.

    Args:
        types: size of the dictionary, which decides the number type of the ``.bin``.
    """

    def __init__(self, prefix: Path, types: int) -> None:
        self.prefix, self.code = prefix, type_code(types)
        self.lines = self.tokens = 0  # tokens without </s>

    def __enter__(self) -> "IndexedWriter":
        self.data = Path(f"{self.prefix}.bin").open("wb")
        self.index = Path(f"{self.prefix}.idx").open("wb+")
        self.index.write(bytes(HEADER.size))  # written again when the number of lines is known
        return self

    def add(self, data: bytes, sizes: bytes) -> None:
        """Add lines: their indices in the file's type, and the tokens of each (int32)."""
        self.data.write(data)
        self.index.write(sizes)
        lines = len(sizes) // 4
        self.lines += lines
        self.tokens += len(data) // TYPES[self.code].itemsize - lines

    def __exit__(self, *error: object) -> None:
        with self.data, self.index:
            if error[0] is None:
                self._finish()

    def _finish(self) -> None:
        """The byte offset of each line behind all sizes, which are read back bit by bit."""
        width, place = TYPES[self.code].itemsize, 0
        for start in range(0, 4 * self.lines, PIECE):
            self.index.seek(HEADER.size + start)
            sizes = np.frombuffer(self.index.read(min(PIECE, 4 * self.lines - start)), "<i4")
            ends = place + np.cumsum(sizes, dtype="<i8") * width
            offsets = np.concatenate((np.array([place], "<i8"), ends[:-1]))
            self.index.seek(0, os.SEEK_END)
            self.index.write(offsets.tobytes())
            place = int(ends[-1])
        self.index.seek(0)
        self.index.write(HEADER.pack(MAGIC, 1, self.code, self.lines))


def binarize_file(
    bpe: Path, prefix: Path, dictionary: Dictionary, workers: Workers = ALONE
) -> tuple[int, int]:
    """Write ``prefix.bin`` and ``prefix.idx``, byte for byte as ``fairseq-preprocess`` does.

    Returns:
        Lines, and tokens without ``</s>``.

    Raises:
        DamagedFile: a token that is no GPT-2 id, with its line.
    """
    function = functools.partial(_indexed_span, table=index_table(dictionary))
    with IndexedWriter(prefix, len(dictionary)) as out:
        for first, second in workers.map(function, spans(bpe)):
            if isinstance(first, str):
                raise DamagedFile(
                    f"{bpe}, line {out.lines + second + 1}: {first}.",
                    "Encode the text again (notebook 02_bpe).",
                )
            out.add(first, second)
    return out.lines, out.tokens


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
