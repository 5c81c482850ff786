"""Precision and device of a training: what is chosen, what it costs, what is refused."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from helpers.common.errors import CourseError
from helpers.machine import devices
from helpers.machine.resources import machine
from helpers.models import checkpoints
from helpers.stages.road import ROAD
from helpers.training import precision as of_training
from helpers.training import trial
from helpers.training.command import PLUGIN, overrides
from helpers.training.log.events import VALID, events
from helpers.training.plan.planning import plan_training
from helpers.training.precision import precision
from helpers.training.runs.folders import BEST
from helpers.training.runs.run import RUN
from helpers.training.trial import AROUND, update_seconds
from helpers.workflow.settings import ConvertSettings
from helpers.workflow.workspace import Workspace
from tests.support.small import SHORT, untrained

LONGER = SHORT.model_copy(update={"max_update": 40, "validate_every": 40, "lr": 3e-3})
AUTO = SHORT.model_copy(update={"precision": "auto"})


def test_bfloat16_learns_what_single_precision_does(small: Workspace, tmp_path: Path) -> None:
    """Within 1 %; its checkpoint is a plain one in single precision, and can be converted."""
    losses = {}
    for name in ("fp32", "bf16"):
        work = untrained(small, tmp_path / name)
        settings = LONGER.model_copy(update={"precision": name})
        report = ROAD.run("finetune", work, settings)
        found = [e.loss for e in events(work.checkpoints / "train.log") if e.kind == VALID]
        losses[name] = found[-1]
        assert found[-1] < found[0] - 0.5  # it did learn
        assert [f"in {name}: as it was set" in how for how in report.computed] == [True]
        assert any(f"in {name}: as it was set" in note for note in report.notes)
        [(device, *how)] = json.loads((work.checkpoints / RUN).read_text())["computed"]
        assert device == machine(work.root, devices.chosen("auto")).device
        assert how == [name, "as it was set"]
    assert losses["bf16"] == pytest.approx(losses["fp32"], rel=0.01)
    assert losses["bf16"] != losses["fp32"]
    state = checkpoints.read(work.checkpoints / BEST)
    assert {tensor.dtype for tensor in state["model"].values()} == {torch.float32}
    task = state["cfg"]["task"]
    assert task["_name"] == "masked_lm" and not {"bfloat16", "mask_unit"} & task.keys()
    assert ROAD.run("convert", work, ConvertSettings()).difference < 1e-4


def test_what_auto_has_taken_is_not_trained_again_by_its_name(
    small: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = untrained(small, tmp_path / "work")
    monkeypatch.setattr(of_training, "faster_in_bf16", lambda *_: True)
    ROAD.run("finetune", work, AUTO)
    before = (work.checkpoints / BEST).stat()
    same = ROAD.run("finetune", work, AUTO.model_copy(update={"precision": "bf16"}))
    assert (work.checkpoints / BEST).stat() == before
    assert "in bf16: a trial" in same.computed[0]
    monkeypatch.setattr(of_training, "faster_in_bf16", lambda *_: False)
    ROAD.run("finetune", work, AUTO)  # whatever a trial says now
    assert (work.checkpoints / BEST).stat() == before
    other = ROAD.run("finetune", work, AUTO.model_copy(update={"precision": "fp32"}))
    assert "in fp32: as it was set" in other.computed[0]
    assert (work.root / "checkpoints.precision-auto" / BEST).is_file()


def test_what_goes_on_keeps_the_precision_that_a_trial_chose(small, tmp_path, monkeypatch) -> None:
    work = untrained(small, tmp_path / "work")
    monkeypatch.setattr(of_training, "faster_in_bf16", lambda *_: True)
    ROAD.run("finetune", work, AUTO)
    monkeypatch.setattr(of_training, "faster_in_bf16", lambda *_: False)
    longer = AUTO.model_copy(update={"max_update": 9})
    assert ROAD.plan("finetune", work, longer).precision.name == "bf16"
    computed = ROAD.run("finetune", work, longer).computed
    assert ["in bf16: a trial" in computed[0], "in bf16: as the updates" in computed[1]] == [
        True
    ] * 2
    anew = AUTO.model_copy(update={"seed": 2})
    assert ROAD.plan("finetune", work, anew).precision.name == "fp32"


def test_a_trial_takes_one_core_and_gives_back_the_others(small: Workspace, monkeypatch) -> None:
    seen, before = set(), torch.get_num_threads()
    seconds = trial._seconds

    def looked_at(work, device: str) -> float:
        seen.add(torch.get_num_threads())
        return seconds(work, device)

    monkeypatch.setattr(trial, "_seconds", looked_at)
    network = dataclasses.replace(of_training.network(small, SHORT), width=96, heads=3)
    alone = update_seconds(network, 512, 1, "cpu", "fp32")
    assert seen == {1} and torch.get_num_threads() == before
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)
    many = update_seconds(network, 512, 1, "cpu", "fp32")
    two = update_seconds(network, 512, 1, "cpu", "fp32", beside=4)
    assert AROUND < many < two and (two <= alone or before > 2)


@pytest.mark.parametrize("device", ["CPU", " cpu "])
def test_a_device_may_be_written_in_capitals(device: str) -> None:
    assert SHORT.__class__(device=device).device == "cpu"


def test_each_part_of_an_update_is_tried(small: Workspace) -> None:
    """More of anything takes longer; whether it is as long as told, a benchmark says."""
    network = of_training.network(small, SHORT)
    plain = update_seconds(network, 512, 1, "cpu", "fp32")
    assert plain > AROUND
    assert update_seconds(network, 512, 3, "cpu", "fp32") > plain
    for more in ({"layers": 99}, {"mask_prob": 0.9}, {"parameters": 10**9}):
        larger = dataclasses.replace(network, **more)
        assert update_seconds(larger, 512, 1, "cpu", "fp32") > plain
    assert update_seconds(network, 512, 1, "cpu", "bf16") > AROUND


@pytest.mark.parametrize(("gain", "chosen"), [(1.3, "bf16"), (1.1, "fp32"), (0.2, "fp32")])
def test_of_a_processor_a_trial_decides(
    small: Workspace, monkeypatch: pytest.MonkeyPatch, gain: float, chosen: str
) -> None:
    seconds = {"fp32": gain, "bf16": 1.0}
    monkeypatch.setattr(of_training, "update_seconds", lambda *given: seconds[given[-1]])
    found = precision(small, AUTO.model_copy(update={"device": "cpu"}))
    assert found.name == chosen and "trial of this processor" in found.why


@pytest.mark.parametrize(
    ("capability", "start", "chosen", "given"),
    [
        (9.0, "weights", "bf16", {"+task.bfloat16": True, "+common.user_dir": PLUGIN}),
        (7.5, "weights", "fp16", {"common.fp16": True}),
        (7.5, "continue", "fp32", {}),
        (6.1, "weights", "fp32", {}),
    ],
)
def test_of_a_gpu_its_units_decide(
    small: Workspace, monkeypatch: pytest.MonkeyPatch, capability, start, chosen, given
) -> None:
    """Here there may be none: what PyTorch says of one stands in its place."""
    a_gpu(monkeypatch, capability)
    settings = AUTO.model_copy(update={"start": start, "device": "cuda:1"})
    assert precision(small, settings).name == chosen
    if start == "weights":
        names = {"+task.bfloat16", "+common.user_dir", "common.fp16", "common.cpu"}
        said = overrides(small, settings)
        assert {name: said[name] for name in names & said.keys()} == given
        assert said["distributed_training.device_id"] == 1
        both = overrides(small, settings.model_copy(update={"device": "cuda", "nproc": 2}))
        assert both["distributed_training.device_id"] == "${oc.env:LOCAL_RANK}"
        assert "distributed_training.distributed_backend" not in both  # NCCL, fairseq's own


def a_gpu(monkeypatch: pytest.MonkeyPatch, capability: float) -> None:
    major, minor = divmod(round(10 * capability), 10)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda _: (major, minor))


@pytest.mark.parametrize(
    ("wanted", "capability", "said"),
    [
        ({"device": "cuda"}, None, "asks for a GPU, and PyTorch can use none"),
        ({"device": "cuda:0"}, None, "asks for a GPU, and PyTorch can use none"),
        ({"device": "cuda:2"}, 9.0, "cuda:2 is not there: PyTorch finds 2"),
        ({"device": "cpu", "precision": "fp16"}, None, "fp16 needs a GPU of CUDA capability 7.0"),
        ({"device": "cuda", "precision": "bf16"}, 7.5, "bf16 needs a GPU of CUDA capability 8.0"),
        ({"device": "cuda", "precision": "fp16"}, 6.1, "fp16 needs a GPU of CUDA capability 7.0"),
    ],
)
def test_what_is_not_there_is_refused_before_anything_begins(
    small: Workspace, monkeypatch: pytest.MonkeyPatch, wanted, capability, said
) -> None:
    if capability:
        a_gpu(monkeypatch, capability)
    elif wanted["device"] != "cpu" and torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    before = (small.checkpoints / BEST).stat()
    with pytest.raises(CourseError, match=said):
        ROAD.run("finetune", small, SHORT.model_copy(update=wanted), force=True)
    assert (small.checkpoints / BEST).stat() == before and not small.training.exists()


def test_a_driver_that_is_too_old_is_said(
    small: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In PyTorch's words of it; by itself it trains on the processor."""
    words = "The NVIDIA driver on your system is too old (found version 11040). Please update"

    def init() -> None:
        raise RuntimeError(words)

    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.cuda.is_built", lambda: True)
    monkeypatch.setattr("torch.cuda.init", init)
    with pytest.raises(CourseError, match=r"can use none: “.* too old \(found version 11040\)”"):
        devices.chosen("cuda")
    assert devices.chosen("auto").type == "cpu"
    plan = plan_training(small, SHORT)
    assert any("driver on your system is too old" in note for note in plan.notes)
    words = "Found no NVIDIA driver on your system. Please check"
    assert devices.unused_gpu() == ""


def test_bfloat16_without_units_for_it_is_a_trap(
    small: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = {"fp32": 1.0, "bf16": 5.0}
    monkeypatch.setattr(of_training, "update_seconds", lambda *given: slow[given[-1]])
    plan = plan_training(small, SHORT.model_copy(update={"precision": "bf16", "device": "cpu"}))
    assert any("bf16 makes it no faster" in note for note in plan.notes)
