"""Which training a run goes on from, and how that is said; nothing is trained here."""

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.models import checkpoints
from helpers.models.summaries import summary
from helpers.panels.settings.previews import of_finetune
from helpers.training.log.events import LOG
from helpers.training.runs.folders import BEST, LAST, earlier, in_between, unfinished
from helpers.training.runs.going_on import how_it_went, is_done
from helpers.training.runs.resume import begin_or_resume, finish
from helpers.training.runs.run import written
from helpers.workflow.definition import Job
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace
from tests.support.killed import killed


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


@pytest.fixture
def done(copied: Workspace) -> Iterator[Workspace]:
    """One in which six updates were done."""
    yield copied
    shutil.rmtree(copied.root)


def wanted(workspace: Workspace, **changed: object) -> FinetuneSettings:
    """The settings of what was trained, but for some."""
    return FinetuneSettings(**workspace.record.stages["finetune"].settings | changed)


def stopped_there(workspace: Workspace, **settings: object) -> Path:
    """Make the finished training one that was stopped before its end; its folder."""
    made = written(workspace.checkpoints)
    dataclasses.replace(made, settings=made.settings | settings).write(workspace.checkpoints)
    return workspace.checkpoints.rename(workspace.training)


def lose_patience(folder: Path, patience: int) -> None:
    with (folder / LOG).open("a") as log:
        log.write("[…] - early stop since valid performance hasn't improved ")
        log.write(f"for last {patience} runs\n")


def test_a_finished_training_goes_on_in_a_copy(done: Workspace) -> None:
    before = {file.name: file.read_bytes() for file in done.checkpoints.glob("[!.]*")}
    until = written(done.checkpoints).settings["max_update"]
    longer = wanted(done, max_update=until + 3)
    planned = of_finetune(done, longer)
    assert f"goes on from the {until} updates that are saved in checkpoints," in planned
    assert f"changes to that of {until + 3} updates, " in planned
    updates, notes = begin_or_resume(job(done, longer))
    assert updates == until
    assert notes == [f"It went on from the {until} updates in checkpoints."]
    assert {file.name: file.read_bytes() for file in done.checkpoints.glob("[!.]*")} == before
    assert written(done.training).went_on_after == ((until, until),)
    for name in (LAST, BEST, LOG):
        assert (done.training / name).read_bytes() == before[name]
    assert not (done.training / LOG).samefile(done.checkpoints / LOG)
    assert f"{until} updates of it are saved in {done.training.name}" in of_finetune(done, longer)
    assert begin_or_resume(job(done, longer))[1] == [
        f"An interrupted run was continued after update {until}."
    ]
    [note] = finish(done)
    assert note.endswith(f"kept in checkpoints.max_update-{until}.")
    assert [folder.name for folder in earlier(done)] == [f"checkpoints.max_update-{until}"]
    assert written(done.checkpoints).settings["max_update"] == until + 3


@pytest.mark.parametrize("by", [30, 3])  # of 20 more that were asked for first
def test_an_unfinished_one_with_another_max_update_goes_on_in_its_place(done, by: int) -> None:
    until = written(done.checkpoints).settings["max_update"]
    folder, settings = (
        stopped_there(done, max_update=until + 20),
        wanted(done, max_update=until + by),
    )
    before = {file.name: file.read_bytes() for file in folder.glob("*.pt")}
    planned = of_finetune(done, settings)
    assert f"goes on from the {until} updates that are saved in {folder.name}" in planned
    begun = begin_or_resume(job(done, settings))
    assert begun == (until, [f"It went on from the {until} updates in {folder.name}."])
    assert {file.name: file.read_bytes() for file in folder.glob("*.pt")} == before
    assert [path.name for path in done.root.glob("checkpoints*")] == [folder.name]
    assert written(folder).settings == settings.of_the_result()
    [note] = how_it_went(folder, until + by, settings)
    assert f"went on after {until} updates that were made for another max_update" in note
    back = wanted(done, max_update=until + 20)
    assert begin_or_resume(job(done, back))[0] == until
    assert written(folder).went_on_after == (), "nothing was done with the other one"


def test_also_one_that_had_made_room_for_another(done: Workspace) -> None:
    until = written(done.checkpoints).settings["max_update"]
    stopped_there(done, max_update=until + 20)
    assert begin_or_resume(job(done, wanted(done, lr=1e-4)))[0] == 0
    (done.training / LAST).write_bytes(b"weights of another one")
    [aside] = unfinished(done)[1:]
    updates, notes = begin_or_resume(job(done, wanted(done, max_update=until + 30)))
    assert updates == until and notes[1] == f"It went on from the {until} updates in {aside.name}."
    assert "An unfinished training with other settings or data is kept in" in notes[0]
    assert not aside.exists()


@pytest.mark.parametrize("is_aside", [False, True])
@pytest.mark.parametrize("batches", [0, 1])
def test_the_last_checkpoint_is_one_in_between_where_it_goes_on(done, batches, is_aside) -> None:
    """As it would be in one go; it has that name again, and the oldest has to go.

    At the end of an epoch (no batch of the next one is done) fairseq gives it no such name.
    """
    until = written(done.checkpoints).settings["max_update"]
    kept = {"keep_checkpoints": 2, "validate_every": until // 2, "patience": 1}
    folder = stopped_there(done, **kept, max_update=2 * until)
    lose_patience(folder, 1)
    state = checkpoints.read(folder / LAST)
    state["extra_state"]["train_iterator"]["iterations_in_epoch"] = batches
    checkpoints.write(state, folder / "new")  # the file that was read is still in use
    (folder / "new").rename(folder / LAST)
    if not is_aside:  # else it was killed before it was finished
        folder.rename(done.checkpoints)
    more = wanted(done, **kept | {"patience": 2}, max_update=2 * until)
    assert begin_or_resume(job(done, more))[0] == until
    named = [path for path in in_between(done.training) if path.stem.endswith(f"_{until}")]
    assert len(named) == batches
    assert all(path.samefile(done.training / LAST) for path in named)


@pytest.mark.parametrize(
    ("more", "patience", "goes_on", "after", "is_finished"),
    [
        (0, 3, True, False, True),
        (0, 0, True, False, False),
        (8, 2, True, True, True),
        (8, 2, True, True, False),
        (-8, 3, True, True, False),
        (-8, 2, False, False, True),
        (8, 1, False, False, True),
        (0, 1, False, False, False),
    ],
)
def test_what_patience_has_ended_goes_on_with_more_of_something(
    done: Workspace, more: int, patience: int, goes_on: bool, after: bool, is_finished: bool
) -> None:
    """It was to have ten more updates, and ended after two validations."""
    until = written(done.checkpoints).settings["max_update"]
    folder = stopped_there(done, max_update=until + 10, patience=2)
    lose_patience(folder, 2)
    as_it_was = wanted(done, max_update=until + 10, patience=2)
    assert is_done(folder, until, as_it_was)
    folder = folder.rename(done.checkpoints) if is_finished else folder
    assert f"It is done, and kept in {folder.name}" in of_finetune(done, as_it_was)
    settings = wanted(done, max_update=until + 10 + more, patience=patience)
    assert (f"updates that are saved in {folder.name}" in of_finetune(done, settings)) == goes_on
    for _ in range(2):  # the second time after a kill, before fairseq has said anything
        updates, _ = begin_or_resume(job(done, settings))
        assert updates == until * goes_on
        assert not is_done(done.training, updates, settings)
    assert written(done.training).went_on_after == ((until, until + 10),) * after
    assert written(done.training).settings == settings.of_the_result()
    if goes_on:
        lose_patience(done.training, patience)
        assert is_done(done.training, until + 1, settings) == (patience > 0)


@pytest.mark.parametrize("changed", [{"lr": 1e-4}, {"max_update": 5}])
def test_another_training_begins_at_the_base(done: Workspace, changed: dict) -> None:
    assert "oes on" not in of_finetune(done, wanted(done, **changed))
    assert begin_or_resume(job(done, wanted(done, **changed))) == (0, [])
    assert not list(done.training.glob("*.pt"))


def test_a_smaller_max_update_than_what_is_done_begins_at_the_base_and_that_is_said(done) -> None:
    until = written(done.checkpoints).settings["max_update"]
    stopped_there(done, max_update=until + 20)
    updates, [note] = begin_or_resume(job(done, wanted(done, max_update=until - 1)))
    assert updates == 0
    assert note.endswith(f"is kept in checkpoints.unfinished.max_update-{until + 20}.")


def longer_one(workspace: Workspace) -> FinetuneSettings:
    made = written(workspace.checkpoints).settings
    return wanted(workspace, max_update=2 * made["max_update"])


def test_with_force_a_longer_one_begins_at_the_base(done: Workspace) -> None:
    longer = longer_one(done)
    assert begin_or_resume(job(done, longer, force=True)) == (0, [])
    until = written(done.checkpoints).settings["max_update"]
    assert finish(done) == [
        f"The checkpoints of the training before are kept in checkpoints.max_update-{until}."
    ]


@pytest.mark.parametrize("lost", ["half", "not there"])
def test_where_the_last_checkpoint_is_lost_another_one_goes_on(done: Workspace, lost: str) -> None:
    lose(done.checkpoints / LAST, lost)
    until, longer = written(done.checkpoints).settings["max_update"], longer_one(done)
    assert f"goes on from the {until} updates that are saved in checkpoints," in of_finetune(
        done, longer
    )
    assert begin_or_resume(job(done, longer)) == (
        until,
        [
            f"It went on from the {until} updates in checkpoints.",
            f"{LAST} could not be used; {BEST} took its place.",
        ],
    )


def test_where_no_checkpoint_can_be_used_it_begins_at_the_base_and_says_so(done: Workspace) -> None:
    lose(done.checkpoints / LAST, "not there")
    lose(done.checkpoints / BEST, "half")
    longer = longer_one(done)
    assert "goes on from" not in of_finetune(done, longer)
    said = "No checkpoint in checkpoints could be used: the training began anew."
    assert begin_or_resume(job(done, longer)) == (0, [said])


def lose(file: Path, how: str) -> None:
    """A second name of it stays as it was."""
    content = file.read_bytes()
    file.unlink()
    if how == "half":
        file.write_bytes(content[:1000])


def test_of_several_the_furthest_goes_on(done: Workspace) -> None:
    """Also one that has made room for another in the meantime."""
    made = written(done.checkpoints)
    until = made.settings["max_update"]
    shutil.copytree(done.checkpoints, done.root / "checkpoints.old-1")
    shorter = dataclasses.replace(made, settings=made.settings | {"max_update": until - 1})
    shorter.write(done.checkpoints)
    for name in (LAST, BEST):
        lose(done.checkpoints / name, "half")
    updates, notes = begin_or_resume(job(done, longer_one(done)))
    assert updates == until and "in checkpoints.old-1." in notes[0]
    assert finish(done) == [
        f"The checkpoints of the training before are kept in checkpoints.max_update-{until - 1}."
    ]


@pytest.mark.parametrize("is_finished", [True, False])
def test_killed_while_it_begins_to_go_on(done: Workspace, is_finished: bool) -> None:
    """At each change to the disk; then it goes on all the same."""
    longer, step, kept = longer_one(done), 1, done.checkpoints
    asked = dataclasses.replace(written(kept), settings=longer.of_the_result())
    last = summary(kept / LAST).updates
    if not is_finished:
        stopped_there(done, max_update=last + 1).rename(done.root / "checkpoints.unfinished.1")
        kept = done.root / "checkpoints.unfinished.1"
    while killed(lambda: begin_or_resume(job(done, longer)), step):
        assert summary(kept / LAST).updates == last
        assert not done.training.exists() or asked.is_same(written(done.training))
        step += 1 if step < 4 else 5
    assert begin_or_resume(job(done, longer))[0] == last
    assert written(done.training).went_on_after == ((last, last + (not is_finished)),)
    assert [path.name for path in done.root.glob("checkpoints.*")] == [done.training.name]
