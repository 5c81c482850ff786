"""The corpus view of the tokenization explorer: what GPT-2's tokens make of a split."""

import ipywidgets as widgets

from helpers.common.errors import CourseError
from helpers.common.progress import drawn_by
from helpers.common.symbols import SPLITS
from helpers.explorer.corpus import CorpusTokens, corpus_tokens
from helpers.panels.explorer.saved_panel import SavedPanel
from helpers.panels.look import WARNING, look, said, wide
from helpers.workflow.workspace import Workspace


class CorpusView(SavedPanel):
    """Choose a split and see its words, lines, tokens and scripts in numbers and figures.

    A split that was not counted yet is counted when it is first shown.
    """

    def __init__(self, workspace: Workspace) -> None:
        there = [split for split in SPLITS if workspace.raw(split).is_file()]
        self.split = widgets.Dropdown(options=there, disabled=not there, **look("split"))
        self.view = widgets.HTML(layout=wide())
        self.split.observe(self._chosen, "value")
        super().__init__((self.split, self.view), "corpus", workspace)
        self._show()

    def _chosen(self, _: object) -> None:
        with drawn_by(lambda bar: setattr(self.view, "value", bar)):
            self._show()

    def _show(self) -> None:
        """Before the panel is displayed, a bar stands by itself, below the cell."""
        self.tokens: CorpusTokens | None = None
        message = ""
        try:
            self.tokens = corpus_tokens(self.workspace, self.split.value or SPLITS[0])
        except CourseError as error:
            message = said(str(error), WARNING, "⚠ ")
        shown = self.tokens.html() if self.tokens else message
        self.view.value = f"<div style='line-height:1.4'>{shown}</div>"

    def html(self) -> str:
        return self.view.value

    def plain(self) -> str:
        return str(self.tokens or "There is no split to show.")
