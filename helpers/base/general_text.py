"""General documentation text: what the course's base model has read, and what it never read.

What it has read can be read again while it learns something else (``replay``), and what it never
read measures what it has forgotten by then.

Both are docstrings, taken from what is installed. The *validation* text comes from whole modules
of pinned packages, chosen by a keyed hash of their names: the same on every machine, and in no way
part of the training. scikit-learn and SciPy are left out of both, so that the sample corpus is new
to the model.
"""

import functools
import hashlib
import importlib.util
import itertools
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

from helpers.text.packages.docstrings import docstrings_of, module_files, modules

# The pinned packages with the most documentation, from the longest on.
PACKAGES = (
    *("transformers", "torch", "sympy", "networkx", "numpy", "matplotlib", "huggingface_hub"),
    *("debugpy", "narwhals", "fontTools", "IPython", "fairseq", "mpmath", "pydantic", "tornado"),
    *("future", "hypothesis", "_pytest", "portalocker", "prompt_toolkit", "Cython", "pygments"),
    *("rich", "PIL", "babel", "fsspec", "click", "joblib", "pyparsing", "coverage", "jinja2"),
    *("bs4", "jupyter_server", "packaging", "anyio", "zmq", "traitlets", "jupyter_client", "jedi"),
    *("nbconvert", "hydra", "omegaconf", "sacrebleu", "requests", "urllib3", "attr", "typer"),
)
# Of these, one module in so many is held out: pure Python, so that all machines have the same
# files. transformers is not among them, because its modules repeat each other's sentences.
HELD_OUT_FROM = ("networkx", "sympy", "matplotlib", "huggingface_hub", "fontTools", "pydantic")
ONE_IN = 25
_KEY = b"general validation text"


def is_held_out(module: str) -> bool:
    """Whether the base model must never have read this module."""
    if module.partition(".")[0] not in HELD_OUT_FROM:
        return False
    return int.from_bytes(_digest(module), "big") % ONE_IN == 0


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "replace"), key=_KEY, digest_size=8).digest()


@functools.cache
def validation_documents() -> tuple[str, ...]:
    """The held-out documents, each once; about 5 seconds of reading, 1 in 25 modules."""
    found = (modules(package, is_held_out) for package in HELD_OUT_FROM)
    return tuple(_each_once(document for each in found for _, d in each for document in d))


def validation_lines(most: int) -> list[str]:
    """The first lines of the held-out documents, mixed by their hashes; blank lines between."""
    mixed = sorted(validation_documents(), key=_digest)
    return "\n\n".join(mixed).split("\n")[:most]


def training_documents() -> list[str]:
    """Everything else, each document once; about a minute of reading.

    The standard library's part depends on the version of Python.
    """
    found = (modules(package, lambda name: not is_held_out(name)) for package in PACKAGES)
    pinned = (document for each in found for _, d in each for document in d)
    never = set(validation_documents())
    every = itertools.chain(pinned, _standard_library())
    return [document for document in _each_once(every) if document not in never]


def replay_documents() -> Iterator[str]:
    """Documents of what the base has read, each once, as many as are asked for.

    They come module by module, mixed by the hashes of their names, from the packages that are
    installed here. A minute of reading for all, and a moment for the first.
    """
    there = (package for package in PACKAGES if importlib.util.find_spec(package))
    found = [each for package in there for each in module_files(package)]
    mixed = sorted((each for each in found if not is_held_out(each[0])), key=_by_name)
    never = set(validation_documents())
    documents = (document for _, file in mixed for document in docstrings_of(file))
    yield from _each_once(document for document in documents if document not in never)


def _by_name(module: tuple[str, Path]) -> bytes:
    return _digest(module[0])


def _each_once(documents: Iterable[str]) -> Iterator[str]:
    seen = set()
    for document in documents:
        if document not in seen:
            seen.add(document)
            yield document


def _standard_library() -> Iterator[str]:
    from pydoc_data.topics import topics

    root = Path(sysconfig.get_path("stdlib"))
    for file in sorted(root.rglob("*.py")):
        if not {"site-packages", "test", "tests", "idle_test"} & set(file.parts):
            yield from docstrings_of(file)
    for _, text in sorted(topics.items()):
        yield "\n".join(line for line in text.splitlines() if line.strip())
