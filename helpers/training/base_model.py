"""What training has to know of the base model; reading a large one takes seconds."""

import collections
import dataclasses
import functools
import math
from pathlib import Path

from helpers.common.errors import CourseError
from helpers.models import checkpoints, shapes
from helpers.models.finite import refuse_not_finite
from helpers.models.tensor_names import HEAD_WEIGHT
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


def updates_before(workspace: Workspace, settings: FinetuneSettings) -> int:
    """The updates that the base's own training counts for this run.

    Raises:
        CourseError: ``continue`` is asked for, and the base lacks what it needs.
    """
    if settings.start == "weights":
        return 0
    state = checkpoints.read(workspace.base_model)
    if not (state.get("last_optimizer_state") and state.get("optimizer_history")):
        raise CourseError(
            "To 'continue', fairseq needs the optimizer's state, and base/model.pt has none.",
            "Run 00_setup with keep_optimizer and a model.pt that has it, or start with 'weights'.",
        )
    refuse_not_finite(state["last_optimizer_state"], "The optimizer state in base/model.pt")
    optimizer = state["optimizer_history"][-1].get("optimizer_name", "FairseqAdam")
    if optimizer != "FairseqAdam":
        raise CourseError(
            f"The base was trained with the optimizer {optimizer}, and the course continues with "
            "FairseqAdam: fairseq cannot hand the state over.",
            "Start with 'weights', which needs no optimizer's state.",
        )
    if not _is_adam_of(state):
        raise CourseError(
            "The optimizer's state in base/model.pt does not fit its weights: it is of another "
            "model, of a training in fp16, or rows of the vocabulary were cut off.",
            "Start with 'weights', which needs no optimizer's state.",
        )
    done = checkpoints.updates(state)
    if settings.max_update <= done:
        raise CourseError(
            f"The base has {done:,} updates already, and max_update = {settings.max_update:,} "
            "counts from its first: fairseq would do one update at rate 0 and call it a result.",
            f"Set max_update to {done:,} and as many more as you want, or start with 'weights'.",
        )
    return done


def _is_adam_of(state: dict) -> bool:
    """Whether the optimizer's state has Adam's two numbers for the weights of the model, or fewer.

    (It does not name the weights; but each of its tensors has the shape of one.)
    """
    content = state["last_optimizer_state"]
    entries, groups = content.get("state"), content.get("param_groups")
    if not (isinstance(entries, dict) and isinstance(groups, list)):
        return False
    if any(not isinstance(group, dict) or group.get("amsgrad") for group in groups):
        return False
    tensors = (tensor for name, tensor in state["model"].items() if name != HEAD_WEIGHT)
    shapes = collections.Counter(tuple(tensor.shape) for tensor in tensors)
    if any(
        not isinstance(each, dict) or not _is_count(each.get("step")) for each in entries.values()
    ):
        return False
    for moment in ("exp_avg", "exp_avg_sq"):
        found = [entry.get(moment) for entry in entries.values()]
        if not all(hasattr(each, "shape") for each in found):
            return False
        if not collections.Counter(tuple(each.shape) for each in found) <= shapes:
            return False
    return not any((entry["exp_avg_sq"] < 0).any() for entry in entries.values())  # squares


def _is_count(step: object) -> bool:
    """Of updates: a number, or a tensor of one."""
    try:
        return 0 <= float(step) < math.inf
    except (TypeError, ValueError, RuntimeError):
        return False
