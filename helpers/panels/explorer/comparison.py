"""The same word in other spellings, and two texts, side by side."""

import ipywidgets as widgets

from helpers.explorer.html.tokens import spellings
from helpers.explorer.known import known_tokens
from helpers.panels.explorer.saved_panel import SavedPanel
from helpers.panels.explorer.text_box import TextBox
from helpers.panels.look import look, wide
from helpers.workflow.workspace import Workspace

WIDTH = "440px"  # which the table of a usual text takes; where two have no room, they stand below
# As wide as there is room for; a table that is wider still is scrolled in its place.
_CELL = f"flex:1 1 {WIDTH};min-width:0;max-width:100%;overflow-x:auto"


class Spellings(SavedPanel):
    """A word in small and capital letters, at the beginning of a line and behind a space."""

    def __init__(self, workspace: Workspace, word: str = "token") -> None:
        self.dictionary = known_tokens(workspace).dictionary
        self.word = widgets.Text(value=word, **look("word"))
        self.view = widgets.HTML(layout=wide())
        self.word.observe(self._show, "value")
        super().__init__((self.word, self.view), "spellings", workspace)
        self._show()

    def _show(self, _: object = None) -> None:
        self.view.value = self.html()

    def html(self) -> str:
        return spellings(self.word.value, self.dictionary)

    def plain(self) -> str:
        return self.word.value


class SideBySide(SavedPanel):
    """Two texts and their tokens."""

    def __init__(self, workspace: Workspace, left: str, right: str) -> None:
        known = known_tokens(workspace)
        self.boxes = [
            TextBox(text, known, label)
            for text, label in ((left, "One text"), (right, "Another text"))
        ]
        for box in self.boxes:
            box.layout = wide(WIDTH)
        beside = widgets.Layout(flex_flow="row wrap", grid_gap="0 1em")
        boxes = widgets.HBox(self.boxes, layout=beside)
        super().__init__((boxes,), "side-by-side", workspace)

    def html(self) -> str:
        cells = "".join(f"<div style='{_CELL}'>{box.html()}</div>" for box in self.boxes)
        return f"<div style='display:flex;flex-wrap:wrap;gap:1em'>{cells}</div>"

    def plain(self) -> str:
        return "\n".join(box.explored.text for box in self.boxes)
