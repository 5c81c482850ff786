"""Text to binary files in one pass: the bytes of fairseq's two tools, whatever the chunks."""

import functools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.__main__ import main
from helpers.common.errors import CourseError, DamagedFile, StageMissing, StageStale
from helpers.common.fairseq import run
from helpers.common.processes import Workers
from helpers.common.progress import Progress
from helpers.common.report import Report
from helpers.common.symbols import SPLITS, UNK
from helpers.ids.binary_files import binarize_file, read_lines
from helpers.ids.data_bin import binarized_files, preprocess_command
from helpers.stages import binarize as module
from helpers.stages.binarize import prepare_file
from helpers.stages.road import ROAD
from helpers.text.chunks import Chunk, chunks_of
from helpers.tokens.bpe_files import encode_file, encoder_command
from helpers.workflow.definition import Stage
from helpers.workflow.road import Road
from helpers.workflow.settings import PrepareSettings
from helpers.workflow.workspace import Workspace
from tests.support import road
from tests.support.awkward import TEXTS, text

DICTIONARY = road.own_order()
ALL = "\n".join(TEXTS.values()) + "\n"


def prepared(raw: Path, size: int | None = None, workers: int = 1) -> tuple[bytes, bytes]:
    """The content of ``.bin`` and ``.idx``."""
    with pytest.MonkeyPatch.context() as patch, Progress(raw.stat().st_size, "bytes") as progress:
        if size:
            patch.setattr(module, "chunks_of", functools.partial(chunks_of, size=size))
        prefix = raw.with_name("prepared")
        with Workers(workers) as these:
            counts = prepare_file(raw, prefix, DICTIONARY, these, progress)
        assert progress.done == raw.stat().st_size
    lines = read_lines(prefix)
    tokens = sum(map(len, lines)) - len(lines)
    size = prefix.with_suffix(".bin").stat().st_size
    assert counts == (len(lines), tokens, size, sum(int((line == UNK).sum()) for line in lines))
    return prefix.with_suffix(".bin").read_bytes(), prefix.with_suffix(".idx").read_bytes()


def in_two_steps(raw: Path) -> tuple[bytes, bytes]:
    """The same by encoding and binarizing."""
    bpe, prefix = raw.with_suffix(".bpe"), raw.with_name("two")
    encode_file(raw, bpe)
    binarize_file(bpe, prefix, DICTIONARY)
    return prefix.with_suffix(".bin").read_bytes(), prefix.with_suffix(".idx").read_bytes()


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[bytes, bytes]]:
    """All awkward texts, and what fairseq's own two tools make of them."""
    folder = tmp_path_factory.mktemp("all 文本")
    raw, bpe, out = folder / "all.raw", folder / "all.bpe", folder / "out"
    raw.write_bytes(ALL.encode())
    run(encoder_command(raw, bpe, 1), folder / "log")
    (folder / "given.txt").write_text(DICTIONARY.text())
    run(preprocess_command({"train": bpe}, folder / "given.txt", out, 1), folder / "log")
    return raw, ((out / "train.bin").read_bytes(), (out / "train.idx").read_bytes())


@pytest.mark.parametrize("size", [1, 2, 3, 100, 10_000, None])
def test_the_bytes_are_those_of_fairseqs_two_tools(everything, size: int | None) -> None:
    raw, theirs = everything
    assert prepared(raw, size) == theirs


def test_worker_processes_give_the_same(everything) -> None:
    raw, theirs = everything
    assert prepared(raw, 20_000, workers=2) == theirs


@given(content=text, size=st.integers(1, 9))
def test_any_text_gives_the_bytes_of_the_two_steps(content: str, size: int, tmp_path_factory):
    raw = tmp_path_factory.getbasetemp() / "any.raw"
    raw.write_bytes(content.encode())
    assert prepared(raw, size) == in_two_steps(raw)


@pytest.mark.parametrize("end", ["\r\n", "\r", "\n"])
@pytest.mark.parametrize("word", ["a", "好", "🙂"])
def test_no_border_falls_into_a_line_end_or_a_character(end: str, word: str, tmp_path: Path):
    raw = tmp_path / "borders.raw"
    raw.write_bytes((word * 3 + end).encode() * 20)
    for size in range(1, 30):
        found = list(chunks_of(raw, size))
        assert all(chunk.text() == f"{word * 3}\n" * chunk.text().count("\n") for chunk in found)
        assert [s.start for s in found[1:]] == [s.start + s.size for s in found[:-1]]
    assert prepared(raw, 1) == in_two_steps(raw)


def test_a_carriage_return_at_the_border_of_a_block(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("helpers.text.chunks.BLOCK", 4)
    raw = tmp_path / "block.raw"
    for before in range(1, 12):
        for end in (b"\r\n", b"\r", b"\n"):
            raw.write_bytes(b"x" * before + end + b"y" * 9 + end)
            assert [s.text() for s in chunks_of(raw, 1)] == ["x" * before + "\n", "y" * 9 + "\n"]


def test_a_million_empty_lines(tmp_path: Path) -> None:
    raw = tmp_path / "empty.raw"
    raw.write_bytes(b"\n" * 1_000_000)
    data, _ = prepared(raw)
    assert data == b"\x02\x00" * 1_000_000


@pytest.mark.long
def test_a_line_of_50_megabytes(tmp_path: Path) -> None:
    line = "A line that never ends, 永远 "
    raw = tmp_path / "long.raw"
    raw.write_text(line * (50_000_000 // len(line.encode())) + "\nand an end", "utf-8")
    assert prepared(raw) == in_two_steps(raw)


def test_bytes_that_are_not_utf8_are_named_with_their_line(tmp_path: Path) -> None:
    raw = tmp_path / "bad.raw"
    raw.write_bytes("文\n".encode() * 100 + b"\xff\n" + b"x\n" * 100)
    for workers in (1, 2):
        with pytest.raises(DamagedFile, match=r"bad\.raw, line 101: not UTF-8") as caught:
            prepared(raw, 50, workers)
        assert "Split the original texts again" in caught.value.hint


def test_a_file_that_becomes_shorter_while_it_is_read_is_refused(tmp_path: Path) -> None:
    raw = tmp_path / "short.raw"
    raw.write_text("a line\n")
    [chunk] = chunks_of(raw)
    raw.write_text("a")
    with pytest.raises(CourseError, match="has become shorter"):
        chunk.text()
    assert Chunk(raw, 0, 1).text() == "a"


# The stage


@pytest.fixture
def work(workspace: Workspace) -> Workspace:
    road.begin(workspace)
    road.do(workspace, "split")
    return workspace


def data(workspace: Workspace) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in binarized_files(workspace.data_bin)}


def test_it_makes_what_encoding_and_binarizing_make_and_says_the_same(work: Workspace) -> None:
    report = road.do(work, "prepare")
    made = data(work)
    assert not work.bpe("train").exists()
    road.do(work, "encode")
    assert road.do(work, "binarize") == report
    assert data(work) == made
    assert road.do(work, "prepare", force=True) == report


def test_the_same_is_not_done_twice_and_the_record_has_one_maker(work: Workspace) -> None:
    road.do(work, "prepare")
    assert road.do(work, "prepare").reused
    assert {"prepare"} == {*work.record.stages} - {"split"}
    road.do(work, "encode")
    assert not road.do(work, "binarize").reused
    assert {"encode", "binarize"} == {*work.record.stages} - {"split"}
    assert work.record.moving == {}


def reader(workspace: Workspace) -> Report:
    """A stage that reads the data, as fine-tuning does."""
    stage = Stage(
        name="read",
        does="reads the data, as fine-tuning does",
        notebook="04_finetune",
        settings=PrepareSettings,
        report=Report,
        inputs=lambda workspace, settings: binarized_files(workspace.data_bin),
        outputs=lambda workspace: [workspace.root / "read"],
        work=lambda job: job.out(workspace.root / "read").write_text("x") and Report(),
        after=("binarize", "prepare"),
    )
    return Road(*ROAD.values(), stage).run("read", workspace, PrepareSettings())


@pytest.mark.parametrize("last", [("prepare",), ("encode", "binarize")])
def test_what_comes_next_knows_whoever_made_the_data_last(work: Workspace, last) -> None:
    for name in ("prepare", "encode", "binarize", "prepare", *last):
        road.do(work, name)
    assert reader(work).notes == ()
    (work.texts / "b.txt").write_text(road.text("plum"))
    road.do(work, "split")
    with pytest.raises(StageStale):
        reader(work)
    for name in last:
        road.do(work, name)
    assert not reader(work).reused


def test_a_token_that_the_dictionary_lacks_is_told(work: Workspace) -> None:
    work.base_dict.write_text("13 1\n18040 1\n")
    report = road.do(work, "prepare")
    assert sum(report.unknown) > 0
    assert "became <unk>" in report.notes[-1]


def test_without_the_splits_or_a_dictionary_the_notebook_to_run_is_named(workspace: Workspace):
    with pytest.raises(StageMissing, match=r"dict\.txt is not there yet"):
        ROAD.run("prepare", workspace, PrepareSettings())
    road.begin(workspace)
    with pytest.raises(StageMissing, match=r"data\.train\.raw") as caught:
        ROAD.run("prepare", workspace, PrepareSettings())
    assert "01_split" in caught.value.hint


def test_it_is_a_command(work: Workspace, capsys) -> None:
    assert main(["prepare", "--workspace", str(work.root), "--workers", "1"]) == 0
    assert "train.bin" in capsys.readouterr().out
    assert all((work.data_bin / f"{split}.idx").is_file() for split in SPLITS)
