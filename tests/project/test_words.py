"""Words for people: every notebook has the same parts, and Chinese one word for one thing."""

import re
import unicodedata
from pathlib import Path

import pytest

from helpers.common.files import PROJECT
from tests.project.pages import PAGES, name, prose, words

GLOSSARY = PROJECT / "GLOSSARY.md"
NOTEBOOKS = [page for page in PAGES if page.suffix == ".ipynb"]
CHINESE = [page for page in PAGES if page.name.endswith(".zh.md")] + [GLOSSARY, *NOTEBOOKS]
# What is not said, and what is said instead.
DECIDED = {
    "二值化": "二进制化: the other is what is done to pictures",
    "字典": "词典",
    "切片": "分片",
    "半批": "小一半的批次",
    "模型说明卡": "模型卡",
    "首选猜测": "一次就猜中",
    "诚实的答案": "如实的评估",
    "问密码": "验证身份",
}
WIDEST = 125  # columns of a line of prose; a Chinese character takes two


def test_every_notebook_has_its_parts():
    for page in NOTEBOOKS:
        for part in ("**You will**", "**Time:**", "**You need:**", "**You should", "**中文提要**"):
            assert part in words(page), (page.name, part)
        for part in ("**You are here:**", "**What to expect", "## What can go wrong"):
            assert part in words(page), (page.name, part)
        for part in ("**Try:**", "## You now have", "**To read:**", "../GLOSSARY.md#"):
            assert part in words(page), (page.name, part)


@pytest.mark.parametrize("page", CHINESE, ids=name)
def test_chinese_has_one_word_for_one_thing(page: Path) -> None:
    assert not {word: instead for word, instead in DECIDED.items() if word in words(page)}


@pytest.mark.parametrize("page", CHINESE, ids=name)
def test_chinese_paragraphs_are_more_than_one_line(page: Path) -> None:
    """Rows of tables cannot be divided; the targets of links and code are not counted."""
    text = re.sub(r"\]\([^)]*\)", "]", prose(words(page)))
    lines = [line for line in text.splitlines() if re.search(r"[\u4e00-\u9fff]", line)]
    assert lines
    assert not [s for s in lines if not s.startswith("|") and columns(s) > WIDEST]


def columns(line: str) -> int:
    return sum(1 + (unicodedata.east_asian_width(sign) in "WF") for sign in line)


@pytest.mark.parametrize("page", ["README.md", "GLOSSARY.md", "notebooks/04_finetune.ipynb"])
def test_what_is_done_has_the_name_that_students_search_for(page: str) -> None:
    for form in ("continued", "further", "domain-adaptive"):
        assert re.search(rf"\b{form}\b[^.]*pre-training", words(PROJECT / page)), form
    chinese = page if page != "README.md" else "README.zh.md"
    for word in ("继续预训练", "领域自适应预训练"):
        assert word in words(PROJECT / chinese)


def indexes() -> list[list[tuple[str, str]]]:
    """The two indexes of the glossary: what each lists, and the headings that it leads to."""
    found = re.findall(r"^\*\*[^*\n]*:\*\* (\[(?:.+\n)+)", words(GLOSSARY), re.MULTILINE)
    return [re.findall(r"\[([^\]]+)\]\(#([^)]+)\)", index) for index in found]


def test_the_indexes_of_the_glossary_are_in_order() -> None:
    english, chinese = [[word for word, _ in index] for index in indexes()]
    assert english == sorted(english, key=lambda word: word.lstrip("`-.").lower())
    # GB18030 has the characters that are often used in the order of their pinyin.
    assert chinese == sorted(chinese, key=lambda word: word.encode("gb18030"))
    assert len(english) == len({*english}) and len(chinese) == len({*chinese})


def test_each_word_of_the_glossary_stands_in_the_indexes() -> None:
    entries = re.findall(r"^### (.+)\n\*\*(.+?)\*\* · ", words(GLOSSARY), re.MULTILINE)
    assert len(entries) == words(GLOSSARY).count("\n### ") > 50
    english, chinese = indexes()
    anchors = {title.replace("'", "").replace(" ", "-") for title, _ in entries}
    assert anchors == {anchor for _, anchor in english}
    names = {term.split("（")[0] for _, term in entries}
    assert {term for term in names if not re.search("[A-Za-z]", term)} <= {w for w, _ in chinese}
    assert {anchor for _, anchor in chinese} <= anchors
