"""A panel for the settings of one stage: a control each, and what they would do."""

import contextlib
import functools
import html
import threading
from collections.abc import Mapping

import ipywidgets as widgets

from helpers.common.errors import CourseError
from helpers.panels.look import QUIET, WARNING, said, wide
from helpers.panels.panel import Panel
from helpers.panels.prepared import with_values
from helpers.panels.settings.controls import control_for, typed_number
from helpers.panels.settings.previews import PREVIEWS
from helpers.workflow.parameters import Settings, WrongSettings, explanation, literal
from helpers.workflow.workspace import Workspace


class SettingsPanel(Panel):
    """Controls for all settings of a stage, made from their model.

    ``settings`` gives what is set at the moment, for the cell that does the step. The display holds
    the same as static HTML, for pages on which no widget lives.

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
        self.keep = widgets.Button(
            description="Write it there", tooltip="Put these values into the cell parameters"
        )
        self.keep.on_click(self._keep)
        # JupyterLab may have two threads deliver what was moved, and the later must be shown last.
        self.one_at_a_time, self.looking = threading.RLock(), threading.Lock()
        self.shown = 0  # how often something was set and shown
        for name, control in self.controls.items():
            control.widget.observe(lambda change, name=name: self._moved(name, change), "value")
            if control.field:
                control.field.observe(lambda change, name=name: self._typed(name, change), "value")
            if control.widget.has_trait("sent"):
                control.widget.observe(lambda _: self._show(), "sent")
        parts = (*self._groups(), self.message, self.preview, self.line, self.keep)
        super().__init__(parts, command, workspace)
        self.front.observe(lambda _: self._show_line(), "writes")
        self._show()

    def _groups(self) -> list[widgets.Widget]:
        """A heading and, below it, a row for each of its settings."""
        found: list[widgets.Widget] = []
        for heading, names in self.model.groups().items():
            if heading:
                found.append(widgets.HTML(f"<b>{heading}</b>"))
            for name in names:
                row = (*self.controls[name].row, self.notes[name])
                found.append(widgets.HBox(row, layout=widgets.Layout(flex_flow="row wrap")))
        return found

    @property
    def settings(self) -> Settings:
        """What is set now.

        Raises:
            WrongSettings: it is not possible; the panel says so beside the field, too.
        """
        return self.model(**self.values)

    def _moved(self, name: str, change: dict) -> None:
        control = self.controls[name]
        with self.one_at_a_time:
            if not control.stands_for(change["new"], self.values[name]):  # else it is from here
                value = control.read(change["new"])
                self._set(name, round(value, 2) if name in self.shares else value)

    def _typed(self, name: str, change: dict) -> None:
        with self.one_at_a_time:
            if change["new"] != self.controls[name].text(self.values[name]):
                self._set(name, typed_number(change["new"]))

    def _set(self, name: str, value: object) -> None:
        self.values[name] = value
        if name in self.shares and isinstance(value, float) and 0 <= value <= 1:
            self._share_out(name)
        self.controls[name].hold(value)
        self._show()

    def _share_out(self, moved: str) -> None:
        """Let the other shares keep the proportion that was chosen; together they are 1."""
        self.shares[moved] = self.values[moved]
        digits = 2 if self.values[moved] == round(self.values[moved], 2) else 6
        others = [name for name in self.shares if name != moved]
        rest, chosen = 1 - self.values[moved], sum(self.shares[name] for name in others)
        parts = [self.shares[name] / chosen if chosen else 1 / len(others) for name in others]
        for name, part in zip(others[:-1], parts, strict=False):
            self.values[name] = round(rest * part, digits)
        known = sum(self.values[name] for name in (moved, *others[:-1]))
        self.values[others[-1]] = max(0.0, round(1 - known, 12))
        for name in self.shares:
            self.controls[name].hold(self.values[name])

    def _show(self) -> None:
        """Say beside each field what it means or what is wrong, and show what would be done."""
        problems: dict[str, str] = {}
        settings = None
        try:
            settings = self.settings
        except WrongSettings as error:
            problems = error.problems
        self.message.value = said(problems.get("", ""), WARNING, "⚠ ")
        for name, info in self.model.model_fields.items():
            wrong = problems.get(name)
            self.notes[name].value = (
                said(f"{wrong}.", WARNING, "⚠ ") if wrong else said(explanation(info), QUIET)
            )
        self._show_line()
        self.shown += 1
        if threading.current_thread() is threading.main_thread():
            self._look_ahead(settings, self.shown)
        else:
            # JupyterLab lets a thread deliver what is moved while cells run: it must not wait for
            # this, or the cell below would find what was set some moves before.
            look = threading.Thread(target=self._look_ahead, args=(settings, self.shown))
            look.daemon = True
            look.start()

    def _look_ahead(self, settings: Settings | None, number: int) -> None:
        """Show what would be done with what was shown as this number, unless more was set since."""
        preview = message = ""
        with self.looking:
            if number != self.shown:
                return
            try:
                if settings and self.command in PREVIEWS:
                    shown = PREVIEWS[self.command](self.workspace, settings)
                    preview = f"<div style='line-height:1.4'>{shown}</div>"
            except CourseError as error:
                message = str(error)
            except Exception as error:  # a look ahead that fails must not stop the panel
                message = f"What would be done cannot be shown: {error}."
        with self.one_at_a_time:
            if number == self.shown:
                self.preview.value = preview
                if message:
                    self.message.value = said(message, WARNING, "⚠ ")

    def _moved_from(self) -> dict[str, object]:
        """The values that are others than those of the notebook; none where one is not possible."""
        with contextlib.suppress(WrongSettings):
            return {n: v for n, v in self.settings if v != getattr(self.begun_with, n)}
        return {}

    def _keep(self, _: widgets.Button) -> None:
        """Write into the cell ``parameters`` what stands in the line to copy."""
        settings, moved = self.settings, self._moved_from()

        def kept(problem: str) -> None:
            if problem:
                self.line.value += said(problem, WARNING, "⚠ ")
                return
            self.begun_with = settings
            self._show_line()
            self.line.value += said("The cell parameters has these values now.", QUIET)

        self.front.rewrite(functools.partial(with_values, values=moved), kept)

    def _show_line(self) -> None:
        """What to copy into the cell ``parameters``, where something was moved."""
        moved = self._moved_from()
        self.line.value = self._line(moved) if moved else ""
        self.keep.layout.display = "" if moved and self.front.writes else "none"

    def _line(self, moved: Mapping[str, object]) -> str:
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
