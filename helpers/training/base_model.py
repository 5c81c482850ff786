"""What training has to know of the base model; reading a large one takes seconds."""

import dataclasses
import functools
from pathlib import Path

from helpers.models import checkpoints, shapes
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace


@dataclasses.dataclass(frozen=True)
class BaseModel:
    """What ``base/model.pt`` is: its shape by fairseq's names, its sizes, and its updates."""

    shape: dict[str, object]
    parameters: int
    vocabulary: int
    updates: int


def base_model(workspace: Workspace) -> BaseModel:
    """The base model, which is read once while its file stays the same.

    Raises:
        CourseError: it cannot be used.
    """
    stat = workspace.base_model.stat()
    return _read(workspace.base_model, stat.st_mtime_ns, stat.st_size)


@functools.lru_cache(maxsize=4)
def _read(file: Path, *_: int) -> BaseModel:
    state = checkpoints.read(file)
    return BaseModel(
        shapes.shape(state),
        shapes.parameters(state),
        shapes.rows_of_vocabulary(state),
        checkpoints.updates(state),
    )


def longest_sample(workspace: Workspace, settings: FinetuneSettings) -> int:
    """The most dictionary indices of a sample, with ``<s>``: the model reads no more at a time."""
    return min(base_model(workspace).shape["max_positions"], settings.max_tokens)
