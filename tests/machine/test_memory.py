"""A model that has no room in memory is told in two sentences."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers.common.errors import CourseError
from helpers.machine.devices import enough_memory
from helpers.stages.road import ROAD
from helpers.workflow.settings import EvaluateSettings
from helpers.workflow.workspace import Workspace


def on_the_gpu(*_: object) -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has …")


def on_the_processor(*_: object) -> None:
    torch.empty(10**15)


def of_numpy(*_: object) -> None:
    np.empty(10**15).fill(1)


CASES = [
    (on_the_gpu, "The memory of the GPU is not enough", "set device to cpu"),
    (on_the_processor, "The computer's memory is not enough", "Close other programs"),
    (of_numpy, "The computer's memory is not enough", "Close other programs"),
]


@pytest.mark.parametrize(("work", "said", "mend"), CASES)
def test_it_is_said_whose_memory_is_not_enough(work, said: str, mend: str) -> None:
    with pytest.raises(CourseError, match=said) as refused, enough_memory():
        work()
    assert mend in refused.value.hint


def test_other_errors_stay_as_they_are() -> None:
    with pytest.raises(RuntimeError, match="odd"), enough_memory():
        raise RuntimeError("odd")


def test_a_stage_says_so_too(small: Workspace, tmp_path: Path, monkeypatch) -> None:
    work = Workspace(shutil.copytree(small.root, tmp_path / "work"))
    monkeypatch.setattr("torch.nn.functional.cross_entropy", on_the_gpu)
    monkeypatch.setattr("torch.Tensor.log_softmax", on_the_gpu)
    monkeypatch.setattr("torch.nn.functional.linear", on_the_gpu)
    with pytest.raises(CourseError, match="The memory of the GPU is not enough"):
        ROAD.run("evaluate", work, EvaluateSettings(max_lines=40), force=True)
