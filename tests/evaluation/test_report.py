"""What is told of the gain where the training text has some of the held-out documents nearly."""

import numpy as np
import pytest

from helpers.evaluation.guessing import Guessed
from helpers.evaluation.report import BIT, of_near_duplicates
from helpers.evaluation.texts import Hidden

DOCUMENTS = np.repeat([0, 1, 3, 4, 5], [4, 3, 5, 2, 6])  # in document 2 nothing was hidden
HIDDEN = Hidden([], [], [], np.zeros(20, dtype=np.int64), DOCUMENTS)


def guessed(nats: np.ndarray) -> Guessed:
    return Guessed(nats, np.zeros(20, dtype=bool), np.zeros(20, dtype=bool))


def told(*leaks: int) -> str:
    """The base loses 3 nats a token, the other one 2; in documents 0 and 3 it loses 0.5."""
    base, tuned = np.full(20, 3.0), np.where(np.isin(DOCUMENTS, (0, 3)), 0.5, 2.0)
    return of_near_duplicates(np.isin(range(6), leaks), HIDDEN, guessed(base), guessed(tuned))


def test_without_near_duplicates_the_gain_is_another() -> None:
    assert told(0, 3) == (
        "2 of the 5 documents of your text have a near-duplicate in train; bits more than the "
        f"base without them, 95 %, over 3 documents: {-BIT:+.3f} ({-BIT:+.3f} to {-BIT:+.3f})."
    )
    assert told(1).startswith("1 of the 5 documents of your text has a near-duplicate in train;")
    assert f"over 4 documents: {-BIT * (9 * 2.5 + 8) / 17:+.3f} (" in told(1)


@pytest.mark.parametrize("leaks", [(), (2,)])
def test_where_none_was_measured_that_has_one_it_is_said(leaks: tuple[int, ...]) -> None:
    said = told(*leaks)
    assert said == "None of the 5 documents of your text has a near-duplicate in train."


def test_where_all_have_one_no_gain_is_told() -> None:
    said = told(*range(6))
    assert said.startswith("5 of the 5 documents") and "does not tell" in said


def test_of_one_document_no_interval_is_told() -> None:
    assert told(0, 1, 3, 4).endswith(f"over 1 document: {-BIT:+.3f}.")
