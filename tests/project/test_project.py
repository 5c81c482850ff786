"""The project itself: versions agree, imports are cheap and form no circle, nothing is local."""

import ast
import functools
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from helpers.common.files import PROJECT
from helpers.common.symbols import SPLITS
from helpers.environment import FAIRSEQ
from helpers.stages.road import ROAD
from tests.support.project import LOCAL, project_files

HELPERS = PROJECT / "helpers"
NOTEBOOKS = sorted((PROJECT / "notebooks").glob("*.ipynb"))
HEAVY = ("torch", "fairseq", "transformers", "matplotlib", "pyarrow")


@functools.cache
def read(name: str) -> str:
    return (PROJECT / name).read_text("utf-8")


def pins_of_pyproject() -> dict[str, str]:
    project = tomllib.loads(read("pyproject.toml"))["project"]
    lines = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines)
    return dict(line.split("==") for line in lines)


def test_environment_yml_has_the_versions_of_pyproject():
    dependencies = yaml.safe_load(read("environment.yml"))["dependencies"]
    (pip,) = (d["pip"] for d in dependencies if isinstance(d, dict))
    by_pip = dict(line.split("==") for line in pip if "==" in line)
    by_conda = dict(d.split("=") for d in dependencies if isinstance(d, str) and "=" in d)
    pins = pins_of_pyproject()
    assert by_pip.pop("ve-fairseq") == FAIRSEQ.split("==")[1]
    assert by_conda.pop("pytorch") == pins.pop("torch")
    assert by_pip == pins
    assert "--editable ." in pip


def test_the_python_versions_agree():
    dependencies = yaml.safe_load(read("environment.yml"))["dependencies"]
    assert "python=3.11" in dependencies
    assert tomllib.loads(read("pyproject.toml"))["project"]["requires-python"] == ">=3.11,<3.13"
    assert "(3, 11) <= v < (3, 13)" in read("Makefile")
    assert "(3, 11) <= sys.version_info < (3, 13)" in read("helpers/environment.py")


@pytest.mark.parametrize(
    "file", ["pyproject.toml", "environment.yml", "helpers/environment.py", "locks/fairseq.txt"]
)
def test_fairseq_has_one_version_everywhere(file):
    assert set(re.findall(r"ve-fairseq==[\w.]+", read(file))) == {FAIRSEQ}


@pytest.mark.parametrize("module", ["helpers", "helpers.__main__", "helpers.batch"])
def test_an_import_costs_nothing(module):
    code = f"import sys, {module}; print(*(m for m in {HEAVY} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True)
    assert (done.returncode, done.stdout.split()) == (0, []), done.stderr


@pytest.mark.parametrize(
    "file", [*HELPERS.rglob("*.py"), *(PROJECT / "tests").rglob("*.py")], ids=str
)
def test_no_file_is_long(file):
    assert len(file.read_text("utf-8").splitlines()) < 400


def test_no_file_holds_a_path_of_one_machine():
    files = [*project_files()]
    assert len(files) > 30
    for file in files:
        found = LOCAL.findall(file.read_text("utf-8", errors="replace"))
        assert not found, (file.name, found)


@pytest.mark.skipif(not (PROJECT / ".git").exists(), reason="needs the git repository")
def test_the_files_of_the_project_are_those_that_git_does_not_ignore():
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.check_output(command, cwd=PROJECT, text=True).split("\0")
    assert {*project_files()} == {file for name in listed if (file := PROJECT / name).is_file()}


def test_a_path_of_one_machine_would_be_found():
    ann, bob = "/".join(("", "home", "ann", "x")), "/".join(("", "Users", "bob", "q"))
    there = "/".join(("", "tmp", "y"))
    for path in (ann, f'"{there}"', "see " + there.replace("tmp", "root"), bob):
        assert LOCAL.search(path)
    for path in (f"$COURSE{there}", f"a{there}", "/tmp", f"https://example.org{ann}"):
        assert not LOCAL.search(path)


TARGETS = [
    "env",
    "env-zh",
    "course",
    "course-zh",
    "test",
    "test-long",
    "bench",
    "lab",
    "bundle",
    "lock",
    "notebooks",
    "base-model",
    "lint",
    "clean",
]


@pytest.mark.parametrize("name", TARGETS)
def test_the_makefile_has_its_targets(name):
    makefile = read("Makefile")
    assert re.search(rf"^{name}:", makefile, re.MULTILINE)
    assert name in re.search(r"^\.PHONY:(.*)$", makefile, re.MULTILINE)[1].split()


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_a_notebook_is_stored_with_its_results(file):
    cells = json.loads(file.read_text("utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    outputs = [output for cell in code for output in cell["outputs"]]
    assert cells[0]["cell_type"] == "markdown"
    assert "".join(cells[0]["source"]).startswith("# ")
    assert [c["metadata"].get("tags") for c in code].count(["parameters"]) == 1
    assert outputs
    assert all(cell["execution_count"] for cell in code)
    assert not [o for o in outputs if o["output_type"] == "error"]
    assert not re.search(r"[^\w.$]/(?:home|root|tmp|usr|work|Users)/", json.dumps(outputs))


def test_every_command_of_the_makefile_is_one_that_there_is():
    found = {*re.findall(r"-m helpers (\w+)", read("Makefile") + read("README.md"))}
    assert {"run", "split", "check"} <= found <= {*ROAD, "check", "run"}


@functools.cache
def places() -> list[str]:
    """What each function of the code may say, "…" for what is put in; and each line at the top."""
    trees = [ast.parse(file.read_text("utf-8")) for file in HELPERS.rglob("*.py")]
    top = [node for tree in trees for node in tree.body if not isinstance(node, ast.ClassDef)]
    functions = (n for tree in trees for n in ast.walk(tree) if isinstance(n, ast.FunctionDef))
    return ["\n".join(strings(node)) for node in {*top, *functions}]


def strings(place: ast.AST) -> Iterator[str]:
    for node in ast.walk(place):
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                getattr(part, "value", "") if _fixed(part) else "…" for part in node.values
            )
        elif _fixed(node):
            yield node.value


def _fixed(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def is_said_somewhere(message: str) -> bool:
    """Whether one place of the code has all words of a message, some of them in a row.

    What differs from case to case is left out: names in quotes or of splits, numbers, and "…".
    """
    pieces = re.split(r"…|'[^']*'|\S*\d\S*", " ".join(message.split()))
    pieces = [piece.strip(" .") for piece in pieces if len(piece.strip(" .")) > 4]
    words = {*re.findall(r"\w{4,}", " ".join(pieces))} - {*SPLITS}
    return any(
        all(word in place for word in words) and any(piece in place for piece in pieces)
        for place in places()
    )


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_the_messages_that_a_notebook_quotes_are_real(file):
    cells = json.loads(file.read_text("utf-8"))["cells"]
    text = " ".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    quoted = re.findall(r"\*“(.+?)”\*", text, re.DOTALL)
    assert quoted
    assert [message for message in quoted if not is_said_somewhere(message)] == []


def test_a_message_that_is_not_real_would_be_found():
    assert is_said_somewhere("There is no dict.txt beside …")
    for message in (
        "There is no dict.txt beside …: this dictionary is not the model's",  # of two places
        "There is no dict.txt anywhere beside …",
        "…",
    ):
        assert not is_said_somewhere(message)


@pytest.mark.parametrize("file", [*HELPERS.glob("explorer/**/*.py")], ids=lambda file: file.stem)
def test_the_explorer_needs_neither_torch_nor_fairseq(file: Path):
    assert not re.search("import (torch|fairseq|transformers)", file.read_text("utf-8"))


@pytest.mark.parametrize("file", [*HELPERS.glob("stages/*.py")], ids=lambda file: file.stem)
def test_a_stage_imports_what_takes_long_where_it_is_used(file: Path):
    assert not re.search(f"^(?:import|from) (?:{'|'.join(HEAVY)})", file.read_text("utf-8"), re.M)
