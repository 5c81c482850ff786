"""Modules that lie in a workspace are never imported, whichever program of the course runs."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from helpers.common.errors import CourseError
from helpers.common.fairseq import run
from helpers.common.files import PROJECT
from helpers.common.foreign_code import UNSAFE
from helpers.models import checkpoints
from helpers.workflow.workspace import Workspace
from tests.support import road
from tests.support.hostile import CreatesAFile

NAMES = ("regex", "argparse", "numpy", "torch", "hydra", "fairseq", "distributed", "pickle", "json")


@pytest.fixture(autouse=True)
def same_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test changes, and what the course sets, is as before after it."""
    for name in ("PYTHONSAFEPATH", "PYTHONPATH", UNSAFE):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    return tmp_path / "it ran"


def lay(folder: Path, trap: Path) -> Path:
    """Modules by whose import a file appears."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        code = f"open({str(trap)!r}, 'a').write(__file__ + chr(10))\nraise ImportError('a trap')\n"
        (folder / f"{name}.py").write_text(code)
    return folder


def every_folder(workspace: Workspace) -> Iterator[Path]:
    yield workspace.root
    for name in (".unfinished", "mydata", "data-bin", "data-bin/mydata", "checkpoints", "base"):
        yield workspace.root / name


def test_the_trap_works(tmp_path: Path, trap: Path) -> None:
    lay(tmp_path / "there", trap)
    subprocess.run([sys.executable, "-c", "import regex"], cwd=tmp_path / "there", check=False)
    assert trap.exists()


def test_fairseqs_encoder_imports_nothing_from_the_workspace(
    started: Workspace, trap: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    road.do(started, "split")
    for folder in every_folder(started):
        lay(folder, trap)
    monkeypatch.setenv("PYTHONPATH", f"{os.pathsep}.")  # as a line in ~/.bashrc often leaves it
    road.do(started, "encode", engine="fairseq")
    for folder in every_folder(started):
        lay(folder, trap)
    road.do(started, "binarize", engine="fairseq")
    assert not trap.exists(), trap.read_text()


def test_hydras_training_imports_nothing_from_the_folder_it_changes_to(
    tmp_path: Path, trap: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from helpers.training.command import CONFIG_FILE, train_command

    folder = lay(tmp_path / "checkpoints", trap)
    monkeypatch.setenv("PYTHONPATH", os.pathsep)
    command = train_command(CONFIG_FILE, {"hydra.run.dir": folder, "task.data": folder})
    with pytest.raises(CourseError, match="fairseq-hydra-train ended with exit code 1"):
        run(command, folder / "train.log")  # most settings are missing
    assert "with --max-tokens or --batch-size" in (folder / "train.log").read_text("utf-8")
    assert not trap.exists(), trap.read_text()


def test_a_child_reads_checkpoints_safely(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(UNSAFE, "1")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(("", "here", str(PROJECT))))
    code = "import json, os, sys; print(json.dumps([dict(os.environ), sys.path]))"
    run([sys.executable, "-c", code], tmp_path / "log")
    environment, path = json.loads((tmp_path / "log").read_text())
    assert UNSAFE not in environment
    assert environment["PYTHONPATH"] == str(PROJECT)
    assert "" not in path and str(tmp_path) not in path


def test_this_process_reads_checkpoints_safely(
    tmp_path: Path, trap: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (UNSAFE, "TORCH_FORCE_WEIGHTS_ONLY_LOAD"):
        monkeypatch.setenv(name, "1")
    torch.save({"model": {}, "cfg": {}, "extra": CreatesAFile(trap)}, tmp_path / "model.pt")
    with pytest.raises(CourseError, match=r"it asks to run .*system"):
        checkpoints.read(tmp_path / "model.pt")
    assert not trap.exists() and UNSAFE not in os.environ


@pytest.mark.parametrize(
    "words",
    [("check",), ("prepare", "--shards", "2", "--workers", "2")],
    ids=lambda words: words[0],
)
def test_whoever_stands_in_a_workspace_imports_nothing_from_it(
    started: Workspace, trap: Path, words: tuple[str, ...]
) -> None:
    """Neither the environment's check nor Dask's workers."""
    if words[0] == "prepare":
        road.do(started, "split")
    lay(started.root, trap)
    done = subprocess.run(
        [sys.executable, "-m", "helpers", words[0], "--workspace", started.root, *words[1:]],
        cwd=started.root,
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert not trap.exists(), trap.read_text()
