"""Where shards are made: worker processes of this machine, a Dask scheduler's, or SLURM's.

``distributed`` is imported when it is needed: that takes a second.
"""

import contextlib
import dataclasses
import logging
import os
import pickle
import shutil
import signal
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from helpers.common.errors import CourseError
from helpers.common.foreign_code import refuse_foreign_code
from helpers.common.processes import allowed_workers
from helpers.ids.schedulers import connected, refuse_other_workers, wait_for_workers
from helpers.ids.shard import ON_A_SHARED_DISK, ShardTask, make_shard
from helpers.workflow.settings import PrepareSettings

if TYPE_CHECKING:
    from distributed import Client, Future

# What a section lists line by line; a text would be taken for a list of letters.
LISTS = ("job-extra-directives", "job-directives-skip", "job-script-prologue")
PATIENCE = 20  # seconds without a finished task until a scheduler is asked whether it still works
AGAIN = "What is finished is kept: run this step again, and it goes on from there."


@contextlib.contextmanager
def cluster(settings: PrepareSettings, tasks: int) -> Iterator["Client"]:
    """A client whose workers can do so many tasks; what was started for it is stopped again.

    Raises:
        CourseError: there is no such scheduler, profile or SLURM, or its connection was lost.
    """
    from distributed import KilledWorker
    from distributed.client import FutureCancelledError, FuturesCancelledError
    from distributed.comm import CommClosedError

    refuse_foreign_code()
    with _quiet():
        try:
            if settings.scheduler:
                opened = connected(settings.scheduler)
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
        except (CommClosedError, FutureCancelledError, FuturesCancelledError):
            raise CourseError(
                "The connection to the scheduler was lost.", f"See whether it still runs. {AGAIN}"
            ) from None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without logs: the news of distributed, asyncio and tornado are errors here; no warnings."""
    before = logging.root.manager.disable
    logging.disable()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="distributed|dask_jobqueue")
            yield
    finally:
        logging.disable(before)


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
    from dask_jobqueue import SLURMCluster

    slurm_section(profile)
    if not shutil.which("sbatch"):
        raise CourseError(
            "This machine has no sbatch: SLURM cannot be asked from here.",
            "Run this step on a login node, or without --slurm.",
        )
    try:
        return SLURMCluster(config_name=profile, scheduler_options={"dashboard_address": None})
    except (TypeError, ValueError) as error:
        raise refused_section(profile, error) from None


def slurm_section(profile: str) -> dict[str, Any]:
    """What a section of the user's jobqueue configuration says of a job, from now on whole.

    Raises:
        CourseError: there is no such section.
    """
    import dask
    import dask_jobqueue  # noqa: F401 (it brings its defaults)

    known = dask.config.get("jobqueue", {})
    if profile not in known:
        raise CourseError(
            f"There is no section {profile} in your Dask jobqueue configuration.",
            f"There are: {', '.join(sorted(known))}. They stand in ~/.config/dask/jobqueue.yaml.",
        )
    if not isinstance(known[profile], dict):
        raise refused_section(profile, "it is no list of names with values")
    # dask-jobqueue wants every key in a section; those that are left out get its defaults.
    section = known["slurm"] | known[profile]
    cores = section["cores"]
    if not isinstance(cores, int) or isinstance(cores, bool) or cores < 1:
        raise refused_section(profile, f"its cores are {cores!r}")
    for name in LISTS:
        if not isinstance(section.get(name) or [], list):
            raise refused_section(profile, f"{name} has to be a list, each line with a dash")
    dask.config.set({f"jobqueue.{profile}": section})
    return section


def refused_section(profile: str, error: Exception | str) -> CourseError:
    """What to say of a section that dask-jobqueue cannot make a job of."""
    return CourseError(
        f"The section {profile} of your Dask jobqueue configuration is refused: {error}.",
        "It needs cores, memory and, for most clusters, queue and walltime.",
    )


def make_shards(client: "Client", tasks: list[ShardTask]) -> Iterator[ShardTask]:
    """Do tasks wherever the client's workers are; each one is given when it is done.

    Raises:
        CourseError: what :func:`helpers.ids.shard.make_shard` raises, a worker that has another
            course or none, or one whose folders are others; a scheduler that answers no more.
    """
    futures = {
        client.submit(pickle.loads, pickle.dumps(_Call(make_shard, task)), pure=False): task
        for task in tasks
    }
    try:
        for future, error in _finished(client, set(futures)):
            task = futures[future]
            if isinstance(error, MemoryError):
                raise CourseError(
                    "There is not enough memory for a worker.", f"Use fewer of them. {AGAIN}"
                )
            if error:
                if isinstance(error, ImportError | AttributeError | TypeError):
                    refuse_other_workers(client)  # else it is a bug
                raise error
            os.listdir(task.folder.parent)  # noqa: PTH208 (a network disk looks again)
            if not task.counts:
                raise CourseError(
                    f"A worker has finished {task.folder.name}, and it is not here.",
                    ON_A_SHARED_DISK,
                )
            yield task
    except BaseException:
        client.cancel(list(futures))
        raise


@dataclasses.dataclass(frozen=True)
class _Call:
    """What is done by being unpickled, and thus within the task.

    A worker of distributed that cannot unpickle a task ends without a word, and this is how one
    without the course, or with another, says so.
    """

    function: Callable[[ShardTask], None]
    task: ShardTask

    def __reduce__(self) -> tuple[Callable[[ShardTask], None], tuple[ShardTask]]:
        return self.function, (self.task,)


def _finished(
    client: "Client", futures: set["Future"]
) -> Iterator[tuple["Future", Exception | None]]:
    """Futures as they are done, and their errors, while there are a scheduler and workers."""
    from distributed import wait

    while futures:
        try:
            done, _ = wait(futures, timeout=PATIENCE, return_when="FIRST_COMPLETED")
            for future in done:  # its result would lie with the worker, which may be gone by now
                error = future.exception(PATIENCE)
                futures.remove(future)
                yield future, error
        except TimeoutError:
            if client.cluster is None:  # one of this process needs no question; SLURM has a queue
                _still_working(client.scheduler.address)


def _still_working(address: str) -> None:
    try:
        wait_for_workers(address)
    except CourseError as error:
        raise CourseError(error.message, f"{error.hint} {AGAIN}") from None
