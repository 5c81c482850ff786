"""``max_tokens = 0``: batches as large as the memory allows, found by a trial once, and remembered.

An update reads as many tokens as ``update_freq`` batches of the usual size would, in as few batches
as there is memory for. What was found on a device lies in the workspace, in ``batches.json``.
"""

import contextlib
import json

from helpers.common.errors import CourseError
from helpers.common.files import write_whole
from helpers.machine.devices import chosen
from helpers.machine.resources import machine
from helpers.training.base_model import base_model
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace

FOUND = "batches.json"
USUAL = FinetuneSettings().max_tokens


def wanted(settings: FinetuneSettings) -> int:
    """The tokens that each process reads for an update.

    >>> wanted(FinetuneSettings(max_tokens=0, update_freq=4))
    8192
    """
    return (settings.max_tokens or USUAL) * settings.update_freq


def in_batches(settings: FinetuneSettings, tokens: int) -> FinetuneSettings:
    """The same tokens an update, in batches of at most so many.

    >>> found = in_batches(FinetuneSettings(max_tokens=0, update_freq=4), 3000)
    >>> found.max_tokens, found.update_freq
    (2731, 3)
    """
    number = -(-wanted(settings) // tokens)
    size = -(-wanted(settings) // number)
    return settings.model_copy(update={"max_tokens": size, "update_freq": number})


def is_settled(workspace: Workspace, settings: FinetuneSettings) -> bool:
    """Whether it is known how large batches are: they were set, or found here."""
    return bool(settings.max_tokens) or _key(workspace, settings) in _known(workspace)


def settled(workspace: Workspace, settings: FinetuneSettings) -> FinetuneSettings:
    """The settings with batches that were found before; until then, of the usual size."""
    if settings.max_tokens:
        return settings
    known = _known(workspace).get(_key(workspace, settings), USUAL)
    return in_batches(settings, known)


def remember(workspace: Workspace, settings: FinetuneSettings, tokens: int) -> None:
    """Write down that batches of so many tokens have room."""
    known = _known(workspace) | {_key(workspace, settings): tokens}
    with contextlib.suppress(CourseError, OSError):  # then it is tried once more
        write_whole(workspace.root / FOUND, json.dumps(known, indent=1) + "\n")


def _known(workspace: Workspace) -> dict[str, int]:
    with contextlib.suppress(OSError, ValueError):
        found = json.loads((workspace.root / FOUND).read_bytes())
        if isinstance(found, dict):
            return {k: v for k, v in found.items() if isinstance(v, int) and v >= 16}
    return {}


def _key(workspace: Workspace, settings: FinetuneSettings) -> str:
    """What the memory that a batch needs depends on."""
    device = machine(workspace.root, chosen(settings.device)).device
    given = (settings.precision, settings.dropout, settings.mask_prob, settings.nproc)
    parts = (device, base_model(workspace).parameters, wanted(settings), *given)
    return " · ".join(map(str, parts))
