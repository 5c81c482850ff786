"""The converted model as one file: a button that packs it, and a link to take it away."""

import html
from pathlib import Path

import ipywidgets as widgets
from IPython.display import HTML

from helpers.common.errors import CourseError
from helpers.panels.look import QUIET, said
from helpers.panels.panel import Panel
from helpers.sharing.one_file import as_one_file, file_of, relative_link
from helpers.workflow.workspace import Workspace


class OneFilePanel(Panel):
    """Packs a Hugging Face folder when its button is pressed, and nothing before.

    Args:
        folder: another than ``hf/`` of the workspace.
    """

    def __init__(self, workspace: Workspace, folder: Path | None = None) -> None:
        self.workspace, self.folder = workspace, folder or workspace.hf
        self.file = file_of(workspace, self.folder)
        button = widgets.Button(description=f"Make {self.file.name}")
        button.on_click(lambda _: self.make())
        # A page resolves the address in an output, as it does not in a widget's own HTML.
        self.told, self.link = widgets.HTML(), widgets.Output()
        super().__init__((widgets.HBox((button, self.told)), self.link), "one-file", workspace)

    def make(self) -> None:
        """Pack the folder, and show the link; or say why that was not possible."""
        self.link.outputs = ()
        try:
            file = as_one_file(self.workspace, self.folder)
        except CourseError as error:
            self.told.value = said(str(error), QUIET, "⚠ ")
            return
        size = file.stat().st_size / 1e6
        self.told.value = said(f"{self.workspace.key(file)}: {size:,.0f} MB", QUIET)
        address = html.escape(relative_link(file), quote=True)
        self.link.append_display_data(HTML(f"<a href='{address}' download>Download</a>"))

    def html(self) -> str:
        return said(self.plain(), QUIET)

    def plain(self) -> str:
        return (
            f"Where this notebook runs, a button here packs {self.folder.name}/ into "
            f"{self.file.name} in the workspace, and shows a link to download it."
        )
