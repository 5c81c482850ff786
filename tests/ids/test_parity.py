"""The fast engine beside fairseq: the same bytes; where there is no fairseq, that is said."""

from collections.abc import Callable

import pytest

from helpers.common import fairseq
from helpers.ids import parity
from helpers.ids.parity import ParityReport, compare_binarizing, compare_encoding
from helpers.workflow.workspace import Workspace

COMPARE = {"encoding": compare_encoding, "binarizing": compare_binarizing}


@pytest.fixture(params=COMPARE)
def compare(request: pytest.FixtureRequest) -> Callable[[Workspace], ParityReport]:
    return COMPARE[request.param]


@pytest.mark.long  # the notebooks do it as well
def test_both_engines_make_the_same_bytes(small, compare) -> None:
    report = compare(small)
    assert report.same is True
    assert all(theirs == ours > 0 for _, theirs, ours, _ in report.files)
    assert not report.notes


def test_one_file_that_differs_is_enough() -> None:
    files = [("a", 1, 1, True), ("b", 1, 2, False)]
    assert [ParityReport(files=tuple(files[:n])).same for n in (1, 2)] == [True, False]


@pytest.mark.parametrize(("offered", "way"), [(True, "make -B env"), (False, "needs Linux")])
def test_without_fairseq_it_is_said_that_nothing_is_compared(
    small, compare, monkeypatch, offered: bool, way: str
) -> None:
    monkeypatch.setattr(fairseq, "is_offered", lambda: offered)
    monkeypatch.setattr(parity, "has_fairseq", lambda: False)
    report = compare(small)
    assert report.same is None
    assert all((theirs, equal) == (None, None) for _, theirs, _, equal in report.files)
    assert all(size > 0 for _, _, size, _ in report.files)
    for said in (str(report), report._repr_html_()):
        assert "Nothing is compared: fairseq is not installed here" in said
        assert way in said and "yes" not in said
