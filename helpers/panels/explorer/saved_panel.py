"""A panel of the explorer: what it shows can be saved as a page that needs nothing else."""

from collections.abc import Sequence

import ipywidgets as widgets

from helpers.common.errors import CourseError
from helpers.common.files import write_whole
from helpers.explorer.html.tokens import page
from helpers.panels.look import QUIET, said
from helpers.panels.panel import Panel
from helpers.workflow.workspace import Workspace


class SavedPanel(Panel):
    """A panel with a button that writes it into ``explorer/`` of the workspace.

    Args:
        buttons: others, to stand beside it.
    """

    def __init__(
        self,
        children: Sequence[widgets.Widget],
        name: str,
        workspace: Workspace,
        buttons: Sequence[widgets.Button] = (),
    ) -> None:
        self.name, self.workspace = name, workspace
        self.saved = widgets.HTML()
        button = widgets.Button(description="Save as HTML")
        button.on_click(lambda _: self.save("html", page(name.capitalize(), self.html())))
        row = widgets.HBox((button, *buttons, self.saved))
        super().__init__((*children, row), name, workspace)

    def save(self, ending: str, content: str) -> None:
        """Write beside what was saved before, never over it."""
        folder, number = self.workspace.root / "explorer", 1
        while (file := folder / f"{self.name}-{number}.{ending}").exists():
            number += 1
        try:
            write_whole(file, content)
            self.saved.value = said(f"Saved as {self.workspace.key(file)}", QUIET)
        except CourseError as error:
            self.saved.value = said(str(error), QUIET, "⚠ ")
