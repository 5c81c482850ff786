"""A button that does a step, one that stops it, and below them how far it is and what it says."""

import functools
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable

import ipywidgets as widgets

from helpers.common.errors import CourseError
from helpers.common.processes import end_child, kernel, stop
from helpers.common.progress import drawn_by
from helpers.common.report import Report
from helpers.panels.look import QUIET, WARNING, said, wide
from helpers.workflow.lock import Holder
from helpers.workflow.workspace import Workspace

LOOK = 1.0  # seconds
BUTTON = "#1565C0"  # white letters can be read on it, whatever the page's theme
_at_work: list["RunBox"] = []


def stop_all(*_: object) -> None:
    """Stop what the panels of this process do, in whatever workspace."""
    for box in list(_at_work):
        box.stop()


def _stop_all_when_idle() -> None:
    """Let ■ stop the panels' work while no cell runs; a kernel ignores it then.

    Called in the kernel's main thread. While it answers a message, it puts what was there before
    aside, and back when it has done.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        kernel().saved_sigint_handler = stop_all
    else:
        signal.signal(signal.SIGINT, stop_all)


class RunBox(widgets.VBox):
    """Does a step in a thread, so that the panel goes on listening: to the stop button above all.

    Where another run works in the workspace, it shows that one, and its button stops that one.

    Args:
        step: gives, when the button is pressed, what is to be done: a function of ``force``.
        loses: what is lost by stopping it.
    """

    def __init__(
        self, step: Callable[[], Callable[..., Report]], workspace: Workspace, loses: str
    ) -> None:
        self.step, self.workspace, self.loses = step, workspace, loses
        self.button = widgets.Button(
            description="Run this step",
            button_style="primary",
            style={"button_color": BUTTON, "text_color": "white"},
        )
        self.stop_button = widgets.Button(description="Stop", disabled=True)
        apart = widgets.Layout(margin="2px 2px 2px 16px")
        self.force = widgets.Checkbox(description="even if it was done", indent=False, layout=apart)
        self.progress, self.result = widgets.HTML(), widgets.HTML(layout=wide())
        self.button.on_click(self._run)
        self.stop_button.on_click(lambda _: self.stop())
        self.thread = threading.Thread()  # what works at the moment
        self.possible = True
        self.busy = self.stoppable = False
        self.other: Holder | None = None  # another run, which is watched
        self.changing = threading.Lock()  # of ``stoppable``
        buttons = widgets.HBox((self.button, self.stop_button, self.force))
        super().__init__((buttons, self.progress, self.result))
        if workspace.worker:
            self._begin(self._watch)

    def allow(self, possible: bool) -> None:
        """Whether the step can be done with what is set."""
        self.possible = possible
        self.button.disabled = self.busy or not possible

    def _run(self, _: widgets.Button) -> None:
        if self.busy or not self.possible:
            return
        self.result.value, self.progress.value = "", said("Working …", QUIET)
        if self.workspace.worker:
            self._begin(self._watch)
            return
        if shell := kernel():
            shell.io_loop.add_callback(_stop_all_when_idle)
        self.stoppable = True
        work = functools.partial(self.step(), force=self.force.value)
        self._begin(functools.partial(self._work, work))

    def _begin(self, work: Callable[[], None]) -> None:
        """Let a thread do it, which says so at its end."""
        self.busy = True
        self.button.disabled, self.stop_button.disabled = True, False
        self.stop_button.tooltip = f"Stopped, it loses {self.loses}."
        self.thread = threading.Thread(target=self._to_the_end, args=(work,), daemon=True)
        self.thread.start()

    def _to_the_end(self, work: Callable[[], None]) -> None:
        begun = time.monotonic()
        work()
        seconds, now = time.monotonic() - begun, time.strftime("%H:%M:%S")
        self.progress.value = said(f"Ended at {now}, after {seconds:.0f} s.", QUIET)
        self.busy = False
        self.button.disabled, self.stop_button.disabled = not self.possible, True

    def _work(self, work: Callable[[], Report]) -> None:
        _at_work.append(self)
        try:
            result = self._done(work)
            with self.changing:
                self.stoppable = False  # from here on nothing interrupts this thread
        except KeyboardInterrupt as stopped:
            result = said(str(stopped) or "Stopped. Press the button again to go on.", QUIET)
        _at_work.remove(self)
        self.result.value = result  # before it is said that this is the end

    def _watch(self) -> None:
        """Show the run that works in the workspace, until it ends."""
        while worker := self.workspace.worker:
            self.other = worker
            standing = worker.standing.html() if worker.standing else ""
            who = said(f"{worker}.", QUIET)
            self.progress.value = f"<div>{who}{standing}</div>"
            self.stop_button.disabled = not worker.is_here
            time.sleep(LOOK)
        self.other = None

    def _done(self, work: Callable[[], Report]) -> str:
        """Do the work; what is to be said of it."""
        loses = said(f"Stopped, it loses {self.loses}.", QUIET)
        try:
            with drawn_by(lambda bar: setattr(self.progress, "value", f"{bar}<br>{loses}")):
                report = work()
            return f"<div style='line-height:1.4'>{report._repr_html_()}</div>"
        except CourseError as error:
            return said(str(error), WARNING, "⚠ ")
        except Exception:
            return said(traceback.format_exc(), f"{WARNING};font-family:monospace")

    def stop(self) -> None:
        """Stop what is done here, or the run that is watched; twice, at once."""
        if self.other and self.other.process != os.getpid():
            self.other.stop()
            return
        if self.other:
            for box in [box for box in _at_work if box.workspace.root == self.workspace.root]:
                box.stop()
            return
        with self.changing:
            if self.stoppable:
                self.stoppable = False
                stop(self.thread)
            elif self.busy:
                end_child(self.thread)
