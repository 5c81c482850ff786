"""A step in the background: started, watched, and stopped, while the notebook can be used."""

import subprocess
import threading
import time

import ipywidgets as widgets

from helpers.common.errors import CourseError
from helpers.common.progress import TICK
from helpers.panels.look import QUIET, WARNING, said, wide
from helpers.panels.panel import Panel
from helpers.panels.settings.settings_panel import SettingsPanel
from helpers.stages.road import ROAD
from helpers.training.runs.watching import ANOTHER, NO_WORD, Watched, how_it_ended, left, report
from helpers.workflow import background
from helpers.workflow.lock import DONE, Holder

BUTTON = "#1565C0"  # white letters can be read on it, whatever the page's theme


class Monitor(Panel):
    """Does the step of a panel, as it is set there, in a process that outlives this one.

    Where a run works in the workspace already, whoever has begun it, it shows that one, and its
    button stops that one.

    Args:
        force: whether the step is to be done even if it was done before.
    """

    def __init__(self, panel: SettingsPanel, *, force: bool = False) -> None:
        self.panel, self.workspace, self.force = panel, panel.workspace, force
        self.watched = Watched(self.workspace)
        self.start_button = widgets.Button(
            description="Start in the background",
            style={"button_color": BUTTON, "text_color": "white"},
            layout=widgets.Layout(width="auto"),
        )
        self.stop_button = widgets.Button(description="Stop", disabled=True)
        self.start_button.on_click(self._start)
        self.stop_button.on_click(self._stop)
        self.standing, self.curve = widgets.HTML(), widgets.HTML(layout=wide())
        self.result = widgets.HTML(said(left(self.workspace), QUIET), layout=wide())
        self.process: subprocess.Popen | None = None  # if it was begun here
        self.thread, self.busy = threading.Thread(), False  # what watches at the moment
        buttons = widgets.HBox((self.start_button, self.stop_button))
        parts = (buttons, self.standing, self.curve, self.result)
        super().__init__(parts, "monitor", self.workspace)
        if self.workspace.worker:
            self._begin()

    def _start(self, _: widgets.Button) -> None:
        if self.busy:
            return
        self.process = None
        if not self.workspace.worker:
            try:
                self.process = background.begin(
                    self.panel.command, self.workspace, self.panel.settings, force=self.force
                )
            except CourseError as error:
                self.result.value = said(str(error), WARNING, "⚠ ")
                return
        self._begin()

    def _begin(self) -> None:
        """Let a thread watch, so that the kernel can be used."""
        self.busy = True
        self.result.value = self.curve.value = ""
        self.standing.value = said("It begins …", QUIET)
        self.start_button.disabled, self.stop_button.disabled = True, False
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def _watch(self) -> None:
        """Show the run that works in the workspace, until it ends, and then how that was."""
        while True:
            if worker := self.watched.look():
                self._show(worker)
            elif not self.process or self.process.poll() is not None:
                break
            time.sleep(TICK)
        try:
            ending = self._ending()
        except CourseError as error:  # the record cannot be read
            ending = said(str(error), WARNING, "⚠ ")
        self.result.value = ending  # before it is said that this is the end
        self.standing.value = said(f"Ended at {time.strftime('%H:%M:%S')}.", QUIET)
        self.start_button.disabled, self.stop_button.disabled = False, True
        self.busy = False

    def _show(self, worker: Holder) -> None:
        bar = worker.standing.html() if worker.standing else ""
        loses = f"Stopped, it loses {ROAD[worker.stage].loses}." if worker.stage in ROAD else ""
        who = said(f"{worker}.", QUIET)
        self.standing.value = f"<div>{who}{bar}{said(loses, QUIET)}</div>"
        if (picture := self.watched.picture()) != self.curve.value:
            self.curve.value = picture
        self.stop_button.disabled = not worker.is_here

    def _ending(self) -> str:
        """What is to be said of the end of the run, in HTML."""
        last = self.watched.ended(self.process.pid if self.process else None)
        has_bug = self.process and self.process.returncode == 1  # its traceback stands there
        if last is None or has_bug:
            text = background.said(self.workspace) or NO_WORD if self.process else ANOTHER
            return said(text, f"{WARNING};font-family:monospace", "⚠ ")
        if last.ended == DONE:
            found = report(ROAD, self.workspace, last.stage)
            return f"<div style='line-height:1.4'>{found._repr_html_() if found else DONE}</div>"
        text = how_it_ended(self.workspace, last)
        stopped = text.startswith("Stopped")
        return said(text, QUIET) if stopped else said(text, WARNING, "⚠ ")

    def _stop(self, _: widgets.Button) -> None:
        """Let the run save what it can, and end; the second time, at once."""
        if worker := self.workspace.worker:
            worker.stop()
        elif self.process:
            self.process.terminate()

    def html(self) -> str:
        parts = (self.standing.value, self.curve.value, self.result.value)
        return f"<div>{''.join(parts) or said(self.plain(), QUIET)}</div>"

    def plain(self) -> str:
        return f"{self.workspace.worker or 'Nothing is at work here'}."
