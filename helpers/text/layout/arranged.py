"""A text as it is to be read: its lines joined, its chapters parted; and what was seen of that."""

import dataclasses
import functools
import itertools
from collections.abc import Iterable, Iterator, Sequence

from helpers.common.errors import CourseError
from helpers.text.layout.chapters import Chapters, Headings, by_chapters
from helpers.text.layout.joined_lines import Columns, joined, width_of

SAMPLE = 1 << 16  # characters that tell whether a text is hard-wrapped


@dataclasses.dataclass
class Seen:
    """How a text is laid out.

    Attributes:
        width: the columns that its lines were wrapped to; 0, where it does not look so.
        joined: line ends that are gone, since lines were joined.
    """

    width: int = 0
    joined: int = 0
    chapters: Chapters = dataclasses.field(default_factory=Chapters)


@dataclasses.dataclass(frozen=True)
class Layout:
    """What is done with the lines of a text.

    Attributes:
        joins: hard-wrapped lines become paragraphs.
        by_chapter: a document is a chapter, whose heading ``pattern`` tells; empty: a usual one.
    """

    joins: bool = False
    by_chapter: bool = False
    pattern: str = ""

    @property
    def changes(self) -> bool:
        return self.joins or self.by_chapter

    def arranged(self, blocks: Iterable[str], seen: Seen, longest: int) -> Iterator[str]:
        """The text in blocks, as it is to be read.

        Args:
            seen: is told what was seen.
            longest: characters of a line, which memory has to hold.

        Raises:
            OverflowError: a line has more.
            CourseError: the pattern takes too long.
        """
        blocks = iter(blocks)
        beginning, is_cut = _beginning(blocks)
        sample = beginning[:SAMPLE]
        sample = sample[: sample.rfind("\n") + 1] if is_cut else sample
        columns = Columns(sample)
        seen.width = width_of(sample, columns)
        blocks = itertools.chain([beginning], blocks)
        is_heading = _headings(self.pattern)
        if self.joins and seen.width:
            blocks = joined(_counted(blocks, seen, 1), seen.width, columns, is_heading, longest)
            blocks = _counted(blocks, seen, -1)
        if self.by_chapter:
            blocks = by_chapters(blocks, is_heading, seen.chapters, longest)
        yield from blocks


AS_IT_IS = Layout()


def refuse_no_chapters(layouts: Sequence[Layout], seen: Sequence[Seen]) -> None:
    """Raise a CourseError where chapters are wanted, and no line of the texts is a heading."""
    wanted = [layout for layout in layouts if layout.by_chapter]
    if wanted and not any(each.chapters.headings for each in seen):
        pattern = wanted[0].pattern
        what = f"fits chapter_pattern = {pattern!r}" if pattern else "is a chapter's heading"
        raise CourseError(
            f"No line of the texts {what}, and so there are no chapters to divide.",
            "Write in chapter_pattern how the whole line of a heading looks, for example "
            r"'第.+[章回].*' or 'CHAPTER \w+'; or set another unit.".replace(r"\\", "\\"),
        )


@functools.lru_cache(maxsize=4)
def _headings(pattern: str) -> Headings:
    return Headings(pattern)


def _beginning(blocks: Iterator[str]) -> tuple[str, bool]:
    """Enough of a text to tell, and whether there may be more."""
    parts: list[str] = []
    length = 0
    for block in blocks:
        parts.append(block)
        length += len(block)
        if length > SAMPLE:
            return "".join(parts), True
    return "".join(parts), False


def _counted(blocks: Iterable[str], seen: Seen, sign: int) -> Iterator[str]:
    for block in blocks:
        seen.joined += sign * block.count("\n")
        yield block
