"""The folders of a workspace's trainings: their names, and which one a training goes on from."""

import dataclasses
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.models.summaries import summary
from helpers.panels.settings.previews import of_finetune
from helpers.training.runs.folders import RUN, Run, earlier, keep, name_beside, unfinished, written
from helpers.training.runs.resume import BEST, LAST, begin_or_resume, finish
from helpers.workflow.definition import Job
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace
from tests.support.killed import killed
from tests.support.small import SHORT

PLAIN = Run(base="b", data={"valid.bin": "v"}, settings=FinetuneSettings().of_the_result())
LONGER = SHORT.model_copy(update={"max_update": 9})


def other(**settings: object) -> Run:
    return dataclasses.replace(PLAIN, settings=PLAIN.settings | settings)


def trained(folder: Path, run: Run) -> Path:
    run.write(folder)
    (folder / LAST).write_bytes(b"weights")
    return folder


def job(workspace: Workspace, settings: FinetuneSettings, *, force: bool = False) -> Job:
    """What a training is given in a workspace where one was done."""
    known = workspace.record.entry("finetune").inputs
    inputs = {workspace.path(key): print_ for key, print_ in known.items()}
    folder = workspace.scratch / "finetune"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return Job(
        workspace=workspace,
        settings=settings,
        files=[*inputs],
        inputs=inputs,
        folder=folder,
        kept=workspace.kept("finetune"),
        lock=0,
        force=force,
    )


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
    ("longer", "goes_on"),
    [
        (other(max_update=501), True),
        (dataclasses.replace(other(max_update=501), went_on_after=(7,)), True),
        (other(max_update=500), False),
        (other(max_update=499), False),
        (other(max_update=501, lr=1e-5), False),
        (dataclasses.replace(other(max_update=501), base="c"), False),
        (dataclasses.replace(other(max_update=501), data={}), False),
    ],
)
def test_only_a_longer_one_of_the_same_goes_on(longer: Run, goes_on: bool) -> None:
    assert longer.goes_on(PLAIN) == goes_on
    assert not longer.goes_on(None)


@pytest.fixture
def done(copied: Workspace) -> Iterator[Workspace]:
    """One in which six updates were done."""
    yield copied
    shutil.rmtree(copied.root)


def test_a_finished_training_goes_on_in_a_copy(done: Workspace) -> None:
    before = {file.name: file.read_bytes() for file in done.checkpoints.glob("[!.]*")}
    until = written(done.checkpoints).settings["max_update"]
    longer = FinetuneSettings(**written(done.checkpoints).settings | {"max_update": until + 3})
    assert f"Goes on from the finished {until} updates" in of_finetune(done, longer)
    updates, notes = begin_or_resume(job(done, longer))
    assert updates == until
    assert notes == [f"It goes on from the finished {until} updates in checkpoints."]
    assert {file.name: file.read_bytes() for file in done.checkpoints.glob("[!.]*")} == before
    assert written(done.training).went_on_after == (until,)
    for name in (LAST, BEST, "train.log"):
        assert (done.training / name).read_bytes() == before[name]
    assert not (done.training / "train.log").samefile(done.checkpoints / "train.log")
    assert "Goes on" not in of_finetune(done, longer)  # it is begun
    assert begin_or_resume(job(done, longer))[1] == [
        f"An interrupted run was continued after update {until}."
    ]
    [note] = finish(done)
    assert note.endswith(f"kept in checkpoints.max_update-{until}.")
    assert [folder.name for folder in earlier(done)] == [f"checkpoints.max_update-{until}"]
    assert written(done.checkpoints).settings["max_update"] == until + 3


@pytest.mark.parametrize("changed", [{"lr": 1e-4}, {"max_update": 5}])
def test_another_training_begins_at_the_base(done: Workspace, changed: dict) -> None:
    wanted = FinetuneSettings(**written(done.checkpoints).settings | changed)
    assert "Goes on" not in of_finetune(done, wanted)
    assert begin_or_resume(job(done, wanted)) == (0, [])
    assert not list(done.training.glob("*.pt"))


def longer_one(workspace: Workspace) -> FinetuneSettings:
    made = written(workspace.checkpoints).settings
    return FinetuneSettings(**made | {"max_update": 2 * made["max_update"]})


def test_with_force_a_longer_one_begins_at_the_base(done: Workspace) -> None:
    longer = longer_one(done)
    assert begin_or_resume(job(done, longer, force=True)) == (0, [])
    until = written(done.checkpoints).settings["max_update"]
    assert finish(done) == [
        f"The checkpoints of the training before are kept in checkpoints.max_update-{until}."
    ]


@pytest.mark.parametrize("lost", ["half", "not there", "ended before its end"])
def test_what_cannot_go_on_begins_at_the_base(done: Workspace, lost: str) -> None:
    file = done.checkpoints / LAST
    longer = longer_one(done)
    if lost == "half":
        file.write_bytes(file.read_bytes()[:1000])
    elif lost == "not there":
        file.unlink()
    else:  # early
        made = written(done.checkpoints)
        settings = made.settings | {"max_update": made.settings["max_update"] + 1}
        dataclasses.replace(made, settings=settings).write(done.checkpoints)
    assert begin_or_resume(job(done, longer)) == (0, [])


def test_of_several_the_longest_goes_on(done: Workspace) -> None:
    """Also one that has made room for another in the meantime."""
    made = written(done.checkpoints)
    until = made.settings["max_update"]
    shutil.copytree(done.checkpoints, done.root / "checkpoints.old-1")
    shorter = dataclasses.replace(made, settings=made.settings | {"max_update": until - 1})
    shorter.write(done.checkpoints)
    updates, notes = begin_or_resume(job(done, longer_one(done)))
    assert updates == until and "in checkpoints.old-1." in notes[0]
    assert finish(done) == [
        f"The checkpoints of the training before are kept in checkpoints.max_update-{until - 1}."
    ]


def test_killed_while_it_begins_to_go_on(done: Workspace, tmp_path: Path) -> None:
    """At each change to the disk; then it goes on all the same."""
    longer, step = longer_one(done), 1
    wanted = dataclasses.replace(written(done.checkpoints), settings=longer.of_the_result())
    last = summary(done.checkpoints / LAST).updates
    while killed(lambda: begin_or_resume(job(done, longer)), step):
        assert summary(done.checkpoints / LAST).updates == last
        assert not done.training.exists() or wanted.is_same(written(done.training))
        step += 1 if step < 4 else 5
    assert begin_or_resume(job(done, longer))[0] == last
    assert written(done.training).went_on_after == (last,)
    assert [path.name for path in done.root.glob("checkpoints.*")] == [done.training.name]
