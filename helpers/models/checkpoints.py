"""fairseq checkpoints: read without running their code, and written."""

import argparse
import errno
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.common.errors import CourseError
from helpers.common.foreign_code import refuse_foreign_code
from helpers.models.checkpoint_values import refuse_odd_values
from helpers.models.finite import refuse_not_finite, refuse_whole_numbers
from helpers.models.old_checkpoints import METERS, modern
from helpers.models.shapes import shape
from helpers.models.tensor_names import HEAD_WEIGHT

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
        The checkpoint in today's form: ``cfg``, ``model`` (the tensors), ``extra_state`` … One
        that was written by fairseq 0.10 or older still has its ``args`` beside them.

    Raises:
        CourseError: it cannot be read safely, is no fairseq checkpoint of a RoBERTa, or holds
            what is no number.
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
        refuse_not_finite(state["model"], file)
        state = modern(state)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CourseError(
            f"{file} is damaged: its parts are not what fairseq writes ({error}).",
            "Take it once more from where it was published or trained.",
        ) from None
    refuse_odd_values(state, file)
    if HEAD_WEIGHT not in state["model"]:
        kind = state["cfg"]["model"].get("_name") or state["cfg"]["model"].get("arch")
        raise CourseError(
            f"{file} is a fairseq checkpoint of {kind!r}, not of a RoBERTa with its LM head.",
            "Name the model.pt of a RoBERTa that was trained as a masked language model.",
        )
    refuse_whole_numbers(state["model"], file)
    return state


def read_safely(file: Path) -> object:
    """What PyTorch saved in a file, without running anything in it.

    Allowed are tensors, plain containers, ``argparse.Namespace`` and fairseq's old meters.

    Raises:
        CourseError: the file asks for more (the message says what), or is damaged.
    """
    import torch

    if not file.is_file():
        raise CourseError(f"There is no file {file}.", "Name a fairseq checkpoint (model.pt).")
    refuse_foreign_code()
    mapped = zipfile.is_zipfile(file)  # torch's format since 1.6; older files are plain pickles
    try:
        with torch.serialization.safe_globals([argparse.Namespace, *METERS]):
            return torch.load(file, map_location="cpu", weights_only=True, mmap=mapped)
    except Exception as error:  # of damaged bytes PyTorch may make any error
        if isinstance(error, (OSError, MemoryError)) and error.args[:1] != (errno.EINVAL,):
            raise
        asked = str(error).split("GLOBAL ")[-1].split(" ")[0] if "GLOBAL " in str(error) else ""
        why = f"it asks to run {asked}" if asked else "it is damaged or something else"
        raise CourseError(
            f"{file} is no checkpoint that can be read safely: {why}.",
            "Take it once more from where it was published; most often a download broke off.",
        ) from None


def write(content: dict, file: Path) -> None:
    """Save tensors in PyTorch's format; the bytes do not depend on where the file stands."""
    import torch

    with file.open("wb") as handle:  # given a path, torch writes its name into the file
        torch.save(content, handle)


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
    cfg = {name: value for name, value in state["cfg"].items() if name != "job_logging_cfg"}
    cfg["model"] = {**cfg["model"], **shape(state)}
    cfg["task"] = {**(cfg.get("task") or {}), "_name": "masked_lm", "data": ""}
    cfg["common"] = {**(cfg.get("common") or {}), "user_dir": None}
    cfg["checkpoint"] = {
        **(cfg.get("checkpoint") or {}),
        "save_dir": "checkpoints",
        "finetune_from_model": None,
        "restore_file": "checkpoint_last.pt",
    }
    extra = state.get("extra_state") or {}
    kept = {name: extra[name] for name in ("train_iterator", "val_loss", "best") if name in extra}
    return {
        "args": None,
        "cfg": cfg,
        "model": single_precision(state["model"]),
        "optimizer_history": state.get("optimizer_history") or [dict(NO_HISTORY)],
        "task_state": {},
        "extra_state": {"train_iterator": {"epoch": 1, "iterations_in_epoch": 0}} | kept,
        "last_optimizer_state": state["last_optimizer_state"] if keep_optimizer else None,
    }


def single_precision(tensors: "dict[str, torch.Tensor]") -> "dict[str, torch.Tensor]":
    """The tensors as float32; one that stands there under two names stays one."""
    once: dict[tuple, torch.Tensor] = {}
    return {
        name: once.setdefault((t.data_ptr(), t.shape), t.float()) for name, t in tensors.items()
    }
