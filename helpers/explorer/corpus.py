"""What GPT-2's tokens make of a corpus: how long words and lines are, and what a script costs.

Computed once for a split and kept in the workspace, in ``explorer/tokens-SPLIT.json``.
"""

import dataclasses
import json
from collections import Counter
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np

from helpers.common.errors import StageMissing
from helpers.common.files import write_whole
from helpers.common.processes import Workers, allowed_workers
from helpers.common.progress import Progress
from helpers.common.report import Grid, Report, Table
from helpers.common.symbols import LONGEST_LINE
from helpers.explorer.counting import (
    Fragmented,
    add_fragmented,
    counted,
    most_fragmented,
    space_before,
)
from helpers.explorer.scripts import SCRIPTS
from helpers.text.chunks import chunk_texts
from helpers.tokens.gpt2 import GPT2_IDS, bytes_of_token, encode
from helpers.tokens.readable import readable
from helpers.workflow.record import Fingerprint, fingerprint, is_unchanged
from helpers.workflow.workspace import Workspace

FORMAT = 1
CHUNK = 1_000_000  # characters; of Chinese, each is a word, and so a string of its own
SHARES = (50, 90, 99)  # percent of the text

Histogram = tuple[tuple[int, int], ...]


class ScriptCost(NamedTuple):
    """What there is of a script. Each character, byte and token belongs to one script."""

    script: str
    characters: int
    bytes: int
    tokens: int


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class CorpusTokens(Report):
    """The tokens of a split; what exactly is counted is said in :mod:`helpers.explorer.counting`.

    Attributes:
        counts: how often each GPT-2 id occurs: int64, shape (50257,).
        lines: ``(tokens, how many lines have so many)``, ascending; blank lines are left out.
        words: the same for words.
        fragmented: the words that are cut into the most pieces, most pieces first.
        scripts: what is there of each script, most characters first.
    """

    TITLE: ClassVar[str] = "What GPT-2's tokens make of the text"
    split: str
    counts: np.ndarray
    lines: Histogram
    words: Histogram
    fragmented: tuple[Fragmented, ...]
    scripts: tuple[ScriptCost, ...]

    @property
    def tokens(self) -> int:
        return int(self.counts.sum())

    @property
    def used(self) -> int:
        """How many of the 50 257 tokens occur."""
        return int((self.counts > 0).sum())

    def covering(self, percent: int) -> int:
        """How many tokens, the most frequent ones, make up so much of all occurrences."""
        covered = np.cumsum(np.sort(self.counts)[::-1])
        return int(np.searchsorted(100 * covered, percent * self.tokens)) + 1 if self.tokens else 0

    def table(self) -> Table:
        lines, words = (sum(n for _, n in found) for found in (self.lines, self.words))
        of_words = sum(tokens * n for tokens, n in self.words)
        size = sum(script.bytes for script in self.scripts)
        rows = [
            ("lines (without blank ones)", lines),
            (
                f"lines of more than {LONGEST_LINE} tokens",
                sum(n for t, n in self.lines if t > LONGEST_LINE),
            ),
            ("tokens of the longest line", max((t for t, _ in self.lines), default=0)),
            ("words", words),
            ("tokens", self.tokens),
            ("tokens a word", of_words / words if words else None),
            ("bytes a token", size / self.tokens if self.tokens else None),
            (f"different tokens, of {GPT2_IDS:,}", self.used),
            *((f"different tokens that make up {p}%", self.covering(p)) for p in SHARES),
        ]
        return ("", self.split), rows

    def grids(self) -> tuple[Grid, Grid]:
        """The most fragmented words with their pieces, and what each script costs."""
        broken = [(f.word, f.tokens, _pieces(f.word), f.times) for f in self.fragmented]
        characters = sum(script.characters for script in self.scripts)
        costs = [
            (
                script.script,
                script.characters,
                round(100 * script.characters / characters, 2),
                round(100 * script.tokens / self.tokens, 2),
                script.tokens / script.characters,
                script.bytes / script.tokens if script.tokens else None,
            )
            for script in self.scripts
        ]
        head = ("script", "characters", "% of the text", "% of the tokens")
        head += ("tokens a character", "bytes a token")
        return (
            Grid(("word", "tokens", "pieces", "times"), broken, "The most fragmented words"),
            Grid(head, costs, "What each script costs; a space counts with the word behind it"),
        )

    def __str__(self) -> str:
        return "\n\n".join((super().__str__(), *map(str, self.grids())))

    def html(self) -> str:
        """Tables and figures as HTML that needs nothing else."""
        tables = "".join(grid._repr_html_() for grid in self.grids())
        return f"<div>{super()._repr_html_()}{self._pictures()}{tables}</div>"

    _repr_html_ = html

    def _pictures(self) -> str:
        from helpers.common import figures  # with matplotlib, which no worker needs

        if not self.tokens:
            return "<div>There is no text in it.</div>"
        lengths, lines = zip(*self.lines, strict=True)
        costs = [(s.script, s.tokens / s.characters) for s in self.scripts]
        pictures = (
            figures.tokens_per_word(self.words),
            figures.tokens_per_line(lengths, LONGEST_LINE, lines),
            figures.zipf(self.counts.tolist(), self.split),
            figures.tokens_per_character(costs),
        )
        return f"<div>{''.join(picture.html() for picture in pictures)}</div>"

    def to_json(self) -> dict:
        return super().to_json() | {"counts": self.counts.tolist()}

    @classmethod
    def from_json(cls, content: dict) -> "CorpusTokens":
        """What :meth:`to_json` gave, read from a file.

        Raises:
            ValueError, TypeError, KeyError, OverflowError: it is something else.
        """
        counts = np.array(content["counts"], dtype=np.int64)
        lines, words = (tuple((int(a), int(b)) for a, b in content[n]) for n in ("lines", "words"))
        if counts.shape != (GPT2_IDS,) or counts.sum() != sum(a * b for a, b in lines):
            raise ValueError("the counts do not fit together")
        return cls(
            split=str(content["split"]),
            counts=counts,
            lines=lines,
            words=words,
            fragmented=tuple(Fragmented(str(w), *map(int, n)) for w, *n in content["fragmented"]),
            scripts=tuple(ScriptCost(str(s), *map(int, n)) for s, *n in content["scripts"]),
        )


def _pieces(word: str) -> str:
    return " | ".join(readable(bytes_of_token()[i]) for i in encode(space_before(word)))


def _file(workspace: Workspace, split: str) -> Path:
    return workspace.root / "explorer" / f"tokens-{split}.json"


def _read(file: Path) -> tuple[Fingerprint, CorpusTokens] | None:
    """What a file was made from and what it says; None if it is of no use."""
    try:
        content = json.loads(file.read_text("utf-8"))
        if content["format"] != FORMAT:
            return None
        return Fingerprint(**content["made_from"]), CorpusTokens.from_json(content["tokens"])
    except (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None


def kept(workspace: Workspace, split: str) -> CorpusTokens | None:
    """What was computed before, if the split's file is still the same; else None."""
    found, raw = _read(_file(workspace, split)), workspace.raw(split)
    if found is None:
        return None
    made_from, tokens = found
    return tokens if is_unchanged(raw, made_from) and tokens.split == split else None


def corpus_tokens(
    workspace: Workspace, split: str = "train", workers: int | None = None, *, force: bool = False
) -> CorpusTokens:
    """Count the tokens of a split, or take what was kept.

    40 MB are about 12 s of work, which the workers share; memory stays below 300 MB a process.

    Args:
        workers: processes; None for as many as there are cores.
        force: count again in any case.

    Raises:
        StageMissing: there is no such split yet.
        DamagedFile: it is not UTF-8.
    """
    raw = workspace.raw(split)
    if not raw.is_file():
        raise StageMissing(
            f"{workspace.key(raw)} is not there yet.", "Run the notebook 01_split first."
        )
    if not force and (found := kept(workspace, split)):
        return found
    made_from = fingerprint(raw)
    allowed, notes = allowed_workers(workers)
    tokens = dataclasses.replace(_counted_file(raw, split, allowed), notes=tuple(notes))
    content = {"format": FORMAT, "made_from": made_from._asdict(), "tokens": tokens.to_json()}
    write_whole(_file(workspace, split), json.dumps(content) + "\n")
    return tokens


def _counted_file(raw: Path, split: str, workers: int) -> CorpusTokens:
    counts = np.zeros(GPT2_IDS, dtype=np.int64)
    scripts = np.zeros((3, len(SCRIPTS)), dtype=np.int64)
    lines, words = Counter(), Counter()
    table: dict[str, tuple[int, int]] = {}
    done = 0
    with Workers(workers) as pool, Progress(raw.stat().st_size, "bytes") as progress:
        for found in pool.map(counted, chunk_texts(raw, CHUNK)):
            counts += found.counts
            scripts += found.scripts
            lines.update(found.lines)
            words.update(found.words)
            table = add_fragmented(table, found.fragmented)
            done += found.bytes
            progress.update(done)
    costs = [ScriptCost(s, *n) for s, *n in zip(SCRIPTS, *scripts.tolist(), strict=True) if any(n)]
    return CorpusTokens(
        split=split,
        counts=counts,
        lines=tuple(sorted(lines.items())),
        words=tuple(sorted(words.items())),
        fragmented=most_fragmented(table),
        scripts=tuple(sorted(costs, key=lambda cost: -cost.characters)),
    )
