"""Chapters: which lines are headings, and a text as documents of a chapter each.

Blank lines part documents everywhere in the course. So a chapter's own blank lines are left out,
and one is put before its heading: for all that follows it is a document like any other.
"""

import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator

import regex

from helpers.common.errors import CourseError
from helpers.text.layout.lines import whole_lines

MOST = 100  # characters of a heading
NESTED = 3  # headings one behind the other, such as of book, part and chapter; more are a list
TITLE = 40  # characters of a title below its heading
HELD = 1000  # lines of a table of contents that wait for its end
SLOWEST, ENOUGH, EACH = 1.0, 10.0, 0.001  # seconds for a line, for all, and for each of these
_ENDED = '。！？；…!?.;”」』"’'
_NUMBER = "[0-9０-９零〇○一二三四五六七八九十百千万兩两廿卅壹贰叁肆伍陆柒捌玖拾佰]+"
_WORD = (
    "(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|"
    "(?:thir|four|fif|six|seven|eigh|nine)teen|(?:twen|thir|for|fif|six|seven|eigh|nine)ty"
    r"(?:[- ](?:one|two|three|four|five|six|seven|eight|nine))?|the[ ]\p{L}{3,14})"
)
# A heading of itself, and what may stand before and behind it.
_CHINESE = rf"""
    (?:正文\s*)?
    (?: 第\s*{_NUMBER}\s*(?:章|回|节|節|卷|部|集|篇|幕|话|話)(?:分)?
        (?: [\s：:、.．·—-]++.*[^\s，,；;]  |  [^\s。，；！？：“”「」…]{{1,24}} )?
      | (?:卷之?{_NUMBER}|[上中下]\s*[卷部篇集]|番\s*外\s*[篇章]?\s*(?:{_NUMBER})?)
        (?:[\s：:、.·—].*)?
      | (?:[自代]?序|序\s*[章言幕曲]|前\s*言|引\s*[子言]|楔\s*子|尾\s*[声聲]|[后後]\s*[记記]|跋|
           [终終]\s*章|[结結]\s*[语語]|附\s*[录錄]|大[结結]局)(?:[\s：:、.·—].*)?
    )"""
_ENGLISH = rf"""
    (?: (?i:chapter|book|part|volume|canto)\s+
        (?: \d{{1,4}} | (?=[IVXLCivxlc]+\b)[Cc]{{0,3}}(?:[XLxl]*)(?:[IVXivx]*) | (?i:{_WORD}) )
        (?: \s*[.:)—–-]+(?:\s*.*)?  |  \s+(?:[\p{{Lu}}\d“"‘'].*[^.,;!?])  |  \s*[\p{{Lo}}].* )?
      | (?:(?i:prologue|epilogue|preface|foreword|afterword|introduction)|APPENDIX|Appendix)
        (?:\s*[.:—–-]\s*.*)?
    )"""
USUAL = rf"(?x)[\#=*【〖\[(（]*+\s*+ (?:{_CHINESE}|{_ENGLISH}) [\s：:\#=*】〗\])）]*"


@dataclasses.dataclass
class Chapters:
    """What was found of them.

    Attributes:
        headings: lines that are one.
        begun: documents that begin with one.
        listed: headings in tables of contents, which begin none.
    """

    headings: int = 0
    begun: int = 0
    listed: int = 0


class Headings:
    """Tells headings by a pattern, and does not wait for one that takes for ever.

    Args:
        pattern: a regular expression for all of the line without white space around it; empty:
            the usual headings of Chinese and of English books.

    Raises:
        regex.error: it is none.
    """

    def __init__(self, pattern: str = "") -> None:
        self.pattern = pattern
        self._match = regex.compile(pattern or USUAL).fullmatch
        self._asked, self._seconds = 0, 0.0

    def __call__(self, line: str) -> bool:
        """Whether a line is one.

        Raises:
            CourseError: the pattern takes too long.
        """
        line = line.strip()
        if not line or len(line) > MOST:
            return False
        if not self.pattern:  # which is known to be fast
            return self._match(line) is not None
        begun = time.perf_counter()
        try:
            found = self._match(line, timeout=SLOWEST) is not None
        except TimeoutError:
            raise self._too_slow(line) from None
        self._asked += 1
        self._seconds += time.perf_counter() - begun
        if self._seconds > ENOUGH + EACH * self._asked:
            raise self._too_slow(line)
        return found

    def _too_slow(self, line: str) -> CourseError:
        return CourseError(
            f"chapter_pattern = {self.pattern!r} takes too long, such as for the line {line!r}.",
            "It may repeat what repeats already, as (a+)+ does: write it without that.",
        )


def by_chapters(
    blocks: Iterable[str], is_heading: Callable[[str], bool], found: Chapters, longest: int
) -> Iterator[str]:
    """A text without blank lines, but for one before each chapter.

    Headings that follow each other directly, or with a title of one line between them, are one:
    a part and its first chapter. More than ``NESTED`` are a table of contents; it stays with what
    stands before it, and only the last of them begins a chapter.

    Args:
        found: is told what there is.
        longest: see :func:`helpers.text.layout.lines.whole_lines`.
    """
    run = _Run(is_heading, found)
    for lines in whole_lines(blocks, longest):
        if chosen := [each for line in lines if line.strip() for each in run.of_line(line)]:
            yield "\n".join(chosen) + "\n"
    if chosen := run.end():
        yield "\n".join(chosen) + "\n"


class _Run:
    """Headings that follow each other, until it shows what they are."""

    def __init__(self, is_heading: Callable[[str], bool], found: Chapters) -> None:
        self.is_heading, self.found = is_heading, found
        self.held: list[str] = []
        self.last = self.headings = 0  # where the last one stands; how many there are
        self.is_within = False  # a text

    def of_line(self, line: str) -> list[str]:
        """The lines that are decided with this one, which is not blank."""
        if self.is_heading(line):
            self.found.headings += 1
            self.headings += 1
            self.last = len(self.held)
            self.held.append(line)
            return self._long_list() if len(self.held) > HELD else []
        if self.held and self.last == len(self.held) - 1 and _may_be_title(line):
            self.held.append(line)
            return []
        decided = [*self.end(), line]
        self.is_within = True
        return decided

    def _long_list(self) -> list[str]:
        decided, self.held = self.held[: self.last], self.held[self.last :]
        self.last = 0
        self.is_within = True
        return decided

    def end(self) -> list[str]:
        """The lines that were held; where a chapter begins among them, a blank one before it."""
        if not self.held:
            return []
        start = self.last if self.headings > NESTED else 0
        self.found.listed += self.headings - 1 if self.headings > NESTED else 0
        self.found.begun += 1
        before, behind = self.held[:start], self.held[start:]
        parted = [*before, "", *behind] if before or self.is_within else behind
        self.held, self.headings, self.is_within = [], 0, True
        return parted


def _may_be_title(line: str) -> bool:
    line = line.strip()
    return len(line) <= TITLE and line[-1] not in _ENDED
