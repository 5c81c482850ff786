"""A corpus that everybody has: the documentation inside the installed packages.

The same packages give the same bytes, wherever they are installed.
"""

import dataclasses
import itertools
import os
import random
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from helpers.base.course_base import unpack
from helpers.common.processes import Workers
from helpers.common.symbols import SPLITS
from helpers.text.packages.docstrings import docstrings_of

KINDS = (".py", ".md", ".rst")
FEW = 10  # documents in valid and in test


@dataclasses.dataclass(frozen=True)
class Documents:
    """Distinct documents in a fixed, mixed order, so that each corpus is a mixture of all."""

    texts: list[str]
    bytes: int
    packages: int


@dataclasses.dataclass(frozen=True)
class Corpus:
    """Text files by split, and the dictionary: nearly all of the text is in train."""

    raw: dict[str, Path]
    dictionary: Path

    @property
    def bytes(self) -> int:
        return self.raw["train"].stat().st_size


def documents_of(file: Path) -> list[str]:
    """A Python file's docstrings, or the whole of a text file, without blank lines."""
    if file.suffix == ".py":
        return docstrings_of(file)
    lines = file.read_text("utf-8", errors="replace").splitlines()
    text = "\n".join(line for line in lines if line.strip())
    return [text] if text else []


def _files(root: Path) -> Iterator[Path]:
    """The files to read, in an order that is the same everywhere."""
    for folder, folders, names in os.walk(root):
        folders.sort()
        files = (Path(folder, name) for name in sorted(names))
        yield from (file for file in files if file.suffix in KINDS and file.is_file())


def gather(enough: int, workers: int) -> Documents:
    """Distinct documents of the installed packages: ``enough`` bytes of them, or all."""
    root = Path(sysconfig.get_path("purelib"))
    seen: dict[str, None] = {}
    packages, size = set(), 0
    files, given = itertools.tee(_files(root))
    with Workers(workers) as pool:
        for file, texts in zip(files, pool.map(documents_of, given), strict=False):
            for text in texts:
                if text not in seen:
                    seen[text] = None
                    size += len(as_bytes(text))
                    packages.add(file.relative_to(root).parts[0])
            if size >= enough:
                break
    mixed = list(seen)
    random.Random(0).shuffle(mixed)
    return Documents(mixed, size, len(packages))


def as_bytes(text: str) -> bytes:
    """A document and the blank line behind it; a lone surrogate in a docstring becomes ``?``."""
    return (text + "\n\n").encode("utf-8", "replace")


def write(documents: Documents, size: int, folder: Path) -> Corpus:
    """Write a corpus of ``size`` bytes, up to the end of a document.

    Where the documents do not suffice, all are written again, in another order each time.
    """
    folder.mkdir()
    raw = {split: folder / f"data.{split}.raw" for split in SPLITS}
    texts = list(documents.texts)
    with raw["train"].open("wb") as out:
        for again in itertools.count(1):
            for text in texts:
                if out.tell() >= size:
                    break
                out.write(as_bytes(text))
            if out.tell() >= size:
                break
            random.Random(again).shuffle(texts)
    for split in ("valid", "test"):
        raw[split].write_bytes(b"".join(map(as_bytes, texts[:FEW])))
    dictionary = folder / "dict.txt"
    dictionary.write_text(unpack()[1].text(), "utf-8")
    return Corpus(raw, dictionary)
