"""Hard-wrapped text: told by its lines, which are joined to paragraphs.

A program that wraps lines ends one where the next word has no room. So a line whose next word would
have had room was ended by a person: it is the last of a paragraph, a line of verse, a heading.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator

import regex

from helpers.text.layout.lines import whole_lines

NARROWEST, WIDEST = 30, 200  # columns: verse is narrower, and what is wider is not for the eye
FEWEST = 4  # lines that tell
WIDE_AS = 0.9  # so many of them have this width or less
# So many end for want of room; or fewer, where nearly all others end with a sentence. And so many
# of those that end for want of room do so within a sentence, of the others so few.
WRAPPED, AMONG_SHORT, OPEN, OPEN_OTHERS = 0.4, 0.2, 0.6, 0.4
# How much room may be left where there was none for the next word, as a part of the width: programs
# differ, and keep marks together. Less behind the end of a sentence, which may end a paragraph.
ROOM, ROOM_BEHIND_SENTENCE = 0.12, 0.03
# Written without spaces between words: Chinese and kana with their marks; not Korean.
_NO_SPACES = (
    r"\u2e80-\u312f\u31a0-\ua4cf\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef\U00020000-\U0003ffff"
)
_NO_SPACE = regex.compile(f"[{_NO_SPACES}]")
_FIRST_WORD = regex.compile(rf"[^\s{_NO_SPACES}]*+(?:(?<![\w])[{_NO_SPACES}])?|[{_NO_SPACES}]")
_SENTENCE_END = regex.compile(r"""[。！？…!?.;；][”’"'」』）)\]》]*$|(?<![，、,])[”」』"]$""")
_DASHES, _HYPHENS = ("—", "–"), ("-", "\u2010")
_QUOTES = "”’\"'“‘)(）（」』「『》《…"


class Columns:
    """How wide lines are: Chinese characters, and all marks among them, take two columns."""

    def __init__(self, sample: str) -> None:
        self.are_wide = 5 * len(_NO_SPACE.findall(sample)) > len(sample)

    def of(self, line: str) -> int:
        if not self.are_wide or line.isascii():
            return len(line)
        return 2 * len(line) - len(line.encode("ascii", "ignore"))

    def with_next(self, line: str, following: str) -> int:
        """Of a line, if it had the first word of the next one on it, too."""
        word = _FIRST_WORD.match(following)[0]
        return self.of(line) + len(between(line, following)) + self.of(word)


def width_of(sample: str, columns: Columns) -> int:
    """The width that a text was wrapped to; 0, where it does not look so.

    Args:
        sample: whole lines of it.
    """
    lines = [line.rstrip() for line in sample.split("\n")]
    pairs = [(a, b) for a, b in itertools.pairwise(lines) if a and b and not b[0].isspace()]
    if len(pairs) < FEWEST:
        return 0
    widths = sorted(columns.of(line) for line, _ in pairs)
    width = widths[int(WIDE_AS * (len(widths) - 1))]
    if not NARROWEST <= width <= WIDEST:
        return 0
    full, others = [], []
    for line, following in pairs:
        chosen = full if _is_full(line, following, width, columns, ROOM) else others
        chosen.append(not _SENTENCE_END.search(line))
    share = len(full) / len(pairs)
    are_parted = share >= AMONG_SHORT and sum(others) <= OPEN_OTHERS * len(others)
    looks_so = (share >= WRAPPED or are_parted) and sum(full) >= OPEN * len(full)
    return width if looks_so else 0


def _is_full(line: str, following: str, width: int, columns: Columns, room: float) -> bool:
    """Whether the next word has no room on it; one that is much too long was not wrapped at all."""
    return columns.with_next(line, following) > width * (1 - room) and (
        columns.of(line) <= width * (1 + ROOM)
    )


def between(line: str, following: str) -> str:
    """What stands between two lines that are joined: a space, but none in Chinese.

    A hyphen stays, and so does a dash: whether the word has one of its own cannot be told.

    >>> between("It is a well-", "known"), between("known", "fact"), between("今年的收", "成不好")
    ('', ' ', '')
    """
    last, first = line.rstrip(_QUOTES)[-1:], following.lstrip(_QUOTES)[:1]
    is_hyphenated = line.endswith(_HYPHENS) and not line[-2:-1].isspace()
    if is_hyphenated or line.endswith(_DASHES) or _NO_SPACE.match(last) or _NO_SPACE.match(first):
        return ""
    return " "


def joined(
    blocks: Iterable[str],
    width: int,
    columns: Columns,
    is_heading: Callable[[str], bool],
    longest: int,
) -> Iterator[str]:
    """A text of which the lines of each paragraph are one; white space at line ends is left out.

    A paragraph ends at a blank line, before one that is indented, before and behind a heading, and
    with a line on which the next word would have had room.

    Args:
        width: what it was wrapped to, see :func:`width_of`.
        longest: see :func:`helpers.text.layout.lines.whole_lines`.
    """
    before: str | None = None
    for lines in whole_lines(blocks, longest):
        stripped = [line.rstrip() for line in lines]
        pairs = itertools.pairwise(stripped if before is None else (before, *stripped))
        parts = [] if before is not None else stripped[:1]
        for line, following in pairs:
            is_within = _goes_on(line, following, width, columns) and not (
                is_heading(line) or is_heading(following)
            )
            parts += (between(line, following) if is_within else "\n", following)
        before = stripped[-1]
        yield "".join(parts)


def _goes_on(line: str, following: str, width: int, columns: Columns) -> bool:
    if not line or not following or following[0].isspace():
        return False
    room = ROOM_BEHIND_SENTENCE if _SENTENCE_END.search(line) else ROOM
    return _is_full(line, following, width, columns, room)
