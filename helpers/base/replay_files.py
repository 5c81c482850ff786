"""Files of general text that a student names: found and read as the step split reads texts.

So there is one place where it is said how texts are read. Only their encoding is found out for each
of them: general text often comes from elsewhere.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from helpers.common.errors import CourseError
from helpers.common.names import spelled
from helpers.common.report import enumerated
from helpers.text.decoding.damage import about
from helpers.text.files import Found, not_read, text_files
from helpers.text.inputs import input_beside, look_at, of_empty
from helpers.training.runs.run import read_by
from helpers.workflow.settings import SplitSettings
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace

HOW = (
    "General text is read with the text_field and errors of 01_split; its encoding is found out, "
    "or else is that of 01_split. Where these do not fit, save it as plain text in UTF-8."
)
NAMED = 5


def replay_files(workspace: Workspace, settings: FinetuneSettings) -> list[Path]:
    """The files of general text that are read; none where it is the course's own.

    Raises:
        CourseError: a name leads nowhere.
    """
    if not (settings.replay and settings.replay_files):
        return []
    return _found(workspace, settings, _split(workspace)).files


def look_at_replay_files(workspace: Workspace, settings: FinetuneSettings) -> None:
    """Read the beginning of each.

    Raises:
        CourseError: what stands there will be refused.
    """
    split = _split(workspace).model_copy(update={"encoding": "auto"})
    for file in replay_files(workspace, settings):
        with _how_it_is_read():
            look_at(file, split)


class GeneralText:
    """The documents of the files, and what of them is not read.

    Raises:
        CourseError: what is neither text nor records, or in an encoding that cannot be told.
    """

    def __init__(self, workspace: Workspace, settings: FinetuneSettings) -> None:
        split = _split(workspace)
        self.found = _found(workspace, settings, split)
        with _how_it_is_read():
            self.inputs = [input_beside(file, split) for file in self.found.files]
        self.faults = [file.faults() for file in self.inputs]
        self.numbers = [0] * len(self.inputs)  # of documents

    def documents(self) -> Iterator[str]:
        """A line each, where the student's own are; else what blank lines part.

        Raises:
            CourseError: what cannot be read, with the file and the position.
        """
        for number, (file, faults) in enumerate(zip(self.inputs, self.faults, strict=True)):
            unit = "line" if file.unit == "line" else "blank-line"  # of a record, too
            with _how_it_is_read():
                for passage in file.passages(faults=faults):
                    if passage.whole or not faults.leaves_out([passage.text]):
                        texts = [text for text in passage.documents(unit) if text.strip()]
                        self.numbers[number] += len(texts)
                        yield from texts

    def notes(self) -> tuple[str, ...]:
        """What is to be said of the reading, when it is done."""
        other = [
            f"{spelled(file.path.name)} ({file.encoding})"
            for file in self.inputs
            if not file.encoding.startswith("utf-8")
        ]
        return (
            *of_empty(self.inputs, self.numbers, self.faults),
            *not_read(self.found.left_out),
            *about(self.faults),
            *([f"Not in UTF-8: {enumerated(other, NAMED)}."] if other else ()),
        )


def _found(workspace: Workspace, settings: FinetuneSettings, split: SplitSettings) -> Found:
    names = settings.replay_files
    return text_files(names, workspace, "auto", split.text_field, setting="replay_files")


def _split(workspace: Workspace) -> SplitSettings:
    """How texts are read in this workspace; where the student has brought them, as usual."""
    return SplitSettings(**read_by(workspace))


@contextlib.contextmanager
def _how_it_is_read() -> Iterator[None]:
    """An error names settings that stand in another step: it says in which."""
    try:
        yield
    except CourseError as error:
        raise type(error)(error.message, f"{error.hint} {HOW}".strip()) from None
