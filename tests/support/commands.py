"""What a person does in a shell: give a command, wait, and press Ctrl-C."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.common.files import PROJECT


def command(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess:
    """Run ``python -m helpers …`` and return what it said."""
    return subprocess.run(
        [sys.executable, "-m", "helpers", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        timeout=3600,
    )


def until(there: Callable[[], object], seconds: float = 300) -> object:
    """Wait for something, and return it."""
    limit = time.monotonic() + seconds
    while not (found := there()):
        assert time.monotonic() < limit, "it does not come"
        time.sleep(0.02)
    return found


def interrupted(training: Callable[[], object]) -> KeyboardInterrupt:
    """Train until the first checkpoint is saved, and stop then, as Ctrl-C does; what is said."""

    def stop(line: str) -> None:
        if "Saved checkpoint" in line:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt) as caught:
        patch.setattr("helpers.training.train.parse_event", stop)
        patch.setattr("helpers.common.fairseq.LISTEN", 0.005)  # before so short a training is done
        training()
    return caught.value
