"""How fast a training will be: five updates of it that are tried, or a trial of the machine."""

import contextlib
import dataclasses
import statistics
from pathlib import Path

from helpers.common.errors import CourseError
from helpers.common.files import fresh_folder, remove
from helpers.machine.costs import Network
from helpers.training.command import CONFIG_FILE, overrides, train_command
from helpers.training.log.events import LOG, TRAIN, events
from helpers.training.several import starter
from helpers.training.train import train
from helpers.training.trial import exchange_seconds, update_seconds
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace

UPDATES = 5  # that are tried; the first is slower, since memory is fetched for it
HOW = "by a trial of this machine, if little else runs; half or double is possible"
VALIDATING = 3  # times as fast as training, which computes everything twice more for the gradient


@dataclasses.dataclass(frozen=True)
class Speed:
    """Seconds of a token, in training and in validation; and how they are known."""

    token: float
    how: str

    @property
    def valid_token(self) -> float:
        return self.token / VALIDATING


def from_trial(
    network: Network, settings: FinetuneSettings, tokens: float, device: str, precision: str
) -> Speed:
    """From the parts of an update, which are tried on the device for a moment.

    Args:
        tokens: that an update reads; with little text these are fewer than it could.
    """
    number, batches = settings.processes, settings.update_freq
    each = max(1, round(tokens / number / batches))
    seconds = update_seconds(network, each, batches, device, precision, settings.nproc)
    if number > 1 and device == "cpu":
        seconds += exchange_seconds(network, number)
    return Speed(seconds / tokens, HOW)


def from_probe(workspace: Workspace, settings: FinetuneSettings, first: int, lock: int) -> Speed:
    """From fairseq itself, which does five updates; nothing of them is kept.

    Args:
        first: the updates of the base's that count.
        lock: of the workspace, which the training holds.

    Raises:
        CourseError: fairseq ended with an error, as it would in the training.
    """
    folder = fresh_folder(workspace.scratch / "probe")
    last = min(first + UPDATES, settings.max_update)
    changed = {
        "checkpoint.save_dir": folder,
        "hydra.run.dir": folder,
        "optimization.max_update": last,
        "common.log_interval": 1,
        "++checkpoint.no_save": True,
        "++dataset.disable_validation": True,
    }
    alone = settings.model_copy(update={"replay": 0.0, "tensorboard": False})
    values = overrides(workspace, alone) | changed
    command = train_command(CONFIG_FILE, values, starter(settings))
    log = folder / LOG
    train(command, log, max_update=last, must_load=workspace.base_model, done=first, lock=lock)
    speed = _measured(log)
    remove(folder)
    with contextlib.suppress(OSError):  # it may hold what a stage is making
        workspace.scratch.rmdir()
    return speed


def _measured(log: Path) -> Speed:
    told = [e.values for e in events(log) if e.kind == TRAIN]
    rates = [values["wps"] for values in told[1:] or told if values.get("wps")]
    if not rates:
        raise CourseError(
            f"fairseq has not said how fast its updates were; its log is {log}.",
            "Leave out the probe.",
        )
    return Speed(1 / statistics.median(rates), f"as fast as {len(told)} updates that were tried")
