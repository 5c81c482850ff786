"""A button that does a step, one that stops it, and below them how far it is and what it says."""

import functools
import threading
import time
import traceback
from collections.abc import Callable

import ipywidgets as widgets

from helpers.common.errors import CourseError
from helpers.common.processes import stop
from helpers.common.progress import drawn_by
from helpers.common.report import Report
from helpers.panels.look import QUIET, WARNING, said, wide


class RunBox(widgets.VBox):
    """Does a step in a thread, so that the panel goes on listening: to the stop button above all.

    Args:
        step: gives, when the button is pressed, what is to be done: a function of ``force``.
    """

    def __init__(self, step: Callable[[], Callable[..., Report]]) -> None:
        self.step = step
        self.button = widgets.Button(description="Run this step", button_style="primary")
        self.stop_button = widgets.Button(description="Stop", disabled=True)
        apart = widgets.Layout(margin="2px 2px 2px 16px")
        self.force = widgets.Checkbox(description="even if it was done", indent=False, layout=apart)
        self.progress, self.result = widgets.HTML(), widgets.HTML(layout=wide())
        self.button.on_click(self._run)
        self.stop_button.on_click(self._stop)
        self.thread = threading.Thread()  # what works at the moment
        self.possible = True
        self.busy = self.stoppable = False
        self.changing = threading.Lock()  # of ``stoppable``
        buttons = widgets.HBox((self.button, self.stop_button, self.force))
        super().__init__((buttons, self.progress, self.result))

    def allow(self, possible: bool) -> None:
        """Whether the step can be done with what is set."""
        self.possible = possible
        self.button.disabled = self.busy or not possible

    def _run(self, _: widgets.Button) -> None:
        if self.busy or not self.possible:
            return
        self.busy = self.stoppable = True
        self.button.disabled, self.stop_button.disabled = True, False
        self.result.value, self.progress.value = "", said("Working …", QUIET)
        work = functools.partial(self.step(), force=self.force.value)
        self.thread = threading.Thread(target=self._work, args=(work,), daemon=True)
        self.thread.start()

    def _work(self, work: Callable[[], Report]) -> None:
        begun = time.monotonic()
        try:
            result = self._done(work)
            with self.changing:
                self.stoppable = False  # from here on nothing interrupts this thread
        except KeyboardInterrupt:
            result = said("Stopped. Press the button again to go on.", QUIET)
        seconds, now = time.monotonic() - begun, time.strftime("%H:%M:%S")
        self.result.value = result  # before it is said that this is the end
        self.progress.value = said(f"Ended at {now}, after {seconds:.0f} s.", QUIET)
        self.busy = False
        self.button.disabled, self.stop_button.disabled = not self.possible, True

    def _done(self, work: Callable[[], Report]) -> str:
        """Do the work; what is to be said of it."""
        try:
            with drawn_by(lambda bar: setattr(self.progress, "value", bar)):
                report = work()
            return f"<div style='line-height:1.4'>{report._repr_html_()}</div>"
        except CourseError as error:
            return said(str(error), WARNING, "⚠ ")
        except Exception:
            return said(traceback.format_exc(), f"{WARNING};font-family:monospace")

    def _stop(self, _: widgets.Button) -> None:
        with self.changing:
            if self.stoppable:
                self.stoppable = False
                stop(self.thread)
