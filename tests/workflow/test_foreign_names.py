"""Names whose bytes are not UTF-8, as those from a zip archive of Chinese Windows."""

import json
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import batch
from helpers.common.errors import CourseError
from helpers.common.names import as_is, spelled
from helpers.common.report import cell
from helpers.explorer.corpus_preview import corpus_preview
from helpers.stages.road import ROAD
from helpers.workflow.settings import EncodeSettings, SplitSettings
from helpers.workflow.workspace import Workspace
from tests.support.commands import command
from tests.support.input_makers import ALL

NAME = os.fsdecode("语料".encode("gbk"))
SPELLED = r"\xd3\xef\xc1\xcf"
pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere names of files are always Unicode"
)


@pytest.fixture
def foreign(workspace: Workspace) -> Workspace:
    """A text, a folder of texts, an empty text and something else, all with such names."""
    folder = workspace.texts / NAME
    folder.mkdir(parents=True)
    (workspace.texts / f"{NAME}.txt").write_text("one")
    (folder / "b.txt").write_text("two")
    (folder / f"{NAME}.txt").write_text("")
    (folder / f"{NAME}.md").write_text("not a text")
    (workspace.texts / f"{NAME} bad.txt").write_bytes(b"three\n\nfour \xff")
    return workspace


def test_they_are_read_recorded_and_shown(foreign: Workspace) -> None:
    settings = SplitSettings(**ALL, errors="skip")
    for expected in (False, True):
        report = ROAD.run("split", foreign, settings)
        assert report.reused == expected and report.documents == (3, 0, 0)
        for shown in (str(report), report._repr_html_()):
            assert rf"texts/{SPELLED}.txt" in shown and rf"{SPELLED}.md" in shown
            assert rf"{SPELLED} bad.txt, line 3" in shown
            shown.encode()
    seen = corpus_preview(foreign, settings)
    assert SPELLED in seen._repr_html_() and SPELLED in str(seen)
    f"{seen}{seen._repr_html_()}".encode()
    (foreign.texts / f"{NAME}.txt").write_text("another one")
    with pytest.raises(CourseError, match="has changed since 01_split was run"):
        ROAD.run("encode", foreign, EncodeSettings())


@pytest.mark.parametrize("names", [[f"{NAME}.txt", NAME], [f"{NAME}*"], [f"{NAME}/**/*.txt"]])
def test_they_can_be_typed_in_a_shell(names: list[str], foreign: Workspace) -> None:
    where = ("--workspace", foreign.root, "--train", "1", "--valid", "0", "--test", "0")
    skip = ("--errors", "skip", "--txt-files", *names)
    done = command("split", *where, *skip, cwd=foreign.texts)
    assert done.returncode == 0, done.stderr
    assert f"{SPELLED}" in done.stdout and "data.train.raw" in done.stdout


def test_a_notebook_is_given_them(foreign: Workspace) -> None:
    given = [("txt_files", str(foreign.texts / NAME)), *((k, str(v)) for k, v in ALL.items())]
    assert batch.run(foreign, given, ["split"]) == 0
    assert foreign.raw("train").read_text() == "two\n"
    json.loads((foreign.notebooks / "01_split.ipynb").read_text("utf-8"))


def test_no_workspace_has_such_a_name(tmp_path: Path) -> None:
    with pytest.raises(CourseError, match="fairseq cannot work in"):
        Workspace(tmp_path / NAME)


@given(st.binary(min_size=1, max_size=12).filter(lambda name: not {0, 47, 92} & {*name}))
def test_every_name_can_be_written_and_found_again(name: bytes) -> None:
    path = Path("/nowhere") / os.fsdecode(name)
    spelled(str(path)).encode()
    cell(str(path)).encode()
    assert as_is(Path(spelled(str(path)))) == path


def test_a_name_that_only_looks_like_one_stays(tmp_path: Path) -> None:
    (tmp_path / r"a\xd6.txt").touch()
    assert as_is(tmp_path / r"a\xd6.txt").exists()


@pytest.mark.parametrize("text", ["\ud83d", "a \ud800\udcff"])
def test_an_error_can_always_be_shown(text: str) -> None:
    error = CourseError(text, text)
    f"{error}{error.hint}{error._render_traceback_()}".encode()


STEERING = "x\x1b[2J\x1b[31m\x9b1m\nred\x07.txt"


def test_a_name_steers_no_terminal(workspace: Workspace) -> None:
    workspace.texts.mkdir(parents=True)
    (workspace.texts / STEERING).write_text("one")
    (workspace.texts / f"{STEERING}.doc").write_text("not read")
    (workspace.texts / f"empty{STEERING}").touch()
    settings = SplitSettings(**ALL)
    report = ROAD.run("split", workspace, settings)
    seen = f"{report}{corpus_preview(workspace, settings)}"
    assert r"x\x1b[2J\x1b[31m\u009b1m\x0ared\x07.txt" in seen
    assert "\x1b" not in seen and "\x9b" not in seen and "\x07" not in seen
    assert "\nred" not in seen
    assert ROAD.run("split", workspace, settings).reused
    error = CourseError(STEERING, STEERING)
    assert "\x1b" not in f"{error}{error._render_traceback_()}"
    (workspace.texts / STEERING).write_bytes(b"bad \xff")
    with pytest.raises(CourseError) as caught:
        ROAD.run("split", workspace, settings)
    assert "\x1b" not in str(caught.value)
