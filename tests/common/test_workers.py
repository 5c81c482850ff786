"""Worker processes: results in order, and what is said when one of them dies."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from helpers.common import processes as module
from helpers.common.errors import CourseError
from helpers.common.files import PROJECT
from helpers.common.processes import Workers, allowed_workers


def late(number: int) -> int:
    """The first ones take longest."""
    time.sleep(max(0, 5 - number) * 0.02)
    return -number


def dies(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def takes_too_much(number: int) -> int:
    return len(np.zeros(1 << 60, dtype=np.uint8)) if number == 3 else number


@pytest.mark.parametrize("number", [1, 2])
def test_results_come_in_order(number: int):
    with Workers(number) as workers:
        assert [*workers.map(late, range(20))] == [*range(0, -20, -1)]
        assert [*workers.map(abs, [-3])] == [3]
        assert [*workers.map(abs, [])] == []


def test_a_killed_worker_is_told_in_words():
    with Workers(2) as workers, pytest.raises(CourseError) as raised:
        list(workers.map(dies, range(10)))
    assert "worker process was killed" in str(raised.value) and "--workers 1" in str(raised.value)


@pytest.mark.parametrize("number", [1, 2])
def test_too_little_memory_is_told_in_words(number: int):
    with Workers(number) as workers, pytest.raises(CourseError, match="not enough memory"):
        list(workers.map(takes_too_much, range(10)))


@pytest.mark.parametrize("number", [1, 2])
def test_a_bug_keeps_its_traceback(number: int):
    with Workers(number) as workers, pytest.raises(ZeroDivisionError):
        list(workers.map((1).__floordiv__, [1, 2, 0, 3]))


def test_no_more_than_two_items_a_worker_are_taken_ahead():
    taken = []
    with Workers(2) as workers:
        results = workers.map(abs, (taken.append(i) or i for i in range(100)))
        next(results)
        assert len(taken) <= 5


def test_more_workers_than_cores_are_lowered(monkeypatch):
    monkeypatch.setattr(module.os, "sched_getaffinity", lambda _: {0, 1, 2}, raising=False)
    number, notes = allowed_workers(60)
    assert number == 3 and "60 workers were asked for" in notes[0]
    assert allowed_workers(2) == (2, [])
    assert allowed_workers(None) == (3, [])


PARENT = """
import sys, time
from helpers.common.processes import Workers
from tests.common.test_workers import own_number
if __name__ == "__main__":
    with Workers(2) as workers:
        print(*{*workers.map(own_number, range(20))}, flush=True)
        time.sleep(60)
"""


def own_number(_: int) -> int:
    time.sleep(0.05)
    return os.getpid()


def test_workers_end_with_a_killed_parent(tmp_path: Path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    environ = os.environ | {"PYTHONPATH": str(PROJECT)}
    with subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, text=True, env=environ
    ) as parent:
        numbers = [int(number) for number in parent.stdout.readline().split()]
        assert len(numbers) == 2 and parent.pid not in numbers
        parent.kill()
    until = time.monotonic() + 10
    while left := [n for n in numbers if runs(n)]:
        assert time.monotonic() < until, left
        time.sleep(0.05)


def runs(number: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{number}/stat").read_text().split(")")[-1]
    except (FileNotFoundError, ProcessLookupError):
        return False
