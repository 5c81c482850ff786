"""The batch killed in the middle of fine-tuning: nothing goes on running, and it can go on."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.common.errors import InUse
from helpers.common.files import PROJECT
from helpers.stages.finetune import LOG
from helpers.workflow.workspace import Workspace
from tests.support.commands import command, until

# An epoch of the small road has three updates, and one of the course's sample many.
SMALL = {"max_update": 60, "validate_every": 30, "max_tokens": 512}
LARGE = {"max_update": 40, "validate_every": 20, "max_tokens": 512}
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def processes_of(workspace: Workspace) -> dict[int, str]:
    """Other processes that name the workspace in their command line or have files of it open."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        links = [folder / "cmdline", *folder.glob("fd/*")]
        words = " ".join(map(_words, links))
        if int(folder.name) != os.getpid() and str(workspace.root) in words:
            found[int(folder.name)] = words
    return found


def _words(file: Path) -> str:
    """The command line, or where a descriptor leads; nothing, if the process has just ended."""
    with contextlib.suppress(OSError):
        if file.name == "cmdline":
            return file.read_bytes().replace(b"\0", b" ").decode()
        return str(file.readlink())
    return ""


def is_free(workspace: Workspace) -> bool:
    """Whether nothing of a run is left: no process, no lock."""
    with (
        contextlib.suppress(InUse),
        workspace.lock_for_all(),
        workspace.lock("split"),
    ):
        return not processes_of(workspace)
    return False


def updates(workspace: Workspace) -> int:
    """The last update of the training that goes on."""
    log = workspace.training / LOG
    found = re.findall(r'num_updates": "(\d+)"', log.read_text("utf-8")) if log.is_file() else []
    return int(found[-1]) if found else 0


def run_of(workspace: Workspace, settings: dict[str, int]) -> tuple[str, ...]:
    words = (word for name, value in settings.items() for word in ("-p", name, str(value)))
    return "run", "--workspace", str(workspace.root), "--only", "finetune", *words


def kill_after(workspace: Workspace, settings: dict[str, int], update: int) -> None:
    """Start the batch and kill it (SIGKILL) when so many updates are done."""
    batch = subprocess.Popen(
        [sys.executable, "-m", "helpers", *run_of(workspace, settings)],
        stdout=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
    )
    try:
        until(lambda: updates(workspace) >= update or batch.poll() is not None, 1800)
        assert batch.poll() is None, "it was done before it could be killed"
        assert any("fairseq_hydra_train" in words for words in processes_of(workspace).values())
    finally:
        batch.send_signal(signal.SIGKILL)
        batch.wait()


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@LINUX
@pytest.mark.parametrize(
    ("finished", "settings", "update", "validated"),
    [
        ("small", SMALL, 1, [*range(3, 61, 3)]),
        pytest.param("small", SMALL, 40, [*range(3, 61, 3)], marks=pytest.mark.long),
        pytest.param("course", LARGE, 1, [20, 40], marks=pytest.mark.long),
        pytest.param("course", LARGE, 25, [20, 40], marks=pytest.mark.long),
    ],
    indirect=["finished"],
)
def test_killed_in_the_middle_and_run_again(copied, settings, update, validated):
    undisturbed, before = names(copied.checkpoints), copied.record.stages["finetune"]
    kill_after(copied, settings, update)
    until(lambda: is_free(copied), 10)
    assert copied.record.stages["finetune"] == before
    done = command(*run_of(copied, settings))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "04_finetune made: finetune" in done.stdout
    report = copied.record.stages["finetune"].report
    assert report["updates"] == settings["max_update"]
    assert [update for update, _ in report["valid_curve"]] == validated
    assert names(copied.checkpoints) == undisturbed
    again = command(*run_of(copied, settings))
    assert "04_finetune nothing to recompute" in again.stdout
