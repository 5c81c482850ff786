"""A training as somebody sees it who looks in: its curve, out of the log that is still written."""

import json
from pathlib import Path

import pytest

from helpers.common.progress import Standing, _watcher
from helpers.stages.road import ROAD
from helpers.training.log.events import LOG
from helpers.training.runs.watching import Watched, at_rest, left, report
from helpers.workflow.workspace import Workspace

LINE = '[time][train_inner][INFO] - {{"loss": "{}", "num_updates": "{}", "lr": "1e-3"}}\n'


def tell(done: int) -> None:
    """Write into the lock how far it is, as a bar does."""
    told = _watcher.get()
    told.written = 0.0
    told(Standing("updates", 0, done, 500, 1.0, 0.0, "loss 8.00 bits"))


def write(workspace: Workspace, *updates: int) -> Path:
    log = workspace.training / LOG
    log.parent.mkdir(exist_ok=True)
    with log.open("a") as file:
        file.writelines(LINE.format(9 - u / 100, u) for u in updates)
    return log


def test_the_curve_grows_with_the_log_and_begins_anew_with_another(workspace: Workspace) -> None:
    watched = Watched(workspace)
    assert watched.look() is None and watched.picture() == "" and watched.ended() is None
    with workspace.lock("finetune"):
        log = write(workspace, 10, 20)
        assert watched.look().stage == "finetune"
        assert watched.picture() == ""  # it has not said yet how far it is
        tell(20)
        watched.look()
        first = watched.picture()
        assert "training 8.80 at update 20" in first
        assert watched.picture() is first
        write(workspace, 30)
        assert "training 8.70 at update 30" in watched.picture()
        assert watched.curve.last == 500
        log.unlink()
        write(workspace, 10, 20)
        assert watched.picture() == ""
        assert "at update 20" in watched.picture()
        assert watched.curve.points["training"] == [(10, 8.9), (20, 8.8)]
    assert watched.look() is None and watched.ended().ended == "done"
    with workspace.lock("finetune"):
        assert watched.ended() is None  # that is another one
        assert watched.look() and watched.picture() == ""


def test_the_bar_of_another_stage_has_no_curve(workspace: Workspace) -> None:
    with workspace.lock("base"):  # which trains, too, with a log elsewhere
        write(workspace, 10, 20)
        tell(20)
        watched = Watched(workspace)
        assert watched.look().standing and watched.picture() == ""


def test_a_report_that_this_version_cannot_read_is_left_out(workspace: Workspace) -> None:
    assert report(ROAD, workspace, "split") is None
    assert left(workspace) == ""
    workspace.root.mkdir()
    assert "Nothing was done in it yet." in at_rest(ROAD, workspace)
    record = workspace.record_file
    made = '{"stages": {"split": {"report": {"unknown": 1}, "finished": "2026-01-02 03:04:05"}}}'
    record.write_text(made)
    assert report(ROAD, workspace, "split") is None
    assert "Done last: split, 2026-01-02 03:04:05" in at_rest(ROAD, workspace)


@pytest.mark.parametrize("first", ["convert", "evaluate"])
def test_of_what_was_done_within_one_second_the_later_on_the_road_was_last(
    workspace: Workspace, first: str
) -> None:
    names = [first, *{"convert", "evaluate"} - {first}]
    workspace.root.mkdir()
    stages = {name: {"finished": "2026-01-02 03:04:05"} for name in names}
    workspace.record_file.write_text(json.dumps({"stages": stages}))
    assert "Done last: evaluate," in at_rest(ROAD, workspace)
