"""The tokens of a piece of text, counted by line, by word and by script.

Lines are stripped and encoded as fairseq's encoder does it. Every token belongs to the character in
which it begins; one that begins with a space and goes on belongs to the character behind the space.

- **Words** are those of :data:`helpers.explorer.text.WORD`: a Chinese or Japanese sign, else what
  stands between spaces. A token belongs to the word of its character, or to none if that is white
  space. So the space before a word counts with it, and the few tokens of several Chinese signs
  belong to the first one, while the others have 0.
- **Scripts** (:mod:`helpers.explorer.scripts`): a token belongs to the script of its character, a
  space that begins a token to that of the character behind it, any other character to its own. So
  the numbers of all scripts add up to those of the text without line ends.
- **Fragmented** words consist of letters (and marks on them) only, 40 at most, once other signs
  are taken off at both ends; names of programs, with a capital behind a small letter, are left out.
  They have at least three tokens behind a space, as inside a sentence. Of these, the ones that
  occur at least ``TIMES`` times are listed.
"""

import functools
import heapq
from collections import Counter
from typing import NamedTuple

import numpy as np
import regex as re

from helpers.explorer.scripts import SCRIPTS, WHITE_SPACE, scripts_of
from helpers.explorer.text import WORD
from helpers.tokens.gpt2 import GPT2_IDS, bytes_of_token, encode
from helpers.tokens.line_ids import NEWLINE, encode_lines

PIECES, TIMES, TOP = 3, 5, 20
MOST = 200_000  # words that are remembered
_OTHERS = r"[^\p{L}\p{M}\p{N}]*+"
_LETTERS = re.compile(rf"(?!.*\p{{Ll}}\p{{Lu}}){_OTHERS}(\p{{L}}[\p{{L}}\p{{M}}]{{0,39}}){_OTHERS}")
_SIGN = re.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}]")


class Fragmented(NamedTuple):
    """A word of many pieces."""

    word: str
    tokens: int
    times: int


class Counted(NamedTuple):
    """What a piece of text holds.

    Attributes:
        counts: how often each GPT-2 id occurs, shape (50257,).
        lines: tokens → how many lines have so many; ``words`` the same for words.
        scripts: characters, bytes and tokens of every script, shape (3, scripts).
        bytes: of the text, line ends included.
    """

    counts: np.ndarray
    lines: Counter[int]
    words: Counter[int]
    scripts: np.ndarray
    fragmented: list[Fragmented]
    bytes: int


@functools.cache
def _of_tokens() -> tuple[np.ndarray, ...]:
    """For each GPT-2 id, and last for a line end: its bytes, and whether a space leads into it."""
    tokens = (*bytes_of_token(), b"\n")
    sizes = [len(token) for token in tokens]
    space = [len(token) > 1 and token[:1] == b" " for token in tokens]
    return np.array(sizes), np.array(space)


def counted(text: str) -> Counted:
    """Count the tokens in some lines.

    >>> counted("a好 tokenization\\n\\nb\\n").words
    Counter({1: 2, 2: 2})
    """
    lines = [line.strip() for line in text.removesuffix("\n").split("\n")]
    text = "\n".join(lines) + "\n"
    ids = encode_lines(text)
    ends = np.flatnonzero(ids < 0)
    lengths = np.diff(ends, prepend=-1) - 1
    sizes, space = _of_tokens()
    places = np.cumsum(sizes[ids]) - sizes[ids] + space[ids]  # -1 is the last, the line end
    utf8 = np.frombuffer(text.encode(), np.uint8)
    of_byte = np.cumsum((utf8 & 0xC0) != 0x80, dtype=np.int32) - 1  # the character of each byte
    of_token = of_byte[places[ids >= 0]]
    ids = ids[ids >= 0]
    words, script = WORD.findall(text), scripts_of(text)
    tokens_of_words = _tokens_of_words(words, script != WHITE_SPACE, of_token)
    led_by_space = of_token[space[ids]]
    script[led_by_space - 1] = script[led_by_space]
    members = (script, script[of_byte], script[of_token])
    by_script = np.stack([np.bincount(of, minlength=len(SCRIPTS)) for of in members])
    by_script[:2, WHITE_SPACE] -= len(lines)  # their ends
    return Counted(
        counts=np.bincount(ids, minlength=GPT2_IDS),
        lines=_histogram(lengths[lengths > 0]),
        words=_histogram(tokens_of_words),
        scripts=by_script,
        fragmented=_fragmented(words),
        bytes=len(text.encode()),
    )


def _histogram(numbers: np.ndarray) -> Counter[int]:
    values, times = np.unique(numbers, return_counts=True)
    return Counter(dict(zip(values.tolist(), times.tolist(), strict=True)))


def _tokens_of_words(words: list[str], in_word: np.ndarray, of_token: np.ndarray) -> np.ndarray:
    """How many tokens each word has.

    Args:
        in_word: for each character of the text, whether it is of a word.
        of_token: for each token, the character that it belongs to.
    """
    lengths = np.fromiter(map(len, words), dtype=np.int64, count=len(words))
    word = np.full(len(in_word), -1, dtype=np.int32)
    word[in_word] = np.repeat(np.arange(len(words)), lengths)
    found = word[of_token]
    return np.bincount(found[found >= 0], minlength=len(words))


def space_before(word: str) -> str:
    """The word as it stands inside a sentence: behind a space, except for Chinese and Japanese.

    >>> space_before("word"), space_before("好")
    (' word', '好')
    """
    return word if _SIGN.match(word) else f" {word}"


def _fragmented(words: list[str]) -> list[Fragmented]:
    times: Counter[str] = Counter()
    for word, n in Counter(words).items():
        if letters := _LETTERS.fullmatch(word):
            times[letters[1]] += n
    ids = encode("".join(f"{space_before(word)}\n" for word in times))
    tokens = np.diff(np.flatnonzero(ids == NEWLINE), prepend=-1) - 1
    found = zip(times.items(), tokens.tolist(), strict=True)
    return [Fragmented(word, t, n) for (word, n), t in found if t >= PIECES]


def add_fragmented(
    table: dict[str, tuple[int, int]], found: list[Fragmented]
) -> dict[str, tuple[int, int]]:
    """Add words to a table of word → (tokens, times), which stays below ``MOST`` words.

    When it grows larger, words are forgotten that cannot come under the first ``TOP`` any more:
    so many others have more tokens and were seen often enough. If more than ``MOST // 2`` are left,
    only so many are kept, the most frequent ones; a word in the list may then have occurred more
    often than it says, and a rare one may be missing. Everything else that is counted stays exact.
    """
    for word, tokens, times in found:
        table[word] = (tokens, times + table.get(word, (0, 0))[1])
    if len(table) <= MOST:
        return table
    seen = heapq.nlargest(TOP, (tokens for tokens, times in table.values() if times >= TIMES))
    least = seen[-1] if len(seen) == TOP else 0
    left = [(word, entry) for word, entry in table.items() if entry[0] >= least]
    if len(left) > MOST // 2:
        left = heapq.nlargest(MOST // 2, left, key=lambda item: item[1][1])
    return dict(left)


def most_fragmented(table: dict[str, tuple[int, int]]) -> tuple[Fragmented, ...]:
    """The words of the most tokens that occur often enough; of equals the most frequent first."""
    found = [Fragmented(w, tokens, n) for w, (tokens, n) in table.items() if n >= TIMES]
    return tuple(sorted(found, key=lambda f: (-f.tokens, -f.times, f.word))[:TOP])
