"""Run ``fairseq-hydra-train`` with a progress bar, and read what it logs."""

import math
import sys
from collections.abc import Sequence
from pathlib import Path

from helpers.common.errors import CourseError
from helpers.common.fairseq import ToolFailed, run, tool
from helpers.common.progress import Progress
from helpers.training.log.diagnosis import EXPLODED, diverged, exploded, why
from helpers.training.log.events import BEGINS, Event, events, parse_event, says, stopped_early
from helpers.training.log.live import Curve

LAUNCHER = Path(__file__).with_name("launcher") / "fairseq_hydra_train.py"
SIDE_BY_SIDE = Path(__file__).with_name("launcher") / "side_by_side.py"
# fairseq would leave out the batch, and where that is each one, it would never end.
LEFT_OUT = "attempting to recover from OOM"


def train(
    command: Sequence[str],
    log: Path,
    *,
    max_update: int,
    must_load: Path | None,
    done: int = 0,
    lock: int | None = None,
) -> None:
    """Run a training command to its end: ``max_update``, or where ``patience`` ends it before.

    A bar and a curve that grows are shown meanwhile.

    Args:
        log: takes everything that fairseq prints.
        must_load: the checkpoint that the log has to name before training begins. fairseq trains
            from nothing, silently, where it does not find one.
        done: updates done before, by an interrupted run.
        lock: file descriptor that the training process keeps open.

    Raises:
        CourseError: fairseq ended with an error, did not load what it should, or diverged.
    """
    told = _Told(log, must_load, done)
    curve = Curve(done, max_update)
    for event in events(log):
        curve.add(event)  # what an interrupted run has done
    bar = Progress(max_update, "updates", done, "fairseq is starting", curve.picture)
    with bar as progress:

        def heard(line: str) -> None:
            if event := told.hear(line):
                curve.add(event)
                progress.update(min(event.update, max_update), curve.words())
            elif says(BEGINS, line) and not told.least:  # it says so at each epoch
                progress.update(progress.done, "it trains; the first numbers are still to come")

        try:
            keep_open = () if lock is None else (lock,)
            run(_that_saves(command), log, heard=heard, keep_open=keep_open, saves=True)
        except ToolFailed as error:
            raise why(log, told.begun, error.code, told.reached) from None
    if told.reached < max_update and not stopped_early(log):
        raise CourseError(
            f"fairseq stopped after {told.reached} of {max_update} updates.",
            "Run it again, and it goes on from there; another program has ended it, or one of "
            f"fairseq's options (as stop_time_hours does): {log}.",
        )


def _that_saves(command: Sequence[str]) -> list[str]:
    """The same command, which saves a checkpoint when it is told to end."""
    theirs = tool("fairseq-hydra-train")
    if theirs not in command:
        return list(command)
    at = command.index(theirs)
    starter, arguments = command[:at], command[at + 1 :]
    python = [sys.executable, "-P"]
    if starter and starter[0] == tool("torchrun"):
        number = starter[2].rpartition("=")[2]
        starter = [*python, str(SIDE_BY_SIDE), number]
    return [*starter, *python, str(LAUNCHER), *arguments]


class _Told:
    """What fairseq has said so far: whether it loaded what it must, and how far it is."""

    def __init__(self, log: Path, must_load: Path | None, done: int) -> None:
        self.log, self.must_load = log, must_load
        self.loaded, self.reached = must_load is None, done
        self.least: dict[str, float] = {}  # loss by kind of event
        self.begun = log.stat().st_size if log.exists() else 0

    def hear(self, line: str) -> Event | None:
        """Take a line in: the event in it.

        Raises:
            CourseError: training begins with something else, a batch is left out, or the loss is
                no number, or explodes.
        """
        self.loaded = self.loaded or f"Loaded checkpoint {self.must_load} (" in line
        if not self.loaded and says(BEGINS, line):
            raise CourseError(
                f"fairseq began to train without loading {self.must_load}.",
                f"Its log tells what it did instead: {self.log}.",
            )
        if says(LEFT_OUT, line):
            raise why(self.log, self.begun, 0, self.reached)
        event = parse_event(line)
        if event and not math.isfinite(event.loss):
            raise diverged(self.reached, self.log)
        if event:
            least = self.least.get(event.kind, math.inf)
            if event.loss > max(EXPLODED, least):
                raise exploded(event, least, self.log)
            self.least[event.kind] = min(event.loss, least)
            self.reached = max(self.reached, event.update)
        return event
