"""A text taken apart: each token with its place in the text, its bytes and both of its ids."""

import dataclasses
import itertools
from collections.abc import Iterator

import numpy as np
import regex as re

from helpers.common.symbols import EOS, MASK, SPECIALS
from helpers.ids.dictionary import Dictionary
from helpers.tokens.gpt2 import GPT2_IDS, bytes_of_token, encode
from helpers.tokens.pattern import PATTERN

SHOWN = 1000  # tokens that are taken apart; the rest is only counted
TYPED_SPECIALS = (*SPECIALS, MASK, "<|endoftext|>")
# A Chinese, Japanese or Korean sign counts as a word, as in word processors; else what is between
# spaces.
WORD = re.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}]|[^\s\p{Han}\p{Hiragana}\p{Katakana}]+")
_LINE = re.compile(r"([^\r\n]*)(\r\n|\r|\n|$)")


@dataclasses.dataclass(frozen=True)
class Token:
    """A token in its place.

    Attributes:
        content: its bytes; empty for ``</s>``, which is no text.
        span: the characters of the text that it takes part in, from the first to behind the last.
            Pieces of one character have the same span, as in the offsets of Hugging Face's
            ``tokenizers``; RoBERTa's ``offset_mapping`` is the same without outer spaces.
        gpt2_id: 0–50256; None for ``</s>``.
        index: the row of the model's table, or None where there is no dictionary.
        word: what GPT-2's pattern cut out and merges put together, of which this is a piece.
        character: equal for all tokens that share a character, so that they are shown as one.
    """

    content: bytes
    span: tuple[int, int]
    gpt2_id: int | None
    index: int | None
    word: bytes
    character: int


@dataclasses.dataclass(frozen=True)
class Explored:
    """A text and its tokens, of which the first 1 000 are taken apart.

    Attributes:
        ids: the GPT-2 ids of the whole text, int32, with -1 for each ``</s>``.
        bytes: what they stand for, in bytes: without what was stripped from lines.
    """

    text: str
    tokens: tuple[Token, ...]
    ids: np.ndarray
    bytes: int
    notes: tuple[str, ...]

    def counts(self) -> dict[str, int | float | None]:
        """Characters, words, tokens, tokens a word, bytes a token."""
        words = sum(1 for _ in WORD.finditer(self.text))
        tokens = int((self.ids >= 0).sum())
        return {
            "characters": len(self.text),
            "words": words,
            "tokens": tokens,
            "tokens a word": tokens / words if words else None,
            "bytes a token": self.bytes / tokens if tokens else None,
        }


def explore(text: str, dictionary: Dictionary | None = None, *, lines: bool = True) -> Explored:
    """Take a text apart.

    Args:
        dictionary: gives the tokens' rows in the model's table.
        lines: read it as fairseq reads a training text, each line stripped and closed by ``</s>``;
            else as it is, from the first character to the last.

    >>> [(t.content, t.span, t.gpt2_id) for t in explore(" Hi there").tokens]
    [(b'Hi', (1, 3), 17250), (b' there', (3, 9), 612), (b'', (9, 9), None)]
    """
    text, notes = _well_formed(text)
    parts = list(_stripped_lines(text)) if lines else [(0, text)]
    ids = [encode(part).astype(np.int32) for _, part in parts]
    row = dictionary.from_gpt2.tolist() if dictionary else [None] * GPT2_IDS
    tokens = tuple(itertools.islice(_tokens(parts, ids, lines, row), SHOWN))
    end = [np.full(1 if lines else 0, -1, np.int32)]
    all_ids = np.concatenate([*itertools.chain(*((i, *end) for i in ids)), np.zeros(0, np.int32)])
    if len(tokens) < len(all_ids):
        notes.append(f"Only the first {SHOWN:,} of {len(all_ids):,} tokens are shown.")
    size = sum(len(part.encode()) for _, part in parts)
    return Explored(text, tokens, all_ids, size, tuple(notes))


def _well_formed(text: str) -> tuple[str, list[str]]:
    """The text as it can be encoded, and what a reader should know of it."""
    notes = [
        f"{special} is text here, and becomes the tokens of its letters: from a text fairseq never "
        "reads a special symbol."
        for special in TYPED_SPECIALS
        if special in text
    ]
    found = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if found.count("\ufffd") > text.count("\ufffd"):
        notes.append(
            "Halves of characters (lone surrogates) cannot be encoded; each is \ufffd now."
        )
    return found, notes


def _stripped_lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines as fairseq's encoder reads them, each with the place where it begins."""
    for line in _LINE.finditer(text):
        if line[0]:
            content = line[1].strip()
            yield line.start() + line[1].find(content), content


def _tokens(
    parts: list[tuple[int, str]], ids: list[np.ndarray], lines: bool, row: list
) -> Iterator[Token]:
    """The tokens of all parts, one after the other, and behind each line its ``</s>``."""
    character = -1
    for (start, part), part_ids in zip(parts, ids, strict=True):
        # Which character a byte belongs to: in UTF-8 all but its first byte are 10xxxxxx.
        first = (np.frombuffer(part.encode(), np.uint8) & 0xC0) != 0x80
        place = (start - 1 + np.cumsum(first)).tolist()
        waiting, begin, word_end = iter(part_ids.tolist()), 0, 0
        for match in re.finditer(PATTERN, part):
            word = match[0].encode()
            word_end += len(word)
            while begin < word_end:
                gpt2_id = next(waiting)
                content = bytes_of_token()[gpt2_id]
                end = begin + len(content)
                character += bool(first[begin])
                span = (place[begin], place[end - 1] + 1)
                yield Token(content, span, gpt2_id, row[gpt2_id], word, character)
                begin = end
        if lines:
            character += 1
            end = start + len(part)
            yield Token(b"", (end, end), None, EOS, b"", character)
