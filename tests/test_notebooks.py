"""Every notebook by hand (nbval) and in batch (papermill), and what is stored in it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from helpers.batch import NOTEBOOKS
from helpers.workspace import PROJECT, Workspace
from tests.support.commands import command

FOLDER = PROJECT / "notebooks"


@pytest.mark.parametrize("name", [*NOTEBOOKS, "tokenization_explorer"])
def test_a_notebook_runs_and_its_checked_outputs_are_those_stored(
    course: Workspace, name: str
) -> None:
    """On the finished course, so that nothing has to be made again."""
    before = (course.root / "workspace.json").read_text()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--nbval-lax", "-q", f"{FOLDER / name}.ipynb"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert "passed" in done.stdout
    assert (course.root / "workspace.json").read_text() == before


def test_papermill_left_a_copy_of_every_notebook_without_an_error(course: Workspace) -> None:
    for name in NOTEBOOKS:
        copy = nbformat.read(course.notebooks / f"{name}.ipynb", as_version=4)
        outputs = [o for cell in copy.cells for o in cell.get("outputs", [])]
        assert outputs and not [o for o in outputs if o["output_type"] == "error"]
        assert copy.metadata.papermill["exception"] is None


def test_a_second_run_recomputes_nothing_and_says_so(course: Workspace, tmp_path: Path) -> None:
    before = (course.root / "workspace.json").read_text()
    some = ("split", "convert")
    done = command("run", "--workspace", "runs/sample", "--only", *some, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("nothing to recompute") == len(some)
    assert "make lab" in done.stdout
    assert (course.root / "workspace.json").read_text() == before


def test_checked_cells_print_nothing_that_differs_from_machine_to_machine() -> None:
    notebooks = {file.name: nbformat.read(file, as_version=4) for file in FOLDER.glob("*.ipynb")}
    checked = [
        (name, cell)
        for name, notebook in notebooks.items()
        for cell in notebook.cells
        if "NBVAL_CHECK_OUTPUT" in cell.source
    ]
    assert len(checked) > 5
    for name, cell in checked:
        assert cell.outputs, f"{name}: a checked cell without a stored output"
        said = json.dumps(cell.outputs)
        assert not re.search(r"(?<!<)/|second|Nothing to do", said)  # </s> is no path


def test_the_default_workspace_is_the_same_from_every_folder(home: Path, tmp_path: Path) -> None:
    code = "from helpers.workspace import Workspace; print(Workspace('runs/sample').root)"
    for folder in (PROJECT, FOLDER, tmp_path):
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, env=os.environ
        )
        assert done.stdout.strip() == str(home / "runs" / "sample")
