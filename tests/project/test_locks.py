"""``locks/``: what ``make env`` installs, by its SHA-256; what is another file is refused."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from helpers.common.files import PROJECT
from tests.support.packages import offline, write_locks, write_wheel

LOCKS = PROJECT / "locks"
TOML = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))
# What each is made of, and at least one file of each for a system that the course supports.
PLATFORMS = {
    f"{system} {machine} {python}": {
        "sys_platform": system,
        "platform_machine": machine,
        "python_version": python,
        "python_full_version": f"{python}.7",
        "implementation_name": "cpython",
    }
    for system, machine in (("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64"))
    for python in ("3.11", "3.12")
}


def locked(name: str) -> list[tuple[Requirement, list[str]]]:
    """The requirements of a lock, each with its hashes."""
    text = (LOCKS / f"{name}.txt").read_text("utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return [
        (Requirement(line.split("--hash")[0]), re.findall(r"--hash=sha256:([0-9a-f]{64})\b", line))
        for line in lines
    ]


def versions(name: str, environment: dict[str, str]) -> dict[str, str]:
    """What a lock pins on a platform."""
    fits = [one for one, _ in locked(name) if not one.marker or one.marker.evaluate(environment)]
    assert len({one.name for one in fits}) == len(fits)
    return {one.name: str(one.specifier).removeprefix("==") for one in fits}


@pytest.mark.parametrize("file", sorted(LOCKS.iterdir()), ids=lambda file: file.name)
def test_a_lock_pins_every_package_by_its_hash(file: Path) -> None:
    found = locked(file.stem)
    assert found
    for requirement, hashes in found:
        assert re.fullmatch(r"==[\w.+]+", str(requirement.specifier)), requirement
        assert hashes, requirement
    assert "make lock" in file.read_text("utf-8").splitlines()[1]


@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_locks_hold_what_pyproject_asks_for_on_every_platform(platform: str) -> None:
    """Where this fails, ``make lock`` was forgotten."""
    here = PLATFORMS[platform]
    project, groups = TOML["project"], TOML["dependency-groups"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    wanted = dict(line.split("==") for line in asked)
    torch = wanted.pop("torch")
    packages = versions("packages", here)
    assert wanted.items() <= packages.items()
    assert versions("torch", here)["torch"] == torch
    without_cuda = versions("torch+cpu", here)
    assert without_cuda == {"torch": torch + ("+cpu" if here["sys_platform"] == "linux" else "")}
    assert not [name for name in packages if name.startswith(("nvidia-", "torch", "triton"))]
    both = packages.keys() & (shared := versions("torch", here)).keys()
    assert {n: packages[n] for n in both} == {n: shared[n] for n in both}
    tools = versions("tools", here)
    assert tools == dict(line.split("==") for line in groups["tools"])
    assert packages["setuptools"] == tools["setuptools"]
    fairseq = {n: v.split(";")[0] for n, v in (x.split("==", 1) for x in groups["fairseq"])}
    assert versions("sample-zh", here) == dict(line.split("==") for line in groups["sample-zh"])
    assert versions("fairseq", here) == (fairseq if "x86_64" in platform else {})


# What is another file


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    return folder


@pytest.mark.parametrize("tampered", ["tools", "torch", "packages", "fairseq"])
def test_a_package_that_is_another_file_is_refused(tampered, environment, tmp_path) -> None:
    names = {"tools": "a-tool", "torch": "torch", "packages": "a-package", "fairseq": "another"}
    wheels = {lock: write_wheel(tmp_path / "wheels", name) for lock, name in names.items()}
    project = tmp_path / "project"
    project.mkdir()
    shutil.copy(PROJECT / "Makefile", project)
    (project / "pyproject.toml").write_text('dependencies = ["torch==1.0"]')
    write_locks(project, wheels)
    with wheels[tampered].open("ab") as wheel:
        wheel.write(b"more")
    sources = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path / "wheels")}
    done = subprocess.run(
        ["make", "env", f"PYTHON={shutil.which('true')}", f"PY={environment}/bin/python"],
        cwd=project,
        env=offline() | sources,
        capture_output=True,
        text=True,
    )
    assert done.returncode
    assert "DO NOT MATCH THE HASHES" in done.stderr, done.stderr
    assert hashlib.sha256(wheels[tampered].read_bytes()).hexdigest() in done.stderr
    found = {p.name.split("-")[0] for p in environment.glob("lib/*/site-packages/*-1.0.dist-info")}
    assert names[tampered].replace("-", "_") not in found
    assert not (project / ".venv" / ".installed").exists()


@pytest.mark.skipif(os.name != "posix", reason="make")
def test_every_installation_asks_for_hashes() -> None:
    """Only the course itself has none, and nothing else comes with it."""
    command = ["make", "--dry-run", "--always-make", "env", "env-zh", "bundle", "lock"]
    printed = subprocess.check_output(command, cwd=PROJECT, text=True)
    calls = re.findall(r"-m pip (?:install|download) [^&;\n)]*", printed)
    assert len(calls) > 6
    for call in calls:
        checked = "--require-hashes --no-deps" in call
        own = "--editable ." in call and "--no-deps --no-build-isolation" in call
        assert checked or own or "--dry-run" in call, call
