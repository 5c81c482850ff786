"""What a person does with a panel, and sees there, without a browser."""

import html
import re
from collections.abc import Iterator

import ipywidgets as widgets

from helpers.common.errors import CourseError
from helpers.panels.settings.settings_panel import SettingsPanel
from helpers.stages.road import ROAD
from helpers.workflow.parameters import WrongSettings
from helpers.workflow.workspace import Workspace

LIVE = "application/vnd.jupyter.widget-view+json"
SCRIPT = "<script>alert('1')</script>"


def panel_of(command: str, workspace: Workspace, **values: object) -> SettingsPanel:
    return SettingsPanel(command, workspace, ROAD[command].settings(**values))


def move(panel: SettingsPanel, name: str, value: object) -> None:
    """Put something into a control."""
    panel.controls[name].widget.value = value


def done(panel: SettingsPanel) -> str:
    """Do the step, as the cell below the panel does; what is said then."""
    try:
        report = ROAD.run(panel.command, panel.workspace, panel.settings)
    except CourseError as error:
        return html.escape(str(error))
    return report._repr_html_()


def is_possible(panel: SettingsPanel) -> bool:
    """Whether the step can be done with what is set."""
    try:
        return bool(panel.settings)
    except WrongSettings:
        return False


def inside(widget: widgets.Widget) -> Iterator[widgets.Widget]:
    """A widget and all that it is made of."""
    yield widget
    for child in getattr(widget, "children", ()):
        yield from inside(child)


def all_html(panel: SettingsPanel) -> str:
    return "".join(w.value for w in inside(panel) if isinstance(w, widgets.HTML))


def executed(panel: SettingsPanel) -> dict:
    """The lines for the cell ``parameters``, as a browser shows them and Python reads them."""
    names: dict = {}
    if shown := re.search("<pre[^>]*>(.*)</pre>", panel.line.value, re.DOTALL):
        exec(html.unescape(shown[1]), {}, names)
    return names
