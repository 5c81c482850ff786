"""The encoders that ours is compared with on the student's own text: fairseq's, Hugging Face's.

Both are loaded without fairseq's and Hugging Face's heavy parts: neither torch nor transformers.
"""

import dataclasses
import functools
import importlib.util
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import regex as re

from helpers.explorer.text import Explored
from helpers.tokens.gpt2 import bytes_of_token, gpt2_file
from helpers.tokens.pattern import PATTERN

if TYPE_CHECKING:
    import tokenizers

MOST = 10_000  # characters that are compared
# fairseq's encoder takes some 80 ns times the square of a word's bytes. Of Chinese this allows some
# 1 600 characters, of English all.
MOST_SQUARES = 200_000


@dataclasses.dataclass(frozen=True)
class Badge:
    """A claim about a text; ``holds`` is None where it could not be checked here."""

    text: str
    holds: bool | None


@functools.cache
def _fairseq_encoder() -> Any:
    """fairseq's encoder, of which only the one file is loaded; None without fairseq."""
    package = importlib.util.find_spec("fairseq")
    if package is None or package.origin is None:
        return None
    file = Path(package.origin).parent / "data" / "encoders" / "gpt2_bpe_utils.py"
    spec = importlib.util.spec_from_file_location("fairseq_gpt2_bpe_utils", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.get_encoder(gpt2_file("encoder.json"), gpt2_file("vocab.bpe"))


def fairseq_encode(text: str) -> list[int] | None:
    """GPT-2 ids by fairseq's own encoder; None where fairseq is not installed.

    Its time grows with the square of the longest word.
    """
    encoder = _fairseq_encoder()
    return None if encoder is None else encoder.encode(text)


@functools.cache
def _huggingface_tokenizer() -> "tokenizers.Tokenizer":
    from tokenizers import Tokenizer, models, pre_tokenizers

    files = (str(gpt2_file(name)) for name in ("encoder.json", "vocab.bpe"))
    tokenizer = Tokenizer(models.BPE.from_file(*files))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return tokenizer


def huggingface_encode(text: str) -> list[int]:
    """GPT-2 ids by Hugging Face's ``tokenizers``, without special tokens.

    >>> huggingface_encode("Hello world")
    [15496, 995]
    """
    return _huggingface_tokenizer().encode(text, add_special_tokens=False).ids


def badges(explored: Explored) -> tuple[Badge, ...]:
    """Decode a text's ids, and encode the text with fairseq and Hugging Face: are they the same?

    Of a long text the beginning is compared, and the badge says so.
    """
    return (
        _decoded(explored),
        _compared(explored, "fairseq", fairseq_encode, _share_for_fairseq),
        _compared(explored, "Hugging Face", huggingface_encode, _share),
    )


def _share(word: str) -> float:
    """How much a word takes of what may be compared."""
    return len(word) / MOST


def _share_for_fairseq(word: str) -> float:
    return max(_share(word), len(word.encode()) ** 2 / MOST_SQUARES)


def _parts(explored: Explored) -> Iterator[str]:
    """What is encoded by itself: stripped lines as fairseq reads a file, or the whole text."""
    if not _in_lines(explored):
        return iter((explored.text,))
    return map(str.strip, io.StringIO(explored.text, newline=None))


def _in_lines(explored: Explored) -> bool:
    return bool((explored.ids < 0).any())


def _decoded(explored: Explored) -> Badge:
    """The first 10 000 ids as bytes, beside the text."""
    ids, end = explored.ids[:MOST].tolist(), b"\n" if _in_lines(explored) else b""
    found = b"".join(b"\n" if i < 0 else bytes_of_token()[i] for i in ids)
    wanted = b""
    for part in _parts(explored):
        wanted += part.encode() + end
        if len(wanted) > len(found):
            break
    what = "the stripped lines" if end else "the text"
    if len(ids) == len(explored.ids):
        return Badge(f"Decoding gives {what} back", wanted == found)
    claim = f"Decoding the first {MOST:,} ids gives the beginning of {what} back"
    return Badge(claim, wanted.startswith(found))


def _compared(
    explored: Explored,
    whose: str,
    encode: Callable[[str], list[int] | None],
    share: Callable[[str], float],
) -> Badge:
    """The ids of the beginning, and those of another encoder."""
    if encode("") is None:
        return Badge(f"{whose} is not installed here: its ids are not compared", None)
    parts, whole = _beginning(explored, share)
    wanted: list[int] = []
    for part in parts:
        wanted += [*(encode(part) if part else ()), -1]
    if not (whole and _in_lines(explored)):
        wanted.pop()
    if not (wanted or whole):
        return Badge(f"The first word is too long to be compared with {whose}", None)
    same = explored.ids[: len(wanted)].tolist() == wanted
    if whole:
        return Badge(f"Same ids as {whose}", same and len(wanted) == len(explored.ids))
    return Badge(f"The first {len(wanted):,} ids are the same as {whose}'s", same)


def _beginning(explored: Explored, share: Callable[[str], float]) -> tuple[list[str], bool]:
    """The words that may be compared, in the parts that they stand in, and whether that is all.

    It ends behind a word that is no white space: whatever follows, its ids are the same.
    """
    parts, spent = [], 0.0
    for part in _parts(explored):
        end, words = 0, re.finditer(PATTERN, part)
        while spent <= 1 and (word := next(words, None)):
            spent += share(word[0])
            if spent <= 1 and not word[0].isspace():
                end = word.end()
        if spent > 1:
            return [*parts, part[:end]], False
        parts.append(part)
        spent += share("\n")
    return parts, True
