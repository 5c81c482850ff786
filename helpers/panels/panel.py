"""What all panels share: a frame, a heading, and a display that can be read without a kernel."""

from collections.abc import Sequence

import ipywidgets as widgets

from helpers.panels.front import Front
from helpers.panels.look import QUIET, said
from helpers.workflow.workspace import Workspace


class Panel(widgets.VBox):
    """A framed column of widgets; above them stands which workspace it works in.

    Its display holds the live widget and :meth:`html`, the same as it stands, for web pages and
    files without a kernel.

    Args:
        name: the panel is found as ``.course-NAME``.
    """

    def __init__(self, children: Sequence[widgets.Widget], name: str, workspace: Workspace) -> None:
        border = "1px solid var(--jp-border-color1, #bdbdbd)"
        layout = widgets.Layout(border=border, padding="8px", max_width="100%")
        self.heading = widgets.HTML(said(workspace.introduced, QUIET))
        self.front = Front()
        super().__init__((self.heading, *children, self.front), layout=layout)
        self.add_class("course-panel").add_class(f"course-{name}")

    def html(self) -> str:
        """What the panel shows below its heading, as HTML with inline styles and no script."""
        raise NotImplementedError

    def plain(self) -> str:
        """What the panel shows, in few words, for a terminal."""
        raise NotImplementedError

    def _repr_mimebundle_(self, **options: object) -> dict:
        both = {"text/plain": self.plain(), "text/html": f"{self.heading.value}{self.html()}"}
        return {**(super()._repr_mimebundle_(**options) or {}), **both}
