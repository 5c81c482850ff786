"""The lock of a workspace: one run at a time, and none is left behind by a crash."""

import dataclasses
import errno
import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import portalocker
import pytest

from helpers.common.errors import CourseError, InUse
from helpers.common.files import PROJECT
from helpers.workflow.lock import Holder
from helpers.workflow.workspace import Workspace

HOLD = """
import subprocess, sys, time
from helpers.workflow.workspace import Workspace
from helpers.common.progress import Progress
with Workspace(sys.argv[1]).lock("split") as lock, Progress(8, "lines") as progress:
    progress.update(3, "reading")
    child = sys.argv[2:] and subprocess.Popen(["sleep", "60"], pass_fds=(lock,)).pid
    print(child or "held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def hold(workspace: Workspace):
    """Start processes that hold the lock; they are ended with the test."""
    started = []

    def start(*arguments: str, code: str = HOLD) -> tuple[subprocess.Popen, str]:
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(workspace.root), *arguments],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(PROJECT)},
        )
        started.append(process)
        return process, process.stdout.readline().strip()

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_a_second_run_is_refused_and_told_which_process_works(workspace, hold):
    process, _ = hold()
    with pytest.raises(InUse, match=f"process {process.pid}") as caught, workspace.lock("split"):
        pass
    assert "has been working on split since" in caught.value.message
    assert f"kill {process.pid}" in caught.value.hint


HOLD_ALL = HOLD.replace('lock("split") as lock, Progress', "lock_for_all() as lock, Progress")


def test_a_batch_holds_the_workspace_between_its_steps_too(workspace, hold):
    with workspace.lock_for_all(), workspace.lock("split"), pytest.raises(InUse):
        workspace.lock_for_all().__enter__()
    batch, _ = hold(code=HOLD_ALL)
    with pytest.raises(InUse, match="working on all notebooks") as caught, workspace.lock("split"):
        pass
    assert f"kill {batch.pid}" in caught.value.hint
    batch.kill()
    batch.wait()
    with workspace.lock("split"):
        pass


def test_a_kernel_works_in_the_workspace_of_its_batch(workspace):
    code = f"from helpers.workflow.workspace import Workspace as W; W({str(workspace.root)!r})"
    with workspace.lock_for_all():
        done = [sys.executable, "-c", f"{code}.lock('split').__enter__()"]
        assert subprocess.run(done, cwd=PROJECT).returncode == 0


def test_a_batch_does_not_begin_where_a_step_is_at_work(workspace, hold):
    process, _ = hold()
    with pytest.raises(InUse, match=f"process {process.pid}"), workspace.lock_for_all():
        pass


def test_a_free_workspace_on_the_disk_of_another_machine_is_free(workspace, monkeypatch):
    """There, flock is what lockf is elsewhere."""
    monkeypatch.setattr(portalocker.portalocker, "LOCKER", fcntl.lockf)
    for hold_it in (workspace.lock_for_all, lambda: workspace.lock("split")):
        with hold_it():
            pass
        assert workspace.worker is None


def test_a_disk_without_locks_is_told(workspace, monkeypatch):
    def refuse(descriptor: int, flags: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(portalocker.portalocker, "LOCKER", refuse)
    with pytest.raises(CourseError, match="No locks available"), workspace.lock("split"):
        pass
    assert workspace.worker is None


@pytest.mark.parametrize("name", [".stage.lock", ".batch.lock"])
def test_nobody_waits_for_what_no_run_has_made(workspace, name):
    workspace.root.mkdir()
    os.mkfifo(workspace.root / name)
    assert workspace.worker is None
    held = workspace.lock("split") if name == ".stage.lock" else workspace.lock_for_all()
    with pytest.raises(CourseError, match="no plain file"):
        held.__enter__()


def test_the_lock_vanishes_with_a_killed_process(workspace, hold):
    process, _ = hold()
    process.send_signal(signal.SIGKILL)
    process.wait()
    with workspace.lock("split"):
        pass


def test_a_child_that_was_given_the_lock_holds_it_after_its_parent(workspace, hold):
    process, child = hold("with a child")
    process.send_signal(signal.SIGKILL)
    process.wait()
    with pytest.raises(InUse, match="is just ending"), workspace.lock("split"):
        pass
    assert not workspace.worker.is_here
    os.kill(int(child), signal.SIGKILL)
    for _ in range(100):
        try:
            with workspace.lock("split"):
                return
        except InUse:
            time.sleep(0.05)
    raise AssertionError("the lock outlived its last holder")


def test_who_holds_it_is_seen_from_elsewhere_with_what_is_done_and_stopped(workspace, hold):
    assert workspace.worker is None
    process, _ = hold()
    for _ in range(100):
        worker = workspace.worker
        if worker and worker.standing and worker.standing.done:
            break
        time.sleep(0.05)
    assert (worker.process, worker.stage, worker.notebook) == (process.pid, "split", False)
    assert "3 of 8 lines" in str(worker.standing) and "reading" in worker.standing.html()
    worker.stop()
    assert process.wait(20) == -signal.SIGTERM
    assert workspace.worker is None


def test_to_look_does_not_hinder_a_run_that_begins(workspace):
    looking, ended = threading.Event(), threading.Event()

    def look() -> None:
        while not ended.is_set():
            worker = workspace.worker
            assert worker is None or worker.stage == "split"
            looking.set()

    thread = threading.Thread(target=look)
    thread.start()
    assert looking.wait(20)
    for _ in range(50):
        with workspace.lock("split"):
            pass
    ended.set()
    thread.join()


def test_a_run_on_another_machine_is_stopped_there(workspace, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(socket, "gethostname", lambda: "the-other-one")
        held = workspace.lock("encode")
        held.__enter__()
    worker = workspace.worker
    assert not worker.is_here and "on the-other-one" in str(worker)
    worker.stop()  # or the tests would end here
    with pytest.raises(InUse, match="working on encode") as caught, workspace.lock("split"):
        pass
    assert "stop it on the machine the-other-one" in caught.value.hint
    held.__exit__(None, None, None)


def test_a_process_that_has_got_the_number_of_another_is_left_alone(workspace, hold):
    process, _ = hold()
    worker = workspace.worker
    assert worker.is_here
    dataclasses.replace(worker, born="1").stop()
    time.sleep(0.2)
    assert process.poll() is None
    workspace.worker.stop()
    assert process.wait(20) == -signal.SIGTERM


def test_since_when_somebody_works_is_told_with_the_day_if_it_is_another():
    me = Holder.this("finetune")
    assert re.search(r"since \d\d:\d\d \(", str(me))
    assert re.search(
        r"since \d{4}-\d\d-\d\d \d\d:\d\d \(", str(dataclasses.replace(me, since=me.since - 86_400))
    )


@pytest.mark.parametrize("content", [b"", b"12345", b"{}", b"[1]", b"\xff"])
def test_a_holder_that_nobody_knows_is_just_ending(workspace, content):
    with workspace.lock("split"):
        (workspace.root / ".stage.lock").write_bytes(content)
        assert workspace.worker is None
        with pytest.raises(InUse, match="Another run works in"), workspace.lock("split"):
            pass


@pytest.mark.parametrize(
    "number", [{"process": -1}, {"process": 0}, {"process": 10**30}, {"since": 1e300}]
)
def test_numbers_that_no_run_has_are_nobodys(workspace, number):
    """A process -1 would be all of a person's processes, to whoever stops it."""
    with workspace.lock("split"):
        content = dataclasses.asdict(Holder.this("split")) | number
        (workspace.root / ".stage.lock").write_text(json.dumps(content))
        assert workspace.worker is None
