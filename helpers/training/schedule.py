"""The learning rate of each update: fairseq's polynomial decay, a straight rise and fall."""

import numpy as np

from helpers.training.options.extra import options
from helpers.workflow.training_settings import FinetuneSettings

BENDS = 32  # points of a curve that is not straight


def warmup_updates(settings: FinetuneSettings) -> int:
    """The updates in which the rate rises to ``lr``."""
    return round(settings.warmup_share * settings.max_update)


def rate(update: int, settings: FinetuneSettings) -> float:
    """The rate after so many updates: up to ``lr`` at the end of warm-up, and 0 at the last.

    With ``lr_scheduler.power`` in ``extra`` the fall is no straight line, and it ends at
    ``lr_scheduler.end_learning_rate`` (fairseq's ``PolynomialDecayLRSchedule.step_update``).

    Raises:
        CourseError: one of ``extra`` is not possible.

    >>> settings = FinetuneSettings(max_update=100, warmup_share=0.2, lr=1e-3)
    >>> [rate(update, settings) for update in (10, 20, 60, 100)]
    [0.0005, 0.001, 0.0005, 0.0]
    """
    warmup, last = warmup_updates(settings), settings.max_update
    if warmup and update <= warmup:
        return settings.lr * update / warmup
    power, end = _power(settings), options(settings).get("lr_scheduler.end_learning_rate", 0.0)
    if update >= last:
        return end
    return (settings.lr - end) * ((last - update) / (last - warmup)) ** power + end


def _power(settings: FinetuneSettings) -> float:
    return options(settings).get("lr_scheduler.power", 1.0)


def corners(first: int, settings: FinetuneSettings) -> list[tuple[int, float]]:
    """``(update, rate)`` where the curve begins, bends and ends; between them it is straight.

    Args:
        first: the updates that count as done before.
    """
    warmup, last = warmup_updates(settings), settings.max_update
    bends = {first, last} | ({warmup} if first < warmup < last else set())
    if _power(settings) != 1:
        falls = np.linspace(max(first, warmup), last, BENDS).round()
        bends |= {*map(int, falls), max(first, last - 1)}  # with power 0 it falls at the last
    return [(update, rate(update, settings)) for update in sorted(bends)]
