"""What the machine has for a training: its device, memory, disk and speed."""

import dataclasses
import functools
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.common.processes import cores

if TYPE_CHECKING:
    import torch

NUMBERS = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}  # by PyTorch's names
PATIENCE = 0.03  # seconds that a trial is repeated for; the fastest counts
ROWS = 1024  # of a trial's product; for more of them the time grows alike


@dataclasses.dataclass(frozen=True)
class Machine:
    """Where fairseq will train, and what is free there, in bytes.

    ``capability`` is that of a GPU in CUDA's numbers, such as 8.0; 0 of a processor.
    """

    device: str
    memory: int
    disk: int
    capability: float = 0.0


def machine(folder: Path, device: "torch.device") -> Machine:
    """A device by its name, its free memory, and the room on the folder's disk."""
    import torch

    while not folder.exists():
        folder = folder.parent
    disk = shutil.disk_usage(folder).free
    if device.type == "cuda":
        name, free = torch.cuda.get_device_name(device), torch.cuda.mem_get_info(device)[0]
        return Machine(name, free, disk, capability(device))
    return Machine(f"the processor, {cores()} cores", _free_memory(), disk)


def capability(device: "torch.device") -> float:
    """What a GPU can, in CUDA's numbers, such as 8.0; 0 of a processor."""
    import torch

    if device.type != "cuda":
        return 0.0
    return float("{}.{}".format(*torch.cuda.get_device_capability(device)))


def _free_memory() -> int:
    """What the system could give to a new process."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


@functools.lru_cache(maxsize=64)
def seconds_of_product(kind: str, precision: str, rows: int, inner: int, columns: int) -> float:
    """How long such a device takes for the product of two matrices: a trial.

    Args:
        precision: a key of ``NUMBERS``; what is in single precision before is rounded in it.
    """
    import torch

    tried = min(rows, ROWS)
    one = torch.ones((tried, inner), device=kind)
    narrow = getattr(torch, NUMBERS[precision])
    other, product = (
        torch.ones(shape, device=kind, dtype=narrow)
        for shape in ((inner, columns), (tried, columns))
    )
    return _fastest(kind, lambda: torch.mm(one.to(narrow), other, out=product)) * rows / tried


@functools.lru_cache(maxsize=2)
def seconds_a_byte(kind: str) -> float:
    """How long such a device takes to copy a byte: a trial with more than its caches hold."""
    import torch

    one, other = (torch.ones(2**24, device=kind) for _ in range(2))
    return _fastest(kind, lambda: other.copy_(one)) / (4 * one.numel())


def _fastest(kind: str, work: Callable[[], object]) -> float:
    """Seconds with all of the device; of a processor by the time of one core, as if it were free.

    (Several would wait for each other where other programs run.)
    """
    import torch

    on_gpu, threads = kind == "cuda", torch.get_num_threads()
    clock = time.perf_counter if on_gpu else time.thread_time
    torch.set_num_threads(1)
    seconds, begun = [], time.perf_counter()
    while not seconds or time.perf_counter() - begun < PATIENCE:
        before = clock()
        work()
        if on_gpu:
            torch.cuda.synchronize()
        seconds.append(clock() - before)
    torch.set_num_threads(threads)
    return min(seconds) / (1 if on_gpu else threads)
