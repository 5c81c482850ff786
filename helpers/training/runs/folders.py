"""The trainings of a workspace: the folders of their checkpoints.

``checkpoints`` is the last one that was finished, ``checkpoints.NAME`` one before it, where NAME
says what that has and the run that took its place has not: ``checkpoints.lr-0.002``. The one that
goes on, or was stopped, is ``checkpoints.unfinished``; ``checkpoints.unfinished.NAME`` had to make
room for another. In each, ``run.json`` names base, data and settings.
"""

import itertools
import re
from pathlib import Path

from helpers.common.files import flush
from helpers.training.runs.run import RUN, Run, written
from helpers.workflow.workspace import Workspace

LAST, BEST = "checkpoint_last.pt", "checkpoint_best.pt"
_IN_BETWEEN = re.compile(r"checkpoint_\d+_(\d+)\.pt")  # fairseq's name: epoch, update
CRASHED = "crash.pt"  # what fairseq saves where gradients are no numbers
LONGEST = 60  # characters of a name


def in_between(folder: Path) -> list[Path]:
    """The checkpoints that fairseq has saved in between, in the order of their updates."""
    found = ((_IN_BETWEEN.fullmatch(file.name), file) for file in folder.glob("checkpoint_*.pt"))
    return [file for _, file in sorted((int(match[1]), file) for match, file in found if match)]


def saved(folder: Path) -> list[Path]:
    """The checkpoints that fairseq has saved; what a person has put there is none of them."""
    ends = (folder / name for name in (LAST, BEST))
    return [*filter(Path.is_file, ends), *in_between(folder)]


def earlier(workspace: Workspace) -> list[Path]:
    """The folders of the trainings that were finished before the last one, as they were begun."""
    return [folder for folder in _beside(workspace) if not _is_unfinished(workspace, folder)]


def unfinished(workspace: Workspace) -> list[Path]:
    """The folders of the trainings that were stopped, the last one first."""
    aside = [folder for folder in _beside(workspace) if _is_unfinished(workspace, folder)]
    return [folder for folder in (workspace.training, *aside) if folder.is_dir()]


def _is_unfinished(workspace: Workspace, folder: Path) -> bool:
    return folder.name.startswith(f"{workspace.training.name}.")


def _beside(workspace: Workspace) -> list[Path]:
    """The folders of all trainings but those two that another can take the place of."""
    found = workspace.root.glob(f"{workspace.checkpoints.name}.*")
    folders = [path for path in found if path.is_dir() and path != workspace.training]
    return sorted(folders, key=lambda folder: (_begun(folder), folder.name))


def _begun(folder: Path) -> float:
    file = folder / RUN
    return file.stat().st_mtime if file.is_file() else 0


def name_beside(run: Run | None, other: Run | None) -> str:
    """What a run has and another has not, as a name; empty where there is no such thing."""
    name = ""
    for part in run.differs(other) if run and other else ():
        if len(name) + len(part) < LONGEST:
            name += f",{part}" if name else part
    return name


def keep(folder: Path, other: Run | None) -> Path:
    """Rename a training's folder to make room for another; nothing is deleted.

    Returns:
        The folder, with a name that says what it has and the other has not; with a number where
        there is no such thing, and where the name is taken.
    """
    name = name_beside(written(folder), other)
    numbers = itertools.count(2 if name else 1)
    names = itertools.chain([name] if name else (), (f"{name}-{n}".strip("-") for n in numbers))
    taken = {path.name.casefold() for path in folder.parent.iterdir()}
    free = (folder.with_name(f"{folder.name}.{name}") for name in names)
    aside = next(path for path in free if path.name.casefold() not in taken)
    folder.rename(aside)
    flush(folder.parent)
    return aside
