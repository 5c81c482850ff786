"""General text among the texts that are trained on, so that a model forgets less of it.

Beside the checkpoints a data-bin is made that fairseq reads as one: ``train`` is the student's own,
by a link, and ``train1`` is general text, as much as its share asks for.
"""

import contextlib
import dataclasses
import json
from pathlib import Path

from helpers.base.replay_files import NAMED, replay_files
from helpers.base.replay_text import choice_for, forget, tokens_of
from helpers.common.files import fresh_folder, write_whole
from helpers.common.report import enumerated
from helpers.ids.binary_files import IndexedWriter
from helpers.ids.data_bin import data_folders
from helpers.ids.dictionary import Dictionary
from helpers.training.command import MIXED, folders_to_train
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace

TOLD = "replay.json"  # beside the checkpoints
COURSE = "the course's own documentation text"


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


def mix(workspace: Workspace, settings: FinetuneSettings) -> Replay:
    """Make the folders of :func:`helpers.training.command.folders_to_train` anew.

    The same settings and texts make the same bytes. Of shards each has its own share.

    Raises:
        CourseError: there is no general text, or some cannot be read.
    """
    fresh_folder(workspace.training / MIXED)
    dictionary = Dictionary.load(workspace.base_dict)
    own, mixed = data_folders(workspace.data_bin), folders_to_train(workspace, settings)
    files, choice = replay_files(workspace, settings), choice_for(workspace, settings)
    forget()
    for place, target, lines in zip(own, mixed, choice.shards, strict=True):
        target.mkdir(parents=True, exist_ok=True)
        for file in place.iterdir():
            if file.suffix in (".bin", ".idx") or file.name == "dict.txt":
                (target / file.name).symlink_to(file.resolve())
        with IndexedWriter(target / "train1", len(dictionary)) as out:
            out.add(lines)
    told = Replay(
        tokens=sum(tokens_of(target / "train1") for target in mixed),
        own=sum(tokens_of(folder / "train") for folder in own),
        documents=choice.documents,
        there=choice.there,
        source=enumerated([*map(workspace.key, files)], NAMED) or COURSE,
        left_out=choice.left_out,
        notes=choice.notes,
    )
    write_whole(workspace.training / TOLD, json.dumps(dataclasses.asdict(told), indent=1) + "\n")
    return told


def replayed(folder: Path) -> Replay | None:
    """What was mixed into the training whose checkpoints a folder holds."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        return Replay(**json.loads((folder / TOLD).read_text("utf-8")))
    return None
