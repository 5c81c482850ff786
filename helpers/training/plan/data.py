"""The data of a training, by sizes alone: what one pass over it consists of."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from helpers.common.errors import CourseError
from helpers.common.symbols import SPLITS
from helpers.ids.binary_files import read_sizes
from helpers.ids.data_bin import data_folders
from helpers.ids.dictionary import Dictionary
from helpers.training.base_model import longest_sample
from helpers.training.command import general_tokens
from helpers.training.masking import number_hidden, scripts_to_divide
from helpers.training.samples import Sizes, batches, sample_sizes
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace

MANY = 1000  # hidden tokens of a validation, of which it is reckoned only how many they are


@dataclasses.dataclass(frozen=True)
class Data:
    """What training reads; of several shards, each epoch of fairseq's reads one.

    Attributes:
        samples: sequences in one pass over all of train.
        tokens: dictionary indices in them, with the ``<s>`` of each and the ``</s>`` of each line.
        general: those of the lines of general text that is mixed in.
        epochs: the updates of each of fairseq's epochs, which make a pass together.
        batches: those of the shortest of fairseq's epochs.
        valid: dictionary indices that a validation reads.
        hidden: how many of them are to be guessed; about so, where they are many.
        largest: dictionary indices in the largest batch of train, padding left out.
        scripts: where words are hidden, the characters of each script without spaces.
        roughly: general text is mixed in that was not chosen yet; full lines stand for it.
    """

    samples: int
    tokens: int
    general: int
    epochs: tuple[int, ...]
    batches: int
    valid: int
    hidden: int
    largest: int
    scripts: dict[str, int]
    roughly: bool = False

    @property
    def updates(self) -> int:
        """Updates of a pass."""
        return sum(self.epochs)

    @property
    def per_update(self) -> float:
        """Dictionary indices that an update reads, in the mean of a pass."""
        return self.tokens / self.updates


def read_data(
    workspace: Workspace, settings: FinetuneSettings, general: Sequence[Sizes] = ()
) -> Data:
    """What the data will be to fairseq.

    Args:
        general: of each shard, the sizes of the lines of general text that are mixed in.

    Raises:
        CourseError: a split is empty, or has a line that is too long: fairseq would drop it from
            train with a warning, and stop at it in valid; or words of Chinese are to be hidden,
            and nothing can segment it.
    """
    first, *others = folders = data_folders(workspace.data_bin)
    limit, mode = longest_sample(workspace, settings), settings.sample_break_mode
    for file in (*(first / split for split in SPLITS), *(other / "train" for other in others)):
        name = file.name if not others else f"{file.name} in {file.parent.name}"
        sizes = read_sizes(file)[0]
        if file.name != "test":
            _refuse_empty(sizes, name)
        if mode != "none":  # which cuts lines
            _refuse_long(sizes, name, limit)
    lines = [read_sizes(folder / "train")[0] for folder in folders]
    roughly = bool(settings.replay) and not general
    if roughly:
        general = [_full_lines(own, settings.replay, limit - 1) for own in lines]
    mixed_in = sum(int(each.sum(dtype=np.int64)) for each in general)
    if settings.replay:  # fairseq reads both as one
        lines = [np.append(own, more) for own, more in zip(lines, general, strict=True)]
    samples = [sample_sizes(each, mode, limit) for each in lines]
    batched = [batches(each, settings.max_tokens)[0] for each in samples]
    valid = sample_sizes(read_sizes(first / "valid")[0], mode, limit)
    scripts = {}
    if settings.mask_unit == "word":
        read = [first / "valid", *(folder / "train" for folder in folders)]
        scripts = scripts_to_divide(read, Dictionary.load(first / "dict.txt"))
    return Data(
        samples=sum(map(len, samples)),
        tokens=sum(int(each.sum()) for each in samples),
        general=mixed_in,
        epochs=tuple(_updates(len(each), settings) for each in batched),
        batches=min(map(len, batched)),
        valid=int(valid.sum()),
        hidden=_hidden(valid, settings),
        scripts=scripts,
        roughly=roughly,
        largest=max(int(each.max()) for each in (*batched, batches(valid, settings.max_tokens)[0])),
    )


def _updates(batches: int, settings: FinetuneSettings) -> int:
    """Of an epoch: each process has its share of the batches, and makes updates of these."""
    share = -(-batches // settings.processes)
    return -(-share // settings.update_freq)


def _hidden(valid: Sizes, settings: FinetuneSettings) -> int:
    """Of each sample chance decides over one token: that matters where there are few."""
    about = round(settings.mask_prob * int(valid.sum()))
    if about > MANY:
        return about
    return number_hidden(valid.tolist(), settings.seed, settings.mask_prob)


def _full_lines(own: Sizes, share: float, longest: int) -> Sizes:
    more = general_tokens(int(own.sum(dtype=np.int64)) - len(own), share)
    return np.full(-(-more // (longest - 1)), longest)


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
