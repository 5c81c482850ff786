"""The data of a training, by sizes alone: what one pass over it consists of."""

import dataclasses
import functools
from pathlib import Path

import numpy as np

from helpers.common.errors import CourseError
from helpers.common.symbols import SPLITS
from helpers.ids.binary_files import read_sizes
from helpers.ids.data_bin import data_folders
from helpers.ids.dictionary import Dictionary
from helpers.training.command import general_tokens
from helpers.training.masking import scripts_to_divide
from helpers.training.plan.samples import batch_sizes, sample_sizes
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace


@dataclasses.dataclass(frozen=True)
class Data:
    """What training reads; of several shards, each epoch of fairseq's reads one.

    Of general text that is mixed in (``replay``), full samples are reckoned with.

    Attributes:
        samples: sequences in one pass over all of train.
        tokens: dictionary indices in them, with the ``<s>`` of each and the ``</s>`` of each line.
        epochs: the updates of each of fairseq's epochs, which make a pass together.
        valid: dictionary indices that a validation reads.
        largest: dictionary indices in the largest batch of train, padding left out.
        scripts: where words are hidden, the characters of each script without spaces.
    """

    samples: int
    tokens: int
    epochs: tuple[int, ...]
    valid: int
    largest: int
    scripts: dict[str, int]

    @property
    def updates(self) -> int:
        """Updates of a pass."""
        return sum(self.epochs)


def read_data(workspace: Workspace, settings: FinetuneSettings, positions: int) -> Data:
    """What the data will be to fairseq.

    Args:
        positions: the most dictionary indices that the model reads at a time.

    Raises:
        CourseError: a split is empty, or has a line that is too long: fairseq would drop it from
            train with a warning, and stop at it in valid; or words of Chinese are to be hidden,
            and nothing can segment it.
    """
    first, *others = folders = data_folders(workspace.data_bin)
    limit, mode = min(positions, settings.max_tokens), settings.sample_break_mode
    for file in (*(first / split for split in SPLITS), *(other / "train" for other in others)):
        name = file.name if not others else f"{file.name} in {file.parent.name}"
        sizes = read_sizes(file)[0]
        if file.name != "test":
            _refuse_empty(sizes, name)
        if mode != "none":  # which cuts lines
            _refuse_long(sizes, name, limit)
    own = [_samples(folder / "train", mode, limit) for folder in folders]
    samples = [_with_general_text(each, settings.replay, limit) for each in own]
    batches = [batch_sizes(each, settings.max_tokens) for each in samples]
    valid = _samples(first / "valid", mode, limit)
    scripts = {}
    if settings.mask_unit == "word":
        read = [first / "valid", *(folder / "train" for folder in folders)]
        scripts = scripts_to_divide(read, Dictionary.load(first / "dict.txt"))
    return Data(
        samples=sum(map(len, samples)),
        tokens=sum(int(each.sum()) for each in samples),
        epochs=tuple(-(-len(each) // settings.update_freq) for each in batches),
        valid=int(valid.sum()),
        largest=max(
            int(each.max()) for each in (*batches, batch_sizes(valid, settings.max_tokens))
        ),
        scripts=scripts,
    )


def _with_general_text(samples: np.ndarray, share: float, limit: int) -> np.ndarray:
    more = general_tokens(int(samples.sum()), share)
    return np.append(samples, np.full(-(-more // limit), limit))


def _samples(prefix: Path, mode: str, limit: int) -> np.ndarray:
    return _samples_of(prefix, Path(f"{prefix}.idx").stat().st_mtime_ns, mode, limit)


@functools.lru_cache(maxsize=16)
def _samples_of(prefix: Path, _: int, mode: str, limit: int) -> np.ndarray:
    return sample_sizes(read_sizes(prefix)[0], mode, limit)


def _refuse_empty(sizes: np.ndarray, name: str) -> None:
    if not len(sizes):
        raise CourseError(
            f"The split {name} is empty, and training needs it.",
            "Split again (notebook 01_split) with a larger share for it.",
        )


def _refuse_long(sizes: np.ndarray, name: str, limit: int) -> None:
    if len(sizes) and sizes.max() > limit - 1:  # and <s> before it
        raise CourseError(
            f"Line {int(sizes.argmax()) + 1:,} of {name} has {int(sizes.max()) - 1:,} tokens; "
            f"with these settings the model reads at most {limit - 2:,}.",
            f"Split again (notebook 01_split) with max_line_tokens = {limit - 2}, or raise "
            "max_tokens; sample_break_mode = 'none' cuts lines.",
        )
