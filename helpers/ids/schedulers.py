"""A Dask scheduler that somebody else has started: is it one, does it answer, has it workers?

Whatever stands at an address may answer anything or nothing at all, so each question has an end.
"""

import asyncio
import concurrent.futures
import socket
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from helpers.common.errors import CourseError
from helpers.ids.shard import SAME_COURSE, refuse_other_versions, versions

if TYPE_CHECKING:
    from distributed import Client

REACHED = 10  # seconds for an answer of a scheduler
WORKERS = 60  # seconds for a worker of a scheduler
Answer = TypeVar("Answer")


def in_time(question: Callable[[], Answer], seconds: float) -> Answer:
    """What a function returns, or raises; one that takes longer is left behind in its thread.

    Raises:
        TimeoutError: there was no answer.
    """
    answer: concurrent.futures.Future[Answer] = concurrent.futures.Future()

    def ask() -> None:
        try:
            answer.set_result(question())
        except BaseException as error:
            answer.set_exception(error)

    threading.Thread(target=ask, daemon=True).start()
    return answer.result(seconds)


def connected(address: str) -> "Client":
    """A client of a scheduler that has workers.

    Raises:
        CourseError: there is no scheduler, it does not answer, or it has no workers.
    """
    from distributed import Client, __version__

    # A client that reaches nobody may end, in its own time, just while another begins, and then
    # both wait for the same lock for ever. So it is made only where a scheduler has answered.
    wait_for_workers(address)
    try:
        return Client(address, timeout=REACHED)
    except Exception as error:  # whatever another version answers
        raise CourseError(
            f"The Dask scheduler at {address} does not take this client ({type(error).__name__}).",
            f"All machines need the same versions: here dask and distributed are {__version__}.",
        ) from None


def wait_for_workers(address: str) -> None:
    """Wait until a scheduler has a worker.

    Raises:
        CourseError: there is no scheduler, it does not answer, or no worker came.
    """
    limit = time.monotonic() + WORKERS
    while not _identity(address)["workers"]:
        if time.monotonic() > limit:
            raise CourseError(
                f"The scheduler at {address} has no workers.",
                f"Start some: dask worker {address} --nworkers 8 --nthreads 1",
            )
        time.sleep(min(0.2, WORKERS))


def refuse_other_workers(client: "Client") -> None:
    """Where a worker failed at what this machine can do: whether it has another course.

    Raises:
        CourseError: a worker has another course, other packages, another Python, or no course.
    """
    try:
        found = in_time(lambda: client.run(versions, on_error="return"), REACHED)
    except TimeoutError:
        return
    for worker, theirs in found.items():
        if isinstance(theirs, Exception):
            raise CourseError(f"The worker at {worker} has no such course: {theirs}.", SAME_COURSE)
        refuse_other_versions(f"at {worker}", theirs, versions())


def _identity(address: str) -> dict[str, Any]:
    """What a scheduler says of itself."""
    from distributed.comm import get_address_host_port

    def reach() -> None:
        # What refuses is told at once; distributed would try again until its time is over.
        socket.create_connection(get_address_host_port(address), REACHED).close()

    try:
        in_time(reach, REACHED)
    except Exception as error:
        raise _no_scheduler(address, _why(error, str(error))) from None
    try:
        answer = in_time(lambda: asyncio.run(asyncio.wait_for(_asked(address), REACHED)), REACHED)
        kind = answer["type"]
    except Exception as error:  # anything may answer anything
        raise _no_scheduler(address, _why(error, "what answers is something else")) from None
    if kind != "Scheduler":
        raise _no_scheduler(address, f"what answers is a {kind}")
    return answer


async def _asked(address: str) -> dict[str, Any]:
    from distributed import Security, rpc

    arguments = Security().get_connection_args("client")
    async with rpc(address, timeout=REACHED, connection_args=arguments) as scheduler:
        return await scheduler.identity()


def _why(error: Exception, otherwise: str) -> str:
    from distributed.comm import CommClosedError

    if isinstance(error, TimeoutError):
        return f"no answer within {REACHED} seconds"
    if isinstance(error, CommClosedError):
        return "it closes the connection"
    if isinstance(error, TypeError) and "ssl_context" in str(error):
        return "your Dask configuration names no certificates"
    return (getattr(error, "strerror", None) or otherwise).splitlines()[0][:80]


def _no_scheduler(address: str, why: str) -> CourseError:
    return CourseError(
        f"There is no Dask scheduler at {address} ({why}).",
        "It is started by `dask scheduler`, which prints its address, such as "
        "tcp://10.0.0.1:8786; one that asks for certificates begins with tls://.",
    )
