"""Several processes of one training: what starts them, and what fairseq is told of them.

Each reads other batches, and after each of its ``update_freq`` batches they add their gradients:
an update of ``nproc`` processes is one of ``nproc × update_freq`` batches. On processors they
exchange them by gloo, on GPUs by NCCL.
"""

import os
import subprocess

from helpers.common.errors import CourseError
from helpers.common.fairseq import tool
from helpers.common.processes import cores
from helpers.machine.devices import chosen
from helpers.workflow.training_settings import FinetuneSettings

PORT = 29_500  # of a job's first machine, at which the processes of several machines meet


def refuse_too_many(settings: FinetuneSettings) -> None:
    """Raise CourseError where there are not as many cores or GPUs for the processes."""
    nproc = settings.nproc
    device = chosen(settings.device)
    if device.type == "cuda" and nproc > 1:
        import torch

        there, kind = torch.cuda.device_count(), "GPUs that PyTorch can use"
        if ":" in settings.device:
            raise CourseError(
                f"nproc = {nproc} takes as many GPUs, and device = {settings.device} names one.",
                "Set device to auto, or nproc to 1.",
            )
    else:
        there, kind = cores(), "cores"
    if nproc > there:
        raise CourseError(
            f"nproc = {nproc} asks for as many processes side by side, and this machine has "
            f"{there} {kind}.",
            f"Set nproc to {there} or less; update_freq = {nproc} makes updates of the same size.",
        )


def refuse_outside_a_job(settings: FinetuneSettings) -> None:
    """Raise CourseError where the machines are not those of a SLURM job that this is within."""
    nodes, job = settings.nodes, os.environ.get("SLURM_JOB_NUM_NODES")
    if nodes and job != str(nodes):
        raise CourseError(
            f"nodes = {nodes} asks for the machines of a SLURM job, and "
            + (f"this job has {job}." if job else "this is not within one."),
            f"`finetune --slurm PROFILE --nodes {nodes}` writes a job that has them.",
        )


def distributed(settings: FinetuneSettings) -> dict[str, object]:
    """fairseq's options for several processes; each learns from its environment which one it is."""
    if settings.processes == 1:
        return {}
    if settings.nodes:
        rank, local, meet = "SLURM_PROCID", "SLURM_LOCALID", f"tcp://{_first_machine()}:{PORT}"
    else:
        rank, local, meet = "RANK", "LOCAL_RANK", "env://"
    values = {
        "distributed_world_size": settings.processes,
        "distributed_rank": f"${{oc.env:{rank}}}",
        "device_id": f"${{oc.env:{local}}}",
        "distributed_init_method": meet,
        "distributed_no_spawn": True,
    }
    if chosen(settings.device).type == "cpu":
        # (fairseq asks PyTorch's own way of adding gradients for a GPU.)
        values |= {"distributed_backend": "gloo", "ddp_backend": "legacy_ddp"}
    named = {f"distributed_training.{name}": value for name, value in values.items()}
    # (What the first one would send to the others, today's torch refuses.)
    return named | {"checkpoint.load_checkpoint_on_all_dp_ranks": True}


def starter(settings: FinetuneSettings) -> list[str]:
    """The command that starts the processes; empty for one."""
    if settings.processes == 1:
        return []
    if settings.nodes:
        tasks = f"--ntasks-per-node={settings.nproc}"
        return ["srun", f"--nodes={settings.nodes}", tasks, "--kill-on-bad-exit=1"]
    return [tool("torchrun"), "--standalone", f"--nproc-per-node={settings.nproc}", "--no-python"]


def _first_machine() -> str:
    machines = os.environ.get("SLURM_JOB_NODELIST")
    if not machines:  # only the command is shown
        return "FIRST-MACHINE"
    found = subprocess.run(
        ["scontrol", "show", "hostnames", machines], capture_output=True, text=True, check=True
    )
    return found.stdout.split()[0]
