"""The beginning of a corpus as it will be read, before anything is made of it."""

import dataclasses
import functools
import heapq
import html
from pathlib import Path

import numpy as np

from helpers.common.report import Grid, Shown
from helpers.stages.split_report import of_layout
from helpers.text.decoding.archives import Gauge
from helpers.text.decoding.characters import MARK
from helpers.text.decoding.damage import Faults, about
from helpers.text.documents import Passage
from helpers.text.files import not_read, text_files
from helpers.text.inputs import Input, inputs_of, refuse_unused
from helpers.text.layout.arranged import Seen, refuse_no_chapters
from helpers.tokens.gpt2 import count_tokens
from helpers.workflow.settings import SplitSettings
from helpers.workflow.workspace import Workspace

MOST = 4 << 20  # characters that are read: a look should take about a second
STEP = 1 << 16  # bytes that are read at a time
FILES, FIRST, LONGEST = 5, 4, 3  # files, first lines and longest lines that are shown
READING = (  # settings that hold for it
    *("encoding", "errors", "text_field", "unit", "chapter_pattern", "join_lines", "deduplicate"),
)
WIDTH = 100  # characters of a line that are shown


@dataclasses.dataclass(frozen=True)
class FileSeen:
    """A text file as far as it was read."""

    name: str
    encoding: str
    bytes: int
    documents: int
    lines: int


@dataclasses.dataclass(frozen=True, eq=False)
class CorpusPreview(Shown):
    """What the first ``MOST`` characters of a corpus hold.

    Attributes:
        files: those that were read, the last perhaps in part; ``in_all`` is how many there are.
        distinct: different documents in them.
        share: how much of the corpus was read, in bytes, from 0 to 1.
        tokens: GPT-2 tokens of every line that is not blank, in order.
        first: the first such lines.
        longest: the longest such lines, each with its tokens.
        left_out: what lies beside the files and is not read.
        notes: what was found that is no text, and what was done about it.
    """

    files: tuple[FileSeen, ...]
    in_all: int
    distinct: int
    share: float
    tokens: np.ndarray
    first: tuple[str, ...]
    longest: tuple[tuple[int, str], ...]
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def documents(self) -> int:
        """Different documents of the whole corpus; an estimate where not all was read."""
        return round(self.distinct / self.share) if self.share else 0

    def wrapped(self, limit: int) -> int:
        """How many of the lines have more tokens than the limit (0: no limit)."""
        return int((self.tokens > limit).sum()) if limit else 0

    def _grid(self) -> Grid:
        rows = [dataclasses.astuple(file) for file in self.files[:FILES]]
        if self.in_all > len(rows):
            rows.append((f"and {self.in_all - len(rows):,} more", "", "", "", ""))
        read = "" if self.share == 1 else f"; looked at: the first {self.share:.0%}"
        return Grid(
            ("file", "encoding", "bytes", "documents", "lines"), rows, f"What is read{read}"
        )

    def __str__(self) -> str:
        lines = (line[:WIDTH] for line in self.first)
        return "\n".join((str(self._grid()), *not_read(self.left_out), *self.notes, *lines))

    def _repr_html_(self) -> str:
        first = html.escape("\n".join(line[:WIDTH] for line in self.first))
        said = (*not_read(self.left_out), *self.notes)
        beside = "".join(f"<div>{html.escape(line)}</div>" for line in said)
        return (
            f"{self._grid()._repr_html_()}{beside}<div><b>The first lines</b></div>"
            f"<pre style='white-space:pre-wrap'>{first}</pre>"
        )


def corpus_preview(workspace: Workspace, settings: SplitSettings) -> CorpusPreview:
    """Look at the beginning of the texts, as :data:`helpers.stages.split.SPLIT` would read them.

    Raises:
        CourseError: a name that leads nowhere, or bytes that are not in the encoding.
    """
    how = (settings.encoding, settings.text_field)
    files, left_out = text_files(settings.txt_files, workspace, *how)
    stamps = tuple((file, file.stat().st_size, file.stat().st_mtime_ns) for file in files)
    reading = SplitSettings(**{name: getattr(settings, name) for name in READING})
    refuse_unused(settings, (file for path in files for file in inputs_of([path], settings)))
    return _looked_at(stamps, reading, tuple(left_out))


@functools.lru_cache(maxsize=4)
def _looked_at(
    stamps: tuple[tuple[Path, int, int], ...], settings: SplitSettings, left_out: tuple[str, ...]
) -> CorpusPreview:
    files: list[FileSeen] = []
    inputs: list[Input] = []
    seen: list[Seen] = []
    faults: list[Faults] = []
    kept: list[str] = []
    distinct: set[int] = set()
    left, read = MOST, 0.0
    for path, size, _ in stamps:
        if left <= 0:
            break
        [file] = inputs_of([path], settings)
        inputs.append(file)
        seen.append(Seen())
        faults.append(file.faults())
        found, share = _begin(file, left, size, faults[-1], seen[-1])
        faults[-1].refuse()
        number = 0
        for passage in found:
            if MARK in passage.text:  # a part of a long document that is to be left out
                continue
            chosen = passage.documents(file.unit)
            number += len(chosen) if passage.begins else 0
            kept += _kept_lines(chosen, distinct, settings.deduplicate)
        texts = [passage.text for passage in found]
        lines = sum(text.count("\n") + (text[-1:] not in ("", "\n")) for text in texts)
        files.append(FileSeen(path.name, file.encoding, size, number, lines))
        left = left - sum(map(len, texts)) if share == 1 else 0
        read += share * size
    all_was_read = len(inputs) == len(stamps) and left > 0
    if all_was_read:
        refuse_no_chapters([file.layout for file in inputs], seen)
    tokens = np.array([count_tokens(line) for line in kept], dtype=np.int64)
    longest = heapq.nlargest(LONGEST, range(len(kept)), key=tokens.__getitem__)
    total = sum(size for _, size, _ in stamps)
    return CorpusPreview(
        files=tuple(files),
        in_all=len(stamps),
        distinct=len(distinct),
        share=min(1.0, read / total) if total else 1.0,
        tokens=tokens,
        first=tuple(kept[:FIRST]),
        longest=tuple((int(tokens[i]), kept[i]) for i in longest),
        left_out=left_out,
        notes=(*about(faults), *of_layout(inputs, seen, all_was_read)),
    )


def _kept_lines(documents: list[str], distinct: set[int], deduplicate: bool) -> list[str]:
    """The lines that are not blank of documents, which are added to the different ones.

    Args:
        deduplicate: of those that were there before, there are no lines.
    """
    lines: list[str] = []
    for document in documents:
        same = hash(document)
        if not (deduplicate and same in distinct):
            lines += [line for line in document.split("\n") if line.strip()]
        distinct.add(same)
    return lines


def _begin(
    file: Input, most: int, size: int, faults: Faults, seen: Seen
) -> tuple[list[Passage], float]:
    """The first passages of a file, ``most`` characters at most, and their share of it.

    A line that is longer than that is cut: it will be wrapped in any case.
    """
    gauge, most_at_first = Gauge(STEP), most
    found: list[Passage] = []
    characters = ""
    for passage in file.passages(gauge, faults, seen=seen):
        if len(passage.text) > most:
            end = passage.text.rfind("\n", 0, most) + 1
            behind = end or passage.text.find("\n", most) + 1 or len(passage.text)
            found += [passage._replace(text=passage.text[: end or most])] if most else []
            if file.is_plain and not faults.in_bytes:
                characters += passage.text[:behind]
                return found, len(characters.encode(file.encoding, "ignore")) / max(size, 1)
            used = most_at_first - most + (end or most)
            given = most_at_first - most + len(passage.text)
            # It is ahead, by as much as is read at a time.
            return found, min(gauge.share, 0.99) * min(1.0, used / given)
        found.append(passage)
        characters += passage.text
        most -= len(passage.text)
    return found, 1.0
