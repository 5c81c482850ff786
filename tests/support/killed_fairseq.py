"""The course's fairseq-hydra-train, killed (SIGKILL) before its n-th change to a checkpoint.

A change is opening a file to write, the second half of what is written, a name given or taken. Run
as a program, with fairseq's arguments; n stands in ``KILLED_BEFORE``.
"""

import io
import os
import runpy
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from helpers.common.errors import CourseError

PROGRAM = Path(__file__)
LAUNCHER = PROGRAM.parents[2] / "helpers" / "training" / "launcher" / "fairseq_hydra_train.py"
CHANGES = {"os.rename", "os.remove", "os.link"}
TO_WRITE = os.O_WRONLY | os.O_RDWR


def killed_before(step: int, work) -> "CourseError | None":
    """Do what trains, and kill the training: what is said of it; None where it came to its end."""
    from helpers.common.errors import CourseError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("helpers.training.train.LAUNCHER", PROGRAM)
        patch.setenv("KILLED_BEFORE", str(step))
        try:
            work()
        except CourseError as error:
            return error
    return None


def main() -> None:
    """Train until the step has come."""
    import torch

    left, save = iter(range(1, int(os.environ["KILLED_BEFORE"]))), torch.save

    def count() -> None:
        if next(left, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    def audit(event: str, arguments: tuple) -> None:
        opened = event == "open" and (arguments[2] or 0) & TO_WRITE
        if (opened or event in CHANGES) and ".pt" in Path(os.fsdecode(arguments[0])).suffixes:
            count()

    def save_in_halves(state: object, handle: io.BufferedWriter) -> None:
        whole = io.BytesIO()
        save(state, whole)
        content = whole.getvalue()
        handle.write(content[: len(content) // 2])
        handle.flush()
        count()
        handle.write(content[len(content) // 2 :])

    torch.save = save_in_halves
    sys.addaudithook(audit)
    runpy.run_path(str(LAUNCHER), run_name="__main__")


if __name__ == "__main__":
    main()
