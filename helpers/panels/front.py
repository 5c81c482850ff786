"""The part of a panel that lives in the page, with a little JavaScript of its own."""

from collections.abc import Callable
from pathlib import Path

import anywidget
import traitlets

from helpers.common.errors import CourseError


class Front(anywidget.AnyWidget):
    """Names sliders, keeps the focus, and reaches the notebook's cell ``parameters``.

    Attributes:
        writes: whether that cell can be written here; it can where JupyterLab lets a page do so.
    """

    _esm = Path(__file__).with_suffix(".js")
    _css = Path(__file__).with_suffix(".css")
    writes = traitlets.Bool(False).tag(sync=True)

    def __init__(self) -> None:
        super().__init__()
        self.change: Callable[[str], str] = str
        self.ended: Callable[[str], None] = print
        self.asked, self.is_open = 0, False
        self.on_msg(self._told)

    def rewrite(self, change: Callable[[str], str], ended: Callable[[str], None]) -> None:
        """Put into the cell what ``change`` makes of its text.

        Args:
            ended: is told what went wrong, or an empty text.
        """
        self.change, self.ended = change, ended
        self._ask({})

    def _ask(self, message: dict) -> None:
        """Send it with a number; each place where the panel is shown answers, and one counts."""
        self.asked, self.is_open = self.asked + 1, True
        self.send({"number": self.asked, **message})

    def _told(self, _: object, message: dict, __: object) -> None:
        """The page has sent the cell's text, or says how it ended."""
        if not self.is_open or message["number"] != self.asked:
            return
        self.is_open = False
        if "text" not in message:
            self.ended(message["problem"])
            return
        try:
            changed = self.change(message["text"])
        except CourseError as error:
            self.ended(error.message)
        else:
            self._ask({"instead_of": message["text"], "text": changed})
