"""The project's pages, and what a page is made of: headings, code, tables, links."""

import functools
import json
import re
import unicodedata
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from helpers.common.files import PROJECT
from tests.support.project import project_files

PAGES = [file for file in project_files() if file.suffix in (".md", ".ipynb")]
ENGLISH = [PROJECT / "README.md", PROJECT / "gpt2_bpe" / "README.md"]
ENGLISH += [page for page in sorted((PROJECT / "docs").glob("*.md")) if ".zh" not in page.suffixes]


class Heading(NamedTuple):
    level: int
    anchor: str


class Block(NamedTuple):
    """Code between two fences; ``kind`` is the word behind the first one."""

    kind: str
    code: str


def name(page: Path) -> str:
    return page.relative_to(PROJECT).as_posix()


def twin(page: Path) -> Path:
    """The same page in Chinese."""
    return page.with_name(f"{page.stem}.zh.md")


@functools.cache
def words(page: Path) -> str:
    text = page.read_text("utf-8")
    if page.suffix == ".md":
        return text
    cells = json.loads(text)["cells"]
    return "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")


_FENCED = re.compile(r"^( *)```(.*)\n((?:.*\n)*?)\1```$", re.MULTILINE)


def blocks(text: str) -> list[Block]:
    return [Block(kind, code) for _, kind, code in _FENCED.findall(text)]


def prose(text: str) -> str:
    """What is not code: a ``# comment`` is no heading, and a ``[0](1)`` in backquotes no link."""
    return re.sub(r"`[^`\n]+`", "`code`", _FENCED.sub("", text))


def without_words(block: Block) -> list[str]:
    """The lines of a block as they stand in every language: no comments, no explanations."""
    cut = r"(?<=\S)  .*" if block.kind == "text" else r"(^|\s)\s*#.*"
    found = (re.sub(cut, "", line).strip() for line in block.code.splitlines())
    return [line for line in found if line]


def headings(text: str) -> list[Heading]:
    """The headings with the anchors that GitHub gives them; a repeated one is numbered."""
    found, seen = [], {}
    for marks, title in re.findall(r"^(#{1,6}) +(.+?) *#*$", _FENCED.sub("", text), re.MULTILINE):
        anchor = _anchor(title)
        number = seen[anchor] = seen.get(anchor, -1) + 1
        found.append(Heading(len(marks), f"{anchor}-{number}" if number else anchor))
    return found


def _anchor(title: str) -> str:
    """Lower case, hyphens for spaces; only letters, marks, digits, ``_`` and ``-`` stay.

    >>> _anchor("Your own texts and `model.pt`"), _anchor("没有 *网络* 时：怎样？")
    ('your-own-texts-and-modelpt', '没有-网络-时怎样')
    """
    title = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", title).lower().strip()
    return "".join(sign for sign in title if _stays(sign)).replace(" ", "-")


def _stays(sign: str) -> bool:
    category = unicodedata.category(sign)
    return sign in " -" or category[0] in "LM" or category in ("Nd", "Pc")


def links(text: str) -> list[str]:
    """Where the page's links and pictures lead, in order."""
    return re.findall(r"\]\(<?([^)\s>]+)", prose(text)) + re.findall(
        r"^\[[^\]]+\]: *(\S+)", prose(text), re.MULTILINE
    )


def is_elsewhere(target: str) -> bool:
    return target.startswith(("http://", "https://"))


def broken(page: Path) -> list[str]:
    """The links of a page that lead to no file, or to no heading of it."""
    found = []
    for target in links(words(page)):
        if is_elsewhere(target):
            continue
        file, _, anchor = unquote(target).partition("#")
        there = (page.parent / file).resolve() if file else page
        anchors = (
            {heading.anchor for heading in headings(words(there))}
            if anchor and there.is_file()
            else set()
        )
        if not there.exists() or (anchor and anchor not in anchors):
            found.append(target)
    return found


def tables(text: str) -> list[list[int]]:
    """For every table the number of cells in each of its rows."""
    found, rows = [], []
    for line in [*prose(text).splitlines(), ""]:
        if line.startswith("|"):
            rows.append(len(re.findall(r"(?<!\\)\|", line)) - 1)
        elif rows:
            found.append(rows)
            rows = []
    return found
