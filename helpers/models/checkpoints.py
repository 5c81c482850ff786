"""fairseq checkpoints: read without running their code, and written."""

from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from helpers.common.errors import CourseError
from helpers.common.file_kinds import ONCE_MORE
from helpers.common.pickles import read_safely
from helpers.models.checkpoint_values import checked_values
from helpers.models.finite import refuse_not_finite, refuse_whole_numbers
from helpers.models.old_checkpoints import complete_cfg, modern
from helpers.models.shapes import kept_layers, shape, storage_key
from helpers.models.tensor_names import HEAD, HEAD_WEIGHT, TOKENS, unwrapped

if TYPE_CHECKING:
    import torch

# What fairseq writes about a training that has not happened yet.
NO_HISTORY = {
    "criterion_name": "MaskedLmLoss",
    "optimizer_name": "FairseqAdam",
    "lr_scheduler_state": {"best": None},
    "num_updates": 0,
}


def read(file: Path) -> dict:
    """Read a fairseq RoBERTa checkpoint, today's or an old one; nothing in the file is executed.

    Returns:
        The checkpoint in today's form: ``cfg`` (of a RoBERTa; nothing of its owner's is in it
        but where the data were), ``model`` (the tensors), ``extra_state`` … One that was written
        by fairseq 0.10 or older still has its ``args`` beside them.

    Raises:
        CourseError: it cannot be read safely, is no fairseq checkpoint of a plain RoBERTa, or
            holds what is no number.
    """
    state = read_safely(file)
    if not (isinstance(state, dict) and isinstance(state.get("model"), dict)):
        raise CourseError(
            f"{file} is no fairseq checkpoint: it has no 'model' in it.",
            "Name the model.pt of a fairseq RoBERTa.",
        )
    if state.get("cfg") is None and state.get("args") is None:
        raise CourseError(
            f"{file} has neither 'cfg' nor 'args': it was written by another program.",
            "Name a model.pt written by fairseq.",
        )
    try:
        return _todays(state, file)
    # Nested without end, or a number of thousands of digits, which Python does not show.
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise CourseError(
            f"{file} is damaged: its parts are not what fairseq writes ({error}).", ONCE_MORE
        ) from None


def _todays(state: dict, file: Path) -> dict:
    tensors = unwrapped(state["model"], file)
    refuse_not_finite(tensors, file)
    state = modern({**state, "model": tensors})
    values = checked_values(state, file)
    state = _with_head(state, values.get("untie_weights_roberta"), file)
    refuse_whole_numbers(state["model"], file)
    state = kept_layers(state, values.get("encoder_layers_to_keep"), file)
    return {**state, "cfg": complete_cfg(values)}


def _with_head(state: dict, is_untied: object, file: Path) -> dict:
    """The checkpoint with the LM head's matrix; where it was left out, it is the embedding.

    Raises:
        CourseError: it is another model, or one without its LM head.
    """
    tensors, model = state["model"], state["cfg"]["model"]
    needed = (TOKENS, f"{HEAD}dense.weight", *([HEAD_WEIGHT] if is_untied else []))
    if missing := [name for name in needed if name not in tensors]:
        kind = model.get("_name") or model.get("arch")
        raise CourseError(
            f"{file} is a fairseq checkpoint of {kind!r} without the tensor {missing[0]} of a "
            f"RoBERTa with its LM head; it has {next(iter(tensors), 'no tensor')}.",
            "Name the model.pt of a RoBERTa that was trained as a masked language model.",
        )
    return {**state, "model": {HEAD_WEIGHT: tensors[TOKENS]} | tensors}


class _Watched:
    """A file that remembers why it could not be written; of that PyTorch tells nothing."""

    def __init__(self, handle: BinaryIO) -> None:
        self.handle, self.refusal = handle, None
        self.flush = handle.flush

    def write(self, content: bytes) -> int:
        try:
            return self.handle.write(content)
        except OSError as error:
            self.refusal = error
            raise


def write(content: dict, file: Path) -> None:
    """Save tensors in PyTorch's format; the bytes do not depend on where the file stands.

    Raises:
        OSError: the disk's.
    """
    import torch

    with file.open("wb") as handle:  # given a path, torch writes its name into the file
        watched = _Watched(handle)
        try:
            torch.save(content, watched)
        except RuntimeError:
            if watched.refusal is None:
                raise
            raise watched.refusal from None


def updates(state: dict) -> int:
    """How many updates the model was trained for; 0 where that is not known."""
    return int((state.get("optimizer_history") or [{}])[-1].get("num_updates", 0))


def for_a_base(state: dict, *, keep_optimizer: bool = False) -> dict:
    """A checkpoint reduced to what starts a new training, in today's form.

    Without paths of this machine, timings, and (unless ``keep_optimizer``) optimizer state, so
    that the same training gives the same bytes. Tensors are in single precision.

    Raises:
        CourseError: an optimizer state is to be kept, and there is none, or one of no numbers.
    """
    if keep_optimizer and not state.get("last_optimizer_state"):
        raise CourseError(
            "This checkpoint has no optimizer state that could be kept.",
            "Leave keep_optimizer out; training then begins with the weights alone.",
        )
    if keep_optimizer:
        refuse_not_finite(state["last_optimizer_state"], "The optimizer state")
    extra = state.get("extra_state") or {}
    kept = {name: extra[name] for name in ("train_iterator", "val_loss", "best") if name in extra}
    return {
        "args": None,
        "cfg": complete_cfg(state["cfg"]["model"] | shape(state)),
        "model": single_precision(state["model"]),
        "optimizer_history": state.get("optimizer_history") or [dict(NO_HISTORY)],
        "task_state": {},
        "extra_state": {"train_iterator": {"epoch": 1, "iterations_in_epoch": 0}} | kept,
        "last_optimizer_state": state["last_optimizer_state"] if keep_optimizer else None,
    }


def single_precision(tensors: "dict[str, torch.Tensor]") -> "dict[str, torch.Tensor]":
    """The tensors as float32; one that stands there under two names stays one."""
    once: dict[tuple, torch.Tensor] = {}
    return {name: once.setdefault(storage_key(t), t.float()) for name, t in tensors.items()}
