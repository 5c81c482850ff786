"""A bar with a loss and the time left: in a notebook, a panel, a terminal, and for who looks in."""

import collections
import contextlib
import contextvars
import dataclasses
import html
import math
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator

from tqdm import tqdm

from helpers.common.names import spelled
from helpers.common.processes import kernel

Draw = Callable[[str], None]
_panel: contextvars.ContextVar[Draw | None] = contextvars.ContextVar("panel", default=None)
_watcher: contextvars.ContextVar["Watch | None"] = contextvars.ContextVar("watcher", default=None)
TICK = 1.0  # seconds from one look at a run to the next
ANEW = "\r\x1b[K"  # to the beginning of a terminal's line, which is made empty
RECENT = 8  # the time left is reckoned from so many steps, a second or more apart


@dataclasses.dataclass(frozen=True)
class Standing:
    """How far some work is.

    Attributes:
        first, done, total: in units: what was done before, what is done now, and the whole.
        passed: seconds since it began.
        rate: units a second, of the last steps; 0 where it is not known yet.
        text: a remark, such as the loss.
    """

    unit: str
    first: int
    done: int
    total: int
    passed: float
    rate: float
    text: str

    def html(self) -> str:
        """A bar, and beside it the numbers."""
        bar = f"<progress value='{self.done}' max='{self.total}' style='width:20em'></progress>"
        return f"{bar} {html.escape(str(self), quote=False)}"

    def __str__(self) -> str:
        done, total, unit = f"{self.done:,}", f"{self.total:,}", self.unit
        if unit == "bytes":
            done, total, unit = f"{self.done / 1e6:,.1f}", f"{self.total / 1e6:,.1f}", "MB"
        said = [f"{done} of {total} {unit}", duration(self.passed)]
        if unit == "MB" and self.done > self.first:
            said.append(f"{(self.done - self.first) / 1e6 / max(self.passed, 1e-3):,.0f} MB/s")
        if self.rate and self.done < self.total:
            said.append(f"about {duration((self.total - self.done) / self.rate)} left")
        return " · ".join((*said, *filter(None, (self.text,))))


def over(text: str) -> str:
    """What writes a line of a terminal anew; the end is cut off, since a second line would stay."""
    return f"{ANEW}{spelled(text)[: shutil.get_terminal_size().columns - 1]}"


def duration(seconds: float) -> str:
    """A duration in words: 47 s, 12 min, 3 h 5 min."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


Watch = Callable[[Standing], None]


@contextlib.contextmanager
def drawn_by(draw: Draw) -> Iterator[None]:
    """Within it, every bar is handed to ``draw`` as HTML, instead of being shown by itself."""
    token = _panel.set(draw)
    try:
        yield
    finally:
        _panel.reset(token)


@contextlib.contextmanager
def watched_by(watch: Watch) -> Iterator[None]:
    """Within it, ``watch`` too is told how far each bar is, once a second at most."""
    token = _watcher.set(watch)
    try:
        yield
    finally:
        _watcher.reset(token)


class Progress:
    """Shows how far some work is. Use as a context manager; call :meth:`update`.

    Of ``bytes``, it shows megabytes, and how many of them a second.

    In a notebook or a panel the bar is HTML that stays readable on a web page; elsewhere it is
    tqdm's. Its seconds go on while nothing is told.

    Args:
        text: what is said until there is something to say, such as what is waited for.
        below: makes HTML that stands below the bar while the work goes on, and stays where it
            fails; nothing of it is shown in a terminal.
    """

    def __init__(
        self,
        total: int,
        unit: str,
        done: int = 0,
        text: str = "",
        below: Callable[[], str] = str,
    ) -> None:
        self.total, self.unit, self.first, self.done = total, unit, done, done
        self.begun = time.monotonic()
        self.steps = collections.deque([(self.begun, done)], maxlen=RECENT)
        self.text, self.below = text, below
        self.one_at_a_time = threading.Lock()
        self.ended = threading.Event()

    def __enter__(self) -> "Progress":
        self.draw = _panel.get() or _notebook_display()
        self.watch = _watcher.get()
        self.bar = None
        if not self.draw:
            self.bar = tqdm(
                total=self.total,
                initial=self.done,
                unit="B" if self.unit == "bytes" else f" {self.unit}",
                unit_scale=self.unit == "bytes",
                file=sys.stderr,
                delay=math.inf,  # it is drawn below, when it is known
            )
        try:
            self._begin()
        except BaseException:  # Ctrl-C: else it would be closed after the last word of the command
            self.__exit__(*sys.exc_info())
            raise
        return self

    def _begin(self) -> None:
        if self.bar is not None:
            self.bar.delay = 0
            self.bar.set_postfix_str(self.text)
        self._show()
        if self.draw or self.watch:
            # In the same context, so that what it shows comes below the same cell.
            tick = contextvars.copy_context().run
            self.ticking = threading.Thread(target=tick, args=(self._tick,), daemon=True)
            self.ticking.start()

    def update(self, done: int, text: str = "") -> None:
        """Show that ``done`` of the total are done, with a remark such as the loss."""
        if done > self.done:
            self._step(done)
        if self.bar is not None:
            self.bar.set_postfix_str(text, refresh=False)
            self.bar.update(done - self.done)
        self.done, self.text = done, text or self.text

    def _step(self, done: int) -> None:
        """Remember when so many were done."""
        now = time.monotonic()
        if self.done == self.first:
            self.steps.clear()  # what comes before the first step, such as loading, is no measure
        elif len(self.steps) > 1 and now - self.steps[-2][0] < TICK:
            self.steps.pop()
        self.steps.append((now, done))

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        self.ended.set()
        if error is None:
            self.below = str
        if self.bar is not None:
            self.bar.close()
        self._show()

    def _tick(self) -> None:
        while not self.ended.wait(TICK):
            self._show()

    def _show(self) -> None:
        with self.one_at_a_time:
            standing = self._standing()
            if self.draw:
                self.draw(f"{standing.html()}{self.below()}")
            if self.watch:
                self.watch(standing)

    def _standing(self) -> Standing:
        now = time.monotonic()
        (before, at_first), (_, at_last) = self.steps[0], self.steps[-1]
        rate = (at_last - at_first) / max(now - before, 1e-3) if len(self.steps) > 1 else 0.0
        return Standing(
            self.unit, self.first, self.done, self.total, now - self.begun, rate, self.text
        )


def _notebook_display() -> Draw | None:
    """What shows HTML below the cell, and replaces it the next time; None without a notebook."""
    if kernel() is None:
        return None
    from IPython.display import HTML, DisplayHandle

    handle = DisplayHandle()
    shown: list[bool] = []

    def draw(html: str) -> None:
        (handle.update if shown else handle.display)(HTML(html))
        shown.append(True)

    return draw
