"""Shards: together the bytes of the whole, wherever they are made and whatever dies meanwhile."""

import contextlib
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.common.errors import CourseError
from helpers.common.symbols import SPLITS
from helpers.ids import shard, shard_plan
from helpers.ids.data_bin import data_folders
from helpers.ids.shard import ShardTask, make_shard, shard_chunks, shard_names
from helpers.stages.binarize import PREPARE
from helpers.text import chunks
from helpers.workflow.workspace import Workspace
from tests.support import road
from tests.support.awkward import text

# Where texts are cut


def lines_of(content: str) -> list[str]:
    return content.replace("\r\n", "\n").replace("\r", "\n").split("\n")


@given(content=text, number=st.integers(1, 9), look=st.sampled_from([3, 20, 4_000_000]))
def test_parts_are_the_whole_cut_at_line_ends(content, number, look, tmp_path_factory):
    raw = tmp_path_factory.getbasetemp() / "cut.raw"
    raw.write_bytes(content.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shard, "LOOK", look)
        patch.setattr(chunks, "BLOCK", 3)
        found = shard_chunks(raw, number)
    assert 1 <= len(found) <= number
    assert b"".join(p.file.read_bytes()[p.start : p.start + p.size] for p in found) == (
        content.encode()
    )
    assert all(chunk.size for chunk in found) or found[0].size == len(content.encode()) == 0
    texts = [chunk.text() for chunk in found]
    assert all(text.endswith("\n") for text in texts[:-1])
    assert lines_of("".join(texts)) == lines_of(content)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("blanks", [1, 3])
@pytest.mark.parametrize("number", [2, 3, 7])
def test_documents_stay_whole(end: str, blanks: int, number: int, tmp_path: Path) -> None:
    raw = tmp_path / "documents.raw"
    between = end * (1 + blanks)
    raw.write_bytes(between.join(f"文 {i}{end}more" for i in range(40)).encode())
    tasks = shard_chunks(raw, number)
    assert len(tasks) == number
    assert all(task.text().startswith("文") for task in tasks)
    sizes = [task.size for task in tasks]
    assert max(sizes) - min(sizes) < 60


@pytest.mark.parametrize("number", [2, 50])
def test_one_document_gives_parts_by_lines_and_few_documents_few_parts(number, tmp_path) -> None:
    raw = tmp_path / "one.raw"
    raw.write_text("a line\n" * 100)
    assert len(shard_chunks(raw, number)) == number
    raw.write_text("x" * 5000 + "\n\nshort\n\nshort too\n")
    assert 2 <= len(shard_chunks(raw, number)) <= 3
    raw.write_bytes(b"")
    assert [task.size for task in shard_chunks(raw, number)] == [0]


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

    def one_by_one(client: object, tasks: list[ShardTask]) -> Iterator[ShardTask]:
        for task in tasks:
            make_shard(task)
            done.append(task.folder.name)
            yield task

    monkeypatch.setattr(shard_plan, "make_shards", one_by_one)
    monkeypatch.setattr(shard_plan, "cluster", lambda *_: contextlib.nullcontext())
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
    def stopped(client: object, tasks: list[ShardTask]) -> Iterator[ShardTask]:
        for task in tasks[:3]:
            make_shard(task)
            yield task
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(shard_plan, "make_shards", stopped)
        road.do(work, "prepare", shards=4)
    assert not work.data_bin.exists()
    road.do(work, "encode")  # what other stages tidy away is not this
    road.do(work, "prepare", shards=4)
    assert here == ["shard01", "shard02", "shard03"]
    assert content(work) == whole
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(shard_plan, "make_shards", stopped)
        road.do(work, "prepare", shards=5)
    here.clear()
    (work.texts / "d.txt").write_text(road.text("plum"))
    road.do(work, "split")
    road.do(work, "prepare", shards=5)
    assert len(here) == 7


@pytest.fixture
def task(work: Workspace, monkeypatch: pytest.MonkeyPatch) -> ShardTask:
    """The first shard of two, which nobody has made."""
    taken: list[ShardTask] = []

    def take(client: object, tasks: list[ShardTask]) -> Iterator[ShardTask]:
        taken.extend(tasks)
        raise KeyboardInterrupt
        yield

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(shard_plan, "make_shards", take)
        patch.setattr(shard_plan, "cluster", lambda *_: contextlib.nullcontext())
        road.do(work, "prepare", shards=2)
    return taken[2]


def test_two_attempts_at_one_part_do_not_meet(task: ShardTask, monkeypatch) -> None:
    write, inodes = shard._write, []

    def slowly(this: ShardTask, draft: Path) -> None:
        write(this, draft)
        if not inodes:
            inodes.append(0)
            make_shard(this)
            inodes.append((this.folder / "train.bin").stat().st_ino)

    monkeypatch.setattr(shard, "_write", slowly)
    make_shard(task)
    assert (task.folder / "train.bin").stat().st_ino == inodes[1]
    assert not task.drafts()


def test_a_text_that_changes_while_it_is_read_is_told_and_nothing_looks_finished(task, monkeypatch):
    write = shard._write

    def disturbed(this: ShardTask, draft: Path) -> None:
        write(this, draft)
        os.utime(this.text.file)

    monkeypatch.setattr(shard, "_write", disturbed)
    with pytest.raises(CourseError, match=r"data\.train\.raw has changed while it was read"):
        make_shard(task)
    assert task.counts is None and not task.drafts()


def test_a_machine_without_the_workspace_or_with_other_versions_is_named(task, tmp_path) -> None:
    import dataclasses

    away = dataclasses.replace(task, dictionary=tmp_path / "elsewhere")
    with pytest.raises(CourseError, match=f"on {socket.gethostname()} does not see .*elsewhere"):
        make_shard(away)
    other = dataclasses.replace(task, versions=task.versions | {"tiktoken": "0.1"})
    with pytest.raises(CourseError, match=r"has tiktoken .*; here it is 0\.1"):
        make_shard(other)
