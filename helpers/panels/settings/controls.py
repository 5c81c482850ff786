"""One control for each setting: its type and its range say which."""

import dataclasses
import math
import types
import typing
from collections.abc import Callable
from typing import Literal

import ipywidgets as widgets
from pydantic.fields import FieldInfo

from helpers.panels.look import BESIDE, look
from helpers.panels.settings.base_source import BaseSource
from helpers.panels.settings.text_files import TextFiles
from helpers.workflow.parameters import About, bounds
from helpers.workflow.workspace import Workspace

STEP = 0.01  # of a slider for a share
FIELD = "6em"  # the width of a field beside a slider
DECADES = 6  # a slider for a rate begins at 10^-6


@dataclasses.dataclass(frozen=True)
class Control:
    """A widget, and how its ``value`` is written and read.

    Attributes:
        show: a setting → what the widget holds.
        read: what the widget holds → a setting, or a text that the settings will refuse.
        place: of a slider, the number of the step for what it holds.
        field: beside a slider, for the numbers that it cannot land on.
    """

    widget: widgets.Widget
    show: Callable[[object], object] = lambda value: value
    read: Callable[[object], object] = lambda value: value
    place: Callable[[float], int] | None = None
    field: widgets.Text | None = None

    def stands_for(self, held: object, value: object) -> bool:
        """Whether what the widget holds is a setting: a page moves a slider to the nearest step."""
        shown = self.show(value)
        return held == shown or (bool(self.place) and self.place(held) == self.place(shown))

    def hold(self, value: object) -> None:
        """Let widget and field show a setting, or the text that is none.

        What was moved there is left alone: on the page it may have been moved on meanwhile.
        """
        held, shown = self.widget.value, self.show(value)
        if held != shown and self.read(held) != value:
            self.widget.value = shown
        if self.field:
            self.field.value = self.text(value)

    @staticmethod
    def text(value: object) -> str:
        """What stands in the field."""
        return f"{value:.12g}" if isinstance(value, float) else str(value)

    @property
    def row(self) -> tuple[widgets.Widget, ...]:
        if not self.field:
            return (self.widget,)
        pair = widgets.HBox((self.widget, self.field), layout=widgets.Layout(max_width="100%"))
        return (pair.add_class("course-slider"),)


def control_for(name: str, info: FieldInfo, value: object, workspace: Workspace) -> Control:
    """The control of a field, holding ``value``."""
    kind = typing.get_origin(info.annotation) or info.annotation
    control = CONTROLS[kind](name, info, value, workspace)
    control.hold(value)
    return control


def _box(name: str, *_: object) -> Control:
    beside = widgets.Layout(width="18.5em", margin=BESIDE)
    return Control(widgets.Checkbox(indent=False, description=name, layout=beside))


def _choice(name: str, info: FieldInfo, *_: object) -> Control:
    return Control(widgets.Dropdown(options=typing.get_args(info.annotation), **look(name)))


def _text(name: str, info: FieldInfo, *_: object) -> Control:
    about = About.of(info)
    if about.words:
        return Control(BaseSource(name, about.words, about.kinds))
    if info.examples:
        return Control(widgets.Combobox(options=info.examples, **look(name)))
    return Control(widgets.Text(placeholder="empty", continuous_update=False, **look(name)))


def _lines(name: str, info: FieldInfo, _: object, workspace: Workspace) -> Control:
    if folder := About.of(info).upload:
        widget = TextFiles(name, workspace.root / folder)
    else:
        widget = widgets.Textarea(placeholder="one a line", rows=2, **look(name))
    return Control(widget, "\n".join, _from_lines)


def _number(name: str, info: FieldInfo, *_: object) -> Control:
    """A text, so that what is wrong with it can be said."""
    hint = "empty: decided here" if info.default is None else ""
    field = widgets.Text(placeholder=hint, **look(name))
    return Control(field, lambda n: "" if n is None else str(n), lambda text: text or None)


def _slider(name: str, info: FieldInfo, value: float, _: Workspace) -> Control:
    """For a share, or, where one value is ten times another, for a rate."""
    limits = bounds(info)
    if About.of(info).log_scale:
        first = min(-DECADES, math.floor(math.log10(value)))
        last = math.log10(limits["le"])
        slider = widgets.FloatLogSlider(value, min=first, max=last, step=0.05, **look(name))
        first, last, scale = 10**first, 10**last, math.log10
    else:
        first = limits.get("ge", limits.get("gt", 0) + STEP)
        last = limits["le"] if "le" in limits else limits["lt"] - STEP
        first, last = min(first, value), max(last, value)
        slider = widgets.FloatSlider(min=first, max=last, step=STEP, **look(name))
        scale = float
    slider.readout = False
    slider.layout.width = f"calc({slider.layout.width} - {FIELD} - 4px)"
    field = widgets.Text(continuous_update=False, layout=widgets.Layout(width=FIELD))

    def show(value: object) -> float:
        is_number = isinstance(value, float) and not math.isnan(value)
        return min(max(value, first), last) if is_number else slider.value

    def place(value: float) -> int:
        return round((scale(value) - scale(first)) / slider.step)

    return Control(slider, show, _rounded, place, field)


def _rounded(value: float) -> float:
    """Two digits of what a slider was moved to: 10^-3.3 is 0.0005."""
    return float(f"{value:.2g}")


def typed_number(text: str) -> float | str:
    """The number that was typed; what is none stays, for the settings to refuse."""
    try:
        return float(text)
    except ValueError:
        return text.strip()


def _from_lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())


CONTROLS: dict[object, Callable[..., Control]] = {
    bool: _box,
    Literal: _choice,
    str: _text,
    tuple: _lines,
    float: _slider,
    int: _number,
    types.UnionType: _number,  # a number or None
}
