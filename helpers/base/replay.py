"""General text among the texts that are trained on, so that a model forgets less of it.

Beside the checkpoints a data-bin is made that fairseq reads as one: ``train`` is the student's own,
by a link, and ``train1`` is general text, as much as its share asks for. No document is in it that
a model is measured by: none of the student's ``valid`` and ``test``, none of the course's general
validation text.
"""

import contextlib
import dataclasses
import hashlib
import heapq
import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from helpers.base.general_text import replay_documents, validation_documents
from helpers.base.replay_files import NAMED, GeneralText, replay_files
from helpers.common.errors import CourseError
from helpers.common.files import fresh_folder, write_whole
from helpers.common.report import enumerated
from helpers.ids.binary_files import IndexedWriter, Lines, index_table, looked_up, read_sizes
from helpers.ids.data_bin import data_folders
from helpers.ids.dictionary import Dictionary
from helpers.ids.token_names import text_of
from helpers.tokens.line_ids import encode_lines
from helpers.tokens.wrap import shortened
from helpers.training.command import MIXED, folders_to_train, general_tokens
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace

TOLD = "replay.json"  # beside the checkpoints
COURSE = "the course's own documentation text"
END = np.array([-1], np.int32)  # of a line; by itself a blank line, which parts documents


@dataclasses.dataclass(frozen=True, kw_only=True)
class Replay:
    """What was mixed in.

    Attributes:
        tokens, own: of general text, and of the student's, without ``</s>``.
        documents: different ones of general text; ``there`` are their tokens, each read once.
        source: what the text is.
        left_out: documents that models are measured by.
        notes: what is to be said of files that were read.
    """

    tokens: int
    own: int
    documents: int
    there: int
    source: str
    left_out: int
    notes: tuple[str, ...] = ()

    @property
    def share(self) -> float:
        return self.tokens / (self.tokens + self.own)

    @property
    def note(self) -> str:
        """One sentence or more on it."""
        said = [
            f"Replay: {self.share:.1%} of the text to train on ({self.tokens:,} tokens beside "
            f"{self.own:,} of yours) was general text, {self.documents:,} documents of "
            f"{self.source}."
        ]
        if self.tokens > self.there:
            times = self.tokens / self.there
            said.append(f"Each of them was read {times:.1f} times as often as yours.")
        if self.left_out:
            said.append(
                f"{self.left_out:,} others were left out, since the models are measured by them."
            )
        return " ".join((*said, *self.notes))


def mix(workspace: Workspace, settings: FinetuneSettings, limit: int) -> Replay:
    """Make the folders of :func:`helpers.training.command.folders_to_train` anew.

    The same settings and texts make the same bytes. Of shards each has its own share.

    Args:
        limit: the most tokens of a line; longer ones are wrapped.

    Raises:
        CourseError: there is no general text, or some cannot be read.
    """
    fresh_folder(workspace.training / MIXED)
    dictionary = Dictionary.load(workspace.base_dict)
    own, mixed = data_folders(workspace.data_bin), folders_to_train(workspace, settings)
    sizes = [_tokens(folder / "train") for folder in own]
    wanted = [general_tokens(size, settings.replay) for size in sizes]
    pool = _Pool(dictionary, limit, _measured(workspace, own[0], dictionary))
    if files := replay_files(workspace, settings):
        named = GeneralText(workspace, settings)
        pool.fill(_drawn(named.documents(), sum(wanted), pool.may_have))
        pool.notes = named.notes()
    else:
        pool.fill(text for text in replay_documents() if pool.may_have(text))
    for place, target, tokens in zip(own, mixed, wanted, strict=True):
        target.mkdir(parents=True, exist_ok=True)
        for file in place.iterdir():
            if file.suffix in (".bin", ".idx") or file.name == "dict.txt":
                (target / file.name).symlink_to(file.resolve())
        with IndexedWriter(target / "train1", len(dictionary)) as out:
            out.add(pool.blank)
            while out.tokens < tokens:
                out.add(pool.next(tokens - out.tokens))
    told = Replay(
        tokens=sum(_tokens(target / "train1") for target in mixed),
        own=sum(sizes),
        documents=len(pool.read),
        there=pool.there,
        source=enumerated([*map(workspace.key, files)], NAMED) or COURSE,
        left_out=pool.left_out,
        notes=pool.notes,
    )
    write_whole(workspace.training / TOLD, json.dumps(dataclasses.asdict(told), indent=1) + "\n")
    return told


def replayed(folder: Path) -> Replay | None:
    """What was mixed into the training whose checkpoints a folder holds."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        return Replay(**json.loads((folder / TOLD).read_text("utf-8")))
    return None


def _tokens(prefix: Path) -> int:
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


def _measured(workspace: Workspace, first: Path, dictionary: Dictionary) -> set[bytes]:
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
