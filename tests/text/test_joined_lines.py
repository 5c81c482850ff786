"""Hard-wrapped texts are told, and their lines joined to what they were before."""

import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.common.files import PROJECT
from helpers.text.layout import arranged
from helpers.text.layout.arranged import SAMPLE, Layout, Seen
from helpers.text.layout.joined_lines import between
from tests.support.awkward import TEXTS, text

LONGEST = 1 << 26
ENGLISH = [
    "It was a well-known fact in the village that the old man, who lived by the river, had "
    "once been a sailor; nobody knew more, and nobody asked him about the years before.",
    "“I have seen the sea,” he used to say, “and that is enough for one life.” Then he would "
    "look at the water for a while, as if it were another water, and be silent.",
    "One day in spring a boy came to him and said that he wanted to learn how to sail, since "
    "his father had gone away on a ship and he meant to find him.",
]
CHINESE = [
    "那年冬天，雪下得很早，村里的人都说这是好兆头。老人坐在门口，望着远处的山，想着自己年轻"
    "时走过的路，一句话也不说。孩子们从他面前跑过，他也只是笑一笑。",
    "“今年的收成不好，”他终于开口了，“可是日子总要过下去。我们把仓里的粮食分一分，一直撑到"
    "明年夏天，应该没有什么大问题。”大家听了都点点头，觉得他说得有道理。",
    "第二天一早，他们就出发了。路上遇见了几个赶集的人，大家说说笑笑，走了三十多里路，倒也不"
    "觉得怎么累；到了城门口，太阳已经快要落山了，城里却比白天还要热闹。",
]
NO_LINE_BEGINS_WITH = "，。、；：！？”"


def wrapped_chinese(paragraph: str, width: int) -> str:
    """Lines of so many characters; one takes a character more than would begin the next wrongly."""
    lines = []
    while len(paragraph) > width:
        end = width
        while paragraph[end] in NO_LINE_BEGINS_WITH:
            end -= 1
        lines.append(paragraph[:end])
        paragraph = paragraph[end:]
    return "\n".join([*lines, paragraph])


def joined(content: str, step: int = 0) -> tuple[str, Seen]:
    seen = Seen()
    blocks = [content[i : i + step] for i in range(0, len(content), step)] if step else [content]
    return "".join(Layout(joins=True).arranged(blocks, seen, LONGEST)), seen


INDENTS = {"blank lines": "", "full width": "　　", "spaces": "    "}


@pytest.mark.parametrize("width", [40, 60, 72, 100])
@pytest.mark.parametrize("mark", INDENTS)
def test_english_paragraphs_come_back(mark: str, width: int):
    indent = INDENTS[mark]
    paragraphs = [indent + each for each in ENGLISH * 3]
    lines = [textwrap.fill(each, width, break_on_hyphens=False) for each in paragraphs]
    border = "\n" if indent else "\n\n"
    found, seen = joined(border.join(lines))
    assert found == border.join(paragraphs)
    assert width - 12 <= seen.width <= width
    assert seen.joined == "".join(lines).count("\n")


@pytest.mark.parametrize("width", [20, 30, 36, 50])
@pytest.mark.parametrize("mark", INDENTS)
def test_chinese_paragraphs_come_back(mark: str, width: int):
    indent = INDENTS[mark]
    paragraphs = [indent + each for each in CHINESE * 3]
    lines = [wrapped_chinese(each, width) for each in paragraphs]
    border = "\n" if indent else "\n\n"
    found, seen = joined(border.join(lines))
    assert found == border.join(paragraphs)
    assert 2 * width - 4 <= seen.width <= 2 * width


def test_chinese_paragraphs_that_nothing_marks_end_with_a_short_line():
    lines = [wrapped_chinese(each, 30) for each in CHINESE * 3]
    assert all(len(line.rsplit("\n")[-1]) < 28 for line in lines)
    assert joined("\n".join(lines))[0] == "\n".join(CHINESE * 3)


def test_a_nearly_full_line_that_ends_with_a_sentence_ends_its_paragraph():
    last = "他在城里住了整整三个月，每天都到河边去看一看来往的船。"
    assert 26 <= len(last) <= 28
    line = "村里的老人还记得那一年" * 2 + "冬天下的大雪和冰"  # 30 characters, as the others at most
    assert len(line) == 30
    text = "\n".join([f"{line}\n{line}\n{last}"] * 6)
    assert joined(text)[0] == "\n".join([f"{line}{line}{last}"] * 6)


def test_headings_are_not_joined():
    one, two = (wrapped_chinese(each, 30) for each in CHINESE[:2])
    full = wrapped_chinese("他" * 90, 30)  # its last line has no room left
    found, _ = joined(f"{one}\n第一章 山\n{two}\n\n{full}\n第二章 水\n{one}\n第三章\n{two}\n")
    assert found.split("\n") == [
        *(CHINESE[0], "第一章 山", CHINESE[1], "", "他" * 90),
        *("第二章 水", CHINESE[0], "第三章", CHINESE[1], ""),
    ]


VERSE = "Tiger, tiger, burning bright\nIn the forests of the night,\nWhat immortal hand or eye\n"
LYRICS = "床前明月光，疑是地上霜。\n举头望明月，低头思故乡。\n"
NOT_WRAPPED = {
    "paragraphs of a line": "\n".join(ENGLISH + CHINESE) * 5,
    "verse": VERSE * 9,
    "a Chinese poem": LYRICS * 9,
    "sentences": "".join(
        f"This is sentence number {i}, and it ends as sentences {'do' * (i % 9)}.\n"
        for i in range(60)
    ),
    "words": "word\nother\nmore\n" * 30,
    "dialogue": "“你来了？”\n“来了。”\n“路上好走吗？”\n“还好。”\n" * 9,
    "three lines": "\n".join(textwrap.wrap(ENGLISH[0], 60)[:3]),
    "nothing": "",
}


@pytest.mark.parametrize("name", NOT_WRAPPED)
def test_what_is_not_wrapped_stays_as_it_is(name: str):
    found, seen = joined(NOT_WRAPPED[name])
    assert found == NOT_WRAPPED[name]
    assert (seen.width, seen.joined) == (0, 0)


def test_verse_within_prose_stays_in_lines():
    prose = "\n\n".join(textwrap.fill(each, 70, break_on_hyphens=False) for each in ENGLISH * 3)
    whole = "\n\n".join(ENGLISH * 3)
    assert joined(f"{prose}\n\n{VERSE}\n{prose}")[0] == f"{whole}\n\n{VERSE}\n{whole}"


def test_pages_of_the_course_are_told_from_their_source():
    """Markdown that is wrapped by hand, and Python, which is indented."""
    page = Path(PROJECT, "docs", "large-corpora.md").read_text("utf-8")
    assert joined(page)[1].width > 80


@pytest.mark.parametrize(
    ("line", "following", "sign"),
    [
        *(("a word", "and more", " "), ("a well-", "known fact", ""), ("he said -", "and", " ")),
        *(("a pause—", "then", ""), ("今天天", "气很好", ""), ("用 Python", "写的", "")),
        *(("他说：", "“好。”", ""), ("很好。”", "他说", ""), ("he said.”", "“No", " ")),
        *(("모든 국민은", "인간으로서", " "), ("これは", "試験", ""), ("第1", "章", "")),
    ],
)
def test_a_space_stands_where_words_have_spaces(line: str, following: str, sign: str):
    assert between(line, following) == sign


wild = st.one_of(text, st.sampled_from([*TEXTS.values()]))
LINE = st.sampled_from(
    ["", "  ", "第一章", "short", *textwrap.wrap(ENGLISH[0], 60)] + ["中" * 30] * 3
)


@given(
    content=st.one_of(st.lists(LINE, max_size=60).map("\n".join), st.lists(wild).map("".join)),
    step=st.integers(1, 100),
)
def test_nothing_but_white_space_changes_and_blocks_do_not_matter(content: str, step: int):
    content = content.replace("\r", "")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arranged, "SAMPLE", 300)  # what follows comes block by block
        found, seen = joined(content)
        assert "".join(found.split()) == "".join(content.split())
        assert content.count("\n") - found.count("\n") == seen.joined >= 0
        assert joined(content, step if len(content) < 1000 else 1000 + step) == (found, seen)


def test_the_beginning_of_a_long_text_tells_for_all_of_it():
    prose = "\n\n".join(textwrap.fill(each, 70, break_on_hyphens=False) for each in ENGLISH)
    many = SAMPLE // len(prose) + 3
    found, seen = joined("\n\n".join([prose] * many), step=9999)
    assert found == "\n\n".join(ENGLISH * many)
    assert seen.width == 70 and seen.joined == many * prose.replace("\n\n", "").count("\n")
