"""Trainings side by side: their curves over each other, and what differs in their settings."""

import dataclasses
import json
import statistics
from collections.abc import Sequence
from pathlib import Path

from helpers.common.errors import CourseError
from helpers.common.names import printable
from helpers.common.report import Report, Table
from helpers.training.log.events import LOG, TRAIN, VALID, curve, events, stopped_early
from helpers.training.runs.folders import earlier, unfinished
from helpers.training.runs.run import Run, written
from helpers.workflow.parameters import WrongSettings
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace

USUAL = 512  # positions of a RoBERTa: a sample has no more, whatever max_tokens allows
# With another value of these, validation hides other tokens or more of them, or has other samples.
ASKED = ("mask_prob", "mask_unit", "sample_break_mode")
TEXTS = ("valid.bin", "valid.idx", "dict.txt")  # what validation reads
CHANCE = (
    "No two of them are known to differ in their seed only: a difference that is no larger than "
    "what another seed makes means nothing. To see how large that is, train one again with another "
    "seed and nothing else changed."
)


@dataclasses.dataclass(frozen=True)
class Trained:
    """A training as it is compared.

    Attributes:
        name: of its folder, or of its workspace.
        run: what it was made from; None where nothing tells it.
        updates: up to the last one that was logged.
        train, valid: ``(update, loss in bits)``, in order.
        is_done: whether it was trained to its end.
    """

    name: str
    run: Run | None
    updates: int
    train: tuple[tuple[int, float], ...]
    valid: tuple[tuple[int, float], ...]
    is_done: bool

    @classmethod
    def read(cls, name: str, folder: Path) -> "Trained":
        """What a folder's log and ``run.json`` tell."""
        found = events(folder / LOG)
        updates = max((event.update for event in found), default=0)
        train, valid = (tuple(curve(found, kind)) for kind in (TRAIN, VALID))
        run = _with_known_settings(written(folder))
        early = stopped_early(folder / LOG) > 0
        is_done = bool(run) and (early or updates == run.settings["max_update"])
        is_done = is_done and not folder.name.startswith("checkpoints.unfinished")
        return cls(name, run, updates, train, valid, is_done)

    @property
    def best(self) -> tuple[int | None, float | None]:
        """The update with the lowest validation loss, and that; of equals the last."""
        return min(reversed(self.valid), key=lambda point: point[1], default=(None, None))


def _with_known_settings(run: Run | None) -> Run | None:
    """A run whose settings are those of a training; None where somebody has written others."""
    its = run.settings if run else {}
    known = {name: its[name] for name in FinetuneSettings.model_fields if name in its}
    try:
        plain = FinetuneSettings(**known).of_the_result()
    except WrongSettings:
        return None
    if not its:
        return None
    told = {n: plain[n] for n in known if n in plain} | {"precision": run.precision}
    return dataclasses.replace(run, settings=its | told)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison(Report):
    TITLE = "Trainings side by side"
    trainings: tuple[Trained, ...]

    def table(self) -> Table:
        runs = [one.run for one in self.trainings]
        names = different([run.settings for run in runs if run])
        went_on = any(run and run.went_on_after for run in runs)
        head = (
            "training",
            *names,
            *(["went on from another max_update after"] if went_on else []),
        )
        rows = []
        for one in self.trainings:
            values = [one.run.settings.get(name) if one.run else None for name in names]
            after = [updates for updates, _ in one.run.went_on_after] if one.run else []
            values += [after or None] if went_on else []
            update, loss = one.best
            rows.append((one.name, *values, one.updates, loss, update))
        return (*head, "updates", "lowest validation loss (bits)", "at update"), rows

    def _repr_html_(self) -> str:
        from helpers.common.figures import learning_curves

        drawn = [
            (one.name if _is_drawable(one.name) else f"no. {row}", one.train, one.valid)
            for row, one in enumerate(self.trainings, start=1)
            if one.valid
        ]
        picture = learning_curves(drawn)._repr_mimebundle_()["text/html"] if drawn else ""
        return f"<div>{picture}{super()._repr_html_()}</div>"


def _is_drawable(name: str) -> bool:
    """Whether the figures' font has its letters; a name that begins with _ is left out."""
    return name.isascii() and not name.startswith("_")


def different(settings: Sequence[dict[str, object]]) -> list[str]:
    """The names of the settings that are not the same in all, in order."""
    names = dict.fromkeys(name for each in settings for name in each)
    return [n for n in names if any(each.get(n) != settings[0].get(n) for each in settings)]


def compare_runs(*workspaces: Workspace | str) -> Comparison:
    """The trainings of one workspace, or the current ones of several.

    Raises:
        CourseError: there is no training in one of them, or none is named.
    """
    if not workspaces:
        raise CourseError(
            "compare_runs was given no workspace.", "Name one or several: compare_runs(work)."
        )
    works = [w if isinstance(w, Workspace) else Workspace(w) for w in workspaces]
    works = [*{work.root: work for work in works}.values()]
    if len(works) == 1:
        folders = {folder.name: folder for folder in _all(works[0])}
    else:
        folders = {work.name: next(iter(_all(work)), work.checkpoints) for work in works}
    found = tuple(Trained.read(printable(name), folder) for name, folder in folders.items())
    if missing := [w for w in works if not _all(w)]:
        raise CourseError(
            f"There is no training in {missing[0].name}.", "Run the notebook 04_finetune first."
        )
    return Comparison(trainings=found, notes=tuple(_notes(found)))


def _all(workspace: Workspace) -> list[Path]:
    """The folders of its trainings: the last one that was finished first."""
    folders = (workspace.checkpoints, *reversed(earlier(workspace)), *unfinished(workspace))
    return [folder for folder in folders if (folder / LOG).is_file() or written(folder)]


def _validated_on(run: Run) -> dict[str, object]:
    return {name: sha256 for name, sha256 in run.data.items() if Path(name).name in TEXTS}


def _notes(trainings: Sequence[Trained]) -> list[str]:
    """What is to be known before their losses are compared."""
    notes = [f"{one.name} has no validation loss in its log." for one in trainings if not one.valid]
    notes += [
        f"{one.name} has no run.json that could be read: with what it was trained is not known."
        for one in trainings
        if not one.run
    ]
    if len(trainings) == 1:
        return [*notes, "There is nothing to compare it with yet: train with other settings."]
    runs = [one.run for one in trainings if one.run]
    first = runs[0] if runs else None
    why_not = []
    if any(run.base != first.base for run in runs):
        why_not.append(
            "Their base models differ: a lower loss may be the base's, and not the settings'; "
            "their losses cannot be compared."
        )
    if any(_validated_on(run) != _validated_on(first) for run in runs):
        why_not.append("Their validation texts differ: their losses cannot be compared.")
    elif any(run.data != first.data for run in runs):
        notes.append("They have read different texts, and were validated on the same.")
    names = different([run.settings for run in runs])
    if asked := [name for name in ASKED if name in names] + _samples(runs):
        why_not.append(
            f"With another {' and '.join(asked)} validation asks otherwise: "
            "their losses cannot be compared."
        )
    elif "seed" in names:
        notes.append("With another seed validation hides other tokens: small differences are none.")
    by_chance = [*map(_of_chance, _differing_in_seed(trainings))]
    if not (by_chance or why_not) and sum(bool(one.valid) for one in trainings) > 1:
        by_chance = [CHANCE]
    return [*notes, *why_not, *by_chance]


def _differing_in_seed(trainings: Sequence[Trained]) -> list[list[Trained]]:
    """Trainings to their ends that differ in nothing but their seeds; of each seed one."""
    found: dict[str, dict[str, Trained]] = {}
    for one in trainings:
        if one.is_done and one.valid:
            what = dataclasses.asdict(dataclasses.replace(one.run, computed=()))
            seed = json.dumps(what["settings"].pop("seed"))
            found.setdefault(json.dumps(what, sort_keys=True), {}).setdefault(seed, one)
    return [[*by_seed.values()] for by_seed in found.values() if len(by_seed) > 1]


def _of_chance(trainings: Sequence[Trained]) -> str:
    """How far their seeds alone have moved the losses of trainings."""
    losses = [one.best[1] for one in trainings]
    low, high = min(losses), max(losses)
    about = ""
    if losses[2:]:
        mean, deviation = statistics.mean(losses), statistics.stdev(losses)
        about = f" (mean {mean:.3f}, standard deviation {deviation:.3f})"
    return (
        f"{' and '.join(one.name for one in trainings)} differ in their seed only, and their "
        f"lowest losses lie {high - low:.3f} bits apart{about}: where others lie no further apart, "
        "that may be chance, too."
    )


def _samples(runs: Sequence[Run]) -> list[str]:
    """The settings by which samples or what is hidden of them differ, though not always."""
    longest = {min(run.settings.get("max_tokens", USUAL), USUAL) for run in runs}
    options = {
        tuple(sorted(o for o in run.settings.get("extra", ()) if o.startswith("task.")))
        for run in runs
    }
    return ["max_tokens"] * (len(longest) > 1) + ["extra"] * (len(options) > 1)
