"""The list of what can be set: the same as what papermill finds in the notebooks."""

import json
import subprocess
import sys
from ast import literal_eval
from pathlib import Path

import papermill
import pytest

from helpers import __main__ as cli
from helpers.beforehand import FOLDER, FOR_ALL
from helpers.common.files import PROJECT
from helpers.parameters import parameters
from helpers.stages.road import NOTEBOOKS


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_they_are_those_that_papermill_finds(notebook: str, capsys) -> None:
    found = papermill.inspect_notebook(FOLDER / f"{notebook}.ipynb")
    there = {name: literal_eval(each["default"]) for name, each in found.items()}
    assert cli.main(["parameters", notebook, "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert {one["name"]: one["default"] for one in listed} | there == there
    assert there.keys() - {one["name"] for one in listed} == {*FOR_ALL}
    assert all(one["description"].endswith(".") and one["kind"] for one in listed)
    assert cli.main(["parameters", notebook]) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"{notebook}\n")
    assert all(f"\n  {one['name']}: {one['kind']}" in told for one in listed)


def test_without_a_name_they_are_those_of_all_notebooks(capsys) -> None:
    assert cli.main(["parameters"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line and not line.startswith(" ")] == [*NOTEBOOKS]
    assert max(map(len, lines)) <= 100


def test_limits_are_those_that_are_kept() -> None:
    for one in parameters([*NOTEBOOKS]):
        if not one.limits or one.default is None:
            continue
        model = next(m for m in NOTEBOOKS[one.notebook] if one.name in m.model_fields)
        kept = {"ge": -1, "gt": 0, "le": 1, "lt": 0}  # steps to the first value that is refused
        for bound, limit in one.limits.items():
            with pytest.raises(Exception, match=one.name):
                model(**{one.name: limit + kept[bound]})


def test_an_unknown_notebook_is_refused(capsys) -> None:
    assert cli.main(["parameters", "07_more"]) == 2
    assert "There is no notebook 07_more." in capsys.readouterr().err


def test_plain_papermill_works_from_any_directory(course, tmp_path: Path) -> None:
    """The project is installed; nothing depends on where one stands."""
    out = tmp_path / "out.ipynb"
    words = [PROJECT / "notebooks" / "01_split.ipynb", out, "-p", "workspace", tmp_path / "w"]
    words += ["-p", "seed", "3", "-y", f"txt_files: ['{course.texts}']", "--no-progress-bar"]
    command = [sys.executable, "-m", "papermill", *map(str, words)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "seed = 3" in out.read_text("utf-8")
    assert (tmp_path / "w" / "mydata" / "data.test.raw").stat().st_size > 1000
