"""``make bench-train``: every trainer really trains, and the table says what they did."""

import shutil
from pathlib import Path

import pytest

from helpers.workflow.workspace import Workspace
from tests.benchmarks.training import __main__ as training
from tests.benchmarks.training.trained import Task

TRAINERS = (training.KIT, training.FAIRSEQ, training.TRAINER, training.LEAN)


@pytest.mark.long
@pytest.mark.parametrize("trainer", TRAINERS)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_every_trainer_trains(
    small: Workspace, tmp_path: Path, trainer: str, precision: str
) -> None:
    root = shutil.copytree(small.root, tmp_path / "a copy 复本")
    found = training.run(trainer, Task(root, 6, 512, precision))
    assert found.rate > 0 and found.memory > 10**8
    assert found.loss == pytest.approx(13.5, abs=1)  # that of a model that knows little


def test_trainers_are_told_by_their_medians_and_beside_the_lean_loop() -> None:
    size = training.Size(1, 2, 3, 4)
    rates = dict(zip(TRAINERS, ((5, 30, 20), (1, 1, 1), (2, 2, 2), (40, 10, 11)), strict=True))
    runs = {
        (size, "fp32", trainer): [training.Run(rate, 10**9, 3.0) for rate in each]
        for trainer, each in rates.items()
    }
    first, *_, last = training.rows(runs)
    assert first[2:7] == (training.KIT, 3, "20", "5 to 30", "1.82") and last[6] == "1.00"
    assert training.picture(runs)._repr_png_().startswith(b"\x89PNG")


def test_the_time_of_updates_is_read_from_fairseqs_log() -> None:
    """Over midnight; those before the clock starts count for nothing."""
    line = '[2026-01-01 {}][train_inner][INFO] - {{"loss": "{}", "num_updates": "{}", "wpb": "9"}}'
    times = ("23:59:50,000", "23:59:55,000", "23:59:59,500", "00:00:01,500", "00:00:03,500")
    said = "\n".join(line.format(time, n, n) for n, time in enumerate(times, 1))
    assert training._logged(said) == (18 / 4, [1, 2, 3, 4, 5])
