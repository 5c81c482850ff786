"""Where shards are made: worker processes of this machine, a Dask scheduler's, or SLURM's.

``distributed`` is imported when it is needed: that takes a second.
"""

import contextlib
import logging
import os
import shutil
import signal
import socket
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

from helpers.common.errors import CourseError
from helpers.common.foreign_code import refuse_foreign_code
from helpers.common.processes import allowed_workers
from helpers.ids.shard import ON_A_SHARED_DISK, ShardTask, make_shard
from helpers.workflow.settings import PrepareSettings

if TYPE_CHECKING:
    from distributed import Client

REACHED = 10  # seconds for the answer of a scheduler
WORKERS = 60  # seconds for the first worker of a scheduler
AGAIN = "What is finished is kept: run this step again, and it goes on from there."


@contextlib.contextmanager
def cluster(settings: PrepareSettings, tasks: int) -> Iterator["Client"]:
    """A client whose workers can do so many tasks; what was started for it is stopped again.

    Raises:
        CourseError: there is no such scheduler, profile or SLURM, or its connection was lost.
    """
    from distributed import KilledWorker
    from distributed.client import FutureCancelledError
    from distributed.comm import CommClosedError

    refuse_foreign_code()
    with _quiet():
        try:
            if settings.scheduler:
                opened = _scheduler(settings.scheduler)
            elif settings.slurm:
                opened = _slurm(settings.slurm, settings.workers or tasks)
            else:
                number, _ = allowed_workers(settings.workers)
                opened = _local(min(number, tasks))
            with opened as client:
                yield client
        except KilledWorker as error:
            raise CourseError(
                "Worker after worker died at the same shard, most likely because memory ran out: "
                f"the last was {error.last_worker.address}.",
                f"Use fewer workers, or ones with more memory. {AGAIN}",
            ) from None
        except (CommClosedError, FutureCancelledError):
            raise CourseError(
                "The connection to the scheduler was lost.", f"See whether it still runs. {AGAIN}"
            ) from None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the log of distributed, whose news are errors here; and without its warnings."""
    logger = logging.getLogger("distributed")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="distributed|dask_jobqueue")
            yield
    finally:
        logger.setLevel(before)


@contextlib.contextmanager
def _local(number: int) -> Iterator["Client"]:
    import dask
    from distributed import Client, LocalCluster

    with (
        dask.config.set({"distributed.worker.profile.enabled": False}),  # it takes a tenth
        LocalCluster(
            n_workers=number,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address=None,
            worker_dashboard_address=None,
            silence_logs=logging.CRITICAL + 1,
        ) as workers,
        Client(workers) as client,
    ):
        client.run(_deaf)
        yield client


def _deaf() -> None:
    """Ctrl-C reaches workers in the same terminal, too; they are stopped in good order instead."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextlib.contextmanager
def _scheduler(address: str) -> Iterator["Client"]:
    from distributed import Client
    from distributed.comm import get_address_host_port

    try:
        # A client that reaches nobody may end, in its own time, just while another begins, and then
        # both wait for the same lock for ever. So it is made only where somebody answers.
        socket.create_connection(get_address_host_port(address), REACHED).close()
        client = Client(address, timeout=REACHED)
    except (OSError, ValueError, TypeError, AssertionError) as error:
        why = str(error) or type(error).__name__
        raise CourseError(
            f"There is no Dask scheduler at {address} ({why.splitlines()[0][:80]}).",
            "It is started by `dask scheduler`, which prints its address, such as "
            "tcp://10.0.0.1:8786.",
        ) from None
    with client:
        try:
            client.wait_for_workers(1, timeout=WORKERS)
        except TimeoutError:
            raise CourseError(
                f"The scheduler at {address} has no workers.",
                f"Start some: dask worker {address} --nworkers 8 --nthreads 1",
            ) from None
        yield client


@contextlib.contextmanager
def _slurm(profile: str, number: int) -> Iterator["Client"]:
    from distributed import Client

    with slurm_cluster(profile) as jobs:
        jobs.scale(number)
        with Client(jobs) as client:
            yield client


def slurm_cluster(profile: str) -> contextlib.AbstractContextManager:
    """A SLURMCluster by a section of the user's jobqueue configuration, without jobs yet.

    Raises:
        CourseError: this machine has no SLURM, or there is no such section, or it lacks something.
    """
    import dask
    from dask_jobqueue import SLURMCluster

    known = dask.config.get("jobqueue", {})
    if profile not in known:
        raise CourseError(
            f"There is no section {profile} in your Dask jobqueue configuration.",
            f"There are: {', '.join(sorted(known))}. They stand in ~/.config/dask/jobqueue.yaml.",
        )
    if not shutil.which("sbatch"):
        raise CourseError(
            "This machine has no sbatch: SLURM cannot be asked from here.",
            "Run this step on a login node, or without --slurm.",
        )
    # dask-jobqueue wants every key in a section; those that are left out get its defaults.
    dask.config.set({f"jobqueue.{profile}": known["slurm"] | known[profile]})
    try:
        return SLURMCluster(config_name=profile, scheduler_options={"dashboard_address": None})
    except (TypeError, ValueError) as error:
        raise CourseError(
            f"The section {profile} of your Dask jobqueue configuration is refused: {error}.",
            "It needs cores, memory and, for most clusters, queue and walltime.",
        ) from None


def make_shards(client: "Client", tasks: list[ShardTask]) -> Iterator[ShardTask]:
    """Do tasks wherever the client's workers are; each one is given when it is done.

    Raises:
        CourseError: what :func:`helpers.ids.shard.make_shard` raises, a worker that lacks the
            course, or one whose folders are others.
    """
    from distributed import as_completed

    futures = {client.submit(make_shard, task, pure=False): task for task in tasks}
    try:
        for future in as_completed(futures):
            task = futures[future]
            try:
                host = future.result()
            except ImportError as error:
                raise CourseError(
                    f"A worker lacks a package: {error}.",
                    "Every machine needs the course, installed in the same way as here.",
                ) from None
            except MemoryError:
                raise CourseError(
                    "There is not enough memory for a worker.", f"Use fewer of them. {AGAIN}"
                ) from None
            os.listdir(task.folder.parent)  # noqa: PTH208 (a network disk looks again)
            if not task.counts:
                raise CourseError(
                    f"The worker on {host} has finished {task.folder.name}, and it is not here.",
                    ON_A_SHARED_DISK,
                )
            yield task
    except BaseException:
        client.cancel(list(futures))
        raise
