# ruff: noqa: F811
"""What may stand at the address of a scheduler, and what may become of one: one sentence each."""

import contextlib
import http.server
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from helpers.common.errors import CourseError
from helpers.common.files import PROJECT
from helpers.ids import clusters, schedulers
from helpers.workflow.workspace import Workspace
from tests.ids.test_shards import work  # noqa: F401 (fixture)
from tests.ids.test_shards_elsewhere import (  # noqa: F401 (fixtures)
    address_in,
    end,
    kept,
    large,
    prepare,
    scheduler,
    start,
)
from tests.support import road
from tests.support.commands import until


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long."""
    for module, name in ((schedulers, "REACHED"), (schedulers, "WORKERS"), (clusters, "PATIENCE")):
        monkeypatch.setattr(module, name, 1)


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """A server that says something to everybody, and is silent or closes then: its address."""
    with contextlib.ExitStack() as opened:

        def begin(first: bytes, *, closes: bool = False) -> str:
            server = opened.enter_context(socket.create_server(("127.0.0.1", 0)))
            begun: list[socket.socket] = []
            opened.callback(lambda: [one.close() for one in begun])

            def accept() -> None:
                with contextlib.suppress(OSError):
                    while True:
                        begun.append(server.accept()[0])
                        begun[-1].sendall(first)
                        if closes:
                            begun[-1].close()

            threading.Thread(target=accept, daemon=True).start()
            opened.callback(server.shutdown, socket.SHUT_RDWR)
            return f"tcp://127.0.0.1:{server.getsockname()[1]}"

        yield begin


FRAME = b"".join(n.to_bytes(8, "little") for n in (20, 1, 4)) + b"abcd"
ANSWERS = {
    "nothing": (b"", "no answer within 1 seconds"),
    "SSH": (b"SSH-2.0-OpenSSH_9.2\r\n", "what answers is something else"),
    "HTTP": (b"HTTP/1.1 400 Bad Request\r\n\r\n", "what answers is something else"),
    "zeros": (bytes(1000), "what answers is something else"),
    "a frame of nonsense": (FRAME, "what answers is something else"),
    "a terabyte": ((2**40).to_bytes(8, "little"), "(no answer within|what answers is)"),
}


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("answer", ANSWERS)
def test_what_is_no_scheduler_is_told_in_time(serve, answer, work, capfd) -> None:
    first, why = ANSWERS[answer]
    address = serve(first)
    with pytest.raises(CourseError, match=f"There is no Dask scheduler at {address} .{why}"):
        road.do(work, "prepare", shards=2, scheduler=address)
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.usefixtures("soon")
def test_a_real_web_server_and_one_that_closes_are_no_schedulers(serve) -> None:
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), http.server.BaseHTTPRequestHandler
    ) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        with pytest.raises(CourseError, match=r"no answer within|what answers is something else"):
            schedulers.connected(f"tcp://127.0.0.1:{web.server_port}")
        web.shutdown()
    with pytest.raises(CourseError, match=r"it closes the connection|no answer within"):
        schedulers.connected(serve(b"", closes=True))


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("tcp://127.0.0.1:1", "Connection refused"),
        ("tcp://no-such-host.invalid:8786", "(not known|resolution|no answer)"),
        ("http://127.0.0.1:8787", "unknown address scheme"),
        ("tls://127.0.0.1:1", "Connection refused"),
        ("nonsense", "missing port number"),
        ("tcp://" + "a" * 300 + ":1", "label too long"),
    ],
)
def test_an_address_where_nobody_is_is_told(address: str, why: str) -> None:
    with pytest.raises(CourseError, match=why) as caught:
        schedulers.connected(address)
    assert "dask scheduler" in caught.value.hint


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Start a scheduler without workers: its address."""
    begun: list[subprocess.Popen] = []

    def begin(*options: object) -> str:
        file = tmp_path / "started.json"
        begun.append(
            start("-m", "dask", "scheduler", "--scheduler-file", file, "--no-dashboard", *options)
        )
        return until(lambda: address_in(file))

    yield begin
    for process in begun:
        process.kill()
        process.communicate()


@pytest.mark.usefixtures("soon")
def test_a_scheduler_without_workers_and_a_worker_are_told(started, scheduler) -> None:
    with pytest.raises(CourseError, match=r"has no workers\.") as caught:
        schedulers.connected(started("--host", "127.0.0.1", "--port", 0))
    assert "dask worker tcp://" in caught.value.hint
    with schedulers.connected(scheduler) as client:
        (worker, *_) = client.run(os.getpid)
    with pytest.raises(CourseError, match="what answers is a Worker"):
        schedulers.connected(worker)


@pytest.mark.skipif(not shutil.which("openssl"), reason="makes a certificate")
def test_a_scheduler_that_asks_for_certificates_is_told(started, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(schedulers, "WORKERS", 0)
    made, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    command = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost")
    subprocess.run([*command, "-keyout", key, "-out", made], check=True, capture_output=True)
    tls = ("--tls-ca-file", made, "--tls-cert", made, "--tls-key", key)
    address = started("--host", "tls://127.0.0.1", "--port", 0, *tls)
    with pytest.raises(CourseError, match="it closes the connection"):
        schedulers.connected(address.replace("tls", "tcp"))
    with pytest.raises(CourseError, match="names no certificates"):
        schedulers.connected(address)


# What becomes of a scheduler and its workers


def at_work(work: Workspace) -> list[Path]:
    return kept(work, ".shard*/train.bin")


def test_a_scheduler_that_is_killed_is_told_in_two_lines(large: Workspace, scheduler: str) -> None:
    with schedulers.connected(scheduler) as client:
        pid = client.run_on_scheduler(os.getpid)
    process = prepare(large, "--shards", 4, "--scheduler", scheduler)
    until(lambda: at_work(large))
    os.kill(pid, signal.SIGKILL)
    said = end(process)
    assert process.returncode == 2, said
    assert said.splitlines()[-2] == "The connection to the scheduler was lost.", said
    assert not any(word in said for word in ("Traceback", "distributed", "ERROR")), said


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize(
    ("who", "sign", "said"),
    [
        ("scheduler", signal.SIGSTOP, "no answer within 1 seconds"),
        ("workers", signal.SIGKILL, "has no workers"),
    ],
)
def test_what_is_silent_or_gone_in_the_middle_is_told(large, scheduler, who, sign, said) -> None:
    with schedulers.connected(scheduler) as client:
        pids = {"scheduler": [client.run_on_scheduler(os.getpid)]}
        pids["workers"] = list(client.run(os.getpid).values())
    train = large.raw("train")
    train.write_bytes(train.read_bytes() * 32)  # it must not be done before it is interrupted

    def interrupt() -> None:
        until(lambda: at_work(large))
        for pid in pids[who]:
            os.kill(pid, sign)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(CourseError, match=said) as caught:
        road.do(large, "prepare", shards=4, scheduler=scheduler)
    thread.join()
    assert "What is finished is kept" in caught.value.hint


@pytest.fixture
def worker_of(started, tmp_path: Path) -> Iterator[Callable[[Path], str]]:
    """A worker whose course is the one of a folder: its scheduler's address."""
    begun: list[subprocess.Popen] = []

    def begin(course: Path) -> str:
        address = started("--host", "127.0.0.1", "--port", 0)
        command = [sys.executable, "-m", "dask", "worker", address, "--nthreads", "1", "--no-nanny"]
        begun.append(
            subprocess.Popen(
                command,
                env=os.environ | {"PYTHONPATH": str(course)},
                cwd=tmp_path,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )
        return address

    yield begin
    for process in begun:
        process.kill()
        process.communicate()


CHANGES = {
    "other code": ("VERSIONS =", "# changed\nVERSIONS =", r"has roberta-course \S+; here it is"),
    "other fields": ("class ShardTask:", "class ShardTask:\n    more: int", "has roberta-course"),
    "other functions": ("make_shard", "make_part", "has roberta-course"),
    "another Python": ('"Python": "', '"Python": "x', r"has Python x[\d.]+; here it is"),
    "no such module": (None, "", "has no such course"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_worker_with_another_course_is_told(change, worker_of, work, tmp_path) -> None:
    before, after, said = CHANGES[change]
    shutil.copytree(PROJECT / "helpers", tmp_path / "other" / "helpers")
    file = tmp_path / "other" / "helpers" / "ids" / "shard.py"
    if before is None:
        file.unlink()
    else:
        file.write_text(file.read_text("utf-8").replace(before, after), "utf-8")
    address = worker_of(tmp_path / "other")
    with pytest.raises(CourseError, match=said) as caught:
        road.do(work, "prepare", shards=2, scheduler=address)
    assert "Install the course there" in caught.value.hint
