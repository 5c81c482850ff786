"""Numbers that are none: NaN and infinity in a model, which make every answer of it worthless.

And tensors that are no tables of numbers: sparse ones, complex ones, shapes without content.
"""

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from helpers.common.errors import CourseError
from helpers.common.file_kinds import ONCE_MORE

if TYPE_CHECKING:
    import torch


DIVERGED = (
    "Most likely its training diverged, or half precision overflowed; take a checkpoint from "
    "before that."
)
TOO_LARGE = (
    "fairseq computes in single precision, whose largest number is 3.4e+38; take a checkpoint "
    "that was trained and saved in it."
)


def refuse_not_finite(content: object, owner: object) -> None:
    """Refuse tensors that hold NaN or infinity, or more than single precision can hold.

    Those that are no plain tables of numbers are refused too; whole numbers are not looked at.

    It reads each tensor once: a third of a second for a roberta-large.

    Args:
        content: tensors in dictionaries and lists, of any depth.
        owner: whose they are, for the message: most often the file.

    Raises:
        CourseError: the first such tensor, by its name.
    """
    try:
        found = [*_tensors(content)]
    except RecursionError:
        raise CourseError(f"{owner} is damaged: it is nested without end.", ONCE_MORE) from None
    for name, tensor in found:
        if what := _no_table(tensor):
            raise _other_kind(owner, name, what)
        if beyond := _beyond(tensor):
            what, hint = beyond
            raise CourseError(
                f"{owner} holds {what} in the tensor {name}: nothing can be computed with it.", hint
            )


def refuse_whole_numbers(weights: "dict[str, torch.Tensor]", owner: object) -> None:
    """Raise CourseError where a weight of a model is no floating-point number."""
    for name, tensor in _tensors(weights):
        if not tensor.is_floating_point():
            raise _other_kind(owner, name, f"numbers of the kind {tensor.dtype}")


def _other_kind(owner: object, name: str, what: str) -> CourseError:
    return CourseError(
        f"{owner} holds {what} in the tensor {name}, where a RoBERTa has plain floating-point "
        "numbers.",
        "Take it once more from where it was published, as it was before it was made smaller.",
    )


def _no_table(tensor: "torch.Tensor") -> str:
    """What a tensor is that is no plain table of numbers; else nothing."""
    import torch

    if tensor.is_meta:
        return "a shape without numbers"
    if tensor.is_nested or tensor.layout != torch.strided:
        return "a sparse or nested table"
    if tensor.is_quantized or tensor.dtype == torch.float4_e2m1fn_x2:
        return "quantized numbers"
    return "complex numbers" if tensor.is_complex() else ""


def _beyond(tensor: "torch.Tensor") -> tuple[str, str] | None:
    """What is in a tensor that is no number of single precision, and a hint; else nothing."""
    import torch

    if not (tensor.is_floating_point() and tensor.numel()):
        return None
    if tensor.dtype.itemsize == 1:  # of which torch knows no extremes
        tensor = tensor.float()
    # Of NaN both are NaN; isfinite would take twenty times as long.
    least, most = (float(end) for end in tensor.aminmax())
    if least != least:
        return "NaN", DIVERGED
    if math.inf in (most, -least):
        return "infinite numbers", DIVERGED
    largest = torch.finfo(torch.float32).max
    if largest < max(most, -least):
        most = max(least, most, key=abs)
        return f"the number {most:g}, which is too large for single precision,", TOO_LARGE
    return None


def _tensors(content: object, name: str = "") -> "Iterator[tuple[str, torch.Tensor]]":
    import torch

    if isinstance(content, torch.Tensor):
        yield name, content
    elif isinstance(content, (Mapping, list, tuple)):
        parts = content.items() if isinstance(content, Mapping) else enumerate(content)
        for key, part in parts:
            yield from _tensors(part, f"{name}.{key}" if name else str(key))
