"""The check: one line per item, a way out for what fails, and an exit code."""

import importlib.metadata
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import packaging.tags
import pytest

from helpers import environment
from helpers.__main__ import main
from helpers.environment import PRESENT, STARTED, CheckReport, Item, check
from helpers.workflow.workspace import Workspace


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not start fairseq's tools."""
    monkeypatch.setattr(environment, "STARTED", {})


def pretend(monkeypatch: pytest.MonkeyPatch, **versions: str) -> None:
    """Pretend that other versions of packages are installed ("": not at all)."""
    real = environment._version
    names = {name.replace("_", "-"): version for name, version in versions.items()}
    monkeypatch.setattr(environment, "_version", lambda n: names.get(n, real(n)))


def states(report: CheckReport) -> dict[str, str]:
    return {item.name: item.state for item in report.items}


def test_here_everything_is_there(workspace, capsys):
    assert main(["check", "--workspace", str(workspace.root)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) >= 7
    assert all(re.match(r"\[(OK|FAIL|--)\] +\S.*: \S", line) for line in lines)
    assert not any(line.startswith("[FAIL]") for line in lines)
    assert not workspace.root.exists()


@pytest.mark.parametrize("name", ["numpy", "papermill", "matplotlib"])
@pytest.mark.parametrize("found", ["0.0.1", ""], ids=["another version", "missing"])
def test_a_package_that_is_not_as_pinned_fails_with_the_way_out(
    workspace, monkeypatch, capsys, name, found
):
    pretend(monkeypatch, **{name: found})
    assert main(["check", "--workspace", str(workspace.root)]) == 1
    (line,) = [li for li in capsys.readouterr().out.splitlines() if li.startswith("[FAIL]")]
    assert re.fullmatch(rf"\[FAIL\] {name}: \S+, wanted [\d.]+  → make -B env", line)


def test_where_no_package_is_known_none_is_called_fine(workspace, monkeypatch):
    def missing(name: str) -> list[str]:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "requires", missing)
    rows = [row for row in check(workspace).table()[1] if row[1] == "packages"]
    assert rows == [("[FAIL]", "packages", "the course itself is not installed", "make -B env")]


def test_a_build_for_one_processor_is_the_version_that_it_names(monkeypatch):
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "2.13.0+cpu")
    assert environment._version("torch") == "2.13.0"


def here_is(monkeypatch: pytest.MonkeyPatch, system: str, *, python: str = "cp311") -> None:
    """Pretend that wheels for another system fit."""
    tags = [packaging.tags.Tag(python, python, system), packaging.tags.Tag("py3", "none", "any")]
    monkeypatch.setattr(packaging.tags, "sys_tags", lambda: iter(tags))


@pytest.mark.parametrize("found", ["0.12.2", ""], ids=["another version", "missing"])
def test_fairseq_must_be_the_build_that_the_course_was_made_with(workspace, monkeypatch, found):
    pretend(monkeypatch, ve_fairseq=found)
    here_is(monkeypatch, "manylinux_2_28_x86_64", python="cp312")
    report = check(workspace)
    item = next(item for item in report.items if item.name == "fairseq")
    assert (item.state, item.mend) == ("FAIL", "make -B env")
    assert not report.ok


ELSEWHERE = ["manylinux_2_28_aarch64", "musllinux_1_2_x86_64", "macosx_14_0_arm64", "win_amd64"]


@pytest.mark.parametrize("system", ELSEWHERE)
def test_where_fairseq_is_not_offered_it_is_no_failure(workspace, monkeypatch, system):
    pretend(monkeypatch, ve_fairseq="")
    here_is(monkeypatch, system)
    monkeypatch.setattr(environment, "has_fairseq", lambda: False)
    item = next(item for item in check(workspace).items if item.name == "fairseq")
    assert str(item).startswith("[--]   fairseq: not installed  → needs Linux on x86-64")
    assert "WSL 2" in item.mend and "make" not in item.mend


def test_a_build_of_ones_own_where_none_is_offered_is_told_apart(workspace, monkeypatch):
    pretend(monkeypatch, ve_fairseq="")
    here_is(monkeypatch, "manylinux_2_28_aarch64")
    item = next(item for item in check(workspace).items if item.name == "fairseq")
    assert (item.state, item.found) == ("--", "another build than the course's")


PYTHON = f"#!{sys.executable}\n"
BROKEN = {
    "a package is missing": (PYTHON + "import no_such", "No module named 'no_such'"),
    "another exit code": (PYTHON + "raise SystemExit(3)", "no output"),
    "last words": (PYTHON + "import sys; sys.exit('one\\ntwo')", "does not start (two)"),
    "its Python is gone": ("#!/moved/.venv/bin/python\nprint()", "No such file"),
    "not Python inside": (PYTHON + "exit 0 \n", "SyntaxError"),
    "killed": (PYTHON + "import os; os.kill(os.getpid(), 9)", "no output"),
}


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Item]:
    """Write a command's file; what the check says of it, beside a tool that starts."""

    def write(content: str, mode: int = 0o755) -> Item:
        file = tmp_path / "bin with a space" / "a-tool"
        file.parent.mkdir()
        file.write_text(content)
        file.chmod(mode)
        tools = {"a tool": [str(file)], "json's": [sys.executable, "-m", "json.tool", "--help"]}
        monkeypatch.setattr(environment, "STARTED", tools)
        found = {item.name: item for item in check(Workspace(tmp_path)).items}
        assert str(found["json's"]) == "[OK]   json's: starts"
        return found["a tool"]

    return write


def test_a_tool_that_gives_its_help_starts(script):
    content = PYTHON + "import argparse; argparse.ArgumentParser().parse_args()"
    assert str(script(content)) == "[OK]   a tool: starts"


@pytest.mark.parametrize("case", BROKEN)
def test_a_tool_that_does_not_start_fails_with_its_last_words(script, case):
    content, said = BROKEN[case]
    item = script(content)
    assert (item.state, item.mend) == ("FAIL", "rm -r .venv; make env")
    assert said in item.found


def test_a_tool_that_may_not_be_run_fails(script):
    assert "Permission denied" in script(PYTHON + "print()", mode=0o644).found


def test_a_tool_that_is_not_there_fails(workspace, monkeypatch):
    monkeypatch.setattr(environment, "STARTED", {"a tool": ["/no/such/tool"]})
    item = next(item for item in check(workspace).items if item.name == "a tool")
    assert (item.state, item.mend) == ("FAIL", "rm -r .venv; make env")
    assert "No such file" in item.found


def test_a_tool_that_hangs_fails(workspace, monkeypatch):
    def hang(command: list[str], **_: object) -> None:
        raise subprocess.TimeoutExpired(command, 120)

    monkeypatch.setattr(environment, "STARTED", {"a tool": ["x"]})
    monkeypatch.setattr(subprocess, "run", hang)
    assert states(check(workspace))["a tool"] == "FAIL"


def test_fairseqs_own_tools_start(course):
    """In the notebook 00_setup, which was run for the course."""
    cells = nbformat.read(course.notebooks / "00_setup.ipynb", as_version=4).cells
    outputs = [output for cell in cells for output in cell.get("outputs", ())]
    shown = "\n".join(o.data["text/plain"] for o in outputs if "text/plain" in o.get("data", ()))
    for name, said in (*((n, "starts") for n in STARTED), *((n, "there") for n in PRESENT)):
        assert f"[OK]   {name}: {said}" in shown, name


@pytest.mark.parametrize(("mode", "said"), [(None, "is missing"), (0o644, "may not be run")])
def test_a_tool_that_is_not_started_must_be_there(workspace, monkeypatch, tmp_path, mode, said):
    file = tmp_path / "fairseq-preprocess"
    if mode:
        file.touch(mode)
    monkeypatch.setattr(environment, "PRESENT", {"fairseq-preprocess": file})
    item = next(item for item in check(workspace).items if item.name == "fairseq-preprocess")
    assert (item.state, item.found) == ("FAIL", f"{file} {said}")


@pytest.mark.parametrize(
    ("free", "writable", "state"),
    [(5, True, "OK"), (1, True, "FAIL"), (5, False, "FAIL")],
    ids=["enough", "nearly full", "not writable"],
)
def test_the_disk_must_have_room_and_be_writable(workspace, monkeypatch, free, writable, state):
    usage = type("Usage", (), {"free": free * environment.GIGABYTE})
    monkeypatch.setattr(environment.shutil, "disk_usage", lambda _: usage)
    monkeypatch.setattr(environment.os, "access", lambda *_: writable)
    assert environment._disk(workspace).state == state


def test_another_python_fails(monkeypatch):
    for version, state in (((3, 11, 9), "OK"), ((3, 13, 0), "FAIL"), ((3, 10, 1), "FAIL")):
        monkeypatch.setattr(sys, "version_info", version)
        found = environment._python()
        assert (found.state, found.found) == (state, ".".join(map(str, version)))


def test_a_report_is_good_unless_something_fails():
    for names, ok in ((("OK", "--"), True), (("OK", "FAIL"), False)):
        report = CheckReport(items=tuple(Item(n, "x", "<y>") for n in names))
        assert report.ok is ok
        assert "&lt;y&gt;" in report._repr_html_()
