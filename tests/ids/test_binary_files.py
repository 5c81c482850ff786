"""Binarizing: the bytes of ``fairseq-preprocess``, read back by fairseq's own reader."""

import re
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.common.errors import CourseError, DamagedFile
from helpers.common.fairseq import run
from helpers.common.processes import Workers
from helpers.common.symbols import SPLITS
from helpers.ids import binary_files as module
from helpers.ids.binary_files import (
    TYPES,
    Counts,
    IndexedWriter,
    Lines,
    binarize_file,
    index_table,
    line_sizes,
    read_counts,
    read_lines,
    read_sizes,
)
from helpers.ids.data_bin import binarize_folder, binarized_files, preprocess_command
from helpers.ids.dictionary import Dictionary
from helpers.stages.road import ROAD
from helpers.text.chunks import chunks_of
from helpers.tokens.bpe_files import encode_file, parse_bpe
from helpers.tokens.gpt2 import GPT2_IDS
from helpers.workflow.settings import BinarizeSettings, EncodeSettings, SplitSettings
from helpers.workflow.workspace import Workspace
from tests.support.awkward import TEXTS

BPE = "15496 995\n\n\n  13   262 \n \n50256 0\n" + "198 628\n" * 50 + "\n"
LINES = st.lists(st.lists(st.integers(0, GPT2_IDS - 1), max_size=6), min_size=1, max_size=9)


@pytest.fixture(scope="session")
def parts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Awkward lines with blanks and strange spaces, all awkward texts, and nothing."""
    folder = tmp_path_factory.mktemp("encoded 编码")
    (folder / "raw").write_text("\n".join(TEXTS.values()) + "\n", "utf-8")
    encode_file(folder / "raw", folder / "train")
    (folder / "valid").write_text(BPE)
    (folder / "test").write_text("")
    return {split: folder / split for split in SPLITS}


TWO = pytest.param(2, marks=pytest.mark.long)  # fairseq's own promise


@pytest.fixture(scope="session", params=[1, TWO], ids=["one worker", "two workers"])
def theirs(request, parts, dictionary: Dictionary, tmp_path_factory) -> Path:
    """What ``fairseq-preprocess`` makes of these."""
    folder = tmp_path_factory.mktemp("fairseq")
    (folder / "given.txt").write_text(dictionary.text())
    command = preprocess_command(parts, folder / "given.txt", folder / "out", request.param)
    run(command, folder / "log")
    return folder / "out"


@pytest.mark.parametrize("workers", [1, 2])
def test_every_file_is_fairseqs(workers, theirs, parts, dictionary, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "chunks_of", lambda file: chunks_of(file, 20_000))
    with Workers(workers) as these:
        binarize_folder(parts, dictionary, tmp_path, these)
    files = binarized_files(tmp_path)
    assert len(files) == 7
    for file in files:
        assert file.read_bytes() == (theirs / file.name).read_bytes(), file.name


def test_fairseqs_reader_sees_the_same_lines(parts, dictionary: Dictionary, tmp_path: Path):
    from fairseq.data.data_utils import load_indexed_dataset

    binarize_folder(parts, dictionary, tmp_path)
    for split in ("train", "valid"):
        data = load_indexed_dataset(str(tmp_path / split))
        ours = read_lines(tmp_path / split)
        assert len(data) == len(ours) == parts[split].read_text().count("\n")
        assert all(a.tolist() == b.tolist() for a, b in zip(data, ours, strict=True))
        assert data.sizes.tolist() == [len(line) for line in ours]
    assert read_lines(tmp_path / "test") == []


def test_every_line_keeps_its_tokens(dictionary: Dictionary, tmp_path: Path):
    (tmp_path / "a.bpe").write_text(BPE)
    assert binarize_file(tmp_path / "a.bpe", tmp_path / "a", dictionary) == Counts(
        57, 106, 2 * (57 + 106), 0
    )
    expected = [[*(dictionary.index(s) for s in line.split()), 2] for line in BPE.splitlines()]
    assert [line.tolist() for line in read_lines(tmp_path / "a")] == expected


@given(LINES, st.booleans())
def test_parsing_gives_every_id_and_line_end(lines: list[list[int]], final_newline: bool):
    text = "\n".join(" ".join(map(str, line)) for line in lines) + "\n"
    ids = parse_bpe(text if final_newline else text.removesuffix("\n") or "\n")
    if final_newline or lines[-1]:
        assert ids.tolist() == [i for line in lines for i in (*line, -1)]
    if final_newline:
        assert line_sizes(ids).tolist() == [len(line) + 1 for line in lines]


@given(LINES, st.data())
def test_the_first_wrong_word_is_found(lines: list[list[int]], data: st.DataObject):
    wrong = data.draw(st.sampled_from(["50257", "99999", "9" * 40, "007", "-1", "1.5", "a", "一"]))
    words = [[str(i) for i in line] for line in lines]
    number = data.draw(st.integers(0, len(words) - 1))
    words[number].insert(data.draw(st.integers(0, len(words[number]))), wrong)
    text = "".join(" ".join(line) + "\n" for line in words)
    with pytest.raises(ValueError) as caught:
        parse_bpe(text)
    offset, what = caught.value.args
    assert text.count("\n", 0, offset) == number
    strange = re.search("[^0-9]", wrong)
    digits = f"the token {wrong[:20]} is none of 0 to 50256"
    assert what == (f"{strange[0]!r} is not a digit" if strange else digits)


@given(
    sizes=st.lists(st.integers(1, 2**20), max_size=20),
    types=st.sampled_from([50264, 65499, 65500]),
)
def test_an_index_is_fairseqs(sizes: list[int], types: int, tmp_path_factory):
    from fairseq.data.indexed_dataset import MMapIndexedDataset, best_fitting_int_dtype

    folder = tmp_path_factory.getbasetemp()
    with (
        pytest.MonkeyPatch.context() as patch,
        IndexedWriter(folder / "ours", types) as out,
    ):
        patch.setattr(module, "BLOCK", 12)  # bytes: offsets are computed for three lines at a time
        for size in sizes:
            out.add(Lines(b"", np.array([size], "<i4").tobytes(), 0))
    with MMapIndexedDataset.Index.writer(folder / "f.idx", best_fitting_int_dtype(types)) as index:
        index.write(sizes)
    assert (folder / "ours.idx").read_bytes() == (folder / "f.idx").read_bytes()


def test_a_token_that_the_dictionary_lacks_becomes_unk():
    small = Dictionary(("13", "262"), (5, 4))
    assert index_table(small)[parse_bpe("13 7 262\n\n")].tolist() == [4, 3, 5, 2, 2]


# Damage


@pytest.mark.parametrize("wrong", ["50257", "x", "1e3", "-7", "00", "\t"])
def test_a_wrong_token_is_named_with_its_line(wrong, dictionary, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "chunks_of", lambda file: chunks_of(file, 100))
    (tmp_path / "a.bpe").write_text("1 2 3\n" * 500 + f"4 {wrong} 5\n" + "6\n" * 500)
    with pytest.raises(DamagedFile, match=r"a\.bpe, line 501: "):
        binarize_file(tmp_path / "a.bpe", tmp_path / "a", dictionary)


DAMAGE = {
    "another head": ("idx", lambda b: b"TNTIDX" + b[6:], "is not an index"),
    "empty": ("idx", lambda b: b"", "is not an index"),
    "a type fairseq has not": ("idx", lambda b: b[:17] + b"\x63" + b[18:], "should have"),
    "cut index": ("idx", lambda b: b[:-1], "should have 74 bytes for 4 lines, and has 73"),
    "another count": ("idx", lambda b: b[:18] + struct.pack("<Q", 2**60) + b[26:], "should have"),
    "cut data": ("bin", lambda b: b[:-2], r"a\.bin should have 18 bytes by its .idx, and has 16"),
    "longer data": ("bin", lambda b: b + b"\2\0", "has 20"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_files_are_refused(damage: str, dictionary: Dictionary, tmp_path: Path):
    (tmp_path / "a.bpe").write_text("1 2\n\n3\n4 5\n")
    binarize_file(tmp_path / "a.bpe", tmp_path / "a", dictionary)
    assert read_sizes(tmp_path / "a")[0].tolist() == [3, 1, 2, 3]
    kind, spoil, message = DAMAGE[damage]
    file = tmp_path / f"a.{kind}"
    file.write_bytes(spoil(file.read_bytes()))
    with pytest.raises(DamagedFile, match=message) as caught:
        read_sizes(tmp_path / "a")
    assert str(file) in caught.value.message and "03_binarize" in caught.value.hint


@pytest.mark.parametrize("code", [8, 4])
@pytest.mark.parametrize("block", [4, module.BLOCK])
def test_an_index_beyond_the_dictionary_is_named_with_its_place(
    code: int, block: int, dictionary: Dictionary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BLOCK", block)
    monkeypatch.setattr(module, "type_code", lambda types: code)
    numbers = np.array([7, 2, 2, 8, dictionary.mask, 9, 2], TYPES[code])
    sizes = np.array([2, 1, 4], "<i4").tobytes()
    with IndexedWriter(tmp_path / "a", len(dictionary)) as out:
        out.add(Lines(numbers.tobytes(), sizes, 0))
    assert read_counts(tmp_path / "a", dictionary) == Counts(3, 4, numbers.nbytes, 0)
    numbers[5] = wrong = dictionary.mask + 1 if code == 8 else -1
    (tmp_path / "a.bin").write_bytes(numbers.tobytes())
    with pytest.raises(DamagedFile, match=rf"a\.bin, line 3, token 3: the index {wrong:,} is none"):
        read_counts(tmp_path / "a", dictionary)


# The stage


@pytest.fixture
def ready(with_texts, dictionary: Dictionary) -> Workspace:
    """Encoded texts beside a base that is the student's own; the share of test is zero."""
    workspace = with_texts(a="\n\n".join(f"Document {i}\nis short." for i in range(60)))
    workspace.base_dict.parent.mkdir()
    workspace.base_dict.write_text(dictionary.text())
    workspace.base_model.write_bytes(b"not read here")
    ROAD.run("split", workspace, SplitSettings(train=0.9, valid=0.1, test=0))
    ROAD.run("encode", workspace, EncodeSettings())
    return workspace


def test_both_engines_write_the_same_folder(ready: Workspace):
    results = []
    for engine in ("fast", "fairseq"):
        settings = BinarizeSettings(engine=engine, workers=1000)
        report = ROAD.run("binarize", ready, settings, force=True)
        names = sorted(file.name for file in ready.data_bin.iterdir())
        results.append((names, [f.read_bytes() for f in binarized_files(ready.data_bin)], report))
        assert any("1000 workers were asked for" in note for note in report.notes)
    assert results[0] == results[1]
    report = results[0][2]
    assert report.types == 50264 and report.lines[2] == report.tokens[2] == report.bytes[2] == 0


def test_unknown_tokens_are_counted_and_noted(ready: Workspace):
    ready.base_dict.write_text(Dictionary(("13", "318"), (2, 1)).text())
    report = ROAD.run("binarize", ready, BinarizeSettings())
    assert report.unknown[0] == report.tokens[0] - 54  # all but the full stops
    assert any("became <unk>" in note for note in report.notes)


SPOILED = {
    "token": (lambda s: s.replace("1", "50257", 1), r"data\.train\.bpe, line 1: "),
    "letter": (lambda s: s[:-1] + " b\n", r"data\.train\.bpe, line \d+: 'b'"),
    "no final newline": (lambda s: s[:-1], r"data\.train\.bpe breaks off in line 161"),
    "fewer lines": (lambda s: s.split("\n", 1)[1], r"has 160 lines, but data\.train\.raw has 161"),
}


@pytest.mark.parametrize("engine", ["fast", "fairseq"])
@pytest.mark.parametrize("damage", SPOILED)
def test_a_damaged_bpe_stops_both_engines(damage: str, engine: str, ready: Workspace):
    spoil, message = SPOILED[damage]
    file = ready.bpe("train")
    file.write_text(spoil(file.read_text()))
    with pytest.raises(CourseError, match=message):
        ROAD.run("binarize", ready, BinarizeSettings(engine=engine))
    assert not ready.data_bin.exists()


def test_another_dictionary_is_refused(ready: Workspace, dictionary: Dictionary):
    ROAD.run("binarize", ready, BinarizeSettings())
    other = Dictionary(dictionary.symbols[::-1], dictionary.counts[::-1])
    (ready.data_bin / "dict.txt").write_text(other.text())
    with pytest.raises(CourseError, match="not the dictionary of the base model"):
        ROAD.run("binarize", ready, BinarizeSettings())


def test_a_data_bin_of_ones_own_with_such_an_index_is_refused(ready: Workspace) -> None:
    ROAD.run("binarize", ready, BinarizeSettings())
    file = ready.data_bin / "train.bin"
    file.write_bytes(b"\xff\xff" + file.read_bytes()[2:])
    with pytest.raises(DamagedFile, match=r"train\.bin, line 1, token 1: the index 65,535"):
        ROAD.run("binarize", ready, BinarizeSettings())
