"""Names that no file can have: told in two sentences, wherever a person can give one."""

import pytest

from helpers.__main__ import main
from helpers.common.errors import CourseError
from helpers.common.files import resolve, writing
from helpers.workflow.workspace import Workspace
from tests.support.road import do

LONG = ["a" * 300, "a/" * 2500 + "a", f"runs/{'微' * 100}"]
OPTIONS = [
    ("check", "--workspace"),
    ("split", "--workspace"),
    ("run", "--workspace"),
    ("split", "--txt-files"),
    ("base", "--source"),
    ("base", "--dict"),
    ("convert", "--roberta-checkpoint-path"),
    ("convert", "--pytorch-dump-folder-path"),
]


@pytest.mark.parametrize("name", [*LONG, f"/tmp/{'a' * 300}", "a" * 300 + "/b", "~" + "a" * 300])
@pytest.mark.parametrize(("command", "option"), OPTIONS)
def test_a_name_that_is_too_long_is_explained(command, option, name, home, capsys, monkeypatch):
    (home / "runs").mkdir(exist_ok=True)
    monkeypatch.chdir(home)
    workspace = [] if option == "--workspace" else ["--workspace", "runs/names"]
    dictionary = ["--source", str(home)] if option == "--dict" else []
    (home / "model.pt").touch()
    assert main([command, *workspace, *dictionary, option, name]) == 2
    said = capsys.readouterr().err
    assert "File name too long" in said and "shorter name" in said
    assert len(said) < 500


@pytest.mark.parametrize("name", ["a\0b", "\ud800"], ids=ascii)
def test_a_character_that_no_name_can_have_is_explained(workspace, name):
    with pytest.raises(CourseError, match="cannot be the name of a file"):
        Workspace(name)
    with pytest.raises(CourseError, match="cannot be the name of a file"):
        resolve(name)
    for setting in ({"txt_files": [name]}, {"txt_files": ["texts", f"*/{name}"]}):
        with pytest.raises(CourseError):
            do(workspace, "split", **setting)
    for name_of in ({"source": name}, {"source": "x.pt", "dict_file": name}):
        with pytest.raises(CourseError):
            do(workspace, "base", **name_of)


def test_a_pattern_that_is_too_long_is_explained(with_texts):
    workspace = with_texts(a="text")
    (workspace.texts / "more").mkdir()
    with pytest.raises(CourseError):
        do(workspace, "split", txt_files=[f"texts/*/{'a' * 300}"])


def test_a_folder_so_deep_that_no_file_has_room_in_it_is_no_workspace(tmp_path):
    deep = tmp_path / ("a/" * ((4090 - len(str(tmp_path))) // 2))
    with pytest.raises(CourseError, match="cannot be the name of a file"):
        Workspace(deep)


def test_a_name_that_is_too_long_below_a_folder_that_is_not_there_yet(tmp_path):
    with pytest.raises(CourseError, match="File name too long"):
        Workspace(tmp_path / "new" / ("a" * 300)).lock("split").__enter__()
    with pytest.raises(CourseError, match="File name too long"), writing(tmp_path):
        (tmp_path / ("a" * 300)).touch()
