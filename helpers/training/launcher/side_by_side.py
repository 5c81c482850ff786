"""Processes that train together on one machine; run as a program, with their number and command.

Each is started as by torchrun, whose environment tells it which one it is. But they live no longer
than this program, keep open what it was given (the workspace's lock), and have the time that they
need to save when they are told to end (SIGTERM).
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))  # it is run by its path

from helpers.common.processes import cores, die_with_parent

LOOK = 0.1  # seconds from one look at the processes to the next
LIMIT = 600  # seconds in which they save, when they are told to end
GRACE = 10  # seconds for the others to end, where one has failed


def environment(rank: int, number: int, port: int) -> dict[str, str]:
    """What tells a process which one it is, by torchrun's names; each has its share of the cores.

    They meet on the loopback interface: the name of a machine may lead to a network that is gone.
    """
    threads = {"OMP_NUM_THREADS": str(max(1, cores() // number)), "GLOO_SOCKET_IFNAME": "lo"}
    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    which = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(number)}
    return threads | os.environ | where | which


def run(number: int, command: Sequence[str]) -> int:
    """Run so many processes to their end, which is that of all of them where one fails.

    Returns:
        0, or the exit status of the one that failed, or minus the signal that ended it.
    """
    processes: list[subprocess.Popen] = []
    told: list[float] = []  # when

    def tell(*_: object) -> None:
        told.append(time.monotonic())
        for each in processes:
            each.terminate()

    signal.signal(signal.SIGTERM, tell)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for rank in range(number):
        # The lock is to be held as long as one of them lives.
        processes.append(
            subprocess.Popen(
                command,
                env=environment(rank, number, port),
                close_fds=False,
                preexec_fn=die_with_parent,
            )
        )
    if told:
        tell()
    while True:
        codes = [each.poll() for each in processes]
        if None not in codes or any(codes) or (told and time.monotonic() > told[0] + LIMIT):
            break
        time.sleep(LOOK)
    # Where one is killed, the others miss it and fail, maybe before it was looked at: the signal,
    # which is the lowest number, is what has happened.
    failed = [code for each in processes if (code := each.poll())]
    _end(processes)
    return min(failed, default=0)


def _end(processes: Sequence[subprocess.Popen]) -> None:
    for each in processes:
        each.terminate()
    limit = time.monotonic() + GRACE
    for each in processes:
        try:
            each.wait(max(0, limit - time.monotonic()))
        except subprocess.TimeoutExpired:
            each.kill()
            each.wait()


if __name__ == "__main__":
    code = run(int(sys.argv[1]), sys.argv[2:])
    if code < 0:
        with contextlib.suppress(OSError):  # nobody can listen to SIGKILL
            signal.signal(-code, signal.SIG_DFL)
        signal.raise_signal(-code)
    sys.exit(code)
