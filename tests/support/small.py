"""The whole road in small: a tiny base, a short text, six updates."""

import shutil
from pathlib import Path

from helpers.stages.road import ROAD
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace

# In one precision everywhere: what a trial of the processor says of so small a model is chance.
SHORT = FinetuneSettings(max_update=6, validate_every=3, max_tokens=512, precision="fp32")
# Parameters of notebooks: the course in all its length but this.
SHORTER = {"max_update": 100, "validate_every": 100}


def walk_in_small(folder: Path) -> None:
    """Every stage from a person's own base to the evaluation; the samples are three batches."""
    from helpers.workflow.settings import ConvertSettings, EvaluateSettings
    from tests.support import checkpoint_makers as make

    workspace, mine = Workspace(folder), folder.with_name(f"{folder.name} base")
    make.base_from(workspace, make.put(make.current(make.fitting(make.tensors())), mine))
    make.prepare(workspace)
    ROAD.run("finetune", workspace, SHORT)
    ROAD.run("convert", workspace, ConvertSettings())
    ROAD.run("evaluate", workspace, EvaluateSettings(max_lines=50))


def untrained(small: Workspace, folder: Path) -> Workspace:
    """A copy of the small road up to data-bin; nothing was trained."""
    work = Workspace(shutil.copytree(small.root, folder))
    shutil.rmtree(work.checkpoints)
    record = work.record
    for stage in ("finetune", "convert", "evaluate"):
        del record.stages[stage]
    record.save()
    return work
