# ruff: noqa: F811
"""Where shards are made: local workers, a real scheduler, SLURM; what is killed is made again."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.common.errors import CourseError
from helpers.common.files import PROJECT
from helpers.ids import clusters
from helpers.ids.data_bin import binarized_files
from helpers.ids.shard import ShardTask
from helpers.stages.road import ROAD
from helpers.workflow.parameters import WrongSettings
from helpers.workflow.settings import PrepareSettings
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace
from tests.ids.test_shards import content, here, whole, work  # noqa: F401 (fixtures)
from tests.support import road
from tests.support.commands import until


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"shards": 2, "scheduler": "a", "slurm": "b"}, "only one can do the work"),
        ({"shards": 0}, "shards = 0 is not possible"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(values: dict, said: str) -> None:
    with pytest.raises(WrongSettings, match=said):
        PrepareSettings(**values)


def test_other_machines_without_shards_are_refused(work: Workspace) -> None:
    with pytest.raises(CourseError, match="shards = 1 asks for none"):
        road.do(work, "prepare", scheduler="tcp://127.0.0.1:1")


def test_what_only_moves_the_work_is_not_part_of_the_result() -> None:
    one = PrepareSettings(shards=4, scheduler="tcp://a:1", workers=1).of_the_result()
    assert one == PrepareSettings(shards=4, slurm="b").of_the_result() == {"shards": 4}


def start(*arguments: object) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )


def prepare(work: Workspace, *options: object) -> subprocess.Popen:
    return start("-m", "helpers", "prepare", "--workspace", work.root, *options)


def end(process: subprocess.Popen) -> str:
    said, _ = process.communicate(timeout=120)
    return said


def kept(work: Workspace, pattern: str) -> list[Path]:
    return sorted(work.kept("prepare").glob(f"*/{pattern}"))


def children(process: subprocess.Popen) -> set[int]:
    """All processes in the session of a process, itself not included."""
    found = subprocess.run(
        ["ps", "-o", "pid=", "-s", str(process.pid)], capture_output=True, text=True, check=False
    )
    return {int(pid) for pid in found.stdout.split()} - {process.pid}


@pytest.fixture
def large(work: Workspace) -> Workspace:
    """Enough work that something can happen in the middle of it: some seconds."""
    with work.raw("train").open("ab") as out:
        once = work.raw("train").read_bytes()
        for _ in range(150):
            out.write(b"\n" + once)
    return work


@pytest.fixture
def large_whole(large: Workspace) -> dict[str, bytes]:
    copy = Workspace(shutil.copytree(large.root, large.root.with_name("whole")))
    road.do(copy, "prepare")
    return content(copy)


def test_killed_in_the_middle_and_run_again_nothing_is_made_twice(large, large_whole) -> None:
    process = prepare(large, "--shards", 6, "--workers", 2)
    until(lambda: len(kept(large, "shard*/train.bin")) >= 2)
    workers = children(process)
    process.kill()
    process.wait()
    assert len(workers) >= 2
    until(lambda: not children(process))  # the workers die with it
    assert not large.data_bin.exists()
    before = {f.parent.name: f.stat().st_ino for f in kept(large, "shard*/train.bin")}
    again = prepare(large, "--shards", 6, "--workers", 2)
    said = end(again)
    assert again.returncode == 0, said
    assert content(large) == large_whole
    assert before
    for name, inode in before.items():
        assert (large.data_bin / name / "train.bin").stat().st_ino == inode
    assert not large.kept("prepare").exists()


def test_ctrl_c_stops_it_with_two_lines_and_leaves_no_process(large: Workspace) -> None:
    process = prepare(large, "--shards", 6, "--workers", 2)
    until(lambda: kept(large, "shard*/train.bin"))
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    said = end(process)
    assert process.returncode == 130, said
    assert "Stopped. Run the same command again" in said
    assert not any(word in said for word in ("Traceback", "distributed", "WARNING")), said
    until(lambda: not children(process))  # Python's own helper ends a moment later
    assert not large.data_bin.exists()


def address_in(file: Path) -> str:
    """Where a scheduler says that it listens; nothing, before it has said all."""
    with contextlib.suppress(OSError, ValueError):
        return json.loads(file.read_text())["address"]
    return ""


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[str]:
    """A scheduler and two workers, started by distributed's own commands."""
    file = tmp_path / "scheduler.json"
    here = ("--scheduler-file", file, "--no-dashboard")
    begun = [
        start("-m", "dask", "scheduler", "--host", "127.0.0.1", "--port", 0, *here),
        *(start("-m", "dask", "worker", *here, "--nthreads", 1, "--no-nanny") for _ in range(2)),
    ]
    yield until(lambda: address_in(file))
    for process in reversed(begun):
        process.kill()
        process.communicate()


def test_a_worker_of_a_scheduler_is_killed_and_the_bytes_are_the_same(
    large: Workspace, large_whole: dict[str, bytes], scheduler: str
) -> None:
    from distributed import Client

    with Client(scheduler, timeout=120) as client:
        client.wait_for_workers(2)
        (victim, *_) = client.run(os.getpid).values()

    def kill_one() -> None:
        until(lambda: len(kept(large, ".shard*/train.bin")) == 2)  # both are at work
        os.kill(victim, signal.SIGKILL)

    killer = threading.Thread(target=kill_one)
    killer.start()
    report = road.do(large, "prepare", shards=4, scheduler=scheduler)
    killer.join()
    assert content(large) == large_whole
    assert any("a worker was lost" in note for note in report.notes)


def dies(task: ShardTask) -> str:
    os.kill(os.getpid(), signal.SIGKILL)
    return task.split


def is_out_of_memory(task: ShardTask) -> str:
    raise MemoryError(task.split)


@pytest.mark.parametrize(
    ("works", "said"),
    [
        (dies, "Worker after worker died at the same shard, most likely because memory ran out"),
        (is_out_of_memory, "There is not enough memory for a worker"),
    ],
)
def test_a_shard_that_no_worker_can_make_is_told(works, said, work, monkeypatch) -> None:
    monkeypatch.setattr(clusters, "make_shard", works)
    with pytest.raises(CourseError, match=said) as caught:
        road.do(work, "prepare", shards=2, workers=1)
    assert "What is finished is kept" in str(caught.value)
    assert not any(file.is_file() for file in binarized_files(work.data_bin))


# SLURM


@pytest.fixture
def profile(tmp_path: Path) -> Iterator[str]:
    import dask
    import dask_jobqueue  # noqa: F401 (it brings its defaults)

    section = {"cores": 1, "processes": 1, "memory": "1500MB", "walltime": "00:05:00"}
    section |= {"queue": None, "interface": "lo", "job-extra-directives": ["--comment=mine"]}
    section["log-directory"] = str(tmp_path / "logs")
    with dask.config.set({"jobqueue.classroom": section}):
        yield "classroom"


def test_without_slurm_or_the_section_it_is_said_what_there_is(profile, monkeypatch) -> None:
    with pytest.raises(CourseError, match="There is no section other") as caught:
        clusters.slurm_cluster("other")
    assert "classroom" in caught.value.hint
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(CourseError, match="has no sbatch"):
        clusters.slurm_cluster(profile)


def test_the_job_is_as_the_section_says(profile, monkeypatch, tmp_path) -> None:
    sbatch = tmp_path / "sbatch"
    sbatch.write_text("#!/bin/sh\n")
    sbatch.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with clusters.slurm_cluster(profile) as jobs:
        script = jobs.job_script()
    assert "#SBATCH -t 00:05:00" in script and "#SBATCH --comment=mine" in script
    assert "--nthreads 1" in script


@pytest.mark.skipif(not shutil.which("sbatch"), reason="this machine has no SLURM")
def test_real_slurm_makes_the_same_bytes(work, whole, profile) -> None:
    if subprocess.run(["sinfo"], capture_output=True, check=False).returncode:
        pytest.skip("SLURM does not answer")
    road.do(work, "prepare", shards=4, slurm=profile, workers=2)
    assert content(work) == whole


# Training on shards


def test_the_epochs_of_training_walk_over_the_shards(small: Workspace, workspace: Workspace, here):
    road.begin(workspace)
    for mine, theirs in zip(
        (workspace.base_model, workspace.base_dict),
        (small.base_model, small.base_dict),
        strict=True,
    ):
        shutil.copy(theirs, mine)
    (workspace.texts / "c.txt").write_text(
        "\n\n".join(f"Text {i} tells of {i}." for i in range(200))
    )
    road.do(workspace, "split")
    road.do(workspace, "prepare", shards=2)
    settings = FinetuneSettings(max_update=10, validate_every=5, max_tokens=512)
    report = ROAD.run("finetune", workspace, settings)
    assert report.updates == 10
    log = (workspace.checkpoints / "train.log").read_text("utf-8")
    loaded = [line for line in log.splitlines() if "loaded" in line and "examples from" in line]
    order = [line.split("/")[-2] for line in loaded if line.rstrip().endswith("train")]
    assert order[:4] == ["shard00", "shard01", "shard00", "shard01"], loaded
    assert all("shard00" in line for line in loaded if line.rstrip().endswith("valid"))
    identity = (workspace.checkpoints / "run.json").read_text("utf-8")
    assert "shard01/train.bin" in identity and ROAD.run("finetune", workspace, settings).reused
    [*map(Path.unlink, binarized_files(workspace.data_bin)[-2:])]
    with pytest.raises(CourseError, match=r"shard01/train"):
        ROAD.run("finetune", workspace, settings)
