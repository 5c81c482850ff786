"""Which training was done before, and which one a run goes on from: more updates, or more patience.

Where nothing but ``max_update`` and ``patience`` differs, nothing that was done is done again. What
``patience`` has ended goes on where one of the two is larger now; all else where ``max_update``
leaves something to do. An unfinished training becomes the one that goes on; a finished one stays.

With another ``max_update`` the learning rate follows another curve from there on, and the result is
not that of one in one go, which ``run.json`` remembers. With more ``patience`` alone, it is.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from helpers.common.report import cell
from helpers.models.summaries import summary
from helpers.training.log.events import LOG, events, stopped_early
from helpers.training.runs.folders import LAST, Run, earlier, unfinished, written
from helpers.training.schedule import rate
from helpers.workflow.record import is_as_known
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace


def is_done(folder: Path, done: int, settings: FinetuneSettings) -> bool:
    """Whether there is nothing to train: fairseq would do one more update, at rate 0.

    What ``patience`` has ended stays ended, unless it has just begun to go on from there.
    """
    if done >= settings.max_update:
        return True
    run = written(folder)
    begins = run is not None and run.went_on_after[-1:] == (done,)
    return done > 0 and not begins and _has_lost_patience(folder, settings)


def _has_lost_patience(folder: Path, settings: FinetuneSettings) -> bool:
    """Whether a training was ended by no more ``patience`` than these settings have."""
    return 0 < settings.patience <= stopped_early(folder / LOG)


def made_from(run: Run, workspace: Workspace) -> Path | None:
    """The folder with the checkpoints of the same run, finished or not; None without one."""
    return next((folder for folder in _all(workspace) if run.is_same(written(folder))), None)


def _all(workspace: Workspace) -> tuple[Path, ...]:
    return (workspace.training, workspace.checkpoints, *earlier(workspace), *unfinished(workspace))


def _possible(
    run: Run, settings: FinetuneSettings, workspace: Workspace
) -> Iterator[tuple[Path, int]]:
    """The folders that this run can go on from, the furthest first; how far each one's log is."""
    found = {folder: made for folder in _all(workspace) if run.goes_on(made := written(folder))}
    logged = {folder: _logged(folder) for folder in found}
    for folder in sorted(logged, key=logged.get, reverse=True):
        all_of_it = found[folder].settings["max_update"]
        ended = _has_lost_patience(folder, settings)
        if (all_of_it if ended else logged[folder]) < settings.max_update:
            yield folder, logged[folder]


def to_go_on_from(run: Run, settings: FinetuneSettings, workspace: Workspace) -> Path | None:
    """The furthest of these whose last checkpoint can be used."""
    for folder, _ in _possible(run, settings, workspace):
        if (last := summary(folder / LAST)) and 0 < last.updates < settings.max_update:
            return folder
    return None


def what_is_there(
    workspace: Workspace, settings: FinetuneSettings, inputs: Iterable[Path]
) -> tuple[int, str]:
    """The updates of such a training that are done already, and a sentence on it; 0 and nothing.

    What takes long is not looked at: files that no record knows, and whether a checkpoint can be
    used.

    Args:
        inputs: what would be read.
    """
    known = {k: v for entry in workspace.record.stages.values() for k, v in entry.outputs.items()}
    known |= workspace.record.entry("finetune").inputs
    prints = {path: known.get(workspace.key(path)) for path in inputs}
    if not all(v and path.is_file() and is_as_known(path, v) for path, v in prints.items()):
        return 0, ""
    run = Run.of(workspace, settings, prints)
    if same := made_from(run, workspace):
        done = _logged(same)
        if is_done(same, done, settings):
            return (
                settings.max_update,
                f"It is done, and kept in {same.name}: without force nothing is trained.",
            )
        said = f"{done:,} updates of it are logged: it goes on from its last checkpoint."
        return done, said if done else ""
    for folder, done in _possible(run, settings, workspace):
        if done:
            other = written(folder).settings["max_update"] != settings.max_update
            meaning = _other_rate(done, settings) if other else "with more patience"
            return done, (
                f"It goes on from the last checkpoint in {folder.name} ({done:,} updates are "
                f"logged), {meaning}. With force it begins anew."
            )
    return 0, ""


def _logged(folder: Path) -> int:
    """The updates that a training's log tells of."""
    return max((event.update for event in events(folder / LOG)), default=0)


def _other_rate(after: int, settings: FinetuneSettings) -> str:
    until = f"{settings.max_update:,} updates"
    return f"where the learning rate changes to that of {until}, {rate(after, settings):.2g} there"


def how_it_went(folder: Path, done: int, settings: FinetuneSettings) -> list[str]:
    """What is to be known of a result that was not made in one go, or that patience has ended."""
    run, notes = written(folder), []
    if run and (after := run.went_on_after):
        notes.append(
            f"This training went on after {' and after '.join(map(cell, after))} updates that "
            f"were made for another max_update, {_other_rate(after[-1], settings)}. One of "
            f"{settings.max_update:,} updates in one go has other rates and another result."
        )
    if done < settings.max_update:
        notes.append(
            f"Ended after {done:,} of {settings.max_update:,} updates, as patience = "
            f"{settings.patience} asks: so many validations in a row were no better than the "
            "best before them."
        )
    return notes
