"""A disk that is full, or refuses: a sentence says so, and nothing half made stays on it."""

import errno
import os
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from helpers.common.errors import CourseError
from helpers.common.files import writing
from helpers.models import checkpoints
from helpers.stages.road import ROAD
from helpers.workflow.settings import ConvertSettings
from helpers.workflow.workspace import Workspace
from tests.support import checkpoint_makers as make
from tests.support.huggingface_makers import tokenizer

# fairseq's own use of Hydra and TorchScript.
pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning"),
    pytest.mark.usefixtures("tiny_course_base"),
]
TABLE = {"a": torch.zeros(200_000)}


@pytest.fixture
def largest_file() -> Iterator[Callable[[int], None]]:
    """No file may be larger than so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def left(workspace: Workspace) -> set[str]:
    return {path.name for path in workspace.root.rglob("*") if not path.name.endswith(".lock")}


# The model for fairseq has 6.6 MB; then come those for transformers, the tokenizer and its files.
@pytest.mark.parametrize("size", [100, 6_000])
def test_a_base_that_has_no_room(disk: Callable, tmp_path: Path, size: int) -> None:
    file = make.put(make.current(make.fitting(make.tensors())), tmp_path / "mine")
    workspace = Workspace(disk(size) / "work")
    with pytest.raises(CourseError, match=r"No space left on device \(the disk is full\)") as error:
        make.base_from(workspace, file)
    assert "Make room" in error.value.hint and left(workspace) == set()


@pytest.mark.parametrize(
    ("place", "size"),
    [
        *(("workspace", size) for size in (100, 8_000, 15_000, 21_000, 25_000)),
        *(("another folder", size) for size in (100, 15_000)),
    ],
)
def test_a_conversion_that_has_no_room(
    disk: Callable, tmp_path: Path, size: int, place: str
) -> None:
    file = make.put(make.current(make.fitting(make.tensors())), tmp_path / "mine")
    full = disk(size) / "work"
    workspace = Workspace(full if place == "workspace" else tmp_path / "work")
    settings = ConvertSettings(
        roberta_checkpoint_path=str(file),
        pytorch_dump_folder_path="" if place == "workspace" else str(full),
    )
    with pytest.raises(CourseError, match="the disk is full") as error:
        ROAD.run("convert", workspace, settings)
    assert f"{full} cannot be written" in error.value.message
    assert left(workspace) == set() and not [*full.glob("[!.]*")]


@pytest.mark.parametrize("stage", ["base", "convert"])
def test_files_of_such_a_size_are_not_allowed(
    largest_file: Callable, workspace: Workspace, tmp_path: Path, stage: str
) -> None:
    file = make.put(make.current(make.fitting(make.tensors())), tmp_path / "mine")
    largest_file(3_000_000)
    with pytest.raises(CourseError, match="File too large"):
        if stage == "base":
            make.base_from(workspace, file)
        else:
            settings = ConvertSettings(roberta_checkpoint_path=str(file))
            ROAD.run("convert", workspace, settings)
    assert left(workspace) == set()


def by_safetensors(file: Path) -> None:
    from safetensors.torch import save_file

    save_file(TABLE, file)


WRITERS: dict[str, Callable[[Path], object]] = {
    "torch": lambda file: checkpoints.write(TABLE, file),
    "safetensors": by_safetensors,
    "tokenizers": lambda file: tokenizer().save_pretrained(file.parent),
    "Python": lambda file: file.write_bytes(bytes(300_000)),
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_every_writers_error_is_the_systems(
    largest_file: Callable, tmp_path: Path, write: Callable[[Path], object]
) -> None:
    largest_file(200_000)
    with pytest.raises(CourseError, match="File too large") as error, writing(tmp_path):
        write(tmp_path / "file")
    assert str(tmp_path) in error.value.message


def test_another_error_of_torch_keeps_its_traceback(tmp_path: Path) -> None:
    with pytest.raises((RuntimeError, AttributeError, TypeError)), writing(tmp_path):
        checkpoints.write({"a": lambda: 0}, tmp_path / "file")


@pytest.mark.parametrize("code", ["ENOSPC", "EDQUOT", "EFBIG", "EROFS", "EIO", "ESTALE"])
@pytest.mark.parametrize("by", ["Python", "Rust"])
def test_what_a_disk_refuses_is_a_sentence(tmp_path: Path, code: str, by: str) -> None:
    number = getattr(errno, code)
    said = f"I/O error: {os.strerror(number)} (os error {number})"
    error = OSError(number, os.strerror(number)) if by == "Python" else Exception(said)
    with pytest.raises(CourseError) as caught, writing(tmp_path):
        raise error
    assert os.strerror(number) in caught.value.message
    assert "another disk" in caught.value.hint
    assert ("Make room" in caught.value.hint) == (code in ("ENOSPC", "EDQUOT"))
