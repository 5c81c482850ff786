"""What a task showed: models by how many labels a classifier learned from, and how it is told."""

import dataclasses
from collections.abc import Iterator, Sequence

from helpers.common.report import Grid, Report, Table, enumerated
from helpers.evaluation.intervals import FEW, Estimate
from helpers.evaluation.report import MODELS, counted


@dataclasses.dataclass(frozen=True)
class TaskScore:
    """A classifier on the vectors of a model, which has learned from so many labels.

    Attributes:
        accuracy: the share of documents whose class is guessed.
        f1: the mean of the classes' F1, in which each class weighs the same.
        gain, f1_gain: the same less those of the base, document by document; None for the base.
    """

    model: str
    labels: int
    accuracy: Estimate
    f1: Estimate
    gain: Estimate | None
    f1_gain: Estimate | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class TaskReport(Report):
    """Base, fine-tuned and further models on a task. All is empty where there is none.

    Attributes:
        classes: of each its name, its documents, and how many of them were judged.
        scores: of each model at each number of labels; the largest number is all of them.
        confusion: of base and fine-tuned model, with all labels, how many documents of each class
            (rows) were taken for each class (columns).
        most_frequent: how often the most frequent class would be right for every text.
        verdict: whether it helps, in sentences.
        of: the SHA-256 of every file that was read, by its name; the settings.
    """

    TITLE = "Does it help on a task?"
    classes: tuple[tuple[str, int, int], ...]
    scores: tuple[TaskScore, ...]
    confusion: dict[str, list[list[int]]]
    most_frequent: float
    verdict: tuple[str, ...]
    of: dict

    def table(self) -> Table:
        if not self.scores:
            return ("task",), [("none",)]
        most = max(score.labels for score in self.scores)
        head = (
            *("learned from", "model", "right, 95 %", "macro-F1, 95 %"),
            *("more right than the base, 95 %", "macro-F1 more, 95 %"),
        )
        rows = [
            (
                *(f"{'all ' * (score.labels == most)}{score.labels:,}", score.model),
                *(score.accuracy.told("{:.1%}"), score.f1.told("{:.3f}")),
                score.gain.told("{:+.1%}") if score.gain else "",
                score.f1_gain.told("{:+.3f}") if score.f1_gain else "",
            )
            for score in self.scores
        ]
        return head, rows

    def more(self) -> Grid | None:
        head = ("class", "documents", "of these judged")
        return Grid(head, self.classes, "The classes", folded=True) if self.classes else None

    def curves(self) -> dict[str, list[tuple[int, Estimate]]]:
        """Of each model how often it is right, by how many labels there were."""
        models = dict.fromkeys(score.model for score in self.scores)
        return {m: [(s.labels, s.accuracy) for s in self.scores if s.model == m] for m in models}


def task_judgement(
    scores: Sequence[TaskScore], classes: Sequence[tuple[str, int, int]], most_frequent: float
) -> Iterator[str]:
    """Whether a difference is one, by the scores with all labels.

    Of many comparisons one is soon clear by chance.

    Args:
        classes, most_frequent: see :class:`TaskReport`.
    """
    judged = sum(number for _, _, number in classes)
    yield (
        f"Always naming the most frequent class would be right for {most_frequent:.1%} of the "
        f"{judged:,} documents that are judged."
    )
    if few := [f"{name} ({number})" for name, _, number in classes if number < FEW]:
        yield (
            f"With fewer than {FEW} documents to judge by, little can be said of a class: "
            f"{enumerated(few, 5)}. A larger share for test gives more."
        )
    if all(score.accuracy.value == 1 for score in scores):
        yield "Every document is right with every model: this task is too easy to compare them."
        return
    if all(low <= most_frequent for score in scores if (low := score.accuracy.low) is not None):
        yield "No model's vectors are clearly better than always naming the most frequent class."
    for score in scores:
        if score.gain is None or score.gain.low is None:
            continue
        name = f"the {score.model} model" if score.model in MODELS else score.model
        over = f"{score.gain.told('{:+.1%}')} with 95 %, over {counted(judged)}"
        if score.gain.is_clear:
            side = "more" if score.gain.value > 0 else "less"
            yield f"With all labels the vectors of {name} are right {side} often: {over}."
        else:
            yield (
                f"With all labels the vectors of {name} are not clearly better or worse than the "
                f"base's: {over}."
            )
