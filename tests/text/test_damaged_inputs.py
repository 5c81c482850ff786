"""What is damaged, is something else, or unpacks to very much: named, and never half used."""

import gzip
import random
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from helpers.common.errors import CourseError, DamagedFile
from helpers.common.files import PROJECT
from helpers.text import documents as module
from helpers.text.decoding.kinds import BINARY
from tests.support.awkward import MARKS
from tests.support.input_makers import SMALL, SMALL_ZST, documents_of, jsonl, parquet, read, zst

# What is damaged


def outcome(file: Path, damaged: bytes, right: list[str]) -> str | None:
    """The error's message, which names the file, or None where the texts are right."""
    file.write_bytes(damaged)
    try:
        found = read(file)
    except CourseError as error:
        assert str(file) in error.message and error.hint
        return error.message
    assert found == right
    return None


def flipped(data: bytes, place: int, bit: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]


STEP = {".txt.gz": 1, ".txt.zst": 1, ".parquet": 5}  # bytes between two places
SMALL_FILES = {
    ".txt.gz": gzip.compress(SMALL.encode()),
    ".txt.zst": SMALL_ZST,
    ".parquet": parquet(documents_of(SMALL), row_group_size=20),
}
POSITION = {
    ".txt.gz": r"in its first [\d,]+ of [\d,]+ bytes|is no gzip archive: its first bytes",
    ".txt.zst": r"in its first [\d,]+ of [\d,]+ bytes|is no zstd archive: its first bytes",
    ".parquet": r", footer: |, row group [12] of \d+: | has no column 'text'"
    "|: the column 'text' holds (binary|float|int64), no text",
}


@pytest.mark.parametrize("kind", SMALL_FILES)
def test_a_flipped_bit_is_an_error_with_its_position_or_does_no_harm(kind: str, put):
    data = SMALL_FILES[kind]
    file = put(f"a{kind}", data)
    right = read(file)
    assert right == documents_of(SMALL)
    places = range(0, len(data), STEP[kind])
    said = [outcome(file, flipped(data, i, i * 5 % 8), right) for i in places]
    assert all(re.search(POSITION[kind], message) for message in said if message)
    assert sum(message is not None for message in said) > len(places) / 4


@pytest.mark.parametrize("kind", SMALL_FILES)
def test_a_file_that_is_cut_off_is_never_read_in_part(kind: str, put):
    data = SMALL_FILES[kind]
    file = put(f"a{kind}", data)
    for end in range(0, len(data), STEP[kind]):
        message = outcome(file, data[:end], [])
        assert message and re.search(POSITION[kind], message)
        assert kind == ".parquet" or end < 4 or f"in its first {end:,} of {end:,} bytes" in message


def test_frames_of_zstd_are_read_to_the_end_wherever_it_is_cut(put):
    """What is cut off between two frames is as whole as before: only then it cannot be told."""
    skipped = b"\x50\x2a\x4d\x18\x05\0\0\0hello"
    frames = [skipped, SMALL_ZST, zst(b"and more\n"), skipped, zst(b""), zst(b"the end")]
    data = b"".join(frames)
    ends = {sum(map(len, frames[:i])) for i in range(1, len(frames) + 1)}
    for end in range(4, len(data) + 1):
        message = outcome(put("a.txt.zst", b""), data[:end], None) if end not in ends else "whole"
        assert message and (end in ends or "in its first" in message)
    whole = read(put("a.txt.zst", data))
    assert whole == [*documents_of(SMALL), "and more\nthe end"]


def test_an_archive_that_needs_a_dictionary_is_not_called_damaged(put):
    # What `zstd -D` makes of a line: the number of the dictionary stands in its head.
    packed = bytes.fromhex("28b52ffd0758c5faa5206d0000383520746578740a0100225140ae48b1eb")
    with pytest.raises(CourseError, match="packed with a dictionary") as caught:
        read(put("a.txt.zst", packed))
    assert "-D" in caught.value.hint and not isinstance(caught.value, DamagedFile)


def test_json_lines_that_are_cut_off_name_the_last_line(put):
    data = jsonl(documents_of(SMALL)[:3], ascii_only=True)
    file = put("a.jsonl", data)
    for end in range(len(data)):
        if data[:end].endswith((b"}\n", b"}}")) or not end:
            continue  # as if it had been written so
        message = outcome(file, data[:end], [])
        line = data[:end].count(b"\n") + 1
        assert message and f"a.jsonl, line {line}: " in message


GOOD = jsonl(documents_of(SMALL)[:3])


def beginnings(test: Callable) -> Callable:
    """Examples that begin as another kind of file does, or with a mark of an encoding."""
    marks = ((0, sign) for sign in (*MARKS, *(mark + b"{" for mark in MARKS)))
    for place, sign in (*BINARY, *marks):
        test = example(place=place, damage=sign)(test)
    return test


@beginnings
@given(place=st.integers(0, len(GOOD) - 1), damage=st.binary(max_size=8))
@settings(max_examples=200)
def test_damaged_json_is_never_a_traceback(place: int, damage: bytes, tmp_path_factory):
    damaged = GOOD[:place] + damage + GOOD[place + 1 :]
    file = tmp_path_factory.getbasetemp() / "a.jsonl"
    file.write_bytes(damaged)
    other = {
        what
        for (at, sign), what in BINARY.items()
        if damaged.startswith(sign, at) and (b"\0" in damaged or not sign.isalnum())
    }
    try:
        assert read(file) and not other
    except CourseError as error:
        encoding = next((e for mark, e in MARKS.items() if damaged.startswith(mark)), "utf-8")
        encoding = re.match(r"utf-\d+", encoding)[0]
        said = rf"(, line \d| is not {encoding}: line \d|, .*'text')"
        said = re.escape(f" is no plain text, but {other.pop()}") if other else said
        assert re.search(rf"a\.jsonl{said}", error.message)


@pytest.mark.parametrize("mark", MARKS)
def test_json_behind_a_mark_is_read_in_its_encoding(mark: bytes, put):
    encoding = MARKS[mark]
    assert read(put("a.jsonl", mark + GOOD.decode().encode(encoding))) == documents_of(SMALL)[:3]


def test_the_position_is_near_the_damage_in_a_large_archive(put):
    members = [gzip.compress(random.Random(i).randbytes(30_000).hex().encode()) for i in range(40)]
    data = b"".join(members)
    for bad in (3, 20, 39):
        end = sum(map(len, members[: bad + 1]))
        message = outcome(put("a.txt.gz", b""), flipped(data, end - 5, 0), [])
        shown = int(re.search(r"first ([\d,]+) of", message)[1].replace(",", ""))
        assert end - 5 < shown <= end + (1 << 16)


# What is something else, named and explained in two sentences: content, message, hint.

WRONG = {
    "text.txt.gz": (b"plain text", "is no gzip archive", r"take the \.gz off"),
    "text.txt.zst": (b"plain text", "is no zstd archive", r"take the \.zst off"),
    "empty.jsonl.gz": (b"", "is no gzip archive", "download it again"),
    "twice.txt.gz": (gzip.compress(gzip.compress(b"a")), "no plain text, but a gzip", "Unpack"),
    "zstd.txt.gz": (gzip.compress(zst(b"a")), "no plain text, but a zstd", "Unpack"),
    "tar.txt.gz": (gzip.compress(b"a" * 257 + b"ustar\0" + b"b" * 999), "but a tar", "Unpack"),
    "zip.txt.zst": (zst(b"PK\x03\x04 and more"), "Word, Excel or zip", "Save|save"),
    "packed.jsonl": (gzip.compress(b"{}"), "no plain text, but a gzip archive", "Unpack"),
    "packed.txt": (zst(b"text"), "no plain text, but a zstd archive", "Unpack"),
    "table.txt": (parquet(["a"]), "no plain text, but a Parquet file", "Unpack"),
    "more.txt.gz": (gzip.compress(b"a") + b"more", "in its first 25 of 25 bytes", "Copy"),
    "text.parquet": (b"plain text", r"footer: this is damaged, or no Parquet", "Copy"),
    "a.jsonl": (
        b'{"text": "a"}\n{"body": 1, "id": 2}',
        "line 2: .*'text'.*'body', 'id'",
        "text_field",
    ),
    "none.jsonl": (b"{}", "line 1: there is no field 'text'. There is none", "text_field"),
    "number.jsonl": (b'\n{"text": 1.5}', "line 2, 'text' is a number, no text", "text_field"),
    "bool.jsonl": (b'{"text": true}', "line 1, 'text' is true or false", "text_field"),
    "list.jsonl": (b'{"text": ["a"]}', "line 1, 'text' is a list", "text_field"),
    "object.jsonl": (b'{"text": {}}', "line 1, 'text' is an object", "text_field"),
    "half.jsonl": (rb'{"text": "a\ud83d"}', r"line 1, 'text' holds .*\(a⟨\\ud83d⟩\)", "Mend"),
    "nul.jsonl": (rb'{"text": "a\u0000"}', r"line 1, 'text' holds .*\(a⟨\\x00⟩\)", "Mend"),
    "array.jsonl": (b'[\n{"text": "a"}]', "line 1: .*Expecting value, column 2", "whole object"),
    "list of.jsonl": (b'["text"]', "line 1: .*no object", "whole object"),
    "deep.jsonl": (
        b'{"text": ' + b"[" * 99_999,
        "line 1: this line is no JSON object",
        "whole object",
    ),
    "long.jsonl": (b'{"text": ' + b"9" * 9999 + b"}", "line 1: .*digits", "whole object"),
    "gb.jsonl": ('\n{"text": "你好"}'.encode("gb18030"), "line 2, byte 11", "in UTF-8: save"),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("encoding", ["utf-8", "auto"])
def test_what_a_file_is_not_is_said(name: str, encoding: str, put):
    content, message, hint = WRONG[name]
    with pytest.raises(CourseError, match=message) as caught:
        read(put(name, content), encoding)
    assert name in caught.value.message
    assert re.search(hint, caught.value.hint)


COLUMNS = {
    "another name": ({"id": [1], "body": ["a"]}, "has no column 'text'. There is 'id', 'body'"),
    "many": ({f"c{i}": [1] for i in range(99)}, "'c18', 'c19' and 79 more"),
    "numbers": ({"text": [1], "a.b": ["a"]}, "holds int64, no text. With text there is 'a.b'"),
    "bytes": ({"text": [b"a", b"\xff"]}, "row 2, 'text' holds .*⟨bytes that are not UTF-8⟩"),
    "lists": ({"text": [["a"]]}, "holds list<.*>, no text"),
    "objects": ({"text": [{"text": "a"}]}, "holds struct<.*>, no text"),
}


@pytest.mark.parametrize("case", COLUMNS)
def test_a_wrong_column_is_answered_with_those_that_there_are(case: str, tmp_path: Path):
    columns, message = COLUMNS[case]
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    with pytest.raises(CourseError, match=message) as caught:
        read(tmp_path / "a.parquet")
    assert "text_field" in caught.value.hint


def test_texts_of_a_column_that_are_none_are_named_with_their_row(tmp_path: Path):
    file = tmp_path / "a.parquet"
    file.write_bytes(parquet(["a", "b", "c\0"], row_group_size=2))
    with pytest.raises(DamagedFile, match=r"row group 2 of 2, row 3, 'text' holds .*\(c⟨\\x00⟩\)"):
        read(file)
    bytes_ = pa.array([b"a", b"\xff"])
    text = pa.StringArray.from_buffers(2, bytes_.buffers()[1], bytes_.buffers()[2])
    pq.write_table(pa.table({"text": text}), file)
    with pytest.raises(DamagedFile, match=r"row group 1 of 1, row 2, .*not UTF-8"):
        read(file)


def test_what_pyarrow_does_not_read_is_not_called_damaged(put):
    data = SMALL_FILES[".parquet"]

    def is_such(content: bytes) -> bool:
        try:
            pq.read_table(pa.BufferReader(content))
        except NotImplementedError:
            return True
        except (pa.ArrowException, OSError):
            pass
        return False

    changed = (flipped(data, place, 4) for place in range(len(data) - 600, len(data)))
    with pytest.raises(CourseError, match="this cannot be read here"):
        read(put("a.parquet", next(filter(is_such, changed))))


# Size

BOMBS = """
import gzip, resource, sys
from pathlib import Path
import pyarrow as pa, pyarrow.parquet as pq
from helpers.common.errors import CourseError
from helpers.text.inputs import input_of
folder = Path(sys.argv[1])
line, many = b"a line of a text\\n" * 60_000, 100
with gzip.open(folder / "a.txt.gz", "wb", 1) as out:
    [out.write(line) for _ in range(many)]
with pa.CompressedOutputStream(folder / "a.txt.zst", "zstd") as out:
    [out.write(line) for _ in range(many)]
with pa.CompressedOutputStream(folder / "long.jsonl.zst", "zstd") as out:
    [out.write(b"a" * 1_000_000) for _ in range(1000)]
with pq.ParquetWriter(folder / "a.parquet", pa.schema([("text", pa.string())])) as out:
    [out.write_table(pa.table({"text": ["spam and eggs " * 70] * 1000})) for _ in range(many)]
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for file in sorted(folder.iterdir()):
    read = 0
    try:
        for passage in input_of(file, "utf-8", "blank-line", "text").passages():
            read += len(passage.text)
    except CourseError as error:
        print(error.message)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(file.name, file.stat().st_size < 1_000_000, read > 90_000_000, (after - before) >> 10)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted in other units elsewhere")
def test_what_unpacks_to_very_much_takes_little_memory(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-c", BOMBS, tmp_path], cwd=PROJECT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    *whole, message, long = done.stdout.splitlines()
    assert "long.jsonl.zst: line 1 has more than 67,108,864 characters." in message
    for line, limit in [*((line, 60) for line in whole), (long, 400)]:
        _, small, all_of_it, megabytes = line.rsplit(maxsplit=3)
        assert small == "True" and (all_of_it == "True") == (line != long)
        assert int(megabytes) < limit, done.stdout


def test_a_line_may_be_as_long_as_memory_holds(put, monkeypatch):
    monkeypatch.setattr(module, "LONGEST", 3_000_000)
    good = b"a\n" + b"b" * 2_999_999 + b"\nc"
    assert len(read(put("a.txt", good))[0]) == len(good)
    with pytest.raises(CourseError, match="line 2 has more than 3,000,000 characters"):
        read(put("a.txt", good.replace(b"\nc", b"b" * 2_000_000)))
