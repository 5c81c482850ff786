"""How large batches can be on this device: fairseq tries it, for some updates."""

from helpers.common.errors import CourseError
from helpers.training.batches import in_batches, is_settled, remember, settled, wanted
from helpers.training.log.diagnosis import OutOfMemory
from helpers.training.plan.planning import plan_training
from helpers.training.plan.speed import UPDATES, from_probe
from helpers.training.runs.run import written
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace


def with_batches(workspace: Workspace, settings: FinetuneSettings, lock: int) -> FinetuneSettings:
    """The settings with batches that have room; where they are not known yet, they are tried.

    Half as large each time, until there is memory for them: on a GPU from all that an update reads,
    on a processor from what should fit, since a system without memory ends other programs, too.

    Args:
        lock: of the workspace, which the training holds.
    """
    if is_settled(workspace, settings):
        return settled(workspace, settings)
    plan = plan_training(workspace, settings)
    tokens = wanted(settings)
    if not plan.machine.capability:
        tokens, _ = plan.that_fits(tokens * settings.processes)
    tokens = _begun(workspace, settings) or tokens
    some = {"update_freq": 1, "max_update": plan.first + UPDATES}  # each of one batch
    while True:
        tried = in_batches(settings, tokens)
        try:
            from_probe(workspace, tried.model_copy(update=some), plan.first, lock)
        except CourseError as failed:
            # The training itself will say what is wrong, and its log stays.
            if not isinstance(failed, OutOfMemory) or tokens <= plan.network.sample:
                return tried
            tokens = max(plan.network.sample, tokens // 2)
        else:
            if plan.data.tokens >= tried.max_tokens:  # else no batch was as large
                remember(workspace, settings, tried.max_tokens)
            return tried


def _begun(workspace: Workspace, settings: FinetuneSettings) -> int:
    """The batches of an unfinished training with as many tokens an update, which goes on so."""
    run = written(workspace.training)
    sizes = [run.settings.get(name) for name in ("max_tokens", "update_freq")] if run else []
    if all(isinstance(size, int) and size > 0 for size in sizes) and sizes:
        tokens, number = sizes
        if in_batches(settings, tokens).update_freq == number:
            return tokens
    return 0
