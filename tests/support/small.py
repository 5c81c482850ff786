"""The whole road in small: a tiny base, a short text, six updates."""

from pathlib import Path

from helpers.settings import FinetuneSettings
from helpers.workspace import Workspace

SHORT = FinetuneSettings(max_update=6, validate_every=3, max_tokens=512)
# The course in all its length but this.
SHORTER = FinetuneSettings(max_update=100, validate_every=50)


def walk_in_small(folder: Path) -> None:
    """Every stage from a person's own base to the evaluation; the samples are three batches."""
    from helpers.convert import convert
    from helpers.evaluate import EVALUATE
    from helpers.finetune import FINETUNE
    from helpers.settings import ConvertSettings, EvaluateSettings
    from tests import checkpoint_makers as make

    workspace, mine = Workspace(folder), folder.with_name(f"{folder.name} base")
    make.base_from(workspace, make.put(make.current(make.fitting(make.tensors())), mine))
    make.prepare(workspace)
    FINETUNE.run(workspace, SHORT)
    convert(workspace, ConvertSettings())
    EVALUATE.run(workspace, EvaluateSettings())
