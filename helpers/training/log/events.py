"""fairseq's training log: its JSON lines as events and curves."""

import contextlib
import dataclasses
import json
import math
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

LOG = "train.log"  # beside the checkpoints
TRAIN, EPOCH, VALID = "train_inner", "train", "valid"  # kinds of events, as fairseq names them
BEGINS = "Start iterating over samples"  # of each epoch, and where a run goes on
_ENDS = re.compile(r"early stop since valid performance hasn't improved for last (\d{1,9}) runs")


@dataclasses.dataclass(frozen=True)
class Event:
    """One JSON line of fairseq's training log.

    Attributes:
        kind: ``TRAIN`` (every log_interval), ``EPOCH`` (at its end) or ``VALID``.
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
_JSON_LINE = re.compile(rf"\[({TRAIN}|{EPOCH}|{VALID})\]\[INFO\] - (\{{.*\}})\s*$")


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
    prefix = "" if kind == TRAIN else f"{kind}_"
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


def events(log: Path) -> list[Event]:
    """The events in a log, if it is there; where a run was resumed, the later ones count."""
    found: dict[tuple[str, int], Event] = {}
    for event in _events(_lines(log)):
        found[event.kind, event.update] = event
    return sorted(found.values(), key=lambda event: event.update)


def _lines(log: Path) -> Iterator[str]:
    if log.is_file():
        with log.open(encoding="utf-8", errors="replace") as lines:
            yield from lines


def _events(lines: Iterable[str]) -> Iterable[Event]:
    return (event for line in lines if (event := parse_event(line)))


def says(message: str, line: str) -> bool:
    """Whether a line is fairseq's message that begins so; a path in another may hold it, too.

    >>> says("done", "[2026-01-02][fairseq_cli.train][INFO] - done"), says("done", "x/done")
    (True, False)
    """
    return _MESSAGE.sub("", line, count=1).startswith(message) and bool(_MESSAGE.match(line))


def stopped_early(log: Path) -> int:
    """The ``patience`` that has ended the last training in a log; 0 where none has."""
    patience = 0
    for line in _lines(log):
        if says(BEGINS, line):
            patience = 0
        elif (found := _ENDS.search(line)) and says(found[0], line):
            patience = int(found[1])
    return patience


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
