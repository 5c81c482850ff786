"""Run ``fairseq-hydra-train`` with a progress bar, and read what it logs."""

import math
from collections.abc import Sequence
from pathlib import Path

from helpers.common.errors import CourseError
from helpers.common.fairseq import follow
from helpers.common.progress import Progress
from helpers.training.log import diverged, parse_event

# What fairseq says of gradients that are no numbers, before it ends in an error of any kind.
NO_NUMBERS = ("FloatingPointError", "NaN detected", "Inf detected")
# What the bar says at an event; the mean of an epoch would confuse beside the latest loss.
SAID = {
    "train_inner": "loss {:.2f} bits",
    "valid": "validation loss {:.2f} bits",
    "train": "",
}


def train(
    command: Sequence[str],
    log: Path,
    *,
    max_update: int,
    must_load: Path | None,
    done: int = 0,
    lock: int | None = None,
) -> None:
    """Run a training command to its end.

    Args:
        log: takes everything that fairseq prints.
        must_load: the checkpoint that the log has to name before training begins. fairseq trains
            from nothing, silently, where it does not find one.
        done: updates done before, by an interrupted run.
        lock: file descriptor that the training process keeps open.

    Raises:
        CourseError: fairseq ended with an error, did not load what it should, or diverged.
    """
    loaded = must_load is None
    reached, no_numbers = done, False
    with Progress(max_update, "updates", done) as progress:
        try:
            for line in follow(command, log, keep_open=() if lock is None else (lock,)):
                loaded = loaded or f"Loaded checkpoint {must_load} (" in line
                if not loaded and "Start iterating over samples" in line:
                    raise CourseError(
                        f"fairseq began to train without loading {must_load}.",
                        f"Its log tells what it did instead: {log}.",
                    )
                no_numbers = no_numbers or any(said in line for said in NO_NUMBERS)
                if event := parse_event(line):
                    if not math.isfinite(event.loss):
                        raise diverged(reached, log)
                    reached = max(reached, event.update)
                    said = SAID[event.kind].format(event.loss)
                    progress.update(min(event.update, max_update), said)
        except CourseError as error:
            raise (diverged(reached, log) if no_numbers else error) from None
    if reached < max_update:
        raise CourseError(
            f"fairseq stopped after {reached} of {max_update} updates.",
            f"Its log tells why: {log}.",
        )
