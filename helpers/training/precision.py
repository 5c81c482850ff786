"""In which numbers a training multiplies its matrices: single precision, or half of it.

bfloat16 ("bf16") has the range of single precision and three digits: nothing has to be scaled, and
weights stay as they are. fp16 has one digit more and a small range: gradients are scaled by what
fairseq finds out as it goes, and weights are rounded where they are saved.
"""

from typing import TYPE_CHECKING, NamedTuple

from helpers.common.errors import CourseError
from helpers.machine.costs import Network
from helpers.machine.devices import chosen
from helpers.machine.resources import capability
from helpers.training.base_model import base_model, longest_sample
from helpers.training.trial import update_seconds
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace

if TYPE_CHECKING:
    import torch

# What a GPU needs, in CUDA's capabilities; a processor may have units for bfloat16 only.
NEEDED = {"bf16": 8.0, "fp16": 7.0}
GAIN = 1.2  # so many times as fast, at least, is worth fewer digits


class Precision(NamedTuple):
    """``fp32``, ``bf16`` or ``fp16``, and why; the reason is a part of a sentence."""

    name: str
    why: str

    def __str__(self) -> str:
        return f"{self.name}: {self.why}"


def network(workspace: Workspace, settings: FinetuneSettings) -> Network:
    """What the costs of this training depend on."""
    base = base_model(workspace)
    shape = base.shape
    return Network(
        parameters=base.parameters,
        layers=shape["encoder_layers"],
        width=shape["encoder_embed_dim"],
        inner=shape["encoder_ffn_embed_dim"],
        heads=shape["encoder_attention_heads"],
        vocabulary=base.vocabulary,
        sample=longest_sample(workspace, settings),
        positions=shape["max_positions"],
        dropout=settings.dropout,
        mask_prob=settings.mask_prob,
    )


def precision(workspace: Workspace, settings: FinetuneSettings) -> Precision:
    """The precision of a training; with ``auto``, what suits the device.

    Raises:
        CourseError: the device is not there, or cannot do it.
    """
    device = chosen(settings.device)
    if settings.precision == "auto":
        return _suitable(workspace, settings, device)
    refuse_without_units(settings.precision, device)
    return Precision(settings.precision, "as it was set")


def refuse_without_units(name: str, device: "torch.device") -> None:
    """Raise CourseError where a device cannot multiply in a precision; a processor can in bf16."""
    needed, has = NEEDED.get(name, 0.0), capability(device)
    if has < needed and (device.type == "cuda" or name == "fp16"):
        where = "the processor" if device.type == "cpu" else f"this GPU ({has})"
        raise CourseError(
            f"precision = {name} needs a GPU of CUDA capability {needed} or newer, and it would be "
            f"computed on {where}.",
            "Set precision to auto, which takes what the device has units for.",
        )


def _suitable(
    workspace: Workspace, settings: FinetuneSettings, device: "torch.device"
) -> Precision:
    if device.type == "cuda":
        has = capability(device)
        if has >= NEEDED["bf16"]:
            return Precision("bf16", "this GPU has units for it")
        if has < NEEDED["fp16"]:
            return Precision("fp32", "this GPU has no units for less")
        if settings.start == "continue":
            return Precision("fp32", "the base's optimizer cannot go on in fp16, of this GPU")
        return Precision("fp16", "this GPU has units for it, and none for bf16")
    if faster_in_bf16(network(workspace, settings), settings.max_tokens):
        return Precision("bf16", "a trial of this processor was clearly faster with it")
    return Precision("fp32", "a trial of this processor was not clearly faster with bf16")


def faster_in_bf16(network: Network, tokens: int) -> bool:
    """Whether an update with batches of so many tokens takes clearly less time: a trial.

    (A processor without units for it is slower.)
    """
    full, half = (update_seconds(network, tokens, 1, "cpu", name) for name in ("fp32", "bf16"))
    return full >= GAIN * half
