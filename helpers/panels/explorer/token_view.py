"""The text box whose tokens can be pointed at: a widget with a little JavaScript of its own."""

from pathlib import Path

import anywidget
import traitlets

FOLDER = Path(__file__).parent


class TokenView(anywidget.AnyWidget):
    """A text box, and HTML below it in which things with the same ``data-t`` belong together.

    Attributes:
        text: what stands in the box; it follows the keyboard after a short pause.
        content: the HTML; in each of its outer parts an element a token.
        picked: the ``data-t`` that was clicked, or chosen with Enter; -1 for none.
    """

    _esm = FOLDER / "token_view.js"
    _css = FOLDER / "token_view.css"
    label = traitlets.Unicode().tag(sync=True)
    text = traitlets.Unicode().tag(sync=True)
    content = traitlets.Unicode().tag(sync=True)
    picked = traitlets.Int(-1).tag(sync=True)
