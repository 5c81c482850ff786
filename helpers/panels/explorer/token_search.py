"""A search in GPT-2's 50 257 tokens."""

import ipywidgets as widgets

from helpers.common.errors import CourseError
from helpers.explorer.html.merges import found_tokens
from helpers.explorer.known import known_tokens
from helpers.explorer.merges import search_tokens
from helpers.panels.explorer.saved_panel import SavedPanel
from helpers.panels.look import WARNING, look, said, wide
from helpers.workflow.workspace import Workspace

EARLIEST, LATEST = "the earliest merges first", "the latest merges first"


class TokenSearch(SavedPanel):
    """Find tokens by a part of their text, or by a regular expression."""

    def __init__(self, workspace: Workspace, query: str = "") -> None:
        self.known = known_tokens(workspace)
        self.query = widgets.Text(value=query, placeholder="part of a token", **look("search"))
        self.after_space = widgets.Checkbox(description="begins with a space", indent=False)
        self.regex = widgets.Checkbox(description="is a regular expression", indent=False)
        self.order = widgets.Dropdown(options=(EARLIEST, LATEST), **look("order"))
        self.view = widgets.HTML(layout=wide())
        controls = (self.query, self.order, self.after_space, self.regex)
        for control in controls:
            control.observe(self._show, "value")
        super().__init__((*controls, self.view), "search", workspace)
        self._show()

    def _show(self, _: object = None) -> None:
        self.view.value = f"<div style='line-height:1.4'>{self.html()}</div>"

    def html(self) -> str:
        try:
            found = search_tokens(
                self.query.value,
                after_space=self.after_space.value,
                regex=self.regex.value,
                latest=self.order.value == LATEST,
            )
        except CourseError as error:
            return said(str(error), WARNING, "⚠ ")
        return found_tokens(found, self.known)

    def plain(self) -> str:
        return f"search: {self.query.value}"
