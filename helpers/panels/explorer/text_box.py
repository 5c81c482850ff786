"""A text, typed, and its tokens: coloured, in a table, counted and checked."""

import html
import threading

import ipywidgets as widgets
import numpy as np
import traitlets

from helpers.explorer.html.tokens import facts, token_strip, token_table
from helpers.explorer.known import KnownTokens
from helpers.explorer.references import badges
from helpers.explorer.text import Explored, explore
from helpers.panels.explorer.token_view import TokenView
from helpers.panels.look import look, wide

LINES, RAW = "lines, as in training", "as it is, every character"
_SIGNS = {True: "✓", False: "✗", None: "–"}


class TextBox(widgets.VBox):
    """Type, and see the tokens of the text.

    ``explored`` is the text as it is now. ``word`` is that of the token that was picked in it, the
    bytes that merges put together, or nothing.
    """

    explored = traitlets.Instance(Explored)
    word = traitlets.Bytes()

    def __init__(self, text: str, known: KnownTokens, label: str = "Text") -> None:
        self.known = known
        self.reading = widgets.Dropdown(options=(LINES, RAW), **look("read as"))
        self.view = TokenView(label=label, text=text, layout=wide())
        # JupyterLab may have two threads deliver what was typed, and the later must be shown last.
        self.one_at_a_time = threading.RLock()
        super().__init__((self.reading, self.view))
        self._show()
        self.reading.observe(self._show, "value")
        self.view.observe(self._show, "text")
        self.view.observe(self._pick, "picked")

    def _show(self, _: object = None) -> None:
        with self.one_at_a_time:
            lines = self.reading.value == LINES
            explored = explore(self.view.text, self.known.dictionary, lines=lines)
            self.view.picked, self.word = -1, b""
            self.view.content = tokens_html(explored, self.known.counts)
            self.explored = explored

    def _pick(self, change: dict) -> None:
        with self.one_at_a_time:
            if 0 <= change["new"] < len(self.explored.tokens):
                self.word = self.explored.tokens[change["new"]].word

    def html(self) -> str:
        """What the box shows, as static HTML."""
        return tokens_html(self.explored, self.known.counts)


def tokens_html(explored: Explored, counts: np.ndarray | None) -> str:
    """The strip of tokens, what is to be said, and the table, each in an outer part of its own.

    What is said is the counts, notes, and whether fairseq and Hugging Face give the same tokens.
    """
    checks = " · ".join(f"{_SIGNS[b.holds]} {html.escape(b.text)}" for b in badges(explored))
    said = f"<div style='line-height:1.4'>{facts(explored)}{checks}</div>"
    return f"{token_strip(explored.tokens)}{said}<div>{token_table(explored, counts)}</div>"
