"""Words for people: links lead somewhere, and both READMEs say the same."""

import json
import re
from pathlib import Path

import pytest

from helpers.common.files import PROJECT
from tests.support.project import project_files

PAGES = [file for file in project_files() if file.suffix in (".md", ".ipynb")]


def words(page: Path) -> str:
    text = page.read_text("utf-8")
    if page.suffix == ".md":
        return text
    cells = json.loads(text)["cells"]
    return "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")


def anchors(page: Path) -> set[str]:
    """The headings as GitHub names them: lower case, hyphens for spaces, no other signs."""
    headings = re.findall(r"^#+ (.+)$", words(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", h.lower()).strip().replace(" ", "-") for h in headings}


def commands(page: Path) -> list[str]:
    """The lines of all code blocks without their comments."""
    blocks = "\n".join(re.findall(r"^```.*\n((?:.*\n)*?)```$", words(page), re.MULTILINE))
    found = (re.split(r"\s\s+|#", line)[0].strip() for line in blocks.splitlines())
    return [line for line in found if line]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", words(page)):
        if target.startswith(("http://", "https://")):
            continue
        name, _, anchor = target.partition("#")
        there = (page.parent / name).resolve() if name else page
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


def test_both_readmes_have_the_same_commands_sections_and_rows():
    english, chinese = PROJECT / "README.md", PROJECT / "README.zh.md"
    assert commands(english) == commands(chinese)
    assert {"make course", "make bundle"} <= {*commands(english)}
    shapes = [
        [len(re.findall(r"^\|", section, re.MULTILINE)) for section in words(page).split("\n## ")]
        for page in (english, chinese)
    ]
    assert shapes[0] == shapes[1]


def test_every_notebook_has_its_parts():
    for page in PAGES:
        if page.suffix != ".ipynb":
            continue
        for part in ("**You will**", "**Time:**", "**You need:**", "**You should", "**中文提要**"):
            assert part in words(page), (page.name, part)
        for part in ("**You are here:**", "**What to expect", "## What can go wrong"):
            assert part in words(page), (page.name, part)
        for part in ("**Try:**", "## You now have", "**To read:**", "../GLOSSARY.md#"):
            assert part in words(page), (page.name, part)
