"""Every notebook by hand (nbval) and in batch (papermill), and what is stored in it."""

import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from helpers.beforehand import settings_of
from helpers.common.files import PROJECT
from helpers.stages.road import NOTEBOOKS, ROAD
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace
from tests.support.commands import command
from tests.support.lab import CHROMIUM

FOLDER = PROJECT / "notebooks"


# All are run in JupyterLab too, and by papermill all but the last.
QUICK = ("01_split",) if CHROMIUM else ("01_split", "tokenization_explorer")
BY_HAND = [
    pytest.param(name, marks=() if name in QUICK else pytest.mark.long)
    for name in (*NOTEBOOKS, "tokenization_explorer")
]


@pytest.mark.parametrize("name", BY_HAND)
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
        timeout=3600,
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


def checked(file: Path) -> list[NotebookNode]:
    """The cells whose outputs are the same on every machine."""
    cells = nbformat.read(file, as_version=4).cells
    return [cell for cell in cells if "NBVAL_CHECK_OUTPUT" in cell.source]


def shown(cell: NotebookNode) -> dict[str, str]:
    """What a cell says, by the kind of text."""
    found: dict[str, str] = defaultdict(str)
    for output in cell.outputs:
        texts = {output.name: output.text} if output.output_type == "stream" else output.data
        for kind, text in texts.items():
            if isinstance(text, str) and not kind.startswith("image/"):
                found[kind] += text
    return found


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_papermills_checked_outputs_are_those_stored(
    course: Workspace, training: FinetuneSettings, name: str
) -> None:
    stored, made = (checked(f / f"{name}.ipynb") for f in (FOLDER, course.notebooks))
    assert [cell.source for cell in made] == [cell.source for cell in stored]
    assert stored and all(map(shown, stored))
    updates = f"updates: {training.max_update}"
    said = [
        {k: text.replace("updates: 500", updates) for k, text in shown(c).items()} for c in stored
    ]
    assert [*map(shown, made)] == said


def test_no_stage_of_the_finished_course_is_done_again(
    course: Workspace, shorter: dict[str, object]
) -> None:
    before = (course.root / "workspace.json").read_text()
    settings = {
        name: settings_of(stage, {stage.notebook: shorter})
        for name, stage in ROAD.items()
        if name != "prepare"
    }
    assert all(ROAD.run(name, course, its).reused for name, its in settings.items())
    assert (course.root / "workspace.json").read_text() == before


@pytest.mark.long
def test_a_second_run_recomputes_nothing_and_says_so(course: Workspace, tmp_path: Path) -> None:
    before = (course.root / "workspace.json").read_text()
    some = ("split", "convert")
    done = command("run", "--workspace", "runs/sample", "--only", *some, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("nothing to recompute") == len(some)
    assert "make lab" in done.stdout
    assert (course.root / "workspace.json").read_text() == before


def test_checked_cells_print_nothing_that_differs_from_machine_to_machine() -> None:
    cells = [(file.name, cell) for file in FOLDER.glob("*.ipynb") for cell in checked(file)]
    assert len(cells) > 5
    for name, cell in cells:
        assert cell.outputs, f"{name}: a checked cell without a stored output"
        said = json.dumps(cell.outputs)
        assert not re.search(r"(?<!<)/|second|Nothing to do", said)  # </s> is no path


def test_the_default_workspace_is_the_same_from_every_folder(home: Path, tmp_path: Path) -> None:
    code = "from helpers.workflow.workspace import Workspace; print(Workspace('runs/sample').root)"
    for folder in (PROJECT, FOLDER, tmp_path):
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, env=os.environ
        )
        assert done.stdout.strip() == str(home / "runs" / "sample")


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.ipynb")), ids=lambda file: file.stem)
def test_all_imports_stand_in_one_cell(file: Path):
    cells = nbformat.read(file, as_version=4).cells
    code = [cell.source for cell in cells if cell.cell_type == "code"]
    assert [n for n, source in enumerate(code) if re.search("^ *(from|import) ", source, re.M)] == [
        1
    ]
