"""Logistic regression on vectors: nothing is judged by what has seen it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from sklearn.metrics import confusion_matrix, f1_score

from helpers.evaluation.classifying import (
    SIZES,
    _in_lot,
    _parts,
    always_the_same,
    confusion,
    guessed_classes,
    macro_f1,
    task_scores,
)
from helpers.evaluation.labelled import Task
from helpers.evaluation.task_report import task_judgement

CLASSES = some.lists(some.integers(0, 4), min_size=1, max_size=30)


def task(
    labels: np.ndarray, is_new: np.ndarray | None = None, groups: np.ndarray | None = None
) -> Task:
    new = np.ones(len(labels), dtype=bool) if is_new is None else is_new
    of = np.arange(len(labels)) if groups is None else groups
    names = tuple(f"class {i}" for i in range(labels.max() + 1))
    return Task([f"text {i}" for i in range(len(labels))], names, labels, new, of, ())


@given(CLASSES, some.randoms(use_true_random=False))
def test_macro_f1_and_confusion_are_those_of_scikit_learn(true, random) -> None:
    guesses = [[random.choice((t, random.randrange(5))) for t in true] for _ in range(2)]
    wanted = [f1_score(true, guess, average="macro") for guess in guesses]
    columns = map(np.array, (true, *guesses))
    assert macro_f1(*columns) == pytest.approx(np.mean(wanted))
    table = confusion(np.array(guesses[0]), np.array(true), 5)
    assert table == confusion_matrix(true, guesses[0], labels=range(5)).tolist()


def test_macro_f1_of_many_resamples_at_once() -> None:
    random = np.random.default_rng(1)
    true, guess = random.integers(0, 3, (2, 7, 20))
    one_by_one = [macro_f1(t, g) for t, g in zip(true, guess, strict=True)]
    assert macro_f1(true, guess, axis=-1) == pytest.approx(one_by_one)


@given(some.integers(0, 99), some.floats(0.05, 1))
def test_what_is_judged_is_new_and_was_not_learned_from(seed, share) -> None:
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(3), (40, 12, 5))
    is_new = random.random(len(labels)) < share
    judged: list[int] = []
    for learn, judge in _parts(task(labels, is_new), seed):
        assert not {*learn.tolist()} & {*judge.tolist()}
        assert {*labels[learn].tolist()} == {0, 1, 2}
        judged += judge.tolist()
    assert sorted(judged) == np.flatnonzero(is_new).tolist()


@pytest.mark.filterwarnings("ignore:The least populated class")
@given(some.integers(0, 99), some.integers(5, 30), some.integers(10, 40))
def test_near_duplicates_are_never_learned_from_and_all_is_judged(seed, groups, number) -> None:
    """Even where a class is one group, and in some parts nobody has told it."""
    random = np.random.default_rng(seed)
    of = np.concatenate([np.arange(groups), random.integers(groups, size=number)])
    labels = np.concatenate([of < groups // 2, random.random(5) < 0.5]).astype(int)
    of = np.concatenate([of, np.full(5, groups)])
    told = task(labels, groups=of)
    for learn, judge in _parts(told, seed):
        assert not {*of[learn].tolist()} & {*of[judge].tolist()}
    vectors = random.normal(size=(len(labels), 4)).astype(np.float32)
    found, _ = guessed_classes({"base": vectors}, told, seed)
    assert all((guesses >= 0).all() for guesses in found["base"].values())


@given(some.integers(0, 99))
def test_the_first_labels_are_of_all_classes_and_otherwise_by_lot(seed) -> None:
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(12), [200, *[5] * 11])
    order = _in_lot(labels, random)
    assert sorted(order.tolist()) == [*range(len(labels))]
    assert len(np.unique(labels[order[:12]])) == 12
    assert not np.array_equal(order, _in_lot(labels, random))


@pytest.fixture(scope="module")
def told():
    """Vectors that tell the class, that tell it half of the time, and that tell nothing."""
    random = np.random.default_rng(1)
    labels = random.integers(0, 3, 400)
    noise = random.normal(size=(400, 8)).astype(np.float32)
    clear = noise.copy()
    clear[:, :3] += 9 * np.eye(3)[labels]
    half = np.where((random.random(400) < 0.5)[:, None], clear, noise)
    vectors = {"base": half, "fine-tuned": clear, "noise": noise, "same": half}
    found, true = guessed_classes(vectors, task(labels), 1)
    return found, true, {(s.model, s.labels): s for s in task_scores(found, true, 320)}


def test_vectors_that_tell_the_class_are_right_and_others_by_chance(told) -> None:
    found, true, scores = told
    assert len(true) == 400 and {labels for _, labels in scores} == {*SIZES, 320}
    assert scores["fine-tuned", 320].accuracy.value > 0.97
    assert scores["fine-tuned", 320].f1.value > 0.97
    assert abs(scores["noise", 320].accuracy.value - 1 / 3) < 0.1
    assert scores["base", 16].accuracy.value < scores["base", 320].accuracy.value
    for guesses in found.values():
        assert all((each >= 0).all() for each in guesses.values())


def test_differences_are_of_the_same_documents_and_called_one_only_where_they_are(told) -> None:
    _, true, scores = told
    tuned, base = (scores[name, 320] for name in ("fine-tuned", "base"))
    assert tuned.gain.value == pytest.approx(tuned.accuracy.value - base.accuracy.value)
    assert tuned.f1_gain.value == pytest.approx(tuned.f1.value - base.f1.value)
    assert tuned.gain.is_clear and tuned.f1_gain.is_clear and base.gain is None
    same = scores["same", 64]
    assert same.gain == (0, 0, 0) and same.f1_gain == (0, 0, 0)
    chosen = [scores[name, 320] for name in ("base", "fine-tuned", "noise", "same")]
    better, worse, equal = task_judgement(chosen, len(true))
    assert "the vectors of the fine-tuned model are right more often" in better
    assert "the vectors of noise are right less often" in worse
    assert "same" in equal and "not clearly better or worse" in equal


def test_few_documents_are_said_to_be_few(told) -> None:
    assert "far too narrow" in next(task_judgement([], 9))
    assert [*task_judgement([], 10)] == []


def test_the_most_frequent_class_is_the_measure() -> None:
    assert always_the_same(np.array([2, 2, 0, 1])) == 0.5
