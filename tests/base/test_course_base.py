"""The course's own base model: its size, its bytes, what it knows, and what it never read."""

import hashlib
import math
import re

import pytest

from helpers.base import course_base, general_text
from helpers.base.course_base import unpack
from helpers.base.make_course_base import CARD
from helpers.evaluation.guessing import guessed
from helpers.evaluation.texts import hidden_in, text_of
from helpers.models.hf.folder import model_of
from helpers.stages.road import ROAD
from helpers.text.packages.docstrings import modules
from helpers.workflow.settings import BaseSettings
from helpers.workflow.workspace import Workspace

LONG = pytest.mark.long
# The held-out text of the pinned packages, on every machine.
GENERAL_SHA256 = "c63c21595bb419583601fa1eb1d8fe83a965178e0db7f4480054d75294954ff0"


def measured(most: int = 4000) -> float:
    """Bits per hidden token of the unpacked model on the held-out text."""
    state, dictionary = unpack()
    text = text_of(general_text.validation_lines(most), dictionary, 512)
    hidden = hidden_in(text, dictionary, 0.15, 1, 1)
    return guessed(model_of(state), hidden, "the base").nats.mean() / math.log(2)


def test_it_is_small_and_complete() -> None:
    assert course_base.MODEL.stat().st_size <= 16_000_000
    assert course_base.DICTIONARY.stat().st_size < 300_000
    _, dictionary = unpack()
    assert set(dictionary.symbols[:-3]) == {str(i) for i in range(50257)}


def test_it_is_the_default_and_the_same_bytes_on_every_unpacking(tmp_path) -> None:
    files = []
    for name in ("one", "two 二"):
        work = Workspace(tmp_path / name)
        report = ROAD.run("base", work, BaseSettings())
        assert report.source == "course"
        assert report.notes == ()
        files.append((work.base_model.read_bytes(), work.base_dict.read_bytes()))
    assert files[0] == files[1]


def test_the_card_states_the_loss_that_is_measured_here() -> None:
    """The evaluator hides no special symbols, unlike fairseq: about half a bit harder."""
    stated = float(re.search(r"\*\*([\d.]+) bits\*\*", CARD.read_text("utf-8"))[1])
    assert stated - 0.3 < measured() < stated + 1


def test_the_general_text_is_the_same_on_every_machine() -> None:
    text = "\n\n".join(general_text.validation_documents())
    assert hashlib.sha256(text.encode()).hexdigest() == GENERAL_SHA256


@pytest.mark.parametrize(
    ("packages", "least"),
    [
        (general_text.HELD_OUT_FROM[:1], 300),
        pytest.param(general_text.HELD_OUT_FROM, 1000, marks=LONG),
    ],
)
def test_what_is_held_out_is_never_trained_on(
    packages: tuple[str, ...], least: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(general_text, "PACKAGES", packages)
    monkeypatch.setattr(general_text, "_standard_library", lambda: iter(()))
    trained, held_out = general_text.training_documents(), general_text.validation_documents()
    of_these = [d for p in packages for _, ds in modules(p, general_text.is_held_out) for d in ds]
    assert {*of_these} <= {*held_out} and len(trained) > 10 * len({*of_these}) > least
    assert not {*trained} & {*held_out}


def test_the_sample_is_a_new_domain() -> None:
    assert not {"sklearn", "scipy"} & {*general_text.PACKAGES, *general_text.HELD_OUT_FROM}
    assert set(general_text.HELD_OUT_FROM) <= set(general_text.PACKAGES)


def test_lines_for_the_evaluation_are_of_all_packages() -> None:
    lines = general_text.validation_lines(2000)
    assert len(lines) == 2000
    assert lines == general_text.validation_lines(4000)[:2000]
    assert any("graph" in line for line in lines) and any("matrix" in line for line in lines)
