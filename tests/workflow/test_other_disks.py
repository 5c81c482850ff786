"""Files that are moved to another disk, and folders that the settings name for the outputs."""

import contextlib
import dataclasses
import errno
import functools
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from helpers.common.errors import CourseError
from helpers.common.files import alone_in, move_into_place, write_whole
from helpers.common.report import Report
from helpers.workflow import run
from helpers.workflow.definition import Stage
from helpers.workflow.road import Road
from helpers.workflow.settings import ConvertSettings
from helpers.workflow.workspace import Workspace
from tests.support.road import STAGES, do

SHARED_MEMORY = Path("/dev/shm")
NAMES = ("config.json", "model.bin")
on_two_disks = pytest.mark.skipif(
    not SHARED_MEMORY.is_dir() or not os.access(SHARED_MEMORY, os.W_OK), reason="no /dev/shm"
)


@pytest.fixture
def other_disk() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=SHARED_MEMORY) as folder:
        yield Path(folder)


@pytest.fixture
def two_disks(monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies in different folders lies on different disks."""
    replace = Path.replace

    def refuse(path: Path, target: Path) -> Path:
        if path.parent != Path(target).parent:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), str(path))
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", refuse)


def test_to_another_disk_a_file_is_copied_flushed_and_renamed(tmp_path, two_disks, monkeypatch):
    happened, replace, fsync = [], Path.replace, os.fsync
    monkeypatch.setattr(
        Path, "replace", lambda *a: happened.append(a[0].parent.name) or replace(*a)
    )
    monkeypatch.setattr(os, "fsync", lambda fd: happened.append("flush") or fsync(fd))
    source, target = tmp_path / "here" / "file", tmp_path / "there" / "file"
    source.parent.mkdir()
    source.write_bytes(b"new")
    source.chmod(0o604)
    os.utime(source, ns=(5, 10**18 + 7))
    move_into_place(source, target)
    assert happened == ["flush", "flush", "here", "flush", "there", "flush", "flush"]
    assert target.read_bytes() == b"new" and not source.exists()
    assert (target.stat().st_mtime_ns, target.stat().st_mode & 0o777) == (10**18 + 7, 0o604)
    assert [file.name for file in target.parent.iterdir()] == ["file"]


def test_a_copy_that_fails_leaves_the_old_file_and_the_source(tmp_path, two_disks, monkeypatch):
    def full(source: Path, target: Path) -> None:
        target.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    source, target = tmp_path / "here" / "file", tmp_path / "there" / "file"
    for file in (source, target):
        file.parent.mkdir()
        file.write_text(file.parent.name)
    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(CourseError, match="No space left"):
        move_into_place(source, target)
    assert (source.read_text(), target.read_text()) == ("here", "there")
    assert [file.name for file in target.parent.iterdir()] == ["file"]


@on_two_disks
@pytest.mark.parametrize("folder", ["mydata", "data-bin"])
def test_a_folder_may_be_a_link_to_another_disk(road, other_disk, folder):
    shutil.move(road.root / folder, other_disk / folder)
    (road.root / folder).symlink_to(other_disk / folder)
    for name in STAGES:
        assert not do(road, name, force=True).reused
    assert all(do(road, name).reused for name in STAGES)
    assert (road.root / folder).is_symlink()


def converting(target: Path, meanwhile: object = lambda: None) -> Road:
    """A stage that makes two small files elsewhere."""

    def work(job: object) -> Report:
        for name in NAMES:
            job.out(job.workspace.hf / name).write_text(f"of {job.workspace.root.name}")
        meanwhile()
        return Report()

    return Road(
        Stage(
            name="convert",
            does="makes two files",
            notebook="",
            settings=ConvertSettings,
            report=Report,
            inputs=lambda workspace, settings: [],
            outputs=lambda workspace: [workspace.hf / name for name in NAMES],
            work=work,
            elsewhere=lambda settings: target,
        )
    )


@on_two_disks
def test_a_folder_on_another_disk_may_be_named(workspace, other_disk):
    for _ in range(2):
        converting(other_disk).run("convert", workspace, ConvertSettings())
    assert {file.name for file in other_disk.iterdir()} == {*NAMES}
    assert not workspace.scratch.exists()


@on_two_disks
def test_to_a_disk_without_room_for_all_no_file_is_moved(workspace, other_disk, monkeypatch):
    def full(source: Path, target: Path) -> None:
        if source.name == NAMES[1]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        target.write_bytes(source.read_bytes())

    (other_disk / NAMES[0]).write_text("old")
    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(CourseError, match="the disk is full") as error:
        converting(other_disk).run("convert", workspace, ConvertSettings())
    assert error.value.message.startswith(f"{other_disk} cannot be written")
    assert "workspace" not in error.value.hint
    assert {file.name: file.read_text() for file in other_disk.iterdir()} == {NAMES[0]: "old"}


def test_the_root_of_a_disk_may_be_named(workspace, monkeypatch):
    moved = []
    monkeypatch.setattr(run, "move_into_place", lambda source, target: moved.append(target))
    # Who may write there?
    monkeypatch.setattr(run, "alone_in", lambda folder: contextlib.nullcontext(workspace.root))
    converting(Path("/")).run("convert", workspace, ConvertSettings())
    assert moved == [folder / name for folder in (workspace.root, Path("/")) for name in NAMES]


@pytest.mark.parametrize("kind", ["another folder", "the workspace"])
def test_a_folder_in_the_place_of_a_file_is_refused_before_anything_is_moved(
    workspace, tmp_path, kind
):
    target = workspace.hf if kind == "the workspace" else tmp_path / "out"
    (target / "model.bin").mkdir(parents=True)
    (target / "config.json").write_text("old")
    road = converting(target)
    if kind == "the workspace":
        road = Road(dataclasses.replace(road["convert"], elsewhere=lambda settings: None))
    with pytest.raises(CourseError, match=r"model\.bin is a folder"):
        road.run("convert", workspace, ConvertSettings())
    assert (target / "config.json").read_text() == "old"
    (target / "model.bin").rmdir()
    road.run("convert", workspace, ConvertSettings())
    assert (target / "config.json").read_text() == f"of {workspace.root.name}"


def test_a_file_in_the_place_of_the_folder_is_explained(workspace, tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(CourseError, match="cannot be written"):
        converting(tmp_path / "out").run("convert", workspace, ConvertSettings())
    assert (tmp_path / "out").read_text() == "mine"


def test_two_workspaces_may_write_into_one_folder_at_once(tmp_path):
    both = threading.Barrier(2, timeout=60)
    road = converting(tmp_path / "out", both.wait)
    failed = []

    def convert(name: str) -> None:
        try:
            road.run("convert", Workspace(tmp_path / name), ConvertSettings())
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=convert, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert {file.name for file in (tmp_path / "out").iterdir()} == {*NAMES}
    assert not [*tmp_path.glob(".*")]


def at_once(*work: Callable[[], object]) -> None:
    """Each in a thread of its own; the first error is raised."""
    with ThreadPoolExecutor(len(work)) as pool:
        for done in [pool.submit(each) for each in work]:
            done.result(timeout=60)


def test_files_of_two_workspaces_do_not_mix_in_one_folder(tmp_path, monkeypatch):
    """Each move waits until the other run has moved one, or cannot."""
    move, between, target = move_into_place, threading.Barrier(2), tmp_path / "out"

    def slowly(source: Path, where: Path) -> None:
        if where.parent == target:
            with contextlib.suppress(threading.BrokenBarrierError):
                between.wait(timeout=0.3)
        move(source, where)

    monkeypatch.setattr(run, "move_into_place", slowly)
    target.mkdir()
    (target / "README.md").write_text("a third person's")
    road = converting(target)
    at_once(
        *(
            functools.partial(road.run, "convert", Workspace(tmp_path / name), ConvertSettings())
            for name in ("one", "two")
        )
    )
    assert len({(target / name).read_text() for name in NAMES}) == 1
    assert {file.name for file in target.iterdir()} == {*NAMES, "README.md"}


def test_who_waits_for_a_folder_gets_it_and_its_lock_is_gone_at_the_end(tmp_path):
    """The lock is removed while others wait for it, and they take a new one."""
    inside, most = [], []

    def work() -> None:
        for _ in range(20):
            with alone_in(tmp_path / "out"):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    at_once(work, work, work)
    assert most == [1] * 60
    assert not [*(tmp_path / "out").iterdir()]


def test_what_a_killed_run_left_locks_nobody_out_and_is_removed(tmp_path):
    (tmp_path / ".in-use.lock").touch()
    (tmp_path / ".drafts-1" / "hf").mkdir(parents=True)
    with alone_in(tmp_path), pytest.raises(OSError, match="the work"):
        raise OSError("the work")
    with pytest.raises(FileNotFoundError), alone_in(tmp_path):
        raise FileNotFoundError
    assert not [*tmp_path.iterdir()]


def test_two_that_write_one_file_at_once_leave_each_others_draft_alone(tmp_path):
    both = threading.Barrier(2, timeout=60)

    def write(text: str) -> Callable[[Path], None]:
        def content(beside: Path) -> None:
            beside.write_text(text)
            both.wait()

        return content

    texts = ("one" * 1000, "two" * 10)
    at_once(*(functools.partial(write_whole, tmp_path / "file", write(text)) for text in texts))
    assert (tmp_path / "file").read_text() in texts
    assert [file.name for file in tmp_path.iterdir()] == ["file"]
