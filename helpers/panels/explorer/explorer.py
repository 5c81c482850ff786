"""The tokenization explorer: type a text, see its tokens, how a word was merged, what is hidden."""

import ipywidgets as widgets

from helpers.explorer.html.tokens import token_csv, token_rows
from helpers.explorer.known import known_tokens
from helpers.panels.explorer.mask_preview import MaskPreview
from helpers.panels.explorer.merge_walk import MergeWalk
from helpers.panels.explorer.saved_panel import SavedPanel
from helpers.panels.explorer.text_box import TextBox
from helpers.panels.look import QUIET, said
from helpers.workflow.workspace import Workspace

EXAMPLE = "Tokenization is fun: 微调 🙂"


class Explorer(SavedPanel):
    """Type, point at a token, click it, and see which merges made its word.

    How often a token occurs is shown once the corpus was counted (:mod:`helpers.explorer.corpus`).
    """

    def __init__(self, workspace: Workspace, text: str = EXAMPLE) -> None:
        known = known_tokens(workspace)
        self.box = TextBox(text, known)
        self.merges, self.masks = MergeWalk(), MaskPreview(known.dictionary)
        self._follow()
        self.box.observe(self._follow, "explored")
        self.box.observe(self._picked, "word")
        table = widgets.Button(description="Save table as CSV")
        table.on_click(lambda _: self.save("csv", self.table()))
        note = widgets.HTML(said(known.origin, QUIET))
        parts = (self.box, note, self.merges, self.masks)
        super().__init__(parts, "tokens", workspace, [table])

    def _follow(self, _: object = None) -> None:
        """Let merges and masks follow the text; a word that is still there is kept."""
        explored = self.box.explored
        self.masks.show(explored.text)
        words = [token.word for token in explored.tokens if token.word.strip()]
        if self.merges.word not in words:
            self.merges.show(words[-1] if words else b"")

    def _picked(self, change: dict) -> None:
        if change["new"]:
            self.merges.show(change["new"])

    def html(self) -> str:
        """Tokens, table, merges and masks below each other."""
        return f"<div>{self.box.html()}{self.merges.html()}{self.masks.html()}</div>"

    def plain(self) -> str:
        return " ".join(row[1] for row in token_rows(self.box.explored))

    def table(self) -> str:
        """The table of tokens as CSV."""
        return token_csv(self.box.explored, self.box.known.counts)
