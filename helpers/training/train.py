"""Run ``fairseq-hydra-train`` with a progress bar, and read what it logs."""

import math
import sys
from collections.abc import Sequence
from pathlib import Path

from helpers.common.errors import CourseError
from helpers.common.fairseq import run, tool
from helpers.common.progress import Progress
from helpers.training.live import Curve
from helpers.training.log import Event, diverged, events, parse_event, stopped_early

LAUNCHER = Path(__file__).with_name("fairseq_hydra_train.py")
# What fairseq says of gradients that are no numbers, before it ends in an error of any kind.
NO_NUMBERS = ("FloatingPointError", "NaN detected", "Inf detected")


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
    for event in events(log) if log.is_file() else ():
        curve.add(event)  # what an interrupted run has done
    bar = Progress(max_update, "updates", done, "fairseq is starting", curve.picture)
    with bar as progress:

        def heard(line: str) -> None:
            if event := told.hear(line):
                curve.add(event)
                progress.update(min(event.update, max_update), curve.words())

        try:
            keep_open = () if lock is None else (lock,)
            run(_that_saves(command), log, heard=heard, keep_open=keep_open, saves=True)
        except CourseError as error:
            raise (diverged(told.reached, log) if told.no_numbers else error) from None
    if told.reached < max_update and not stopped_early(log):
        raise CourseError(
            f"fairseq stopped after {told.reached} of {max_update} updates.",
            f"Its log tells why: {log}.",
        )


def _that_saves(command: Sequence[str]) -> list[str]:
    """The same command, which saves a checkpoint when it is told to end."""
    program, *arguments = command
    python = [sys.executable, "-P", str(LAUNCHER)]
    return [*(python if program == tool("fairseq-hydra-train") else [program]), *arguments]


class _Told:
    """What fairseq has said so far: whether it loaded what it must, and how far it is."""

    def __init__(self, log: Path, must_load: Path | None, done: int) -> None:
        self.log, self.must_load = log, must_load
        self.loaded, self.reached, self.no_numbers = must_load is None, done, False

    def hear(self, line: str) -> Event | None:
        """Take a line in: the event in it.

        Raises:
            CourseError: training begins with something else, or the loss is no number.
        """
        self.loaded = self.loaded or f"Loaded checkpoint {self.must_load} (" in line
        if not self.loaded and "Start iterating over samples" in line:
            raise CourseError(
                f"fairseq began to train without loading {self.must_load}.",
                f"Its log tells what it did instead: {self.log}.",
            )
        self.no_numbers = self.no_numbers or any(said in line for said in NO_NUMBERS)
        event = parse_event(line)
        if event and not math.isfinite(event.loss):
            raise diverged(self.reached, self.log)
        self.reached = max(self.reached, event.update if event else 0)
        return event
