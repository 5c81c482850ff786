"""Shards: together the bytes of the whole, wherever they are made and whatever dies meanwhile."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import chunks, clusters, sharded, shards
from helpers.binarize import binarized_files, data_folders
from helpers.errors import CourseError
from helpers.finetune import FINETUNE
from helpers.parameters import WrongSettings
from helpers.prepare import PREPARE
from helpers.settings import FinetuneSettings, PrepareSettings
from helpers.shards import Part, cut, make, shard_names
from helpers.workspace import PROJECT, SPLITS, Workspace

from . import road
from .awkward import text

# Where texts are cut


def lines_of(content: str) -> list[str]:
    return content.replace("\r\n", "\n").replace("\r", "\n").split("\n")


@given(content=text, number=st.integers(1, 9), look=st.sampled_from([3, 20, 4_000_000]))
def test_parts_are_the_whole_cut_at_line_ends(content, number, look, tmp_path_factory):
    raw = tmp_path_factory.getbasetemp() / "cut.raw"
    raw.write_bytes(content.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "LOOK", look)
        patch.setattr(chunks, "BLOCK", 3)
        parts = cut(raw, number)
    assert 1 <= len(parts) <= number
    assert b"".join(p.file.read_bytes()[p.start : p.start + p.size] for p in parts) == (
        content.encode()
    )
    assert all(part.size for part in parts) or parts[0].size == len(content.encode()) == 0
    pieces = [part.text() for part in parts]
    assert all(piece.endswith("\n") for piece in pieces[:-1])
    assert lines_of("".join(pieces)) == lines_of(content)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("blanks", [1, 3])
@pytest.mark.parametrize("number", [2, 3, 7])
def test_documents_stay_whole(end: str, blanks: int, number: int, tmp_path: Path) -> None:
    raw = tmp_path / "documents.raw"
    between = end * (1 + blanks)
    raw.write_bytes(between.join(f"文 {i}{end}more" for i in range(40)).encode())
    parts = cut(raw, number)
    assert len(parts) == number
    assert all(part.text().startswith("文") for part in parts)
    sizes = [part.size for part in parts]
    assert max(sizes) - min(sizes) < 60


@pytest.mark.parametrize("number", [2, 50])
def test_one_document_gives_parts_by_lines_and_few_documents_few_parts(number, tmp_path) -> None:
    raw = tmp_path / "one.raw"
    raw.write_text("a line\n" * 100)
    assert len(cut(raw, number)) == number
    raw.write_text("x" * 5000 + "\n\nshort\n\nshort too\n")
    assert 2 <= len(cut(raw, number)) <= 3
    raw.write_bytes(b"")
    assert [part.size for part in cut(raw, number)] == [0]


def test_names_sort_in_order() -> None:
    for number in (1, 2, 99, 100, 101, 1001):
        names = shard_names(number)
        assert names == sorted(names) and len(set(names)) == number


# What is made


@pytest.fixture
def work(workspace: Workspace) -> Workspace:
    road.begin(workspace)
    documents = (f"Document {i} is 文 {i * i}.\nand more words" for i in range(3000))
    (workspace.texts / "c.txt").write_text("\n\n".join(documents), "utf-8")
    road.do(workspace, "split")
    return workspace


def content(workspace: Workspace) -> dict[str, bytes]:
    """All lines of each split as they are written, and the index where there is only one."""
    first, *others = data_folders(workspace.data_bin)
    found = {f"{s}.bin": (first / f"{s}.bin").read_bytes() for s in SPLITS}
    found |= {f"{s}.idx": (first / f"{s}.idx").read_bytes() for s in SPLITS[1:]}
    found["train.bin"] += b"".join((other / "train.bin").read_bytes() for other in others)
    return found | {"dict.txt": (first / "dict.txt").read_bytes()}


@pytest.fixture
def whole(work: Workspace) -> dict[str, bytes]:
    """What plain ``prepare`` makes of it."""
    copy = Workspace(shutil.copytree(work.root, work.root.with_name("whole")))
    road.do(copy, "prepare")
    return content(copy)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Shards are made in this process, one after the other; the names of those that are."""
    done: list[str] = []

    def one_by_one(client: object, parts: list[Part]) -> Iterator[Part]:
        for part in parts:
            make(part)
            done.append(part.folder.name)
            yield part

    monkeypatch.setattr(sharded, "made", one_by_one)
    monkeypatch.setattr(sharded, "cluster", lambda *_: contextlib.nullcontext())
    return done


def files(workspace: Workspace) -> set[str]:
    return {p.relative_to(workspace.data_bin).as_posix() for p in workspace.data_bin.rglob("*")}


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("number", [2, 3, 7, 12])
def test_together_they_are_the_unsharded_lines(work, whole, number: int) -> None:
    report = road.do(work, "prepare", shards=number)
    assert content(work) == whole
    assert len(report.shards) == number == len(data_folders(work.data_bin))
    assert sum(row[1] for row in report.shards) == report.lines[0]
    assert road.do(work, "prepare", shards=number).reused
    assert report.to_json() == PREPARE.describe(work).to_json() | {"notes": report.notes}
    assert "shard00" in str(report) and ("and 2 more" in str(report)) == (number == 12)


@pytest.mark.usefixtures("here")
def test_other_layouts_leave_nothing_of_the_one_before(work, whole) -> None:
    plain = {"dict.txt", *(f"{s}.{k}" for s in SPLITS for k in ("bin", "idx"))}
    first = {"shard00", *(f"shard00/{name}" for name in plain)}
    second = {"shard01", "shard01/train.bin", "shard01/train.idx"}
    for number, wanted in ((4, None), (2, first | second), (1, plain), (2, first | second)):
        road.do(work, "prepare", shards=number)
        assert wanted is None or files(work) == wanted
        assert content(work) == whole
    road.do(work, "encode")
    road.do(work, "binarize")
    assert files(work) == plain
    assert not list(work.root.glob(".*kept"))


@pytest.mark.usefixtures("here")
def test_more_shards_than_documents_are_told(workspace: Workspace) -> None:
    road.begin(workspace)
    road.do(workspace, "split")
    workspace.raw("train").write_text("one\n\ntwo\n")
    report = road.do(workspace, "prepare", shards=30)
    assert len(report.shards) == 2
    assert "30 shards were asked for; the text has documents for 2." in report.notes


@pytest.mark.usefixtures("here")
def test_own_files_beside_shards_are_refused_and_force_sets_them_aside(work) -> None:
    road.do(work, "prepare", shards=2)
    (work.data_bin / "train.bin").write_bytes(b"mine")
    with pytest.raises(CourseError, match="which of them is the data"):
        road.do(work, "prepare", shards=2)
    road.do(work, "prepare", shards=2, force=True)
    assert (work.data_bin / "train.bin.old-1").read_bytes() == b"mine"


def test_finished_shards_are_kept_for_the_same_inputs_alone(work, whole, here, monkeypatch) -> None:
    def stopped(client: object, parts: list[Part]) -> Iterator[Part]:
        for part in parts[:3]:
            make(part)
            yield part
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(sharded, "made", stopped)
        road.do(work, "prepare", shards=4)
    assert not work.data_bin.exists()
    road.do(work, "encode")  # what other stages tidy away is not this
    road.do(work, "prepare", shards=4)
    assert here == ["shard01", "shard02", "shard03"]
    assert content(work) == whole
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(sharded, "made", stopped)
        road.do(work, "prepare", shards=5)
    here.clear()
    (work.texts / "d.txt").write_text(road.text("plum"))
    road.do(work, "split")
    road.do(work, "prepare", shards=5)
    assert len(here) == 7


@pytest.fixture
def part(work: Workspace, monkeypatch: pytest.MonkeyPatch) -> Part:
    """The first shard of two, which nobody has made."""
    taken: list[Part] = []

    def take(client: object, parts: list[Part]) -> Iterator[Part]:
        taken.extend(parts)
        raise KeyboardInterrupt
        yield

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(sharded, "made", take)
        patch.setattr(sharded, "cluster", lambda *_: contextlib.nullcontext())
        road.do(work, "prepare", shards=2)
    return taken[2]


def test_two_attempts_at_one_part_do_not_meet(part: Part, monkeypatch) -> None:
    write, inodes = shards._write, []

    def slowly(this: Part, draft: Path) -> None:
        write(this, draft)
        if not inodes:
            inodes.append(0)
            make(this)
            inodes.append((this.folder / "train.bin").stat().st_ino)

    monkeypatch.setattr(shards, "_write", slowly)
    make(part)
    assert (part.folder / "train.bin").stat().st_ino == inodes[1]
    assert not part.drafts()


def test_a_text_that_changes_while_it_is_read_is_told_and_nothing_looks_finished(part, monkeypatch):
    write = shards._write

    def disturbed(this: Part, draft: Path) -> None:
        write(this, draft)
        os.utime(this.text.file)

    monkeypatch.setattr(shards, "_write", disturbed)
    with pytest.raises(CourseError, match=r"data\.train\.raw has changed while it was read"):
        make(part)
    assert part.counts is None and not part.drafts()


def test_a_machine_without_the_workspace_or_with_other_versions_is_named(part, tmp_path) -> None:
    import dataclasses

    away = dataclasses.replace(part, dictionary=tmp_path / "elsewhere")
    with pytest.raises(CourseError, match=f"on {socket.gethostname()} does not see .*elsewhere"):
        make(away)
    other = dataclasses.replace(part, versions=part.versions | {"tiktoken": "0.1"})
    with pytest.raises(CourseError, match=r"has tiktoken .*; here it is 0\.1"):
        make(other)


# Where it is made


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"shards": 2, "scheduler": "a", "slurm": "b"}, "only one can do the work"),
        ({"scheduler": "a"}, "shards = 1 asks for none"),
        ({"shards": 0}, "shards = 0 is not possible"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(values: dict, said: str) -> None:
    with pytest.raises(WrongSettings, match=said):
        PrepareSettings(**values)


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


def until(there: Callable[[], object], seconds: float = 60) -> object:
    limit = time.monotonic() + seconds
    while not (found := there()):
        assert time.monotonic() < limit
        time.sleep(0.02)
    return found


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
    assert not children(process)
    assert not large.data_bin.exists()


@pytest.fixture
def scheduler() -> Iterator[str]:
    """A scheduler and two workers, started by distributed's own commands."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    begun = [
        start("-m", "dask", "scheduler", "--host", address, "--no-dashboard"),
        *(
            start("-m", "dask", "worker", address, "--nthreads", 1, "--no-nanny", "--no-dashboard")
            for _ in range(2)
        ),
    ]
    yield address
    for process in reversed(begun):
        process.kill()
        process.communicate()


def test_a_worker_of_a_scheduler_is_killed_and_the_bytes_are_the_same(
    large: Workspace, large_whole: dict[str, bytes], scheduler: str
) -> None:
    from distributed import Client

    with Client(scheduler, timeout=30) as client:
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


def test_a_scheduler_that_is_not_there_is_told_soon(work: Workspace, monkeypatch) -> None:
    monkeypatch.setattr(clusters, "REACHED", 1)
    for address in ("tcp://127.0.0.1:1", "nonsense", "tcp://127.0.0.1:notaport"):
        with pytest.raises(CourseError, match="There is no Dask scheduler at") as caught:
            road.do(work, "prepare", shards=2, scheduler=address)
        assert "dask scheduler" in caught.value.hint


# SLURM


@pytest.fixture
def profile(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    import dask
    import dask_jobqueue  # noqa: F401 (it brings its defaults)

    section = {"cores": 1, "processes": 1, "memory": "1500MB", "walltime": "00:05:00"}
    section |= {"queue": None, "interface": "lo", "job-extra-directives": ["--comment=mine"]}
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


def test_the_epochs_of_training_walk_over_the_shards(course: Workspace, workspace: Workspace, here):
    road.begin(workspace)
    for mine, theirs in zip(
        (workspace.base_model, workspace.base_dict),
        (course.base_model, course.base_dict),
        strict=True,
    ):
        shutil.copy(theirs, mine)
    (workspace.texts / "c.txt").write_text(
        "\n\n".join(f"Text {i} tells of {i}." for i in range(200))
    )
    road.do(workspace, "split")
    road.do(workspace, "prepare", shards=2)
    settings = FinetuneSettings(max_update=10, validate_every=5, max_tokens=512)
    report = FINETUNE.run(workspace, settings)
    assert report.updates == 10
    log = (workspace.checkpoints / "train.log").read_text("utf-8")
    loaded = [line for line in log.splitlines() if "loaded" in line and "examples from" in line]
    order = [line.split("/")[-2] for line in loaded if line.rstrip().endswith("train")]
    assert order[:4] == ["shard00", "shard01", "shard00", "shard01"], loaded
    assert all("shard00" in line for line in loaded if line.rstrip().endswith("valid"))
    identity = (workspace.checkpoints / "run.json").read_text("utf-8")
    assert "shard01/train.bin" in identity and FINETUNE.run(workspace, settings).reused
    [*map(Path.unlink, binarized_files(workspace.data_bin)[-2:])]
    with pytest.raises(CourseError, match=r"shard01/train"):
        FINETUNE.run(workspace, settings)
