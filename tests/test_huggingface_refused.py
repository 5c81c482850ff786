"""Hugging Face folders that are something else, or damaged, or that need a word of warning."""

import shutil
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from helpers.base_model import BASE, BaseReport
from helpers.errors import CourseError
from helpers.settings import BaseSettings
from helpers.workspace import Workspace

from .huggingface_makers import (
    DAMAGED,
    REFUSED,
    Change,
    configured,
    edited,
    fitted_model,
    lacking,
    longer_vocabulary,
    permuted,
    random_model,
    saved,
    tokenizer,
    with_weights,
)
from .test_checkpoints import CreatesAFile


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one layer, as transformers saves it; copy it to change it."""
    return saved(fitted_model(), tmp_path_factory.mktemp("plain"))


@pytest.fixture
def folder(plain: Path, tmp_path: Path) -> Path:
    """A copy of the plain folder that a test may change."""
    return Path(shutil.copytree(plain, tmp_path / "hf 模型"))


def taken(workspace: Workspace, source: Path, **others: object) -> BaseReport:
    """The stage that puts ``model.pt`` and ``dict.txt`` into base/."""
    return BASE.run(workspace, BaseSettings(source=str(source), **others))


def refused(workspace: Workspace, source: Path, message: str, **others: object) -> CourseError:
    """The error, after the check that nothing stands in base/."""
    with pytest.raises(CourseError, match=message) as error:
        taken(workspace, source, **others)
    assert error.value.hint
    base = workspace.base_model.parent
    assert not base.exists() or not any(base.iterdir())
    return error.value


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_something_else_is_refused_by_name(
    folder: Path, workspace: Workspace, name: str
) -> None:
    change, message = REFUSED[name]
    change(folder)
    assert str(folder) in refused(workspace, folder, message).message


@pytest.mark.parametrize("name", DAMAGED)
def test_what_is_broken_is_refused(folder: Path, workspace: Workspace, name: str) -> None:
    change, message = DAMAGED[name]
    change(folder)
    refused(workspace, folder, message)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_hostile_weights_run_nothing_and_are_refused(
    folder: Path, workspace: Workspace, zipped: bool
) -> None:
    trap = folder / "it ran"
    with_weights(folder, {"a": CreatesAFile(trap)}, _use_new_zipfile_serialization=zipped)
    refused(workspace, folder, r"pytorch_model\.bin(.|\n)*\bsystem")
    assert not trap.exists()


def test_a_dictionary_named_with_a_folder_is_refused(folder: Path, workspace: Workspace) -> None:
    dict_file = folder / "dict.txt"
    dict_file.write_text(permuted().text(), "utf-8")
    error = refused(workspace, folder, "is a Hugging Face folder", dict_file=str(dict_file))
    assert "Leave the dictionary out" in error.hint


def test_there_is_no_optimizer_to_keep(plain: Path, workspace: Workspace) -> None:
    refused(workspace, plain, "no optimizer state", keep_optimizer=True)


def test_where_sizes_differ_no_dictionary_is_asked_for(folder: Path, workspace: Workspace) -> None:
    longer_vocabulary(folder)
    assert "--dict" not in refused(workspace, folder, "50,272").hint


@pytest.mark.parametrize(
    "change",
    [configured(layer_norm_eps=1e-12), lacking("config.json", "layer_norm_eps")],
    ids=["said", "transformers' default"],
)
def test_other_layer_norms_are_noted_with_both_numbers(
    folder: Path, workspace: Workspace, change: Change
) -> None:
    change(folder)
    (note,) = taken(workspace, folder).notes
    assert "1e-12" in note and "1e-05" in note


def test_a_tokenizer_that_puts_a_space_first_is_noted_or_refused(
    folder: Path, workspace: Workspace
) -> None:
    edited("tokenizer_config.json", lambda config: config.update(add_prefix_space=True))(folder)
    theirs = AutoTokenizer.from_pretrained(folder)("Hello world", add_special_tokens=False)
    assert theirs["input_ids"][0] == tokenizer().convert_tokens_to_ids("ĠHello")
    try:
        assert "space" in " ".join(taken(workspace, folder).notes)
    except CourseError as error:
        assert "space" in error.message


def test_an_ordinary_folder_needs_no_note(plain: Path, workspace: Workspace) -> None:
    report = taken(workspace, plain)
    assert report.notes == () and report.bits < 13
    assert (report.layers, report.width, report.heads, report.positions) == (1, 32, 2, 512)


def test_a_random_model_is_noticed(folder: Path, workspace: Workspace) -> None:
    random_model().save_pretrained(folder)
    (note,) = taken(workspace, folder).notes
    assert "Most likely this model and this dict.txt do not belong together" in note
