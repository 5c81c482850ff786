"""What a file is, told by its content: records under any name, and what is no plain text at all."""

import bz2
import gzip
import io
import json
import lzma
import pickle
import sqlite3
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import feather

from helpers.common.errors import CourseError, DamagedFile
from helpers.explorer.corpus_preview import corpus_preview
from helpers.stages.road import ROAD
from helpers.text.decoding.damage import Faults
from helpers.text.decoding.kinds import kind_of
from helpers.text.inputs import input_of
from helpers.text.records import json_texts
from helpers.workflow.settings import SplitSettings
from helpers.workflow.workspace import Workspace
from tests.support.input_makers import array, jsonl, read, table, zst

DOCUMENTS = ["One, said “she”.\n\nIts second part.", 'Two "quotes", and\ta tab.', "三。", "4"]
WIKI = "".join(f'<doc id="1" title="A "B" C">\n{text}\n</doc>\n' for text in DOCUMENTS)

SPOKEN = ["She came.", '"Come here.', 'Sit down."', '"Well" he said']
LONG = "y" * 2_000_000
OTHERS = {"not quoted.tsv": SPOKEN, "a long first text.txt": [LONG, "b"]}
RECORDS = {
    "wiki_00": jsonl(DOCUMENTS),
    "RC_2019-01.zst": zst(jsonl(DOCUMENTS)),
    "c4-train.00000-of-00002.json.gz": gzip.compress(jsonl(DOCUMENTS)),
    "corpus.ndjson": jsonl(DOCUMENTS),
    "named.txt": jsonl(DOCUMENTS),
    "lines.json": jsonl(DOCUMENTS),
    "array.json": array(DOCUMENTS),
    "array.txt": array(DOCUMENTS),
    "one line.json": json.dumps([{"text": text} for text in DOCUMENTS]).encode(),
    "texts.json": json.dumps(DOCUMENTS, indent=1).encode(),
    "one after the other.json": b"".join(
        json.dumps({"text": text}, indent=4).encode() + b"\n" for text in DOCUMENTS
    ),
    "with a mark.json": b"\xef\xbb\xbf" + array(DOCUMENTS),
    "a.csv": table(DOCUMENTS),
    "a.tsv": table(DOCUMENTS, "\t"),
    "of Europe.csv": table(DOCUMENTS, ";"),
    "of Excel.csv": b"\xef\xbb\xbfsep=;\r\n" + table(DOCUMENTS, ";"),
    "of Unicode.csv": table(DOCUMENTS, "\t").decode().encode("utf-16"),
    "with an ending of text.txt": table(DOCUMENTS),
    "not quoted.tsv": b"id\ttext\n" + "".join(f"{i}\t{t}\n" for i, t in enumerate(SPOKEN)).encode(),
    "of Excel.txt": b"\xef\xbb\xbfsep=;\r\n" + table(DOCUMENTS, ";"),
    "other quotes.txt": WIKI.replace('<doc id="1" ', "<doc  id='1' ").encode(),
    "a first null.txt": json.dumps([None, *({"text": text} for text in DOCUMENTS)]).encode(),
    "a long first text.txt": json.dumps([LONG, "b"]).encode(),
    "wiki_01": WIKI.encode(),
    "tags.txt": WIKI.encode(),
}


@pytest.mark.parametrize("name", RECORDS)
def test_records_are_read_whatever_the_file_is_called(name: str, put: Callable) -> None:
    assert read(put(name, RECORDS[name])) == OTHERS.get(name, DOCUMENTS)


@pytest.mark.parametrize("name", RECORDS)
def test_a_folder_gives_them_too(name: str, workspace: Workspace) -> None:
    workspace.texts.mkdir(parents=True)
    (workspace.texts / name).write_bytes(RECORDS[name])
    report = ROAD.run("split", workspace, SplitSettings(train=1, valid=0, test=0))
    assert report.documents == (len(OTHERS.get(name, DOCUMENTS)), 0, 0)
    assert not any("Not read" in note for note in report.notes)


@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"))))
@pytest.mark.parametrize("form", ["array", "compact", "one by one", "comma", "tab"])
def test_every_text_comes_back(form: str, texts: list[str], tmp_path_factory) -> None:
    data = {
        "array": array(texts),
        "compact": json.dumps(texts, ensure_ascii=False).encode(),
        "one by one": b" ".join(json.dumps({"text": t}, indent=0).encode() for t in texts),
        "comma": table(texts),
        "tab": table(texts, "\t"),
    }[form]
    file = tmp_path_factory.getbasetemp() / ("a.csv" if form in ("comma", "tab") else "a.json")
    file.write_bytes(data)
    found = [p.text for p in input_of(file, "utf-8", "file", "text").passages()]
    assert found == texts


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1 << 20])
def test_values_are_put_together_from_blocks_of_every_size(
    size: int, put: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("helpers.text.decoding.archives.BLOCK", size)
    for data in (array(DOCUMENTS), json.dumps(DOCUMENTS).encode()):
        file = put("a.json", data)
        assert [*json_texts(file, "utf-8", "text", Faults(file, "utf-8"))] == DOCUMENTS


def word_file() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("word/document.xml", "<w:t>Hello</w:t>")
    return out.getvalue()


def tar_file() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.txt"))
    return out.getvalue()


def database(folder: Path) -> bytes:
    with sqlite3.connect(folder / "a.db") as base:
        base.execute("create table texts (text)")
    base.close()
    return (folder / "a.db").read_bytes()


def picture() -> bytes:
    out = io.BytesIO()
    plt.imsave(out, np.zeros((2, 2)))
    return out.getvalue()


def arrow(stream: bool) -> bytes:
    out, data = io.BytesIO(), pa.table({"text": ["a"]})
    with (pa.ipc.new_stream if stream else pa.ipc.new_file)(out, data.schema) as writer:
        writer.write(data)
    return out.getvalue()


def feathered() -> bytes:
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # people still have files of the first version
        feather.write_feather(pa.table({"text": ["a"]}), out, version=1)
    return out.getvalue()


def saved_array() -> bytes:
    out = io.BytesIO()
    np.save(out, np.zeros(3))
    return out.getvalue()


NO_TEXT = {
    "bzip2": lambda _: bz2.compress(b"text"),
    "xz": lambda _: lzma.compress(b"text"),
    "lzma": lambda _: lzma.compress(b"text", lzma.FORMAT_ALONE),
    "zip": lambda _: word_file(),
    "tar": lambda _: tar_file(),
    "SQLite": database,
    "pickle": lambda _: pickle.dumps(["a"]),
    "PNG": lambda _: picture(),
    "Arrow file": lambda _: arrow(stream=False),
    "Arrow stream": lambda _: arrow(stream=True),
    "Feather": lambda _: feathered(),
    "NumPy": lambda _: saved_array(),
    "RTF": lambda _: rb"{\rtf1\ansi Hello}",
    "PDF": lambda _: b"%PDF-1.7\n",
    "7z": lambda _: b"7z\xbc\xaf\x27\x1c\0\4",
    "rar": lambda _: b"Rar!\x1a\x07\x01\0",
    "Git LFS": lambda _: b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 7\n",
    "git-annex": lambda _: b"/annex/objects/SHA256E-s7--ab.txt\n",
    "HTML": lambda _: b"\n<!-- saved -->\n<!DOCTYPE html>\n<html><body>Hello</body></html>",
    "an HTML page": lambda _: b"<div><p>One</p>\n<p>Two</p>\n<p>Three</p></div>",
    "XML": lambda _: b'<?xml version="1.0"?>\n<corpus><text>a</text></corpus>',
    "an XML file": lambda _: b'<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.10/">',
    "SGML": lambda _: b'<DOC id="1" type="story">\n<TEXT>\n<P>\nHello\n</P>\n</TEXT>\n</DOC>\n',
    "subtitles": lambda _: b"1\r\n00:00:00,000 --> 00:00:01,000\r\nHello\r\n",
    "of subtitles": lambda _: "WEBVTT\n\n00:00.000 --> 00:01.000\n你好\n".encode("utf-16"),
    "a file of subtitles": lambda _: b"[Script Info]\nTitle: A\n",
    "file of subtitles": lambda _: b"1\n00:01,000 --> 00:02,000\nHello\n",
    "words with their times": lambda _: b"[ar:Ann]\n[00:12.00]Hello\n[00:15.30]world\n",
    "XML file": lambda _: b'<doc id="1">a</doc>\n<doc id="2">b</doc>\n',
    "song words": lambda _: b"[00:12.00]Hello\n[00:15.30]world\n",
}


@pytest.mark.parametrize("encoding", ["utf-8", "auto", "gb18030"])
@pytest.mark.parametrize("what", NO_TEXT)
def test_what_is_no_plain_text_is_refused_by_its_name(
    what: str, encoding: str, workspace: Workspace
) -> None:
    workspace.texts.mkdir(parents=True)
    (workspace.texts / "a.txt").write_bytes(NO_TEXT[what](workspace.texts))
    with pytest.raises(CourseError, match=f"a.txt is no plain text, but .*{what}") as caught:
        ROAD.run("split", workspace, SplitSettings(txt_files="texts/a.txt", encoding=encoding))
    assert caught.value.hint.endswith(".")


PROSE = {
    "a sentence on JSON": '{"text": "a"} is what an object looks like.\n{} is an empty one.\n',
    "a list in a book on Python": '["a", "b"] is a list in Python.\n[] is the empty list.\n',
    "a set": '{"Hello": she said}\nand left.\n',
    "two lines on text": "text,music\nHello, you\n",
    "a frequency list": "the\t1200\nof\t900\nand\t800\na\t700\n",
    "contents": "Chapter One\t1\nChapter Two\t15\nChapter Three\t31\n",
    "verses": "1\tIn the beginning\n2\tAnd the earth\n3\tAnd God said\n",
    "numbers": "1,2\n3,4\n5,6\n7,8\n",
    "sighs": "Well,...\nSo,...\nOh,...\nAh,...\n",
    "a Markdown table": "id|text\n--|--\n1|Hello\n2|you\n",
    "a chat with times": "[10:15.30] ann: hi\nbob: hello\n",
    "on formats": "WebVTT（网页）是一种格式。\n{1}{2} are sets.\nGIF89a is the format of 1989.\n",
    "a gene": "PAR1 is a gene.\n",
    "a play": "<body falls>\nAnn: oh\n<feed the cat>\n",
    "notes in comments": "<!-- a -->\n" * 40 + "# Title\nText\n",
    "a list of names": "Ann, Bob\nCid, Dan\n",
    "a poem": "One, two,\nthree, four,\nfive, six,\nseven, eight,\n",
    "a poem with numbers": "1, two\nthree, four\n5, six\n",
    "numbered lines": "1. One\n2. Two\n3. Three\n",
    "notes": "[1] Smith, 2001.\n[2] Jones, 2002.\n",
    "a quotation": '["Well," she said] and left.\n',
    "a link": "[A link](a.html), and more.\n",
    "braces": "{A, B} is a set.\n",
    "what somebody said in a chat": "[12:30:45] <ann> Hello\n[12:31:02] <bob> Hi\n",
    "less than": "<3 is a heart.\n",
    "a tag": "<s> is where a sentence begins, </s> where it ends.\n",
    "code": "if (a) { return [1, 2]; }\n",
    "Chinese": "春天的雨，细细地下。\n孩子们，出去玩了。\n",
    "a dictionary": "apple\t苹果\npear\t梨\n",
    "times": "00:10 the train leaves.\n00:20 it arrives.\n",
    "BZh and PAR": "BZhou and PARis, RIFF and ID3 are words.\n",
}


@pytest.mark.parametrize("name", PROSE)
def test_prose_stays_prose(name: str, put: Callable) -> None:
    assert read(put("a.txt", PROSE[name].encode()), unit="line") == PROSE[name].splitlines()


WRONG = {
    "in the middle.txt": (
        b'<doc id="1">\na\n<doc id="2">\nb\n</doc>\n',
        "line 3: a </doc> is missing before",
        "extract",
    ),
    "no column.csv": (b"id,body\n1,a\n", "no column 'text'. There is 'id', 'body'", "text_field"),
    "none named.txt": (b"id;body\n1;a\n2;b\n3;c\n", "There is 'id', 'body'", "text_field"),
    "twice.csv": (b"text,text\na,b\n", "no column 'text'. There is 'text', 'text'", "text_field"),
    "no header.tsv": (b"1\tHello\n2\tWorld\n", "There is '1', 'Hello'", "text_field"),
    "empty.csv": (b"", "There is no text in|no column 'text'. There is none", "."),
    "short row.csv": (b"id,text\n1,a\n2\n3,c\n", "line 3: .*1 fields, but 2", "Mend"),
    "open quote.csv": (b'id,text\n1,"a\n2,b\n3,c\n', "line 4: .*unexpected end", "Mend"),
    "no field.json": (b'[{"body": "a"}]', "record 1: there is no field 'text'", "text_field"),
    "a notebook.json": (b'{\n "cells": []\n}', "record 1: there is no field 'text'", "text_field"),
    "numbers.json": (b"[1, 2]", "record 1 is a number, no text", "text_field"),
    "breaks off.json": (b'[{"text": "a"}, {"te', "record 2: this is no JSON", "download"),
    "no end.json": (b'[{"text": "a"}', "record 2: .*the array does not end", "download"),
    "no comma.json": (b'[{"text": "a"} {"text": "b"}]', "record 2: .*a comma is missing", "Mend"),
    "a comma.json": (b'[{"text": "a"},]', "record 2: .*behind a comma", "Mend"),
    "more.json": (b'[{"text": "a"}] and', "something stands behind the array", "Mend"),
    "deep.json": (b"[" * 99_999, "record 1: this is no JSON", "Mend"),
    "no end.txt": (b'<doc id="1">\nHello\n', "line 2: the last </doc> is missing", "extract"),
    "between.txt": (b"<doc>\na\n</doc>\nb\n", "line 4: this stands outside of <doc", "extract"),
    "second line.txt": (b'{"text": "a"}\nand prose\n', "line 2: this line is no JSON", "Mend"),
}


@pytest.mark.parametrize("name", WRONG)
def test_damaged_records_are_named_with_their_place(name: str, workspace: Workspace) -> None:
    content, message, hint = WRONG[name]
    workspace.texts.mkdir(parents=True)
    (workspace.texts / name).write_bytes(content)
    with pytest.raises(CourseError, match=message) as caught:
        ROAD.run("split", workspace, SplitSettings(train=1, valid=0, test=0))
    assert hint in caught.value.hint


def test_an_array_that_breaks_off_is_never_half_a_corpus(put: Callable) -> None:
    whole = array(DOCUMENTS)
    for end in range(1, len(whole)):
        with pytest.raises(DamagedFile):
            read(put("a.json", whole[:end]))


UNUSED = [
    ({"a.txt": b"text"}, {"text_field": "body"}, "they hold plain text"),
    ({"a.jsonl": b'{"text": "a"}'}, {"unit": "line"}, "each of their records is a document"),
    ({"a.jsonl": b'{"text": "a"}'}, {"encoding": "gb18030"}, "UTF-8 always"),
]


@pytest.mark.parametrize(("files", "setting", "why"), UNUSED)
def test_a_setting_that_holds_for_no_file_is_an_error(
    files: dict, setting: dict, why: str, workspace: Workspace
) -> None:
    workspace.texts.mkdir(parents=True)
    for name, content in files.items():
        (workspace.texts / name).write_bytes(content)
    settings = SplitSettings(train=1, valid=0, test=0, **setting)
    with pytest.raises(CourseError, match=f"holds for none of the files: .*{why}"):
        ROAD.run("split", workspace, settings)
    with pytest.raises(CourseError, match=f"holds for none of the files: .*{why}"):
        corpus_preview(workspace, settings)
    (workspace.texts / "b.txt").write_bytes(b"one more")
    (workspace.texts / "c.jsonl").write_bytes(b'{"text": "b", "body": "c"}')
    (workspace.texts / "a.jsonl").unlink(missing_ok=True)
    assert ROAD.run("split", workspace, settings).documents[0] > 1


def test_auto_is_no_encoding_that_could_be_in_vain(workspace: Workspace) -> None:
    workspace.texts.mkdir(parents=True)
    (workspace.texts / "a.jsonl").write_bytes(jsonl(DOCUMENTS))
    settings = SplitSettings(train=1, valid=0, test=0, encoding="auto")
    assert ROAD.run("split", workspace, settings).documents == (4, 0, 0)


def test_a_table_is_told_by_all_of_its_beginning() -> None:
    rows = "".join(f"{i}\tword {i}\n" for i in range(9000))
    assert kind_of("", "id\ttext\n" + rows, "text") == "table"
    assert kind_of("", "id\tbody\n" + rows, "text") == "table"
    assert kind_of("", "id\tbody\n" + rows[:200] + "and prose\n" + rows, "text") == "text"
