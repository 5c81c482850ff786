"""Choices that fairseq itself carries out: real trainings of a few updates."""

import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from helpers.common.errors import CourseError, StageStale
from helpers.common.progress import Progress
from helpers.ids.binary_files import HEADER
from helpers.models.summaries import summary
from helpers.stages import finetune
from helpers.stages.road import ROAD
from helpers.training.log.events import LOG, events, stopped_early
from helpers.training.plan.data import read_data
from helpers.training.runs.folders import BEST, LAST
from helpers.training.runs.resume import keep_newest
from helpers.workflow.settings import ConvertSettings
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace
from tests.support.small import SHORT

NO_RATE = 1e-9  # so that no validation is better than the one before
OPTIONS = (  # far out, each of them
    *("optimizer.adam_betas=(0,0.99999)", "optimizer.adam_eps=1e-12", "optimizer.use_old_adam=y"),
    *("model.encoder_layerdrop=0.9", "model.activation_dropout=0.9"),
    *("dataset.data_buffer_size=0", "dataset.curriculum=1000000000"),
    *("task.random_token_prob=0.5", "task.leave_unmasked_prob=0.5"),
    "common.empty_cache_freq=1",
    *("lr_scheduler.power=0", f"lr_scheduler.end_learning_rate={NO_RATE}"),
)


@pytest.fixture
def work(small: Workspace, tmp_path: Path) -> Workspace:
    """A copy in which something else was trained."""
    return Workspace(shutil.copytree(small.root, tmp_path / "O'Brien 的 work"))


def said(work: Workspace) -> str:
    return (work.checkpoints / LOG).read_text("utf-8")


def forgotten(work: Workspace) -> None:
    """The record knows no more that it was trained."""
    record = work.record
    del record.stages["finetune"]
    record.save()


def test_single_lines_with_other_options_end_early_and_stay_ended(work: Workspace) -> None:
    settings = FinetuneSettings(
        max_update=100,
        validate_every=3,
        max_tokens=512,
        lr=NO_RATE,
        patience=2,
        keep_checkpoints=1,
        sample_break_mode="eos",
        mask_prob=0.3,
        extra=OPTIONS,
    )
    report = ROAD.run("finetune", work, settings)
    assert report.updates == summary(work.checkpoints / LAST).updates == 6 < settings.max_update
    assert [update for update, _ in report.valid_curve] == [3, 4, 6], "after an epoch, too"
    assert "Ended after 6 of 100 updates, as patience = 2 asks" in report.notes[-2]
    kept = [file.name for file in work.checkpoints.glob("checkpoint_*_*.pt")]
    assert len(kept) == 1 and kept[0].endswith("_3.pt"), "the one at 6 is the last"
    assert f"Kept beside the best and the last: {kept[0]}." in report.notes

    log = said(work)
    assert f"loaded 39 blocks from: {work.data_bin / 'valid'}" in log, "as many as it has lines"
    assert "'adam_betas': [0.0, 0.99999]" in log and "'mask_prob': 0.3" in log
    assert "'encoder_layerdrop': 0.9" in log and "'cpu': True" in log and "'power': 0.0" in log

    before = (work.checkpoints / LAST).read_bytes()
    forgotten(work)
    again = ROAD.run("finetune", work, settings)
    assert again.updates == 6 and not any("continued" in note for note in again.notes)
    assert (work.checkpoints / LAST).read_bytes() == before and said(work) == log


def test_at_each_epoch_the_numbers_stay(work: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """fairseq says each time that it begins."""
    told, update = [], Progress.update
    monkeypatch.setattr(Progress, "update", lambda *given: told.append(given[2]) or update(*given))
    ROAD.run("finetune", work, SHORT.model_copy(update={"max_update": 7, "seed": 2}))
    assert said(work).count("Start iterating over samples") == 3
    first, *others = told
    assert "first numbers" in first and others
    assert all("loss" in each for each in others)


def test_general_text_is_trained_on_and_its_files_are_inputs(
    work: Workspace, tmp_path: Path
) -> None:
    file = tmp_path / "general 通用.txt"
    file.write_text("Something else altogether.\n\n别的东西。\n", "utf-8")
    settings = SHORT.model_copy(update={"replay": 0.25, "replay_files": (str(file),)})
    planned = ROAD.plan("finetune", work, settings)
    report = ROAD.run("finetune", work, settings)
    assert 0.25 <= report.replayed < 0.27
    assert report.notes[-1].startswith(f"Replay: {report.replayed:.1%} of the text to train on")
    assert str(file) in report.notes[-1]
    folder = work.training / "data"
    assert f"from: {folder / 'train1'}" in said(work), "fairseq has read both as one"
    told = events(work.checkpoints / LOG)
    first_pass = next(event.values for event in told if event.kind == "train")
    assert sum(event.kind == "valid" for event in told) == planned.validations
    assert f"loaded {planned.data.samples:,} blocks from: {folder / 'train'}" in said(work)
    assert first_pass["train_num_updates"] == planned.data.updates
    assert first_pass["train_wpb"] == pytest.approx(planned.tokens_per_update, abs=0.06)
    assert not folder.exists() and not (work.checkpoints / "data").exists()
    assert ROAD.is_done("finetune", work, settings)
    assert ROAD.plan("finetune", work, settings).done == SHORT.max_update
    record = work.record
    record.entry("split").settings["unit"] = "line"  # and general text is read so, too
    record.save()
    assert not ROAD.is_done("finetune", work, settings)
    assert ROAD.plan("finetune", work, settings).done == 0
    record.entry("split").settings["unit"] = "blank-line"
    record.save()

    forgotten(work)
    again = ROAD.run("finetune", work, settings)
    assert (again.replayed, again.notes[-1]) == (report.replayed, report.notes[-1])
    file.write_text("Changed since.\n")
    with pytest.raises(StageStale, match="has changed since 04_finetune"):
        ROAD.run("convert", work, ConvertSettings())


@pytest.mark.parametrize(("number", "left"), [(0, []), (2, [20, 30]), (3, [10, 20, 30]), (4, None)])
def test_no_more_checkpoints_go_than_are_too_many(tmp_path: Path, number, left) -> None:
    for updates in (10, 20, 30):
        (tmp_path / f"checkpoint_1_{updates}.pt").touch()
    kept = [f"checkpoint_1_{updates}.pt" for updates in left or (10, 20, 30)] if number else []
    said = [f"Kept beside the best and the last: {', '.join(kept)}."] if number else []
    assert keep_newest(tmp_path, number) == said
    assert sorted(file.name for file in tmp_path.iterdir()) == kept


def test_what_a_log_says_of_its_end(tmp_path: Path) -> None:
    log = tmp_path / LOG
    assert not stopped_early(log)
    end = "[…] - early stop since valid performance hasn't improved for last 2 runs\n"
    begin = "[…] - Start iterating over samples\n"
    path = f"[…] - Saved checkpoint /{end.removeprefix('[…] - ')}"
    cases = {begin: 0, begin + end: 2, begin + end + begin: 0, begin + path: 0, end[:-9]: 0}
    for text, patience in cases.items():
        log.write_text(text, "utf-8")
        assert stopped_early(log) == patience


def test_lines_of_any_length_are_cut_where_that_is_asked_for(work: Workspace) -> None:
    for mode in ("complete", "complete_doc", "eos"):
        settings = FinetuneSettings(max_tokens=16, sample_break_mode=mode)
        read_data(work, settings)
    index = work.data_bin / "train.idx"
    raw = bytearray(index.read_bytes())
    sizes = np.frombuffer(raw, "<i4", 20, HEADER.size)
    sizes[0] += sum(sizes[1:]) - 19  # twenty lines as one of many tokens, and nineteen blank ones
    sizes[1:] = 1
    index.write_bytes(raw)
    read_data(work, FinetuneSettings(max_tokens=16, sample_break_mode="none"))
    with pytest.raises(CourseError, match="Line 1 of train has") as caught:
        read_data(work, FinetuneSettings(max_tokens=16))
    assert "sample_break_mode = 'none' cuts lines" in caught.value.hint


@pytest.mark.skipif(
    any(map(find_spec, finetune.TENSORBOARDS)), reason="a package for TensorBoard is installed"
)
def test_without_its_package_tensorboard_is_refused_before_anything_begins(
    work: Workspace,
) -> None:
    settings = SHORT.model_copy(update={"tensorboard": True, "lr": 1e-4})
    with pytest.raises(CourseError, match="neither is installed here"):
        ROAD.run("finetune", work, settings)
    assert not work.training.exists() and (work.checkpoints / BEST).is_file()


@pytest.mark.skipif(
    not any(map(find_spec, finetune.TENSORBOARDS)), reason="no package for TensorBoard is installed"
)
def test_tensorboard_finds_the_curves_beside_the_checkpoints(work: Workspace) -> None:
    ROAD.run("finetune", work, SHORT.model_copy(update={"tensorboard": True, "lr": 1e-4}))
    for curve in ("train", "train_inner", "valid"):
        assert any((work.checkpoints / "tensorboard" / curve).glob("events.out.tfevents.*"))


def test_files_for_a_replay_of_nothing_are_refused(work: Workspace) -> None:
    with pytest.raises(CourseError, match="replay = 0 uses none of it"):
        ROAD.run("finetune", work, FinetuneSettings(replay_files=("texts",)))


def test_options_are_refused_before_the_steps_that_come_first(work: Workspace) -> None:
    wrong = FinetuneSettings(extra=["optimizer.adam_esp=1"])
    with pytest.raises(CourseError, match=r"no option optimizer\.adam_esp"):
        ROAD["finetune"].check(work, wrong)
    with pytest.raises(CourseError, match=r"no option optimizer\.adam_esp"):
        ROAD.run("finetune", work, wrong)
    assert not work.training.exists()
