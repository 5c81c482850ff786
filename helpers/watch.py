"""``watch``: how far the run is that works in a workspace, in a terminal of its own."""

import sys
import time

from helpers.common.errors import CourseError, Stopped
from helpers.common.names import printable, spelled
from helpers.common.progress import TICK, Standing, over
from helpers.stages.road import ROAD
from helpers.training.runs.watching import ANOTHER, Watched, at_rest, how_it_ended, report
from helpers.workflow.lock import DONE, Holder
from helpers.workflow.workspace import Workspace


def watch(workspace: Workspace) -> int:
    """Show the run that works there until it ends, and say how; else what was done there last.

    On a terminal one line is written over and over; elsewhere there is a line for each change.

    Returns:
        0, however the run ended.

    Raises:
        CourseError: there is no such workspace.
        Stopped: by Ctrl-C, which the run does not hear.
    """
    if not workspace.root.is_dir():
        raise CourseError(f"There is no workspace {workspace.root}.", "Name another --workspace.")
    watched = Watched(workspace)
    if not watched.look() and not workspace.batch:
        print(at_rest(ROAD, workspace))
        return 0
    line, who = _Line(), watched.worker or workspace.batch
    try:
        print(f"In {workspace.name}, {printable(str(who))}.", flush=True)
        while (worker := watched.look()) or workspace.batch:  # which begins another step
            if worker:
                line.show(worker.standing)
            time.sleep(TICK)
    except KeyboardInterrupt:
        line.end()
        raise Stopped(_goes_on(watched.worker or who)) from None
    if last := watched.ended():  # what came between two looks
        line.show(last.standing)
    line.end()
    print(_ending(watched) if watched.worker else at_rest(ROAD, workspace))
    return 0


class _Line:
    """Where the run is: one line that is written over, or lines below each other."""

    def __init__(self) -> None:
        self.over, self.shown = sys.stdout.isatty(), ()
        self.ends = "" if self.over else "\n"

    def show(self, standing: Standing | None) -> None:
        if standing is None:
            return
        news = (standing.done, standing.text, *([standing.passed] if self.over else []))
        if news != self.shown:
            text = str(standing)
            print(over(text) if self.over else spelled(text), end=self.ends, flush=True)
            self.shown = news

    def end(self) -> None:
        if self.over and self.shown:
            print()


def _goes_on(worker: Holder) -> str:
    how = printable(worker.how_to_stop)
    return f"Not watched any more; the run itself goes on. To end it, {how}."


def _ending(watched: Watched) -> str:
    """How the run ended that was watched."""
    worker, last = watched.worker, watched.ended()
    if last is None:
        return ANOTHER
    if last.ended == DONE:
        found = report(ROAD, watched.workspace, worker.stage)
        return f"{worker.stage} is done.\n{found or ''}".rstrip()
    return f"{printable(worker.stage)} was not done.\n{how_it_ended(watched.workspace, last)}"
