"""The general text that is mixed in for ``replay``: which documents, and how many of their lines.

None is among them that a model is measured by: none of the student's ``valid`` and ``test``, none
of the course's general validation text.
"""

import dataclasses
import hashlib
import heapq
import itertools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from helpers.base.general_text import replay_documents, validation_documents
from helpers.base.replay_files import GeneralText, replay_files
from helpers.common.errors import CourseError
from helpers.ids.binary_files import Lines, index_table, looked_up, read_sizes
from helpers.ids.data_bin import binarized_files, data_folders
from helpers.ids.dictionary import Dictionary
from helpers.ids.token_names import text_of
from helpers.tokens.line_ids import encode_lines
from helpers.tokens.wrap import shortened
from helpers.training.base_model import longest_sample
from helpers.training.command import general_tokens
from helpers.training.runs.run import read_by
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace

END = np.array([-1], np.int32)  # of a line; by itself a blank line, which parts documents


@dataclasses.dataclass(frozen=True)
class Choice:
    """What is mixed in: of each shard its lines; and what :class:`Replay` tells of them."""

    shards: tuple[Lines, ...]
    documents: int
    there: int
    left_out: int
    notes: tuple[str, ...]


_remembered: dict[tuple, Choice] = {}  # the last one, by all that it was made from


def choice_for(workspace: Workspace, settings: FinetuneSettings) -> Choice:
    """The same documents, in the same order, whenever settings and texts are the same.

    Raises:
        CourseError: there is no general text, or some cannot be read.
    """
    files = replay_files(workspace, settings)
    read = [workspace.base_dict, *binarized_files(workspace.data_bin), *files]
    prints = tuple((file, file.stat().st_mtime_ns, file.stat().st_size) for file in read)
    limit = longest_sample(workspace, settings) - 2  # beside <s> and </s>
    key = (settings.replay, prints, limit, str(read_by(workspace)))
    if key not in _remembered:
        forget()
        _remembered[key] = _chosen(workspace, settings, limit)
    return _remembered[key]


def _chosen(workspace: Workspace, settings: FinetuneSettings, limit: int) -> Choice:
    dictionary, own = Dictionary.load(workspace.base_dict), data_folders(workspace.data_bin)
    wanted = [general_tokens(tokens_of(folder / "train"), settings.replay) for folder in own]
    pool = _Pool(dictionary, limit, _measured(own[0], dictionary))
    if replay_files(workspace, settings):
        named = GeneralText(workspace, settings)
        pool.fill(_drawn(named.documents(), sum(wanted), pool.may_have))
        pool.notes = named.notes()
    else:
        pool.fill(text for text in replay_documents() if pool.may_have(text))
    shards = tuple(map(pool.lines, wanted))
    return Choice(shards, len(pool.read), pool.there, pool.left_out, pool.notes)


def forget() -> None:
    """Give back the memory of what was chosen."""
    _remembered.clear()


def general_sizes(workspace: Workspace, settings: FinetuneSettings) -> list[np.ndarray]:
    """The tokens of each line, with ``</s>``, that :func:`mix` would write: by shard, int32.

    It takes as long as mixing does: some ten seconds for each million tokens of the course's own
    text. What was chosen is remembered until it is mixed.

    Raises:
        CourseError: there is no general text, or some cannot be read.
    """
    shards = choice_for(workspace, settings).shards
    return [np.frombuffer(lines.sizes, "<i4") for lines in shards]


def tokens_of(prefix: Path) -> int:
    sizes, _ = read_sizes(prefix)
    return int(sizes.sum(dtype=np.int64)) - len(sizes)


class _Pool:
    """General text as lines of a data-bin, document by document, from the first on for ever."""

    def __init__(self, dictionary: Dictionary, limit: int, never: set[bytes]) -> None:
        self.table, self.limit, self.never = index_table(dictionary), limit, never
        self.blank = looked_up(END, self.table)
        self.there = self.left_out = 0
        self.notes: tuple[str, ...] = ()

    def may_have(self, text: str) -> bool:
        """Whether no model is measured by a document; else it is counted as left out."""
        is_measured = _form(text) in self.never
        self.left_out += is_measured
        return not is_measured

    def fill(self, texts: Iterable[str]) -> None:
        """The documents in their order; they are read when they are needed."""
        self.read: list[np.ndarray] = []
        self.documents = self._for_ever(texts)

    def _for_ever(self, texts: Iterable[str]) -> Iterator[np.ndarray]:
        for text in texts:
            ids = _encoded(text, self.limit)
            self.read.append(ids)
            self.there += int((ids >= 0).sum())
            yield ids
        if not self.there:
            said = "There is no text for replay, beside what models are measured by."
            raise CourseError(
                " ".join((said, *self.notes)), "Name files with general text in replay_files."
            )
        yield from itertools.cycle(self.read)

    def lines(self, tokens: int) -> Lines:
        """A blank line, and documents with so many tokens, or a few more."""
        found = [self.blank]
        while tokens > 0:
            found.append(self.next(tokens))
            sizes = np.frombuffer(found[-1].sizes, "<i4")
            tokens -= int(sizes.sum()) - len(sizes)
        data, sizes, unknown = zip(*found, strict=True)
        return Lines(b"".join(data), b"".join(sizes), sum(unknown))

    def next(self, most: int) -> Lines:
        """The next document and a blank line behind it; of a long one as many lines as needed."""
        ids = next(self.documents)
        ends = np.flatnonzero(ids < 0)
        before = ends - np.arange(len(ends))  # tokens up to the end of each line
        last = min(int(np.searchsorted(before, most)), len(ends) - 1)
        return looked_up(np.concatenate((ids[: ends[last] + 1], END)), self.table)


def _encoded(text: str, limit: int) -> np.ndarray:
    """A document's GPT-2 ids, each line closed by -1."""
    lines, _ = shortened(text.split("\n"), limit)
    return encode_lines("\n".join(lines) + "\n")


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()


def _form(text: str) -> bytes:
    """A digest of what a document says, however its lines are wrapped."""
    return _digest("".join(text.split()).encode("utf-8", "replace"))


def _measured(first: Path, dictionary: Dictionary) -> set[bytes]:
    """The digests of the documents that models are measured by."""
    found = set(map(_form, validation_documents()))
    for split in ("valid", "test"):
        sizes, number_type = read_sizes(first / split)
        if not len(sizes):
            continue
        data = np.memmap(f"{first / split}.bin", number_type, "r")
        ends = np.cumsum(sizes, dtype=np.int64)
        border = ends[np.flatnonzero(sizes == 1)]
        pairs = itertools.pairwise([0, *border.tolist(), len(data)])
        found |= {_form(text_of(data[a:b], dictionary)) for a, b in pairs}
    return found - {_form("")}


def _drawn(texts: Iterable[str], tokens: int, may_have: Callable[[str], bool]) -> list[str]:
    """Documents by lot, each once: enough for so many tokens, and not many more in memory.

    They are those with the lowest hashes. A token has some 4 bytes, and seldom more than 8.
    """
    kept: list[tuple[int, str]] = []
    size, seen = 0, set()
    for text in texts:
        rank = int.from_bytes(_digest(text.encode("utf-8", "replace")), "big")
        if rank in seen or (kept and size > 8 * tokens and -rank <= kept[0][0]):
            continue
        seen.add(rank)
        if not may_have(text):
            continue
        heapq.heappush(kept, (-rank, text))
        size += len(text.encode())
        while size - len(kept[0][1].encode()) > 8 * tokens:
            size -= len(heapq.heappop(kept)[1].encode())
    return [text for _, text in sorted(kept, reverse=True)]
