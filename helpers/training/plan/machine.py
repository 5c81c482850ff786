"""What the machine has for a training: its device, memory, disk and speed."""

import dataclasses
import functools
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from helpers.common.processes import cores

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

    @property
    def kind(self) -> str:
        """PyTorch's name of such a device."""
        return "cuda" if self.capability else "cpu"


def machine(folder: Path, on_cpu: bool = False) -> Machine:
    """The device that fairseq takes, its free memory, and the room on the folder's disk.

    Args:
        on_cpu: it is told to leave a GPU alone (``common.cpu``).
    """
    import torch

    while not folder.exists():
        folder = folder.parent
    disk = shutil.disk_usage(folder).free
    if torch.cuda.is_available() and not on_cpu:
        capability = float("{}.{}".format(*torch.cuda.get_device_capability()))
        name, free = torch.cuda.get_device_name(), torch.cuda.mem_get_info()[0]
        return Machine(name, free, disk, capability)
    return Machine(f"the processor, {cores()} cores", _free_memory(), disk)


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
def seconds_of_product(kind: str, rows: int, inner: int, columns: int) -> float:
    """How long such a device takes for the product of two matrices in single precision: a trial."""
    import torch

    tried = min(rows, ROWS)
    one, other, product = (
        torch.ones(shape, device=kind)
        for shape in ((tried, inner), (inner, columns), (tried, columns))
    )
    return _fastest(kind, lambda: torch.mm(one, other, out=product)) * rows / tried


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
