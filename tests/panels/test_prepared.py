"""A notebook of the batch: one parameters cell, the true one; and pages whose links stay pages."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest
from jupyter_server.nbconvert.handlers import get_exporter
from traitlets.config import Config

from helpers import batch
from helpers.common.files import PROJECT
from helpers.panels.prepared import prepared, with_values
from helpers.stages.road import NOTEBOOKS

FOLDER = PROJECT / "notebooks"
VALUES = [1, -2.5, 1e-05, True, None, "", "a'b\"c\\n", "微调 # no comment", ["a", "b, c"], ["# x"]]


@pytest.mark.parametrize("value", VALUES, ids=repr)
@pytest.mark.parametrize("old", ["1", '"a  # b"', '["a",\n  "b"]', "(0.5)", '"微"'])
def test_other_values_stand_in_the_cell_and_its_comments_stay(old: str, value: object) -> None:
    cell = f'first = 1  # 一\n微 = {old}  # the "second" = 2\nlast = 3  # c'
    written = with_values(cell, {"微": value, "unknown": 1})
    names: dict = {}
    exec(written, {}, names)
    assert names == {"first": 1, "微": value, "last": 3, "unknown": 1}
    assert re.findall("  # .*", written)[-1] == "  # c" and '  # the "second" = 2\n' in written


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_cell_with_the_values_that_it_has_is_the_same(name: str) -> None:
    for cell in nbformat.read(FOLDER / f"{name}.ipynb", as_version=4).cells:
        if "parameters" in cell.metadata.get("tags", ()):
            names: dict = {}
            exec(cell.source, {}, names)
            written = with_values(cell.source, names)
            assert re.sub(r"0\.001\b", "1e-3", written) == cell.source


def test_an_executed_notebook_shows_one_parameters_cell_and_it_holds(workspace, put) -> None:
    file = put("my 文 text.txt", b"one\n\ntwo\n\nthree\n\nfour\n")
    given = [("txt_files", str(file)), ("seed", "7"), ("split.train", "0.5"), ("valid", "0.4")]
    assert batch.run(workspace, given, only=["split"]) == 0
    copy = nbformat.read(workspace.notebooks / "01_split.ipynb", as_version=4)
    first, second = [c for c in copy.cells if c.cell_type == "code"][:2]
    assert first.execution_count == 1 and second.execution_count == 2
    names: dict = {}
    exec(first.source, {}, names)
    assert (names["txt_files"], names["seed"], names["train"]) == ([str(file)], 7, 0.5)
    assert names["workspace"] == str(workspace.root) and "  # share of" in first.source
    assert "txt_files =" not in "".join(c.source for c in copy.cells if c is not first)
    tags = [tag for cell in copy.cells for tag in cell.metadata.get("tags", ())]
    assert tags.count("parameters") == 1 and "injected-parameters" not in tags


LINK = re.compile(r"\]\(([^)#]+)")


@pytest.mark.parametrize("name", NOTEBOOKS)
@pytest.mark.parametrize("inside", [True, False], ids=["in the project", "elsewhere"])
def test_the_links_of_a_copy_lead_somewhere(name: str, inside: bool, tmp_path: Path) -> None:
    folder = (PROJECT / "runs" / "mine" if inside else tmp_path / "my 文 run") / "notebooks"
    cells = nbformat.reads(prepared(FOLDER / f"{name}.ipynb", folder, {}), as_version=4).cells
    links = {
        link for cell in cells for link in LINK.findall(cell.source) if cell.cell_type == "markdown"
    }
    links = {link for link in links if not link.startswith("https://")}
    beside = {link for link in links if link.removesuffix(".ipynb") in NOTEBOOKS}
    assert beside and links - beside
    for link in links - beside:
        assert Path(os.path.normpath(folder / unquote(link))).exists(), link


CELL = (
    "[a](01_split.ipynb) [b](../x/02_bpe.ipynb#part) [c](https://example.org/a.ipynb) "
    "[d](../GLOSSARY.md#token) `a.ipynb` ![e](f.png)"
)
PAGE = ["01_split.html", "../x/02_bpe.html#part", "https://example.org/a.ipynb"]


def links_of(page: str) -> list[str]:
    return [
        href for href in re.findall('href="([^"]+)"', page) if "ipynb" in href or "html" in href
    ]


def test_in_a_page_the_links_lead_to_pages(tmp_path: Path) -> None:
    cell = nbformat.v4.new_markdown_cell(CELL)
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "a 文.ipynb")
    done = subprocess.run(
        [sys.executable, "-m", "nbconvert", "--to", "html", tmp_path / "a 文.ipynb"],
        cwd=tmp_path,
        env=os.environ
        | {"JUPYTER_CONFIG_PATH": str(PROJECT / "jupyter"), "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "a 文.html").read_text("utf-8")
    assert links_of(page) == PAGE and "<code>a.ipynb</code>" in page


def test_jupyterlabs_menu_makes_such_pages_too() -> None:
    config = json.loads((PROJECT / "jupyter" / "jupyter_server_config.json").read_text("utf-8"))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(CELL)])
    page, _ = get_exporter("html", config=Config(config)).from_notebook_node(notebook)
    assert links_of(page) == PAGE
