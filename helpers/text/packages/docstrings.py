"""The docstrings of installed packages as a corpus: the same bytes on every machine."""

import ast
import importlib.util
import inspect
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from helpers.common.errors import CourseError


def package_folder(name: str) -> Path:
    """Where an installed package lies; it is not imported.

    Raises:
        CourseError: it is not installed, or is a single module.
    """
    spec = importlib.util.find_spec(name) if name.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise CourseError(
            f"There is no installed package {name!r}.",
            "Name packages as they are imported, for example sklearn, scipy or matplotlib.",
        )
    return Path(next(iter(spec.submodule_search_locations)))


def docstrings(source: bytes) -> list[str]:
    """The docstrings of a Python file in reading order, each without its blank lines.

    Without them, a docstring is one document, since blank lines part documents.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escapes in other people's strings
        tree = ast.parse(source)
    owners = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    found = [node for node in ast.walk(tree) if isinstance(node, owners)]
    found.sort(key=lambda node: getattr(node, "lineno", 0))
    texts = (ast.get_docstring(node, clean=False) for node in found)
    cleaned = (inspect.cleandoc(text) for text in texts if text)
    return [
        document
        for text in cleaned
        if (document := "\n".join(line for line in text.splitlines() if line.strip()))
    ]


def module_files(package: str) -> Iterator[tuple[str, Path]]:
    """Name and file of the modules of a package, tests left out, in a fixed order."""
    root = package_folder(package)
    for file in sorted(root.rglob("*.py"), key=lambda f: f.relative_to(root).as_posix()):
        parts = file.relative_to(root).with_suffix("").parts
        if "tests" not in parts:
            yield ".".join((package, *(p for p in parts if p != "__init__"))), file


def modules(
    package: str, wanted: Callable[[str], bool] = lambda name: True
) -> Iterator[tuple[str, list[str]]]:
    """Name and docstrings of the modules of a package that have any.

    Args:
        wanted: says by its name whether a module is read.
    """
    for name, file in module_files(package):
        if wanted(name) and (documents := docstrings_of(file)):
            yield name, documents


def docstrings_of(file: Path) -> list[str]:
    """The docstrings of a Python file; none where it cannot be parsed.

    Packages hold templates and deliberately broken files, too.
    """
    try:
        return docstrings(file.read_bytes())
    except (SyntaxError, ValueError):
        return []
