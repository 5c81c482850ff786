"""The first look at a corpus: what is read, how it is counted, and when it is looked at again."""

import codecs
import dataclasses
import html
import os
import time
import tracemalloc
from collections.abc import Callable

import pytest

from helpers.common.errors import CourseError
from helpers.explorer import corpus_preview as module
from helpers.explorer.corpus_preview import CorpusPreview, corpus_preview
from helpers.tokens.gpt2 import count_tokens
from helpers.workflow.settings import SplitSettings
from helpers.workflow.workspace import Workspace
from tests.support.awkward import CHINESE, TRADITIONAL
from tests.support.hands import SCRIPT

Texts = Callable[..., Workspace]


def look(workspace: Workspace, **values: object) -> CorpusPreview:
    return corpus_preview(workspace, SplitSettings(**values))


def counted(seen: CorpusPreview) -> list[tuple]:
    """Name, encoding, bytes, documents and lines of each file."""
    return [dataclasses.astuple(file) for file in seen.files]


def numbered(n: int, first: int = 0) -> str:
    return "\n\n".join(f"Document {i:05}.\nIt says {i:05}." for i in range(first, first + n))


def test_everything_is_counted(with_texts: Texts):
    text = "one two\nthree\n\n \nfour\n\none two\nthree\n"
    seen = look(with_texts(a=text, b="five\n\nfour"))
    assert counted(seen) == [("a.txt", "utf-8", 37, 3, 8), ("b.txt", "utf-8", 10, 2, 3)]
    lines = ["one two", "three", "four", "five"]
    assert {*seen.tokens.tolist()} == {*map(count_tokens, lines)}
    assert seen.first == ("one two", "three", "four", *seen.first[3:])
    assert (seen.distinct, seen.documents, seen.share, seen.in_all) == (3, 3, 1, 2)


@pytest.mark.parametrize(("unit", "documents"), [("blank-line", 3), ("file", 1), ("line", 4)])
def test_documents_are_counted_by_their_unit(unit: str, documents: int, with_texts: Texts):
    seen = look(with_texts(a="\na\nb\n\n\nc\n\t\nd\n"), unit=unit)
    assert seen.documents == seen.files[0].documents == documents


def test_chapters_and_joined_lines_are_shown(with_texts: Texts):
    line = "He had walked for a very long time, and then he sat down on a stone by the"
    text = "".join(f"Chapter {i}\n\n" + f"{line}\n" * 9 + "road.\n\nHe slept.\n" for i in range(5))
    workspace = with_texts(a=text)
    assert look(workspace).files[0].documents == 11
    assert any(
        "look wrapped to a fixed width: a.txt (74 columns)" in note
        for note in look(workspace).notes
    )
    seen = look(workspace, unit="chapter", join_lines=True)
    assert (seen.documents, seen.share) == (5, 1)
    assert seen.first[:3] == ("Chapter 0", f"{line} " * 9 + "road.", "He slept.")
    assert any("5 documents begin with a chapter's heading" in note for note in seen.notes)
    with pytest.raises(CourseError, match="No line of the texts fits chapter_pattern"):
        look(workspace, unit="chapter", chapter_pattern="第.+章")


def test_a_long_novel_is_looked_at_in_part(with_texts: Texts):
    text = "".join(f"第{i}章\n\n" + "雪下得很早。\n" * 3000 for i in range(300))
    seen = look(with_texts(a=text), unit="chapter")
    assert 0.3 < seen.share < 1
    assert 270 < seen.documents < 330


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("a\r\nb\r\n\r\nc\r\n", "utf-8"),
        ("a\rb\r\rc\r", "utf-8"),
        ("a\nb\n\nc", "utf-8-sig"),
        ("a\nb\n\nc", "utf-16"),
        ("a\nb\n\nc", "utf-32"),
    ],
)
def test_line_ends_and_marks_are_no_text(content: str, encoding: str, with_texts: Texts):
    data = content.encode(encoding)
    seen = look(with_texts(a=data))
    assert counted(seen) == [("a.txt", encoding, len(data), 2, 4)]
    assert seen.first == ("a", "b", "c")
    assert seen.share == 1


def test_every_file_is_read_in_its_own_encoding(with_texts: Texts):
    files = {"a": CHINESE.encode("gb18030"), "b": TRADITIONAL.encode("big5"), "c": "naïve"}
    files["d"] = codecs.BOM_UTF16_BE + "好".encode("utf-16-be")
    seen = look(with_texts(**files), encoding="auto")
    assert [file.encoding for file in seen.files] == ["gb18030", "cp950", "utf-8", "utf-16"]
    assert seen.first[0] == CHINESE.split("\n")[0]
    assert "微调之前" in seen._repr_html_()
    assert "gb18030" in str(seen)


def test_bytes_of_another_encoding_are_refused_with_its_name(with_texts: Texts):
    with pytest.raises(CourseError, match="is not utf-8: line 1, byte 2") as caught:
        look(with_texts(a=CHINESE.encode("gb18030")))
    assert "Try encoding = 'gb18030'" in caught.value.hint


def test_empty_files_are_shown_as_such(with_texts: Texts):
    seen = look(with_texts(a="", b="\n \n", c=b"\xef\xbb\xbf", d="d"))
    assert [file.documents for file in seen.files] == [0, 0, 0, 1]
    assert seen.tokens.tolist() == [1]
    nothing = look(with_texts(d=""))
    assert (nothing.documents, nothing.share, nothing.first) == (0, 1, ())
    assert nothing._repr_html_()


def test_long_lines_are_counted_and_the_longest_named(with_texts: Texts):
    text = "\n".join(" ".join(["word"] * n) for n in (3, 40, 7, 20, 30))
    seen = look(with_texts(a=text))
    assert [seen.wrapped(limit) for limit in (0, 2, 7, 30, 39, 40)] == [0, 5, 3, 1, 1, 0]
    assert [tokens for tokens, _ in seen.longest] == [40, 30, 20]
    assert all(count_tokens(line) == tokens for tokens, line in seen.longest)


def test_what_is_in_files_and_names_is_escaped(with_texts: Texts):
    workspace = with_texts(**{"<script>": SCRIPT})
    shown = look(workspace)._repr_html_()
    assert html.escape(SCRIPT) in shown
    assert "&lt;script&gt;.txt" in shown
    assert "<script" not in shown


def test_of_many_files_the_first_are_named_and_the_rest_counted(with_texts: Texts):
    seen = look(with_texts(**{f"t{i:02}": f"text {i}" for i in range(12)}))
    assert seen.documents == len(seen.files) == 12
    assert "and 7 more" in str(seen)
    assert "looked at" not in str(seen)
    assert max(len(line) for line in str(look(with_texts(t00="x" * 9999))).splitlines()) < 200


# More than is looked at


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "gb18030"])
@pytest.mark.parametrize("files", [1, 5])
def test_of_a_large_corpus_the_documents_are_estimated(encoding, files, with_texts, monkeypatch):
    monkeypatch.setattr(module, "MOST", 5_000)
    many = 1000 // files
    texts = {f"t{i}": numbered(many, i * many).encode(encoding) for i in range(files)}
    workspace = with_texts(**texts)
    seen = look(workspace, encoding=encoding)
    assert seen.share == pytest.approx(5_000 / 32_000, rel=0.05)
    assert seen.documents == pytest.approx(1000, rel=0.05)
    assert seen.in_all == files
    assert len(seen.files) == 1
    assert f"the first {seen.share:.0%}" in seen._repr_html_()


def test_a_file_that_just_fits_is_all_of_it(with_texts: Texts, monkeypatch):
    text = numbered(30)
    for more, share in ((0, 1), (-60, 0.9), (60, 1)):
        monkeypatch.setattr(module, "MOST", len(text) + more)
        module._looked_at.cache_clear()
        assert look(with_texts(a=text)).share == pytest.approx(share, abs=0.06)


@pytest.mark.parametrize("passage", ["word and more, ", "汉字没有空格"])
def test_a_line_of_20_megabytes_takes_a_moment(passage: str, with_texts: Texts, monkeypatch):
    asked: list[int] = []
    monkeypatch.setattr(
        module, "count_tokens", lambda line: asked.append(len(line)) or count_tokens(line)
    )
    workspace = with_texts(a=passage * (20_000_000 // len(passage.encode())))
    begun = time.process_time()
    tracemalloc.start()
    seen = look(workspace)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert time.process_time() - begun < 20
    assert peak < 200_000_000
    assert max(asked) <= module.MOST
    assert seen.wrapped(510) == seen.documents == 1
    assert len(seen._repr_html_()) < 3000


# What is kept


def test_what_has_not_changed_is_not_read_again(with_texts: Texts):
    workspace = with_texts(a="a\n\nb")
    first = look(workspace)
    assert look(workspace, train=0.5, valid=0.5, test=0, seed=9, max_line_tokens=0) is first
    assert look(workspace, unit="file").documents == 1
    assert look(workspace, encoding="latin-1").files[0].encoding == "latin-1"


def test_a_changed_file_is_looked_at_again(with_texts: Texts):
    workspace = with_texts(a="a\n\nb")
    assert look(workspace).documents == 2
    file = workspace.texts / "a.txt"
    for content, documents in (("a\n\nb\n\nc", 3), ("a-b\n\nc\n", 2)):
        size = file.stat().st_size
        file.write_text(content)
        assert look(workspace).documents == documents
    assert file.stat().st_size == size, "the last change was of the same length"
    with_texts(b="d")
    assert look(workspace).documents == 3
    os.utime(file, ns=(1, 1))
    assert look(workspace).documents == 3
    file.unlink()
    assert look(workspace).documents == 1
