"""``python -m tests.benchmarks.replay FOLDER``: what the sample's training learns and forgets.

The base model is trained on the sample without general text, and with a quarter of it. Checkpoints
in between are kept, and each is measured as notebook 06 does, on held-out text of the sample and on
general text; ``docs/replay.png`` shows the curves.
"""

import math
import sys
from collections.abc import Iterator
from pathlib import Path

from helpers.base import general_text
from helpers.common.figures import BLUE, ORANGE, Picture
from helpers.common.files import PROJECT, write_whole
from helpers.common.report import text_table
from helpers.evaluation.guessing import guessed
from helpers.evaluation.texts import hidden_in, text_of
from helpers.ids.dictionary import Dictionary
from helpers.models import checkpoints
from helpers.models.hf.folder import model_of
from helpers.stages.road import ROAD
from helpers.text.documents import lines as text_lines
from helpers.training.runs.folders import LAST, in_between
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace

REPLAYED = {0.0: (BLUE, "o", "without general text"), 0.25: (ORANGE, "s", "replay = 0.25")}
EVERY = 100  # updates from one point of the curves to the next
TEXTS = ("sample", "general")
TITLES = ("Learned: the sample's held-out text", "Forgotten: general text")
FIGURE = PROJECT / "docs" / "replay.png"

Point = tuple[int, float, float]  # updates, and the loss in bits on the sample and on general text


def prepared(folder: Path) -> Workspace:
    """The sample with the course's base, up to the binary files."""
    work = Workspace(folder)
    for name in ("sample", "base", "split", "encode", "binarize"):
        ROAD.run(name, work, ROAD[name].settings())
    return work


def bits(checkpoint: Path, work: Workspace) -> tuple[float, ...]:
    """The loss of a checkpoint in bits per hidden token, on each text; always the same tokens."""
    model, dictionary = model_of(checkpoints.read(checkpoint)), Dictionary.load(work.base_dict)
    its = ROAD["evaluate"].settings()
    own = [*text_lines(work.raw("test"), "utf-8")][: its.max_lines]
    found = []
    for lines in (own, general_text.validation_lines(its.max_lines)):
        text = text_of(lines, dictionary, 512)
        hidden = hidden_in(text, dictionary, its.mask_share, its.seed, its.draws)
        found.append(guessed(model, hidden, checkpoint.name).nats.mean() / math.log(2))
    return tuple(found)


def curve(work: Workspace, share: float) -> Iterator[Point]:
    """Train with this share of general text; the losses from the base to the end."""
    settings = FinetuneSettings(validate_every=EVERY, keep_checkpoints=99, replay=share)
    ROAD.run("finetune", work, settings)
    files = {checkpoints.updates(checkpoints.read(f)): f for f in in_between(work.checkpoints)}
    files |= {0: work.base_model, settings.max_update: work.checkpoints / LAST}
    for update in sorted(u for u in files if u % EVERY == 0):
        yield update, *bits(files[update], work)


def picture(curves: dict[float, list[Point]]) -> Picture:
    """What is learned and what is forgotten, side by side."""
    drawn = Picture(height=3.4)
    for number, (axes, title) in enumerate(zip(drawn.subplots(1, 2), TITLES, strict=True)):
        for share, points in curves.items():
            colour, marker, label = REPLAYED[share]
            updates, losses = zip(*((p[0], p[1 + number]) for p in points), strict=True)
            axes.plot(updates, losses, color=colour, marker=marker, label=label)
        axes.set(title=title, xlabel="updates", ylabel="loss (bits per hidden token)")
        axes.grid(alpha=0.3)
    drawn.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return drawn


def main(folder: str) -> None:
    work = prepared(Path(folder))
    curves = {share: [*curve(work, share)] for share in REPLAYED}
    rows = [
        (share, update, *(f"{loss:.3f}" for loss in losses))
        for share, points in curves.items()
        for update, *losses in points
    ]
    print(text_table(("replay", "updates", *(f"bits, {text}" for text in TEXTS)), rows))
    write_whole(FIGURE, picture(curves)._repr_png_())


if __name__ == "__main__":
    main(*sys.argv[1:])
