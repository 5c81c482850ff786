"""A training whose loss is no number any more ends with that sentence, and leaves no result."""

import math
from pathlib import Path

import pytest
import torch

from helpers.base import pretraining
from helpers.common.errors import CourseError
from helpers.stages.road import ROAD
from helpers.training.runs.folders import BEST, CRASHED, LAST
from helpers.training.runs.resume import _mend, results
from helpers.training.train import train
from helpers.workflow.workspace import Workspace
from tests.support import checkpoint_makers as make
from tests.support.small import SHORT

LINE = '[2026-01-02 00:00:00,0][{}][INFO] - {{"{}loss": "{}", "{}num_updates": "{}"}}\n'


def said(*events: tuple[str, object, int]) -> str:
    """Lines of fairseq's log: kind, loss and update of each event."""
    prefixes = {"train_inner": "", "train": "train_", "valid": "valid_"}
    return "".join(LINE.format(k, prefixes[k], loss, prefixes[k], n) for k, loss, n in events)


@pytest.mark.parametrize("kind", ["train_inner", "train", "valid"])
@pytest.mark.parametrize("loss", ["nan", "inf"])
def test_the_update_is_named_after_which_it_began(tmp_path: Path, kind: str, loss: str) -> None:
    log = tmp_path / "said"
    log.write_text(said(("train_inner", 9.5, 10), (kind, loss, 20), ("train_inner", loss, 30)))
    with pytest.raises(CourseError, match="After update 10 the loss is no number") as caught:
        train(["cat", str(log)], tmp_path / "log", max_update=30, must_load=None)
    assert "learning rate" in caught.value.hint


def test_fairseqs_own_error_about_gradients_is_said_in_the_same_words(tmp_path: Path) -> None:
    log = tmp_path / "said"
    log.write_text(said(("train_inner", 9.5, 10)) + "FloatingPointError: gradients are Nan/Inf\n")
    command = ["bash", "-c", 'cat "$0"; exit 1', str(log)]
    with pytest.raises(CourseError, match="After update 10 the loss is no number"):
        train(command, tmp_path / "log", max_update=30, must_load=None)


def test_fairseq_ends_in_these_words(workspace: Workspace) -> None:
    """Each number of the base is one, and their products are none."""
    weights = make.tensors()
    name = f"{make.ENCODER}.layers.0.fc1.weight"
    large = weights | {name: torch.full_like(weights[name], 3e38)}
    make.put(make.current(large), workspace.base_model.parent)
    make.prepare(workspace)
    with pytest.raises(CourseError, match="After update 0 the loss is no number"):
        ROAD.run("finetune", workspace, SHORT)
    assert "finetune" not in workspace.record.stages
    with pytest.raises(CourseError, match="After update 0 the loss is no number"):
        ROAD.run("finetune", workspace, SHORT)  # once more, and from the base


def save(file: Path, updates: int, loss: float, number: float = 1.0) -> None:
    history = [{"num_updates": updates, "optimizer_name": "FairseqAdam"}]
    state = make.current(make.tensors(), optimizer_history=history)
    state["extra_state"]["val_loss"] = loss
    state["model"]["encoder.lm_head.bias"][3] = number
    make.put(state, file.parent).rename(file)


def test_a_run_does_not_go_on_from_a_checkpoint_of_no_numbers(workspace: Workspace) -> None:
    folder = workspace.checkpoints
    save(folder / BEST, 3, 9.0)
    save(folder / LAST, 6, math.nan, math.nan)
    save(folder / CRASHED, 9, 8.0)
    done, notes = _mend(folder)
    assert done == 3 and LAST in " ".join(notes)
    assert not (folder / CRASHED).exists()


def test_a_validation_loss_of_nan_is_no_result(workspace: Workspace) -> None:
    for name in (BEST, LAST):
        save(workspace.checkpoints / name, 6, math.nan)
    with pytest.raises(CourseError, match="After update 6 the loss is no number"):
        results(workspace.checkpoints)


def test_a_pretraining_does_not_go_on_from_no_numbers(tmp_path: Path) -> None:
    save(tmp_path / "checkpoints" / LAST, 6, math.nan, math.nan)
    with pytest.raises(CourseError, match="NaN in the tensor"):
        pretraining.pretrain("scratch", tmp_path)
