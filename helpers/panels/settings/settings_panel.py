"""A panel for the settings of one stage: a control each, what they would do, and a button."""

import functools
import html
import threading
from collections.abc import Callable

import ipywidgets as widgets

from helpers.common.errors import CourseError
from helpers.common.report import Report
from helpers.panels.look import QUIET, WARNING, said, wide
from helpers.panels.panel import Panel
from helpers.panels.settings.controls import control_for
from helpers.panels.settings.previews import PREVIEWS
from helpers.panels.settings.run_box import RunBox
from helpers.stages.road import ROAD
from helpers.workflow.parameters import Settings, WrongSettings, explanation, literal
from helpers.workflow.workspace import Workspace


class SettingsPanel(Panel):
    """Controls for all settings of a stage, made from their model.

    ``settings`` gives what is set at the moment. The display holds the same as static HTML, for
    pages on which no widget lives.

    Args:
        command: the stage, as on the command line (``split``).
        settings: what the panel begins with.
    """

    def __init__(self, command: str, workspace: Workspace, settings: Settings) -> None:
        self.command, self.workspace, self.begun_with = command, workspace, settings
        self.model = type(settings)
        self.values = dict(settings)
        self.shares = {name: self.values[name] for name in self.model.SHARES}  # as they were chosen
        self.controls = {
            name: control_for(name, info, self.values[name], workspace)
            for name, info in self.model.model_fields.items()
        }
        self.notes = {name: widgets.HTML(layout=wide("22em")) for name in self.controls}
        self.preview, self.message = widgets.HTML(layout=wide()), widgets.HTML()
        self.line = widgets.HTML(layout=wide())
        self.run = RunBox(self._step, workspace, ROAD[command].loses)
        # JupyterLab may have two threads deliver what was moved, and the later must be shown last.
        self.one_at_a_time = threading.RLock()
        for name, control in self.controls.items():
            control.widget.observe(lambda change, name=name: self._moved(name, change), "value")
            if control.widget.has_trait("sent"):
                control.widget.observe(lambda _: self._show(), "sent")
        parts = (*self._groups(), self.message, self.preview, self.line, self.run)
        super().__init__(parts, command)
        self._show()

    def _groups(self) -> list[widgets.Widget]:
        """A heading and, below it, a row for each of its settings."""
        found: list[widgets.Widget] = []
        for heading, names in self.model.groups().items():
            if heading:
                found.append(widgets.HTML(f"<b>{heading}</b>"))
            for name in names:
                row = (self.controls[name].widget, self.notes[name])
                found.append(widgets.HBox(row, layout=widgets.Layout(flex_flow="row wrap")))
        return found

    @property
    def settings(self) -> Settings:
        """What is set now.

        Raises:
            WrongSettings: it is not possible; the panel says so beside the field, too.
        """
        return self.model(**self.values)

    def _step(self) -> Callable[..., Report]:
        return functools.partial(ROAD.run, self.command, self.workspace, self.settings)

    def _moved(self, name: str, change: dict) -> None:
        control = self.controls[name]
        with self.one_at_a_time:
            if change["new"] == control.show(self.values[name]):
                return  # moved from here
            self.values[name] = control.read(change["new"])
            if name in self.model.SHARES:
                self._share_out(name)
            self._show()

    def _share_out(self, moved: str) -> None:
        """Let the other shares keep the proportion that was chosen; together they are 1."""
        self.shares[moved] = self.values[moved] = round(self.values[moved], 2)
        others = [name for name in self.shares if name != moved]
        rest, chosen = 1 - self.values[moved], sum(self.shares[name] for name in others)
        parts = [self.shares[name] / chosen if chosen else 1 / len(others) for name in others]
        for name, part in zip(others[:-1], parts, strict=False):
            self.values[name] = round(rest * part, 2)
        known = sum(self.values[name] for name in (moved, *others[:-1]))
        self.values[others[-1]] = max(0.0, round(1 - known, 6))
        for name in self.shares:
            self.controls[name].widget.value = self.values[name]

    def _show(self) -> None:
        """Say beside each field what it means or what is wrong, and show what would be done."""
        problems: dict[str, str] = {}
        message = self.preview.value = ""
        try:
            settings = self.settings
            if self.command in PREVIEWS:
                shown = PREVIEWS[self.command](self.workspace, settings)
                self.preview.value = f"<div style='line-height:1.4'>{shown}</div>"
        except WrongSettings as error:
            problems = error.problems
            message = problems.get("", "")
        except CourseError as error:
            message = str(error)
        except Exception as error:  # a look ahead that fails must not stop the panel
            message = f"What would be done cannot be shown: {error}."
        self.message.value = said(message, WARNING, "⚠ ")
        for name, info in self.model.model_fields.items():
            wrong = problems.get(name)
            self.notes[name].value = (
                said(f"{wrong}.", WARNING, "⚠ ") if wrong else said(explanation(info), QUIET)
            )
        self.run.allow(not problems)
        self.line.value = "" if problems else self._line()

    def _line(self) -> str:
        """What to copy into the cell ``parameters``, where something was moved."""
        moved = {n: v for n, v in self.settings if v != getattr(self.begun_with, n)}
        if not moved:
            return ""
        lines = "\n".join(f"{name} = {literal(value)}" for name, value in moved.items())
        return (
            f"<div style='{QUIET}'>“Run All Cells” begins with the parameters again. To keep what "
            "is set here, copy this into the cell <code>parameters</code>:</div>"
            f"<pre style='user-select:all;margin:4px 0'>{html.escape(lines)}</pre>"
        )

    def html(self) -> str:
        try:
            table = self.settings._repr_html_()
        except WrongSettings as error:
            table = said(str(error), WARNING, "⚠ ")
        return f"<div>{table}{self.message.value}{self.preview.value}</div>"

    def plain(self) -> str:
        try:
            return str(self.settings)
        except WrongSettings as error:
            return str(error)
