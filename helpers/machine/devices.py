"""Where a model is computed: on the processor, or on a GPU that PyTorch can use."""

import contextlib
import re
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

from helpers.common.errors import CourseError

if TYPE_CHECKING:
    import torch

# What matrices may be multiplied in, by PyTorch's names.
NUMBERS = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
# What CUDA says on a machine without any GPU of NVIDIA's; anything else is a fault.
NONE_THERE = ("no NVIDIA driver", "No CUDA GPUs")
# What PyTorch says where memory is not enough, as RuntimeErrors.
NO_GPU_MEMORY = re.compile(r"CUDA (?:error: )?out of memory|CUBLAS_STATUS_ALLOC_FAILED")
NO_MEMORY = re.compile(r"can.t allocate memory|not enough memory", re.I)


def chosen(name: str) -> "torch.device":
    """The device of a setting: ``auto`` is the first GPU, or the processor where there is none.

    Raises:
        CourseError: there is no such GPU, or PyTorch cannot use it.
    """
    import torch

    if name == "cpu":
        return torch.device(name)
    refused = refused_gpu()
    if name == "auto":
        return torch.device("cpu" if refused else "cuda:0")
    if refused:
        raise CourseError(
            f"device = {name} asks for a GPU, and PyTorch can use none: {refused}.",
            "Set device to auto or cpu; or install what the GPU needs, and start Python again.",
        )
    number, count = int(name.partition(":")[2] or 0), torch.cuda.device_count()
    if number >= count:
        raise CourseError(
            f"device = {name} is not there: PyTorch finds {count}, counted from cuda:0.",
            "Choose one of them, or set device to auto.",
        )
    return torch.device("cuda", number)


def refused_gpu() -> str:
    """Why PyTorch can use no GPU, as the end of a sentence; empty where it can."""
    import torch

    with warnings.catch_warnings():  # what is wrong is told below
        warnings.simplefilter("ignore")
        if torch.cuda.is_available():
            return ""
    if not torch.backends.cuda.is_built():
        return f"torch {torch.__version__} was built without CUDA"
    try:
        torch.cuda.init()
    except RuntimeError as error:
        return f"“{str(error).splitlines()[0].split('. ')[0].rstrip('.')}”"
    return "it finds none"


def unused_gpu() -> str:
    """What is wrong with a GPU that is there and cannot be used; empty where there is none."""
    import torch

    refused = refused_gpu() if torch.backends.cuda.is_built() else ""
    return "" if any(words in refused for words in NONE_THERE) else refused


@contextlib.contextmanager
def enough_memory() -> Iterator[None]:
    """Raise CourseError where there is not enough memory for what is done within."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        said = str(error)
        if NO_GPU_MEMORY.search(said):
            raise CourseError(
                "The memory of the GPU is not enough for this step.",
                "End what else uses the GPU (nvidia-smi shows it), or set device to cpu.",
            ) from None
        if isinstance(error, MemoryError) or NO_MEMORY.search(said):
            raise CourseError(
                "The computer's memory is not enough for this step.",
                "Close other programs, or take a smaller model or less text at a time.",
            ) from None
        raise
