"""Why a training failed, told from what it printed, how it ended, and its loss."""

import math
import os
import re
import shutil
import signal
from pathlib import Path

from helpers.common.errors import CourseError
from helpers.training.log.events import Event
from helpers.training.log.failures import CALMER, DIVERGED, FAILURES

# Twice the bits of a model that has learned nothing and guesses: 15.6 for RoBERTa's dictionary.
EXPLODED = 32

# Of what a run printed, its beginning (with the configuration) and its end are looked at.
HEAD, TAIL = 1 << 16, 1 << 18  # bytes
LAST_LINES, WIDEST = 8, 500
SHELLS = range(128 + 1, 128 + 65)  # how a shell says that signal 1 to 64 ended a command
FULL = 1 << 20  # bytes that are free on a disk which is as good as full
# fairseq prints its configuration, and Hydra the overrides: anything may stand in their paths, as
# in that of the workspace, which is left out wherever it stands.
_CONFIGURATION = re.compile(
    r"^(?:\[[^\n]*\]\[INFO\] - \{'_name': None|Error executing job with overrides)[^\n]*$", re.M
)
# Then comes what Python still says while it ends.
_HYDRAS_ADVICE = re.compile(r"^Set the environment variable HYDRA_FULL_ERROR=1 [^\n]*$", re.M)
_TRACE = "Traceback (most recent call last):\n"
# What a process says that misses another one of the same training, which may have said before why
# it ended.
_MISSES = re.compile(
    rf"^{re.escape(_TRACE)}(?:[ \t][^\n]*\n)*"
    r"RuntimeError: [^\n]*(?:by peer|remote process exited)[^\n]*$",
    re.M,
)
# What srun says of each of its tasks as it ends; its own exit status is the highest of theirs.
_OF_A_TASK = re.compile(
    r"^srun: error: \S+: tasks? [\d,-]+: (Killed|Terminated|Exited with exit code (\d+))", re.M
)


class OutOfMemory(CourseError):
    """There was not enough memory for a batch."""


def why(log: Path, begun: int, code: int, update: int) -> CourseError:
    """The error that tells why a training ended.

    Args:
        log: what fairseq printed, of earlier runs too.
        begun: the length of the log in bytes when this run began.
        code: its exit status, or minus the signal that ended it; 0 where it still runs.
        update: the last update that it spoke of.
    """
    printed = _printed(log, begun)
    plain = _CONFIGURATION.sub("", printed).replace(str(log.parents[1]), "…")
    if first := _OF_A_TASK.search(plain):
        code = {"Killed": -signal.SIGKILL, "Terminated": code}.get(first[1]) or int(first[2] or 1)
    number = -code if code < 0 else code - 128 if code in SHELLS else 0
    ended = f"signal {number}" if number else f"exit code {code}"
    full = "disk full\n" if shutil.disk_usage(log.parent).free < FULL else ""
    for failure in FAILURES:
        if found := re.search(failure.said, f"{plain}\n{full}{ended}", re.M):
            values = {
                "update": f"{update:,}",
                "folder": log.parent,
                "asked": _asked(plain),
                "less": _less(printed),
                **{name: f"{_setting(printed, name):g}" for name in ("lr", "max_tokens")},
            }
            said = [group or "" for group in found.groups()]
            happened, mend = (t.format(*said, **values) for t in (failure.happened, failure.mend))
            kind = OutOfMemory if failure.is_memory else CourseError
            return kind(happened, f"{mend}; fairseq's log is {log}.")
    alone = _MISSES.sub("", plain)
    if alone != plain and _TRACE not in alone:
        return CourseError(
            f"fairseq lost the connection to another process of this training after update "
            f"{update:,}: that one has ended, or its machine is not reached any more.",
            f"Run it again; fairseq's log is {log}.",
        )
    return CourseError(
        f"fairseq ended with {ended}:\n{_last_words(alone)}", f"The whole output is in {log}."
    )


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


def _printed(log: Path, begun: int) -> str:
    """What a run has written into the log, or its beginning and its end."""
    with log.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(begun)
        if end - begun <= HEAD + TAIL:
            found = file.read()
        else:
            found = file.read(HEAD) + b"\n"
            file.seek(-TAIL, os.SEEK_END)
            found += file.read()
    return found.decode("utf-8", "replace").replace("\r\n", "\n")


def _setting(printed: str, name: str) -> float:
    """A number in the configuration that fairseq prints first; of a list, the first one; or NaN."""
    found = re.search(rf"'{name}': \[?([\d.e+-]+)", printed)
    return float(found[1]) if found else math.nan


def _asked(plain: str) -> str:
    """The memory that could not be had, as a part of a sentence."""
    found = re.search(r"(?:[Tt]ried|Unable) to allocate ([\d.]+) (bytes|[KMGT]?i?B)", plain)
    if not found:
        return ""
    gigabytes = f"{float(found[1]) / 1e9:,.1f} GB"
    return f" ({gigabytes if found[2] == 'bytes' else ' '.join(found.groups())} more are needed)"


def _less(printed: str) -> str:
    """How to make the same updates with less memory at a time, in the numbers of this run."""
    names = ("max_tokens", "update_freq", "tokens_per_sample")
    tokens, batches, sample = (_setting(printed, name) for name in names)
    if math.isnan(tokens + batches + sample):
        return "Close other programs; or halve max_tokens and double update_freq"
    if _setting(printed, "distributed_world_size") > 1:
        return "Close other programs, or lower nproc: each process has a model of its own"
    if tokens <= sample:  # a batch is one sample, which must stay as long as the longest line
        return (
            f"Close other programs, or take a smaller base model: a batch (max_tokens = {tokens:g})"
            " is one sample already"
        )
    smaller = max(math.ceil(tokens / 2), int(sample))
    more = math.ceil(batches * tokens / smaller)
    return (
        f"Close other programs; or set max_tokens to {smaller} and update_freq to {more}, which "
        "makes nearly the same updates"
    )


def _last_words(plain: str) -> str:
    """The text of the last exception, without its traceback; else the last lines."""
    said = _HYDRAS_ADVICE.split(plain)[0]
    *_, last = said.rpartition(_TRACE)
    lines = [line.rstrip()[:WIDEST] for line in last.splitlines() if line.strip()]
    if last != said:
        text = [n for n, line in enumerate(lines) if not line.startswith(" ")]
        lines = lines[text[0] :][:LAST_LINES] if text else lines
    return "\n".join(lines[-LAST_LINES:])
