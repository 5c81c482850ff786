"""In which Python the notebooks run: in the batch's own, whatever a notebook or a person names."""

import json
import sys
from pathlib import Path

import nbformat
import pytest

from helpers import batch
from helpers.workflow.workspace import Workspace

CODE = "import sys; print(sys.executable, workspace)"
R = {"kernelspec": {"name": "ir", "language": "R", "display_name": "R"}}
SAVED_WITH = {
    "python3": {"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    "R": R | {"language_info": {"name": "R"}},
    "nothing": {},
    "no name": {"kernelspec": {"display_name": "Python 3"}},
}


@pytest.mark.parametrize("kernel", SAVED_WITH)
def test_notebooks_run_in_this_python(
    kernel: str, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "jupyter" / "kernels" / "python3"
    folder.mkdir(parents=True)
    argv = [sys.executable, "-c", "raise SystemExit('another Python')", "{connection_file}"]
    spec = {"argv": argv, "display_name": "My own", "language": "python"}
    (folder / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    parameters = nbformat.v4.new_code_cell("workspace = ''", metadata={"tags": ["parameters"]})
    notebook = nbformat.v4.new_notebook()
    notebook.metadata = SAVED_WITH[kernel]
    notebook.cells = [parameters, nbformat.v4.new_code_cell(CODE)]
    (tmp_path / "01_split.ipynb").write_text(json.dumps(notebook))
    monkeypatch.setattr(batch, "FOLDER", tmp_path)
    assert batch.run(workspace, only=["split"]) == 0
    copy = nbformat.read(workspace.notebooks / "01_split.ipynb", as_version=4)
    assert copy.cells[-1].outputs[0].text == f"{sys.executable} {workspace.root}\n"
    assert copy.metadata.kernelspec.name == "python3"
