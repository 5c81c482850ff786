"""Numbers that are none: NaN and infinity in a model, which make every answer of it worthless."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from helpers.common.errors import CourseError

if TYPE_CHECKING:
    import torch


def refuse_not_finite(content: object, owner: object) -> None:
    """Refuse tensors that hold NaN or infinity, or more than single precision can hold.

    It reads each tensor once: a third of a second for a roberta-large.

    Args:
        content: tensors in dictionaries and lists, of any depth.
        owner: whose they are, for the message: most often the file.

    Raises:
        CourseError: the first such tensor, by its name.
    """
    for name, tensor in _tensors(content):
        if what := _beyond(tensor):
            raise CourseError(
                f"{owner} holds {what} in the tensor {name}: nothing can be computed with it.",
                "Most likely its training diverged, or half precision overflowed; take a "
                "checkpoint from before that.",
            )


def _beyond(tensor: "torch.Tensor") -> str:
    """What is in a tensor that is no number of single precision; else nothing."""
    import torch

    if not (tensor.is_floating_point() and tensor.numel()):
        return ""
    if tensor.dtype.itemsize == 1:  # of which torch knows no extremes
        tensor = tensor.float()
    # Of NaN both are NaN; isfinite would take twenty times as long.
    least, most = (float(end) for end in tensor.aminmax())
    if least != least:
        return "NaN"
    largest = torch.finfo(torch.float32).max
    return "" if -largest <= least and most <= largest else "infinite numbers"


def _tensors(content: object, name: str = "") -> "Iterator[tuple[str, torch.Tensor]]":
    import torch

    if isinstance(content, torch.Tensor):
        yield name, content
    elif isinstance(content, (Mapping, list, tuple)):
        parts = content.items() if isinstance(content, Mapping) else enumerate(content)
        for key, part in parts:
            yield from _tensors(part, f"{name}.{key}" if name else str(key))
