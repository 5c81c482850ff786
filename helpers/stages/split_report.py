"""What splitting says: documents, lines and characters, what was read, and what was left out."""

import dataclasses
from collections.abc import Iterator, Sequence

from helpers.common.names import spelled
from helpers.common.report import Grid, Report, Table, counted
from helpers.common.symbols import SPLITS
from helpers.text.inputs import Input

NAMED, FEW = 20, 5  # files in the report; so many are not folded


@dataclasses.dataclass(frozen=True, kw_only=True)
class SplitReport(Report):
    """Documents, lines and characters per split, in the order train, valid, test.

    Attributes:
        inputs: the name of every file that was read, and how many documents it has.
        encodings: of these files.
        left_out: documents of these files that hold what is no character.
        replaced: places in these files that were no characters.
    """

    TITLE = "Documents are divided"
    documents: tuple[int, ...]
    lines: tuple[int, ...]
    characters: tuple[int, ...]
    inputs: tuple[tuple[str, int], ...] = ()
    encodings: tuple[str, ...] = ()
    left_out: tuple[int, ...] = ()
    replaced: tuple[int, ...] = ()
    duplicates: int = 0
    wrapped: int = 0

    def table(self) -> Table:
        total = sum(self.documents) or 1
        columns = (SPLITS, self.documents, self.lines, self.characters)
        rows = [
            (f"data.{split}.raw", docs, f"{docs / total:.1%}", n_lines, characters)
            for split, docs, n_lines, characters in zip(*columns, strict=True)
        ]
        return ("file", "documents", "share", "lines", "characters"), rows

    def more(self) -> Grid | None:
        names, numbers = zip(*self.inputs, strict=True) if self.inputs else ((), ())
        columns = [("documents", numbers), ("left out", self.left_out), ("replaced", self.replaced)]
        columns = [(name, self._of_inputs(values, 0)) for name, values in columns]
        columns = [column for column in columns if any(column[1])] or columns[:1]
        counts = [*zip(*(values for _, values in columns), strict=True)]
        named = zip(names, self._of_inputs(self.encodings, ""), counts, strict=True)
        rows = [(name, encoding, *count) for name, encoding, count in named]
        if not rows:
            return None

        def together(name: str, counts: Sequence[tuple[int, ...]]) -> tuple:
            return (name, "", *map(sum, zip(*counts, strict=True)))

        shown, rest = rows[:NAMED], counts[NAMED:]
        if rest:
            shown.append(together(f"and {len(rest):,} more", rest))
        title = "What was read"
        if rows[1:]:
            shown.append(together("together", counts))
            title += f": {len(rows):,} files, {sum(numbers):,} documents"
        head = ("file", "encoding", *(name for name, _ in columns))
        return Grid(head, shown, title, folded=len(rows) > FEW)

    def _of_inputs(self, values: Sequence, otherwise: object) -> Sequence:
        """A value for each file; a record of another version of the course may have none."""
        known = len(values) == len(self.inputs)
        return values if known else (otherwise,) * len(self.inputs)


def of_encodings(files: Sequence[Input], wanted: str) -> Iterator[str]:
    """The note on files that are in another encoding than was wanted."""
    other = [
        f"{spelled(file.path.name)} ({file.encoding})" for file in files if file.encoding != wanted
    ]
    if other and len(other) <= 5:
        yield f"Read in the encoding that the file itself shows: {', '.join(other)}."
    elif other:
        yield f"{len(other)} files were read in the encoding that they show themselves."


def of_lines(duplicates: int, wrapped: int, limit: int, padded: int) -> Iterator[str]:
    """The notes on documents and lines; see :class:`helpers.text.division.SplitText`."""
    if duplicates:
        were = counted(duplicates, "document was", "documents were")
        yield f"{were} left out, having occurred before."
    if wrapped:
        were = counted(wrapped, "line was", "lines were")
        yield f"{were} wrapped, having more than {limit} tokens."
    if padded:
        have = counted(padded, "line has", "lines have")
        yield (
            f"{have} white space around the text (indents, form feeds): it stays in the .raw "
            "files, and every encoder leaves it out, as fairseq does."
        )


def of_signs(separators: int, marks: int, controls: int) -> Iterator[str]:
    """The notes on characters that may be no part of a text, and stay in it."""
    if separators:
        yield (
            f"Kept as text: {separators:,} × U+0085, U+2028 or U+2029, which end a line in "
            "Unicode, but not here."
        )
    if marks:
        yield (
            f"Kept as text: {marks:,} × U+FEFF, the mark at the beginning of a file; it stands in "
            "the middle where files were joined."
        )
    if controls:
        yield (
            f"Kept as text: {controls:,} × a control character, such as ESC; perhaps the text is "
            "in another encoding, or was written for a terminal."
        )
