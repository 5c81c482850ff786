"""Every kind of base model, chosen in the notebook 00_setup as a student would."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.workflow.workspace import Workspace
from tests.support import checkpoint_makers, huggingface_makers, road
from tests.support.commands import command


def todays(folder: Path) -> Path:
    tensors = checkpoint_makers.fitting(checkpoint_makers.tensors())
    return checkpoint_makers.put(checkpoint_makers.current(tensors), folder)


def released(folder: Path) -> Path:
    model = checkpoint_makers.saved(checkpoint_makers.tensors())
    folder.mkdir()
    return checkpoint_makers.pack(folder / "r.tar.gz", checkpoint_makers.released(model))


def huggingface(folder: Path) -> Path:
    return huggingface_makers.saved(huggingface_makers.fitted_model(), folder)


pytestmark = pytest.mark.long


@pytest.mark.parametrize("make", [todays, released, huggingface])
def test_the_setup_notebook_takes_it(
    workspace: Workspace, tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    source = make(tmp_path / "my model 我的")
    workspace.texts.mkdir(parents=True)
    (workspace.texts / "a.txt").write_text(road.text("apple"), "utf-8")
    words = ("--only", "setup", "-p", "source", source.relative_to(tmp_path))
    done = command("run", "--workspace", workspace.root, *words, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    entry = workspace.record.stages["base"]
    assert entry.settings["source"] == str(source)
    assert entry.report["vocabulary"] == 50265
    shown = json.dumps(json.loads((workspace.notebooks / "00_setup.ipynb").read_text("utf-8")))
    assert f"{entry.report['parameters']:,}" in shown


def test_a_source_that_is_refused_stops_the_setup_with_a_reason(
    workspace: Workspace, tmp_path: Path
) -> None:
    (tmp_path / "model.pt").write_text("not a model")
    (tmp_path / "dict.txt").write_text(road.dict_text(), "utf-8")
    words = ("--only", "setup", "-p", "source", "model.pt")
    done = command("run", "--workspace", workspace.root, *words, cwd=tmp_path)
    assert done.returncode == 1
    assert "no checkpoint that can be read safely" in done.stdout
    assert not workspace.base_model.exists()
