"""Fine-tuning with the real fairseq: what is loaded, resumed, moved aside, and refused."""

import json
import re
import shutil
from pathlib import Path

import pytest
import torch

from helpers.common.errors import CourseError, StageStale
from helpers.ids.dictionary import Dictionary
from helpers.models.summaries import summary
from helpers.stages.road import ROAD
from helpers.training.command import finetune_command
from helpers.training.log.events import LOG, TRAIN, curve, events
from helpers.training.runs.folders import LAST
from helpers.training.runs.resume import _mend, choose_best
from helpers.training.runs.run import written
from helpers.training.train import train
from helpers.workflow.settings import BinarizeSettings, EncodeSettings, SplitSettings
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace
from tests.support.commands import interrupted
from tests.support.small import SHORT, untrained


@pytest.fixture
def ready(small: Workspace, tmp_path: Path) -> Workspace:
    """Everything up to data-bin; nothing was trained."""
    return untrained(small, tmp_path / "O'Brien 的 work")


def test_data_of_ones_own_with_an_index_beyond_the_dictionary_is_refused(ready: Workspace) -> None:
    file = ready.data_bin / "valid.bin"
    file.write_bytes(file.read_bytes()[:-2] + b"\xff\xff")
    with pytest.raises(CourseError, match=r"valid\.bin, line .*the index 65,535 is none"):
        ROAD.run("finetune", ready, SHORT)
    assert not ready.checkpoints.exists() and not ready.training.exists()


@pytest.mark.long
def test_the_largest_seed_is_possible(ready: Workspace) -> None:
    settings = FinetuneSettings(max_update=2, validate_every=2, max_tokens=512, seed=2**31 - 1)
    assert ROAD.run("finetune", ready, settings).updates == 2


def test_no_text_is_left_out_of_training(small: Workspace) -> None:
    """One validation batch with fewer than eight samples: fairseq's default would drop it."""
    assert len(small.record.stages["finetune"].report["valid_curve"]) == 2
    log = (small.checkpoints / "train.log").read_text("utf-8")
    assert "skipped" not in log and "loaded 1 blocks" in log


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_it_starts_from_the_base_and_the_loss_falls(
    course: Workspace, training: FinetuneSettings
) -> None:
    log = (course.checkpoints / "train.log").read_text("utf-8")
    assert re.search(r"Loaded checkpoint /.*/runs/sample/base/model\.pt \(", log)
    found = events(course.checkpoints / "train.log")
    first, last = curve(found, "train_inner")[0], curve(found, "train_inner")[-1]
    assert first[0] == 10 and last[0] == training.max_update
    assert last[1] < first[1] - (0.5 if training.max_update == 500 else 0.2)  # bits
    assert first[1] < 6, "a model that was not loaded would begin at about 15.6 bits"
    validated = [update for update, _ in curve(found, "valid")]
    assert {training.validate_every, training.max_update} <= {*validated}, "and after an epoch"


def test_the_folder_holds_the_two_checkpoints_and_the_record(
    course: Workspace, training: FinetuneSettings
) -> None:
    found = files(course.checkpoints)
    assert {"checkpoint_best.pt", "checkpoint_last.pt", "run.json", "train.log"} <= found
    assert not [name for name in found if name.endswith(".tmp") or name.startswith("checkpoint_1")]
    identity = json.loads((course.checkpoints / "run.json").read_text())
    assert identity["settings"] == training.of_the_result()
    assert set(identity) == {"base", "computed", "data", "settings"}


def test_other_settings_move_the_old_checkpoints_aside_and_begin_at_the_base(
    copied: Workspace,
) -> None:
    work = copied
    before = (work.checkpoints / "checkpoint_last.pt").read_bytes()
    other = SHORT.model_copy(update={"lr": 1e-4})
    report = ROAD.run("finetune", work, other)
    assert report.updates == 6
    assert "checkpoints.lr-0.001" in " ".join(report.notes)
    assert (work.root / "checkpoints.lr-0.001" / "checkpoint_last.pt").read_bytes() == before
    log = (work.checkpoints / "train.log").read_text("utf-8")
    assert f"Loaded checkpoint {work.base_model} (" in log
    assert [path.name for path in work.root.glob("checkpoints.*")] == ["checkpoints.lr-0.001"]
    again = ROAD.run("finetune", work, other)
    assert again.reused and len([*work.root.glob("checkpoints.*")]) == 1


@pytest.mark.parametrize("updates", [1, pytest.param(3, marks=pytest.mark.long)])
def test_the_fewest_updates_have_a_curve_too(ready: Workspace, updates: int) -> None:
    settings = FinetuneSettings(max_update=updates, validate_every=updates, max_tokens=512)
    report = ROAD.run("finetune", ready, settings)
    assert report.updates == updates
    assert [update for update, _ in report.train_curve][-1] == updates
    assert report.valid_curve[-1][0] == updates


def test_an_interrupted_run_goes_on_from_its_last_checkpoint_with_more_updates_too(
    ready: Workspace,
) -> None:
    interrupted(lambda: ROAD.run("finetune", ready, SHORT))
    done = summary(ready.training / LAST).updates
    assert 3 <= done < 6
    report = ROAD.run("finetune", ready, SHORT.model_copy(update={"max_update": 9}))
    log = (ready.checkpoints / LOG).read_text("utf-8")
    assert f"Loaded checkpoint {ready.training / LAST} (epoch" in log
    assert log.count("Loaded checkpoint") == 2
    assert f"It went on from the {done} updates in {ready.training.name}." in report.notes
    assert f"This training went on after {done} updates that were made for" in report.notes[-1]
    assert report.updates == 9 and written(ready.checkpoints).went_on_after == ((done, 6),)
    assert [update for update, _ in report.valid_curve] == [3, 6, 9]
    assert log.count('"valid_num_updates": "') == 3, "none was done twice"
    [rate] = [e.values["lr"] for e in events(ready.checkpoints / LOG) if e.kind == TRAIN]
    assert rate == 0, "with the ninth update"
    assert not list(ready.checkpoints.glob("checkpoint_*_*.pt"))
    assert [folder.name for folder in ready.root.glob("checkpoints*")] == ["checkpoints"]


def test_a_run_that_finished_unrecorded_is_not_trained_once_more(copied: Workspace) -> None:
    record = copied.record
    settings = FinetuneSettings(**record.stages.pop("finetune").settings)
    record.save()
    identity = copied.checkpoints / "run.json"
    before = (copied.checkpoints / "checkpoint_best.pt").read_bytes()
    assert json.loads(identity.read_text())["settings"] == settings.of_the_result()
    report = ROAD.run("finetune", copied, settings)
    assert report.updates == settings.max_update
    assert (copied.checkpoints / "checkpoint_best.pt").read_bytes() == before


@pytest.mark.parametrize("broken", ["checkpoint_last.pt", "checkpoint_best.pt"])
def test_a_half_written_checkpoint_is_replaced_by_the_newest_whole_one(
    copied: Workspace, broken: str
) -> None:
    folder, updates = copied.checkpoints, copied.record.stages["finetune"].report["updates"]
    newest = folder / f"checkpoint_1_{updates}.pt"
    shutil.copy(folder / "checkpoint_last.pt", newest)
    half = (folder / broken).read_bytes()
    (folder / broken).write_bytes(half[: len(half) // 2])
    (folder / f"checkpoint_2_{updates + 3}.pt.tmp").write_bytes(b"begun")
    done, notes = _mend(folder)
    assert done == updates
    assert broken in " ".join(notes)
    assert summary(folder / broken).updates == updates
    assert not list(folder.glob("*.tmp"))


def with_loss(file: Path, loss: float, updates: int) -> None:
    state = torch.load(file, weights_only=False)
    state["extra_state"] |= {"val_loss": loss, "best": 1.0}
    state["optimizer_history"][-1]["num_updates"] = updates
    torch.save(state, file)


def test_the_best_one_left_takes_the_place_of_a_best_that_was_lost(copied: Workspace) -> None:
    folder = copied.checkpoints
    last, best = folder / "checkpoint_last.pt", folder / "checkpoint_best.pt"
    for updates, loss in ((30, 2.5), (35, 2.75)):
        file = Path(shutil.copy(last, folder / f"checkpoint_1_{updates}.pt"))
        with_loss(file, loss, updates)
    with_loss(last, 3.0, 40)
    best.write_bytes(b"half")
    _, notes = _mend(folder)
    assert notes == ["checkpoint_best.pt could not be used; checkpoint_1_30.pt took its place."]
    assert summary(best).updates == 30 and choose_best(folder) == []
    for file in folder.glob("checkpoint_1_*.pt"):
        file.unlink()
    with_loss(last, 2.25, 45)
    assert choose_best(folder) == [
        "checkpoint_last.pt has the lowest loss of those that are left: it is checkpoint_best.pt "
        "now."
    ]
    assert summary(best).updates == 45


def test_where_no_checkpoint_is_whole_it_begins_at_the_base(copied: Workspace) -> None:
    for file in copied.checkpoints.glob("*.pt"):
        file.write_bytes(b"half")
    said = "No checkpoint there could be used: the training began anew."
    assert _mend(copied.checkpoints) == (0, [said])
    assert not list(copied.checkpoints.glob("*.pt"))


def test_training_that_loads_something_else_is_stopped(small: Workspace, tmp_path: Path) -> None:
    says = ["cat", str(small.checkpoints / "train.log")]  # what fairseq said once
    train(says, tmp_path / "log", max_update=6, must_load=small.base_model)
    with pytest.raises(CourseError, match="without loading"):
        train(says, tmp_path / "log", max_update=6, must_load=tmp_path / "other.pt")


@pytest.mark.long
def test_fairseq_itself_is_stopped_when_it_loads_something_else(
    ready: Workspace, tmp_path: Path
) -> None:
    command = finetune_command(ready, SHORT)
    with pytest.raises(CourseError, match="without loading"):
        train(command, tmp_path / "log", max_update=6, must_load=tmp_path / "other.pt")
    assert not list(ready.checkpoints.glob("*.pt"))


def prepared_again(work: Workspace, **split: object) -> None:
    ROAD.run("split", work, SplitSettings(**split))
    ROAD.run("encode", work, EncodeSettings())
    ROAD.run("binarize", work, BinarizeSettings())


def test_a_line_that_is_too_long_is_named_before_training(ready: Workspace) -> None:
    (ready.texts / "long.txt").write_text("many words and more " * 300)
    prepared_again(ready, max_line_tokens=0)
    with pytest.raises(CourseError, match=r"Line [\d,]+ of \w+ has 1,2\d\d tokens") as error:
        ROAD.run("finetune", ready, SHORT)
    assert "max_line_tokens = 510" in error.value.hint
    assert not ready.checkpoints.exists() and not ready.training.exists()


def test_an_empty_validation_split_is_refused(ready: Workspace) -> None:
    prepared_again(ready, train=0.9, valid=0.0, test=0.1)
    with pytest.raises(CourseError, match="The split valid is empty"):
        ROAD.run("finetune", ready, SHORT)


def test_another_dictionary_beside_the_base_is_noticed(ready: Workspace) -> None:
    dictionary = Dictionary.load(ready.base_dict)
    turned = Dictionary(dictionary.symbols[::-1], dictionary.counts[::-1])
    ready.base_dict.write_text(turned.text())
    with pytest.raises(StageStale, match=r"base/dict\.txt has changed since 03_binarize"):
        ROAD.run("finetune", ready, SHORT)


def test_a_foreign_data_bin_with_another_dictionary_is_refused(ready: Workspace) -> None:
    dictionary = Dictionary.load(ready.base_dict)
    turned = Dictionary(dictionary.symbols[::-1], dictionary.counts[::-1])
    (ready.data_bin / "dict.txt").write_text(turned.text())
    (ready.root / "workspace.json").unlink()  # everything is the student's own now
    with pytest.raises(CourseError, match="is not the dictionary of the base model"):
        ROAD.run("finetune", ready, SHORT)
