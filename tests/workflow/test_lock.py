"""The lock of a workspace: one run at a time, and none is left behind by a crash."""

import os
import signal
import subprocess
import sys
import time

import pytest

from helpers.common.errors import InUse
from helpers.common.files import PROJECT
from helpers.workflow.workspace import Workspace

HOLD = """
import subprocess, sys, time
from helpers.workflow.workspace import Workspace
with Workspace(sys.argv[1]).lock() as lock:
    child = sys.argv[2:] and subprocess.Popen(["sleep", "60"], pass_fds=(lock,)).pid
    print(child or "held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def hold(workspace: Workspace):
    """Start processes that hold the lock; they are ended with the test."""
    started = []

    def start(*arguments: str) -> tuple[subprocess.Popen, str]:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(workspace.root), *arguments],
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
    with pytest.raises(InUse, match=f"process {process.pid}"), workspace.lock():
        pass


def test_two_kinds_of_lock_do_not_hinder_each_other(workspace):
    batch, again = workspace.lock("batch"), workspace.lock("batch")
    with batch, workspace.lock("stage"), pytest.raises(InUse), again:
        pass
    with workspace.lock("batch"):
        pass


def test_the_lock_vanishes_with_a_killed_process(workspace, hold):
    process, _ = hold()
    process.send_signal(signal.SIGKILL)
    process.wait()
    with workspace.lock():
        pass


def test_a_child_that_was_given_the_lock_holds_it_after_its_parent(workspace, hold):
    process, child = hold("with a child")
    process.send_signal(signal.SIGKILL)
    process.wait()
    with pytest.raises(InUse), workspace.lock():
        pass
    os.kill(int(child), signal.SIGKILL)
    for _ in range(100):
        try:
            with workspace.lock():
                return
        except InUse:
            time.sleep(0.05)
    raise AssertionError("the lock outlived its last holder")
