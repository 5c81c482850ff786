"""The plan of a training is made: from the base's shape, the sizes of the data, and the machine."""

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path

from helpers.models import checkpoints, shapes
from helpers.training.plan.costs import Network
from helpers.training.plan.data import read_data
from helpers.training.plan.findings import findings
from helpers.training.plan.machine import Machine, machine
from helpers.training.plan.plan import TrainingPlan
from helpers.training.plan.speed import Speed, from_trial
from helpers.training.runs.going_on import what_is_there
from helpers.training.runs.resume import updates_before
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace


def plan_training(
    workspace: Workspace,
    settings: FinetuneSettings,
    inputs: Sequence[Path] = (),
    speed: Speed | None = None,
) -> TrainingPlan:
    """What a training will do, from the base's shape and the sizes of the data.

    Args:
        inputs: all that training reads, by which it is told what of it was done before.
        speed: how fast this machine is, where that was measured.

    Raises:
        CourseError: it cannot be done at all.
    """
    first = updates_before(workspace, settings)
    done, said = what_is_there(workspace, settings, inputs) if inputs else (0, "")
    base = _base(workspace.base_model, workspace.base_model.stat().st_mtime_ns)
    shape = base.shape
    network = Network(
        parameters=base.parameters,
        layers=shape["encoder_layers"],
        width=shape["encoder_embed_dim"],
        inner=shape["encoder_ffn_embed_dim"],
        heads=shape["encoder_attention_heads"],
        vocabulary=base.vocabulary,
        sample=min(shape["max_positions"], settings.max_tokens),
        dropout=settings.dropout,
        mask_prob=settings.mask_prob,
    )
    plan = TrainingPlan(
        settings=settings,
        data=read_data(workspace, settings, shape["max_positions"]),
        network=network,
        machine=_with_what_is_replaced(machine(workspace.root), workspace),
        base_updates=base.updates,
        first=first,
        done=done,
        speed=speed or from_trial(network, settings),
    )
    found = findings(plan)
    notes = (*filter(None, [said]), *map(str, found))
    return dataclasses.replace(plan, findings=found, notes=notes)


def _with_what_is_replaced(found: Machine, workspace: Workspace) -> Machine:
    """Checkpoints of a training that was interrupted make room for those to come."""
    stats = (file.stat() for file in workspace.training.glob("*.pt"))
    there = {stat.st_ino: stat.st_size for stat in stats}  # one file has several names
    return dataclasses.replace(found, disk=found.disk + sum(there.values()))


@dataclasses.dataclass(frozen=True)
class _Base:
    shape: dict
    parameters: int
    vocabulary: int
    updates: int


@functools.lru_cache(maxsize=4)
def _base(file: Path, _: int) -> _Base:
    """What the plan needs of a base model; reading a large one takes seconds."""
    state = checkpoints.read(file)
    return _Base(
        shapes.shape(state),
        shapes.parameters(state),
        shapes.rows_of_vocabulary(state),
        checkpoints.updates(state),
    )
