"""Files of every kind give the same documents, and each is named with its count."""

import gzip
import random
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.common.errors import CourseError, DamagedFile, StageStale
from helpers.common.symbols import SPLITS
from helpers.explorer import corpus_preview as preview
from helpers.stages.road import ROAD
from helpers.text.files import KINDS, text_files
from helpers.workflow.settings import EncodeSettings, SplitSettings
from helpers.workflow.workspace import Workspace
from tests.support.awkward import ALPHABET, TEXTS
from tests.support.input_makers import (
    PACK,
    SMALL,
    SMALL_ZST,
    WRITE,
    documents_of,
    jsonl,
    parquet,
    read,
    zst,
)

ALL = {"train": 1, "valid": 0, "test": 0, "max_line_tokens": 0}


# One mechanism


def test_every_kind_is_written_here():
    assert {*WRITE} == {*KINDS}


def test_the_same_documents_in_files_of_every_kind_are_divided_alike(tmp_path: Path):
    given_documents = [d for text in TEXTS.values() for d in documents_of(text)]
    given_documents += [f"One more, {i}.\nWith a line." for i in range(30)]
    contents = {}
    for kind, write in WRITE.items():
        work = Workspace(tmp_path / kind)
        work.texts.mkdir(parents=True)
        (work.texts / f"小说 a{kind}").write_bytes(write(given_documents))
        report = ROAD.run("split", work, SplitSettings(max_line_tokens=0, deduplicate=False))
        contents[kind] = [work.raw(name).read_bytes() for name in SPLITS]
        assert report.inputs == ((f"texts/小说 a{kind}", len(given_documents)),)
        assert sum(report.documents) == len(given_documents)
    assert all(found == contents[".txt"] for found in contents.values())
    assert all(contents[".txt"])


LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
RECORDS = st.lists(
    st.none() | st.text(st.sampled_from(ALPHABET), max_size=40) | st.text(LETTERS, max_size=40),
    max_size=8,
)
KINDS_OF_TEXT = [pa.string(), pa.large_string(), pa.string_view()]
KINDS_OF_TEXT.append(pa.dictionary(pa.int32(), pa.string()))


def whole(text: str | None) -> list[str]:
    """A record as a document: its inner blank lines stay, empty."""
    lines = (text or "").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    document = "\n".join(line if line.strip() else "" for line in lines).strip("\n")
    return [document] if document else []


@given(
    texts=RECORDS,
    ascii_only=st.booleans(),
    packed=st.sampled_from([*PACK]),
    mark=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_a_json_record_is_a_document_as_it_is(texts, ascii_only, packed, mark, tmp_path_factory):
    file = tmp_path_factory.getbasetemp() / f"a.jsonl{packed}"
    file.write_bytes(PACK[packed](jsonl(texts, ascii_only).decode().encode(mark)))
    assert read(file, "gb18030", "line") == [d for text in texts for d in whole(text)]


@given(texts=RECORDS, kind=st.sampled_from(KINDS_OF_TEXT), rows=st.integers(1, 5))
@settings(max_examples=60)
def test_a_parquet_row_is_a_document_as_it_is(texts, kind, rows, tmp_path_factory):
    file = tmp_path_factory.getbasetemp() / "a.parquet"
    file.write_bytes(parquet(texts, kind, row_group_size=rows))
    assert read(file, "gb18030", "line") == [d for text in texts for d in whole(text)]


def test_blank_lines_between_json_lines_are_nothing(put):
    assert read(put("a.jsonl", b'\n{"text": "a"}\r\n \r\n{"text":"b"}')) == ["a", "b"]


def test_archives_of_several_pieces_are_read_to_the_end(put):
    assert (
        read(put("a.txt.gz", b"".join(gzip.compress(t) for t in (b"a\n", b"", b"\nb"))))[1] == "b"
    )
    skipped = b"\x50\x2a\x4d\x18\x03\0\0\0abc"
    several = skipped + zst(b"a\n") + zst(b"") + skipped + SMALL_ZST
    assert read(put("a.txt.zst", several)) == [
        "a\n" + documents_of(SMALL)[0],
        *documents_of(SMALL)[1:],
    ]
    rest = pa.compress(b"\nb" * 99, "zstd", asbytes=True)
    assert len(read(put("b.txt.zst", SMALL_ZST + rest), unit="line")) == 80 + 99


@pytest.mark.parametrize("packed", [".gz", ".zst"])
@pytest.mark.parametrize("encoding", ["gb18030", "utf-16", "utf-8-sig", "big5"])
def test_packed_text_may_have_any_encoding(packed: str, encoding: str, put):
    text = "語言模型在預訓練時讀過大量網頁，但沒有讀過你的語料。這樣做的原因很簡單。"
    text = text if encoding != "gb18030" else "语言模型在预训练时读过大量网页，但没有读过你的语料。"
    file = put(f"a.TXT{packed.upper()}", PACK[packed](text.encode(encoding)))
    assert read(file, encoding) == read(file, "auto") == [text]
    if encoding in ("gb18030", "big5"):
        with pytest.raises(CourseError, match=r"is not utf-8: line 1, byte 0 .* unpacked"):
            read(file, "utf-8")


def test_folders_give_all_kinds_and_links_keep_their_telling_names(workspace: Workspace):
    folder = workspace.texts / "more"
    folder.mkdir(parents=True)
    for kind, write in WRITE.items():
        (folder / f"a{kind.upper()}").write_bytes(write(["a"]))
    for name in (
        "a.md",
        "a.tar.gz",
        "a.gz",
        "a.zst",
        "a.log",
        "a.parquet.gz",
        "jsonl",
        ".b.jsonl",
    ):
        (folder / name).write_text("no")
    (workspace.root / "blob").write_bytes(parquet(["linked"]))
    (workspace.texts / "b.parquet").symlink_to(workspace.root / "blob")
    found = text_files(["texts", "texts/b.parquet", "texts/more/*.JSONL*"], workspace).files
    assert sorted(f.name for f in found) == sorted(["b.parquet", *(f"a{k.upper()}" for k in KINDS)])
    settings = SplitSettings(deduplicate=False, **ALL)
    assert ROAD.run("split", workspace, settings).documents == (len(KINDS) + 1, 0, 0)
    assert "linked" in workspace.raw("train").read_text()


# The report, the record and the preview


def test_every_file_is_named_with_its_count(workspace: Workspace):
    workspace.texts.mkdir(parents=True)
    for i in range(25):
        (workspace.texts / f"{i:02}.jsonl").write_bytes(jsonl(f"{i} {j}" for j in range(i)))
    outside = workspace.root.parent / "<b>.parquet"
    outside.write_bytes(parquet(["x", None, "y"]))
    report = ROAD.run("split", workspace, SplitSettings(txt_files=["texts", str(outside)]))
    assert report.inputs[3] == ("texts/03.jsonl", 3) and report.inputs[25] == (str(outside), 2)
    shown = str(report)
    assert re.search(r"^texts/19\.jsonl +utf-8 +19$", shown, re.M) and "texts/20.jsonl" not in shown
    assert re.search(r"^and 6 more +112$", shown, re.M)
    assert re.search(r"^together +302$", shown, re.M)
    assert "texts/19.jsonl</td>" in report._repr_html_() and "together" in report._repr_html_()
    again = ROAD.run("split", workspace, SplitSettings(txt_files=["texts", str(outside)]))
    assert again.reused and str(again.more()) == str(report.more())
    alone = ROAD.run("split", workspace, SplitSettings(txt_files=["texts/24.jsonl"]))
    assert "together" not in str(alone) and "texts/24.jsonl" in str(alone)
    assert "&lt;b&gt;.parquet" in str(
        ROAD.run(
            "split", workspace, SplitSettings(txt_files=["texts/24.jsonl", str(outside)])
        )._repr_html_()
    )


def test_another_field_or_another_file_is_another_split(workspace: Workspace):
    workspace.texts.mkdir(parents=True)
    file = workspace.texts / "a.jsonl"
    file.write_text('{"text": "one", "body": "two"}\n')
    assert ROAD.run("split", workspace, SplitSettings(**ALL)).documents == (1, 0, 0)
    assert not ROAD.run("split", workspace, SplitSettings(text_field="body", **ALL)).reused
    assert workspace.raw("train").read_text() == "two\n"
    file.write_text('{"body": "new"}')
    with pytest.raises(StageStale, match=r"texts/a\.jsonl has changed"):
        ROAD.run("encode", workspace, EncodeSettings())


@pytest.mark.parametrize("kind", WRITE)
def test_the_preview_counts_and_estimates_every_kind(kind: str, workspace, monkeypatch):
    words = [w for w in {*re.findall(r"\w+", " ".join(TEXTS.values()))} if len(w) < 20]
    words = random.Random(1).choices(sorted(words), k=400_000)
    texts = [f"{i}\n" + " ".join(words[i * 100 : i * 100 + 100])[:800] for i in range(4000)]
    workspace.texts.mkdir(parents=True)
    (workspace.texts / f"a{kind}").write_bytes(WRITE[kind](texts))
    monkeypatch.setattr(preview, "count_tokens", len)
    preview._looked_at.cache_clear()
    monkeypatch.setattr(preview, "MOST", 1 << 30)
    seen = preview.corpus_preview(workspace, SplitSettings())
    assert (seen.documents, seen.share, seen.files[0].encoding) == (4000, 1, "utf-8")
    assert seen.first[:2] == ("0", texts[0].split("\n")[1])
    monkeypatch.setattr(preview, "MOST", 1_000_000)
    preview._looked_at.cache_clear()
    seen = preview.corpus_preview(workspace, SplitSettings())
    assert seen.share < 1 and len(seen.tokens) < 6000
    assert seen.documents == pytest.approx(4000, rel=0.2)
    preview._looked_at.cache_clear()


# What is whole, though it looks odd


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary_view()], ids=str)
def test_a_column_of_bytes_in_utf_8_is_text(kind: pa.DataType, put) -> None:
    documents = documents_of(SMALL)
    assert read(put("a.parquet", parquet(documents, kind))) == documents


def test_bytes_of_one_length_and_repeated_bytes_are_text(tmp_path: Path) -> None:
    for column in (pa.array([b"a\xc3\xa9"] * 2, pa.binary(3)), pa.array([b"a\xc3\xa9"] * 2)):
        for written in (column, column.cast(pa.binary()).dictionary_encode()):
            pq.write_table(pa.table({"text": written}), tmp_path / "a.parquet")
            assert read(tmp_path / "a.parquet") == ["aé", "aé"]


NULLS = [pa.null(), pa.string(), pa.binary(), pa.float64(), pa.int32(), pa.list_(pa.string())]


@pytest.mark.parametrize("kind", NULLS, ids=str)
def test_a_parquet_file_without_any_text_is_no_damage(
    kind: pa.DataType, workspace: Workspace
) -> None:
    """As one of many shards: without a text its column has no type, or one by chance."""
    workspace.texts.mkdir(parents=True)
    column = pa.array([None, None], kind)
    pq.write_table(pa.table({"text": column}), workspace.texts / "0.parquet", row_group_size=1)
    (workspace.texts / "1.parquet").write_bytes(parquet(["one", "two"]))
    report = ROAD.run("split", workspace, SplitSettings(**ALL))
    assert report.documents == (2, 0, 0)
    assert "0.parquet gives no document." in report.notes
    assert "Left out: 2 records without text" in str(report)


@pytest.mark.parametrize("zeros", [1, 511, 200_000])
@pytest.mark.parametrize("members", [1, 3])
def test_zeros_behind_a_gzip_archive_are_no_damage(zeros: int, members: int, put) -> None:
    parts = documents_of(SMALL)
    packed = b"".join(gzip.compress("\n\n".join([*parts, ""]).encode()) for _ in range(members))
    assert read(put("a.txt.gz", packed + bytes(zeros))) == parts * members


def test_a_zstd_archive_with_a_large_window_is_not_called_damaged(put) -> None:
    window = (31 - 10 << 3).to_bytes(1, "little")  # 2 GiB, as zstd --ultra --long=31 has it
    data = zst(b"text")
    file = put("RC_2019-01.zst", data[:5] + window + data[6:])
    with pytest.raises(CourseError, match="with a window of more than 128 MB") as caught:
        read(file)
    assert "--long=31 RC_2019-01.zst" in caught.value.hint
    assert not isinstance(caught.value, DamagedFile)
