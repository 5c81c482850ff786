"""A folder above a model, a file in its folder, an adapter: what is meant is taken, or named."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.base import sources
from helpers.common.errors import CourseError
from helpers.models.hf.reading import read_folder
from helpers.workflow.workspace import Workspace
from tests.support.huggingface_makers import fitted_model, in_bin_shards, in_shards, with_weights

WHOLE = {"config.json", "model.safetensors", "tokenizer.json"}


def named(workspace: Workspace, source: Path) -> set[str]:
    """The names of the files that a source stands for."""
    return {file.name for file in sources.inputs(str(source), "", workspace, download=False)}


def refused(workspace: Workspace, source: Path, message: str) -> CourseError:
    with pytest.raises(CourseError, match=message) as error:
        sources.inputs(str(source), "", workspace, download=False)
    return error.value


@pytest.fixture
def run(hf_copy: Path, tmp_path: Path) -> Path:
    """A Trainer's folder as it is before its last ``save_model``."""
    folder = tmp_path / "run 训练"
    for updates in (1000, 500):
        shutil.copytree(hf_copy, folder / f"checkpoint-{updates}")
    (folder / "runs").mkdir()
    return folder


@pytest.fixture
def cache(hf_copy: Path, tmp_path: Path) -> Path:
    """Hugging Face's cache with two revisions of a model, the main one being the first."""
    repository = tmp_path / "hub" / "models--me--roberta"
    for revision in ("0a1b", "9f8e"):
        shutil.copytree(hf_copy, repository / "snapshots" / revision)
    (repository / "blobs").mkdir()
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0a1b")
    return repository.parent


@pytest.mark.parametrize("name", [*sorted(WHOLE), "tokenizer_config.json"])
def test_a_file_stands_for_its_folder(hf_copy: Path, workspace: Workspace, name: str) -> None:
    assert named(workspace, hf_copy / name) == WHOLE


def test_so_do_weights_of_the_older_kind(hf_copy: Path, workspace: Workspace) -> None:
    with_weights(hf_copy, fitted_model().state_dict())
    assert "pytorch_model.bin" in named(workspace, hf_copy / "pytorch_model.bin")


@pytest.mark.parametrize("name", ["roberta.safetensors", "pytorch_model.bin"])
def test_weights_that_would_not_be_read_are_refused(
    hf_copy: Path, workspace: Workspace, name: str
) -> None:
    shutil.copy(hf_copy / "model.safetensors", hf_copy / name)
    refused(workspace, hf_copy / name, rf"model\.safetensors are read, and not {name}")


@pytest.mark.parametrize(
    ("change", "why"), [("alone", r"no config\.json"), ("both", r"a model\.pt")]
)
def test_weights_whose_folder_is_none_of_hugging_faces(
    hf_copy: Path, workspace: Workspace, change: str, why: str
) -> None:
    if change == "alone":
        (hf_copy / "config.json").unlink()
    else:
        (hf_copy / "model.pt").touch()
    refused(workspace, hf_copy / "model.safetensors", f"beside it lies {why}")


def test_of_a_trainers_folder_the_checkpoints_are_named(run: Path, workspace: Workspace) -> None:
    error = refused(workspace, run, "several in it: checkpoint-500, checkpoint-1000")
    assert error.hint.endswith(f"{run / 'checkpoint-1000'}.")
    shutil.rmtree(run / "checkpoint-1000")
    (run / "config.json").write_bytes((run / "checkpoint-500" / "config.json").read_bytes())
    refused(workspace, run, "one in it: checkpoint-500")
    shutil.copy(run / "checkpoint-500" / "model.safetensors", run)
    shutil.copy(run / "checkpoint-500" / "tokenizer.json", run)
    assert named(workspace, run) == WHOLE  # the model itself has been saved there


@pytest.fixture
def closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that may not be opened: also by root, who runs tests in containers."""
    folder = tmp_path / "run 训练" / "checkpoint-closed"
    folder.mkdir(parents=True)
    stat, listdir = os.stat, os.listdir

    def refuse(path: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(
        os,
        "stat",
        lambda p, **how: refuse(p) if str(p).startswith(f"{folder}/") else stat(p, **how),
    )
    monkeypatch.setattr(
        os, "listdir", lambda p: refuse(p) if str(p).startswith(str(folder)) else listdir(p)
    )
    return folder


def test_a_folder_that_may_not_be_opened_hides_no_model_beside_it(
    closed: Path, hf_copy: Path, workspace: Workspace
) -> None:
    shutil.copytree(hf_copy, closed.parent / "checkpoint-500")
    refused(workspace, closed.parent, "one in it: checkpoint-500")
    refused(workspace, closed, "checkpoint-closed/.* cannot be read: Permission denied")


def test_what_a_trainer_leaves_beside_its_model_is_none(
    hf_copy: Path, workspace: Workspace
) -> None:
    for name in ("optimizer.pt", "scheduler.pt", "training_args.bin"):
        (hf_copy / name).touch()
    (hf_copy / "model.safetensors").unlink()
    refused(workspace, hf_copy, r"has no model\.safetensors or pytorch_model\.bin")
    (hf_copy / "config.json").unlink()
    refused(workspace, hf_copy, "There is no base model")


@pytest.mark.parametrize("below", [".", "models--me--roberta", "models--me--roberta/snapshots"])
def test_of_a_cache_the_snapshot_is_named(cache: Path, workspace: Workspace, below: str) -> None:
    error = refused(workspace, cache / below, "snapshots/0a1b" if below[-1] != "s" else "0a1b")
    assert error.hint.endswith(f"{cache / 'models--me--roberta' / 'snapshots' / '0a1b'}.")


def test_of_fairseqs_folder_the_checkpoints_are_named(tmp_path: Path, workspace: Workspace) -> None:
    for name in ("checkpoint_last.pt", "checkpoint_best.pt"):
        (tmp_path / name).touch()
    error = refused(workspace, tmp_path, r"several in it: checkpoint_best\.pt, checkpoint_last")
    assert error.hint.endswith("checkpoint_best.pt.")


@pytest.mark.parametrize("source", ["folder", "adapter_model.safetensors", "folder above"])
def test_an_adapter_is_to_be_merged_first(
    tmp_path: Path, workspace: Workspace, source: str
) -> None:
    folder = tmp_path / "above" / "adapter"
    folder.mkdir(parents=True)
    about = {"base_model_name_or_path": "roberta-base", "peft_type": "LORA"}
    (folder / "adapter_config.json").write_text(json.dumps(about))
    (folder / "adapter_model.safetensors").touch()
    if source == "folder above":
        refused(workspace, folder.parent, "one in it: adapter")
        return
    path = folder if source == "folder" else folder / source
    error = refused(workspace, path, r"adapter of PEFT \(adapter_config\.json\).*'roberta-base'")
    assert "merge_and_unload" in error.hint


@pytest.mark.parametrize("content", ["{}", "[1]", "{", '{"base_model_name_or_path": null}'])
def test_an_adapter_beside_a_model_is_not_left_out(
    hf_copy: Path, workspace: Workspace, content: str
) -> None:
    (hf_copy / "adapter_config.json").write_text(content)
    refused(workspace, hf_copy, "adapter of PEFT")


def test_an_empty_folder_is_no_model(tmp_path: Path, workspace: Workspace) -> None:
    (tmp_path / "empty").mkdir()
    refused(workspace, tmp_path / "empty", "There is no base model")


@pytest.mark.parametrize("change", [in_shards, in_bin_shards])
def test_weights_in_several_files_are_all_read(
    hf_copy: Path, workspace: Workspace, change: Callable[[Path], None]
) -> None:
    change(hf_copy)
    (index,) = hf_copy.glob("*.index.json")
    shards = {*json.loads(index.read_text())["weight_map"].values()}
    wanted = {"config.json", "tokenizer.json", index.name, *shards}
    assert len(shards) > 1
    for source in (hf_copy, index, hf_copy / min(shards)):
        assert named(workspace, source) == wanted
    (hf_copy / min(shards)).unlink()
    refused(workspace, hf_copy, f"names {min(shards)}, which is not there")


def test_of_two_forms_of_weights_it_is_said_which_is_read(
    hf_copy: Path, workspace: Workspace
) -> None:
    in_shards(hf_copy)
    (hf_copy / "pytorch_model.bin").touch()
    refused(workspace, hf_copy / "pytorch_model.bin", r"index\.json are read, and not")
    (note,) = read_folder(hf_copy)[2]
    assert "model.safetensors.index.json is read" in note and "not pytorch_model.bin" in note
    fitted_model().save_pretrained(hf_copy)
    (note,) = read_folder(hf_copy)[2]
    assert "model.safetensors is read" in note
    (hf_copy / "model.safetensors.index.json").unlink()
    assert read_folder(hf_copy)[2] == []  # both whole: as they are published
