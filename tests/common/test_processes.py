"""Child processes: interrupted at any moment, they end with what was done with them."""

import signal
import subprocess
import sys
import time

import pytest

from helpers.common.files import PROJECT
from helpers.common.processes import child, endings_interrupt

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


def test_an_interrupt_in_the_middle_of_the_fork_is_not_lost():
    code = f"""
import os, signal
from helpers.common.processes import child
os.register_at_fork(after_in_parent=lambda: signal.raise_signal(signal.SIGINT))
try:
    with child({SLEEP!r}) as process:
        print("lost")
except KeyboardInterrupt:
    print("interrupted")
"""
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, timeout=50
    )
    assert done.stdout.strip() == "interrupted", done.stderr
    assert time.monotonic() - begun < 40  # the child was not waited for


def test_what_a_library_hears_is_left_to_it(monkeypatch):
    """Python does not know such a handler, and could not put it back."""
    heard = signal.getsignal
    monkeypatch.setattr(signal, "getsignal", lambda n: None if n == signal.SIGTERM else heard(n))
    before = heard(signal.SIGTERM)
    with endings_interrupt():
        assert heard(signal.SIGTERM) == before
        assert heard(signal.SIGHUP) != signal.SIG_DFL
    assert heard(signal.SIGHUP) == signal.SIG_DFL


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, GeneratorExit])
def test_a_child_is_killed_when_what_is_done_with_it_fails(error):
    with pytest.raises(error), child(SLEEP) as process:
        assert process.poll() is None
        raise error
    assert process.returncode == -9


def test_a_child_that_ends_by_itself_keeps_its_exit_code():
    with child([sys.executable, "-c", "raise SystemExit(3)"]) as process:
        process.wait()
    assert process.returncode == 3
