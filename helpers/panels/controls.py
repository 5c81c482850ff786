"""One control for each setting: its type and its range say which."""

import dataclasses
import math
import types
import typing
from collections.abc import Callable
from typing import Literal

import ipywidgets as widgets
from pydantic.fields import FieldInfo

from helpers.panels.base_source import BaseSource
from helpers.panels.look import BESIDE, look
from helpers.panels.text_files import TextFiles
from helpers.parameters import bounds
from helpers.workspace import Workspace

STEP = 0.01  # of a slider for a share
DECADES = 6  # a slider for a rate begins at 10^-6


@dataclasses.dataclass(frozen=True)
class Control:
    """A widget, and how its ``value`` is written and read.

    Attributes:
        show: a setting → what the widget holds.
        read: what the widget holds → a setting, or a text that the settings will refuse.
    """

    widget: widgets.Widget
    show: Callable[[object], object] = lambda value: value
    read: Callable[[object], object] = lambda value: value


def control_for(name: str, info: FieldInfo, value: object, workspace: Workspace) -> Control:
    """The control of a field, holding ``value``."""
    extra, kind = info.json_schema_extra or {}, typing.get_origin(info.annotation)
    limits = bounds(info)
    if info.annotation is bool:
        beside = widgets.Layout(width="18.5em", margin=BESIDE)
        control = Control(widgets.Checkbox(indent=False, description=name, layout=beside))
    elif kind is Literal:
        options = typing.get_args(info.annotation)
        control = Control(widgets.Dropdown(options=options, **look(name)))
    elif "upload" in extra:
        control = Control(TextFiles(name, workspace.root / extra["upload"]), _in_lines, _from_lines)
    elif "words" in extra:
        control = Control(BaseSource(name, extra["words"], extra["paths"]))
    elif kind is tuple:
        area = widgets.Textarea(placeholder="one a line", rows=2, **look(name))
        control = Control(area, _in_lines, _from_lines)
    elif info.examples:
        control = Control(widgets.Combobox(options=info.examples, **look(name)))
    elif info.annotation is float:
        control = Control(_slider(name, limits, value, extra), read=_rounded)
    elif kind is types.UnionType:  # a number or None
        text = widgets.Text(placeholder="empty: decided here", **look(name))
        control = Control(text, lambda n: "" if n is None else str(n), lambda text: text or None)
    elif info.annotation is int:
        control = Control(widgets.Text(**look(name)), str)
    else:
        text = widgets.Text(placeholder="empty", continuous_update=False, **look(name))
        control = Control(text)
    control.widget.value = control.show(value)
    return control


def _slider(name: str, limits: dict, value: float, extra: dict) -> widgets.Widget:
    """For a share, or, where one value is ten times another, for a rate."""
    if extra.get("scale") == "log":
        first = min(-DECADES, math.floor(math.log10(value)))
        last = math.log10(limits["le"])
        return widgets.FloatLogSlider(
            value, min=first, max=last, step=0.05, readout_format=".2g", **look(name)
        )
    first = limits.get("ge", limits.get("gt", 0) + STEP)
    last = limits["le"] if "le" in limits else limits["lt"] - STEP
    return widgets.FloatSlider(min=min(first, value), max=max(last, value), step=STEP, **look(name))


def _rounded(value: float) -> float:
    """Two digits of what a slider was moved to: 10^-3.3 is 0.0005."""
    return float(f"{value:.2g}")


def _in_lines(values: tuple[str, ...]) -> str:
    return "\n".join(values)


def _from_lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())
