"""The sample corpus: docstrings of installed packages, the same bytes every time."""

import gzip
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from helpers.common.errors import CourseError
from helpers.stages.road import ROAD
from helpers.stages.sample import SAMPLE, is_named
from helpers.text.docstrings import docstrings, modules, package_folder
from helpers.workflow.settings import SampleSettings
from helpers.workflow.workspace import Workspace

SOURCE = b'''
"""About the module.

    It has a second paragraph."""


class First:
    """About the class."""

    def method(self):
        """About the method,

        over several lines.
        """

    async def other(self):
        "One line."


def without():
    pass


def last():
    """About the last."""


"not a docstring"
text = """neither"""
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A small package: good modules, a broken one, tests, and one without docstrings."""
    root = tmp_path / "little_package"
    files = {
        "__init__.py": SOURCE,
        "b.py": b'"Module b."',
        "a/__init__.py": b"raise SystemExit('imported')",
        "a/z.py": '"""Modul z: größer, 中文, \\ud800."""'.encode(),
        "a/latin.py": b"# -*- coding: latin-1 -*-\n'Gr\xfc\xdfe'\n",
        "broken.py": b"def (:\n",
        "zero.py": b"'a\0b'\n",
        "tests/test_b.py": b'"A test."',
    }
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    monkeypatch.syspath_prepend(tmp_path)
    return root.name


def test_docstrings_come_in_reading_order_without_blank_lines():
    assert docstrings(SOURCE) == [
        "About the module.\nIt has a second paragraph.",
        "About the class.",
        "About the method,\nover several lines.",
        "One line.",
        "About the last.",
    ]


def test_modules_are_named_and_sorted_and_broken_ones_left_out(package: str):
    found = dict(modules(package))
    assert [*found] == [f"{package}{name}" for name in ("", ".a.latin", ".a.z", ".b")]
    assert found[f"{package}.a.latin"] == ["Grüße"]


def test_the_same_bytes_every_time(package: str, tmp_path: Path):
    contents = []
    for number in (1, 2):
        workspace = Workspace(tmp_path / str(number))
        report = ROAD.run("sample", workspace, SampleSettings(packages=package))
        files = sorted(workspace.texts.iterdir())
        contents.append({file.name: file.read_bytes() for file in files})
    assert contents[0] == contents[1]
    assert (report.files, report.documents) == (len(files), 8) == (4, 8)
    assert report.bytes == sum(map(len, contents[0].values()))
    assert contents[0][f"{package}.a.z.txt"] == "Modul z: größer, 中文, ?.\n".encode()
    assert b"paragraph.\n\nAbout the class.\n\n" in contents[0][f"{package}.txt"]


def test_what_is_found_is_what_is_described(package: str, workspace: Workspace):
    report = ROAD.run("sample", workspace, SampleSettings(packages=package))
    assert SAMPLE.describe(workspace) == report


def test_another_package_replaces_the_first(package: str, workspace: Workspace):
    ROAD.run("sample", workspace, SampleSettings(packages=package))
    ROAD.run("sample", workspace, SampleSettings(packages="hydra"))
    assert all(file.name.startswith("hydra") for file in workspace.texts.iterdir())


def test_the_students_own_texts_are_kept(with_texts):
    workspace = with_texts(mine="My text.\n\nAnother.")
    report = ROAD.run("sample", workspace, SampleSettings())
    assert [file.name for file in workspace.texts.iterdir()] == ["mine.txt"]
    assert (report.files, report.documents) == (1, 2)
    assert any("texts/mine.txt" in note for note in report.notes)


@pytest.mark.parametrize(
    "name", ["no_such_package", "scipy.stats", "json.decoder", "", "a b", "this"]
)
def test_what_is_no_installed_package_is_an_error(name: str):
    with pytest.raises(CourseError, match="There is no installed package"):
        package_folder(name)


def test_nothing_is_imported():
    script = """
        import sys
        import helpers.stages.sample
        before = {*sys.modules}
        assert sum(len(d) for _, d in helpers.stages.sample.modules("matplotlib")) > 1000
        heavy = {"matplotlib", "numpy", "sklearn", "torch"} & {*sys.modules}
        print(sorted(heavy - before), [m for m in sys.modules if m.startswith("matplotlib")])
    """
    done = subprocess.check_output([sys.executable, "-c", textwrap.dedent(script)], text=True)
    assert done == "[] []\n"


@pytest.mark.parametrize("name", ["mine.jsonl", "mine.txt.gz", "MINE.TXT", "a/mine.csv", "wiki_00"])
def test_the_sample_is_not_put_beside_texts_of_ones_own(name: str, workspace: Workspace) -> None:
    file = workspace.texts / name
    file.parent.mkdir(parents=True)
    file.write_bytes(gzip.compress(b"a") if name.endswith("gz") else b'{"text": "a"}\n')
    report = ROAD.run("sample", workspace, SampleSettings(packages="json"))
    assert report.files == 1 and "Your own files are used as they are" in str(report)
    assert [path for path in workspace.texts.rglob("*") if path.is_file()] == [file]


NAMED = {"texts": 1, "texts/*.txt": 1, "t*/*": 1, "**/*.txt": 1, "t*/**/*": 1, ".": 1}
NAMED |= {"other/*.txt": 0, "other": 0, "texts/sub/*.txt": 0, "*.txt": 0, "o*/**/*": 0}


@pytest.mark.parametrize("folder", ["my", "my[1]", "what?", "my*"])
@pytest.mark.parametrize("is_there", [True, False])
@pytest.mark.parametrize("name", NAMED)
def test_whether_names_of_texts_lead_to_the_sample(
    name: str, is_there: bool, folder: str, tmp_path: Path
) -> None:
    workspace = Workspace(tmp_path / folder)
    workspace.root.mkdir()
    if is_there:
        (workspace.texts / "sub").mkdir(parents=True)
    for named in (name, str(workspace.root / name)):
        assert is_named([named], workspace) == bool(NAMED[name])
