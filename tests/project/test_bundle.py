"""``make bundle``: one archive, from which ``make env`` installs everything without a network."""

import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from helpers.common.files import PROJECT
from tests.support.packages import NOWHERE, offline, write_locks, write_wheel
from tests.support.project import HOME_NAME, LOCAL, project_files

TOP = "roberta-course"

pytestmark = pytest.mark.skipif(
    not (PROJECT / ".git").exists(), reason="a bundle is made from a git repository"
)


def run(*command: str, cwd: Path, env: dict[str, str]) -> subprocess.CompletedProcess:
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=3600)


def bundled(project: Path, *others: str, **env: str) -> subprocess.CompletedProcess:
    """``make bundle`` with the packages' tools of this session, which count as up to date.

    Args:
        others: what is different in the Makefile, ``NAME=value``.
    """
    return run("make", "--old-file=env", "bundle", *others, cwd=project, env=os.environ | env)


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


LITTLE = {"tools": "a-tool", "torch": "torch", "packages": "a-package", "fairseq": "another"}


@pytest.fixture(scope="module")
def small(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose locks name a few little packages, for which nothing is downloaded."""
    little = Path(
        shutil.copytree(project, tmp_path_factory.mktemp("little") / HOME_NAME, symlinks=True)
    )
    index = tmp_path_factory.mktemp("index")
    write_locks(little, {lock: write_wheel(index, name) for lock, name in LITTLE.items()})
    return made(
        bundled(little, "TORCH=torch==1.0", PIP_NO_INDEX="1", PIP_FIND_LINKS=str(index)), little
    )


@pytest.fixture(scope="module")
def bundle(project: Path) -> Path:
    """The whole of it."""
    return made(bundled(project), project)


def made(done: subprocess.CompletedProcess, project: Path) -> Path:
    """Take it out of ``dist/``."""
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = (project / "dist").iterdir()
    return file.rename(project.parent / f"{file.stem} {len([*project.parent.iterdir()])}.tar")


@pytest.fixture(params=["small", pytest.param("bundle", marks=pytest.mark.long)])
def either(request: pytest.FixtureRequest) -> Path:
    return request.getfixturevalue(request.param)


@pytest.fixture
def unpacked(tmp_path: Path) -> Iterator[Callable[[Path], Path]]:
    """Unpack a bundle: the folder of the project in it."""
    folder = tmp_path / HOME_NAME
    folder.mkdir()

    def unpack(bundle: Path) -> Path:
        subprocess.run(["tar", "--extract", "--file", bundle], cwd=folder, check=True)
        return folder / TOP

    yield unpack
    shutil.rmtree(folder)  # gigabytes, which pytest would keep


def test_what_is_not_whole_does_not_appear(project):
    done = bundled(project, PIP_NO_INDEX="1", PIP_FIND_LINKS="")
    assert done.returncode
    assert "No matching distribution" in done.stderr
    assert not [*(project / "dist").iterdir()]


def test_the_bundle_holds_the_project_and_wheels_and_nothing_of_this_machine(project, either):
    with tarfile.open(either) as archive:
        members = {m.name.removeprefix(f"{TOP}/"): m for m in archive if m.isfile()}
        wheels = {name for name in members if name.startswith("wheels/")}
        for name in members.keys() - wheels:
            content = archive.extractfile(members[name]).read().decode(errors="replace")
            assert not LOCAL.search(content), name
            assert str(PROJECT) not in content, name
    listed = subprocess.check_output(["git", "ls-files", "-z"], cwd=project, text=True)
    assert members.keys() - wheels == set(listed.split("\0")) - {""}
    assert not [name for name in members if name.split("/")[0] in ("runs", ".venv", ".git", "dist")]
    little = {f"wheels/{name.replace('-', '_')}-1.0-py3-none-any.whl" for name in LITTLE.values()}
    assert wheels == little or len(wheels) > 100
    assert {(m.uid, m.gid, m.uname, m.gname) for m in members.values()} <= {
        (0, 0, "root", "root"),
        (0, 0, "", ""),
    }


@pytest.mark.parametrize("wheels", [True, False], ids=["with wheels", "without"])
def test_pip_is_sent_to_the_wheels_where_there_are_some(unpacked, small, wheels):
    folder = unpacked(small)
    if not wheels:
        shutil.rmtree(folder / "wheels")
    pip = folder / "pip"
    report = '{"install": [{"metadata": {"version": "1.0"}}]}'
    pip.write_text(
        '#!/bin/sh\n[ "$1" = -c ] && exec python3 "$@"\n'
        'echo "$PIP_NO_INDEX|$PIP_FIND_LINKS|$*" >> calls\n'
        f"case \"$*\" in *--dry-run*) echo '{report}';; esac\n"
    )
    pip.chmod(0o755)
    pythons = (f"PYTHON={shutil.which('true')}", "PY=./pip", "TORCH_INDEX=there")
    (folder / ".venv").mkdir()
    done = run("make", "env", *pythons, cwd=folder, env=offline())
    assert done.returncode == 0, done.stdout + done.stderr
    calls = [line.split("|") for line in (folder / "calls").read_text().splitlines()]
    assert [call[2].startswith("-m pip install") for call in calls] == [True] * 5
    assert all(call[:2] == (["1", "wheels"] if wheels else ["", ""]) for call in calls)
    assert [call[2].split()[-1] for call in calls][2] == "locks/torch.txt"


@pytest.mark.long
def test_it_installs_and_works_without_a_network(unpacked, bundle):
    folder, env = unpacked(bundle), offline()
    wheels = [*(folder / "wheels").iterdir()]
    assert len(wheels) > 100
    made = run("make", "env", f"TORCH_INDEX={NOWHERE}", cwd=folder, env=env)
    assert made.returncode == 0, made.stdout + made.stderr
    python = str(folder / ".venv" / "bin" / "python")
    code = "import fairseq, torch, transformers as t; print(fairseq, torch, t, sep='\\n')"
    imported = run(python, "-c", code, cwd=folder, env=env)
    assert imported.stdout.count(f"from '{folder}/.venv/lib/") == 3, imported.stderr
    # Behind the import, which has compiled what else each of fairseq's tools would compile.
    checked = run(python, "-m", "helpers", "check", cwd=folder, env=env)
    assert checked.returncode == 0, checked.stdout + checked.stderr
