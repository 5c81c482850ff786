"""Trainings side by side: what differs in their settings, their curves, and what is said."""

import dataclasses
import html
import re
import shutil
from pathlib import Path

import pytest

from helpers.common.errors import CourseError
from helpers.training.log.events import LOG
from helpers.training.runs.compare import CHANCE, Comparison, Trained, _notes, compare_runs
from helpers.training.runs.run import RUN, Computed, Run, written
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace

LINE = '[2026-01-02 00:00:00,0][{}][INFO] - {{"{}loss": "{}", "{}num_updates": "{}"}}\n'
DATA = {"train.bin": "t", "valid.bin": "v", "valid.idx": "i", "dict.txt": "d"}
PLAIN = Run(base="b", data=DATA, settings=FinetuneSettings().of_the_result())


def trained(
    folder: Path, losses: dict[int, float], of: Run | None = PLAIN, **settings: object
) -> Path:
    """A folder as a training leaves it, but for its checkpoints."""
    folder.mkdir(parents=True)
    log = "".join(
        LINE.format(kind, before, loss + more, before, update)
        for update, loss in losses.items()
        for kind, before, more in (("train_inner", "", 0.5), ("valid", "valid_", 0))
    )
    (folder / LOG).write_text(log)
    if of:
        dataclasses.replace(of, settings=of.settings | settings).write(folder)
    return folder


def rows(comparison: Comparison) -> list[dict[str, object]]:
    head, found = comparison.table()
    return [dict(zip(head, row, strict=True)) for row in found]


def test_one_alone_has_nothing_to_be_compared_with(small: Workspace) -> None:
    found = compare_runs(small)
    assert found.trainings[0].is_done
    (row,) = rows(found)
    report = small.record.stages["finetune"].report
    assert row == {
        "training": "checkpoints",
        "updates": report["updates"],
        "lowest validation loss (bits)": report["best_loss"],
        "at update": report["best_update"],
    }
    assert found.notes == ("There is nothing to compare it with yet: train with other settings.",)


def test_of_one_workspace_all_are_compared(workspace: Workspace) -> None:
    work = workspace
    trained(work.checkpoints, {10: 9.0, 20: 7.5, 30: 8.0}, lr=2e-3)
    trained(work.root / "checkpoints.lr-0.001", {10: 9.5, 20: 8.5, 30: 8.5})
    trained(work.root / "checkpoints.old-1", {10: 9.6}, max_update=10)
    trained(work.training, {}, lr=3e-3)
    found = compare_runs(work)
    loss = "lowest validation loss (bits)"
    by_name = {row["training"]: row for row in rows(found)}
    assert [*by_name][:: len(by_name) - 1] == ["checkpoints", "checkpoints.unfinished"]
    assert by_name["checkpoints"] == {
        "training": "checkpoints",
        "max_update": 500,
        "lr": 2e-3,
        "updates": 30,
        loss: 7.5,
        "at update": 20,
    }
    assert by_name["checkpoints.lr-0.001"]["at update"] == 30  # fairseq keeps the last of equals
    assert by_name["checkpoints.old-1"]["max_update"] == 10
    assert by_name["checkpoints.unfinished"][loss] is None
    assert found.notes == ("checkpoints.unfinished has no validation loss in its log.", CHANCE)
    page = html.unescape(found._repr_html_())
    assert re.search("<img [^>]*alt='Validation loss of each training", page)
    assert "checkpoints.lr-0.001" in page and "checkpoints.lr-0.001" in str(found)


def test_what_went_on_is_told(workspace: Workspace) -> None:
    trained(
        workspace.checkpoints, {10: 9.0}, dataclasses.replace(PLAIN, went_on_after=((5, 5), (7, 7)))
    )
    trained(workspace.root / "checkpoints.1", {10: 9.0})
    name = "went on from another max_update after"
    assert [row[name] for row in rows(compare_runs(workspace))] == [[5, 7], None]


def test_what_it_was_computed_in_is_compared_and_not_what_was_asked_for(workspace) -> None:
    """With another device, and another reason, seeds still differ in nothing else."""
    made = {}
    for number, (asked, took, seed) in enumerate(
        [("auto", "bf16", 1), ("bf16", "bf16", 2), ("auto", "fp32", 1)]
    ):
        name = f"checkpoints.{number}"
        its = PLAIN.settings | {"precision": asked, "seed": seed, "max_update": 10}
        how = (Computed(f"device {number}", took, f"reason {number}"),)
        made[name] = dataclasses.replace(PLAIN, settings=its, computed=how)
        trained(workspace.root / name, {10: 9.0 + number}, made[name])
    found = compare_runs(workspace)
    took = {row["training"]: row["precision"] for row in rows(found)}
    assert took == {"checkpoints.0": "bf16", "checkpoints.1": "bf16", "checkpoints.2": "fp32"}
    assert "checkpoints.1 and checkpoints.0 differ in their seed only" in " ".join(found.notes)


@pytest.mark.parametrize(
    ("changed", "settings", "note"),
    [
        ({"base": "c"}, {}, "base models differ"),
        ({"data": DATA | {"valid.bin": "w"}}, {}, "validation texts differ"),
        ({"data": DATA | {"dict.txt": "w"}}, {}, "validation texts differ"),
        ({"data": DATA | {"train.bin": "w"}}, {}, "read different texts, and were validated on"),
        ({}, {"mask_prob": 0.4}, "With another mask_prob validation asks otherwise"),
        ({}, {"mask_prob": 0.4, "seed": 2}, "With another mask_prob validation asks otherwise"),
        ({}, {"seed": 2}, "With another seed validation hides other tokens"),
        ({}, {"lr": 2e-5}, "No two of them are known to differ in their seed only"),
    ],
)
def test_what_cannot_be_compared_is_said(workspace, changed, settings, note) -> None:
    trained(workspace.checkpoints, {10: 9.0}, mask_prob=0.15)
    other = dataclasses.replace(PLAIN, **changed)
    trained(workspace.root / "checkpoints.1", {10: 9.0}, other, **({"mask_prob": 0.15} | settings))
    found = compare_runs(workspace)
    assert note in "".join(found.notes)
    assert len(found.notes) == 1 + ("validated on" in note or "With another seed" in note)


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ([(2, 9.25, {})], "lie 0.250 bits apart: where others lie no further apart"),
        (
            [(2, 9.25, {}), (3, 8.75, {})],
            "lie 0.500 bits apart (mean 9.000, standard deviation 0.250): where",
        ),
        ([(2, 9.25, {}), (2, 5.0, {})], "lie 0.250 bits apart: where"),
        ([(2, 9.25, {}), (3, 5.0, {"lr": 1.0})], "checkpoints and c.0 differ in their seed only"),
        ([(1, 9.25, {})], ""),
        ([(2, 9.25, {"lr": 1.0})], ""),
        ([(2, 9.25, {"max_update": 11})], ""),
    ],
)
def test_how_much_is_chance_is_measured_or_said_to_be_unknown(workspace, others, said) -> None:
    """Of trainings to their ends that differ in nothing else."""
    folders = [workspace.checkpoints, *(workspace.root / f"c.{i}" for i in range(len(others)))]
    given = [(1, 9.0, {}), *others]
    for folder, (seed, loss, settings) in zip(folders, given, strict=True):
        trained(folder, {10: loss}, **({"seed": seed, "max_update": 10} | settings))
    read = [Trained.read(folder.name, folder) for folder in folders]
    notes = " ".join(_notes(read))
    assert (said in notes) if said else ("differ in their seed only, and" not in notes)
    assert (CHANCE in notes) == (not said)


def test_what_patience_has_ended_was_trained_to_its_end(workspace: Workspace) -> None:
    for name, seed in (("checkpoints", 1), ("checkpoints.2", 2)):
        folder = trained(workspace.root / name, {10: 8.0 + seed}, seed=seed, patience=1)
        assert CHANCE in compare_runs(workspace).notes or name == "checkpoints"
        with (folder / LOG).open("a") as log:
            log.write("[…] - early stop since valid performance hasn't improved for last 1 runs\n")
    assert "lie 1.000 bits apart" in " ".join(compare_runs(workspace).notes)


@pytest.mark.parametrize("content", [None, b"\xff\x00", b'{"base": "b"}'])
def test_where_it_is_not_known_how_it_was_trained_that_is_said(workspace, content) -> None:
    trained(workspace.checkpoints, {10: 9.0}, of=None)
    if content is not None:
        (workspace.checkpoints / RUN).write_bytes(content)
    (workspace.checkpoints / LOG).open("ab").write(b'[valid][INFO] - {"valid_loss": "\xff}\n')
    trained(workspace.root / "checkpoints.1", {10: 9.5})
    found = compare_runs(workspace)
    assert [row["at update"] for row in rows(found)] == [10, 10]
    assert [note for note in found.notes if "checkpoints has no run.json" in note]


def test_of_several_workspaces_the_current_ones_are_compared(small, tmp_path) -> None:
    mine = Workspace(tmp_path / "_我的 work")
    settings = written(small.checkpoints).settings | {"seed": 7}
    trained(mine.checkpoints, {3: 9.0, 6: 8.0}, written(small.checkpoints), **settings)
    trained(mine.root / "checkpoints.1", {3: 1.0})
    found = compare_runs(small, mine, str(small.root), small)
    assert [(row["training"], row["seed"]) for row in rows(found)] == [
        (small.name, settings["seed"] - 6),
        (mine.name, 7),
    ]
    assert "<img" in found._repr_html_()


def test_where_there_is_no_training_that_is_said(small: Workspace, workspace: Workspace) -> None:
    for works in ((workspace,), (small, workspace)):
        with pytest.raises(CourseError, match="There is no training in") as error:
            compare_runs(*works)
        assert "04_finetune" in error.value.hint


def test_a_copy_that_a_person_made_is_a_training_too(copied: Workspace) -> None:
    shutil.copytree(copied.checkpoints, copied.root / "checkpoints.before I changed 文")
    found = compare_runs(copied)
    assert [row["training"] for row in rows(found)][1] == "checkpoints.before I changed 文"
    assert found._repr_html_()
