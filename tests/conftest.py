"""What the tests share: a home of their own, and one finished course to look at and to copy."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import portalocker
import pytest
from hypothesis.internal.conjecture import providers

from helpers.beforehand import settings_of
from helpers.ids.dictionary import Dictionary
from helpers.stages.road import ROAD
from helpers.tokens import gpt2
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace
from tests.support.commands import command
from tests.support.project import HOME_NAME
from tests.support.road import STAGES, begin, do, own_order
from tests.support.small import SHORTER, walk_in_small

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# How long an example takes says nothing: the first one of a test imports fairseq or torch, and
# machines differ. `make test` draws the same examples everywhere; `make test-long` draws new ones,
# and prints the line that repeats what it finds. What was found stands as an example.
UNTIMED = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}
hypothesis.settings.register_profile("same", **UNTIMED, derandomize=True, database=None)
hypothesis.settings.register_profile("fresh", **UNTIMED, derandomize=False, print_blob=True)
hypothesis.settings.load_profile("same")


# Whoever runs the tests has settings of git's own, or is not the owner of the folder, or runs them
# in a hook of git, which says by variables what is to be looked at.
GIT = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "GIT_CONFIG_COUNT": "1"}
GIT |= {"GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}


def pytest_configure() -> None:
    """Make the machine one like others."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        del os.environ[name]
    os.environ |= GIT
    # A shell lets what runs in its background ignore Ctrl-C, and so would all that is tested.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(os, "sched_setaffinity"):
        # As many worker processes everywhere, and different cores for those who test side by side.
        cores = sorted(os.sched_getaffinity(0))
        first = os.getpid() % len(cores)
        os.sched_setaffinity(0, (cores[first:] + cores[:first])[:2])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that need the finished course come first: one process makes it, the other works on."""
    items.sort(key=lambda item: not _needs_the_course(item))


def _needs_the_course(item: pytest.Item) -> bool:
    given = getattr(item, "callspec", None)
    named = given and given.params.get("finished") == "course"
    return bool(named) or "course" in getattr(item, "fixturenames", ())


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``ROBERTA_COURSE_HOME`` for this session, for child processes too."""
    folder = tmp_path_factory.mktemp("home") / HOME_NAME
    folder.mkdir()
    os.environ["ROBERTA_COURSE_HOME"] = str(folder)
    return folder


@pytest.fixture(autouse=True)
def default_workspace_left_alone(home: Path) -> Iterator[None]:
    """No test works in the default workspace, where the course is to lie: whole, or not yet."""
    yield
    sample = home / "runs" / "sample"
    assert not sample.exists() or (sample / "workspace.json").exists()


@pytest.fixture(scope="session", autouse=True)
def same_draws() -> Iterator[None]:
    """Hypothesis also draws constants out of the modules that are imported so far.

    Which ones those are depends on the order of the tests, and on the folder that all lies in.
    """
    with pytest.MonkeyPatch.context() as patch:
        if hypothesis.settings.default.derandomize:
            patch.setattr(providers, "_get_local_constants", providers.Constants)
            providers.CONSTANTS_CACHE.cache.clear()
        yield


def made_once(temporary: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that is made by the first of the processes that test side by side, for all."""
    shared = temporary.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    with portalocker.Lock(shared / f"{name}.lock", timeout=7200):
        if not (shared / f"{name}.made").exists():
            make(shared / name)
            (shared / f"{name}.made").touch()
    return shared / name


@pytest.fixture(scope="session")
def shorter(pytestconfig: pytest.Config) -> dict[str, object]:
    """Parameters of the course's notebooks: none, or less work where long tests are left out."""
    return {} if pytestconfig.option.markexpr != "not long" else SHORTER


@pytest.fixture(scope="session")
def training(shorter: dict[str, object]) -> FinetuneSettings:
    """How the course is trained."""
    return settings_of(ROAD["finetune"], {"04_finetune": shorter})


@pytest.fixture(scope="session")
def course(
    home: Path, shorter: dict[str, object], tmp_path_factory: pytest.TempPathFactory
) -> Workspace:
    """The whole course with its default parameters, run by papermill from another folder.

    Read it, run the same stages on it again, but change nothing in it. Each process has a copy.
    """
    here = home / "runs" / "sample"

    def make(folder: Path) -> None:
        elsewhere = tmp_path_factory.mktemp("elsewhere")
        given = [word for pair in shorter.items() for word in ("-p", *pair)]
        done = command("run", "--workspace", "runs/sample", *given, cwd=elsewhere)
        assert done.returncode == 0, done.stdout + done.stderr
        shutil.copytree(here, folder)

    made = made_once(tmp_path_factory, "course 课程", make)
    if not here.exists():
        shutil.copytree(made, here)
    return Workspace("runs/sample")


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The whole road with a tiny base, a short text and six updates; it is not to be changed."""
    return Workspace(made_once(tmp_path_factory, "small 小", walk_in_small))


@pytest.fixture(params=["small", pytest.param("course", marks=pytest.mark.long)])
def finished(request: pytest.FixtureRequest) -> Workspace:
    """The small road, and in the long tests the course too; it is not to be changed."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def copied(finished: Workspace, tmp_path: Path) -> Workspace:
    """A copy that a test may change; its path is a hard one for Hydra."""
    return Workspace(shutil.copytree(finished.root, tmp_path / "O'Brien 的 copy"))


@pytest.fixture
def gpt2_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A ``gpt2_bpe/`` with nothing in it, so without RoBERTa's own dictionary; and no network."""
    folder = tmp_path / "gpt2_bpe"
    folder.mkdir()
    monkeypatch.setattr(gpt2, "FOLDER", folder)
    monkeypatch.setattr(gpt2, "download", lambda name: None)
    return folder


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """An empty workspace."""
    return Workspace(tmp_path / "work 工作")


@pytest.fixture
def started(workspace: Workspace) -> Workspace:
    """Two texts and a dictionary are there."""
    return begin(workspace)


@pytest.fixture
def road(started: Workspace) -> Workspace:
    """They are split, encoded and binarized."""
    for name in STAGES:
        assert not do(started, name).reused
    return started


@pytest.fixture(scope="session")
def dictionary() -> Dictionary:
    return own_order()


@pytest.fixture
def with_texts(workspace: Workspace) -> Callable[..., Workspace]:
    """Put files into ``texts/``: ``with_texts(a="…", b=b"…")`` writes a.txt and b.txt."""

    def put(**files: str | bytes) -> Workspace:
        workspace.texts.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            (workspace.texts / f"{name}.txt").write_bytes(data)
        return workspace

    return put


@pytest.fixture
def put(tmp_path: Path) -> Callable[[str, bytes], Path]:
    """Write a file: ``put("a.txt", b"…")`` returns its path."""

    def write(name: str, data: bytes) -> Path:
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    return write


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """A disk of so many kB, which can be made larger and smaller."""
    folder, options = tmp_path / "disk", ["mount", "-t", "tmpfs", "tmpfs"]

    def sized(size: int) -> Path:
        there = ["-o", f"{'remount,' if folder.exists() else ''}size={size}k"]
        folder.mkdir(exist_ok=True)
        if (
            not shutil.which("mount")
            or subprocess.run([*options, folder, *there], capture_output=True).returncode
        ):
            pytest.skip("no disk may be made here")
        return folder

    yield sized
    subprocess.run(["umount", folder], capture_output=True)


@pytest.fixture
def nothing_is_left(tmp_path: Path) -> Iterator[None]:
    """For models: they are large, and pytest keeps the folders of three sessions."""
    yield
    shutil.rmtree(tmp_path)


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """Chromium, without a window."""
    from tests.support.lab import chromium

    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def tiny_course_base() -> Iterator[None]:
    """A stand-in for the course's own base, which the report on a base compares with."""
    from helpers.base import match
    from tests.support.checkpoint_makers import fitting_pair

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(match, "unpack", fitting_pair)
        yield


@pytest.fixture(scope="session")
def plain_hf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Hugging Face folder with one layer, as transformers saves it; only to be read."""
    from tests.support.huggingface_makers import fitted_model, saved

    return saved(fitted_model(), tmp_path_factory.mktemp("plain"))


@pytest.fixture
def hf_copy(plain_hf: Path, tmp_path: Path) -> Path:
    """A copy of that folder which a test may change."""
    return Path(shutil.copytree(plain_hf, tmp_path / "hf 模型"))
