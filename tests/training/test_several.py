"""Two processes that train together, as one with twice the batches does."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers.common.errors import CourseError
from helpers.common.fairseq import shown
from helpers.ids.data_bin import data_folders
from helpers.models.summaries import summary
from helpers.stages.finetune import FinetuneReport
from helpers.stages.road import ROAD
from helpers.training import several
from helpers.training.command import finetune_command
from helpers.training.launcher.side_by_side import run
from helpers.training.log.events import LOG, events
from helpers.training.plan.planning import plan_training
from helpers.training.runs.folders import LAST
from helpers.training.several import refuse_outside_a_job, refuse_too_many
from helpers.training.train import SIDE_BY_SIDE
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace
from tests.support import road
from tests.support.commands import interrupted, until
from tests.support.killed_fairseq import killed_before
from tests.support.small import SHORT, untrained

# Each process would have a GPU of its own, and there may be one.
ON_CORES = SHORT.model_copy(update={"device": "cpu"})
# Of an epoch's 13 batches the last one has no other beside it.
ONE = ON_CORES.model_copy(update={"max_update": 16, "validate_every": 4, "max_tokens": 128})
TOGETHER = ONE.model_copy(update={"nproc": 2})
ALONE = ONE.model_copy(update={"update_freq": 2})


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(several, "cores", lambda: 2)


@pytest.fixture
def ready(small: Workspace, tmp_path: Path) -> Iterator[Workspace]:
    yield untrained(small, tmp_path / "O'Brien 的 work")
    shutil.rmtree(tmp_path)


@pytest.fixture(scope="module")
def together(small: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """What two processes have trained in one go."""
    work = untrained(small, tmp_path_factory.mktemp("together") / "work")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(several, "cores", lambda: 2)
        trained(work, TOGETHER)
    return work


def trained(workspace: Workspace, settings: FinetuneSettings) -> FinetuneReport:
    return ROAD.run("finetune", workspace, settings)


def curves(workspace: Workspace) -> list[np.ndarray]:
    report = workspace.record.stages["finetune"].report
    return [np.array(report[name]) for name in ("train_curve", "valid_curve")]


def are_alike(one: Workspace, other: Workspace) -> bool:
    """The sums are made in another order."""
    return all(map(np.array_equal, *(_updates(each) for each in (one, other)))) and all(
        np.allclose(a, b, rtol=1e-4) for a, b in zip(curves(one), curves(other), strict=True)
    )


def _updates(workspace: Workspace) -> list[np.ndarray]:
    return [curve[:, 0] for curve in curves(workspace)]


def test_two_processes_train_as_one_with_twice_the_batches(together, ready) -> None:
    trained(ready, ALONE)
    assert are_alike(together, ready)
    assert len(curves(ready)[1]) >= 4
    computed = together.record.stages["finetune"].report["computed"]
    assert "by 2 processes" in computed[0]


def test_the_plan_says_what_fairseq_then_does(together) -> None:
    plan = plan_training(together, TOGETHER)
    told = (event.values for event in events(together.checkpoints / LOG))
    per_update = [values["train_wpb"] for values in told if "train_wpb" in values]
    assert plan.updates == 16
    assert plan.validations == len(curves(together)[1])
    assert plan.data.epochs == plan_training(together, ALONE).data.epochs
    assert per_update[0] == pytest.approx(plan.tokens_per_update, abs=0.1)
    alone = plan_training(together, ONE)
    assert plan.state > 2 * alone.state and plan.batch == 2 * alone.batch
    assert "by 2 processes" in str(plan)


@pytest.mark.long
def test_shards_are_read_as_one_process_reads_them(ready, tmp_path) -> None:
    (ready.texts / "c.txt").write_text("\n\n".join(f"Text {i} tells of {i}." for i in range(300)))
    road.do(ready, "split")
    road.do(ready, "prepare", shards=2, workers=1)
    assert len(data_folders(ready.data_bin)) == 2
    other = Workspace(shutil.copytree(ready.root, tmp_path / "other"))
    trained(ready, TOGETHER)
    trained(other, ALONE)
    assert are_alike(ready, other)
    assert str(data_folders(other.data_bin)[1]) in (other.checkpoints / LOG).read_text("utf-8")


def test_stopped_both_end_together_and_go_on_as_if_nothing_had_been(together, ready) -> None:
    said = str(interrupted(lambda: trained(ready, TOGETHER)))
    assert "updates are saved" in said or "update" in said
    done = summary(ready.training / LAST).updates
    assert 0 < done < 16
    report = trained(ready, TOGETHER)
    assert report.notes[0] == f"An interrupted run was continued after update {done}."
    assert are_alike(together, ready)


DIES = """
import os, runpy, signal, torch
add, left = torch.distributed.all_reduce, iter(range(9))

def add_or_die(*arguments, **named):
    if os.environ["RANK"] == "1" and next(left, None) is None:
        {dies}
    return add(*arguments, **named)

torch.distributed.all_reduce = add_or_die
runpy.run_path({launcher!r}, run_name="__main__")
"""


@pytest.mark.parametrize(
    ("dies", "said"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "The system killed fairseq after update"),
        pytest.param(
            "raise OSError(28, 'No space left on device')",
            "There is no room for a checkpoint",
            marks=pytest.mark.long,
        ),
        pytest.param("raise RuntimeError('odd')", "RuntimeError: odd", marks=pytest.mark.long),
    ],
)
def test_where_the_second_one_dies_both_end_and_it_is_said_why(
    dies: str, said: str, together, ready, tmp_path, monkeypatch
) -> None:
    from helpers.training import train

    program = tmp_path / "dies.py"
    program.write_text(DIES.format(dies=dies, launcher=str(train.LAUNCHER)))
    with monkeypatch.context() as patch, pytest.raises(CourseError, match=said) as failed:
        patch.setattr(train, "LAUNCHER", program)
        patch.setenv("ROBERTA_COURSE_SAVE_EVERY", "0")
        trained(ready, TOGETHER)
    assert re.search(r"\d of 16 updates are saved in checkpoints.unfinished", failed.value.hint)
    trained(ready, TOGETHER)
    assert are_alike(together, ready)


@pytest.mark.long
def test_where_the_first_one_is_killed_in_a_checkpoint_it_goes_on(together, ready, monkeypatch):
    monkeypatch.setenv("ROBERTA_COURSE_SAVE_EVERY", "0")
    failed = killed_before(9, lambda: trained(ready, TOGETHER))
    assert "The system killed fairseq" in failed.message
    trained(ready, TOGETHER)
    assert are_alike(together, ready)


@pytest.mark.long
def test_the_command_that_is_shown_trains_too(together, ready) -> None:
    command = finetune_command(ready, TOGETHER)
    assert shown(command).startswith("torchrun --standalone --nproc-per-node=2")
    subprocess.run(command, check=True, capture_output=True, cwd=ready.root)
    folders = (together.checkpoints, ready.training)
    ours, theirs = (torch.load(each / LAST, weights_only=False)["model"] for each in folders)
    assert all(torch.allclose(ours[name], theirs[name], atol=1e-5) for name in ours)


# Settings


@pytest.mark.parametrize(
    ("settings", "said", "mend"),
    [
        ({"nproc": 3}, "this machine has 2 cores", "Set nproc to 2 or less; update_freq = 3"),
        ({"nodes": 2}, "this is not within one", "--slurm PROFILE --nodes 2"),
    ],
)
def test_what_is_not_there_is_said_before_anything_starts(settings, said, mend, ready) -> None:
    with pytest.raises(CourseError, match=said) as refused:
        trained(ready, ON_CORES.model_copy(update=settings))
    assert mend in refused.value.hint
    assert not ready.training.exists()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"nproc": 3}, "this machine has 2 GPUs that PyTorch can use"),
        ({"nproc": 2, "device": "cuda:1"}, "device = cuda:1 names one"),
    ],
)
def test_of_gpus_each_process_has_one(settings, said, monkeypatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    refuse_too_many(SHORT.model_copy(update={"nproc": 2}))
    with pytest.raises(CourseError, match=said):
        refuse_too_many(SHORT.model_copy(update=settings))


def test_a_job_of_other_machines_is_refused(monkeypatch) -> None:
    monkeypatch.setenv("SLURM_JOB_NUM_NODES", "3")
    with pytest.raises(CourseError, match="this job has 3"):
        refuse_outside_a_job(SHORT.model_copy(update={"nodes": 2}))


def test_what_machines_of_a_job_will_do_is_planned_and_shown_outside_of_it(ready) -> None:
    there = SHORT.model_copy(update={"nodes": 2, "nproc": 4, "max_tokens": 64})
    assert "by 8 processes" in str(ROAD.plan("finetune", ready, there))
    command = finetune_command(ready, there)
    assert command[:3] == ["srun", "--nodes=2", "--ntasks-per-node=4"]
    assert any("tcp://FIRST-MACHINE:" in word for word in command)


# Processes


def python(code: str) -> list[str]:
    return [sys.executable, "-c", f"import os, signal, sys, time; {code}"]


@pytest.mark.parametrize(
    ("code", "ends"),
    [
        ("sys.exit(0)", 0),
        ("sys.exit(3)", 3),
        ("os.environ['RANK'] == '1' and sys.exit(4); time.sleep(60)", 4),
        ("os.environ['RANK'] == '1' and os.kill(os.getpid(), 9); time.sleep(1); sys.exit(5)", -9),
        ("os.environ['RANK'] == '0' and os.kill(os.getpid(), 9); time.sleep(60)", -9),
        ("assert os.environ['LOCAL_RANK'] + os.environ['WORLD_SIZE'] in ('02', '12')", 0),
    ],
)
def test_they_end_as_the_first_that_fails(code: str, ends: int) -> None:
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert run(2, python(code)) == ends
    finally:
        signal.signal(signal.SIGTERM, before)


def test_one_that_does_not_listen_is_killed(monkeypatch) -> None:
    monkeypatch.setattr("helpers.training.launcher.side_by_side.GRACE", 0.2)
    deaf = "os.environ['RANK'] == '1' and sys.exit(4); signal.signal(15, signal.SIG_IGN)"
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert run(2, python(f"{deaf}; time.sleep(600)")) == 4
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere they outlive it")
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_told_to_end_they_all_end_and_until_then_the_lock_is_held(how, tmp_path) -> None:
    code = f"open(os.path.join({str(tmp_path)!r}, str(os.getpid())), 'w'); time.sleep(600)"
    read, write = os.pipe()
    command = [sys.executable, "-P", str(SIDE_BY_SIDE), "2", *python(code)]
    process = subprocess.Popen(command, pass_fds=[write])
    os.close(write)
    until(lambda: len([*tmp_path.iterdir()]) == 2)
    process.send_signal(how)
    assert os.read(read, 1) == b""  # nobody holds the other end any more
    os.close(read)
    assert process.wait(60) == -how
