"""Which training was done before, and which one a run goes on from: more updates, or more patience.

Where nothing but ``max_update`` and ``patience`` differs, nothing that was done is done again. What
``patience`` has ended goes on where one of the two is larger now; all else where ``max_update``
leaves something to do. An unfinished training becomes the one that goes on; a finished one stays.

With another ``max_update`` the learning rate follows another curve from there on, and the result is
not that of one in one go, which ``run.json`` remembers. With more ``patience`` alone, it is.
"""

import functools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from helpers.common.report import cell
from helpers.models.summaries import summary
from helpers.training.log.events import LOG, stopped_early
from helpers.training.runs.folders import LAST, earlier, saved, unfinished
from helpers.training.runs.run import Run, written
from helpers.training.schedule import rate
from helpers.workflow.record import Fingerprint, is_as_known
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace


def is_done(folder: Path, done: int, settings: FinetuneSettings) -> bool:
    """Whether there is nothing to train: fairseq would do one more update, at rate 0.

    What ``patience`` has ended stays ended, unless it has just begun to go on from there.
    """
    if done >= settings.max_update:
        return True
    run = written(folder)
    begins = bool(run and run.went_on_after) and run.went_on_after[-1][0] == done
    return done > 0 and not begins and _has_lost_patience(folder, settings)


def _has_lost_patience(folder: Path, settings: FinetuneSettings) -> bool:
    """Whether a training was ended by no more ``patience`` than these settings have."""
    return 0 < settings.patience <= stopped_early(folder / LOG)


def made_from(run: Run, workspace: Workspace) -> Path | None:
    """The folder with the checkpoints of the same run, finished or not; None without one."""
    return next((folder for folder in _all(workspace) if run.is_same(written(folder))), None)


def _all(workspace: Workspace) -> tuple[Path, ...]:
    return (workspace.training, workspace.checkpoints, *earlier(workspace), *unfinished(workspace))


def possible(
    run: Run, settings: FinetuneSettings, workspace: Workspace
) -> Iterator[tuple[Path, int]]:
    """The folders that this run could go on from, the furthest first; how far each one is."""
    found = {folder: made for folder in _all(workspace) if run.goes_on(made := written(folder))}
    done = {folder: trained(folder) for folder in found}
    for folder in sorted(done, key=done.get, reverse=True):
        all_of_it = found[folder].settings["max_update"]
        ended = _has_lost_patience(folder, settings)
        if (all_of_it if ended else done[folder]) < settings.max_update:
            yield folder, done[folder]


def to_go_on_from(run: Run, settings: FinetuneSettings, workspace: Workspace) -> Path | None:
    """The furthest of these with a checkpoint that can be used."""
    done = (f for f, n in possible(run, settings, workspace) if 0 < n < settings.max_update)
    return next(done, None)


def known_prints(workspace: Workspace, files: Iterable[Path]) -> dict[Path, Fingerprint]:
    """The fingerprints of files that the record knows; empty where it does not know all of them.

    So none has to be read.
    """
    known = {k: v for entry in workspace.record.stages.values() for k, v in entry.outputs.items()}
    known |= workspace.record.entry("finetune").inputs
    prints = {path: known.get(workspace.key(path)) for path in files}
    is_known = all(v and path.is_file() and is_as_known(path, v) for path, v in prints.items())
    return prints if is_known else {}


class There(NamedTuple):
    """What was done before of a training: its updates, where they lie, and a sentence on it."""

    updates: int = 0
    folder: Path | None = None
    said: str = ""


def what_is_there(
    workspace: Workspace, settings: FinetuneSettings, inputs: Mapping[Path, Fingerprint]
) -> There:
    """What such a training would go on from.

    Args:
        inputs: what would be read.
    """
    run = Run.of(workspace, settings, inputs)
    if same := made_from(run, workspace):
        done = trained(same)
        if is_done(same, done, settings):
            said = f"It is done, and kept in {same.name}: without force nothing is trained."
            return There(settings.max_update, same, said)
        if done:
            said = f"{done:,} updates of it are saved in {same.name}: it goes on from there."
            return There(done, same, said)
        return There()
    for folder, done in possible(run, settings, workspace):
        if done:
            other = written(folder).settings["max_update"] != settings.max_update
            meaning = _other_rate(done, settings) if other else "with more patience"
            said = (
                f"It goes on from the {done:,} updates that are saved in {folder.name}, {meaning}. "
                "With force it begins anew."
            )
            return There(done, folder, said)
    return There()


def trained(folder: Path) -> int:
    """The updates that a training goes on from: those of its last checkpoint that can be used.

    (Its log may tell of some more, which were lost.)
    """
    last = folder / LAST
    files = [last] if last.is_file() and _updates(last) else saved(folder)
    return max(map(_updates, files), default=0)


def _updates(file: Path) -> int:
    """Of a checkpoint, which is read once while it stays the same; 0 where it cannot be used."""
    stat = file.stat()
    return _read(file, stat.st_mtime_ns, stat.st_size)


@functools.lru_cache(maxsize=64)
def _read(file: Path, *_: int) -> int:
    found = summary(file)
    return found.updates if found else 0


def _other_rate(after: int, settings: FinetuneSettings) -> str:
    until = f"{settings.max_update:,} updates"
    return f"where the learning rate changes to that of {until}, {rate(after, settings):.2g} there"


def how_it_went(folder: Path, done: int, settings: FinetuneSettings) -> list[str]:
    """What is to be known of a result that was not made in one go, or that patience has ended."""
    run, notes = written(folder), []
    if run and (after := [updates for updates, _ in run.went_on_after]):
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
