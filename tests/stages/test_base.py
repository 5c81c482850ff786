"""The base model: trained here, or a person's own with the dictionary that belongs to it."""

import math
import shutil
from pathlib import Path

import pytest
import torch

from helpers.base import match, pretraining
from helpers.common.errors import CourseError
from helpers.ids.dictionary import Dictionary
from helpers.models import checkpoints
from helpers.stages import base
from helpers.stages.road import ROAD
from helpers.tokens import gpt2
from helpers.workflow.settings import BaseSettings
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace
from tests.support.road import with_updates


def scratch(folder: Path) -> Workspace:
    work = Workspace(folder / "O'Brien 的 base")
    ROAD.run("base", work, BaseSettings(source="scratch"))
    return work


@pytest.mark.long
def test_the_scratch_base_has_learned_something(tmp_path: Path) -> None:
    work = scratch(tmp_path)
    report = work.record.stages["base"].report
    assert report["updates"] == 60
    assert report["bits"] < math.log2(50265) - match.MARGIN
    assert report["notes"] == []
    loss = checkpoints.read(work.base_model)["extra_state"]["val_loss"]
    assert loss < 12, "an untrained model has log2(50265) = 15.6 bits"
    is_whole(work)


def is_whole(work: Workspace) -> None:
    """A model of fairseq's task, and a dictionary of all GPT-2 ids by their frequency."""
    assert work.record.stages["base"].report["vocabulary"] == 50265
    assert checkpoints.read(work.base_model)["cfg"]["task"]["_name"] == "masked_lm"
    dictionary = Dictionary.load(work.base_dict)
    assert len(dictionary.symbols) == 50260
    assert sorted(dictionary.symbols[:-3], key=int) == [str(i) for i in range(50257)]
    assert list(dictionary.counts) == sorted(dictionary.counts, reverse=True)


def test_the_scratch_base_is_trained_by_fairseq_on_the_docstrings_of_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "SCRATCH_PACKAGES", ("portalocker", "tqdm"))
    monkeypatch.setattr(pretraining, "CONFIG", with_updates(3, tmp_path, "scratch"))
    work = scratch(tmp_path)
    report = work.record.stages["base"].report
    assert report["updates"] == 3
    assert "do not belong together" in " ".join(report["notes"])  # it has learned next to nothing
    assert 12 < checkpoints.read(work.base_model)["extra_state"]["val_loss"] < 16
    is_whole(work)


@pytest.mark.parametrize("named", ["model.pt", "folder"])
def test_a_persons_own_model_is_taken_over(
    course: Workspace,
    training: FinetuneSettings,
    workspace: Workspace,
    tmp_path: Path,
    named: str,
) -> None:
    mine = tmp_path / "mine 我的"
    mine.mkdir()
    shutil.copy(course.checkpoints / "checkpoint_best.pt", mine / "model.pt")
    shutil.copy(course.base_dict, mine / "dict.txt")
    source = mine if named == "folder" else mine / "model.pt"
    report = ROAD.run("base", workspace, BaseSettings(source=str(source)))
    before, after = checkpoints.read(mine / "model.pt"), checkpoints.read(workspace.base_model)
    assert report.updates == training.max_update
    assert after["last_optimizer_state"] is None
    assert before["last_optimizer_state"] is not None
    assert workspace.base_model.stat().st_size < (mine / "model.pt").stat().st_size / 2
    assert all(torch.equal(before["model"][k], v) for k, v in after["model"].items())
    assert workspace.base_dict.read_bytes() == course.base_dict.read_bytes()


def test_a_dictionary_of_another_size_is_refused_with_both_numbers(
    course: Workspace, workspace: Workspace, tmp_path: Path
) -> None:
    small = tmp_path / "small.txt"
    small.write_text("13 5\n262 4\n")
    settings = BaseSettings(source=str(course.base_model), dict_file=str(small))
    with pytest.raises(CourseError, match=r"50,265 rows(.|\n)*7: this dictionary") as error:
        ROAD.run("base", workspace, settings)
    assert "--dict" in error.value.hint
    assert not workspace.base_model.exists()
    assert not workspace.base_dict.exists()


def test_a_model_without_a_dictionary_asks_for_robertas_own(
    course: Workspace, workspace: Workspace, tmp_path: Path, gpt2_folder: Path
) -> None:
    alone = tmp_path / "alone" / "model.pt"
    alone.parent.mkdir()
    shutil.copy(course.base_model, alone)
    with pytest.raises(CourseError, match=r"no dict\.txt beside the model") as error:
        ROAD.run("base", workspace, BaseSettings(source=str(alone)))
    assert gpt2.ADDRESS in error.value.hint


@pytest.mark.parametrize("source", ["nowhere", "nowhere/model.pt"])
def test_a_model_that_is_not_there_is_named(workspace: Workspace, source: str) -> None:
    with pytest.raises(CourseError, match="There is no base model"):
        ROAD.run("base", workspace, BaseSettings(source=source))


def test_something_that_is_no_checkpoint_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_text("I am a text.")
    (tmp_path / "dict.txt").write_text("13 5\n")
    with pytest.raises(CourseError, match="no checkpoint that can be read safely"):
        ROAD.run("base", workspace, BaseSettings(source=str(tmp_path)))
    assert not workspace.base_model.exists()


def test_own_files_in_base_are_used_as_they_are(course: Workspace, workspace: Workspace) -> None:
    workspace.base_model.parent.mkdir(parents=True)
    shutil.copy(course.base_model, workspace.base_model)
    shutil.copy(course.base_dict, workspace.base_dict)
    stamp = workspace.base_model.stat().st_mtime_ns
    report = ROAD.run("base", workspace, BaseSettings())
    assert report.source == "your own"
    assert "used as they are" in " ".join(report.notes)
    assert workspace.base_model.stat().st_mtime_ns == stamp


def test_nothing_of_scikit_learn_is_in_the_scratch_corpus() -> None:
    assert "sklearn" not in base.SCRATCH_PACKAGES


def test_a_permuted_dictionary_fits_without_an_error_and_is_noticed(
    course: Workspace, workspace: Workspace, tmp_path: Path
) -> None:
    right = Dictionary.load(course.base_dict)
    other = tmp_path / "dict.txt"
    other.write_text(Dictionary(right.symbols[::-1], right.counts[::-1]).text(), "utf-8")
    source = str(course.base_model)
    wrong = ROAD.run("base", workspace, BaseSettings(source=source, dict_file=str(other)))
    fitting = ROAD.run("base", workspace, BaseSettings(source=source), force=True)
    assert fitting.notes == ()
    assert fitting.bits < 10 < math.log2(50265) - match.MARGIN < wrong.bits
    assert "do not belong together" in wrong.notes[0]
    for number in (f"{wrong.bits:.1f} bits", "15.6", f"{fitting.bits:.1f}"):
        assert number in wrong.notes[0]


def test_the_base_itself_is_no_source_of_the_base(small: Workspace, tmp_path: Path) -> None:
    work = Workspace(shutil.copytree(small.root, tmp_path / "copy"))
    (work.root / "workspace.json").unlink()  # the model is the student's own now
    before = work.base_model.read_bytes()
    with pytest.raises(CourseError, match=r"is base/model\.pt itself"):
        ROAD.run("base", work, BaseSettings(source="base/model.pt"), force=True)
    assert not ROAD.run("base", work, BaseSettings(source="base/model.pt")).reused
    assert work.base_model.read_bytes() == before


@pytest.mark.parametrize(
    "source", ["hf", "pt", "checkpoints/checkpoint_best.pt", "checkpoints.old-1/checkpoint_best.pt"]
)
def test_what_was_made_of_the_base_is_no_source_of_it(source: str, copied: Workspace) -> None:
    shutil.copytree(copied.checkpoints, copied.root / "checkpoints.old-1")
    before = copied.base_model.read_bytes()
    settings = BaseSettings(source=source, dict_file="" if source == "hf" else "base/dict.txt")
    with pytest.raises(CourseError, match="would be made of itself") as caught:
        ROAD.run("base", copied, settings)
    assert "new workspace" in caught.value.hint
    assert copied.base_model.read_bytes() == before
