"""The floor plan of ``helpers/``: folders import those before them only."""

import ast
import re
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from helpers.common.files import PROJECT

HELPERS = PROJECT / "helpers"
# In the order of the road. A file imports from its own folder and from those before it; the files
# beside the folders (``__main__``, ``batch``, ``environment``) import from all of them.
LAYERS = (
    "common",
    "machine",
    "workflow",
    "text.decoding",
    "text.layout",
    "text.packages",
    "text",
    "tokens",
    "ids",
    "models",
    "models.hf",
    "evaluation",
    "training.log",
    "training.options",
    "training.launcher",
    "training",
    "training.runs",
    "training.plan",
    "training.fairseq_plugin",
    "base",
    "sharing",
    "stages",
    "explorer",
    "explorer.html",
    "panels",
    "panels.settings",
    "panels.explorer",
    "",
)
AT_MOST = 12  # files of a folder, beside the one that says what it is for

Sources = Mapping[str, str]  # the code of each module, by its dotted name without "helpers."


def sources() -> dict[str, str]:
    """All that is to be laid out; ``__init__`` stands for its folder."""
    return {
        ".".join(file.relative_to(HELPERS).with_suffix("").parts): file.read_text("utf-8")
        for file in sorted(HELPERS.rglob("*.py"))
    }


def folder_of(module: str) -> str:
    return module.rpartition(".")[0]


def imported(code: str, modules: Sources) -> Iterator[str]:
    """The modules that a file imports, on top or inside its functions."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "relative imports hide where they lead"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.partition(".")[0] == "helpers":
                parts = name.split(".")[1:]
                found = (".".join(parts[:n]) for n in range(len(parts), 0, -1))
                yield next((module for module in found if module in modules), name)


def arrows(modules: Sources) -> set[tuple[str, str]]:
    return {(name, other) for name, code in modules.items() for other in imported(code, modules)}


def upward(modules: Sources) -> list[str]:
    """The imports that lead to a later folder."""
    floor = {folder: number for number, folder in enumerate(LAYERS)}
    return [
        f"{name} imports {other}"
        for name, other in sorted(arrows(modules))
        if floor[folder_of(other)] > floor[folder_of(name)]
    ]


def deepest_chain(modules: Sources) -> int:
    """How many modules the longest chain of imports has.

    Raises:
        CycleError: some of them import each other in a circle.
    """
    below = {name: {*imported(code, modules)} for name, code in modules.items()}
    depth: dict[str, int] = {}
    for name in TopologicalSorter(below).static_order():
        depth[name] = 1 + max((depth[other] for other in below.get(name, ())), default=0)
    return max(depth.values())


def test_every_folder_has_its_place_in_the_order():
    assert sorted(LAYERS) == sorted({folder_of(name) for name in sources()})
    assert len(arrows(sources())) > 200


def test_every_import_leads_to_a_module():
    modules = sources()
    assert {other for _, other in arrows(modules)} <= {*modules}


def test_imports_run_one_way():
    assert upward(sources()) == []


def test_no_later_folder_is_named_in_a_string():
    """From which it could be imported where nobody looks."""
    floor = {folder: number for number, folder in enumerate(LAYERS)}
    for name, code in sources().items():
        for other in re.findall(r"helpers\.([\w.]+)", code):
            parts = other.split(".")
            folders = {".".join(parts[:n]) for n in range(1, len(parts) + 1)} & {*floor}
            there = max(folders, key=len, default="common")
            assert floor[there] <= floor[folder_of(name)], (name, other)


def test_of_the_files_beside_the_folders_only_the_batch_knows_the_panels():
    """The command line and the check work where there is no notebook."""
    knowing = {n for n, code in sources().items() if not folder_of(n) and "helpers.panels" in code}
    assert knowing == {"batch"}


def test_the_package_itself_imports_none_of_its_modules():
    """Through it, the first folder could reach the last."""
    assert [*imported(sources()["__init__"], sources())] == []


@pytest.mark.parametrize("number", range(len(LAYERS) - 1))
def test_an_import_that_is_turned_round_is_found(number: int):
    """From each folder to one that stands behind it, inside a function."""
    modules = sources()
    here = next(name for name in modules if folder_of(name) == LAYERS[number])
    there = next(name for name in modules if folder_of(name) == LAYERS[number + 1])
    modules[here] += f"\n\ndef hidden():\n    import helpers.{there}\n"
    assert upward(modules) == [f"{here} imports {there}"]


def test_modules_import_each_other_in_no_circle():
    modules = sources()
    assert deepest_chain(modules) > 5
    modules["common.errors"] += "\nimport helpers.common.report\n"
    modules["common.report"] += "\nimport helpers.common.errors\n"
    with pytest.raises(CycleError):
        deepest_chain(modules)


@pytest.mark.parametrize("folder", LAYERS)
def test_a_folder_can_be_overlooked(folder: str):
    path = HELPERS.joinpath(*folder.split("."))
    files = [file for file in path.glob("*.py") if file.stem != "__init__"]
    assert len(files) <= AT_MOST
    assert all(len(file.read_text("utf-8").splitlines()) < 300 for file in files)


@pytest.mark.parametrize("name", sources())
def test_every_module_says_what_it_is_for(name: str):
    assert ast.get_docstring(ast.parse(sources()[name]))


def test_what_holds_the_data_of_the_base_holds_no_code():
    assert not [*Path(HELPERS, "base", "course").rglob("*.py")]
