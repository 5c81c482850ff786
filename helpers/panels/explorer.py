"""The tokenization explorer: type a text, see its tokens, how a word was merged, what is hidden."""

import ipywidgets as widgets

from helpers.errors import CourseError
from helpers.known_tokens import known_tokens
from helpers.panels.look import QUIET, said
from helpers.panels.mask_preview import MaskPreview
from helpers.panels.merge_walk import MergeWalk
from helpers.panels.panel import Panel
from helpers.panels.text_box import TextBox
from helpers.token_html import page, token_csv, token_rows
from helpers.workspace import Workspace, write_whole

EXAMPLE = "Tokenization is fun: 微调 🙂"


class Explorer(Panel):
    """Type, point at a token, click it, and see which merges made its word.

    How often a token occurs is shown once the corpus was counted (:mod:`helpers.corpus_tokens`).
    """

    def __init__(self, workspace: Workspace, text: str = EXAMPLE) -> None:
        self.workspace = workspace
        known = known_tokens(workspace)
        self.box = TextBox(text, known)
        self.merges, self.masks = MergeWalk(), MaskPreview(known.dictionary)
        save_page = widgets.Button(description="Save as HTML")
        save_table = widgets.Button(description="Save table as CSV")
        self.saved = widgets.HTML()
        self._follow()
        self.box.observe(self._follow, "explored")
        self.box.observe(self._picked, "word")
        save_page.on_click(lambda _: self._save("html", page("Tokens", self.html())))
        save_table.on_click(lambda _: self._save("csv", self.table()))
        buttons = widgets.HBox((save_page, save_table, self.saved))
        note = widgets.HTML(said(known.origin, QUIET))
        super().__init__((self.box, note, self.merges, self.masks, buttons), "explorer")

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

    def _save(self, ending: str, content: str) -> None:
        """Write beside what was saved before, never over it."""
        folder, number = self.workspace.root / "explorer", 1
        while (file := folder / f"tokens-{number}.{ending}").exists():
            number += 1
        try:
            write_whole(file, content)
            self.saved.value = said(f"Saved as {self.workspace.key(file)}", QUIET)
        except CourseError as error:
            self.saved.value = said(str(error), QUIET, "⚠ ")

    def html(self) -> str:
        """Tokens, table, merges and masks below each other."""
        return f"<div>{self.box.html()}{self.merges.html()}{self.masks.html()}</div>"

    def plain(self) -> str:
        return " ".join(row[1] for row in token_rows(self.box.explored))

    def table(self) -> str:
        """The table of tokens as CSV."""
        return token_csv(self.box.explored, self.box.known.counts)
