"""A bar with a loss and the time left, in a notebook, a panel or a terminal."""

import contextlib
import contextvars
import sys
import time
from collections.abc import Callable, Iterator

from tqdm import tqdm

Draw = Callable[[str], None]
_panel: contextvars.ContextVar[Draw | None] = contextvars.ContextVar("panel", default=None)


@contextlib.contextmanager
def drawn_by(draw: Draw) -> Iterator[None]:
    """Within it, every bar is handed to ``draw`` as HTML, instead of being shown by itself."""
    token = _panel.set(draw)
    try:
        yield
    finally:
        _panel.reset(token)


class Progress:
    """Shows how far some work is. Use as a context manager; call :meth:`update`.

    Of ``bytes``, it shows megabytes, and how many of them a second.

    In a notebook or a panel the bar is HTML that stays readable on a web page; elsewhere it is
    tqdm's.
    """

    def __init__(self, total: int, unit: str, done: int = 0) -> None:
        self.total, self.unit, self.first, self.done = total, unit, done, done
        self.begun = time.monotonic()
        self.shown = 0.0
        self.text = ""

    def __enter__(self) -> "Progress":
        self.draw = _panel.get() or _notebook_display()
        self.bar = None
        if self.draw:
            self.draw(self._html())
        else:
            self.bar = tqdm(
                total=self.total,
                initial=self.done,
                unit="B" if self._is_bytes else f" {self.unit}",
                unit_scale=self._is_bytes,
                file=sys.stderr,
            )
        return self

    def update(self, done: int, text: str = "") -> None:
        """Show that ``done`` of the total are done, with a remark such as the loss."""
        if self.bar is not None:
            self.bar.set_postfix_str(text, refresh=False)
            self.bar.update(done - self.done)
        self.done, self.text = done, text or self.text
        if self.draw and time.monotonic() - self.shown > 0.5:
            self._redraw()

    def __exit__(self, *error: object) -> None:
        if self.bar is not None:
            self.bar.close()
        if self.draw:
            self._redraw()

    def _redraw(self) -> None:
        self.shown = time.monotonic()
        self.draw(self._html())

    def _html(self) -> str:
        passed = time.monotonic() - self.begun
        done, total, unit = f"{self.done:,}", f"{self.total:,}", self.unit
        if self._is_bytes:
            done, total, unit = f"{self.done / 1e6:,.1f}", f"{self.total / 1e6:,.1f}", "MB"
        said = [f"{done} of {total} {unit}", f"{passed:.0f} s"]
        if self._is_bytes and self.done > self.first:
            said.append(f"{(self.done - self.first) / 1e6 / max(passed, 1e-3):,.0f} MB/s")
        if self.first < self.done < self.total:
            seconds = passed / (self.done - self.first) * (self.total - self.done)
            said.append(f"about {seconds:.0f} s left")
        bar = f"<progress value='{self.done}' max='{self.total}' style='width:20em'></progress>"
        return f"{bar} {' · '.join((*said, *filter(None, (self.text,))))}"

    @property
    def _is_bytes(self) -> bool:
        return self.unit == "bytes"


def _notebook_display() -> Draw | None:
    """What shows HTML below the cell, and replaces it the next time; None without a notebook."""
    if "IPython" not in sys.modules:  # importing it takes longer than much of the work
        return None
    from IPython import get_ipython
    from IPython.display import HTML, DisplayHandle

    shell = get_ipython()
    if shell is None or not hasattr(shell, "kernel"):
        return None
    handle = DisplayHandle()
    shown: list[bool] = []

    def draw(html: str) -> None:
        (handle.update if shown else handle.display)(HTML(html))
        shown.append(True)

    return draw
