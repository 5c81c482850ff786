"""A training that is killed: it goes on, and comes to the same weights as one that was not."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from helpers.common.errors import CourseError
from helpers.machine.resources import Machine
from helpers.models.summaries import summary
from helpers.stages.finetune import FinetuneReport
from helpers.stages.road import ROAD
from helpers.training.log.events import LOG
from helpers.training.plan import planning
from helpers.training.runs.folders import BEST, LAST
from helpers.training.runs.run import written
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace
from tests.support.killed_fairseq import killed_before
from tests.support.small import SHORT, untrained

# Validated within the first epoch, at its end (update 12), and within the next.
LONGER = FinetuneSettings(max_update=20, validate_every=8, max_tokens=128)


@pytest.fixture(autouse=True)
def saved_after_every_update(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROBERTA_COURSE_SAVE_EVERY", "0")


@pytest.fixture
def ready(small: Workspace, tmp_path: Path) -> Iterator[Workspace]:
    yield untrained(small, tmp_path / "O'Brien 的 work")
    shutil.rmtree(tmp_path)


def trains(workspace: Workspace, settings: FinetuneSettings) -> Callable[[], FinetuneReport]:
    return lambda: ROAD.run("finetune", workspace, settings)


def state(workspace: Workspace, name: str = LAST) -> list[torch.Tensor]:
    """All numbers of a checkpoint: the weights, and what the optimizer knows."""
    found = torch.load(workspace.checkpoints / name, weights_only=False)
    optimizer = found["last_optimizer_state"]["state"].values()
    numbers = [value for each in optimizer for value in each.values()]
    return [*found["model"].values(), *map(torch.as_tensor, numbers)]


def are_equal(one: Workspace, other: Workspace) -> bool:
    pairs = [zip(state(one, n), state(other, n), strict=True) for n in (BEST, LAST)]
    return all(torch.equal(a, b) for pair in pairs for a, b in pair)


def test_killed_again_and_again_it_ends_as_if_nothing_had_been(ready, small) -> None:
    """In the middle of a checkpoint's writing, of its second name, and before it has its name."""
    saved = []
    for step in (5, 9, 9):
        failed = killed_before(step, trains(ready, SHORT))
        saved.append(summary(ready.training / LAST).updates)
        assert "The system killed fairseq" in failed.message
        assert f"{saved[-1]} of 6 updates are saved in checkpoints.unfinished" in failed.hint
        assert not list(ready.training.glob("*.tmp"))
    assert saved == [1, 2, 3]
    report = trains(ready, SHORT)()
    assert "An interrupted run was continued after update 3." in report.notes
    whole = small.record.stages["finetune"].report
    assert [list(point) for point in report.valid_curve] == whole["valid_curve"]
    assert [list(point) for point in report.train_curve] == whole["train_curve"]
    assert are_equal(ready, small)


def test_a_finished_training_goes_on_and_says_what_that_means(small, tmp_path) -> None:
    work = Workspace(shutil.copytree(small.root, tmp_path / "work"))
    longer = SHORT.model_copy(update={"max_update": 10})
    report = trains(work, longer)()
    assert report.updates == 10 and len(state(work))
    assert [update for update, _ in report.valid_curve] == [3, 6, 9, 10]
    assert [update for update, _ in report.train_curve] == [6, 10]
    log = (work.checkpoints / LOG).read_text("utf-8")
    assert f"Loaded checkpoint {work.training / LAST} (epoch 3 @ 6 updates)" in log
    assert written(work.checkpoints).went_on_after == ((6, 6),)
    assert [folder.name for folder in work.root.glob("checkpoints.*")] == [
        "checkpoints.max_update-6"
    ]
    event, kept, *lasting = report.notes
    note = lasting[-1]
    assert event == "It went on from the 6 updates in checkpoints."
    assert kept.endswith("kept in checkpoints.max_update-6.")
    assert "went on after 6 updates that were made for another" in note
    assert "One of 10 updates in one go" in note
    again = trains(work, longer)()
    assert again.reused and again.notes == tuple(lasting)


@pytest.mark.long
def test_with_more_patience_it_goes_on_and_ends_as_if_it_had_had_it_before(small, tmp_path) -> None:
    def settings(patience: int) -> FinetuneSettings:
        few = {"max_update": 50, "validate_every": 2, "lr": 1e-9}
        return SHORT.model_copy(update=few | {"patience": patience})

    work, at_once = (untrained(small, tmp_path / name) for name in ("work", "at once"))
    assert trains(work, settings(2))().updates == 4
    report, whole = trains(work, settings(3))(), trains(at_once, settings(3))()
    assert report.notes[0] == "It went on from the 4 updates in checkpoints."
    assert (report.updates, report.valid_curve) == (whole.updates, whole.valid_curve)
    assert whole.updates == 6 and written(work.checkpoints) == written(at_once.checkpoints)
    assert are_equal(work, at_once)
    shutil.rmtree(tmp_path)


@pytest.fixture(scope="module")
def whole(small: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """One that nothing has stopped, and that saves where it validates only."""
    folder = tmp_path_factory.mktemp("whole")
    work = untrained(small, folder / "work")
    trains(work, LONGER)()
    yield work
    shutil.rmtree(folder)


@pytest.mark.long
@pytest.mark.parametrize("step", range(1, 81, 4))
def test_killed_at_any_change_to_a_checkpoint(ready, whole, step: int) -> None:
    assert killed_before(step, trains(ready, LONGER))
    report = trains(ready, LONGER)()
    reference = whole.record.stages["finetune"].report
    assert [list(point) for point in report.valid_curve] == reference["valid_curve"]
    assert [update for update, _ in report.train_curve] == [10, 20]
    assert report.best_update == reference["best_update"]
    assert are_equal(ready, whole)
    assert not list(ready.checkpoints.glob("*.tmp"))


@pytest.mark.long
def test_on_a_full_disk_the_last_checkpoint_stays_and_with_room_it_goes_on(
    small, disk, monkeypatch
) -> None:
    work = untrained(small, disk(200_000) / "work")
    shutil.rmtree(work.pt)
    shutil.rmtree(work.hf)
    size = (small.checkpoints / LAST).stat().st_size
    used = shutil.disk_usage(work.root).used
    disk((used + size * 3 // 2) // 1024)  # for one checkpoint and half of the next
    with pytest.raises(CourseError, match="Its checkpoints need"):
        trains(work, SHORT)()
    with monkeypatch.context() as patch, pytest.raises(CourseError, match="There is no room"):
        # There was room when it was planned, and something else has filled it since.
        patch.setattr(planning, "machine", lambda folder: Machine("a processor", 10**12, 10**12))
        trains(work, SHORT)()
    assert [file.name for file in work.training.glob("*.pt*")] == [LAST]
    assert summary(work.training / LAST).updates == 1
    disk(200_000)
    report = trains(work, SHORT)()
    assert "An interrupted run was continued after update 1." in report.notes
    assert are_equal(work, small)
