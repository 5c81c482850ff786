"""Notebooks to be read: nothing in them needs a kernel, and nothing else is lost."""

import copy
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import (
    new_code_cell,
    new_markdown_cell,
    new_notebook,
    new_output,
    new_raw_cell,
)

from helpers.common.files import PROJECT
from helpers.panels.still import KERNEL, stilled
from helpers.workflow.workspace import Workspace
from tests.support.hands import LIVE, panel_of

NOTEBOOKS = sorted((PROJECT / "notebooks").glob("*.ipynb"))
STATE = "application/vnd.jupyter.widget-state+json"


@pytest.fixture
def notebook(workspace: Workspace, tmp_path: Path) -> Path:
    """A notebook with a panel, a widget without a twin, and outputs of every other kind."""
    panel = panel_of("split", workspace, txt_files="小说.txt")._repr_mimebundle_()
    outputs = [
        new_output("execute_result", panel, execution_count=1),
        new_output("display_data", {LIVE: {"model_id": "1"}, "text/plain": "Box()"}),
        new_output("display_data", {LIVE: {"model_id": "2"}}),
        new_output("display_data", {"image/png": "iVBORw0KGgo=", "text/html": "<b>好</b>\nb\n"}),
        new_output("stream", name="stderr", text="one\ntwo\n"),
        new_output("error", ename="E", evalue="no", traceback=["a", "b"]),
    ]
    kernel = {"name": "python3", "display_name": "Python 3"}
    made = new_notebook(
        cells=[
            new_markdown_cell("# 一", attachments={"a.png": {"image/png": "iVBORw0KGgo="}}),
            new_code_cell("panel\n", execution_count=1, outputs=outputs, metadata={"tags": ["x"]}),
            new_code_cell("never()"),
            new_raw_cell("raw"),
        ],
        metadata={"widgets": {STATE: {"state": {"1": {}}}}, "kernelspec": kernel},
    )
    file = tmp_path / "notebook.ipynb"
    nbformat.write(made, file)
    return file


def test_live_views_go_and_everything_else_stays(notebook: Path):
    expected = copy.deepcopy(nbformat.read(notebook, as_version=4))
    del expected.metadata["widgets"]
    expected.metadata.kernelspec = KERNEL
    for output in expected.cells[1].outputs[:3]:
        del output["data"][LIVE]
    text = stilled(notebook)
    found = nbformat.reads(text, as_version=4)
    assert found == expected
    assert "小说.txt" in found.cells[1].outputs[0].data["text/html"]
    assert "widget" not in text
    nbformat.validate(found)


def test_a_still_notebook_stays_as_it_is(notebook: Path):
    notebook.write_text(stilled(notebook), "utf-8")
    assert stilled(notebook) == notebook.read_text("utf-8")


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_the_stored_notebooks_are_still(file: Path):
    assert stilled(file) == file.read_text("utf-8")


def test_as_a_command_it_rewrites_every_file_that_is_named(notebook: Path, tmp_path: Path):
    other = tmp_path / "other 其他.ipynb"
    other.write_bytes(notebook.read_bytes())
    expected = stilled(notebook)
    command = [sys.executable, "-m", "helpers.panels.still", notebook, other]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    for file in (notebook, other):
        assert file.read_text("utf-8") == expected
