"""fairseq's dictionary: which row of the model's table is which token.

A *dictionary index* is that row: ``<s>`` 0, ``<pad>`` 1, ``</s>`` 2, ``<unk>`` 3, then line *i* of
``dict.txt`` is 4+*i*, and ``<mask>`` comes last. The symbols in ``dict.txt`` are GPT-2 ids, written
as text. The dictionary belongs to the model: another order turns the model to noise.
"""

import codecs
import dataclasses
import functools
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from helpers.common.errors import CourseError, DamagedFile, StageMissing
from helpers.common.files import write_whole
from helpers.common.symbols import FIRST, MASK, SPECIALS, UNK
from helpers.tokens import gpt2
from helpers.tokens.gpt2 import (
    ADDRESS,
    END_OF_TEXT,
    GPT2_IDS,
    bytes_of_token,
    letters_of_token,
    sha256_of,
)

NOT_IN_FILE = {*SPECIALS, MASK}  # fairseq adds them itself
# The symbols of a RoBERTa dict.txt: every GPT-2 id, and three that make the size divide by 8.
FILLERS = tuple(f"madeupword{i:04d}" for i in range(3))
# The fingerprint of RoBERTa's own, which begins with the GPT-2 ids of ".", " the", ",", " to".
ROBERTA = "081693eb9c2e05c2b8b56d90da7f89e8b4366f62fc2c127cc3298bd66c9b0d26"


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
        """The index of ``<mask>``, which fairseq's task adds behind everything else."""
        return len(self)

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the order of the symbols; equal for dictionaries that give equal ids."""
        return sha256_of("\n".join(self.symbols).encode())

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

    @functools.cached_property
    def lacking(self) -> tuple[int, ...]:
        """GPT-2 ids that a text may be encoded to, and that have no index of their own.

        ``<|endoftext|>`` (50256) is not among them: no text is encoded to it.
        """
        return tuple(i for i in range(END_OF_TEXT) if str(i) not in self)

    @functools.cached_property
    def contents(self) -> tuple[bytes, ...]:
        """The bytes that stand at every index; none at one that is no text: a special's, say."""
        by_symbol = {str(i): content for i, content in enumerate(bytes_of_token()[:END_OF_TEXT])}
        return tuple(by_symbol.get(symbol, b"") for symbol in self.all_symbols)

    def __contains__(self, symbol: str) -> bool:
        return symbol in self._indices

    def symbol(self, index: int) -> str:
        """The symbol at a dictionary index, specials included."""
        return self.all_symbols[index]

    @functools.cached_property
    def all_symbols(self) -> tuple[str, ...]:
        """Every symbol by dictionary index: the specials, those of ``dict.txt``, ``<mask>``."""
        return (*SPECIALS, *self.symbols, MASK)

    def text(self) -> str:
        """The content of ``dict.txt``."""
        lines = zip(self.symbols, self.counts, strict=True)
        return "".join(f"{symbol} {count}\n" for symbol, count in lines)

    @classmethod
    def from_counts(cls, counts: Mapping[int, int] | np.ndarray) -> "Dictionary":
        """A dictionary of all GPT-2 ids, most frequent first, equal counts in textual order.

        That is the order of fairseq's ``Dictionary.finalize``, completed to RoBERTa's size.

        Args:
            counts: how often each GPT-2 id occurs; by id, or of shape (50257,).
        """
        order = sorted(range(GPT2_IDS), key=lambda i: (-int(counts[i]), str(i)))
        symbols = (*(str(i) for i in order), *FILLERS)
        return cls(symbols, (*(int(counts[i]) for i in order), *(0 for _ in FILLERS)))

    @classmethod
    def load(cls, file: Path) -> "Dictionary":
        """Read a ``dict.txt``: one ``symbol count`` a line, as fairseq's Dictionary reads it.

        Raises:
            StageMissing: it is not there.
            DamagedFile: not of this form (with the line), a symbol twice, or a special one; or
                fairseq would read something else than is meant.
        """
        try:
            return cls.from_bytes(file.read_bytes(), file)
        except FileNotFoundError:
            raise StageMissing(
                f"There is no dictionary {file}.",
                "The notebook 00_setup (base) puts a model and its dictionary into the workspace.",
            ) from None

    @classmethod
    def from_bytes(cls, content: bytes, file: object) -> "Dictionary":
        """The dictionary in the content of a ``dict.txt``; ``file`` is named in errors.

        Raises:
            DamagedFile: as for :meth:`load`.
        """
        try:
            if content.startswith(codecs.BOM_UTF8):
                raise DamagedFile(
                    f"{file} begins with a byte order mark (BOM), and fairseq would take it for a "
                    "part of the first symbol.",
                    "Save it as UTF-8 without BOM, or take the dict.txt that came with the model.",
                )
            # These end a line for fairseq; there are others for str.splitlines.
            text = content.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
            return cls.parse(text.removesuffix("\n").split("\n"), file)
        except UnicodeDecodeError:
            raise DamagedFile(
                f"{file} is not a text file in UTF-8.",
                "Give the dict.txt that belongs to the model.",
            ) from None

    @classmethod
    def parse(cls, lines: Iterable[str], file: object) -> "Dictionary":
        """The dictionary in the lines of a ``dict.txt``; ``file`` is named in errors."""
        symbols: dict[str, int] = {}
        for number, line in enumerate(lines, start=1):
            symbol, _, count = line.rstrip().rpartition(" ")
            why = "is not 'symbol count'" if not symbol or not count.isdecimal() else ""
            if symbol in symbols:
                why = "occurs twice"
            elif symbol in NOT_IN_FILE:
                why = "is a special symbol, which fairseq adds itself"
            if why:
                raise DamagedFile(
                    f"{file}, line {number}: {line[:60]!r} {why}.",
                    "A fairseq dict.txt has one symbol and its count a line; take the model's own.",
                )
            symbols[symbol] = int(count)
        return cls(tuple(symbols), tuple(symbols.values()))


def refuse_other_tokens(dictionary: Dictionary, owner: object) -> None:
    """Refuse the dictionary of a model whose tokens are not GPT-2's, all of them.

    Args:
        owner: whose it is, for the message: most often the file.

    Raises:
        CourseError: with the number of tokens that are lacking, and one of them.
    """
    if lacking := dictionary.lacking:
        raise CourseError(
            f"{owner} lacks {len(lacking):,} of GPT-2's tokens, for example {lacking[0]} "
            f"({letters_of_token()[lacking[0]]!r}): texts would turn to <unk>.",
            "Only models with GPT-2's whole vocabulary can be used, and not those with another "
            "tokenizer, such as SentencePiece; take a model and its dict.txt of that kind.",
        )


def roberta_dictionary(download: bool = True) -> Path:
    """RoBERTa's own dictionary, ``gpt2_bpe/dict.txt``: put there by hand, or downloaded, checked.

    Raises:
        CourseError: it cannot be had, or what stands there, or was sent, is another dictionary.
    """
    file = gpt2.FOLDER / "dict.txt"
    if file.is_file():
        _refuse_other_than_robertas(
            file.read_bytes(),
            file,
            f"Move it beside the model.pt that it belongs to; RoBERTa's is at {ADDRESS}dict.txt.",
        )
        return file
    content = gpt2.download("dict.txt") if download else None
    if content is None:
        raise CourseError(
            "There is no dict.txt beside the model, and RoBERTa's own "
            + ("cannot be downloaded." if download else "is not here yet."),
            f"Put {ADDRESS}dict.txt into gpt2_bpe/ (the README.md there says how to make it from a "
            "folder roberta-base), or name the model's with --dict (dict_file in the notebook).",
        )
    _refuse_other_than_robertas(
        content,
        f"What was sent from {ADDRESS}dict.txt",
        "It was not kept; try another network, or put the file into gpt2_bpe/ by hand.",
    )
    write_whole(file, content)
    return file


def _refuse_other_than_robertas(content: bytes, owner: object, hint: str) -> None:
    """Raise CourseError if the content of a ``dict.txt`` has other symbols or another order."""
    try:
        known = Dictionary.from_bytes(content, owner).fingerprint == ROBERTA
    except DamagedFile:
        known = False
    if not known:
        raise CourseError(
            f"{owner} is not RoBERTa's own dictionary, and only that may be gpt2_bpe/dict.txt.",
            hint,
        )
