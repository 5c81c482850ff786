"""fairseq's training log: its JSON lines as events and curves."""

import contextlib
import dataclasses
import json
import math
import os
import re
from collections.abc import Iterable
from pathlib import Path

from helpers.common.errors import CourseError
from helpers.training.log.failures import CALMER, DIVERGED

LOG = "train.log"  # beside the checkpoints


@dataclasses.dataclass(frozen=True)
class Event:
    """One JSON line of fairseq's training log.

    Attributes:
        kind: ``train_inner`` (every log_interval), ``train`` (end of an epoch) or ``valid``.
        update: updates done so far.
        loss: masked-LM loss in bits per masked token (fairseq divides by ln 2).
        values: everything in the line, as numbers.
    """

    kind: str
    update: int
    loss: float
    values: dict[str, float]


# fairseq-hydra-train logs "[time][valid][INFO] - {…}"
_MESSAGE = re.compile(r"(?:\[[^\]]*\])+ - ")
_JSON_LINE = re.compile(r"\[(train_inner|train|valid)\]\[INFO\] - (\{.*\})\s*$")


def parse_event(line: str) -> Event | None:
    """The event in a line of the log, if it holds one.

    >>> line = '[2026-01-02][valid][INFO] - {"valid_loss": "9.5", "valid_num_updates": "7"}'
    >>> e = parse_event(line); e.kind, e.update, e.loss
    ('valid', 7, 9.5)
    """
    match = _JSON_LINE.search(line)
    if not match:
        return None
    kind = match[1]
    prefix = {"train_inner": "", "train": "train_", "valid": "valid_"}[kind]
    try:
        values = {name: _number(value) for name, value in json.loads(match[2]).items()}
    except ValueError:  # a line that a kill or a full disk has broken off, and the next one
        return None
    update, loss = values.get(f"{prefix}num_updates"), values.get(f"{prefix}loss")
    if update is None or loss is None:
        return None
    return Event(kind, int(update), loss, values)


def _number(value: object) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


# Twice the bits of a model that has learned nothing and guesses: 15.6 for RoBERTa's dictionary.
EXPLODED = 32


def diverged(update: int, log: Path) -> CourseError:
    """What to say where the loss is no number after an update."""
    return CourseError(DIVERGED.format(update=f"{update:,}"), f"{CALMER}; fairseq's log is {log}.")


def exploded(event: Event, least: float, log: Path) -> CourseError:
    """What to say where the loss rises far above that of a guess; before, ``least`` was reached."""
    return CourseError(
        f"After update {event.update:,} the loss is {event.loss:,.1f} bits, and was {least:,.1f} "
        "before (who guesses needs 16): the training has exploded.",
        f"{CALMER}; fairseq's log is {log}.",
    )


def events(log: Path) -> list[Event]:
    """The events in a log; where an interrupted run was resumed, the later ones count."""
    found: dict[tuple[str, int], Event] = {}
    with log.open(encoding="utf-8", errors="replace") as lines:
        for event in _events(lines):
            found[event.kind, event.update] = event
    return sorted(found.values(), key=lambda event: event.update)


def _events(lines: Iterable[str]) -> Iterable[Event]:
    return (event for line in lines if (event := parse_event(line)))


def says(message: str, line: str) -> bool:
    """Whether a line is fairseq's message that begins so; a path in another may hold it, too.

    >>> says("done", "[2026-01-02][fairseq_cli.train][INFO] - done"), says("done", "x/done")
    (True, False)
    """
    return _MESSAGE.sub("", line, count=1).startswith(message) and bool(_MESSAGE.match(line))


def stopped_early(log: Path) -> bool:
    """Whether the last training in a log was ended by ``patience``."""
    ended = False
    if not log.is_file():
        return ended
    with log.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if says("Start iterating over samples", line):
                ended = False
            elif says("early stop since valid performance", line):
                ended = True
    return ended


class Tail:
    """A log that is still written: each time, the events that were added."""

    def __init__(self, log: Path) -> None:
        self.log, self.read_so_far, self.file = log, 0, -1

    def read(self) -> list[Event] | None:
        """The events since the last time; None where another log has taken the place of it."""
        with contextlib.suppress(OSError), self.log.open("rb") as source:
            now = os.fstat(source.fileno())
            if self.file != now.st_ino or now.st_size < self.read_so_far:
                self.file, self.read_so_far, before = now.st_ino, 0, self.file
                if before != -1:
                    return None
            source.seek(self.read_so_far)
            whole, ends, _ = source.read().rpartition(b"\n")  # a line may be half written
            self.read_so_far += len(whole + ends)
            return list(_events(whole.decode("utf-8", "replace").splitlines()))
        return []


def curve(found: Iterable[Event], kind: str) -> list[tuple[int, float]]:
    """``(update, loss in bits)`` of one kind of event, in order; losses that are numbers."""
    return [(e.update, e.loss) for e in found if e.kind == kind and math.isfinite(e.loss)]
