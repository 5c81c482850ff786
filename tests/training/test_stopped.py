"""A training that is stopped: what was there stays, what was trained is saved, and is found."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from helpers.common.files import PROJECT
from helpers.models.summaries import summary
from helpers.stages.road import ROAD
from helpers.training.command import CONFIG
from helpers.training.runs.folders import BEST, LAST, earlier
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace
from tests.support.commands import command, interrupted
from tests.support.small import SHORT

# No checkpoint is due before it is stopped.
ENDLESS = ("--max-update", "100000", "--validate-every", "100000", "--max-tokens", "512")
# Nothing is learned, so that patience ends it at the fourth validation: after update 6.
OTHER = FinetuneSettings(max_update=50, validate_every=2, max_tokens=512, lr=1e-9, patience=3)


@pytest.mark.parametrize("file", sorted(CONFIG.rglob("*.yaml")), ids=lambda file: file.stem)
def test_on_several_gpus_there_is_one_process_to_stop(file: Path) -> None:
    from fairseq.dataclass.configs import DistributedTrainingConfig
    from fairseq.distributed.utils import infer_init_method

    # What it finds where there are two.
    on_two = DistributedTrainingConfig(distributed_world_size=2, tpu=False)
    cfg = OmegaConf.merge(on_two, OmegaConf.load(file).get("distributed_training", {}))
    infer_init_method(cfg)
    assert cfg.distributed_init_method is None  # else it would start a process for each


def models(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in (BEST, LAST)}


def begun(workspace: Workspace) -> subprocess.Popen:
    """A training in a shell of its own, ten updates or more after its beginning."""
    process = subprocess.Popen(
        [sys.executable, "-m", "helpers", "finetune", "--workspace", workspace.root, *ENDLESS],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        start_new_session=True,
    )
    log = workspace.training / "train.log"
    while not (log.is_file() and "[train_inner]" in log.read_text("utf-8")):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    return process


def test_the_finished_training_stays_until_there_is_another(copied: Workspace) -> None:
    before, settings = models(copied.checkpoints), copied.record.stages["finetune"].settings
    interrupted(lambda: ROAD.run("finetune", copied, OTHER))
    assert models(copied.checkpoints) == before
    done = summary(copied.training / LAST).updates
    back = ROAD.run("finetune", copied, FinetuneSettings(**settings))
    assert back.reused and models(copied.checkpoints) == before
    report = ROAD.run("finetune", copied, OTHER)
    assert f"continued after update {done}" in " ".join(report.notes)
    validated = [update for update, _ in report.valid_curve]
    assert len(validated) == 4 and report.updates == validated[-1] < OTHER.max_update
    [kept] = earlier(copied)
    assert f"lr-{settings['lr']}" in kept.name
    assert kept.name in " ".join(report.notes)
    assert models(kept) == before
    assert not copied.training.exists()
    after = models(copied.checkpoints)
    again = ROAD.run("finetune", copied, FinetuneSettings(**settings))
    assert f"The same training was found in {kept.name}." in again.notes
    assert again.updates == settings["max_update"] and models(copied.checkpoints) == before
    assert [models(folder) for folder in copied.root.glob("checkpoints.*")] == [after]
    once_more = ROAD.run("finetune", copied, FinetuneSettings(**settings))
    assert once_more.reused and not [note for note in once_more.notes if kept.name in note]


@pytest.mark.long
def test_two_unfinished_trainings_are_both_found_again(copied: Workspace) -> None:
    other, third = (SHORT.model_copy(update={"lr": lr}) for lr in (1e-4, 2e-4))
    interrupted(lambda: ROAD.run("finetune", copied, other))
    first = summary(copied.training / LAST).updates
    said = interrupted(lambda: ROAD.run("finetune", copied, third))
    kept = copied.root / "checkpoints.unfinished.lr-0.0001"
    assert f"settings or data is kept in {kept.name}" in str(said)
    assert summary(kept / LAST).updates == first
    report = ROAD.run("finetune", copied, other)
    assert f"continued after update {first}" in " ".join(report.notes)
    assert not kept.exists()
    assert (copied.root / "checkpoints.unfinished.lr-0.0002" / LAST).is_file()


@pytest.mark.parametrize(
    ("number", "to"),
    [
        (signal.SIGINT, os.killpg),  # as a terminal does
        (signal.SIGTERM, os.kill),
        pytest.param(signal.SIGHUP, os.killpg, marks=pytest.mark.long),
        pytest.param(signal.SIGKILL, os.kill, marks=pytest.mark.long),
    ],
)
def test_whatever_ends_it_a_checkpoint_is_saved_first(copied, number, to) -> None:
    before = models(copied.checkpoints)
    process = begun(copied)
    to(process.pid, number)
    _, said = process.communicate(timeout=120)
    assert process.returncode == (130 if number == signal.SIGINT else -number)
    for _ in range(600):  # killed, it could not wait
        if found := summary(copied.training / LAST):
            break
        time.sleep(0.1)
    assert found.updates >= 10
    assert "Traceback" not in said and models(copied.checkpoints) == before
    if number != signal.SIGKILL:
        where = copied.training.name
        assert f"Stopped. {found.updates} of 100,000 updates are saved in {where}" in said
        assert f"The training before stays in {copied.checkpoints.name}" in said
    if number == signal.SIGINT:
        longer = ("--max-update", found.updates + 2, "--validate-every", 100_000)
        done = command("finetune", "--workspace", copied.root, *longer, "--max-tokens", 512)
        assert done.returncode == 0
        assert f"It went on from the {found.updates} updates in checkpoints.unf" in done.stdout


@pytest.mark.long
def test_the_second_time_it_ends_at_once(copied: Workspace) -> None:
    process = begun(copied)
    trains = int(subprocess.check_output(["pgrep", "-P", str(process.pid)]).split()[0])
    os.kill(trains, signal.SIGSTOP)  # it hears nothing, as one that hangs
    os.killpg(process.pid, signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(2)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Stopped" in said and "Traceback" not in said
    assert not Path(f"/proc/{trains}").exists()
