"""Files that a student has put in the place of outputs: used with a note, never overwritten."""

import pytest

from helpers.common.errors import CourseError
from helpers.common.symbols import SPLITS
from helpers.workflow.workspace import Workspace
from tests.support.road import do, state, text


def own_splits(workspace: Workspace, splits: tuple[str, ...] = SPLITS) -> dict:
    workspace.raw("train").parent.mkdir(parents=True, exist_ok=True)
    for split in splits:
        workspace.raw(split).write_text(f"my own {split} line\n\nand another\n", "utf-8")
    return state(workspace, "split")


@pytest.mark.parametrize("before", ["nothing was made", "split was run"])
def test_own_files_are_used_with_a_note_and_not_touched(started, before):
    if before == "split was run":
        do(started, "split")
    mine = own_splits(started)
    for seed in (1, 2):
        report = do(started, "split", seed=seed)
        assert "Your own files are used" in str(report)
        assert report.documents == (2, 2, 2)
    assert state(started, "split") == mine
    report = do(started, "encode")
    assert "Used as it is, because no finished step" in str(report)
    assert sum(report.lines) == 9


def test_own_files_are_used_without_what_they_could_have_been_made_from(workspace):
    mine = own_splits(workspace)
    assert do(workspace, "split").documents == (2, 2, 2)
    do(workspace, "encode")
    assert state(workspace, "split") == mine
    for split in SPLITS:
        workspace.raw(split).unlink()
        workspace.bpe(split).write_text("31373\n", "utf-8")
    own = state(workspace, "encode")
    assert do(workspace, "encode").tokens == (1, 1, 1)
    assert state(workspace, "encode") == own


def test_one_own_file_beside_recorded_ones_is_used_too(road):
    mine = own_splits(road, ("valid",))
    assert "data.valid.raw" in do(road, "split").notes[0]
    assert state(road, "split")["data.valid.raw"] == mine["data.valid.raw"]
    note = "Used as it is, because no finished step of the course made it: mydata/data.valid.raw."
    assert note in do(road, "encode").notes
    assert not do(road, "binarize").reused


def test_an_own_file_beside_missing_ones_is_an_error(started):
    own_splits(started, ("valid",))
    with pytest.raises(CourseError, match=r"data\.train\.raw is missing beside it"):
        do(started, "split")
    assert list(state(started, "split")) == ["data.valid.raw"]


def test_force_sets_own_files_aside_and_deletes_none(started):
    mine = own_splits(started)
    report = do(started, "split", force=True)
    assert "Your own file is kept as mydata/data.train.raw.old-1." in report.notes
    kept = {s: started.raw(s).with_name(f"data.{s}.raw.old-1").read_bytes() for s in SPLITS}
    assert list(kept.values()) == [content for _, content in mine.values()]
    assert state(started, "split") != mine
    assert do(started, "split").reused


def test_many_own_files_give_one_short_note(with_texts):
    workspace = with_texts(**{f"t{i}": text(f"w{i}") for i in range(9)})
    report = do(workspace, "split")
    names = "texts/t0.txt, texts/t1.txt, texts/t2.txt and 6 more"
    assert [note for note in report.notes if names in note and "no finished step" in note]
