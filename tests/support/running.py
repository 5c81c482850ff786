"""A step that goes on until it is stopped, in a process of its own."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator

from helpers.common.files import PROJECT
from helpers.workflow.workspace import Workspace
from tests.support.commands import until

WORK = """
import os, sys, time
from helpers.common.errors import CourseError
from helpers.common.progress import Progress
from helpers.workflow.run import Run

def work(self):
    with Progress(90, "updates") as progress:
        progress.update(30, "loss 2.5 bits")
        while True:
            {code}

Run.into_workspace = work
"""
ON_AND_ON = WORK.format(code="time.sleep(0.01)")
COMMAND = "from helpers.__main__ import main; sys.exit(main(sys.argv[1:]))"


def step(code: str = "time.sleep(0.01)") -> Callable[..., list[str]]:
    """In place of the commands that are run in the background: this code is what they do."""

    def command(stage: str, workspace: Workspace, *_: object, **__: object) -> list[str]:
        program = WORK.format(code=code) + COMMAND
        return [sys.executable, "-c", program, stage, "--workspace", str(workspace.root)]

    return command


@contextlib.contextmanager
def running(workspace: Workspace, stage: str = "split") -> Iterator[subprocess.Popen]:
    """The command of a stage, once it has told how far it is."""
    process = subprocess.Popen(
        [sys.executable, "-c", ON_AND_ON + COMMAND, stage, "--workspace", str(workspace.root)],
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
    )
    try:
        until(lambda: (now := workspace.worker) and now.standing and now.standing.done)
        yield process
    finally:
        process.kill()
        process.wait()
