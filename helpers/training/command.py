"""The command ``fairseq-hydra-train``: the settings of a training as Hydra's overrides."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from helpers.common.fairseq import tool
from helpers.common.files import PROJECT
from helpers.ids.data_bin import data_folders
from helpers.machine.devices import chosen
from helpers.training.base_model import base_model, longest_sample
from helpers.training.batches import settled
from helpers.training.options.extra import CONFIG_FILE, options
from helpers.training.precision import precision
from helpers.training.schedule import warmup_updates
from helpers.training.several import distributed, starter
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace

CONFIG = PROJECT / "helpers" / "config"
LOG_INTERVAL = 10  # as it stands there
PLUGIN = PROJECT / "helpers" / "training" / "fairseq_plugin"
# What Hydra reads as a text without quotes: no number, no truth, no nothing.
_PLAIN = re.compile(r"(?!(?i:null|true|false|nan|inf)$)[A-Za-z_/][\w./-]*", re.ASCII)
MIXED, TENSORBOARD = "data", "tensorboard"  # folders beside the checkpoints


def overrides(
    workspace: Workspace, settings: FinetuneSettings, resumed: bool = False
) -> dict[str, object]:
    """Hydra's overrides for ``finetune.yaml``: all paths absolute, the shape from the base.

    Hydra changes the working directory: a relative base path would silently train from nothing.

    Args:
        resumed: an interrupted run goes on, from its own ``checkpoint_last.pt``.
    """
    settings = settled(workspace, settings)
    base = base_model(workspace)
    done = base.updates if settings.start == "continue" else 0
    return {
        "task.data": ":".join(map(str, folders_to_train(workspace, settings))),
        "checkpoint.save_dir": workspace.training,
        **_beginning(workspace, settings.start, resumed),
        "hydra.run.dir": workspace.training,
        "checkpoint.keep_interval_updates": 1 + settings.keep_checkpoints,  # with the last one
        "checkpoint.patience": settings.patience,
        "common.tensorboard_logdir": tensorboard(workspace) if settings.tensorboard else None,
        "optimization.max_update": settings.max_update,
        "optimization.clip_norm": settings.clip_norm,
        "optimization.lr": [settings.lr],
        "optimization.update_freq": [settings.update_freq],
        "lr_scheduler.warmup_updates": warmup_updates(settings),
        "lr_scheduler.total_num_update": settings.max_update,
        "optimizer.weight_decay": settings.weight_decay,
        "dataset.max_tokens": settings.max_tokens,
        **_device(settings),
        **_task(workspace, settings),
        "task.tokens_per_sample": longest_sample(workspace, settings),
        "task.sample_break_mode": settings.sample_break_mode,
        "task.mask_prob": settings.mask_prob,
        "checkpoint.save_interval_updates": settings.validate_every,
        "common.seed": settings.seed,
        **_logged_at_least_once(done, settings.max_update),
        **{f"model.{name}": value for name, value in base.shape.items()},
        "model.dropout": settings.dropout,
        "model.attention_dropout": settings.dropout,
        # With ++ also what no file mentions.
        **{f"++{name}": value for name, value in options(settings).items()},
    }


def _device(settings: FinetuneSettings) -> dict[str, object]:
    """The device; by itself fairseq takes the first GPU, where PyTorch can use one."""
    device = chosen(settings.device)
    if device.type == "cpu":
        return {"common.cpu": True} | distributed(settings)
    return distributed(settings) or {"distributed_training.device_id": device.index}


def _task(workspace: Workspace, settings: FinetuneSettings) -> dict[str, object]:
    """What is hidden as a whole, and how it is computed; what fairseq itself can is left to it."""
    numbers = precision(workspace, settings).name
    half = {"common.fp16": True} if numbers == "fp16" else {}
    if settings.mask_unit == "token" and numbers != "bf16":
        return half
    ours = {"+task.mask_unit": settings.mask_unit, "+task.bfloat16": numbers == "bf16"}
    return half | {"task._name": "masked_lm_course", "+common.user_dir": PLUGIN, **ours}


def folders_to_train(workspace: Workspace, settings: FinetuneSettings) -> list[Path]:
    """The data-bin folders whose ``train`` is trained on; the first has ``valid``, too.

    With ``replay`` they are mixed beside the checkpoints, and are there while training goes on.
    """
    own = data_folders(workspace.data_bin)
    if not settings.replay:
        return own
    mixed = workspace.training / MIXED
    return [mixed / folder.relative_to(workspace.data_bin) for folder in own]


def general_tokens(own: int, share: float) -> int:
    """The tokens of general text that have a share of all, beside so many of one's own.

    >>> general_tokens(300, 0.25)
    100
    """
    return round(own * share / (1 - share))


def tensorboard(workspace: Workspace) -> Path:
    """Where TensorBoard's files are written; they go with the checkpoints that they are of."""
    return workspace.training / TENSORBOARD


def _logged_at_least_once(done: int, last: int) -> dict[str, object]:
    """fairseq logs the loss at each multiple of the interval: without one there is no curve."""
    none = last // LOG_INTERVAL == done // LOG_INTERVAL
    return {"common.log_interval": max(1, last - done)} if none else {}


def _beginning(workspace: Workspace, start: str, resumed: bool) -> dict[str, object]:
    """What training takes over, from which file.

    With ``finetune_from_model`` fairseq takes the weights, and by itself resumes what was
    interrupted. With ``restore_file`` it takes everything, and would do so again each time.
    """
    if start == "weights":
        return {"checkpoint.finetune_from_model": workspace.base_model}
    if resumed:
        return {"checkpoint.finetune_from_model": None}
    return {
        "checkpoint.finetune_from_model": None,
        "checkpoint.restore_file": workspace.base_model,
        "checkpoint.reset_dataloader": True,  # the position in the base's own data means nothing
        "checkpoint.reset_meters": True,  # else its best loss stays, and no checkpoint_best.pt
    }


def finetune_command(
    workspace: Workspace, settings: FinetuneSettings, resumed: bool = False
) -> list[str]:
    """The command that a student would type."""
    return train_command(CONFIG_FILE, overrides(workspace, settings, resumed), starter(settings))


def train_command(
    config: Path, overrides: Mapping[str, object], starter: Sequence[str] = ()
) -> list[str]:
    """``fairseq-hydra-train`` with a config file and Hydra overrides.

    Args:
        starter: the command that starts several processes of it.
    """
    return [
        *starter,
        tool("fairseq-hydra-train"),
        *("--config-dir", str(config.parent), "--config-name", config.stem),
        *(f"{key}={hydra_value(value)}" for key, value in overrides.items()),
    ]


def hydra_value(value: object) -> str:
    """A value as Hydra's override grammar reads it: texts quoted, lists in brackets.

    >>> hydra_value("/my folder/O'Hara"), hydra_value([2]), hydra_value(None)
    ("'/my folder/O\\\\'Hara'", '[2]', 'null')
    """
    if value is None:
        return "null"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(hydra_value, value)) + "]"
    if _PLAIN.fullmatch(str(value)):
        return str(value)
    return "'" + str(value).replace("'", "\\'") + "'"
