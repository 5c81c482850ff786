"""The control for where a base model comes from: a word, or the path of a file or folder."""

import html
from collections.abc import Mapping

import ipywidgets as widgets
import traitlets

from helpers.base.sources import ARCHIVES
from helpers.panels.look import BESIDE, look


class BaseSource(widgets.VBox):
    """A list of the kinds of sources, a field for the path where there is one, and what it needs.

    Args:
        words: sources that are no files, each with what it is and needs.
        paths: the kinds of files, each with what it needs.
    """

    value = traitlets.Unicode()

    def __init__(self, name: str, words: Mapping[str, str], paths: Mapping[str, str]) -> None:
        self.words, self.paths, self.moving = words, paths, False
        self.kind = widgets.Dropdown(options=[*words, *paths], **look(name))
        self.path = widgets.Text(continuous_update=False, **look("path"))
        self.needs = widgets.HTML(layout=widgets.Layout(margin=BESIDE, max_width="28em"))
        super().__init__((self.kind, self.path, self.needs))
        self.observe(self._show, "value")
        self.kind.observe(self._read, "value")
        self.path.observe(self._read, "value")

    def _show(self, _: object) -> None:
        """The value was set from outside: the list and the field follow it."""
        if self.value != self._typed():
            model, folder = self.paths
            value, self.moving = self.value, True
            if value in self.words:
                self.kind.value = value
            else:
                self.path.value = value
                self.kind.value = model if value.endswith((".pt", *ARCHIVES)) else folder
            self.moving = False
        self._tell()

    def _read(self, _: object) -> None:
        """The list or the field was changed: the value follows."""
        if not self.moving:
            self._tell()
            self.value = self._typed()

    def _typed(self) -> str:
        """What is set by hand; a file or folder with the name of a word is ``./word``."""
        if self.kind.value in self.words:
            return self.kind.value
        path = self.path.value
        return f"./{path}" if path in self.words else path

    def _tell(self) -> None:
        needs = {**self.words, **self.paths}[self.kind.value]
        self.needs.value = f"<div style='line-height:1.4'>{html.escape(needs)}</div>"
        self.path.layout.display = "none" if self.kind.value in self.words else ""
