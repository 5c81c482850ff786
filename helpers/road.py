"""The road: every stage in order, from plain text files to what was learned."""

from helpers.base_model import BASE
from helpers.binarize import BINARIZE
from helpers.bpe import ENCODE
from helpers.convert import CONVERT
from helpers.evaluate import EVALUATE
from helpers.finetune import FINETUNE
from helpers.parameters import Settings
from helpers.prepare import PREPARE
from helpers.run import Road
from helpers.sample import SAMPLE
from helpers.split import SPLIT

ROAD = Road(SAMPLE, BASE, SPLIT, ENCODE, BINARIZE, PREPARE, FINETUNE, CONVERT, EVALUATE)
# The notebooks in order, and the settings that their parameters are.
NOTEBOOKS: dict[str, tuple[type[Settings], ...]] = {
    stage.notebook: tuple(s.settings for s in ROAD.values() if s.notebook == stage.notebook)
    for stage in ROAD.values()
    if stage.notebook
}
