"""A run as somebody sees it who looks in from elsewhere: how far it is, and how it ended."""

from collections.abc import Mapping, Sequence

from pydantic import TypeAdapter, ValidationError

from helpers.common.errors import Stopped
from helpers.common.names import printable
from helpers.common.report import Report, cell
from helpers.models.summaries import summary
from helpers.training.log.events import LOG, Tail
from helpers.training.log.live import Curve
from helpers.training.runs.folders import BEST, LAST
from helpers.training.runs.run import written
from helpers.workflow.definition import Stage
from helpers.workflow.lock import DONE, Holder
from helpers.workflow.workspace import Workspace

TRAINING = "finetune"  # the stage whose log is looked at
NO_WORD = "It ended without a word: most likely it was killed, or its computer stopped."
ANOTHER = "It ended, and another run has begun since: watch again to see that one."


class Watched:
    """The run that works in a workspace, each time that one looks."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.worker: Holder | None = None
        self._begin()

    def _begin(self) -> None:
        self.tail, self.curve = Tail(self.workspace.training / LOG), Curve(0, 1)

    def look(self) -> Holder | None:
        """Who works now; ``worker`` stays the one that was seen last."""
        now = self.workspace.worker
        if now:
            if not self.worker or now.since != self.worker.since:
                self._begin()
            self.worker = now
        return now

    def picture(self) -> str:
        """The curve of a training, in HTML; nothing while there is none."""
        standing = self.worker.standing if self.worker and self.worker.stage == TRAINING else None
        if not standing or standing.unit != "updates":
            return ""
        events = self.tail.read()
        if events is None:
            self._begin()
            return ""
        self.curve.first, self.curve.last = standing.first, standing.total
        for event in events:
            self.curve.add(event)
        return self.curve.picture()

    def ended(self, process: int | None = None) -> Holder | None:
        """The run of a process, else the one that was seen last, with what it said of its end.

        None where another has begun since, and of a process that never was at work.
        """
        last, seen = self.workspace.last_worker, self.worker
        if last and process:
            return last if last.process == process else None
        return last if last and seen and last.since == seen.since else None


def report(road: Mapping[str, Stage], workspace: Workspace, name: str) -> Report | None:
    """What a stage said when it was done last; None where this version cannot read it."""
    entry = workspace.record.stages.get(name)
    if entry is None or name not in road:
        return None
    try:
        return TypeAdapter(road[name].report).validate_python(entry.report)
    except (TypeError, ValidationError):
        return None


def how_it_ended(workspace: Workspace, last: Holder) -> str:
    """In words, how a run ended that was not done."""
    return printable(last.ended or "\n".join((NO_WORD, left(workspace)))).strip()


def left(workspace: Workspace) -> str:
    """What is said of a training that was begun and is not done; nothing where there is none."""
    folder = workspace.training
    found, run = summary(folder / LAST) if folder.is_dir() else None, written(folder)
    if found is None:
        return ""
    of = f" of {cell(run.settings['max_update'])}" if run and run.settings else ""
    return (
        f"{found.updates:,}{of} updates are saved in {folder.name}: begun with the same settings, "
        "or a larger max_update, the training goes on from there; with others it begins anew."
    )


def stopped(workspace: Workspace, notes: Sequence[str]) -> Stopped:
    """What to say of a training that was stopped: where it lies, and what lies there still."""
    said = ["Stopped.", left(workspace) or "There was nothing to save yet."]
    if (workspace.checkpoints / BEST).is_file():
        said.append(f"The training before stays in {workspace.checkpoints.name}.")
    return Stopped("\n".join((" ".join(said), *notes)))


def at_rest(road: Mapping[str, Stage], workspace: Workspace) -> str:
    """What is said of a workspace in which nobody works: what was done last, and what was not."""
    said = [f"Nobody works in {workspace.name}."]
    last = workspace.last_worker
    if last and last.ended not in (DONE, None):
        what = f"Last, {last.by} worked on {last.stage}, which was not done."
        said.append(f"{printable(what)}\n{how_it_ended(workspace, last)}")
    else:
        said += filter(None, [left(workspace)])
    stages = workspace.record.stages
    if stages:
        # Of two that were done within one second, the later one on the road.
        by_road = sorted(stages, key=[*road, *stages].index, reverse=True)
        name = max(by_road, key=lambda name: stages[name].finished)
        entry, found = stages[name], report(road, workspace, name)
        said.append(f"Done last: {name}, {entry.finished}, in {entry.seconds:,.0f} s.")
        said += [str(found)] if found else []
    else:
        said.append("Nothing was done in it yet.")
    return "\n".join(said)
