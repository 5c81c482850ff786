"""A training as a SLURM job: its script, by a profile of the user's Dask jobqueue configuration.

The job runs the course's own command on its first machine, and that starts fairseq's processes on
all of them by ``srun`` (see :mod:`helpers.training.several`). So a job that is out of time has
saved what it did, and the same job goes on from there.
"""

import shlex
import shutil
import subprocess
import sys

from helpers.common.errors import CourseError
from helpers.common.files import PROJECT, write_whole
from helpers.ids.clusters import refused_section, slurm_section
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace

SCRIPT = "finetune.sbatch"
ANOTHER_WAY = ("#SBATCH -n 1", "#SBATCH --cpus-per-task", "#SBATCH -e ", "#SBATCH -o ")
BODY = """\
{head}
#SBATCH --nodes={nodes}
#SBATCH --ntasks-per-node={nproc}
#SBATCH --cpus-per-task={cores}
#SBATCH --output="{log}"
{prologue}
# Each task is one of fairseq's processes, with its own share of the cores.
export SRUN_CPUS_PER_TASK={cores} OMP_NUM_THREADS={cores}
cd {project}
exec {command}
"""


def job_script(
    workspace: Workspace, settings: FinetuneSettings, profile: str, force: bool = False
) -> str:
    """The script of a job that trains on ``nodes`` machines with ``nproc`` processes on each.

    Args:
        profile: a section of the jobqueue configuration, as for the shards; its ``cores`` and
            ``memory`` are those of one machine.

    Raises:
        CourseError: there is no such profile, or it has fewer cores than processes.
    """
    from dask_jobqueue.slurm import SLURMJob

    section = slurm_section(profile)
    try:
        job = SLURMJob(
            *(None, "finetune"),  # no scheduler of Dask's
            config_name=profile,
            job_name="finetune",
            job_directives_skip=[*ANOTHER_WAY, *(section["job-directives-skip"] or [])],
        )
        cores = int(section["cores"]) // settings.nproc
    except (TypeError, ValueError) as error:
        raise refused_section(profile, error) from None
    if not cores:
        raise CourseError(
            f"nproc = {settings.nproc} asks for as many processes on each machine, and the section "
            f"{profile} has {section['cores']} cores.",
            "Lower nproc, or write more cores into the section.",
        )
    return BODY.format(
        head=f"{job.shebang}\n\n{job.job_header}",
        nodes=settings.nodes,
        nproc=settings.nproc,
        cores=cores,
        log=str(workspace.root).replace("%", "%%") + "/slurm-%j.out",
        prologue="\n".join(job._job_script_prologue),
        project=shlex.quote(str(PROJECT)),
        command=shlex.join([*_command(workspace, settings), *(["--force"] if force else [])]),
    )


def _command(workspace: Workspace, settings: FinetuneSettings) -> list[str]:
    """The course's command with each setting that is not the default."""
    words = [sys.executable, "-m", "helpers", "finetune", "--workspace", str(workspace.root)]
    for name, value in settings.model_dump(exclude_defaults=True).items():
        values = value if isinstance(value, (list, tuple)) else [value]
        words += [f"--{name.replace('_', '-')}", *map(str, values)]
    return words


def write_job(
    workspace: Workspace, settings: FinetuneSettings, profile: str, submit: bool, force: bool
) -> str:
    """Write the script into the workspace, and submit it where that is asked for.

    Returns:
        The script, and what is to be said of it.

    Raises:
        CourseError: as :func:`job_script`; or SLURM does not take it.
    """
    script, file = job_script(workspace, settings, profile, force), workspace.root / SCRIPT
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, script)
    typed = shlex.join(["sbatch", str(file)])
    if not submit:
        return f"{script}\nNothing is submitted yet. With --submit it is, or by: {typed}"
    if not shutil.which("sbatch"):
        raise CourseError(
            f"This machine has no sbatch; the script is {file}.", "Submit it on a login node."
        )
    sent = subprocess.run(["sbatch", str(file)], capture_output=True, text=True)
    if sent.returncode:
        raise CourseError(
            f"SLURM does not take the job: {sent.stderr.strip()}",
            f"The script is {file}; what it asks for stands in the section {profile} of "
            "~/.config/dask/jobqueue.yaml.",
        )
    watch = shlex.join(["python", "-m", "helpers", "watch", "--workspace", str(workspace.root)])
    return f"{script}\n{sent.stdout.strip()}. {watch} shows how far it is."
