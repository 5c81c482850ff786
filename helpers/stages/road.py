"""The road: every stage in order, from plain text files to what was learned."""

from helpers.stages.base import BASE
from helpers.stages.binarize import BINARIZE, PREPARE
from helpers.stages.convert import CONVERT
from helpers.stages.encode import ENCODE
from helpers.stages.evaluate import EVALUATE
from helpers.stages.finetune import FINETUNE
from helpers.stages.sample import SAMPLE
from helpers.stages.split import SPLIT
from helpers.stages.task import TASK
from helpers.workflow.parameters import Settings
from helpers.workflow.road import Road

ROAD = Road(SAMPLE, BASE, SPLIT, ENCODE, BINARIZE, PREPARE, FINETUNE, CONVERT, EVALUATE, TASK)
# The notebooks in order, and the settings that their parameters are.
NOTEBOOKS: dict[str, tuple[type[Settings], ...]] = {
    stage.notebook: tuple(s.settings for s in ROAD.values() if s.notebook == stage.notebook)
    for stage in ROAD.values()
    if stage.notebook
}
