"""Splitting by document: exact shares, nothing lost, the same division every time."""

import json
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.common.errors import CourseError
from helpers.common.symbols import SPLITS
from helpers.stages.road import ROAD
from helpers.stages.split import SPLIT, SplitReport
from helpers.text import splitter as module
from helpers.text.documents import MOST
from helpers.text.places import shares_of
from helpers.tokens.line_ids import encode_lines
from helpers.workflow.settings import SplitSettings
from helpers.workflow.workspace import Workspace
from tests.support.awkward import TEXTS
from tests.support.input_makers import ALL


def split(workspace: Workspace, **settings):
    return ROAD.run("split", workspace, SplitSettings(**settings))


def raw(workspace: Workspace) -> dict[str, str]:
    return {name: workspace.raw(name).read_bytes().decode() for name in SPLITS}


def numbered(n: int, first: int = 0) -> str:
    return "\n\n".join(f"Document {i}.\nIt says {i * i}." for i in range(first, first + n))


def documents_of(content: str) -> list[str]:
    return [d for d in content.rstrip("\n").split("\n\n") if d]


@given(
    total=st.integers(3, 10**7),
    weights=st.lists(st.integers(0, 1000), min_size=3, max_size=3).filter(any),
)
def test_shares_are_exact_by_largest_remainder(total: int, weights: list[int]):
    shares = [weight / sum(weights) for weight in weights]
    parts = shares_of(total, shares)
    assert sum(parts) == total
    assert all((part > 0) == (weight > 0) for part, weight in zip(parts, weights, strict=True))
    exact, ones = [total * weight / sum(weights) for weight in weights], parts.count(1)
    assert all(p == 1 or abs(p - e) < 1 + ones for p, e in zip(parts, exact, strict=True))


@pytest.mark.parametrize(
    ("total", "shares", "parts"),
    [
        (10, (0.7, 0.2, 0.1), [7, 2, 1]),
        (10, (0.1, 0.2, 0.7), [1, 2, 7]),
        (1_000_000, (0.7, 0.2, 0.1), [700_000, 200_000, 100_000]),
        (3, (0.98, 0.01, 0.01), [1, 1, 1]),
        (11, (0.5, 0.25, 0.25), [5, 3, 3]),
        (5, (1.0, 0, 0), [5, 0, 0]),
        (5, (1 - 1e-12, 1e-12, 0), [5, 0, 0]),
    ],
)
def test_shares_of_known_numbers(total: int, shares: tuple, parts: list[int]):
    assert shares_of(total, shares) == parts


def test_shares_that_add_up_in_decimals_are_accepted(with_texts):
    report = split(with_texts(a=numbered(10)), train=0.7, valid=0.2, test=0.1)
    assert report.documents == (7, 2, 1)


def test_too_few_documents_are_an_error(with_texts):
    with pytest.raises(CourseError, match="There are 2 different documents, too few for 3 splits"):
        split(with_texts(a="one\n\ntwo\n\none\n"))


def test_a_share_of_zero_gives_an_empty_file(with_texts):
    workspace = with_texts(a="one\n\ntwo\n")
    assert split(workspace, train=0.5, valid=0.5, test=0).documents == (1, 1, 0)
    assert raw(workspace)["test"] == ""


def test_the_order_of_the_files_does_not_matter(with_texts, tmp_path: Path):
    one = with_texts(a=numbered(30), b=numbered(30, 30))
    other = Workspace(tmp_path / "other")
    other.texts.mkdir(parents=True)
    (other.texts / "a.txt").write_text(numbered(30, 30))
    (other.texts / "b.txt").write_text(numbered(30))
    split(one)
    split(other)
    for name in SPLITS:
        assert {*documents_of(raw(one)[name])} == {*documents_of(raw(other)[name])}


def test_the_same_seed_gives_the_same_bytes_and_another_another_division(with_texts):
    workspace = with_texts(a=numbered(50))
    results = [split(workspace, seed=seed) and raw(workspace) for seed in (1, 2, 1)]
    assert results[0] == results[2]
    assert results[0]["test"] != results[1]["test"]


@pytest.mark.parametrize("deduplicate", [True, False])
def test_equal_documents_never_fall_into_two_splits(deduplicate: bool, with_texts):
    text = numbered(40)
    crlf = ("\n \n" + text + "\n\n").replace("\n", "\r\n")
    workspace = with_texts(a=text, b=crlf, c=text.replace("\n", "\r"))
    report = split(workspace, deduplicate=deduplicate)
    sets = [{*documents_of(content)} for content in raw(workspace).values()]
    assert sum(map(len, sets)) == len(set.union(*sets)) == 40
    assert sum(report.documents) == (40 if deduplicate else 120)
    assert report.duplicates == (80 if deduplicate else 0)


def test_shares_are_of_distinct_documents(with_texts):
    workspace = with_texts(a=numbered(20), b="same\n\n" * 500)
    assert split(workspace, train=0.5, valid=0.3, test=0.2).documents == (11, 6, 4)


# What is written

WRITTEN = {
    "blank-line": "a\nb\n\nc\n\nd\n",
    "file": "a\nb\n\n\nc\n\nd\n",
    "line": "a\n\nb\n\nc\n\nd\n",
}


@pytest.mark.parametrize("unit", WRITTEN)
def test_units_are_parted_by_one_blank_line(unit: str, with_texts):
    workspace = with_texts(a="\n \na\nb\n\n\t\nc\n\n\n", b="\ufeff\nd")
    split(workspace, unit=unit, **ALL)
    assert raw(workspace)["train"] == WRITTEN[unit]


@pytest.mark.parametrize("limit", [0, 16])
@pytest.mark.parametrize("unit", WRITTEN)
def test_no_text_is_lost(unit: str, limit: int, with_texts):
    texts = {f"t{i}": t.replace("\0", "") for i, t in enumerate(TEXTS.values())}
    workspace = with_texts(**texts)
    report = split(workspace, unit=unit, deduplicate=False, max_line_tokens=limit)
    given_lines = [
        line
        for text in texts.values()
        for line in text.removeprefix("\ufeff")
        .replace("\r\n", "\n")
        .replace("\r", "\n")
        .split("\n")
        if line.strip()
    ]
    found = "".join(raw(workspace).values())
    assert (report.wrapped > 0) == (limit > 0)
    if limit == 0:
        lines = [line for line in found.split("\n") if line.strip()]
        assert sorted(lines) == sorted(given_lines)
    letters = sorted(found.replace("\n", ""))
    assert letters == sorted("".join(given_lines))
    assert sum(report.characters) == len(letters)


CASES = st.lists(st.text("ab \n\r\u3000é。", max_size=30), min_size=1, max_size=6)


@given(texts=CASES, unit=st.sampled_from([*WRITTEN]), seed=st.integers(0, 9))
def test_every_line_is_kept_in_its_document(texts, unit, seed, tmp_path_factory):
    workspace = Workspace(tmp_path_factory.mktemp("kept"))
    workspace.texts.mkdir()
    for i, text in enumerate(texts):
        (workspace.texts / f"{i}.txt").write_bytes(text.encode())
    plain = "\n".join(texts).replace("\r\n", "\n").replace("\r", "\n")
    given_lines = sorted(line for line in plain.split("\n") if line.strip())
    if not given_lines:
        return
    split(workspace, unit=unit, seed=seed, deduplicate=False, max_line_tokens=0, **ALL)
    found = raw(workspace)["train"]
    assert sorted(line for line in found.split("\n") if line.strip()) == given_lines
    assert found.endswith("\n") and not found.startswith("\n") and not found.endswith("\n\n")


def test_the_report_counts_what_is_in_the_files(with_texts):
    workspace = with_texts(a=numbered(20))
    report = split(workspace)
    contents = raw(workspace).values()
    assert report.documents == tuple(len(documents_of(content)) for content in contents)
    assert report.lines == tuple(2 * n for n in report.documents)
    assert SPLIT.describe(workspace).table() == report.table()


def test_empty_files_are_a_note_unless_there_is_nothing_else(with_texts):
    workspace = with_texts(a="", b=" \n\n", c=numbered(9))
    assert {"a.txt is empty.", "b.txt is empty."} <= {*split(workspace).notes}
    (workspace.texts / "c.txt").unlink()
    with pytest.raises(CourseError, match=r"no text in .*a\.txt"):
        split(workspace)


def test_encodings_may_differ_from_file_to_file(with_texts):
    chinese = "这是一个测试，我们在这里看一看结果。"
    workspace = with_texts(a=chinese.encode("gb18030"), b="Hello".encode("utf-16"), c="naïve")
    report = split(workspace, encoding="auto", **ALL)
    assert raw(workspace)["train"] == f"{chinese}\n\nHello\n\nnaïve\n"
    assert any("a.txt (gb18030), b.txt (utf-16), c.txt (utf-8)" in n for n in report.notes)


def test_after_an_error_nothing_is_left_behind(with_texts):
    workspace = with_texts(a=numbered(9), b=b"\xff\xfe\xfd")
    with pytest.raises(CourseError, match=r"b\.txt is not .*line 1, byte"):
        split(workspace)
    assert not any(workspace.raw(name).exists() for name in SPLITS)


def test_a_document_of_many_megabytes_is_one_like_others(workspace: Workspace):
    lines = [f"{i} and some words" for i in range(600_000)]
    lines[300_000:300_001] = ["", "\t", "in the middle, " * 100 + "."]
    long = "\n \n" + "\n".join(lines) + "\n\n"
    assert len(long) > MOST
    workspace.texts.mkdir(parents=True)
    (workspace.texts / "a.txt").write_text("short\n")
    (workspace.texts / "b.txt").write_text(long)
    (workspace.texts / "c.jsonl").write_text(json.dumps({"text": long}) + "\n")
    (workspace.texts / "d.txt").write_text("another\n")
    report = split(workspace, unit="file", max_line_tokens=100, **ALL)
    assert (report.documents, report.duplicates, report.wrapped) == ((3, 0, 0), 1, 1)
    lines[300_001] = ""
    written = raw(workspace)["train"].replace("in the middle, \n", "in the middle, ")
    same = written == "\n".join(("short", "", *lines, "", "another", ""))
    assert same  # shown in full, a difference would take hours
    assert report.lines[0] == raw(workspace)["train"].count("\n") - 2
    assert report.characters[0] == len(raw(workspace)["train"]) - raw(workspace)["train"].count(
        "\n"
    )


CHANGES = {
    "another word": lambda text: text.replace("3", "7"),
    "a document more": lambda text: text + "\n\nnew",
    "a document less": lambda text: text[: text.rindex("\n\n")],
    "a duplicate becomes new": lambda text: text[:-2] + "!\n",
    "all of it is gone": lambda text: "",
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_changes_while_it_is_read_is_noticed(change: str, with_texts, monkeypatch):
    text = numbered(9) + "\n\n" + numbered(1)
    workspace = with_texts(a=text)
    original = module.places_of

    def changing(*given: object) -> bytes:
        workspace.texts.joinpath("a.txt").write_text(CHANGES[change](text))
        return original(*given)

    monkeypatch.setattr(module, "places_of", changing)  # between the two passes
    with pytest.raises(CourseError, match=r"a\.txt has changed while it was read"):
        split(workspace)
    assert not any(workspace.raw(name).exists() for name in SPLITS)
    monkeypatch.undo()
    workspace.texts.joinpath("a.txt").write_text(text)
    assert split(workspace).duplicates == 1


@pytest.mark.parametrize("unit", ["blank-line", "file"])
def test_memory_does_not_grow_with_the_text(unit: str, tmp_path: Path):
    peaks = []
    for many in (300, 1200):  # 15 MB and 60 MB in all, in documents of 50 kB
        workspace = Workspace(tmp_path / str(many))
        workspace.texts.mkdir(parents=True)
        document = "A line that is as long as this one, and then some.\n" * 1000
        with (workspace.texts / "a.txt").open("w") as out:
            out.writelines(f"{i}\n{document}\n" for i in range(many))
        tracemalloc.start()
        split(workspace, unit=unit, max_line_tokens=0, **ALL)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 2_000_000


AROUND = "　　春天来了。\n a b \n\fnew page\nplain\n\f\n\u2003\nend\x85of\u2028a\u2029line\n"


@pytest.mark.parametrize("unit", ["file", "line"])
def test_white_space_around_lines_is_kept_and_said(unit: str, with_texts) -> None:
    """The encoders leave it out: every stage sees the same tokens."""
    workspace = with_texts(a=AROUND)
    report = ROAD.run("split", workspace, SplitSettings(train=1, valid=0, test=0, unit=unit))
    (around,) = (note for note in report.notes if "white space" in note)
    assert around.startswith("3 lines have white space around the text")
    assert "Kept as text: 3 × U+0085, U+2028 or U+2029, which end a line in" in str(report)
    raw = workspace.raw("train").read_bytes().decode()
    kept = [line for line in AROUND.split("\n") if line.strip()]
    assert [line for line in raw.split("\n") if line] == kept
    assert all(
        encode_lines(f"{k}\n").tolist() == encode_lines(f"{k.strip()}\n").tolist() for k in kept
    )


def test_signs_that_may_be_no_text_stay_and_are_said(with_texts) -> None:
    text = "\ufeffone\n\n\ufefftwo \x1b[1mbold\x1b[0m\tand\x0bso \ufeffon\x9b\n"
    workspace = with_texts(a=text)
    report = str(ROAD.run("split", workspace, SplitSettings(train=1, valid=0, test=0)))
    assert "Kept as text: 2 × U+FEFF" in report and "Kept as text: 3 × a control" in report
    assert workspace.raw("train").read_bytes().decode() == text.removeprefix("\ufeff")


def test_what_has_no_white_space_around_it_needs_no_note(with_texts) -> None:
    report = ROAD.run("split", with_texts(a="one\n\ntwo\n\nthree 三\n"), SplitSettings())
    assert "white space" not in str(report) and "Kept" not in str(report)


@pytest.mark.parametrize("end", ["\r\r\n", "\r\n", "\r", "\r\r\r\n"])
def test_every_line_end_parts_lines_and_not_documents(end: str, with_texts) -> None:
    lines = [line for i in range(30) for line in (f"a {i}", f"b {i}", f"c {i}", "")]
    workspace = with_texts(a=end.join(lines))
    report = ROAD.run("split", workspace, SplitSettings())
    assert (sum(report.documents), sum(report.lines)) == (30, 90)
    assert b"\r" not in b"".join(workspace.raw(split).read_bytes() for split in SPLITS)


@pytest.mark.parametrize(
    "name", ["mydata/data.train.raw", "mydata/*", "mydata/../mydata/data.*.raw"]
)
def test_what_splitting_made_is_not_divided_once_more(name: str, with_texts) -> None:
    workspace = with_texts(a=numbered(30))
    ROAD.run("split", workspace, SplitSettings())
    before = raw(workspace)
    with pytest.raises(CourseError, match=r"mydata/data\.\w+\.raw is what splitting makes"):
        ROAD.run("split", workspace, SplitSettings(txt_files=name))
    assert raw(workspace) == before


@pytest.mark.parametrize(("number", "folded"), [(1, False), (5, False), (6, True), (313, True)])
def test_many_files_are_folded_into_one_line(number: int, folded: bool):
    report = SplitReport(
        documents=(number, number, 0),
        lines=(1, 1, 0),
        characters=(1, 1, 0),
        inputs=tuple((f"texts/{i}.txt", 2) for i in range(number)),
    )
    page, title = report._repr_html_(), f"What was read: {number} files, {2 * number} documents"
    assert ("<details>" in page) is folded
    assert (f"<summary><b>{title}</b></summary>" in page) is folded
    assert (title in str(report)) is (number > 1)
    assert len(str(report).splitlines()) < 30
