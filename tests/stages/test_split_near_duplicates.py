"""Near-duplicates between train and test are told, kept together, or left out."""

import itertools
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.common.errors import CourseError
from helpers.common.symbols import SPLITS
from helpers.stages import split as module
from helpers.stages.road import ROAD
from helpers.stages.split import SplitReport
from helpers.text import splitter
from helpers.text.division import DIGEST, DUPLICATE, NEAR, hash_of
from helpers.text.documents import MOST
from helpers.text.near_duplicates import groups_of, signatures
from helpers.text.places import places_of
from helpers.workflow.settings import SplitSettings
from helpers.workflow.workspace import Workspace

KINDS = ("keep", "together", "drop")


def split(workspace: Workspace, **settings: object) -> SplitReport:
    return ROAD.run("split", workspace, SplitSettings(**settings))


def written(workspace: Workspace) -> dict[str, list[str]]:
    texts = {name: workspace.raw(name).read_text("utf-8").rstrip("\n") for name in SPLITS}
    return {name: [each for each in text.split("\n\n") if each] for name, text in texts.items()}


def every(found: dict[str, list[str]]) -> list[str]:
    return [text for texts in found.values() for text in texts]


def document(number: int, version: int = 0) -> str:
    """Text that no other number has; versions of one are near-duplicates."""
    lot = random.Random(number)
    lines = [" ".join(f"{lot.randrange(10**6)}" for _ in range(12)) for _ in range(12)]
    return "\n".join([*lines, f"version {version} 版"])


def family(numbers: range, versions: int) -> list[str]:
    return [document(n, version) for n in numbers for version in range(versions)]


def number_of(text: str) -> str:
    return text[:20]


def joined(documents: list[str]) -> str:
    return "\n\n".join(documents)


# 40 documents that are alone, 20 of which there are three versions.
MIXED = [*family(range(40), 1), *family(range(40, 60), 3)]


def test_what_is_kept_is_divided_as_ever_and_told(with_texts: Callable[..., Workspace]) -> None:
    workspace = with_texts(a=joined(MIXED))
    report = split(workspace)
    found = written(workspace)
    train = {*map(number_of, found["train"])}
    known = [[text for text in found[name] if number_of(text) in train] for name in SPLITS[1:]]
    assert report.documents == (80, 10, 10)
    assert report.leaks == tuple(map(len, known)) and all(report.leaks)
    said = f"{report.leaks[0]} of 10 documents of valid and {report.leaks[1]} of 10 documents of"
    (note,) = (note for note in report.notes if "near-duplicate" in note)
    assert note.startswith(said) and "its gain looks larger" in note and "'together'" in note
    assert 1 <= len(report.examples) <= 3
    for here, there, similarity in report.examples:
        assert here[:20] == there[:20] and 0.8 <= similarity < 1
        assert here != there
        assert any(here.strip("…") in " ".join(text.split()) for text in known[1])
        assert any(there.strip("…") in " ".join(text.split()) for text in found["train"])
    page = report._repr_html_()
    assert "<th style='text-align:left;white-space:pre-wrap'>in test</th>" in page
    assert report.examples[0][0] in page and report.examples[0][0] in str(report)


@pytest.mark.parametrize("deduplicate", [True, False])
def test_groups_stay_together_and_shares_are_exact(
    deduplicate: bool, with_texts: Callable[..., Workspace]
) -> None:
    workspace = with_texts(a=joined(MIXED), b=joined(MIXED[:70]))
    report = split(workspace, near_duplicates="together", deduplicate=deduplicate)
    found = written(workspace)
    numbers = [{*map(number_of, found[name])} for name in SPLITS]
    assert not any(a & b for a, b in itertools.combinations(numbers, 2))
    assert sorted({*every(found)}) == sorted(MIXED)
    assert report.leaks == (0, 0) and not report.examples
    assert [len({*found[name]}) for name in SPLITS] == [80, 10, 10]
    assert "No document of valid or test has a near-duplicate in train." in report.notes
    assert not any("shares" in note for note in report.notes)
    assert report.duplicates == (70 if deduplicate else 0)


@pytest.mark.parametrize("deduplicate", [True, False])
def test_of_each_group_one_is_kept(deduplicate: bool, with_texts: Callable[..., Workspace]) -> None:
    workspace = with_texts(a=joined(MIXED), b=joined(MIXED[:70]))
    report = split(workspace, near_duplicates="drop", deduplicate=deduplicate)
    kept = {*every(written(workspace))}
    assert sorted(map(number_of, kept)) == sorted({number_of(text) for text in MIXED})
    again = 0 if deduplicate else sum(text in kept for text in MIXED[:70])
    assert sum(report.documents) == 60 + again
    assert report.duplicates + report.dropped + sum(report.documents) == 170
    assert report.dropped >= 40 and report.leaks == (0, 0)
    (note,) = (note for note in report.notes if "left out as near-duplicates" in note)
    assert note.startswith(f"{report.dropped} documents were left out")
    if deduplicate:
        assert report.documents == (48, 6, 6)


@pytest.mark.parametrize("kind", KINDS)
def test_neither_the_order_of_files_nor_the_workers_matter(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = []
    for name, order, workers in (("one", 1, 1), ("other", -1, 1), ("several", 1, 2)):
        workspace = Workspace(tmp_path / name)
        workspace.texts.mkdir(parents=True)
        parts = [MIXED[:30], MIXED[30:75], MIXED[75:]]
        for number, part in enumerate(parts[::order]):
            (workspace.texts / f"{number}.txt").write_text(joined(part[::order]))
        monkeypatch.setattr(module, "allowed_workers", lambda _, workers=workers: (workers, []))
        monkeypatch.setattr("helpers.text.tasks.SIZE", 20_000)  # several tasks
        report = split(workspace, near_duplicates=kind)
        assert report.leaks == (0, 0) or kind == "keep"
        content = {split: sorted(texts) for split, texts in written(workspace).items()}
        results.append((content, report.documents, report.leaks, report.dropped, report.examples))
    assert results[0] == results[1] == results[2]


def test_another_seed_puts_groups_elsewhere(with_texts: Callable[..., Workspace]) -> None:
    workspace = with_texts(a=joined(MIXED))
    tests = []
    for seed in range(1, 7):
        split(workspace, near_duplicates="together", seed=seed)
        tests.append({*map(number_of, written(workspace)["test"])})
    groups = {number_of(text) for text in MIXED[40:]}
    assert len({frozenset(each) for each in tests}) == 6
    assert len(set.union(*tests) & groups) > 3  # test has its part of them


def test_how_far_shares_are_off_is_told(with_texts: Callable[..., Workspace]) -> None:
    workspace = with_texts(a=joined(family(range(3), 20) + family(range(3, 6), 2)))
    report = split(workspace, near_duplicates="together", train=0.6, valid=0.2, test=0.2)
    exact = (40, 13, 13)
    off = {
        name: here - there
        for name, here, there in zip(SPLITS, report.documents, exact, strict=True)
        if here != there
    }
    said = ", ".join(f"{name} {number:+}" for name, number in off.items())
    (note,) = (note for note in report.notes if "shares are not exact" in note)
    assert off and said in note and all(report.documents)


@pytest.mark.parametrize("kind", ["together", "drop"])
def test_one_group_alone_is_refused(kind: str, with_texts: Callable[..., Workspace]) -> None:
    workspace = with_texts(a=joined(family(range(1), 30)))
    with pytest.raises(CourseError, match=r"30 documents .* there is 1 group .* for 3 splits"):
        split(workspace, near_duplicates=kind)
    assert split(workspace).leaks == (3, 3)
    report = split(workspace, near_duplicates=kind, train=1, valid=0, test=0)
    assert report.documents == ((30, 0, 0) if kind == "together" else (1, 0, 0))
    assert not report.leaks or report.leaks == (0, 0)
    assert not any("in train" in note for note in report.notes)


def test_a_large_group_leaves_no_split_empty(with_texts: Callable[..., Workspace]) -> None:
    for seed in range(8):
        workspace = with_texts(a=joined(family(range(1), 98) + family(range(1, 3), 1)))
        report = split(workspace, near_duplicates="together", seed=seed)
        assert report.documents == (98, 1, 1)


def test_long_documents_are_near_duplicates_as_well(with_texts: Callable[..., Workspace]) -> None:
    long = "\n".join(f"{i} and some words {i * i}" for i in range(500_000))
    assert len(long) > MOST
    files = {f"short{n}": document(n) for n in range(8)}
    workspace = with_texts(a=long, b=long.replace("\n77 and", "\nseventy-seven or"), **files)
    report = split(workspace, unit="file", near_duplicates="drop", max_line_tokens=0)
    assert (report.dropped, sum(report.documents), report.leaks) == (1, 9, (0, 0))
    for seed in range(20):
        report = split(workspace, unit="file", max_line_tokens=0, seed=seed)
        if report.leaks[1]:
            break
    ((here, there, similarity),) = report.examples
    assert {"77 and", "seventy-seven or"} == {
        part for part in ("77 and", "seventy-seven or") if part in here or part in there
    }
    assert here.startswith("…") and here[:30] == there[:30] and similarity > 0.99


def test_with_too_many_documents_it_is_not_looked_at_and_said(
    with_texts: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(splitter, "MOST", 99)
    workspace = with_texts(a=joined(MIXED))
    report = split(workspace)
    assert (report.leaks, report.examples, report.documents) == ((), (), (80, 10, 10))
    assert any("was not looked at" in note for note in report.notes)
    assert split(workspace, near_duplicates="together").leaks == (0, 0)


@given(
    sizes=st.lists(st.integers(1, 12), min_size=3, max_size=30),
    shares=st.sampled_from([(0.8, 0.1, 0.1), (0.5, 0.25, 0.25), (0.9, 0, 0.1), (1, 0, 0)]),
    seed=st.integers(0, 99),
    lot=st.randoms(use_true_random=False),
)
def test_places_of_groups_of_any_sizes(sizes, shares, seed, lot) -> None:
    texts = [document(n, version) for n, size in enumerate(sizes) for version in range(size)]
    order = lot.sample(range(len(texts)), len(texts))
    settings = dict(zip(SPLITS, shares, strict=True)) | {"near_duplicates": "together"}

    def places(documents: list[str], **others: object) -> dict[str, int]:
        hashes = b"".join(hash_of([text], str(seed).encode()) for text in documents)
        assert len(hashes) == DIGEST * len(documents)
        found = places_of(hashes, SplitSettings(**settings | others), signatures(documents))
        sizes = np.bincount(np.frombuffer(found.places, np.uint8), minlength=NEAR + 1)
        if not others:
            exact = sizes[:3] - found.beyond
            assert sum(found.beyond) == 0 and sizes[DUPLICATE:].sum() == 0
            assert all(abs(n - s * len(texts)) < 3 for n, s in zip(exact, shares, strict=True))
            assert all((n > 0) == (s > 0) for n, s in zip(sizes[:3], shares, strict=True))
        return dict(zip(documents, found.places, strict=True))

    found = places(texts)
    assert found == places([texts[i] for i in order])
    of_group = [{found[document(n, v)] for v in range(size)} for n, size in enumerate(sizes)]
    assert all(len(split) == 1 for split in of_group)
    dropped = places(texts, near_duplicates="drop")
    assert dropped == places([texts[i] for i in order], near_duplicates="drop")
    assert sum(place != NEAR for place in dropped.values()) == len(sizes)
    assert len({*groups_of(signatures(texts)).tolist()}) == len(sizes)
