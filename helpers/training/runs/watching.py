"""A run as somebody sees it who looks in from elsewhere: how far it is, and how it ended."""

from collections.abc import Mapping

from pydantic import TypeAdapter, ValidationError

from helpers.common.names import printable
from helpers.common.report import Report
from helpers.models.summaries import summary
from helpers.training.log.events import LOG, Tail
from helpers.training.log.live import Curve
from helpers.training.runs.resume import LAST
from helpers.workflow.definition import Stage
from helpers.workflow.lock import DONE, Holder
from helpers.workflow.workspace import Workspace

TRAINING = "finetune"  # the stage whose log is looked at
NO_WORD = "It ended without a word: most likely it was killed, or its computer stopped."


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

    def ended(self) -> Holder | None:
        """The run that was seen last, with what it said of its end."""
        last = self.workspace.last_worker
        same = self.worker and last and last.since == self.worker.since
        return last if same else None


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
    found = summary(workspace.training / LAST) if workspace.training.is_dir() else None
    if found is None:
        return ""
    return (
        f"A training lies in {workspace.training.name}, with {found.updates:,} updates: begun with "
        "the same settings, it goes on from there."
    )


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
        name = max(stages, key=lambda name: stages[name].finished)
        entry, found = stages[name], report(road, workspace, name)
        said.append(f"Done last: {name}, {entry.finished}, in {entry.seconds:,.0f} s.")
        said += [str(found)] if found else []
    else:
        said.append("Nothing was done in it yet.")
    return "\n".join(said)
