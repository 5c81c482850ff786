"""Hugging Face folders that are something else, or damaged, or that need a word of warning."""

from pathlib import Path

import pytest
from transformers import AutoTokenizer

from helpers.common.errors import CourseError
from helpers.workflow.workspace import Workspace
from tests.support.checkpoint_makers import base_from
from tests.support.hostile import CreatesAFile
from tests.support.huggingface_faults import DAMAGED, REFUSED
from tests.support.huggingface_makers import (
    Change,
    configured,
    edited,
    lacking,
    longer_vocabulary,
    permuted,
    random_model,
    tokenizer,
    with_weights,
)


def refused(workspace: Workspace, source: Path, message: str, **others: object) -> CourseError:
    """The error, after the check that nothing stands in base/."""
    with pytest.raises(CourseError, match=message) as error:
        base_from(workspace, source, **others)
    assert error.value.hint
    base = workspace.base_model.parent
    assert not base.exists() or not any(base.iterdir())
    return error.value


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_something_else_is_refused_by_name(
    hf_copy: Path, workspace: Workspace, name: str
) -> None:
    change, message = REFUSED[name]
    change(hf_copy)
    assert str(hf_copy) in refused(workspace, hf_copy, message).message


@pytest.mark.parametrize("name", DAMAGED)
def test_what_is_broken_is_refused(hf_copy: Path, workspace: Workspace, name: str) -> None:
    change, message = DAMAGED[name]
    change(hf_copy)
    refused(workspace, hf_copy, message)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_hostile_weights_run_nothing_and_are_refused(
    hf_copy: Path, workspace: Workspace, zipped: bool
) -> None:
    trap = hf_copy / "it ran"
    with_weights(hf_copy, {"a": CreatesAFile(trap)}, _use_new_zipfile_serialization=zipped)
    refused(workspace, hf_copy, r"pytorch_model\.bin(.|\n)*\bsystem")
    assert not trap.exists()


def test_a_dictionary_named_with_a_folder_is_refused(hf_copy: Path, workspace: Workspace) -> None:
    dict_file = hf_copy / "dict.txt"
    dict_file.write_text(permuted().text(), "utf-8")
    error = refused(workspace, hf_copy, "is a Hugging Face folder", dict_file=str(dict_file))
    assert "Leave the dictionary out" in error.hint


def test_there_is_no_optimizer_to_keep(plain_hf: Path, workspace: Workspace) -> None:
    refused(workspace, plain_hf, "no optimizer state", keep_optimizer=True)


def test_where_sizes_differ_no_dictionary_is_asked_for(hf_copy: Path, workspace: Workspace) -> None:
    longer_vocabulary(hf_copy)
    assert "--dict" not in refused(workspace, hf_copy, "50,271").hint


@pytest.mark.parametrize(
    "change",
    [configured(layer_norm_eps=1e-12), lacking("config.json", "layer_norm_eps")],
    ids=["said", "transformers' default"],
)
def test_other_layer_norms_are_noted_with_both_numbers(
    hf_copy: Path, workspace: Workspace, change: Change
) -> None:
    change(hf_copy)
    (note,) = base_from(workspace, hf_copy).notes
    assert "1e-12" in note and "1e-05" in note


def test_a_tokenizer_that_puts_a_space_first_is_noted(hf_copy: Path, workspace: Workspace) -> None:
    edited("tokenizer_config.json", lambda config: config.update(add_prefix_space=True))(hf_copy)
    theirs = AutoTokenizer.from_pretrained(hf_copy)("Hello world", add_special_tokens=False)
    assert theirs["input_ids"][0] == tokenizer().convert_tokens_to_ids("ĠHello")
    (note,) = base_from(workspace, hf_copy).notes
    assert "puts a space before each text (add_prefix_space)" in note


def test_a_space_that_only_the_cutter_puts_is_noted_too(
    hf_copy: Path, workspace: Workspace
) -> None:
    edit = edited("tokenizer.json", lambda t: t["pre_tokenizer"].update(add_prefix_space=True))
    edit(hf_copy)
    (note,) = base_from(workspace, hf_copy).notes
    assert "puts a space before each text (add_prefix_space)" in note


@pytest.mark.parametrize("trim", [True, False])
def test_a_tokenizer_of_an_older_transformers_needs_no_note(
    hf_copy: Path, workspace: Workspace, trim: bool
) -> None:
    older = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": trim}
    edited("tokenizer.json", lambda t: t.update(pre_tokenizer=older))(hf_copy)
    assert base_from(workspace, hf_copy).notes == ()


def test_an_ordinary_folder_needs_no_note(plain_hf: Path, workspace: Workspace) -> None:
    report = base_from(workspace, plain_hf)
    assert report.notes == () and report.bits < 13
    assert (report.layers, report.width, report.heads, report.positions) == (1, 32, 2, 512)


def test_a_random_model_is_noticed(hf_copy: Path, workspace: Workspace) -> None:
    random_model().save_pretrained(hf_copy)
    (note,) = base_from(workspace, hf_copy).notes
    assert "Most likely this model and this dict.txt do not belong together" in note
