"""What the machine has for a training: its device, memory and disk."""

import dataclasses
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.common.processes import cores

if TYPE_CHECKING:
    import torch


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
