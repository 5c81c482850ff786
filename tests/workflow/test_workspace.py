"""The workspace: its paths, files that appear whole or not at all, and the record."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.common.errors import CourseError
from helpers.common.files import PROJECT, resolve, set_aside, write_whole, writing
from helpers.training.runs.resume import finish
from helpers.workflow.record import Entry, Fingerprint, Record, fingerprint
from helpers.workflow.workspace import Workspace


def test_a_relative_workspace_lies_in_the_home_from_everywhere(home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Workspace("runs/mine").root == home.resolve() / "runs" / "mine"


def test_without_a_home_the_project_is_the_start(monkeypatch):
    monkeypatch.delenv("ROBERTA_COURSE_HOME")
    assert Workspace().root == PROJECT / "runs" / "sample"


def test_an_absolute_workspace_stays_where_it_is(tmp_path):
    assert Workspace(tmp_path / "a").root == (tmp_path / "a").resolve()


def test_a_name_with_a_tilde_that_is_no_home_is_a_plain_name(home):
    assert resolve("~nobody-of-that-name.txt") == home.resolve() / "~nobody-of-that-name.txt"
    assert resolve("~") == Path.home().resolve()


@pytest.mark.parametrize("name", ["with space", "微调 课程", "quote'd", "a,b=c[1]", "ünïcode"])
def test_ordinary_and_odd_names_are_fine(tmp_path, name):
    workspace = Workspace(tmp_path / name)
    with workspace.lock("split"):
        workspace.record.save()
    assert workspace.record.file.is_file()


@pytest.mark.parametrize("character", [":", "$", '"', "\\", "\n"], ids=repr)
def test_a_path_that_fairseq_would_misread_is_refused(tmp_path, character):
    with pytest.raises(CourseError, match="fairseq cannot work in") as caught:
        Workspace(tmp_path / f"a{character}b")
    assert repr(character) in caught.value.message


def test_the_names_inside_are_those_of_the_guide(workspace):
    names = [workspace.key(p) for p in (workspace.raw("train"), workspace.bpe("test"))]
    assert names == ["mydata/data.train.raw", "mydata/data.test.bpe"]
    assert workspace.path(names[0]) == workspace.raw("train")
    outside = workspace.root.parent / "elsewhere.txt"
    assert workspace.path(workspace.key(outside)) == outside


def test_a_named_file_is_looked_for_in_the_workspace_then_in_the_home(home, workspace):
    (home / "both.txt").touch()
    assert workspace.locate("both.txt") == (home / "both.txt").resolve()
    workspace.root.mkdir()
    (workspace.root / "both.txt").touch()
    assert workspace.locate("both.txt") == workspace.root / "both.txt"
    assert workspace.locate("nowhere.txt") == workspace.root / "nowhere.txt"


@pytest.mark.parametrize("name", ["", ".", "./"])
def test_the_project_itself_is_no_workspace(name, monkeypatch):
    monkeypatch.delenv("ROBERTA_COURSE_HOME")
    with pytest.raises(CourseError, match="the project's own folder"):
        Workspace(name)


def test_a_file_in_place_of_the_folder_is_explained(tmp_path):
    (tmp_path / "file").touch()
    for root in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(CourseError, match="cannot be written"), Workspace(root).lock("split"):
            pass


@pytest.mark.parametrize("code", ["EACCES", "EROFS", "ENOSPC", "EDQUOT", "EFBIG", "EIO"])
def test_the_refusals_of_the_system_become_sentences(workspace, monkeypatch, code):
    number = getattr(errno, code)

    def refuse(path: Path, *_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(CourseError) as caught, workspace.lock("split"):
        pass
    assert os.strerror(number) in caught.value.message
    assert str(workspace.root) in caught.value.message


def test_other_errors_of_the_system_keep_their_traceback(tmp_path):
    with pytest.raises(OSError, match="weird"), writing(tmp_path):
        raise OSError(errno.ECHILD, "weird")


def to_the_disk(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is done from here on: "flush NAME" of a file or a folder, and "name NAME"."""
    happened: list[str] = []
    replace, rename, fsync = Path.replace, Path.rename, os.fsync

    def flushed(descriptor: int) -> None:
        happened.append(f"flush {Path(f'/proc/self/fd/{descriptor}').readlink().name}")
        fsync(descriptor)

    def named(old: Callable) -> Callable:
        return lambda path, to: happened.append(f"name {Path(to).name}") or old(path, to)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(Path, "replace", named(replace))
    monkeypatch.setattr(Path, "rename", named(rename))
    return happened


@pytest.mark.parametrize("content", ["tëxt", b"bytes", lambda p: p.write_text("x")], ids=type)
def test_a_file_is_flushed_before_it_gets_its_name_and_its_folder_after(
    tmp_path, monkeypatch, content
):
    happened = to_the_disk(monkeypatch)
    write_whole(tmp_path / "old" / "new" / "file", content)
    assert sorted(happened[:2]) == sorted([f"flush {tmp_path.name}", "flush old"])
    assert happened[2].startswith("flush .file.")  # the draft
    assert happened[3:] == ["name file", "flush new"]
    assert [p.name for p in (tmp_path / "old" / "new").iterdir()] == ["file"]
    happened.clear()
    set_aside(tmp_path / "old")
    assert happened == ["name old.old-1", f"flush {tmp_path.name}"]


def test_a_finished_training_is_on_the_disk_before_it_gets_its_place(workspace, monkeypatch):
    for folder in (workspace.training, workspace.checkpoints):
        folder.mkdir(parents=True)
        (folder / "checkpoint_last.pt").write_bytes(b"last")
    happened = to_the_disk(monkeypatch)
    finish(workspace)
    root, training = f"flush {workspace.root.name}", f"flush {workspace.training.name}"
    aside = ["name checkpoints.1", root]
    last = ["flush checkpoint_last.pt", training, "name checkpoints", root]
    assert happened == [*aside, *last]


@pytest.mark.parametrize("old", [None, "old content"])
@pytest.mark.parametrize("error", [ValueError("a bug"), KeyboardInterrupt()], ids=type)
def test_a_writer_that_fails_leaves_nothing_half_written(tmp_path, old, error):
    file = tmp_path / "file"
    if old:
        file.write_text(old)

    def fail(beside: Path) -> None:
        beside.write_text("half")
        raise error

    with pytest.raises(type(error)):
        write_whole(file, fail)
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == ({"file": old} if old else {})


@pytest.mark.parametrize("where", ["write", "flush"])
def test_a_full_disk_is_explained_and_leaves_nothing_half_written(tmp_path, monkeypatch, where):
    file = tmp_path / "file"
    file.write_text("old")
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def write_half(path: Path, content: bytes) -> None:
        path.open("wb").write(content[: len(content) // 2])
        raise full

    def flush(_: int) -> None:
        raise full

    if where == "write":
        monkeypatch.setattr(Path, "write_bytes", write_half)
    else:
        monkeypatch.setattr(os, "fsync", flush)
    with pytest.raises(CourseError, match="No space left on device") as caught:
        write_whole(file, "new content")
    assert "room" in caught.value.hint
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"file": "old"}


def test_nothing_is_deleted_when_it_is_set_aside(tmp_path):
    for number in (1, 2):
        (tmp_path / "file").write_text(str(number))
        assert set_aside(tmp_path / "file").name == f"file.old-{number}"
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {
        "file.old-1": "1",
        "file.old-2": "2",
    }


def test_a_known_fingerprint_is_trusted_only_with_size_and_time(tmp_path):
    file = tmp_path / "file"
    file.write_text("one")
    known = fingerprint(file)._replace(sha256="as recorded")
    assert fingerprint(file, known).sha256 == "as recorded"
    os.utime(file, ns=(0, 0))
    assert fingerprint(file, known).sha256 == fingerprint(file).sha256 != "as recorded"


def test_a_file_that_must_not_be_read_is_explained(tmp_path, monkeypatch):
    def refuse(path: Path, *_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    (tmp_path / "file").touch()
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(CourseError, match="cannot be read: Permission denied"):
        fingerprint(tmp_path / "file")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"stages": 3}', b"\xff\xfe\x00"], ids=repr)
def test_a_record_that_cannot_be_read_is_explained(workspace, content):
    workspace.root.mkdir()
    workspace.record.file.write_bytes(content)
    with pytest.raises(CourseError, match="cannot be read") as caught:
        _ = workspace.record
    assert "Delete it" in caught.value.hint


def test_the_record_is_read_back_as_it_was_saved(tmp_path):
    record = Record(tmp_path / "workspace.json")
    record.stages["split"] = Entry(
        settings={"seed": 1}, inputs={"texts/a.txt": Fingerprint(1, 2, "c")}, seconds=0.5
    )
    record.moving["split"] = ["a"]
    for sha256 in ("a", "b", "a"):
        record.remember("mydata/data.train.raw", sha256)
    record.save()
    again = Record(record.file)
    assert again == record
    assert again.made == {"mydata/data.train.raw": ["a", "b"]}
    assert again.moving == {"split": ["a"]}
    assert json.loads(record.file.read_text("utf-8"))
