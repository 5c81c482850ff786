"""Chinese texts as they come: the same split in every encoding, by chapters, and what is told."""

import codecs
import itertools
import tracemalloc

import pytest

from helpers.common.errors import CourseError
from helpers.common.symbols import SPLITS
from helpers.stages.road import ROAD
from helpers.stages.split import SplitReport
from helpers.text import documents as documents_module
from helpers.tokens.gpt2 import count_tokens
from helpers.workflow.settings import SplitSettings
from helpers.workflow.workspace import Workspace

SENTENCES = (
    "那年冬天，雪下得很早，村里的人都说这是好兆头。“今年的收成不好，”老人说，“可是日子总要过下去。”"
    "孩子没有说话，只是把柴火往炉子里添了一把；火光照在墙上，影子摇摇晃晃的……第二天一早，他们就出发了！"
)
TRADITIONAL = (
    "那年冬天，雪下得很早，村裡的人都說這是好兆頭。「今年的收成不好，」老人說，「可是日子總要過下去。」"
    "孩子沒有說話，只是把柴火往爐子裡添了一把；火光照在牆上，影子搖搖晃晃的……第二天一早，他們就出發了！"
)
LATIN = "The tokenizer splits text into subwords, see https://example.org, and fairseq reads. "


def novel(sentences: str, chapters: int = 12) -> str:
    """Paragraphs with indents, a blank line between all of them."""
    paragraphs = [
        f"　　（{i}）{sentences[i:]}" if i else f"第{number}章　山邊\n\n　　{number}"
        for number in range(1, chapters + 1)
        for i in range(6)
    ]
    return "\n\n".join(["书名", *paragraphs]) + "\n"


TEXTS = {
    "simplified": novel(SENTENCES).replace("邊", "边"),
    "traditional": novel(TRADITIONAL).replace("书", "書"),
    "much Latin": "".join(f"{i}. {LATIN * 3}这是分词器的说明。\n\n" for i in range(40)),
    "full width": "".join(f"第{i}条　ＡＢＣ公司２０２３年生产{i}台ＰＣ。\n\n" for i in range(40)),
}
CHINESE = ("gb18030", "gbk", "utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "utf-32")
ENCODINGS = {
    "simplified": ("gb2312", *CHINESE),
    "traditional": ("big5", "cp950", "big5hkscs", *CHINESE),
    "much Latin": CHINESE,
    "full width": ("gb18030", "gbk", "utf-16", "utf-8-sig"),
}
MARKS = {"utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}


def split(workspace: Workspace, **settings: object) -> SplitReport:
    return ROAD.run("split", workspace, SplitSettings(**settings))


def raw(workspace: Workspace) -> list[bytes]:
    return [workspace.raw(name).read_bytes() for name in SPLITS]


def documents_in(workspace: Workspace) -> list[str]:
    texts = [text.decode().rstrip("\n") for text in raw(workspace)]
    return [each for text in texts for each in text.split("\n\n") if each]


@pytest.mark.parametrize(
    ("name", "encoding"), [(name, each) for name in TEXTS for each in ENCODINGS[name]]
)
def test_an_encoding_changes_nothing(name: str, encoding: str, with_texts):
    workspace = with_texts(a=TEXTS[name])
    split(workspace)
    wanted = raw(workspace)
    with_texts(a=TEXTS[name].replace("\n", "\r\n").encode(encoding))
    for named in ("auto", encoding):
        split(workspace, encoding="utf-8" if named == "utf-32" else named)
        assert raw(workspace) == wanted


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_a_mark_of_utf_16_is_no_part_of_the_text(encoding: str, with_texts):
    workspace = with_texts(a=TEXTS["simplified"])
    split(workspace)
    wanted = raw(workspace)
    with_texts(a=MARKS[encoding] + TEXTS["simplified"].encode(encoding))
    split(workspace, encoding="utf-16")
    assert raw(workspace) == wanted


def test_a_folder_of_mixed_encodings_is_read_file_by_file(with_texts):
    pairs = [(name, each) for name in TEXTS for each in ENCODINGS[name]]
    files = {f"t{i:02}": TEXTS[name].encode(each) for i, (name, each) in enumerate(pairs)}
    same = {f"t{i:02}": TEXTS[name] for i, (name, _) in enumerate(pairs)}
    workspace = with_texts(**same)
    split(workspace)
    wanted = raw(workspace)
    with_texts(**files)
    report = split(workspace, encoding="auto")
    assert raw(workspace) == wanted
    assert "files were read in the encoding that they show themselves" in str(report)


def test_a_few_digits_of_full_width_do_not_make_it_big5(with_texts):
    text = "Nothing special here, only English words.\n\n" * 200 + "价格：￥１２３４，共３件。\n"
    workspace = with_texts(a=text.encode("gbk"))
    with pytest.raises(CourseError, match="cannot be guessed"):
        split(workspace, encoding="auto", train=1, valid=0, test=0)
    split(workspace, encoding="gbk", train=1, valid=0, test=0)
    assert "１２３４" in raw(workspace)[0].decode()


def test_chapters_stay_whole(with_texts):
    report = split(with_texts(a=TEXTS["simplified"]), unit="chapter")
    workspace = with_texts()
    found = documents_in(workspace)
    assert report.documents == (11, 1, 1) and len(found) == 13
    assert "书名" in found
    assert sum(each.startswith("第") and each.count("\n") == 6 for each in found) == 12
    assert "12 documents begin with a chapter's heading" in str(report)


def test_chapters_are_those_of_ones_own_pattern(with_texts):
    text = "".join(f"{i}、山\n{SENTENCES}\n\n{i}。\n" for i in range(10))
    assert (
        sum(split(with_texts(a=text), unit="chapter", chapter_pattern=r"\d+、.*").documents) == 10
    )
    with pytest.raises(CourseError, match=r"No line of the texts fits chapter_pattern = 'x\.\+'"):
        split(with_texts(), unit="chapter", chapter_pattern="x.+")
    with pytest.raises(CourseError, match="holds only with unit = 'chapter'"):
        split(with_texts(), chapter_pattern="x.+")


@pytest.mark.parametrize(
    ("pattern", "said"), [("第(.+", "no regular expression"), (".*", "fits an empty line")]
)
def test_a_pattern_that_is_none_is_refused(pattern: str, said: str):
    with pytest.raises(CourseError, match=said) as caught:
        SplitSettings(unit="chapter", chapter_pattern=pattern)
    assert caught.value.hint


def test_a_file_without_a_heading_is_named(with_texts):
    report = split(
        with_texts(a=TEXTS["simplified"], b=f"{SENTENCES}\n\n{SENTENCES}"), unit="chapter"
    )
    assert "No line is a heading in b.txt: all of it is one document in each." in str(report)
    assert dict(report.inputs)["texts/b.txt"] == 1


def test_chapters_without_blank_lines_that_differ_in_little_are_told(with_texts):
    text = "".join(f"第{i}章\n{SENTENCES * 9}\n\n{i}\n" for i in range(10))
    report = split(with_texts(a=text), unit="chapter")
    assert report.leaks == (1, 1)
    dropped = split(with_texts(), unit="chapter", near_duplicates="drop", train=1, valid=0, test=0)
    assert (dropped.dropped, dropped.documents) == (9, (1, 0, 0))


def test_long_chapters_are_read_in_passages(with_texts, monkeypatch):
    """As whole ones are, with less memory than the text takes."""
    text = TEXTS["simplified"].replace(SENTENCES[3:], SENTENCES * 60)
    workspace = with_texts(a=text)
    whole = split(workspace, unit="chapter")
    wanted = raw(workspace)
    monkeypatch.setattr(documents_module.passages_of_blocks, "__defaults__", (500, 2000))
    cut = split(workspace, unit="chapter", max_line_tokens=509)
    split(workspace, unit="chapter", max_line_tokens=0)
    assert cut.documents == whole.documents
    unwrapped = raw(workspace)
    assert [b"".join(each.split()) for each in unwrapped] == [b"".join(e.split()) for e in wanted]


def test_memory_does_not_grow_with_the_text(with_texts):
    part = "第一章\n" + "".join(f"{SENTENCES}\n\n" for _ in range(400))
    workspace = with_texts(a=part * 60)
    tracemalloc.start()
    split(workspace, unit="chapter", join_lines=True, train=1, valid=0, test=0, max_line_tokens=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(part) * 60 > 2_000_000
    assert peak < 60_000_000


def wrapped_text(width: int = 30) -> tuple[str, str]:
    """A text of some paragraphs, and the same with lines of a fixed width."""
    paragraphs = [f"　　{number}{SENTENCES[number:]}" for number in range(20)]
    lines = []
    for each in paragraphs:
        while len(each) > width:
            end = next(n for n in range(width, 0, -1) if each[n] not in "，。！；…”")
            lines.append(each[:end])
            each = each[end:]
        lines.append(each)
    return "\n".join(paragraphs) + "\n", "\n".join(lines) + "\n"


def test_wrapped_lines_are_told_and_joined(with_texts):
    whole, wrapped = wrapped_text()
    workspace = with_texts(a=whole)
    plain = split(workspace, unit="line")
    wanted = raw(workspace)
    with_texts(a=wrapped)
    assert "look wrapped to a fixed width: a.txt (60 columns)" in str(split(workspace, unit="line"))
    assert raw(workspace) != wanted
    report = split(workspace, unit="line", join_lines=True)
    assert raw(workspace) == wanted
    assert f"{wrapped.count(chr(10)) - 20:,} line ends of 1 file are gone" in str(report)
    for each in (plain, report):
        assert "look wrapped" not in str(each)
    with_texts(a=whole)
    same = split(workspace, unit="line", join_lines=True)
    assert raw(workspace) == wanted
    assert "join_lines changed nothing" in str(same) and "a.txt" in str(same)


def test_settings_of_plain_text_are_refused_for_records(with_texts):
    workspace = with_texts(a='{"text": "Ann"}\n{"text": "Bob"}\n{"text": "Cid"}\n')
    with pytest.raises(CourseError, match="join_lines = True holds for none of the files"):
        split(workspace, join_lines=True)


SCRIPTS = {
    "one": ({"a": SENTENCES * 9}, None),
    "the other": ({"a": TRADITIONAL * 9}, None),
    "both": ({"a": SENTENCES * 9, "b": TRADITIONAL * 9}, "in two scripts: 315 characters"),
    "a name": ({"a": SENTENCES * 999 + "鍾" * 19}, None),
    "English": ({"a": LATIN * 99}, None),
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_traditional_and_simplified_are_told_and_kept(name: str, with_texts):
    files, said = SCRIPTS[name]
    workspace = with_texts(**files)
    report = split(workspace, train=1, valid=0, test=0)
    assert ("in two scripts" in str(report)) == (said is not None)
    assert raw(workspace)[0].decode().replace("\n", "") == "".join(files.values())


def test_full_width_is_told_and_kept(with_texts):
    report = split(with_texts(a=TEXTS["full width"]))
    assert f"{40 * 9:,} × a letter or a digit of full width" in str(report)
    assert "full width" not in str(split(with_texts(a=TEXTS["simplified"])))


def test_a_chapter_a_line_is_told(with_texts):
    text = "".join(f"第{i}章　　{SENTENCES * 30}\n" for i in range(10))
    workspace = with_texts(a=text)
    report = split(workspace, train=1, valid=0, test=0)
    assert "10 lines have more than 2,000 characters" in str(report)
    assert "unit = 'line'" in str(report)
    report = split(workspace, unit="line")
    assert report.documents == (8, 1, 1) and "2,000 characters" not in str(report)
    lines = [line for each in raw(workspace) for line in each.decode().split("\n")]
    assert max(map(count_tokens, lines)) <= 510
    assert not any(line[:1] in "，。！；”" for line in lines if line)
    ends = [a for a, b in itertools.pairwise(lines) if a and b]
    assert all(line[-1] in "。”；…！" for line in ends)


SUBTITLES = {
    "a.srt": "1\n00:00:01,000 --> 00:00:02,000\n你好\n\n2\n00:00:03,000 --> 00:00:04,000\n再见\n",
    "b.ass": "[Script Info]\nTitle: x\n\n[Events]\nDialogue: 0,0:00:01.00,0:00:02.00,,你好\n",
    "c.txt": "WEBVTT\n\n00:01.000 --> 00:02.000\n你好，再见\n",
}


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "utf-16"])
@pytest.mark.parametrize("name", SUBTITLES)
def test_subtitles_are_refused_where_they_are_named(name: str, encoding: str, with_texts, put):
    file = put(name, SUBTITLES[name].encode(encoding))
    with pytest.raises(CourseError, match="a file of subtitles") as caught:
        split(with_texts(), txt_files=[str(file)], encoding="auto")
    assert "without their times" in caught.value.hint


def test_subtitles_in_a_folder_are_left_out_and_named(with_texts):
    workspace = with_texts(a=TEXTS["simplified"])
    (workspace.texts / "a.srt").write_text(SUBTITLES["a.srt"], "utf-8")
    assert "Not read (1): a.srt (another kind of file)" in str(split(workspace))
