"""The curve of a training that goes on: small enough to be drawn anew every second."""

import base64
import html
import itertools
import math
from collections.abc import Sequence

from helpers.training.log.events import TRAIN, VALID, Event

Point = tuple[int, float]  # an update, and the loss in bits per hidden token
WIDTH, HEIGHT = 560, 250
LEFT, RIGHT, TOP, BOTTOM = 56, 14, 30, 44  # what stands around the axes, in the picture's units
MOST = 150  # points of a line; of more, so many neighbours are drawn as their mean
MARKED = 40  # points of validation up to which each has a mark
KINDS = {TRAIN: "training", VALID: "validation"}


class Curve:
    """What a training has said so far: its losses, and its newest numbers.

    Args:
        first, last: the updates between which it is drawn; more than these can be added.
    """

    def __init__(self, first: int, last: int) -> None:
        self.first, self.last = first, last
        self.points: dict[str, list[Point]] = {name: [] for name in KINDS.values()}
        self.rate = self.speed = math.nan  # the learning rate, and tokens a second
        self.changed, self.html = False, ""

    def add(self, event: Event) -> None:
        """Take in what was logged; where a training goes on, later points are done anew."""
        name = KINDS.get(event.kind)
        if not name or not math.isfinite(event.loss):
            return
        points = self.points[name]
        if points and points[-1][0] >= event.update:
            points = [point for point in points if point[0] < event.update]
        points.append((event.update, event.loss))
        self.points[name], self.changed = points, True
        if name == "training":
            self.rate = event.values.get("lr", math.nan)
            self.speed = event.values.get("wps", math.nan)

    def words(self) -> str:
        """The newest numbers: losses, learning rate, tokens a second."""
        losses = {"loss": self.points["training"], "validation loss": self.points["validation"]}
        said = [f"{name} {points[-1][1]:.2f} bits" for name, points in losses.items() if points]
        said += [f"rate {self.rate:.3g}"] if self.rate >= 0 else []
        said += [f"{self.speed:,.0f} tokens/s"] if self.speed > 0 else []
        return " · ".join(said)

    def picture(self) -> str:
        """An image in HTML that reads on light and dark pages; nothing before there is a line."""
        if self.changed and max(map(len, self.points.values())) > 1:
            self.changed = False
            data = base64.b64encode(self.svg().encode()).decode()
            alt = html.escape(self._alternative(), quote=True)
            self.html = (
                f"<div><img class='course-figure' src='data:image/svg+xml;base64,{data}' "
                f"alt='{alt}' style='width:{WIDTH}px;max-width:100%'></div>"
            )
        return self.html

    def _alternative(self) -> str:
        """What is to be seen, for those who do not see it."""
        now = (
            f"{name} {points[-1][1]:.2f} at update {points[-1][0]:,}"
            for name, points in self.points.items()
            if points
        )
        return f"Loss in bits per hidden token: {', '.join(now)}"

    def svg(self) -> str:
        """The picture itself: both losses over the updates, up to the last one to come."""
        from helpers.common.figures import BLUE, EDGE, EDGE_WIDTH, INK, ORANGE

        lines = {name: thinned(points) for name, points in self.points.items() if points}
        updates, losses = zip(*itertools.chain(*self.points.values()), strict=True)
        x = _Scale(min(self.first, *updates), max(self.last, *updates), LEFT, WIDTH - RIGHT)
        y = _Scale(min(losses), max(losses), HEIGHT - BOTTOM, TOP)
        colours = {"training": BLUE, "validation": ORANGE}
        parts = [_axes(x, y)]
        for i, (name, points) in enumerate(lines.items()):
            places = [(round(x.at(u), 1), round(y.at(loss), 1)) for u, loss in points]
            joined = " ".join(f"{a},{b}" for a, b in places)
            colour = colours[name]
            parts.append(f"<polyline points='{joined}' fill='none' stroke='{colour}'/>")
            if name == "validation" and len(places) <= MARKED:
                parts += [f"<circle cx='{a}' cy='{b}' r='3' fill='{colour}'/>" for a, b in places]
            end, line = WIDTH - RIGHT, TOP + 16 * i + 8
            parts.append(
                f"<path d='M{end - 24} {line}h20' stroke='{colour}' stroke-width='2'/>"
                + _text(end - 30, line + 4, name, "end")
            )
        style = (
            f"text{{font:12px sans-serif;fill:{INK};stroke:{EDGE};stroke-width:{EDGE_WIDTH}px;"
            "paint-order:stroke}polyline{stroke-width:1.5}"
        )
        return (
            f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {HEIGHT}' "
            f"width='{WIDTH}' height='{HEIGHT}'><title>{self._alternative()}</title>"
            f"<style>{style}</style>{''.join(parts)}</svg>"
        )


class _Scale:
    """From numbers to places between two ends of the picture."""

    def __init__(self, low: float, high: float, begin: float, end: float) -> None:
        pad = 0.0 if high > low else 0.5
        self.low, self.high, self.begin, self.end = low - pad, high + pad, begin, end

    def at(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.begin + share * (self.end - self.begin)


def ticks(low: float, high: float, most: int = 8) -> list[float]:
    """Round numbers between two others, at most so many.

    >>> ticks(0, 500), ticks(4.1, 9.7)
    ([0, 100, 200, 300, 400, 500], [5.0, 6.0, 7.0, 8.0, 9.0])
    """
    rough = (high - low) / (most - 1)
    power = 10 ** math.floor(math.log10(rough))
    step = next(step * power for step in (1, 2, 5, 10) if step * power >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(i * step, 10) for i in range(first, last + 1)]


def thinned(points: Sequence[Point]) -> list[Point]:
    """At most ``MOST`` points: neighbours become one, with their mean loss.

    >>> thinned([(10, 9.0), (20, 8.0)])
    [(10, 9.0), (20, 8.0)]
    """
    size = -(-len(points) // MOST)
    groups = (points[i : i + size] for i in range(0, len(points), max(size, 1)))
    return [(group[-1][0], sum(loss for _, loss in group) / len(group)) for group in groups]


def _axes(x: _Scale, y: _Scale) -> str:
    """Both axes with their ticks, numbers and names, and the title."""
    from helpers.common.figures import GREY

    parts = [f"<path d='M{x.begin} {y.end}V{y.begin}H{x.end}' fill='none' stroke='{GREY}'/>"]
    for value in ticks(x.low, x.high):
        place = round(x.at(value), 1)
        parts.append(f"<path d='M{place} {y.begin}v4' stroke='{GREY}'/>")
        parts.append(_text(place, y.begin + 17, f"{value:,.10g}", "middle"))
    for value in ticks(y.low, y.high):
        place = round(y.at(value), 1)
        parts.append(f"<path d='M{x.begin} {place}h-4' stroke='{GREY}'/>")
        parts.append(_text(x.begin - 7, place + 4, f"{value:,.10g}", "end"))
    parts.append(_text((x.begin + x.end) / 2, HEIGHT - 8, "updates", "middle"))
    parts.append(_text(8, TOP - 14, "loss (bits per hidden token)", "start"))
    return "".join(parts)


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f"<text x='{x}' y='{y}' text-anchor='{anchor}'>{html.escape(text)}</text>"
