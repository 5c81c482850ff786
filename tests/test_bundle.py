"""``make bundle``: one archive, from which ``make env`` installs everything without a network."""

import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.workspace import PROJECT
from tests.support.project import HOME_NAME, LOCAL, project_files

TOP = "roberta-course"
NOWHERE = "http://127.0.0.1:9/simple"

pytestmark = pytest.mark.skipif(
    not (PROJECT / ".git").exists(), reason="a bundle is made from a git repository"
)


def run(*command: str, cwd: Path, env: dict[str, str]) -> subprocess.CompletedProcess:
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=600)


def bundled(project: Path, **env: str) -> subprocess.CompletedProcess:
    """``make bundle`` with the packages' tools of this session, which count as up to date."""
    return run("make", "--old-file=env", "bundle", cwd=project, env=os.environ | env)


def offline() -> dict[str, str]:
    """The environment of a machine that reaches no index and knows no cache or setting of pip."""
    ours = ("PIP_", "PYTHON", "MAKE", "TORCH")
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(ours)},
        "PATH": f"{sys.prefix}/bin:{os.environ['PATH']}",  # the bundle is for this python3
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": NOWHERE,
        "PIP_NO_CACHE_DIR": "1",
        # pip takes it as "compile: 0". Compiling all modules takes longer than installing them.
        "PIP_NO_COMPILE": "0",
    }


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A repository with the work tree's files, so that the bundle is not made in this one."""
    copy = tmp_path_factory.mktemp("teacher") / HOME_NAME
    for file in project_files():
        target = copy / file.relative_to(PROJECT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, target)
    subprocess.run(["git", "init", "--quiet"], cwd=copy, check=True)
    subprocess.run(["git", "add", "--all"], cwd=copy, check=True)
    (copy / ".venv").symlink_to(sys.prefix)
    (copy / "runs").mkdir()
    (copy / "runs" / "mine.txt").write_text("not for the class")
    yield copy
    shutil.rmtree(copy)


@pytest.fixture(scope="module")
def bundle(project: Path) -> Path:
    done = bundled(project)
    assert done.returncode == 0, done.stdout + done.stderr
    (made,) = (project / "dist").iterdir()
    return made


@pytest.fixture
def unpacked(bundle: Path, tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / HOME_NAME
    folder.mkdir()
    subprocess.run(["tar", "--extract", "--file", bundle], cwd=folder, check=True)
    yield folder / TOP
    shutil.rmtree(folder)  # gigabytes, which pytest would keep


def test_what_is_not_whole_does_not_appear(project):
    done = bundled(project, PIP_NO_INDEX="1", PIP_FIND_LINKS="")
    assert done.returncode
    assert "No matching distribution" in done.stderr
    assert not [*(project / "dist").iterdir()]


def test_the_bundle_holds_the_project_and_wheels_and_nothing_of_this_machine(project, bundle):
    with tarfile.open(bundle) as archive:
        members = {m.name.removeprefix(f"{TOP}/"): m for m in archive if m.isfile()}
        wheels = {name for name in members if name.startswith("wheels/")}
        for name in members.keys() - wheels:
            content = archive.extractfile(members[name]).read().decode(errors="replace")
            assert not LOCAL.search(content), name
            assert str(PROJECT) not in content, name
    listed = subprocess.check_output(["git", "ls-files", "-z"], cwd=project, text=True)
    assert members.keys() - wheels == set(listed.split("\0")) - {""}
    assert not [name for name in members if name.split("/")[0] in ("runs", ".venv", ".git", "dist")]
    assert len(wheels) > 100
    assert all(name.endswith(".whl") for name in wheels)
    assert {(m.uid, m.gid, m.uname, m.gname) for m in members.values()} <= {
        (0, 0, "root", "root"),
        (0, 0, "", ""),
    }


def test_it_installs_and_works_without_a_network(unpacked):
    env = offline()
    made = run("make", "env", f"TORCH_INDEX={NOWHERE}", cwd=unpacked, env=env)
    assert made.returncode == 0, made.stdout + made.stderr
    python = str(unpacked / ".venv" / "bin" / "python")
    code = "import fairseq, torch, transformers as t; print(fairseq, torch, t, sep='\\n')"
    imported = run(python, "-c", code, cwd=unpacked, env=env)
    assert imported.stdout.count(f"from '{unpacked}/.venv/lib/") == 3, imported.stderr
    # Behind the import, which has compiled what else each of fairseq's tools would compile.
    checked = run(python, "-m", "helpers", "check", cwd=unpacked, env=env)
    assert checked.returncode == 0, checked.stdout + checked.stderr
