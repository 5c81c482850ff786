"""The figures of an evaluation: models beside each other, each number with its interval."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from helpers.common.figures import COLOURS, GREY, MARKERS, Picture
from helpers.common.names import cut

Bar = tuple[float, float | None, float | None]  # a number, and the interval for it


def before_and_after(
    losses: Mapping[str, Sequence[Bar]], accuracies: Mapping[str, Sequence[Bar]]
) -> Picture:
    """Loss and accuracy of each model on one's own and on general text, with their intervals.

    Args:
        losses, accuracies: of each model two numbers, in bits a hidden token and as shares.
    """
    picture = Picture(height=3.4)
    left, right = picture.subplots(1, 2)
    _side_by_side(left, losses, "{:.2f}")
    left.set(title="Loss: lower is better", ylabel="bits per hidden token")
    _side_by_side(right, accuracies, "{:.1%}")
    right.set(title="Right at the first guess", ylabel="share of hidden tokens")
    right.yaxis.set_major_formatter(PercentFormatter(1))
    picture.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return picture


def _side_by_side(axes: Axes, models: Mapping[str, Sequence[Bar]], form: str) -> None:
    """For each text a bar of each model; a line on it is the interval of 95 %."""
    wide = 0.8 / len(models)
    colours = [GREY, *COLOURS]
    for i, (name, numbers) in enumerate(models.items()):
        places = [place + wide * i for place in range(len(numbers))]
        bars = axes.bar(
            *(places, [value for value, _, _ in numbers], 0.95 * wide),
            yerr=_distances(numbers),
            error_kw={"ecolor": "#777777", "capsize": 2},
            color=colours[i % len(colours)],
            label=name,
        )
        axes.bar_label(bars, [form.format(value) for value, _, _ in numbers], padding=3)
    middle = wide * (len(models) - 1) / 2
    axes.set_xticks([place + middle for place in (0, 1)], ("your text", "general text"))
    axes.margins(y=0.15)


def _distances(bars: Sequence[Bar]) -> tuple[list[float], list[float]]:
    """How far an interval reaches below and above its number; 0 where there is none."""
    below = [0 if low is None else value - low for value, low, _ in bars]
    above = [0 if high is None else high - value for value, _, high in bars]
    return below, above


def by_labels(models: Mapping[str, Sequence[tuple[int, Bar]]], same: float) -> Picture:
    """How often a classifier is right on each model's vectors, by how many labels it had.

    Args:
        models: of each model ``(labels, accuracy with its interval)``; empty: there is no task.
        same: the accuracy of guessing the most frequent class.
    """
    picture = Picture()
    axes = picture.subplots()
    axes.set_xscale("log")
    every = sorted({labels for points in models.values() for labels, _ in points})
    axes.set_xticks(every, [f"{labels:,}" for labels in every])
    axes.minorticks_off()
    for number, (name, points) in enumerate(models.items()):
        aside = 1.03 ** (number - (len(models) - 1) / 2)  # intervals beside each other can be read
        places = [labels * aside for labels, _ in points]
        values = [value for _, (value, _, _) in points]
        below, above = _distances([bar for _, bar in points])
        colour = [GREY, *COLOURS][number % (len(COLOURS) + 1)]
        marker = MARKERS[number % len(MARKERS)]
        axes.errorbar(
            *(places, values),
            yerr=(below, above),
            label=name,
            color=colour,
            marker=marker,
            capsize=2,
        )
    axes.axhline(same, color=GREY, linestyle=":", label="always the most frequent class")
    axes.set(
        title="How often the class of a text is found",
        xlabel="labels to learn from",
        ylabel="documents that are right",
    )
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.grid(alpha=0.3)
    axes.legend()
    return picture


def confusions(classes: Sequence[str], tables: Mapping[str, Sequence[Sequence[int]]]) -> Picture:
    """For each model a square: rows are true classes, columns what they were taken for.

    Colours are shares of a row, numbers are documents.
    """
    picture = Picture(height=1.4 + 0.28 * max(4, len(classes)))
    names = [cut(name, 24) for name in classes]
    squares = picture.subplots(1, len(tables) or 1, squeeze=False)[0]
    for axes, (name, table) in zip(squares, tables.items(), strict=False):
        counts = np.array(table)
        shares = counts / np.maximum(1, counts.sum(1, keepdims=True))
        axes.imshow(np.ma.masked_equal(shares, 0), cmap="Blues", vmin=-0.2, vmax=1.6)
        for (row, column), count in np.ndenumerate(counts):
            if count:
                axes.text(column, row, count, ha="center", va="center", fontsize="small")
        axes.set(title=name, xlabel="taken for")
        axes.set_xticks(range(len(names)), names, rotation=90, fontsize="small")
        axes.set_yticks(range(len(names)), names, fontsize="small")
        axes.label_outer()
    return picture
