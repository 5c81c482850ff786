"""What is said of bad bytes in files of every kind: how many places, and what helps there."""

import json
from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from helpers.common.errors import CourseError
from helpers.text.documents import lines
from tests.support.input_makers import WRITE, outcome


@pytest.mark.parametrize("name", ["rec.txt", "rec", "rec.jsonl"])
def test_json_is_in_utf_8_whatever_its_name(name: str, put: Callable) -> None:
    lines = "".join(json.dumps({"text": "déjà là"}, ensure_ascii=False) + "\n" for _ in range(9))
    file = put(name, lines.encode("cp1252"))
    with pytest.raises(CourseError) as caught:
        outcome(file, "strict")
    assert "JSON is in UTF-8: save the file so" in caught.value.hint
    assert "encoding = " not in caught.value.hint


def test_where_there_are_no_settings_none_is_named(put: Callable) -> None:
    with pytest.raises(CourseError, match="line 1, byte 1 ") as caught:
        [*lines(put("data.test.raw", b"d\xe9j\xe0\n"), "utf-8")]
    assert "01_split" in caught.value.hint
    assert "encoding =" not in caught.value.hint and "errors =" not in caught.value.hint


@pytest.mark.parametrize("kind", [".jsonl", ".csv", ".parquet", ".json"])
def test_a_run_is_one_place_in_files_of_every_kind(kind: str, put: Callable) -> None:
    file = put(f"a{kind}", WRITE[kind](["good", "bad XXXX, and X"]).replace(b"X", b"\xff"))
    if kind == ".parquet":
        pq.write_table(pa.table({"text": [b"good", b"bad \xff\xff\xff\xff, and \xff"]}), file)
    _, _, faults = outcome(file, "replace")
    assert faults.replaced == 2


def test_a_run_of_half_characters_is_one_place(put: Callable) -> None:
    content = rb'{"text": "bad \ud800\ud800\ud800, and \ud800"}'
    found, _, faults = outcome(put("a.jsonl", content), "replace")
    assert found == ["bad \ufffd\ufffd\ufffd, and \ufffd"] and faults.replaced == 2
    assert len(faults.named()) == 1 and faults.named()[0].count("ud800") == 1
