"""fairseq's binary data files: ``.bpe`` text in, ``.bin`` and ``.idx`` out, and back.

The format is that of ``MMapIndexedDataset`` (fairseq/data/indexed_dataset.py), little-endian:

- ``.bin``: the dictionary indices of all lines one after the other, each line closed by ``</s>``.
- ``.idx``: ``MMIDIDX\\0\\0``, version 1 (uint64), code of the number type (uint8), number of lines
  (uint64), tokens of each line (int32), byte offset of each line in ``.bin`` (int64).
"""

import functools
import re
import struct
from pathlib import Path

import numpy as np

from helpers.chunks import line_chunks, map_in_order
from helpers.dictionary import EOS, Dictionary
from helpers.errors import DamagedFile
from helpers.vocabulary import GPT2_IDS

MAGIC = b"MMIDIDX\x00\x00"
HEADER = struct.Struct("<9sQBQ")
TYPES = {8: np.dtype("<u2"), 9: np.dtype("<u4"), 4: np.dtype("<i4")}
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


def to_indices(ids: np.ndarray, dictionary: Dictionary) -> np.ndarray:
    """GPT-2 ids with -1 at line ends → dictionary indices with ``</s>``, in the file's type."""
    table = np.append(dictionary.from_gpt2, EOS).astype(TYPES[type_code(len(dictionary))])
    return table[ids]  # [-1] is the last entry


def line_sizes(ids: np.ndarray) -> np.ndarray:
    """Tokens of each line, its ``</s>`` included: int32."""
    return np.diff(np.flatnonzero(ids < 0), prepend=-1).astype("<i4")


def _indexed_chunk(chunk: str, dictionary: Dictionary) -> tuple[bytes, bytes] | tuple[str, int]:
    try:
        ids = parse_bpe(chunk)
    except ValueError as error:
        offset, what = error.args
        return what, chunk.count("\n", 0, offset)
    return to_indices(ids, dictionary).tobytes(), line_sizes(ids).tobytes()


def binarize_file(
    bpe: Path, prefix: Path, dictionary: Dictionary, workers: int = 1
) -> tuple[int, int]:
    """Write ``prefix.bin`` and ``prefix.idx``, byte for byte as ``fairseq-preprocess`` does.

    Returns:
        Lines, and tokens without ``</s>``.

    Raises:
        DamagedFile: a token that is no GPT-2 id, with its line.
    """
    sizes: list[bytes] = []
    lines = 0
    chunk_function = functools.partial(_indexed_chunk, dictionary=dictionary)
    with Path(f"{prefix}.bin").open("wb") as out:
        for first, second in map_in_order(chunk_function, line_chunks(bpe), workers):
            if isinstance(first, str):
                raise DamagedFile(
                    f"{bpe}, line {lines + second + 1}: {first}.",
                    "Encode the text again (notebook 02_bpe).",
                )
            out.write(first)
            sizes.append(second)
            lines += len(second) // 4
    write_index(Path(f"{prefix}.idx"), np.frombuffer(b"".join(sizes), "<i4"), len(dictionary))
    tokens = int(np.frombuffer(b"".join(sizes), "<i4").sum(dtype=np.int64))
    return lines, tokens - lines


def write_index(file: Path, sizes: np.ndarray, types: int) -> None:
    """Write an ``.idx``.

    Args:
        sizes: tokens of each line with ``</s>``: int32, shape (lines,).
        types: size of the dictionary, which decides the number type of the ``.bin``.
    """
    code = type_code(types)
    ends = np.cumsum(sizes, dtype="<i8") * TYPES[code].itemsize
    with file.open("wb") as out:
        out.write(HEADER.pack(MAGIC, 1, code, len(sizes)))
        out.write(sizes.tobytes())
        out.write(np.concatenate((np.zeros(1, "<i8"), ends))[:-1].tobytes() if len(sizes) else b"")


def read_sizes(prefix: Path) -> tuple[np.ndarray, np.dtype]:
    """The tokens of each line and the number type of the ``.bin``, after a look at its health.

    Raises:
        DamagedFile: not this format, or ``.bin`` and ``.idx`` do not fit each other.
    """
    index, data = Path(f"{prefix}.idx"), Path(f"{prefix}.bin")
    again = "Binarize again (notebook 03_binarize)."
    content = index.read_bytes()
    if len(content) < HEADER.size or content[:9] != MAGIC:
        raise DamagedFile(f"{index} is not an index of fairseq's (it has another head).", again)
    _, _, code, lines = HEADER.unpack_from(content)
    if code not in TYPES or len(content) != HEADER.size + 12 * lines:
        raise DamagedFile(
            f"{index} should have {HEADER.size + 12 * lines} bytes for {lines} lines, "
            f"and has {len(content)}.",
            again,
        )
    sizes = np.frombuffer(content, "<i4", count=lines, offset=HEADER.size)
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
