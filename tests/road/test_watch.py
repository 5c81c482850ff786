"""``watch``: who works in a workspace, how far it is, and how it ended."""

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from helpers.common.errors import CourseError
from helpers.common.files import PROJECT
from helpers.workflow import background
from helpers.workflow.workspace import Workspace
from tests.support.commands import command, until
from tests.support.road import do
from tests.support.running import running
from tests.support.small import SHORT


def watching(workspace: Workspace, said: int = subprocess.PIPE) -> subprocess.Popen:
    """The command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "helpers", "watch", "--workspace", str(workspace.root)],
        stdout=said,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
    )


def test_where_nobody_works_it_says_what_was_done_last(small: Workspace) -> None:
    """Without fairseq, too."""
    code = "import sys; sys.modules['fairseq'] = None; from helpers.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "watch", "--workspace", str(small.root)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
    )
    assert done.returncode == 0, done.stderr
    assert f"Nobody works in {small.name}." in done.stdout
    assert f"Done last: evaluate, {small.record.entry('evaluate').finished}" in done.stdout
    assert "bits a token" in done.stdout


def test_a_workspace_that_is_not_there_is_not_made(workspace: Workspace) -> None:
    done = command("watch", "--workspace", workspace.root)
    assert done.returncode == 2 and "There is no workspace" in done.stderr
    assert not workspace.root.exists()
    workspace.root.mkdir()
    done = command("watch", "--workspace", workspace.root)
    assert done.returncode == 0 and "Nothing was done in it yet." in done.stdout


def test_between_the_steps_of_a_batch_it_waits_for_the_next(workspace: Workspace) -> None:
    with workspace.lock_for_all():
        watch = watching(workspace)
        assert "all notebooks" in watch.stdout.readline()
        time.sleep(1.5)
        assert watch.poll() is None
    rest, errors = watch.communicate(timeout=60)
    assert (watch.returncode, errors) == (0, "")
    assert "Nothing was done in it yet." in rest


ENDS: dict[str, tuple[Callable, str]] = {
    "stopped": (lambda process: process.terminate(), "Stopped."),
    "killed": (lambda process: process.kill(), "It ended without a word"),
}


@pytest.mark.parametrize("how", ENDS)
def test_it_follows_a_run_to_its_end_and_says_how_that_was(how: str, workspace: Workspace) -> None:
    end, said = ENDS[how]
    with running(workspace) as process:
        watch = watching(workspace)
        first = watch.stdout.readline()
        assert f"the command split has been working on split since {time.strftime('%H:')}" in first
        line = watch.stdout.readline()
        assert "30 of 90 updates" in line and "loss 2.5 bits" in line
        time.sleep(1.5)  # nothing changes, so there is nothing to say
        end(process)
        rest, errors = watch.communicate(timeout=60)
    assert watch.returncode == 0, errors
    assert "split was not done." in rest and said in rest
    assert "30 of 90" not in rest
    rest = command("watch", "--workspace", workspace.root).stdout
    assert "Last, the command split worked on split, which was not done." in rest and said in rest


def test_ctrl_c_ends_the_watching_and_not_the_run(workspace: Workspace) -> None:
    with running(workspace) as process:
        watch = watching(workspace)
        watch.stdout.readline()
        watch.send_signal(signal.SIGINT)
        _, said = watch.communicate(timeout=60)
        assert watch.returncode == 130
        assert "Not watched any more; the run itself goes on." in said
        assert f"kill {process.pid}" in said and "Traceback" not in said
        assert process.poll() is None and workspace.worker


def test_on_a_terminal_one_line_is_written_over(workspace: Workspace) -> None:
    ours, its = pty.openpty()
    with running(workspace) as process:
        watch = watching(workspace, its)
        os.close(its)
        said = b""
        while said.count(b"30 of 90 updates") < 3:  # the seconds go on
            said += os.read(ours, 4096)
        process.terminate()
        assert watch.wait(60) == 0
        said += os.read(ours, 4096)
    os.close(ours)
    over, *rest = said.split(b"\r\x1b[K", 1)[1].split(b"\r\n")
    assert over.count(b"\r\x1b[K") >= 2
    assert "split was not done." in b"\n".join(rest).decode()


def test_the_end_of_a_cell_that_failed_is_told_too(workspace: Workspace) -> None:
    with pytest.raises(CourseError, match="There is no file or folder"):
        do(workspace, "split")
    said = command("watch", "--workspace", workspace.root).stdout
    assert "There is no file or folder" in said
    assert "Nothing was done in it yet." in said


def test_a_training_is_followed_in_numbers_until_it_is_done(copied: Workspace) -> None:
    """In the background, where it holds the workspace by itself."""
    settings = SHORT.model_copy(update={"lr": 2e-4})
    process = background.begin("finetune", copied, settings)
    until(lambda: copied.worker or process.poll() is not None)
    watch = watching(copied)
    said, errors = watch.communicate(timeout=300)
    assert process.wait(60) == 0, background.said(copied)
    assert watch.returncode == 0, errors
    assert "(in the background) has been working on finetune since" in said
    assert "\n6 of 6 updates" in said
    assert "tokens/s" in said and "validation loss" in said and "rate " in said
    assert "finetune is done." in said and "The base model was trained further" in said
    assert copied.record.entry("finetune").report["updates"] == 6
    assert "The base model was trained further" in background.said(copied)
    assert "updates/s" not in background.said(copied)  # no bar
