"""Encoding: byte for byte what fairseq's own encoder writes, whatever the text and the chunks."""

import functools
import io
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.common.errors import DamagedFile, StageMissing
from helpers.common.fairseq import run
from helpers.common.processes import Workers
from helpers.common.symbols import SPLITS
from helpers.explorer.corpus import corpus_tokens
from helpers.stages.road import ROAD
from helpers.text.chunks import chunk_texts, chunks_of, count_lines
from helpers.tokens import bpe_files as module
from helpers.tokens.bpe_files import count_bpe, encode_file, encoder_command
from helpers.tokens.gpt2 import GPT2_IDS, gpt2_encoding, gpt2_file
from helpers.tokens.line_ids import bpe_text, encode_lines, encoded_bytes
from helpers.workflow.settings import EncodeSettings, SplitSettings
from tests.support.awkward import TEXTS, text

# The mark can only be at the beginning, and a last line without its end only at the end.
ALL = "\n".join(
    sorted(TEXTS.values(), key=lambda t: (not t.startswith("\ufeff"), not t.endswith("\n")))
)


def text_mode(content: str) -> list[str]:
    return [*io.StringIO(content, newline=None)]


@pytest.fixture(scope="session")
def fairseq_encoder() -> Callable[[str], bytes]:
    """fairseq's encoder in this process: a file's content → the ``.bpe``."""
    from fairseq.examples.roberta.multiprocessing_bpe_encoder import MultiprocessingEncoder

    files = {"encoder_json": gpt2_file("encoder.json"), "vocab_bpe": gpt2_file("vocab.bpe")}
    encoder = MultiprocessingEncoder(Namespace(**files, keep_empty=True))
    encoder.initializer()

    def encode(content: str) -> bytes:
        lines = [encoder.encode_lines([line])[1][0] for line in text_mode(content)]
        return "".join(line + "\n" for line in lines).encode()

    return encode


@pytest.fixture(scope="session")
def everything(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """All awkward texts in one file, and what fairseq's own tool makes of it."""
    source = tmp_path_factory.mktemp("all texts") / "all.raw"
    source.write_bytes(ALL.encode())
    target = source.with_suffix(".bpe")
    run(encoder_command(source, target, 2), source.parent / "log")
    return source, target.read_bytes()


def encoded(source: Path, workers: int = 1) -> bytes:
    target = source.with_suffix(".ours")
    with Workers(workers) as these:
        lines, tokens, size = encode_file(source, target, these)
    written = target.read_bytes()
    assert (lines, tokens) == (written.count(b"\n"), len(written.split()))
    lines = text_mode(source.read_bytes().decode())
    assert size == encoded_bytes(source) == len("".join(map(str.strip, lines)).encode())
    return written


def test_the_file_is_fairseqs(everything: tuple[Path, bytes]):
    source, theirs = everything
    assert theirs.count(b"\n") == len(text_mode(ALL))
    assert encoded(source) == theirs


def test_worker_processes_give_the_same_file(everything: tuple[Path, bytes], monkeypatch):
    source, theirs = everything
    monkeypatch.setattr(module, "chunks_of", functools.partial(chunks_of, size=5000))
    assert encoded(source, workers=2) == theirs


@pytest.mark.parametrize("size", [1, 2, 3, 7, 10_000])
def test_borders_of_chunks_change_nothing(size: int, everything, monkeypatch):
    source, theirs = everything
    monkeypatch.setattr(module, "chunks_of", functools.partial(chunks_of, size=size))
    assert encoded(source) == theirs


@pytest.mark.parametrize("name", TEXTS)
def test_each_awkward_text_is_encoded_as_by_fairseq(name: str, fairseq_encoder, tmp_path: Path):
    source = tmp_path / "text.raw"
    source.write_bytes(TEXTS[name].encode())
    assert encoded(source) == fairseq_encoder(TEXTS[name])


@given(content=text)
def test_any_text_is_encoded_as_by_fairseq(content: str, fairseq_encoder):
    plain = "".join(text_mode(content))
    ours = bpe_text(encode_lines(plain)) if plain else b""
    assert ours == fairseq_encoder(content)


@given(content=text, size=st.integers(1, 9))
def test_chunks_are_whole_lines_of_text_mode(content: str, size: int, tmp_path_factory):
    file = tmp_path_factory.getbasetemp() / "chunks"
    file.write_bytes(content.encode())
    found = [*chunk_texts(file, size)]
    assert "".join(found) == "".join(text_mode(content))
    assert all(chunk.endswith("\n") for chunk in found[:-1])
    assert count_lines(file) == len(text_mode(content))


def test_a_million_empty_lines(tmp_path: Path):
    source = tmp_path / "empty.raw"
    source.write_bytes(b"\n" * 1_000_000)
    assert encoded(source) == b"\n" * 1_000_000


@pytest.mark.long
def test_a_line_of_50_megabytes(tmp_path: Path):
    line = "A line that never ends, 永远 "
    source, target = tmp_path / "long.raw", tmp_path / "long.bpe"
    source.write_text(line * (50_000_000 // len(line.encode())), "utf-8")
    assert encode_file(source, target)[0] == 1
    ids = np.fromstring(target.read_text(), dtype=np.int64, sep=" ").tolist()
    assert gpt2_encoding().decode(ids) == source.read_text("utf-8").strip()


def test_text_that_is_not_utf8_is_named_with_its_line(tmp_path: Path):
    source = tmp_path / "bad.raw"
    source.write_bytes("文\n".encode() * 100_000 + b"\xff\n")
    with pytest.raises(DamagedFile, match=r"bad\.raw, line 100001: not UTF-8"):
        encode_file(source, tmp_path / "bad.bpe")


# The stage


@pytest.fixture(params=["short", pytest.param("long", marks=pytest.mark.long)])
def divided(with_texts, request):
    """A workspace with its texts split; the share of test is zero.

    Long texts are for the long tests: fairseq takes the square of their length.
    """
    short = [text for name, text in TEXTS.items() if not name.startswith("long")]
    texts = [*TEXTS.values()] if request.param == "long" else short
    plain = {f"t{i}": text.replace("\0", "") for i, text in enumerate(texts)}
    workspace = with_texts(**plain)
    ROAD.run("split", workspace, SplitSettings(train=0.7, valid=0.3, test=0))
    return workspace


def test_both_engines_write_the_same_files(divided):
    reports, files = [], []
    for engine in ("fast", "fairseq"):
        settings = EncodeSettings(engine=engine, workers=1000)
        reports.append(ROAD.run("encode", divided, settings, force=True))
        files.append([divided.bpe(split).read_bytes() for split in SPLITS])
    assert files[0] == files[1] and files[0][2] == b""
    assert (reports[0].lines, reports[0].tokens) == (reports[1].lines, reports[1].tokens)
    assert all("1000 workers were asked for" in report.notes[0] for report in reports)


def test_the_students_own_files_are_taken_and_described(divided):
    for split in SPLITS:
        encode_file(divided.raw(split), divided.bpe(split))
    report = ROAD.run("encode", divided, EncodeSettings())
    made = ROAD.run("encode", divided, EncodeSettings(), force=True)
    assert any("Your own files are used as they are" in note for note in report.notes)
    assert (report.lines, report.tokens) == (made.lines, made.tokens)


def test_without_a_split_the_notebook_to_run_is_named(workspace):
    with pytest.raises(StageMissing, match="01_split"):
        ROAD.run("encode", workspace, EncodeSettings())


@pytest.mark.parametrize(
    ("bpe", "message"),
    [
        ("1 2\n\n3 4", r"a\.bpe breaks off in line 3"),
        ("1 2\n3\n", r"a\.bpe has 2 lines, but a\.raw has 3"),
        ("1\n2\n3\n4\n", r"a\.bpe has 4 lines, but a\.raw has 3"),
    ],
    ids=["no final newline", "fewer lines", "more lines"],
)
def test_a_damaged_file_is_named_with_its_position(bpe: str, message: str, tmp_path: Path):
    (tmp_path / "a.raw").write_text("a\n\nb")
    (tmp_path / "a.bpe").write_text(bpe)
    with pytest.raises(DamagedFile, match=message):
        count_bpe(tmp_path / "a.bpe", tmp_path / "a.raw")


def test_lines_and_tokens_are_counted(tmp_path: Path):
    (tmp_path / "a.bpe").write_text("1 2\n\n50256\n")
    assert count_bpe(tmp_path / "a.bpe") == (3, 3)


@given(st.lists(st.lists(st.integers(0, GPT2_IDS - 1), max_size=5), min_size=1, max_size=8))
def test_ids_are_written_as_the_encoder_writes_them(lines: list[list[int]]):
    ids = np.array([i for line in lines for i in (*line, -1)])
    assert bpe_text(ids) == "".join(" ".join(map(str, line)) + "\n" for line in lines).encode()


def test_a_token_has_as_many_bytes_here_as_in_the_explorer(with_texts):
    """Without line ends, and without white space around lines, which no token holds."""
    work = with_texts(a="　　春天来了。 \n\nHello world, hello.\n\n" * 3 + "The end.\n\n x y \n")
    ROAD.run("split", work, SplitSettings(train=1, valid=0, test=0, deduplicate=False))
    for engine in ("fast", "fairseq"):
        report = ROAD.run("encode", work, EncodeSettings(engine=engine, workers=1), force=True)
        shown = dict(corpus_tokens(work, "train").table()[1])["bytes a token"]
        assert report.bytes[0] / report.tokens[0] == shown
        assert report.bytes[0] == sum(
            len(line.strip().encode()) for line in work.raw("train").read_text("utf-8").split("\n")
        )
