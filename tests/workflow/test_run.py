"""Stages: what is done again, what is not, and what is refused."""

import dataclasses
import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.common.errors import CourseError, StageMissing, StageStale
from helpers.common.report import Report
from helpers.stages.encode import ENCODE
from helpers.stages.road import ROAD
from helpers.stages.split import SPLIT
from helpers.workflow.definition import Stage
from helpers.workflow.road import Road
from helpers.workflow.settings import EncodeSettings, SplitSettings
from tests.support.road import STAGES, do, state, text


@pytest.mark.parametrize("name", STAGES)
def test_the_same_work_is_not_done_twice(road, name):
    before = state(road, name)
    first = road.record.stages[name]
    report = do(road, name)
    assert report.reused
    assert "made before" in str(report)
    assert state(road, name) == before
    assert road.record.stages[name] == first
    again = json.loads(json.dumps(report.to_json()))
    assert again | {"notes": 0} == first.report | {"notes": 0}


def test_what_was_made_before_there_was_a_setting_is_as_with_its_default(road):
    record = road.record
    del record.stages["split"].settings["errors"]
    record.save()
    assert do(road, "split").reused
    assert not do(road, "split", errors="skip").reused


@pytest.mark.parametrize("name", STAGES)
def test_force_does_it_again_with_the_same_result(road, name):
    before = state(road, name)
    assert not do(road, name, force=True).reused
    after = state(road, name)
    assert all(after[k][0] != before[k][0] and after[k][1] == before[k][1] for k in before)


def test_a_changed_setting_does_it_again(road):
    before = state(road, "split")
    assert not do(road, "split", seed=2).reused
    assert state(road, "split") != before
    assert do(road, "split", seed=2).reused


@pytest.mark.parametrize("speed", [{"workers": 2}, {"engine": "fairseq"}], ids=str)
def test_settings_of_speed_never_make_work_stale(road, speed):
    assert do(road, "encode", **speed).reused
    assert do(road, "binarize", **speed).reused


MEANWHILE = {
    "another text": lambda file: file.write_text("another text\n"),
    "it is gone": lambda file: file.unlink(),
    "touched": lambda file: os.utime(file),
}


@pytest.mark.parametrize("fails", [False, True], ids=["works", "fails"])
@pytest.mark.parametrize("change", MEANWHILE)
def test_an_input_that_changes_meanwhile_is_named(road, change, fails):
    before = state(road, "encode")

    def work(job):
        report = original(job)
        MEANWHILE[change](road.raw("train"))
        return 1 / 0 if fails else report

    original = ENCODE.work
    changing = Road(*ROAD.values(), dataclasses.replace(ENCODE, work=work))
    expected = ZeroDivisionError if fails and change == "touched" else CourseError
    if fails or change != "touched":
        with pytest.raises(expected) as caught:
            changing.run("encode", road, EncodeSettings(), force=True)
        if expected is CourseError:
            assert "data.train.raw has changed while it was read" in str(caught.value)
        assert state(road, "encode") == before
    else:
        assert not changing.run("encode", road, EncodeSettings(), force=True).reused


def test_a_text_that_is_added_meanwhile_is_not_read(road):
    def work(job):
        (road.texts / "c.txt").write_text(text("plum"))
        return SPLIT.work(job)

    adding = Road(*ROAD.values(), dataclasses.replace(SPLIT, work=work))
    report = adding.run("split", road, SplitSettings(), force=True)
    assert [name for name, _ in report.inputs] == ["texts/a.txt", "texts/b.txt"]
    assert not any(b"plum" in content for _, content in state(road, "split").values())
    assert not do(road, "split").reused


def test_other_versions_never_make_work_stale(road):
    record = road.record
    record.stages["split"].versions = {"torch": "1.0"}
    record.save()
    assert do(road, "split").reused


def test_a_report_of_another_version_is_made_again(road):
    record = road.record
    record.stages["split"].report["a field of the future"] = 1
    record.save()
    assert not do(road, "split").reused


@pytest.mark.parametrize("name", STAGES)
def test_an_output_that_was_deleted_is_made_again(road, name):
    before = state(road, name)
    ROAD[name].outputs(road)[1].unlink()
    assert not do(road, name).reused
    assert {k: v[1] for k, v in state(road, name).items()} == {k: v[1] for k, v in before.items()}


def change(file: Path) -> None:
    file.write_bytes(file.read_bytes().replace(b"apple", b"lemon"))


CHANGES = {
    "a changed text": lambda w: change(w.texts / "a.txt"),
    "a new text": lambda w: (w.texts / "c.txt").write_text(text("plum")),
    "a new text in a new folder": lambda w: shutil.copytree(w.texts, w.texts / "more"),
}


@pytest.mark.parametrize("how", CHANGES)
@pytest.mark.parametrize("name", ["encode", "binarize"])
def test_what_is_older_than_a_text_is_refused(road, name, how):
    CHANGES[how](road)
    with pytest.raises(StageStale, match="has changed since 01_split") as caught:
        do(road, name)
    assert caught.value.hint.startswith("Run the notebook 01_split again")
    assert not do(road, "split").reused


def test_what_is_older_than_a_step_in_between_is_refused(road):
    do(road, "split", seed=2)
    with pytest.raises(StageStale, match="since 02_bpe was run"):
        do(road, "binarize")
    assert not do(road, "encode").reused
    assert not do(road, "binarize").reused


def test_a_touched_text_with_the_same_content_changes_nothing(road):
    os.utime(road.texts / "a.txt", ns=(1, 1))
    assert all(do(road, name).reused for name in STAGES)


@pytest.mark.parametrize(
    ("name", "missing", "notebook"),
    [("encode", "mydata/data.train.raw", "01_split"), ("binarize", "base/dict.txt", "00_setup")],
)
def test_what_is_missing_is_named_with_its_notebook(workspace, name, missing, notebook):
    with pytest.raises(StageMissing, match=f"{missing} is not there yet") as caught:
        do(workspace, name)
    assert caught.value.hint == f"Run the notebook {notebook} first."


@pytest.mark.parametrize("gone", ["texts", "mydata/data.train.raw"])
def test_what_was_read_may_be_deleted_afterwards(road, gone):
    path = road.root / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert do(road, "binarize").reused
    assert not do(road, "binarize", force=True).reused


def test_a_record_that_cannot_be_read_stops_the_work(road):
    before = state(road, "encode")
    road.record.file.write_text("{")
    with pytest.raises(CourseError, match=r"workspace\.json cannot be read"):
        do(road, "encode", force=True)
    assert state(road, "encode") == before


@pytest.mark.parametrize("flush", range(1, 6))
def test_a_full_disk_leaves_the_old_files_and_the_next_run_mends_all(road, monkeypatch, flush):
    fsync, before, flushes = os.fsync, state(road, "split"), iter(range(1, 99))

    def full(descriptor: int) -> None:
        if next(flushes) == flush:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(CourseError, match="No space left on device"):
            do(road, "split", seed=2)
    half = state(road, "split")
    assert half.keys() == before.keys()
    assert not do(road, "split", seed=2).reused
    after = state(road, "split")
    assert all(half[k][1] in (before[k][1], after[k][1]) for k in half)


def test_work_that_fails_changes_nothing(road):
    def fail(job: object) -> Report:
        job.out(road.raw("train")).write_text("half")
        raise RuntimeError("a bug")

    before, record = state(road, "split"), road.record.file.read_bytes()
    broken = Road(*ROAD.values(), dataclasses.replace(SPLIT, work=fail))
    with pytest.raises(RuntimeError, match="a bug"):
        broken.run("split", road, SplitSettings(seed=3))
    assert state(road, "split") == before
    assert road.record.file.read_bytes() == record
    assert not road.scratch.exists()
    assert ROAD.run("encode", road, EncodeSettings(workers=1)).reused


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt()], ids=type)
def test_of_work_that_fails_only_logs_are_left(road, error):
    def fail(job: object) -> Report:
        job.out(road.raw("train")).write_text("half")
        (job.workspace.scratch / "pretraining" / "data").mkdir(parents=True)
        (job.workspace.scratch / "pretraining" / "data" / "train.bin").write_text("large")
        (job.workspace.scratch / "pretraining" / "train.log").write_text("why")
        (job.workspace.scratch / "link").symlink_to(road.texts)
        (job.kept / "shard").mkdir(parents=True)
        raise error

    texts = {file.name for file in road.texts.iterdir()}
    broken = Road(*ROAD.values(), dataclasses.replace(SPLIT, work=fail))
    with pytest.raises((CourseError, KeyboardInterrupt)):
        broken.run("split", road, SplitSettings(seed=3))
    left = [path.relative_to(road.scratch).as_posix() for path in road.scratch.rglob("*")]
    assert sorted(left) == ["pretraining", "pretraining/train.log"]
    assert {file.name for file in road.texts.iterdir()} == texts
    assert (road.kept("split") / "shard").is_dir()
    assert not do(road, "split", seed=3).reused
    assert not road.scratch.exists()


def test_what_a_run_no_longer_makes_is_removed_unless_it_is_read(road):
    def make(*names: str) -> Callable:
        return lambda job: [job.out(road.root / n).write_text(n) for n in names] and report

    report = SPLIT.describe(road)
    stage = dataclasses.replace(
        SPLIT, name="demo", outputs=lambda w: [], inputs=lambda w, s: [], work=make("x", "y", "z")
    )
    Road(*ROAD.values(), stage).run("demo", road, SplitSettings())
    less = dataclasses.replace(stage, inputs=lambda w, s: [w.root / "y"], work=make("x"))
    Road(*ROAD.values(), less).run("demo", road, SplitSettings(seed=5))
    assert [n for n in "xyz" if (road.root / n).exists()] == ["x", "y"]


def test_what_is_made_of_a_result_for_people_is_no_part_of_it(workspace):
    """It comes when the record is written, also to a result that was reused; then it is told of."""
    made, seen = workspace.root / "made", []

    def then(workspace, settings):
        seen.append((workspace.record.entry("make").finished != "", workspace.worker is not None))
        (workspace.root / "page").write_text(f"{len(seen)}")
        return ["A page was written."]

    make = Stage(
        name="make",
        does="makes something",
        notebook="",
        settings=EncodeSettings,
        report=Report,
        inputs=lambda workspace, settings: [],
        outputs=lambda workspace: [made],
        work=lambda job: job.out(made).write_text("made") and Report(notes=("Made.",)),
        then=then,
    )
    for reused in (False, True):
        report = Road(make).run("make", workspace, EncodeSettings())
        assert report.reused is reused
        assert report.notes == ("A page was written.", "Made.")
    assert seen == [(True, True)] * 2
    entry = workspace.record.entry("make")
    assert [*entry.outputs] == ["made"] and entry.report["notes"] == ["Made."]
    assert (workspace.root / "page").read_text() == "2"


@pytest.mark.parametrize("left", ["nothing", "the same", "another"])
def test_a_file_of_the_course_that_has_only_moved_makes_nothing_stale(workspace, tmp_path, left):
    """As its own base model does, in a newer version or where project and workspace are copied."""
    (tmp_path / "old.txt").write_text("the base")
    places = [tmp_path / "old.txt"]
    made, read = workspace.root / "made", workspace.root / "read"
    make = Stage(
        name="make",
        does="makes something of it",
        notebook="",
        settings=EncodeSettings,
        report=Report,
        inputs=lambda workspace, settings: places,
        outputs=lambda workspace: [made],
        work=lambda job: job.out(made).write_text("made") and Report(),
    )
    look = dataclasses.replace(
        make,
        name="look",
        inputs=lambda workspace, settings: [made],
        outputs=lambda workspace: [read],
        work=lambda job: job.out(read).write_text("read") and Report(),
        after=("make",),
    )
    road = Road(make, look)
    road.run("make", workspace, EncodeSettings())
    before, places[:] = places[0], [Path(shutil.copy(places[0], tmp_path / "new.txt"))]
    if left == "nothing":
        before.unlink()
    elif left == "another":
        before.write_text("what is not read any more")
    assert not road.run("look", workspace, EncodeSettings()).reused
    places[0].write_text("another base")
    with pytest.raises(StageStale, match=r"new\.txt has changed since make was run"):
        road.run("look", workspace, EncodeSettings())


def test_a_record_with_more_or_less_in_a_fingerprint_is_read(road):
    content = json.loads(road.record.file.read_text("utf-8"))
    prints = content["stages"]["split"]["outputs"]["mydata/data.train.raw"]
    prints["inode"] = 7
    del prints["mtime_ns"]
    road.record.file.write_text(json.dumps(content), "utf-8")
    assert do(road, "split").reused


def test_a_file_that_is_named_twice_is_given_twice(workspace, tmp_path):
    (tmp_path / "both").write_bytes(b"x")
    given, report = [], SPLIT.report(documents=(), lines=(), characters=())
    stage = dataclasses.replace(
        SPLIT,
        inputs=lambda workspace, settings: [tmp_path / "both"] * 2,
        work=lambda job: given.extend(job.files) or report,
    )
    Road(*ROAD.values(), stage).run("split", workspace, SplitSettings())
    assert given == [tmp_path / "both"] * 2
