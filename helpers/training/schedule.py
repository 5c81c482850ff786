"""The learning rate of each update: fairseq's polynomial decay, a straight rise and fall."""

from helpers.workflow.training_settings import FinetuneSettings


def warmup_updates(settings: FinetuneSettings) -> int:
    """The updates in which the rate rises to ``lr``."""
    return round(settings.warmup_share * settings.max_update)


def rate(update: int, settings: FinetuneSettings) -> float:
    """The rate after so many updates: up to ``lr`` at the end of warm-up, and 0 at the last.

    >>> settings = FinetuneSettings(max_update=100, warmup_share=0.2, lr=1e-3)
    >>> [rate(update, settings) for update in (10, 20, 60, 100)]
    [0.0005, 0.001, 0.0005, 0.0]
    """
    warmup, last = warmup_updates(settings), settings.max_update
    if warmup and update <= warmup:
        return settings.lr * update / warmup
    return settings.lr * (last - update) / (last - warmup)


def corners(first: int, settings: FinetuneSettings) -> list[tuple[int, float]]:
    """``(update, rate)`` where the curve begins, bends and ends; between them it is straight.

    Args:
        first: the updates that count as done before.
    """
    warmup, last = warmup_updates(settings), settings.max_update
    bends = {first, last} | ({warmup} if first < warmup < last else set())
    return [(update, rate(update, settings)) for update in sorted(bends)]
