"""fairseq's commands as absolute, quoted argument lists; running them; reading their JSON log."""

import dataclasses
import importlib.util
import itertools
import json
import math
import os
import re
import shlex
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from helpers.errors import CourseError
from helpers.files import PROJECT, home
from helpers.processes import child
from helpers.vocabulary import gpt2_file
from helpers.workspace import SPLITS

CONFIG = PROJECT / "helpers" / "config"
# Idle threads soon sleep instead of spinning, or a busy machine would slow training to a crawl; and
# freed memory is kept up to 1 GiB, since fetching it anew each update costs a quarter of the time.
CALM = {
    "GOMP_SPINCOUNT": "2000",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**30),
    "MALLOC_TOP_PAD_": str(2**26),
}
ENCODER_MODULE = "fairseq.examples.roberta.multiprocessing_bpe_encoder"


def require_fairseq() -> None:
    """Raise CourseError, with the way out, where fairseq is not installed."""
    if importlib.util.find_spec("fairseq") is None:
        raise CourseError(
            "fairseq is not installed here, and this step is done by fairseq itself.",
            "On Linux (or WSL 2 under Windows) run `make env`; it installs ve-fairseq.",
        )


def tool(name: str) -> str:
    """The absolute path of one of fairseq's command line tools."""
    return str(Path(sysconfig.get_path("scripts")) / name)


def encoder_command(source: Path, target: Path, workers: int) -> list[str]:
    """fairseq's BPE encoder: one text file to GPT-2 ids, a line for every line."""
    return [
        *(sys.executable, "-m", ENCODER_MODULE),
        *("--encoder-json", str(gpt2_file("encoder.json"))),
        *("--vocab-bpe", str(gpt2_file("vocab.bpe"))),
        *("--inputs", str(source), "--outputs", str(target)),
        *("--keep-empty", "--workers", str(workers)),
    ]


def preprocess_command(
    bpe: Mapping[str, Path], dictionary: Path, destination: Path, workers: int
) -> list[str]:
    """``fairseq-preprocess``: GPT-2 ids to binary files, with the model's dictionary.

    Args:
        bpe: the encoded file of each split; a split that is missing is left out.
    """
    prefixes = [f"--{split}pref={bpe[split]}" for split in SPLITS if split in bpe]
    return [
        *(tool("fairseq-preprocess"), "--only-source"),
        *("--srcdict", str(dictionary)),
        *prefixes,
        *("--destdir", str(destination), "--workers", str(workers)),
    ]


def train_command(config: Path, overrides: Mapping[str, object]) -> list[str]:
    """``fairseq-hydra-train`` with a config file and Hydra overrides."""
    return [
        tool("fairseq-hydra-train"),
        *("--config-dir", str(config.parent), "--config-name", config.stem),
        *(f"{key}={hydra_value(value)}" for key, value in overrides.items()),
    ]


def hydra_value(value: object) -> str:
    """A value as Hydra's override grammar reads it: texts quoted, lists in brackets.

    >>> hydra_value("/my folder/O'Hara"), hydra_value([2]), hydra_value(None)
    ("'/my folder/O\\\\'Hara'", '[2]', 'null')
    """
    if value is None:
        return "null"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(hydra_value, value)) + "]"
    if re.fullmatch(r"[A-Za-z_/][\w./-]*", str(value), re.ASCII):
        return str(value)
    return "'" + str(value).replace("'", "\\'") + "'"


def shown(command: Sequence[str]) -> str:
    """The command as a student would type it: one option a line, ``$COURSE`` for the project."""
    words = []
    for word in command:
        word = "python" if word == sys.executable else word.replace(tool("") + os.sep, "")
        for folder in sorted({str(home()), str(PROJECT)}, key=len, reverse=True):
            word = word.replace(folder, "$COURSE")
        words.append(_quoted(word))
    lines, line = [], words[0]
    for before, word in itertools.pairwise(words):
        starts = word.startswith("--") or ("=" in word and not before.startswith("--"))
        if starts and len(line) + len(word) > 60:
            lines.append(line)
            line = "    " + word
        else:
            line += " " + word
    return " \\\n".join((*lines, line))


def _quoted(word: str) -> str:
    """Shell quoting that lets ``$COURSE`` be expanded."""
    if "$COURSE" not in word:
        return shlex.quote(word)
    if re.fullmatch(r"[\w@%+=:,./$-]+", word, re.ASCII):
        return word
    return '"' + word.replace('"', '\\"').replace("`", "\\`") + '"'


def lines_of(command: Sequence[str], log: Path, *, keep_open: Sequence[int] = ()) -> Iterator[str]:
    """Run a fairseq tool and yield what it prints, line by line; all of it goes to ``log`` too.

    Args:
        keep_open: file descriptors that the tool inherits (the workspace's lock).

    Raises:
        CourseError: the tool ended with an error; its last lines are in the message.
    """
    require_fairseq()
    environment = CALM | os.environ | {"PYTHONUNBUFFERED": "1"}
    environment.pop("MPLBACKEND", None)  # a notebook's backend is not known to the tool
    log.parent.mkdir(parents=True, exist_ok=True)
    last: list[str] = []
    with (
        log.open("a", encoding="utf-8") as sink,
        child(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            env=environment,
            cwd=log.parent,
            pass_fds=keep_open,
        ) as process,
    ):
        for line in process.stdout:
            sink.write(line)
            sink.flush()
            last = [*last[-29:], line.rstrip()]
            yield line.rstrip("\n")
    if process.returncode:
        raise CourseError(
            f"{Path(command[0]).name} ended with exit code {process.returncode}:\n"
            + "\n".join(last[-8:]),
            f"The whole output is in {log}.",
        )


def run(command: Sequence[str], log: Path, *, keep_open: Sequence[int] = ()) -> None:
    """Run a fairseq tool to its end. Raises as :func:`lines_of`."""
    for _ in lines_of(command, log, keep_open=keep_open):
        pass


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
    values = {name: _number(value) for name, value in json.loads(match[2]).items()}
    update, loss = values.get(f"{prefix}num_updates"), values.get(f"{prefix}loss")
    if update is None or loss is None:
        return None
    return Event(kind, int(update), loss, values)


def _number(value: object) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan
