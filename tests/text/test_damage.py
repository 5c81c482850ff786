"""What in a file is no character: all told at once, or replaced or left out, and counted."""

import functools
import warnings
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from helpers.common.errors import CourseError
from helpers.text.decoding.characters import MARK, decoded_blocks
from helpers.text.decoding.damage import about
from helpers.text.decoding.places import bad_places
from helpers.workflow.settings import SplitSettings
from tests.support.awkward import CHINESE, TRADITIONAL
from tests.support.input_makers import BAD, HALF, PACK, array, documents_of, jsonl, outcome


def message(file: Path, encoding: str = "utf-8") -> str:
    with pytest.raises(CourseError) as caught:
        outcome(file, "strict", encoding)
    assert str(file) in caught.value.message
    assert "errors = 'skip'" in caught.value.hint
    return caught.value.message


# All places, each with its line, its byte, and what stands there


def test_every_bad_place_is_in_one_message(put: Callable) -> None:
    lines = [f"第{i}行，渔民把旧网晒在石阶上。".encode("gb18030") for i in range(200)]
    for i in (7, 90):
        lines[i] = lines[i][:2] + BAD + lines[i][2:]
    said = message(put("a.txt", b"\n".join(lines)), "gb18030")
    starts = [sum(map(len, lines[:i])) + i for i in (7, 90)]
    for i, start in zip((7, 90), starts, strict=True):
        assert f"line {i + 1}, byte {start + 2} (" in said
    assert "第⟨ff⟩7行，渔" in said and "第⟨ff⟩90行" in said and " more" not in said


def test_of_many_places_ten_are_shown_and_the_others_counted(put: Callable) -> None:
    said = message(put("a.txt", b"\n".join(b"line %d \xff" % i for i in range(2_500))))
    assert said.count("line ") >= 10 and "line 10, byte" in said and "line 11, byte" not in said
    assert "; and 2,490 more" in said


@pytest.mark.parametrize("packed", PACK)
def test_bytes_one_behind_the_other_are_one_place(packed: str, put: Callable) -> None:
    file = put(f"a.txt{packed}", PACK[packed]("好\r\n一".encode() + BAD * 20 + "二\n".encode()))
    [place] = bad_places(file, "utf-8", 10)
    assert (place.line, place.byte, place.found) == (2, 8, BAD * 9)
    assert (place.before, place.after) == ("好\r\n一", "二\n")
    assert "⟨ff ff ff ff ff ff ff ff …⟩" in message(file)


WHOLE = {"utf-8": "naïve 文\n", "gb18030": "中文 text\n", "cp950": "中文 text\n"}
WHOLE |= {"utf-16-le": "中文\n", "utf-16-be": "中文\n", "cp932": "日本 text\n", "utf-8-sig": "é\n"}


@given(
    encoding=st.sampled_from([*WHOLE]),
    parts=st.lists(st.just(None) | st.binary(min_size=1, max_size=4), max_size=12),
)
@settings(max_examples=200)
def test_places_are_where_pythons_decoder_finds_them(
    encoding: str, parts: list, tmp_path_factory: pytest.TempPathFactory
) -> None:
    good = WHOLE[encoding].encode(encoding.removesuffix("-sig"))
    data = b"".join(good if part is None else part for part in parts)
    file = tmp_path_factory.getbasetemp() / "places.txt"
    file.write_bytes(data)
    text = data.decode(encoding, "replace").replace("\0", "\ufffd")
    assume("\u0a00" not in text)  # a line end that is turned, which is refused
    assert "".join(decoded_blocks(file, encoding)).replace(MARK, "\ufffd") == text
    places = bad_places(file, encoding, 1000)
    for place in places:
        assert data[place.byte : place.byte + len(place.found)] == place.found
    assert bool(places) == (MARK in "".join(decoded_blocks(file, encoding)))
    left = data
    for place in reversed(places):
        left = left[: place.byte] + left[place.byte + len(place.found) :]
    shown = [text.replace("\ufffd", "") for text in (left.decode(encoding, "replace"), text)]
    assert not places or len(shown[0]) >= len(shown[1])


def test_a_nul_is_called_by_its_name(put: Callable) -> None:
    said = message(put("a.txt", b"It counts the ket\0tle before\n" * 3))
    assert "is not utf-8" not in said and "holds NUL" in said
    assert all(f"line {i}, byte {29 * i - 12} (" in said for i in (1, 2, 3))
    assert "(unts the ket⟨00⟩tle before\\n)" in said


def test_utf_16_without_the_mark_that_was_named_is_a_sentence(put: Callable) -> None:
    with pytest.raises(CourseError, match="does not begin with the mark of utf-16") as caught:
        outcome(put("a.txt", "Hello\n".encode("utf-16-le")), "strict", "utf-16")
    assert "utf-16-le" in caught.value.hint


@pytest.mark.parametrize("name", ["idna", "punycode", "undefined", "rot13", "base64", "nonsense"])
def test_what_cannot_decode_a_file_is_no_encoding(name: str) -> None:
    with pytest.raises(CourseError, match="no such encoding"):
        SplitSettings(encoding=name)


def test_encodings_that_can_write_half_a_pair_are_checked_too(put: Callable) -> None:
    file = put("a.txt", rb"one\n\ntwo \ud83d\n\nthree")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found, _, faults = outcome(file, "skip", "unicode_escape")
    assert found == ["one", "three"] and faults.left_out == 1


# Replaced, or left out

UNITS = {
    "blank-line": (
        b"one\nb\xffd\n\ntwo\n\nthr\0ee\n\nfour\n",
        ["one\nb?d", "two", "thr?ee", "four"],
    ),
    "line": (b"one\nb\xffd\n\ntwo\nthr\0ee\n", ["one", "b?d", "two", "thr?ee"]),
    "file": (b"one\n\nb\xffd\n", ["one\n\nb?d"]),
}


@pytest.mark.parametrize("unit", UNITS)
def test_documents_are_mended_or_left_out_and_counted(unit: str, put: Callable) -> None:
    content, wanted = UNITS[unit]
    file = put("a.txt", content)
    found, _, faults = outcome(file, "replace", unit=unit)
    assert found == [text.replace("?", "\ufffd") for text in wanted]
    bad = sum("?" in text for text in wanted)
    assert (faults.replaced, faults.left_out) == (bad, 0)
    found, _, faults = outcome(file, "skip", unit=unit)
    assert found == [text for text in wanted if "?" not in text]
    assert (faults.replaced, faults.left_out) == (0, bad)


@given(content=st.lists(st.sampled_from([b"a", b"\n", b"\n\n", BAD, b"\0", b"\r", "文".encode()])))
def test_what_is_replaced_is_what_python_replaces(
    content: list[bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.getbasetemp() / "replaced.txt"
    file.write_bytes(b"".join(content))
    wanted = b"".join(content).decode("utf-8", "replace").replace("\0", "\ufffd")
    assert outcome(file, "replace")[0] == documents_of(wanted)
    good = [d for d in documents_of(wanted) if "\ufffd" not in d]
    assert outcome(file, "skip")[0] == good


half_jsonl = functools.partial(jsonl, ascii_only=True)
RECORDS = ["one", HALF, "two", None, "three \0", "  ", "four"]


@pytest.mark.parametrize(("name", "write"), [("a.jsonl", half_jsonl), ("a.json", array)])
def test_half_a_character_in_a_record_is_told_or_counted(
    name: str, write: Callable, put: Callable
) -> None:
    file = put(name, write(RECORDS))
    said = message(file)
    unit = "line" if name == "a.jsonl" else "record"
    assert f"{unit} 2, 'text' holds" in said and f"{unit} 5, 'text' holds" in said
    assert r"(half ⟨\ud83d⟩)" in said and r"(three ⟨\x00⟩)" in said
    found, _, faults = outcome(file, "skip")
    assert found == ["one", "two", "four"]
    assert (faults.left_out, faults.without_text) == (2, 2)
    found, _, faults = outcome(file, "replace")
    assert found == ["one", "half \ufffd", "two", "three \ufffd", "four"]
    assert (faults.replaced, faults.without_text) == (2, 2)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (
            "a.jsonl",
            b'{"text": "one"}\n{"id": "\xff", "text": "x"}\n{"text": "two\xff"}\n{"text": "three"}',
        ),
        (
            "a.json",
            b'[{"text": "one"}, {"id": "\xff", "text": "x"}, {"text": "b\xff"}, {"text": "three"}]',
        ),
        ("a.csv", b'id,text\n1,one\n\xff,x\n3,"two\n\xff"\n4,three\n'),
        ("a.tsv", b"id\ttext\n1\tone\n2\tx\0\n3\ttwo\xff\n4\tthree\n"),
    ],
)
def test_a_record_with_bad_bytes_is_left_out_whole(
    name: str, content: bytes, put: Callable
) -> None:
    file = put(name, content)
    message(file)
    found, _, faults = outcome(file, "skip")
    assert found == ["one", "three"] and faults.left_out == 2
    found, _, faults = outcome(file, "replace")
    assert len(found) == 4 and faults.replaced == 2 and found[2].endswith("\ufffd")


def test_a_marked_up_document_with_bad_bytes_is_left_out(put: Callable) -> None:
    text = b'<doc id="1">\none\n</doc>\n<doc id="2">\ntw\xffo\n</doc>\n<doc id="3">\n</doc>\n'
    found, _, faults = outcome(put("wiki_00", text), "skip")
    assert found == ["one"] and (faults.left_out, faults.without_text) == (1, 1)


@pytest.mark.parametrize(
    ("name", "content", "documents", "said"),
    [
        ("a.csv", b"i\xffd,text\n1,one\n2,two\n", ["one", "two"], "Left where no document is"),
        ("a.csv", b"sep=,\ni\xffd,text\n1,one\n2,two\n", ["one", "two"], "Left where no document"),
        (
            "wiki_00",
            b'<doc id="\xff">\none\n</doc>\n<doc id="2">\ntwo\n</doc>\n',
            ["two"],
            "1 document",
        ),
    ],
)
def test_bad_bytes_outside_of_texts_are_named_too(
    name: str, content: bytes, documents: list[str], said: str, put: Callable
) -> None:
    found, _, faults = outcome(put(name, content), "skip")
    assert found == documents
    (note,) = about([faults])
    assert said in note and "⟨ff⟩" in note and "line " in note
    assert "Replaced by U+FFFD: 1 place" in about([outcome(put(name, content), "replace")[2]])[0]


def test_bad_bytes_and_half_characters_are_told_together(put: Callable) -> None:
    file = put("a.jsonl", half_jsonl(RECORDS) + b'{"text": "tw\xffo"}\n')
    said = message(file)
    assert "⟨ff⟩" in said and "line 2, 'text' holds" in said and "line 5, 'text' holds" in said


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.string(), pa.binary_view()])
def test_rows_of_parquet_that_are_not_utf_8(kind: pa.DataType, tmp_path: Path) -> None:
    values = pa.array([b"one", b"tw\xffo", None, b"", b"three"])
    column = values.cast(kind) if kind != pa.string() else _unchecked(values)
    pq.write_table(pa.table({"text": column}), tmp_path / "a.parquet")
    assert "row 2, 'text' holds" in message(tmp_path / "a.parquet")
    found, _, faults = outcome(tmp_path / "a.parquet", "skip")
    assert found == ["one", "three"] and (faults.left_out, faults.without_text) == (1, 2)
    assert outcome(tmp_path / "a.parquet", "replace")[0] == ["one", "tw\ufffdo", "three"]


def _unchecked(values: pa.Array) -> pa.Array:
    validity, offsets, data = values.buffers()
    return pa.StringArray.from_buffers(len(values), offsets, data, validity)


# Which encoding


OF_HONG_KONG = TRADITIONAL + "佢哋喺香港食咗飯，嘅啲嘢冇乜嘢。\n"
LATE = TRADITIONAL + "abc\n" * 500_000 + "佢哋喺度食嘢\n"


# Its text, how it is written, what is told of it; and of one with a bad byte in it, with the number
# of places that are replaced.
OF_CHINESE = {
    "cp950": (TRADITIONAL, "cp950", "cp950", ("cp950", 1)),
    "big5": (TRADITIONAL, "big5", "cp950", ("cp950", 1)),
    "big5hkscs": (OF_HONG_KONG, "big5hkscs", "big5hkscs", ("big5hkscs", 1)),
    "big5hkscs, late": (LATE, "big5hkscs", "big5hkscs", ("cp950", 4)),  # it cannot be told
    "traditional in gbk": (TRADITIONAL, "gbk", "gb18030", ("gb18030", 1)),
    "gbk": (CHINESE, "gbk", "gb18030", ("gb18030", 1)),
}


@pytest.mark.parametrize("name", OF_CHINESE)
def test_auto_tells_the_encodings_of_chinese(name: str, put: Callable) -> None:
    content, encoding, told, damaged = OF_CHINESE[name]
    data = content.encode(encoding)
    found, source, faults = outcome(put("a.txt", data), "replace", "auto", unit="file")
    assert source.encoding == told and not faults.replaced
    assert found == [content.strip("\n")]
    half = data.index(b"\n", len(data) // 2) + 1
    file = put("b.txt", data[:half] + BAD + data[half:])
    _, source, faults = outcome(file, "replace", "auto", unit="file")
    assert (source.encoding, faults.replaced) == damaged


TWO = {
    "gb18030 first": CHINESE.encode("gb18030") + b"\n" + (CHINESE + "\n").encode() * 2,
    "utf-8 first": (CHINESE + "\n").encode() * 2 + CHINESE.encode("gb18030"),
}


@pytest.mark.parametrize("name", TWO)
@pytest.mark.parametrize("encoding", ["utf-8", "auto", "gb18030", "cp950", "cp1252"])
def test_two_encodings_in_a_file_are_never_read_as_one(
    name: str, encoding: str, put: Callable
) -> None:
    file = put("a.txt", TWO[name])
    with pytest.raises(CourseError, match=r"a\.txt is not .*line \d+") as caught:
        outcome(file, "strict", encoding)
    assert "part it in two" in caught.value.hint
    if encoding in ("utf-8", "auto"):
        assert "gb18030" in caught.value.hint
        found, source, faults = outcome(file, "skip", encoding)
        assert source.encoding == "utf-8"
        assert found == documents_of(CHINESE) * 2 and faults.left_out == 2
