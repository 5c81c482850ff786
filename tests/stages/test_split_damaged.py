"""Texts that are damaged at some places: refused, mended or left out alike, wherever they go."""

import re
from collections.abc import Callable

import pytest

from helpers.common.errors import CourseError
from helpers.common.symbols import SPLITS
from helpers.explorer.corpus_preview import corpus_preview
from helpers.stages.road import ROAD
from helpers.text import documents as documents_module
from helpers.workflow.settings import PrepareSettings, SplitSettings
from helpers.workflow.workspace import Workspace
from tests.support.awkward import TRADITIONAL
from tests.support.input_makers import ALL, BAD, HALF, documents_of, jsonl


@pytest.fixture
def mixed(with_texts: Callable) -> Workspace:
    """A folder of four encodings, with damage in it, and records."""
    damaged = "\n\n".join(f"文档 {i}，渔民把旧网晒在石阶上。" for i in range(50)).encode("gb18030")
    place = damaged.index(b" 30") + 1
    work = with_texts(
        a="naïve one\n\nand two",
        b=damaged[:place] + BAD + damaged[place:],
        c=TRADITIONAL.encode("cp950"),
        d="Ελληνικά\n".encode("utf-16"),
    )
    (work.texts / "e.jsonl").write_bytes(jsonl(["r1", None, HALF, "r2"], ascii_only=True))
    return work


def test_the_table_says_the_encoding_of_each_file(mixed: Workspace) -> None:
    report = ROAD.run("split", mixed, SplitSettings(**ALL, encoding="auto", errors="skip"))
    assert report.encodings == ("utf-8", "gb18030", "cp950", "utf-16", "utf-8")
    assert report.left_out == (0, 1, 0, 0, 1)
    shown = str(report)
    assert re.search(r"^texts/b\.txt +gb18030 +49 +1$", shown, re.M)
    assert re.search(r"^texts/c\.txt +cp950 +1 +0$", shown, re.M)
    assert "Left out: 2 documents that hold what is no character: b.txt, line 61, byte" in shown
    assert "⟨ff⟩" in shown and r"⟨\ud83d⟩" in shown
    assert "Left out: 1 record without text" in shown
    again = ROAD.run("split", mixed, SplitSettings(**ALL, encoding="auto", errors="skip"))
    assert again.reused and str(again.more()) == str(report.more())


def test_what_is_replaced_is_counted_in_the_report_and_the_preview(mixed: Workspace) -> None:
    settings = SplitSettings(**ALL, encoding="auto", errors="replace")
    report = ROAD.run("split", mixed, settings)
    assert report.replaced == (0, 1, 0, 0, 1)
    seen = corpus_preview(mixed, settings)
    for shown in map(str, (report, seen)):
        assert "Replaced by U+FFFD: 2 places that are no character: b.txt, line 61" in shown
        assert "Left out: 1 record without text" in shown
    assert "Replaced by" in seen._repr_html_()
    text = mixed.raw("train").read_text("utf-8")
    assert "文档 \ufffd30" in text and "half \ufffd" in text


def test_the_preview_refuses_and_leaves_out_as_splitting_does(mixed: Workspace) -> None:
    strict, skip = ({**ALL, "encoding": "auto", "errors": e} for e in ("strict", "skip"))
    with pytest.raises(CourseError, match=r"b\.txt is not gb18030: line 61"):
        corpus_preview(mixed, SplitSettings(**strict))
    (mixed.texts / "b.txt").unlink()
    with pytest.raises(CourseError, match=r"e\.jsonl, line 3, 'text' holds"):
        corpus_preview(mixed, SplitSettings(**strict))
    assert "Left out: 1 document that holds" in str(corpus_preview(mixed, SplitSettings(**skip)))


@pytest.mark.parametrize("bad", ["first", "last", ""])
@pytest.mark.parametrize("unit", ["blank-line", "file"])
def test_a_long_document_is_left_out_though_its_damage_shows_late(
    bad: str, unit: str, with_texts: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents_module.passages_of_blocks, "__defaults__", (200, 1000))
    long = [f"line {i}" for i in range(500)]
    if bad:
        long[{"first": 0, "last": -1}[bad]] += "\0"
    work = with_texts(a="\n".join(long) + ("\n\nafter" if unit == "blank-line" else ""), b="short")
    report = ROAD.run("split", work, SplitSettings(**ALL, unit=unit, errors="skip"))
    others = ["after", "short"] if unit == "blank-line" else ["short"]
    written = documents_of(work.raw("train").read_text("utf-8"))
    assert written == ([] if bad else ["\n".join(long)]) + others
    assert report.left_out == (int(bool(bad)), 0)
    assert report.documents == (len(written), 0, 0)
    assert report.inputs[0][1] == len(written) - 1


def test_where_all_is_left_out_that_is_said(with_texts: Callable) -> None:
    with pytest.raises(CourseError, match=r"no text in .*Left out: 2 documents that hold"):
        ROAD.run("split", with_texts(a=b"\xff\n\n\0"), SplitSettings(**ALL, errors="skip"))


def test_what_was_replaced_is_prepared_in_one_way(road: Workspace) -> None:
    """The encoders read U+FFFD as any character, side by side and shard by shard."""
    (road.texts / "bad.txt").write_bytes(
        b"one \xff\n\n" + "\n\n".join(map(str, range(40))).encode()
    )
    ROAD.run("split", road, SplitSettings(errors="replace"))
    assert any("\ufffd" in road.raw(split).read_text("utf-8") for split in SPLITS)
    ROAD.run("encode", road, ROAD["encode"].settings())
    ROAD.run("binarize", road, ROAD["binarize"].settings())
    made = {p.name: p.read_bytes() for p in road.data_bin.iterdir() if p.is_file()}
    ROAD.run("prepare", road, PrepareSettings())
    assert {p.name: p.read_bytes() for p in road.data_bin.iterdir() if p.is_file()} == made


def test_other_errors_are_another_split(with_texts: Callable) -> None:
    work = with_texts(a="one\n\ntwo")
    ROAD.run("split", work, SplitSettings(**ALL))
    assert not ROAD.run("split", work, SplitSettings(**ALL, errors="skip")).reused


@pytest.mark.parametrize("field", ["text", "body"])
def test_a_file_without_an_ending_is_asked_for_the_field_that_is_named(
    field: str, workspace: Workspace
) -> None:
    workspace.texts.mkdir(parents=True)
    rows = f"id,{field}\n1,one\n2,two\n3,three\n4,four\n"
    (workspace.texts / "table").write_text(rows.replace("id", "name").replace("1", "x"))
    report = ROAD.run("split", workspace, SplitSettings(**ALL, text_field=field))
    assert report.inputs == (("texts/table", 4),)
