"""The folders of a workspace's trainings: their names, and what was made from the same."""

import dataclasses
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.training.runs.folders import LAST, earlier, keep, name_beside, unfinished
from helpers.training.runs.run import RUN, Computed, Run, written
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace

PLAIN = Run(base="b", data={"valid.bin": "v"}, settings=FinetuneSettings().of_the_result())


def other(**settings: object) -> Run:
    return dataclasses.replace(PLAIN, settings=PLAIN.settings | settings)


def trained(folder: Path, run: Run) -> Path:
    run.write(folder)
    (folder / LAST).write_bytes(b"weights")
    return folder


@pytest.mark.parametrize(
    ("successor", "name"),
    [
        (other(lr=2e-3), "checkpoints.lr-0.001"),
        (other(lr=1e-5, max_update=1000), "checkpoints.max_update-500,lr-0.001"),
        (dataclasses.replace(PLAIN, base="c"), "checkpoints.other-base"),
        (dataclasses.replace(other(lr=1), data={}), "checkpoints.other-data,lr-0.001"),
        (PLAIN, "checkpoints.1"),
        (None, "checkpoints.1"),
    ],
)
def test_a_name_says_what_the_next_one_has_not(workspace, successor, name) -> None:
    assert keep(trained(workspace.checkpoints, PLAIN), successor).name == name
    assert written(workspace.root / name) == PLAIN
    again = keep(trained(workspace.checkpoints, PLAIN), successor).name
    assert again == ("checkpoints.2" if name == "checkpoints.1" else f"{name}-2")
    assert [folder.name for folder in earlier(workspace)] == [name, again]


def test_those_that_were_not_finished_have_names_too(workspace: Workspace) -> None:
    assert unfinished(workspace) == []
    kept = keep(trained(workspace.training, PLAIN), other(seed=2))
    assert kept.name == "checkpoints.unfinished.seed-1"
    trained(workspace.training, other(seed=2))
    assert unfinished(workspace) == [workspace.training, kept]
    assert earlier(workspace) == []


def test_the_names_of_earlier_versions_are_known(workspace: Workspace) -> None:
    old = trained(workspace.root / "checkpoints.old-1", PLAIN)
    aside = trained(workspace.root / "checkpoints.unfinished.old-1", PLAIN)
    (workspace.root / "checkpoints.txt").touch()
    assert earlier(workspace) == [old] and unfinished(workspace) == [aside]


VALUES = st.one_of(st.text(), st.floats(), st.booleans(), st.lists(st.text()), st.none())


@given(st.dictionaries(st.text(), VALUES, max_size=30))
def test_every_file_system_can_have_the_names(settings: dict) -> None:
    name = name_beside(dataclasses.replace(PLAIN, settings=settings), PLAIN)
    assert len(name) <= 60 and bool(name) == bool(settings)
    assert not name or re.fullmatch(r"[A-Za-z0-9_+]|[A-Za-z0-9._+][A-Za-z0-9._+,-]*[\w+]", name)


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"\xff", b"[1]", b"null", b"{}", b"[" * 100_000),
        b'{"base": 1, "data": [], "settings": {}}',
        b'{"base": "b", "data": {}, "settings": {}, "went_on_after": "x"}',
    ],
)
def test_what_is_no_record_of_a_training_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / RUN).write_bytes(content)
    assert written(tmp_path) is None
    assert keep(tmp_path, PLAIN).name == f"{tmp_path.name}.1"


def test_a_setting_that_did_not_exist_yet_had_its_default(tmp_path: Path) -> None:
    content = dataclasses.asdict(PLAIN)
    del content["settings"]["dropout"], content["went_on_after"]
    (tmp_path / RUN).write_text(json.dumps(content | {"later": 1}))
    assert PLAIN.is_same(written(tmp_path))


@pytest.mark.parametrize(
    ("changed", "goes_on"),
    [
        ({"max_update": 501}, True),
        ({"max_update": 499}, True),
        ({"patience": 3}, True),
        ({"patience": 0}, True),
        ({"max_update": 501, "patience": 1}, False),
        ({"max_update": 501, "lr": 1e-5}, False),
    ],
)
def test_only_one_that_is_the_same_but_for_its_end_goes_on(changed: dict, goes_on: bool) -> None:
    made = other(patience=2)
    wanted = dataclasses.replace(made, settings=made.settings | changed)
    assert wanted.goes_on(made) == goes_on
    assert dataclasses.replace(wanted, went_on_after=((7, 7),)).goes_on(made) == goes_on
    for settings in ({}, made.settings | {"max_update": "9"}):
        assert not wanted.goes_on(dataclasses.replace(made, settings=settings))
    assert not wanted.goes_on(dataclasses.replace(made, base="c"))
    assert not wanted.goes_on(dataclasses.replace(made, data={}))
    assert not wanted.goes_on(None)


@pytest.mark.parametrize("begun", ["auto", "fp32", "bf16"])
def test_one_that_was_computed_in_two_precisions_is_not_the_one_of_either(begun: str) -> None:
    def computed(*names: str) -> Run:
        how = tuple(Computed("a device", name, "for a reason") for name in names)
        return dataclasses.replace(other(precision=begun), computed=how)

    for wanted in ("fp32", "bf16"):
        assert not other(precision=wanted).is_same(computed("bf16", "fp32"))
        assert other(precision=wanted).is_same(computed(wanted))
    assert other(precision="auto").is_same(computed("bf16", "fp32"))


def test_the_same_options_in_another_order_are_the_same_training(workspace: Workspace) -> None:
    given_ = ["optimizer.adam_eps=1e-8", "lr_scheduler.power=2", "common.wandb_project= a"]
    other_ = ["common.wandb_project=a", "lr_scheduler.power=2.0", "optimizer.adam_eps=0.00000001"]
    different = ["common.wandb_project=b", *other_[1:]]
    made = []
    for number, extra in enumerate((given_, other_, different)):
        folder = workspace.root / f"{number}"
        other(extra=extra).write(folder)
        made.append(written(folder))
    assert made[0].is_same(made[1]) and not made[0].is_same(made[2])
