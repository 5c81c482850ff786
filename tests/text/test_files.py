"""What lies beside the texts and is not read is said, by number and by name."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from helpers.common.errors import CourseError
from helpers.explorer.corpus_preview import corpus_preview
from helpers.stages.road import ROAD
from helpers.text.files import text_files
from helpers.text.inputs import input_of
from helpers.workflow.parameters import from_here
from helpers.workflow.settings import SplitSettings
from helpers.workflow.workspace import Workspace
from tests.support.input_makers import ALL

BESIDE = {
    "notes.md": "another kind of file",
    "README": "another kind of file",
    "novel.txt.bz2": "another kind of file",
    ".hidden.txt": "hidden",
    ".ipynb_checkpoints": "hidden",
    "elsewhere": "a link to a folder",
    "gone.txt": "a link that leads nowhere",
    "deep/er/x.log": "another kind of file",
    "deep/more": "a link to a folder",
}


@pytest.fixture
def full(workspace: Workspace) -> Workspace:
    """Two texts, and beside them what is not read."""
    outside = workspace.root / "outside"
    for folder in (
        outside,
        workspace.texts / "deep" / "er",
        workspace.texts / ".ipynb_checkpoints",
    ):
        folder.mkdir(parents=True)
    for number in range(40):
        (outside / f"{number}.txt").write_text(f"outside {number}")
    (workspace.texts / "a.txt").write_text("one")
    (workspace.texts / "deep" / "er" / "b.txt").write_text("two")
    for name in ("notes.md", "README", "novel.txt.bz2", ".hidden.txt", "deep/er/x.log"):
        (workspace.texts / name).write_text("id\tname\nnot to be read\n")
    (workspace.texts / ".ipynb_checkpoints" / "a-checkpoint.txt").write_text("an old one")
    (workspace.texts / "elsewhere").symlink_to(outside)
    (workspace.texts / "deep" / "more").symlink_to(outside)
    (workspace.texts / "gone.txt").symlink_to(outside / "nothing.txt")
    return workspace


def test_the_report_and_the_preview_name_what_was_not_read(full: Workspace) -> None:
    settings = SplitSettings(**ALL)
    report = ROAD.run("split", full, settings)
    assert report.documents == (2, 0, 0)
    names = ", ".join(f"{name} ({why})" for name, why in sorted(BESIDE.items()))
    said = f"Not read ({len(BESIDE)}): {names}."
    assert said in report.notes
    seen = corpus_preview(full, settings)
    assert said in str(seen) and said in seen._repr_html_()


def test_of_many_the_first_are_named_and_the_rest_counted(full: Workspace) -> None:
    for number in range(20):
        (full.texts / f"{number:02}.pdf").write_bytes(b"%PDF-")
    said = str(ROAD.run("split", full, SplitSettings(**ALL)))
    assert "Not read (29): .hidden.txt (hidden), .ipynb_checkpoints (hidden), 00.pdf" in said
    assert " and 19 more." in said


def test_where_all_is_read_nothing_is_said(with_texts) -> None:
    assert "Not read" not in str(ROAD.run("split", with_texts(a="one"), SplitSettings(**ALL)))


@pytest.mark.parametrize(
    ("pattern", "files", "left_out"),
    [
        ("*.txt", {"a.txt"}, {".hidden.txt (hidden)", "gone.txt (a link that leads nowhere)"}),
        (".*.txt", {".hidden.txt"}, set()),
        ("n*", {"notes.md", "novel.txt.bz2"}, set()),
        ("[ad]*", {"a.txt"}, {"deep (a folder)"}),
        ("e*/*1.txt", {"1.txt", "11.txt", "21.txt", "31.txt"}, set()),
    ],
)
def test_a_pattern_says_it_too(
    pattern: str, files: set[str], left_out: set[str], full: Workspace
) -> None:
    found = text_files([f"texts/{pattern}"], full)
    assert {file.name for file in found.files} == files
    assert {*found.left_out} == left_out


def test_a_pattern_for_folders_below_names_the_links_that_it_does_not_enter(
    full: Workspace,
) -> None:
    found = text_files(["texts/**/*.txt"], full)
    assert [file.name for file in found.files] == ["a.txt", "b.txt"]
    assert {"elsewhere (a link to a folder)", "deep/more (a link to a folder)"} <= {*found.left_out}


def test_a_pattern_that_only_fits_folders_names_them(full: Workspace) -> None:
    with pytest.raises(CourseError, match=r"Not read \(1\): deep \(a folder\)"):
        text_files(["texts/d*"], full)


def test_a_folder_that_only_holds_other_files_names_them(workspace: Workspace) -> None:
    workspace.texts.mkdir(parents=True)
    (workspace.texts / "thesis.docx").write_bytes(b"PK\x03\x04")
    with pytest.raises(CourseError, match=r"no text files.*Not read \(1\): thesis\.docx"):
        ROAD.run("split", workspace, SplitSettings(**ALL))


def test_a_folder_that_may_not_be_opened_is_named(
    full: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    scandir = os.scandir

    def refuse(path: Path) -> object:
        if str(path).endswith("er"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found = text_files(["texts"], full)
    assert [f.name for f in found.files] == ["a.txt"]
    assert "deep/er (Permission denied)" in found.left_out


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Path]:
    """A folder that this process may not enter."""
    folder, user = tmp_path / "locked", os.geteuid()
    (folder / "in").mkdir(parents=True)
    (folder / "in" / "a.txt").write_text("one")
    folder.chmod(0)
    if user == 0:  # who may enter all
        os.seteuid(65534)
    yield folder
    os.seteuid(user)
    folder.chmod(0o700)


@pytest.mark.parametrize("name", ["", "in", "in/a.txt", "in/*.txt", "**/*.txt"])
def test_what_may_not_be_read_is_told(name: str, workspace: Workspace, locked: Path) -> None:
    said = f"locked{'/' if name else ''}{re.escape(name)} cannot be read: Permission denied"
    with pytest.raises(CourseError, match=said):
        text_files([str(locked / name)], workspace)
    assert str(locked) in str(from_here(SplitSettings, "txt_files", str(locked / name)))


@pytest.mark.parametrize("name", ["texts", "texts/*.txt", "texts/a.txt"])
def test_a_text_that_may_not_be_read_is_told(
    name: str, full: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, how: path.name != "a.txt" and access(path, how))
    with pytest.raises(CourseError, match=r"a\.txt cannot be read: Permission denied"):
        ROAD.run("split", full, SplitSettings(**ALL, txt_files=[name]))


def test_a_table_that_may_not_be_read_is_not_called_damaged(locked: Path) -> None:
    with pytest.raises(PermissionError):
        [*input_of(locked / "in" / "a.parquet", "utf-8", "file", "text").passages()]


RECORDS = '{"text": "%s"}\n'
COPIES = ["a.jsonl.old-1", "a.jsonl.old-12", "a.jsonl~", "#a.jsonl#", "a.jsonl.1", "a.jsonl-old"]


def test_copies_are_not_read_beside_what_they_are_copies_of(workspace: Workspace) -> None:
    workspace.texts.mkdir(parents=True)
    for name in COPIES:
        (workspace.texts / name).write_text(RECORDS % f"an old one, {name}")
    for name in ("a.jsonl", "part.jsonl.00", "wiki_00", "RC_2019-01", "b.2019-01"):
        (workspace.texts / name).write_text(RECORDS % name)
    found = text_files(["texts"], workspace)
    names = ["RC_2019-01", "a.jsonl", "b.2019-01", "part.jsonl.00", "wiki_00"]
    assert [file.name for file in found.files] == names
    assert {*found.left_out} == {
        *(f"{name} (a copy)" for name in COPIES[:-1]),
        "a.jsonl-old (another kind of file)",
    }
    found = text_files(["texts/a*"], workspace)
    copies = {f"a.jsonl{end} (a copy)" for end in (".old-1", "~", ".1")}
    assert copies <= {*found.left_out}
    assert len(text_files(["texts/*.1"], workspace).files) == 1
    assert [file.name for file in text_files(["texts/*~"], workspace).files] == ["a.jsonl~"]


@pytest.mark.parametrize("names", [["texts/**/*.md"], ["texts", "texts/notes.md"]])
def test_what_is_read_is_not_named_as_left_out(names: list[str], full: Workspace) -> None:
    found = text_files(names, full)
    assert "notes.md" in {file.name for file in found.files}
    assert not [said for said in found.left_out if said.startswith("notes.md")]
    assert "README (another kind of file)" in found.left_out


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="Linux has it")
@pytest.mark.parametrize("unit", ["blank-line", "file"])
def test_what_the_system_makes_while_it_is_read_is_read(unit: str, workspace: Workspace) -> None:
    settings = SplitSettings(**ALL, txt_files=["/proc/cpuinfo"], unit=unit)
    assert "cpuinfo" in str(corpus_preview(workspace, settings))
    assert sum(ROAD.run("split", workspace, settings).documents) > 0


LOOPS = {"to itself": ("a.txt",), "over another": ("a.txt", "b.txt"), "over two": tuple("abc")}


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("inside", ["", "/x.txt", "/*.txt"])
def test_links_in_a_circle_are_told(loop: str, inside: str, workspace: Workspace) -> None:
    """As a file and as a folder; named from the workspace, or with the whole path."""
    names = LOOPS[loop]
    workspace.texts.mkdir(parents=True)
    for name, other in zip(names, (*names[1:], names[0]), strict=True):
        (workspace.texts / name).symlink_to(workspace.texts / other)
    for folder in ("texts", str(workspace.texts)):
        with pytest.raises(CourseError, match=r"back to itself|no text files"):
            ROAD.run("split", workspace, SplitSettings(txt_files=[f"{folder}/{names[0]}{inside}"]))
    with pytest.raises(CourseError, match=rf"Not read \({len(names)}\): a"):
        ROAD.run("split", workspace, SplitSettings())
    (workspace.texts / "z.txt").write_text("a text")
    (workspace.texts / "up").symlink_to(workspace.root)
    report = ROAD.run("split", workspace, SplitSettings(**ALL, txt_files=["texts", "texts/**/*"]))
    assert report.documents == (1, 0, 0) and "up (a link to a folder)" in str(report)


@pytest.mark.parametrize("name", ["mydata", "mydata/data.train.raw"])
def test_links_in_a_circle_where_the_splits_go_are_told_or_replaced(
    name: str, with_texts: Callable
) -> None:
    work = with_texts(a="one")
    (work.root / "mydata").mkdir() if "/" in name else None
    (work.root / name).symlink_to(work.root / "b")
    (work.root / "b").symlink_to(work.root / name)
    if "/" in name:
        assert ROAD.run("split", work, SplitSettings(**ALL)).documents == (1, 0, 0)
    else:
        with pytest.raises(CourseError, match="cannot be written"):
            ROAD.run("split", work, SplitSettings(**ALL))


def test_a_link_that_leads_back_to_itself_is_told(workspace: Workspace) -> None:
    workspace.texts.mkdir(parents=True)
    (workspace.texts / "a.txt").symlink_to(workspace.texts / "a.txt")
    with pytest.raises(CourseError, match="a link that leads back to itself"):
        text_files([str(workspace.texts / "a.txt")], workspace)
    with pytest.raises(CourseError, match="a link that leads nowhere"):
        text_files(["texts/*.txt"], workspace)


def test_paths_that_are_too_long_are_named(
    full: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(full.texts)
    for _ in range(24):
        os.mkdir("n" * 200)  # noqa: PTH102 (only from there can it be made)
        monkeypatch.chdir("n" * 200)
    Path("z.txt").write_text("z")
    os.symlink("z.txt", "link.txt")  # noqa: PTH211
    os.mkdir("m" * 200)  # noqa: PTH102
    monkeypatch.chdir(full.root)
    report = ROAD.run("split", full, SplitSettings(**ALL))
    assert report.documents == (2, 0, 0)
    (said,) = (note for note in report.notes if "Not read" in note)
    assert "(File name too long)" in said and len(said) < 3000
    with pytest.raises(CourseError, match=r"Below .*texts is a path that is longer"):
        text_files(["texts/**/*.txt"], full)


def test_a_pipe_and_a_device_are_called_so(workspace: Workspace) -> None:
    workspace.texts.mkdir(parents=True)
    os.mkfifo(workspace.texts / "pipe.txt")
    for name in ("texts/pipe.txt", "/dev/zero"):
        with pytest.raises(CourseError, match=f"{name} is a pipe, a device or a socket"):
            text_files([name], workspace)
