"""Logistic regression on frozen vectors, cross-validated: the same documents for every model.

In each of five parts of the documents those are judged that are new to the models, by a classifier
that has learned from the other four: so nothing that was trained, neither a model nor a classifier,
has seen what it is judged by. Near-duplicates are in one part. All of it is done some times over,
in other parts, so that less depends on the lot. The strength of the regularization is fixed
beforehand, and the same for all, since what is chosen for one model by its results favours it.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from helpers.common.progress import Progress
from helpers.evaluation.intervals import Estimate, ratio, resampled
from helpers.evaluation.labelled import FOLDS, Task
from helpers.evaluation.report import MODELS
from helpers.evaluation.task_report import TaskScore

SIZES = (16, 64, 256)  # labels to learn from; and then all
DRAWS = 3  # of the parts, and of the labels
C = 0.1  # of LogisticRegression, on vectors of which each number has variance 1

# By labels that were learned from, 0 for all: classes, shape (DRAWS, judged documents).
Guesses = dict[int, np.ndarray]


def guessed_classes(
    vectors: Mapping[str, np.ndarray], task: Task, seed: int, bar: Progress | None = None
) -> tuple[dict[str, Guesses], np.ndarray]:
    """The class that is guessed for each document that may be judged.

    Args:
        vectors: of each model, shape (documents, width).

    Returns:
        Of each model the guesses, and the true classes: (judged documents,), in the task's order.
    """
    random = np.random.default_rng(seed)
    draws = [[*_parts(task, int(random.integers(1 << 31)))] for _ in range(DRAWS)]
    fewest = min(len(learn) for parts in draws for learn, _ in parts)
    sizes = [*(size for size in SIZES if size < fewest), 0]
    none = np.full((DRAWS, len(task.labels)), -1)
    found = {name: {size: none.copy() for size in sizes} for name in vectors}
    for draw, parts in enumerate(draws):
        for learn, judge in parts:
            order = _in_lot(task.labels[learn], random)
            for size in sizes:
                some = learn[order[: size or len(order)]]
                for name, x in vectors.items():
                    classes = _learned(x[some], task.labels[some], x[judge])
                    found[name][size][draw, judge] = classes
            if bar:
                bar.update(bar.done + 1, "parts are judged")
    new = task.is_new
    of_new = {n: {size: all_[:, new] for size, all_ in its.items()} for n, its in found.items()}
    return of_new, task.labels[new]


def _parts(task: Task, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Of each part: the documents that are learned from, and the new ones that are judged."""
    from sklearn.model_selection import StratifiedGroupKFold

    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    for learn, part in folds.split(task.labels, task.labels, task.groups):
        judge = part[task.is_new[part]]
        if len(judge):
            yield learn, judge


def _in_lot(labels: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Documents in an order by lot, one of every class before the others: (documents,)."""
    lot = random.permutation(len(labels))
    first = np.sort(np.unique(labels[lot], return_index=True)[1])
    return lot[np.concatenate((first, np.setdiff1d(np.arange(len(lot)), first)))]


def _learned(x: np.ndarray, labels: np.ndarray, asked: np.ndarray) -> np.ndarray:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    if len(np.unique(labels)) == 1:  # the other classes are near-duplicates of what is asked
        return np.full(len(asked), labels[0])
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=1000))
    # Threads wait for each other longer than so small matrices take.
    with threadpool_limits(1):
        return classifier.fit(x, labels).predict(asked)


def task_scores(
    found: Mapping[str, Guesses], true: np.ndarray, learned_from: int
) -> Iterator[TaskScore]:
    """Each model at each number of labels, beside the base where it is another.

    Args:
        learned_from: how many labels "all" are.
    """
    base = found[MODELS[0]]
    for size in base:
        for model, its in found.items():
            right, f1 = _accuracy(its[size], true), resampled((true, *its[size]), macro_f1)
            is_base = model == MODELS[0]
            yield TaskScore(
                model=model,
                labels=size or learned_from,
                accuracy=right,
                f1=f1,
                gain=None if is_base else _accuracy_gain(its[size], base[size], true),
                f1_gain=None if is_base else _f1_gain(its[size], base[size], true),
            )


def _accuracy(guesses: np.ndarray, true: np.ndarray) -> Estimate:
    return ratio((guesses == true).mean(0), np.ones(len(true)))


def _accuracy_gain(tuned: np.ndarray, base: np.ndarray, true: np.ndarray) -> Estimate:
    difference = (tuned == true).mean(0) - (base == true).mean(0)
    return ratio(difference, np.ones(len(true)))


def _f1_gain(tuned: np.ndarray, base: np.ndarray, true: np.ndarray) -> Estimate:
    def gain(true: np.ndarray, *guesses: np.ndarray, axis: int) -> np.ndarray:
        half = len(guesses) // 2
        of_tuned = macro_f1(true, *guesses[:half], axis=axis)
        return of_tuned - macro_f1(true, *guesses[half:], axis=axis)

    return resampled((true, *tuned, *base), gain)


def macro_f1(true: np.ndarray, *guesses: np.ndarray, axis: int = 0) -> np.ndarray:
    """The mean over classes of F1 (of a class, 2 × right / (guessed + true)), and over draws.

    Classes that are neither true nor guessed anywhere do not count, as in scikit-learn.

    >>> macro_f1(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 2])).round(3)
    np.float64(0.778)
    """
    of_draws = []
    for guess in guesses:
        of_classes = []
        for number in np.unique(np.concatenate((true.ravel(), guess.ravel()))):
            is_it, is_guessed = true == number, guess == number
            right = (is_it & is_guessed).sum(axis)
            both = is_it.sum(axis) + is_guessed.sum(axis)
            of_classes.append(np.where(both, 2 * right / np.maximum(both, 1), np.nan))
        of_draws.append(np.nanmean(of_classes, axis=0))
    return np.mean(of_draws, axis=0)


def confusion(guesses: np.ndarray, true: np.ndarray, classes: int) -> list[list[int]]:
    """How many documents of each class (rows) were taken for each class (columns)."""
    table = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(table, (true, guesses), 1)
    return table.tolist()


def always_the_same(true: np.ndarray) -> float:
    """The accuracy of guessing the most frequent class, whatever the text is."""
    return float(np.bincount(true).max() / len(true))
