"""The benchmarks: every tool really runs, its bytes are really compared, the table says it all."""

import sys
from pathlib import Path

import pytest

from helpers.common.errors import CourseError
from helpers.common.processes import ALONE
from helpers.common.progress import Progress
from helpers.ids.dictionary import Dictionary
from helpers.stages.binarize import prepare_file
from helpers.tokens.bpe_files import encode_file
from tests.benchmarks import __main__ as bench
from tests.benchmarks import corpus, peers, report
from tests.benchmarks.corpus import Corpus, Documents
from tests.benchmarks.measure import Different, Step, memory_of, seconds_of

TOOLS = {peers.FAIRSEQ, peers.KIT, peers.KIT_STEPS, peers.HUGGING_FACE, peers.TIKTOKEN}
IN_TWO_STEPS = {peers.FAIRSEQ, peers.KIT_STEPS}


@pytest.fixture(scope="module")
def documents() -> Documents:
    return corpus.gather(200_000, workers=1)


@pytest.fixture
def small(documents: Documents, tmp_path: Path) -> Corpus:
    return corpus.write(documents, 50_000, tmp_path / "corpus 语料")


def python(code: str, tool: str = "a tool", **options: object) -> Step:
    return Step(tool, "both", [sys.executable, "-c", code], {}, **options)


@pytest.mark.long
def test_the_whole_of_it_measures_every_tool_once(tmp_path, capsys):
    arguments = ("--sizes", "0.2", "--repeats", "1", "--folder", str(tmp_path))
    assert bench.main(arguments) == 0
    printed, readme = capsys.readouterr().out, (tmp_path / "README.md").read_text("utf-8")
    both, encode, binarize, rest = (*printed.split("\ntool ")[1:4], readme)
    assert {tool for tool in TOOLS if f"\n{tool} " in both} == TOOLS
    for part in (encode, binarize):
        assert {tool for tool in TOOLS if f"\n{tool} " in part} == IN_TWO_STEPS
    rows = [line.split(" | ") for line in rest.splitlines() if " | 0.2 | " in line]
    assert len(rows) == 9
    assert all(float(row[2]) > 0 and row[4] == "1" for row in rows)
    assert "grows" not in rest  # one size says nothing on that
    assert (tmp_path / report.FIGURE).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("peer", [peers.kit, peers.kit_steps, peers.hugging_face])
def test_one_altered_byte_is_an_error(peer, small: Corpus, tmp_path: Path):
    folder, reference = tmp_path / "own", tmp_path / "reference"
    folder.mkdir()
    reference.mkdir()
    raw = small.raw["train"]
    encode_file(raw, reference / "train.bpe")
    with Progress(1, "bytes") as progress:
        prepare_file(raw, reference / "train", Dictionary.load(small.dictionary), ALONE, progress)
    for step in peer(small, folder, 1):
        bench.take(step, folder, reference)
        assert step.makes
        for name, file in step.makes.items():
            content = bytearray(file.read_bytes())
            content[len(content) // 2] ^= 1
            (reference / name).write_bytes(content)
            with pytest.raises(Different, match=name):
                bench.compare(step, reference)
            (reference / name).write_bytes(file.read_bytes())


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch, documents: Documents) -> dict[str, bytes]:
    """Tools that only write a few bytes, at once; the bytes that a tool writes, by its name."""
    content: dict[str, bytes] = {}

    def pretend(step: Step, log: Path) -> float:
        for file in step.makes.values():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.get(step.tool, b"same"))
        return 1.0

    monkeypatch.setattr(corpus, "gather", lambda enough, workers: documents)
    monkeypatch.setattr(bench, "seconds_of", pretend)
    monkeypatch.setattr(bench, "memory_of", pretend)
    return content


@pytest.mark.parametrize("tool", sorted(TOOLS - {peers.TIKTOKEN}))
def test_where_bytes_differ_nothing_is_written(tool, pretended, tmp_path, capsys):
    pretended[tool] = b"sane"
    assert bench.main(["--sizes", "0.01", "--folder", str(tmp_path)]) == 2
    assert "not byte for byte what fairseq made" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_fairseq_does_large_corpora_once_and_the_table_says_so(pretended, tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "LARGE", 0.015)
    result = bench.run([0.02, 0.01], 3, tmp_path)
    assert [times.bytes // 10_000 for times in result.times] == [1, 2]
    small, large = (
        {tool: len(its) for (tool, part), its in times.seconds.items() if part == "both"}
        for times in result.times
    )
    assert small == dict.fromkeys(TOOLS, 3)
    assert large == small | {peers.FAIRSEQ: 1}
    runs = [row[4] for row in report.rows(result, "both") if row[0] == peers.FAIRSEQ]
    assert runs == [3, 1]
    assert "size to the power" in (tmp_path / "README.md").read_text("utf-8")


def test_ratios_are_those_of_medians():
    seconds = {(peers.FAIRSEQ, "both"): [50.0, 30.0, 40.0], (peers.KIT, "both"): [4.0, 9.0, 5.0]}
    times = report.Times(10_000_000, seconds, 1)
    rows = report.rows(report.Bench([times], 2, 1, 1, 1, 0.0), "both")
    assert rows == [
        (peers.FAIRSEQ, "10", "40.00", "30.00–50.00", 3, "0.25", "1.0"),
        (peers.KIT, "10", "5.00", "4.00–9.00", 3, "2", "8.0"),
    ]


def test_a_corpus_is_the_same_each_time_and_mixed_anew_where_it_repeats(tmp_path):
    few = Documents([f"document {i}" for i in range(50)], 600, 1)
    one, two = (corpus.write(few, 3000, tmp_path / name) for name in "ab")
    text = one.raw["train"].read_text("utf-8")
    assert text == two.raw["train"].read_text("utf-8")
    found = text.removesuffix("\n\n").split("\n\n")
    assert 3000 <= one.bytes < 3020
    assert found[:50] == few.texts
    assert found[50:100] != few.texts
    assert sorted(found[50:100]) == sorted(few.texts)


def test_documents_are_distinct_and_hold_no_blank_lines(documents: Documents):
    assert len(set(documents.texts)) == len(documents.texts) > 50
    assert not any("\n\n" in text for text in documents.texts)
    assert documents.texts == corpus.gather(200_000, workers=1).texts


def test_the_memory_of_all_processes_counts(tmp_path):
    hold = "import time; held = b'x' * 60_000_000; time.sleep(1)"
    code = f"import subprocess, sys; held = b'x' * 60_000_000; {hold[:11]}; "
    code += f"subprocess.run([sys.executable, '-c', {hold!r}])"
    assert 120e6 < memory_of(python(code), tmp_path / "log") < 180e6


def test_time_is_the_process_own_where_it_says_so(tmp_path):
    assert seconds_of(python("import time; time.sleep(0.3)"), tmp_path / "log") > 0.3
    assert seconds_of(python("print('so', 0.125)", own_clock=True), tmp_path / "log") == 0.125


def test_a_tool_that_fails_is_named_with_its_last_words(tmp_path):
    step = python("raise SystemExit('the reason')", tool="some tool")
    with pytest.raises(CourseError, match=r"some tool(.|\n)*the reason"):
        seconds_of(step, tmp_path / "log")


@pytest.mark.parametrize("arguments", [("--sizes", "0"), ("--sizes", "x"), ("--repeats", "0")])
def test_what_cannot_be_measured_is_refused(arguments):
    with pytest.raises(SystemExit):
        bench.main(arguments)
