"""What splitting says: documents, lines and characters, what was read, and what was left out."""

import dataclasses
from collections.abc import Iterator, Sequence

from helpers.common.names import spelled
from helpers.common.report import Grid, Report, Table, counted, enumerated
from helpers.common.symbols import SPLITS
from helpers.text.division import LONG
from helpers.text.inputs import Input
from helpers.text.layout.arranged import Seen
from helpers.text.places import MOST
from helpers.text.variants import Variants

NAMED, FEW = 20, 5  # files in the report; so many are not folded


@dataclasses.dataclass(frozen=True, kw_only=True)
class SplitReport(Report):
    """Documents, lines and characters per split, in the order train, valid, test.

    Attributes:
        inputs: the name of every file that was read, and how many documents it has.
        encodings: of these files.
        left_out: documents of these files that hold what is no character.
        replaced: places in these files that were no characters.
        leaks: how many documents of valid and of test have a near-duplicate in train; empty where
            that was not looked at.
        examples: of these, and of what they resemble in train, where they begin to differ; how
            similar, as it is estimated.
        dropped: near-duplicates that were left out.
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
    leaks: tuple[int, ...] = ()
    examples: tuple[tuple[str, str, float], ...] = ()
    dropped: int = 0

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

    def last(self) -> Grid | None:
        if not self.examples:
            return None
        head = (f"in {SPLITS[2 if self.leaks[1] else 1]}", "in train", "similarity")
        rows = [
            (here, there, f"{similarity if here == there else min(similarity, 0.99):.2f}")
            for here, there, similarity in self.examples
        ]
        return Grid(head, rows, "Some near-duplicates side by side, where they begin to differ")

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


def of_near_duplicates(
    documents: Sequence[int], leaks: Sequence[int], dropped: int, beyond: Sequence[int]
) -> Iterator[str]:
    """The notes on documents that differ in little.

    Args:
        documents: in train, valid and test.
        leaks, dropped: see :class:`SplitReport`.
        beyond: see :class:`helpers.text.places.Places`.
    """
    if dropped:
        were = counted(dropped, "document was", "documents were")
        yield f"{were} left out as near-duplicates of others, of which one is kept in each group."
    if any(beyond):
        off = (f"{split} {n:+,}" for split, n in zip(SPLITS, beyond, strict=True) if n)
        yield (
            "Groups of near-duplicates are whole, so that shares are not exact; documents more or "
            f"less: {', '.join(off)}."
        )
    if not leaks and any(documents[1:]):
        yield (
            f"There are more than {MOST:,} documents: whether some of valid and test have "
            "near-duplicates in train was not looked at. near_duplicates = 'together' or 'drop' "
            "looks nevertheless, and takes 400 bytes of memory a document."
        )
    elif any(leaks):
        said = (
            f"{n:,} of {of:,} documents of {split}"
            for split, n, of in zip(SPLITS[1:], leaks, documents[1:], strict=True)
            if of
        )
        yield (
            f"{' and '.join(said)} have a near-duplicate in train: the model learns what it is "
            "tested on, and its gain looks larger than on text that is new. "
            "near_duplicates = 'together' keeps such documents in one split, 'drop' keeps one."
        )
    elif any(documents[1:]):
        yield "No document of valid or test has a near-duplicate in train."


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


def of_layout(
    files: Sequence[Input], seen: Sequence[Seen], are_whole: bool = True
) -> Iterator[str]:
    """The notes on lines that are wrapped to a fixed width, and on chapters.

    Args:
        are_whole: whether the files were read to their ends, so that it can be said how many.
    """
    pairs = [*zip(files, seen, strict=True)]
    wrapped = [
        f"{spelled(file.path.name)} ({each.width} columns)"
        for file, each in pairs
        if each.width and not file.layout.joins
    ]
    if wrapped:
        yield (
            f"Lines look wrapped to a fixed width: {enumerated(wrapped, FEW)}. They end within "
            "sentences, and the model takes each for a line of its own. join_lines = True makes "
            "one line of each paragraph."
        )
    if are_whole and (joined := sum(each.joined for each in seen)):
        of = counted(sum(each.joined > 0 for each in seen), "file", "files")
        yield f"Lines were joined to paragraphs: {joined:,} line ends of {of} are gone."
    if left := [file for file, each in pairs if file.layout.joins and not each.width]:
        yield (
            "join_lines changed nothing where lines do not look wrapped to a fixed width: "
            f"{_names(left)}."
        )
    if not are_whole or not any(file.layout.by_chapter for file in files):
        return
    found = [each.chapters for each in seen]
    begin = counted(sum(each.begun for each in found), "document begins", "documents begin")
    yield (
        f"{begin} with a chapter's heading. Blank lines within chapters are left out, since they "
        "part documents."
    )
    if listed := sum(each.listed for each in found):
        yield (
            f"{counted(listed, 'heading stands', 'headings stand')} in a table of contents, where "
            "nothing is between them, and begin no chapter."
        )
    without = [f for f, each in pairs if f.layout.by_chapter and not each.chapters.headings]
    if without:
        yield f"No line is a heading in {_names(without)}: all of it is one document in each."


def _names(files: Sequence[Input]) -> str:
    return enumerated([spelled(file.path.name) for file in files], FEW)


def of_long_lines(long: int, limit: int, unit: str) -> Iterator[str]:
    """The note on lines that are more than a paragraph.

    Args:
        long: see :class:`helpers.text.division.SplitText`.
        limit, unit: ``max_line_tokens``, and that of plain text; empty where there is none.
    """
    if long and unit not in ("", "line"):
        have = counted(long, "line has", "lines have")
        wrapped = "; they are wrapped at ends of sentences" if limit else ""
        yield (
            f"{have} more than {LONG:,} characters, as where a chapter is one line{wrapped}. "
            "If every line is a text of its own, unit = 'line' makes it a document."
        )


def of_variants(found: Variants) -> Iterator[str]:
    """The notes on characters that can be written in two ways."""
    if found.are_mixed:
        yield (
            f"The texts are in two scripts: {found.simplified:,} characters are of simplified "
            f"Chinese only, {found.traditional:,} of traditional Chinese only. They stay as they "
            "are, and the model learns the two spellings of a word by themselves."
        )
    if found.full_width:
        yield (
            f"Kept as text: {found.full_width:,} × a letter or a digit of full width, such as Ａ "
            "or １, which the model does not know to be A or 1."
        )
