"""Lines that are too long for the model are wrapped, and no character is lost.

fairseq drops a line that is longer than the model can read from training, with a warning, and
stops at one in validation. GPT-2 spends two or three tokens on a Chinese character, so that a
paragraph of 250 characters is already too long.
"""

from collections.abc import Iterator

import regex as re

from helpers.tokens.gpt2 import bytes_of_token, count_tokens, encode

# Not before what belongs to the character in front: an accent, a joiner, a skin tone.
_WHOLE = r"(?![\p{Grapheme_Extend}\p{M}\p{Emoji_Modifier}\u200d])"
_SENTENCE_END = re.compile(
    r"""(?:[。！？；…]+|[.!?]+(?=["'”’)\]»]*\s))["'”’)\]」』»]*\s*""" + _WHOLE
)
_SPACE = re.compile(r"\s+" + _WHOLE)
_CHARACTER = re.compile(r"\X")  # what a reader sees as one, such as an emoji of several parts


def wrap(line: str, limit: int) -> Iterator[str]:
    """Break a line into lines of at most ``limit`` tokens; together they are the line again.

    One ends behind a sentence, else behind a space, else behind a character. White space goes
    with the line before it, so that none is blank.

    Args:
        limit: the most GPT-2 tokens that one may have, as fairseq's encoder counts them.

    >>> list(wrap("One. Two three.", 3))
    ['One. ', 'Two three.']
    """
    start = 0
    while start < len(line):
        end = _end_of_next(line, start, limit)
        yield line[start:end]
        start = end


def shortened(lines: list[str], limit: int) -> tuple[list[str], int]:
    """The lines, those of more than ``limit`` tokens wrapped; and how many these were.

    Args:
        limit: as for :func:`wrap`; with 0, no line is too long.
    """
    if not limit or 4 * max(map(len, lines)) <= limit:  # a token is at least one byte
        return lines, 0
    found, wrapped = [], 0
    for line in lines:
        if is_too_long(line, limit):
            found += wrap(line, limit)
            wrapped += 1
        else:
            found.append(line)
    return found, wrapped


def is_too_long(line: str, limit: int) -> bool:
    """Whether a line has more than ``limit`` tokens. A token is at least one byte."""
    return len(line) * 4 > limit and len(line.encode()) > limit and count_tokens(line) > limit


def _end_of_next(line: str, start: int, limit: int) -> int:
    """Where the line ends that begins at ``start``."""
    text, fits_whole = _window(line, start, limit)
    if fits_whole:
        return len(line)
    longest = _longest_prefix(text, limit)
    cut = _last_end(_SENTENCE_END, text, longest) or _last_end(_SPACE, text, longest)
    cut = cut or _last_end(_CHARACTER, text, longest) or longest
    while cut > 1 and count_tokens(text[:cut]) > limit:  # the cut may have split a token
        cut = _last_end(_CHARACTER, text, cut - 1) or cut - 1
    end = start + cut
    gap = _SPACE.match(line, end)
    return gap.end() if gap else end


def _window(line: str, start: int, limit: int) -> tuple[str, bool]:
    """Enough of the rest to fill the next line, and whether all the rest fits into it."""
    size = 8 * limit
    while True:
        text = line[start : start + size]
        if count_tokens(text) > limit:
            return text, False
        if start + size >= len(line):
            return text, True
        size *= 2


def _longest_prefix(text: str, limit: int) -> int:
    """How many characters the first ``limit`` tokens cover, outer space not counted."""
    stripped = text.strip()
    size = sum(len(bytes_of_token()[i]) for i in encode(stripped)[:limit])
    covered = stripped.encode()[:size].decode(errors="ignore")
    return max(1, len(text) - len(text.lstrip()) + len(covered))


def _last_end(pattern: re.Pattern, text: str, longest: int) -> int:
    """The last end of a match within ``longest`` characters that leaves something before it; or 0.

    White space that a match takes in is not counted: it goes with the line before.
    """
    last = 0
    for match in pattern.finditer(text):
        kept = len(text[: match.end()].rstrip())
        if kept > longest:
            break
        if kept and match.end() < len(text):
            last = match.end()
    return last
