"""What checkpoint files say of themselves: updates, validation loss, date."""

import dataclasses
import datetime
import math
from collections.abc import Iterator
from pathlib import Path

from helpers.common.errors import CourseError
from helpers.models.checkpoints import read, updates


@dataclasses.dataclass(frozen=True)
class Summary:
    """What a checkpoint file says of itself; ``loss`` is its validation loss in bits."""

    file: Path
    updates: int
    loss: float
    date: str


def summary(file: Path) -> Summary | None:
    """Updates, validation loss and date of a checkpoint; None if it cannot be used."""
    try:
        state = read(file)
    except CourseError:
        return None
    loss = (state.get("extra_state") or {}).get("val_loss")
    date = datetime.datetime.fromtimestamp(file.stat().st_mtime).strftime("%Y-%m-%d %H:%M")
    return Summary(
        file,
        updates(state),
        loss if isinstance(loss, float) else math.nan,
        date,
    )


def below(folder: Path) -> Iterator[Summary]:
    """Every usable checkpoint below a folder, as ``find . -name "*.pt"`` would find them."""
    for file in sorted(folder.rglob("*.pt")):
        if file.is_file() and (found := summary(file)):
            yield found


def best(summaries: list[Summary]) -> Summary | None:
    """The one with the lowest validation loss; of equals, ``checkpoint_best.pt``."""
    return min(
        summaries,
        key=lambda s: (math.inf if math.isnan(s.loss) else s.loss, "best" not in s.file.name),
        default=None,
    )
