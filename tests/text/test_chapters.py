"""Chapters become documents: what a heading is, and what happens to what is between them."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.common.errors import CourseError
from helpers.text.documents import documents
from helpers.text.layout.arranged import Layout, Seen, refuse_no_chapters
from helpers.text.layout.chapters import HELD, MOST, NESTED, Headings

LONGEST = 1 << 26
HEADINGS = """
第一回
第十二章
第1章 他来了，又走了
第１２章：名字
第三百二十一章风雪夜归人
第一回　甄士隐梦幻识通灵　贾雨村风尘怀闺秀
第一部分 总则
第三節 天氣
正文 第一章 山村
第一卷 风起云涌 第一章 少年
【第一章】
## 第一章 开始
=== Chapter 3 ===
卷一
卷之三 杂记
上卷
序
序　言
自序
楔 子
楔子：雪夜
尾声
尾聲
番外
番外一 春日
番外篇：那年
后记
後記
Chapter XII
CHAPTER I.
CHAPTER I. Down the Rabbit-Hole
CHAPTER I. DOWN THE RABBIT-HOLE.
Chapter 12: The End
Chapter Twenty-One
CHAPTER XXXIV The Return
Chapter 1 简介
BOOK THE FIRST
Part II
PART TWO — The River
Volume 3
Prologue
EPILOGUE
"""
NO_HEADINGS = """
第一回见面的时候，他什么也没说。
第三章里他提到过这件事，大家都不信。
第一章说，天下大势，分久必合；
第三，他不来
序列的长度
引言里说得好
番外的人都来了
上部队去
目录
Book I read yesterday was good
Part I of this was easy, they said.
Part of the road
Chapter and verse
The first chapter
Introduction to the theory of everything
Volume in the room
Book Club
"""


def chapters(text: str, pattern: str = "", seen: Seen | None = None, step: int = 0) -> list[str]:
    """The documents of a text that comes in blocks of some characters."""
    blocks = [text[i : i + step] for i in range(0, len(text), step)] if step else [text]
    layout = Layout(by_chapter=True, pattern=pattern)
    return documents("".join(layout.arranged(blocks, seen or Seen(), LONGEST)), "blank-line")


@pytest.mark.parametrize("line", HEADINGS.strip().split("\n"))
def test_usual_headings_are_known(line: str):
    assert Headings()(line) and Headings()(f"　　{line}  ")


@pytest.mark.parametrize("line", NO_HEADINGS.strip().split("\n"))
def test_sentences_that_begin_like_headings_are_none(line: str):
    assert not Headings()(line)


def test_a_chapter_is_its_heading_and_all_up_to_the_next():
    text = "书名\n作者\n\n第一章 山\n\n山很高。\n\n\n路很远。\n第二章 水\n　\n水很深。\n\n"
    seen = Seen()
    assert chapters(text, seen=seen) == [
        "书名\n作者",
        "第一章 山\n山很高。\n路很远。",
        "第二章 水\n水很深。",
    ]
    assert (seen.chapters.headings, seen.chapters.begun, seen.chapters.listed) == (2, 2, 0)


def test_a_part_and_its_first_chapter_begin_one_document():
    text = "卷一\n\n第一章\n风起\n\n山很高。\n第二章\n\n水很深。\n卷二\n第三章\n天黑了。"
    assert chapters(text) == [
        "卷一\n第一章\n风起\n山很高。",
        "第二章\n水很深。",
        "卷二\n第三章\n天黑了。",
    ]


@pytest.mark.parametrize("title", ["", "\n  Down the Rabbit-Hole"], ids=["alone", "with titles"])
@pytest.mark.parametrize("number", [NESTED + 1, 40, 3 * HELD])
def test_a_table_of_contents_is_no_document_a_line(number: int, title: str):
    listed = "".join(f"Chapter {i}{title}\n\n" for i in range(1, number))
    text = f"A Novel\n\nCONTENTS\n\n{listed}\nChapter 1{title}\n\nIt was dark.\n\nSo it was."
    seen = Seen()
    found = chapters(text, seen=seen)
    assert found[0].startswith("A Novel\nCONTENTS\nChapter 1")
    assert found[1:] == [f"Chapter 1{title}\nIt was dark.\nSo it was."]
    assert (seen.chapters.begun, seen.chapters.listed) == (1, number - 1)
    kept = [line for each in found for line in each.split("\n")]
    assert kept == [line for line in text.split("\n") if line]


def test_a_list_at_the_end_of_a_text_is_not_lost():
    text = "第一章\n山很高。\n" + "".join(f"第{i}章\n" for i in range(2, 9))
    assert "\n".join(chapters(text)) == text.rstrip("\n")


def test_a_pattern_of_ones_own_decides():
    text = "1、山\n山很高。\n第二章\n2、水\n水很深。"
    assert chapters(text, r"\d+、.*") == ["1、山\n山很高。\n第二章", "2、水\n水很深。"]


def test_a_long_line_is_no_heading():
    assert Headings("第.*")("第" * MOST)
    assert not Headings("第.*")("第" * (MOST + 1))


LINES = st.lists(
    st.sampled_from(
        ["第一章", "Chapter 2", "", " ", "　", "山很高。", "  a title", "x" * 99, "卷一"]
    ),
    max_size=40,
)


@given(lines=LINES, step=st.integers(1, 30))
def test_no_line_is_lost_and_blocks_do_not_matter(lines: list[str], step: int):
    text = "\n".join(lines)
    found = chapters(text)
    kept = [line for line in lines if line.strip()]
    assert [line for each in found for line in each.split("\n")] == kept
    assert chapters(text, step=step) == found
    is_heading = Headings()
    for document in found[1:]:
        assert is_heading(document.split("\n")[0])


def test_a_pattern_that_never_ends_is_stopped():
    begun = time.perf_counter()
    with pytest.raises(CourseError, match=r"chapter_pattern = '\(a\|aa\)\+\$' takes too long"):
        chapters("第一章\n" + "a" * 90 + "c\n", r"(a|aa)+$")
    assert time.perf_counter() - begun < 60


def test_a_pattern_that_is_slow_for_every_line_is_stopped(monkeypatch):
    monkeypatch.setattr("helpers.text.layout.chapters.ENOUGH", 0.2)
    with pytest.raises(CourseError, match="takes too long"):
        chapters(("a" * 22 + "c\n") * 10_000, r"(a|aa)+$")


@pytest.mark.parametrize(("pattern", "said"), [("", "is a chapter's heading"), ("节.*", "'节.*'")])
def test_texts_without_chapters_are_refused(pattern: str, said: str):
    seen, layout = Seen(), Layout(by_chapter=True, pattern=pattern)
    assert [*layout.arranged(["No chapters\n"], seen, LONGEST)]
    with pytest.raises(CourseError, match=said) as caught:
        refuse_no_chapters([layout, Layout()], [seen, Seen()])
    assert "chapter_pattern" in caught.value.hint
    seen.chapters.headings = 1
    refuse_no_chapters([layout], [seen])
