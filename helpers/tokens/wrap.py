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
# No line begins with a mark that belongs to what stands before it, nor ends with an opening one,
# where there is another place.
_CLOSING = "”’」』》〉）】〕｣)\\]»"
_GOES_ON = rf"(?!\s{{0,3}}+[，。、；：！？…—·,;:!?{_CLOSING}])"
_OPENING = "“‘「『《〈（【〔｢(\\[«"
_SENTENCE_END = re.compile(
    rf"""(?:[。！？；…]++|[.!?]++(?=["'{_CLOSING}]*\s))["'{_CLOSING}]*+\s*+{_GOES_ON}{_WHOLE}"""
)
_PARAGRAPH_END = re.compile(
    rf"(?:\u3000{{2,}}+|\s{{4,}}+){_GOES_ON}{_WHOLE}"
)  # where lines had been joined
_PART_END = re.compile(rf"[，、：]++[{_CLOSING}]*+\s*+{_GOES_ON}{_WHOLE}")
_SPACE = re.compile(r"\s+" + _WHOLE)
_BETWEEN_WORDS = re.compile(rf"\s++{_GOES_ON}{_WHOLE}")
_BETWEEN = re.compile(rf"\X(?<![{_OPENING}]){_GOES_ON}")
_CHARACTER = re.compile(r"\X")  # what a reader sees as one, such as an emoji of several parts
_BEST_FIRST = (_SENTENCE_END, _PART_END, _BETWEEN_WORDS, _BETWEEN, _SPACE, _CHARACTER)


def wrap(line: str, limit: int) -> Iterator[str]:
    """Break a line into lines of at most ``limit`` tokens; together they are the line again.

    One ends where a paragraph seems to end, if it is half full; else behind a sentence, with the
    quotes that close it; else behind a part of a Chinese one, a space, a character. White space
    goes with the line before it, so that none is blank.

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
    cut = _last_end(_PARAGRAPH_END, text, longest)
    if 2 * cut < longest:
        ends = (_last_end(pattern, text, longest) for pattern in _BEST_FIRST)
        cut = next(filter(None, ends), longest)
    while cut > 1 and count_tokens(text[:cut]) > limit:  # the cut may have split a token
        cut = _last_end(_BETWEEN, text, cut - 1) or _last_end(_CHARACTER, text, cut - 1) or cut - 1
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
