"""The course's figures: numbers in, a picture out that reads on light and dark pages."""

import io
from collections import Counter
from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from helpers.workspace import SPLITS

# Okabe and Ito's colours, which people with any colour vision can tell apart.
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#595959"


class Picture(Figure):
    """A figure on white ground that a notebook shows as PNG, whatever its backend."""

    def __init__(self, width: float = 7, height: float = 3.2) -> None:
        super().__init__(figsize=(width, height), dpi=110, layout="constrained", facecolor="white")

    def _repr_png_(self) -> bytes:
        target = io.BytesIO()
        self.savefig(target, format="png")
        return target.getvalue()


def documents_per_split(documents: Sequence[int]) -> Picture:
    """Bars for the documents in train, valid and test."""
    picture = Picture(height=2.2)
    axes = picture.subplots()
    bars = axes.barh(SPLITS, documents, color=(BLUE, ORANGE, GREEN))
    axes.bar_label(bars, [f"{n:,}" for n in documents], padding=4)
    axes.invert_yaxis()
    axes.set(title="Documents in each split", xlabel="documents")
    axes.margins(x=0.12)
    return picture


def tokens_per_line(lengths: Sequence[int], limit: int) -> Picture:
    """Histogram of line lengths in tokens, with the model's limit drawn in.

    Args:
        lengths: GPT-2 tokens of each line; blank lines left out.
        limit: the most tokens of a line that the model can read.
    """
    picture = Picture()
    axes = picture.subplots()
    axes.hist(lengths, bins=60, color=BLUE, label="lines")
    axes.axvline(limit, color=ORANGE, linestyle="--", label=f"limit of the model: {limit} tokens")
    axes.set_yscale("log")
    axes.set(title="How long the lines are", xlabel="tokens in a line", ylabel="lines (log scale)")
    axes.legend()
    return picture


def zipf(counts: Counter | Sequence[int]) -> Picture:
    """Frequency of each token against its rank, on logarithmic axes."""
    values = counts.values() if isinstance(counts, Counter) else counts
    ranked = sorted((n for n in values if n), reverse=True)
    picture = Picture()
    axes = picture.subplots()
    axes.loglog(range(1, len(ranked) + 1), ranked, color=BLUE)
    axes.set(
        title="A few tokens are everywhere, most are rare (Zipf's law)",
        xlabel="rank of the token",
        ylabel="occurrences in train",
    )
    axes.grid(alpha=0.3)
    return picture


def learning_curve(
    train: Sequence[tuple[int, float]], valid: Sequence[tuple[int, float]]
) -> Picture:
    """Training and validation loss, in bits per hidden token, over the updates."""
    picture = Picture()
    axes = picture.subplots()
    for points, colour, marker, label in (
        (train, BLUE, "", "training"),
        (valid, ORANGE, "o", "validation"),
    ):
        if points:
            axes.plot(*zip(*points, strict=True), color=colour, marker=marker, label=label)
    axes.set(
        title="The loss falls while the model learns",
        xlabel="updates",
        ylabel="loss (bits per hidden token)",
    )
    axes.grid(alpha=0.3)
    axes.legend()
    return picture


def before_and_after(bits: Sequence[float], accuracy: Sequence[float]) -> Picture:
    """Loss and accuracy of the base and of the fine-tuned model, side by side."""
    picture = Picture()
    left, right = picture.subplots(1, 2)
    names = ("base", "fine-tuned")
    bars = left.bar(names, bits, color=(GREY, BLUE))
    left.bar_label(bars, [f"{value:.2f}" for value in bits], padding=3)
    left.set(title="Loss: lower is better", ylabel="bits per hidden token")
    bars = right.bar(names, accuracy, color=(GREY, BLUE))
    right.bar_label(bars, [f"{value:.1%}" for value in accuracy], padding=3)
    right.yaxis.set_major_formatter(PercentFormatter(1))
    right.set(title="Right at the first guess", ylabel="share of hidden tokens")
    for axes in (left, right):
        axes.margins(y=0.15)
    return picture
