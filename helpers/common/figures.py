"""The course's figures: numbers in, a picture out that reads on light and dark pages."""

import base64
import functools
import html
import io
from collections import Counter
from collections.abc import Sequence

import numpy as np
from matplotlib import font_manager, rc_context
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.patheffects import withStroke
from matplotlib.text import Text
from matplotlib.ticker import PercentFormatter

from helpers.common.symbols import SOFTWARE, SPLITS

BARS, FAR = 60, 10  # of a histogram; times the limit, from where on its axis is logarithmic
# Okabe and Ito's colours, which people with any colour vision can tell apart.
# All of them, and the grey, stand out (by 3 to 1) from white pages and from JupyterLab's dark ones.
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#767676"
COLOURS = (BLUE, ORANGE, GREEN, "#CC79A7")
MARKERS = "osD^v"  # one more than colours, so that the two together come again late
# No colour of letters can be read on both; so dark ones have a light edge, which white pages hide.
# Where panels live, their style sheet turns the picture over on dark pages, and hides it there too.
INK, EDGE, EDGE_WIDTH = "#1A1A1A", "#FFFFFF", 3  # the width in points


# Fonts with Chinese characters, as systems have them: matplotlib's own has none.
CHINESE = (
    *("Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "WenQuanYi Micro Hei"),
    *("PingFang SC", "Hiragino Sans GB", "Microsoft YaHei", "SimHei", "Arial Unicode MS"),
)


@functools.cache
def chinese_font() -> list[str]:
    """The first of ``CHINESE`` that is here, if there is one."""
    there = {*font_manager.get_font_names()}
    return [name for name in CHINESE if name in there][:1]


class Picture(Figure):
    """A figure without a ground of its own, to be read on light and dark pages.

    A notebook shows it as an image with its titles as alternative text, whatever its backend.
    """

    def __init__(self, width: float = 7, height: float = 3.2) -> None:
        super().__init__(figsize=(width, height), dpi=110, layout="constrained", facecolor="none")

    def _repr_png_(self) -> bytes:
        fonts = ["DejaVu Sans", *chinese_font()]
        for text in self.findobj(Text):
            text.set_fontfamily(fonts)
        with rc_context({"font.family": fonts}):
            self.draw_without_rendering()  # which makes the ticks and their numbers
        for axes in self.axes:
            axes.set_facecolor("none")
            axes.tick_params(which="both", color=GREY)
            axes.spines[:].set_color(GREY)
        for legend in self.findobj(Legend):
            legend.set_frame_on(False)
        for text in self.findobj(Text):
            text.set_fontfamily(fonts)
            text.set_color(INK)
            text.set_path_effects([withStroke(linewidth=EDGE_WIDTH, foreground=EDGE)])
        target = io.BytesIO()
        self.savefig(target, format="png", metadata={"Software": SOFTWARE})
        return target.getvalue()

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        """The HTML comes first, since JupyterLab gives a bare PNG no alternative text."""
        data = base64.b64encode(self._repr_png_()).decode()
        image = self._image(data, "max-width:100%")
        return {"text/plain": self.alternative, "text/html": image, "image/png": data}

    @property
    def alternative(self) -> str:
        """What is to be seen, for those who do not see it: the titles."""
        return "; ".join(axes.get_title() for axes in self.axes)

    def _image(self, data: str, style: str) -> str:
        alt = html.escape(self.alternative, quote=True)
        source = f"data:image/png;base64,{data}"
        return f"<img class='course-figure' src='{source}' alt='{alt}' style='{style}'>"

    def html(self) -> str:
        """The picture in small, as an image with its own data; two fit beside each other."""
        size = self.get_size_inches().copy()
        self.set_size_inches(4.6, 0.85 * size[1])  # the letters keep their size
        data = base64.b64encode(self._repr_png_()).decode()
        self.set_size_inches(size)
        return self._image(data, "width:30em;max-width:100%;vertical-align:top")


def documents_per_split(documents: Sequence[int]) -> Picture:
    """Bars for the documents in train, valid and test."""
    picture = Picture(height=2.2)
    axes = picture.subplots()
    bars = axes.barh(SPLITS, documents, color=(BLUE, ORANGE, GREEN))
    axes.bar_label(bars, [f"{n:,}" for n in documents], padding=4)
    axes.invert_yaxis()
    axes.set(title="Documents in each split", xlabel="documents")
    axes.margins(x=0.2)
    return picture


def tokens_per_line(
    lengths: Sequence[int], limit: int, lines: Sequence[int] | None = None
) -> Picture:
    """Histogram of line lengths in tokens, with the model's limit drawn in.

    Where some lines are many times as long as the limit, the axis is logarithmic.

    Args:
        lengths: GPT-2 tokens of each line; blank lines left out.
        limit: the most tokens of a line that the model can read.
        lines: how many lines have each of these lengths; one each if it is left out.
    """
    picture = Picture()
    axes = picture.subplots()
    longest = int(np.max(lengths, initial=limit))
    if longest > FAR * limit:
        axes.set_xscale("log")
        edges = np.unique(np.geomspace(1, longest + 1, BARS).astype(int))
    else:  # whole numbers, and bars that are seen however near to each other the lengths are
        edges = np.arange(0, longest + 1 + longest // BARS + 1, longest // BARS + 1)
        axes.locator_params(axis="x", nbins=5)  # five-digit lengths do not run together
    axes.hist(lengths, bins=edges, weights=lines, color=BLUE, label="lines")
    axes.axvline(limit, color=ORANGE, linestyle="--", label=f"limit of the model: {limit} tokens")
    axes.set_yscale("log")
    axes.set_ylim(bottom=0.5)  # a single line is seen, too
    axes.set(title="How long the lines are", xlabel="tokens in a line", ylabel="lines (log scale)")
    axes.legend()
    return picture


def zipf(counts: Counter | Sequence[int], split: str = "train") -> Picture:
    """Frequency of each token of a split against its rank, on logarithmic axes."""
    values = counts.values() if isinstance(counts, Counter) else counts
    ranked = sorted((n for n in values if n), reverse=True)
    picture = Picture()
    axes = picture.subplots()
    axes.loglog(range(1, len(ranked) + 1), ranked, color=BLUE)
    axes.set(
        title="Zipf's law: a few tokens are everywhere",
        xlabel="rank of the token",
        ylabel=f"occurrences in {split}",
    )
    axes.grid(alpha=0.3)
    return picture


def learning_rate(rates: Sequence[tuple[int, float]]) -> Picture:
    """The learning rate over the updates, from the first to the last: ``(update, rate)``."""
    picture = Picture(height=2.2)
    axes = picture.subplots()
    axes.plot(*zip(*rates, strict=True), color=BLUE)
    axes.set(title="The learning rate of each update", xlabel="updates", ylabel="learning rate")
    axes.set_ylim(bottom=0)
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


def learning_curves(
    runs: Sequence[tuple[str, Sequence[tuple[int, float]], Sequence[tuple[int, float]]]],
) -> Picture:
    """The losses of several trainings over each other: name, training and validation of each.

    Validation has the colour, the marker and the name of a run; training is a thin line below it.
    """
    picture = Picture(height=3.2 + 0.14 * len(runs))
    axes = picture.subplots()
    for number, (name, train, valid) in enumerate(runs):
        colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
        if train:
            axes.plot(*zip(*train, strict=True), color=colour, linewidth=0.6)
        x, y = zip(*valid, strict=True) if valid else ((), ())
        axes.plot(x, y, color=colour, marker=marker, label=name)
    axes.set(
        title="Validation loss of each training; thin: its training loss",
        xlabel="updates",
        ylabel="loss (bits per hidden token)",
    )
    axes.grid(alpha=0.3)
    picture.legend(loc="outside lower center", ncols=2)
    return picture


def tokens_per_word(words: Sequence[tuple[int, int]], most: int = 8) -> Picture:
    """Bars for the shares of words: ``(tokens, how many words)``, from ``most`` on together."""
    heights = [0] * (most + 1)
    for tokens, number in words:
        heights[min(tokens, most)] += number
    first = 0 if heights[0] else 1  # none: of a sign that is read together with the one before
    names = [*map(str, range(first, most)), f"{most} +"]
    shares = [height / max(1, sum(heights)) for height in heights[first:]]
    picture = Picture()
    axes = picture.subplots()
    bars = axes.bar(names, shares, color=BLUE)
    axes.bar_label(bars, [f"{share:.1%}" for share in shares], padding=2)
    axes.set(title="How many tokens the words have", xlabel="tokens in a word", ylabel="words")
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.margins(y=0.12)
    return picture


def tokens_per_character(costs: Sequence[tuple[str, float]]) -> Picture:
    """Bars for what a character costs in each script: ``(script, tokens a character)``."""
    picture = Picture(height=1.4 + 0.22 * len(costs))
    axes = picture.subplots()
    bars = axes.barh([name for name, _ in costs], [cost for _, cost in costs], color=BLUE)
    axes.bar_label(bars, [f"{cost:.2f}" for _, cost in costs], padding=4)
    axes.invert_yaxis()
    axes.set(title="What a character costs", xlabel="tokens a character")
    axes.margins(x=0.2)
    return picture
