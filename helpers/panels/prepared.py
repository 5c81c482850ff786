"""A notebook before it is run without a person: its parameters, its links, what is left out."""

import ast
import contextlib
import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from urllib.parse import quote

import nbformat

from helpers.common.errors import CourseError
from helpers.common.files import PROJECT
from helpers.stages.road import NOTEBOOKS
from helpers.workflow.parameters import NO_LITERAL, literal

_LINK = re.compile(r"\]\((?:\.\./|(?=(?P<notebook>[\w-]+)\.ipynb))")


def prepared(
    file: Path, folder: Path, values: Mapping[str, object], without: Collection[str] = ()
) -> str:
    """The text of a notebook whose one cell ``parameters`` has the values that hold.

    Args:
        folder: where its copy will lie; links to what is not copied there lead to the project.
        without: tags of cells that are left out.
    """
    notebook = nbformat.read(file, as_version=4)
    project = quote(Path(os.path.relpath(PROJECT, folder)).as_posix())

    def led(link: re.Match) -> str:
        name = link["notebook"]
        if name in NOTEBOOKS:
            return link[0]
        return f"]({project}/notebooks/" if name else f"]({project}/"

    notebook.cells = [c for c in notebook.cells if not {*without} & {*c.metadata.get("tags", ())}]
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = _LINK.sub(led, cell.source)
        elif "parameters" in cell.metadata.get("tags", ()):
            cell.source = with_values(cell.source, values)
    return nbformat.writes(notebook)


def values_in(cell: str, notebook: str) -> dict[str, object]:
    """The names to which a cell ``parameters`` assigns plain values, and these; it is not run.

    Raises:
        CourseError: it is no Python; the notebook is named.
    """
    found: dict[str, object] = {}
    for node in _statements(cell, f" of {notebook}"):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            with contextlib.suppress(*NO_LITERAL):  # the notebook will say so
                found[node.targets[0].id] = ast.literal_eval(node.value)
    return found


def _statements(cell: str, owner: str = "") -> list[ast.stmt]:
    try:
        return ast.parse(cell).body
    except NO_LITERAL as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
        raise CourseError(
            f"The cell parameters{owner} is no Python: {getattr(error, 'msg', error)}{line}.",
            "Leave the lines NAME = VALUE in it, and put all else into another cell.",
        ) from None


def with_values(cell: str, values: Mapping[str, object]) -> str:
    """A cell of assignments in which the named ones assign these values; its comments are kept.

    Names that it does not assign come last.

    Raises:
        CourseError: it is no Python.

    >>> print(with_values("lr = 1e-3  # the rate\\nseed = 1  # by lot", {"lr": 0.0003}))
    lr = 0.0003  # the rate
    seed = 1  # by lot
    """
    lines = cell.encode().splitlines(keepends=True)  # ast counts columns in bytes
    missing = dict(values)
    for node in reversed(_statements(cell)):
        if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
            continue
        name, old = node.targets[0].id, node.value
        if name in values:
            before = lines[old.lineno - 1][: old.col_offset]
            behind = lines[old.end_lineno - 1][old.end_col_offset :]
            written = before + literal(values[name]).encode() + behind
            lines[old.lineno - 1 : old.end_lineno] = [written]
            missing.pop(name, None)
    last = [f"{name} = {literal(value)}" for name, value in missing.items()]
    return "\n".join((b"".join(lines).decode(), *last))
