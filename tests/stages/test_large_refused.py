"""What is refused is refused at its beginning: no gigabytes are read for a fingerprint first."""

import os
import sys
from pathlib import Path

import pytest

from helpers.common.errors import CourseError
from helpers.stages.road import ROAD
from helpers.workflow.settings import SplitSettings
from helpers.workflow.workspace import Workspace

SIZE = 10 << 30  # bytes; the file has a hole, and takes no room
MOST = 64 << 20  # bytes that may be read
BEGINS = {  # name, beginning, what is said
    "zeros": ("a.txt", b"", "a file of zeros"),
    "text and zeros": ("a.txt", b"text\n", "holds NUL"),
    "a picture": ("a.txt", b"\x89PNG\r\n", "a PNG picture"),
    "a page": ("a.txt", b"<!DOCTYPE html>\n<html>", "an HTML page"),
    "no gzip": ("a.txt.gz", b"text", "no gzip archive"),
    "no zstd": ("a.jsonl.zst", b"text", "no zstd archive"),
    "no Parquet": ("a.parquet", b"PAR1", "no Parquet file"),
    "no such field": ("a.jsonl", b'{"body": "one"}\n' * 100_000, "no field 'text'"),
    "no object": ("a.jsonl", b"[1]\n" * 300_000, "no JSON object"),
    "no such column": ("a.csv", b"id,body\n" + b"1,one\n" * 300_000, "no column 'text'"),
    "another encoding": ("a.txt", "编码\n".encode("gb18030") * 300_000, "is not utf-8"),
}
AUTO = ("zeros", "a picture", "a page", "no gzip", "no Parquet", "no such field")
PAIRS = [*((case, "utf-8") for case in BEGINS), *((case, "auto") for case in AUTO)]


@pytest.mark.skipif(sys.platform != "linux", reason="what is read is counted in /proc")
@pytest.mark.parametrize(("case", "encoding"), PAIRS)
def test_little_is_read_of_what_is_refused(case: str, encoding: str, workspace: Workspace) -> None:
    name, begins, said = BEGINS[case]
    workspace.texts.mkdir(parents=True)
    (workspace.texts / "0.txt").write_text("a good one")
    (workspace.texts / name).write_bytes(begins)
    os.truncate(workspace.texts / name, SIZE)
    before = _read()
    with pytest.raises(CourseError, match=said):
        ROAD.run("split", workspace, SplitSettings(encoding=encoding))
    assert _read() - before < MOST


def _read() -> int:
    counts = Path("/proc/self/io").read_text()
    return int(counts.split("rchar: ")[1].split()[0])


def test_a_file_that_was_read_before_is_not_looked_at_again(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.texts.mkdir(parents=True)
    (workspace.texts / "a.txt").write_text("one\n\ntwo\n\nthree")
    ROAD.run("split", workspace, SplitSettings())
    monkeypatch.setattr("helpers.text.decoding.archives._unpacking", None)
    assert ROAD.run("split", workspace, SplitSettings()).reused
