"""SIGKILL while a model is trained, converted or measured: nothing is half made, a rerun ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.workflow.workspace import Workspace
from tests.support.commands import command


def kill_when(ready: Callable[[], bool], *arguments: str) -> None:
    """Start a command, and kill it as soon as it has come that far."""
    process = subprocess.Popen(
        [sys.executable, "-m", "helpers", *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 600
    while not ready():
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


SCRATCH = ("base", "--source", "scratch", "--workspace")


def says(log: Path, word: str) -> bool:
    return log.is_file() and word in log.read_text("utf-8", errors="replace")


def contents(*files: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in files}


@pytest.mark.long
def test_killed_while_the_scratch_base_is_trained(workspace: Workspace) -> None:
    log = workspace.scratch / "pretraining" / "train.log"
    kill_when(lambda: says(log, "[train_inner]"), *SCRATCH, workspace.root)
    assert not workspace.base_model.exists() and not workspace.base_dict.exists()
    done = command(*SCRATCH, workspace.root)
    assert done.returncode == 0, done.stderr
    assert workspace.record.stages["base"].report["updates"] == 60
    assert not workspace.scratch.exists()


@pytest.mark.parametrize("times", [1, pytest.param(3, marks=pytest.mark.long)])
def test_killed_while_it_is_converted(copied: Workspace, times: int) -> None:
    files = [copied.root / key for key in copied.record.entry("convert").outputs]
    before = contents(*files)
    for name in ("tokenizer.json", "model.safetensors", "tokenizer.json")[:times]:
        begun = copied.scratch / "convert" / "hf" / name
        begun.unlink(missing_ok=True)  # what the kill before left
        kill_when(begun.exists, "convert", "--workspace", copied.root, "--force")
        assert contents(*files) == before
    done = command("convert", "--workspace", copied.root, "--force")
    assert done.returncode == 0, done.stderr
    assert contents(*files) == before


def test_killed_while_it_is_evaluated(copied: Workspace) -> None:
    before = contents(copied.evaluation)
    begun, its = copied.scratch / "evaluate", copied.record.entry("evaluate").settings
    words = ("evaluate", "--workspace", copied.root, "--force", "--max-lines", its["max_lines"])
    kill_when(begun.exists, *words)
    assert contents(copied.evaluation) == before
    done = command(*words)
    assert done.returncode == 0, done.stderr
    assert contents(copied.evaluation) == before
