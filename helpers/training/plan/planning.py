"""The plan of a training is made: from the base's shape, the sizes of the data, and the machine."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from helpers.machine.devices import chosen
from helpers.machine.resources import Machine, machine
from helpers.training.base_model import base_model, updates_before
from helpers.training.batches import USUAL, is_settled, settled
from helpers.training.plan.data import read_data
from helpers.training.plan.findings import findings
from helpers.training.plan.plan import TrainingPlan
from helpers.training.plan.speed import from_trial
from helpers.training.precision import NEEDED, Precision, network, precision
from helpers.training.runs.going_on import There, what_is_there
from helpers.training.runs.run import written
from helpers.training.samples import Sizes
from helpers.workflow.record import Fingerprint
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace


def plan_training(
    workspace: Workspace,
    settings: FinetuneSettings,
    inputs: Mapping[Path, Fingerprint] = MappingProxyType({}),
    general: Sequence[Sizes] = (),
) -> TrainingPlan:
    """What a training will do, from the base's shape and the sizes of the data.

    Args:
        inputs: all that training reads, by which it is told what of it was done before.
        general: of each shard, the sizes of the lines of general text that are mixed in; without
            them it is reckoned how much of it there will be.

    Raises:
        CourseError: it cannot be done at all.
    """
    settings, given = settled(workspace, settings), settings
    first = updates_before(workspace, settings)
    there = what_is_there(workspace, settings, inputs) if inputs else There()
    base, needs = base_model(workspace), network(workspace, settings)
    device, numbers = chosen(settings.device), precision(workspace, settings)
    has = machine(workspace.root, device)
    numbers = _as_before(there, settings, has.device) or numbers
    if there.folder == workspace.training:
        has = _with_what_is_replaced(has, there.folder)
    data = read_data(workspace, settings, general)
    plan = TrainingPlan(
        settings=settings,
        data=data,
        network=needs,
        machine=has,
        precision=numbers,
        base_updates=base.updates,
        first=first,
        done=there.updates,
        speed=from_trial(needs, settings, data.per_update, str(device), numbers.name),
        notes=tuple(filter(None, (there.said, _of_batches(workspace, given)))),
    )
    return with_findings(plan)


def with_findings(plan: TrainingPlan, **changed: object) -> TrainingPlan:
    """The plan with what is to be said of it, after some of it has changed."""
    said = plan.notes[: len(plan.notes) - len(plan.findings)]
    plan = dataclasses.replace(plan, **changed)
    found = findings(plan)
    return dataclasses.replace(plan, findings=found, notes=(*said, *map(str, found)))


def _as_before(there: There, settings: FinetuneSettings, device: str) -> Precision | None:
    """The precision of what goes on on the same device: another trial might choose another."""
    run = written(there.folder) if there.folder else None
    if settings.precision != "auto" or not (run and run.computed):
        return None
    before = run.computed[-1]
    if not before.device.startswith(device) or before.precision not in ("fp32", *NEEDED):
        return None
    return Precision(before.precision, "as the updates before")


def _of_batches(workspace: Workspace, settings: FinetuneSettings) -> str:
    if is_settled(workspace, settings):
        return ""
    return (
        "max_tokens = 0: how large batches can be is tried when the training begins; until then "
        f"the plan counts with batches of {USUAL:,} tokens."
    )


def _with_what_is_replaced(found: Machine, folder: Path) -> Machine:
    """Checkpoints of a training that goes on there make room for those to come."""
    stats = (file.stat() for file in folder.glob("*.pt"))
    there = {stat.st_ino: stat.st_size for stat in stats}  # one file has several names
    return dataclasses.replace(found, disk=found.disk + sum(there.values()))
