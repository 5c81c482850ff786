"""Killed at every single step: nothing looks finished that is not, and running again mends all.

A stage runs in a forked process that is killed (SIGKILL) just before its n-th change to the disk; n
goes from 1 to the last one.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.common.errors import CourseError
from helpers.common.files import files_below
from helpers.common.report import Report
from helpers.stages.road import ROAD
from helpers.workflow.settings import SampleSettings
from helpers.workflow.workspace import Workspace
from tests.support.killed import killed
from tests.support.road import STAGES, begin, do, text


def results(workspace: Workspace) -> dict[str, bytes]:
    """Everything in the workspace that a person would take for finished."""
    finished = {}
    for file in files_below(workspace.root):
        key = workspace.key(file)
        if key != "workspace.json" and not any(part.startswith(".") for part in Path(key).parts):
            finished[key] = file.read_bytes()
    return finished


def sample(*packages: str) -> Callable[[Workspace], Report]:
    return lambda w: ROAD.run("sample", w, SampleSettings(packages=packages))


def prepare(*names: str, **split: object) -> Callable[[Workspace], Report]:
    def work(workspace: Workspace) -> Report:
        return [do(workspace, name, **(split if name == "split" else {})) for name in names][-1]

    return work


def other_texts(*names: str) -> Callable[[Workspace], Report]:
    def work(workspace: Workspace) -> Report:
        (workspace.texts / "b.txt").write_text(text("plum"), "utf-8")
        return prepare(*names)(workspace)

    return work


def small(workspace: Workspace) -> Workspace:
    """The beginning of the road, with a dictionary that is read quickly."""
    begin(workspace).base_dict.write_text("13 1\n18040 1\n25286 1\n16873 1\n", "utf-8")
    return workspace


# What was done before, what is killed, and what comes next on the road.
WORK = {
    "sample": ((), sample("orchard", "garden"), "split"),
    "sample of less": ((sample("orchard", "garden"),), sample("orchard"), "split"),
    "sample of more": ((sample("orchard"),), sample("orchard", "garden"), "split"),
    "split": ((small,), prepare("split"), "encode"),
    "split with another seed": ((small, prepare("split")), prepare("split", seed=2), "encode"),
    "encode": ((small, prepare("split")), prepare("encode"), "binarize"),
    "encode other texts": (
        (small, prepare(*STAGES), other_texts("split")),
        prepare("encode"),
        "binarize",
    ),
    "binarize": ((small, prepare("split", "encode")), prepare("binarize"), None),
    "binarize other texts": (
        (small, prepare(*STAGES), other_texts("split", "encode")),
        prepare("binarize"),
        None,
    ),
    "prepare": ((small, prepare("split")), prepare("prepare"), None),
    "prepare what was binarized": (
        (small, prepare(*STAGES), other_texts("split")),
        prepare("prepare"),
        None,
    ),
}
SAME_STAGE = ("sample of less", "sample of more", "split with another seed")
# One for each kind of work: where there is an old result, more can go wrong.
QUICK = ("split", "split with another seed", "encode other texts")
CASES = [pytest.param(n, marks=() if n in QUICK else pytest.mark.long) for n in WORK]


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two packages with docstrings, installed for this test."""
    for package in ("orchard", "garden"):
        folder = tmp_path / "packages" / package
        folder.mkdir(parents=True)
        for name in ("__init__", "apples", "pears"):
            (folder / f"{name}.py").write_text(f'"""{text(f"{package} {name}")}"""\n')
    monkeypatch.syspath_prepend(tmp_path / "packages")


@pytest.mark.usefixtures("packages")
@pytest.mark.parametrize("name", CASES)
def test_killed_at_any_step_and_run_again(name, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: None)  # a kill loses nothing that was written
    before, work, following = WORK[name]
    start = Workspace(tmp_path / "start")
    start.root.mkdir()
    for step in before:
        step(start)
    old = results(start)
    whole = Workspace(shutil.copytree(start.root, tmp_path / "whole"))
    report = work(whole)
    new = results(whole)
    assert new != old
    step = 1
    while True:
        workspace = Workspace(shutil.copytree(start.root, tmp_path / f"killed {step}"))
        if not killed(lambda w=workspace: work(w), step):
            break
        found = results(workspace)
        for key in old.keys() | new.keys():
            assert found.get(key) in (old.get(key), new.get(key)), (step, key)
        assert found.keys() <= old.keys() | new.keys()
        if following:
            refuse_a_mixture(workspace, following, found in (old, new))
        if name in SAME_STAGE:
            go_back(workspace, before[-1], old)
        again = work(workspace)
        assert results(workspace) == new, step
        assert again.notes == report.notes or again.reused
        assert work(workspace).reused, step
        assert not workspace.scratch.exists()
        shutil.rmtree(workspace.root)
        step += 1
    assert step > 10


def refuse_a_mixture(workspace: Workspace, following: str, uniform: bool) -> None:
    """The next stage, on a copy, must not take files that are half old and half new."""
    copy = shutil.copytree(workspace.root, workspace.root.with_name("next"))
    try:
        do(Workspace(copy), following)
        assert uniform
    except CourseError as error:
        assert "Run the notebook" in error.hint or "txt_files" in error.hint
    finally:
        shutil.rmtree(copy)


def go_back(workspace: Workspace, work: Callable, old: dict[str, bytes]) -> None:
    """On a copy: what was done before is done again, and nothing of the other work stays."""
    copy = Workspace(shutil.copytree(workspace.root, workspace.root.with_name("back")))
    work(copy)
    assert results(copy) == old
    assert work(copy).reused
    shutil.rmtree(copy.root)
