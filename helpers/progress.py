"""A bar with a loss and the time left, in a notebook or a terminal."""

import sys
import time

from tqdm import tqdm


class Progress:
    """Shows how far some work is. Use as a context manager; call :meth:`update`.

    In a notebook the bar is HTML that stays readable on a web page; elsewhere it is tqdm's.
    """

    def __init__(self, total: int, unit: str, done: int = 0) -> None:
        self.total, self.unit, self.first, self.done = total, unit, done, done
        self.begun = time.monotonic()
        self.shown = 0.0
        self.text = ""

    def __enter__(self) -> "Progress":
        self.display = _notebook_display(self._html())
        self.bar = None
        if self.display is None:
            self.bar = tqdm(
                total=self.total, initial=self.done, unit=f" {self.unit}", file=sys.stderr
            )
        return self

    def update(self, done: int, text: str = "") -> None:
        """Show that ``done`` of the total are done, with a remark such as the loss."""
        if self.bar is not None:
            self.bar.set_postfix_str(text, refresh=False)
            self.bar.update(done - self.done)
        self.done, self.text = done, text or self.text
        if self.display is not None and time.monotonic() - self.shown > 0.5:
            self._redraw()

    def __exit__(self, *error: object) -> None:
        if self.bar is not None:
            self.bar.close()
        if self.display is not None:
            self._redraw()

    def _redraw(self) -> None:
        from IPython.display import HTML

        self.shown = time.monotonic()
        self.display.update(HTML(self._html()))

    def _html(self) -> str:
        passed = time.monotonic() - self.begun
        left = ""
        if self.first < self.done < self.total:
            seconds = passed / (self.done - self.first) * (self.total - self.done)
            left = f" · about {seconds:.0f} s left"
        return (
            f"<progress value='{self.done}' max='{self.total}' style='width:20em'></progress> "
            f"{self.done:,} of {self.total:,} {self.unit} · {passed:.0f} s{left}"
            f"{' · ' if self.text else ''}{self.text}"
        )


def _notebook_display(html: str) -> object | None:
    """A display that can be updated, where there is a notebook; else None."""
    try:
        from IPython import get_ipython
        from IPython.display import HTML, display
    except ImportError:
        return None
    shell = get_ipython()
    if shell is None or not hasattr(shell, "kernel"):
        return None
    return display(HTML(html), display_id=True)
