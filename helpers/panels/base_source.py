"""The control for where a base model comes from: a word, or the path of a file or folder."""

import html
from collections.abc import Mapping

import ipywidgets as widgets
import traitlets

from helpers.panels.look import BESIDE, look


class BaseSource(widgets.VBox):
    """A list of the kinds of sources, a field for the path where there is one, and what it needs.

    Args:
        words: sources that are no files, each with what it is and needs.
        paths: the kinds of files, each with what it needs.
    """

    value = traitlets.Unicode()

    def __init__(self, name: str, words: Mapping[str, str], paths: Mapping[str, str]) -> None:
        self.words, self.paths = words, paths
        self.kind = widgets.Dropdown(options=[*words, *paths], **look(name))
        self.path = widgets.Text(**look("path"))
        self.needs = widgets.HTML(layout=widgets.Layout(margin=BESIDE, max_width="28em"))
        super().__init__((self.kind, self.path, self.needs))
        self.observe(self._show, "value")
        self.kind.observe(self._read, "value")
        self.path.observe(self._read, "value")

    def _show(self, _: object) -> None:
        """The value was set from outside: the list and the field follow it."""
        if self.value in self.words:
            self.kind.value = self.value
        elif self.value != self._typed():
            model, folder = self.paths
            files = (".pt", ".tar.gz", ".tgz", ".tar")
            self.path.value = self.value
            self.kind.value = model if self.value.endswith(files) else folder
        self._tell()

    def _read(self, _: object) -> None:
        """The list or the field was changed: the value follows."""
        self._tell()
        self.value = self._typed()

    def _typed(self) -> str:
        return self.kind.value if self.kind.value in self.words else self.path.value

    def _tell(self) -> None:
        needs = {**self.words, **self.paths}[self.kind.value]
        self.needs.value = f"<div style='line-height:1.4'>{html.escape(needs)}</div>"
        self.path.layout.display = "none" if self.kind.value in self.words else ""
