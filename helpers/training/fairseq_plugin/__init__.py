"""A fairseq plug-in (``common.user_dir``): a task with more masks and bfloat16.

The model and its checkpoints are those of fairseq's own task ``masked_lm``. What is hidden of a
sample is found by :mod:`helpers.training.masking`, where that is more than single tokens. With
bfloat16, matrices are multiplied in it by PyTorch's autocast; weights, sums and optimizer stay in
single precision.
"""

import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from fairseq.data import BaseWrapperDataset, MaskTokensDataset
from fairseq.dataclass import ChoiceEnum
from fairseq.tasks import register_task
from fairseq.tasks.masked_lm import MaskedLMConfig, MaskedLMTask
from fairseq.trainer import Trainer

# fairseq finds this folder by its path; the course's modules are those that lie around it.
sys.path.insert(0, str(Path(__file__).parents[3]))

from helpers.ids.dictionary import Dictionary
from helpers.training.masking import Fate, mask_sample, units_of

NAME = "masked_lm_course"
# Other ways of fairseq's to mask, which are not done here.
LEFT_ALONE = {
    "leave_unmasked_prob": 0.1,
    "random_token_prob": 0.1,
    "freq_weighted_replacement": False,
    "mask_whole_words": False,
    "mask_multiple_length": 1,
    "mask_stdev": 0.0,
    "skip_masking": False,
    "d2v2_multi": False,
}


@dataclass
class CourseMaskedLMConfig(MaskedLMConfig):
    mask_unit: ChoiceEnum(["token", "character", "word"]) = field(
        default="token", metadata={"help": "what is hidden as a whole, or not at all"}
    )
    bfloat16: bool = field(default=False, metadata={"help": "multiply matrices in bfloat16"})


Pair = tuple[torch.Tensor, torch.Tensor]


class SeenOrHidden(BaseWrapperDataset):
    """In the place of fairseq's masked samples, or of what is to be guessed in them."""

    def __init__(self, masks: MaskTokensDataset, both: Callable[[int, int], Pair]) -> None:
        super().__init__(masks)  # which knows the epoch
        self.both = both

    def __getitem__(self, index: int) -> torch.Tensor:
        seen, targets = self.both(self.dataset.epoch, index)
        return targets if self.dataset.return_masked_tokens else seen


@register_task(NAME, dataclass=CourseMaskedLMConfig)
class CourseMaskedLMTask(MaskedLMTask):
    def __init__(self, cfg: CourseMaskedLMConfig, dictionary=None) -> None:
        super().__init__(cfg, dictionary)
        if str(cfg.mask_unit) == "token":
            return
        if other := [name for name, value in LEFT_ALONE.items() if getattr(cfg, name) != value]:
            raise ValueError(f"task.{other[0]} cannot be set where whole units are hidden")
        theirs = self.source_dictionary
        symbols = theirs.symbols[theirs.nspecial : self.mask_idx]
        self.ours = Dictionary(tuple(symbols), (1,) * len(symbols))

    def _regular_dataset(self, src_dataset, target_dataset):
        """fairseq's datasets, with masks of ours in them where whole units are hidden."""
        if str(self.cfg.mask_unit) == "token":
            return super()._regular_dataset(src_dataset, target_dataset)
        inputs, targets = src_dataset, target_dataset.dataset  # caches, each of a MaskTokensDataset
        both = functools.lru_cache(maxsize=8)(functools.partial(self._masked, inputs.dataset))
        for cache in (inputs, targets):
            cache.dataset = SeenOrHidden(cache.dataset, both)
        return super()._regular_dataset(src_dataset, target_dataset)

    def _masked(self, masks: MaskTokensDataset, epoch: int, index: int) -> Pair:
        """A sample as the model sees it, and what is to be guessed: int64, both (positions,)."""
        sample = masks.dataset[index].numpy()
        if self.mask_idx in sample:  # as fairseq checks it
            raise ValueError(f"sample {index} has <mask> in it before anything is hidden")
        units = units_of(sample, self.ours, str(self.cfg.mask_unit))
        draw = {"seed": masks.seed, "epoch": epoch, "sample": index, "share": masks.mask_prob}
        seen, fates = mask_sample(sample, self.ours, units, **draw)
        targets = np.where(fates == Fate.UNTOUCHED, masks.pad_idx, sample)
        return torch.from_numpy(seen), torch.from_numpy(targets)

    def train_step(self, sample, model, criterion, *others, **named):
        return super().train_step(sample, model, self._computing(criterion), *others, **named)

    def valid_step(self, sample, model, criterion):
        return super().valid_step(sample, model, self._computing(criterion))

    def _computing(self, criterion: Callable) -> Callable:
        """A criterion that multiplies matrices in the numbers of this task.

        (Around the whole step, fairseq's own autocast, which is off, would have the last word.)
        """
        if not self.cfg.bfloat16:
            return criterion

        def computed(model, sample):
            with torch.autocast(sample["target"].device.type, torch.bfloat16):
                return criterion(model, sample)

        return computed


state_dict = Trainer.state_dict


def state_of_a_plain_model(trainer: Trainer) -> dict:
    """What is saved: it opens without this plug-in, as if fairseq's own task had trained it."""
    state = state_dict(trainer)
    cfg = state["cfg"]
    if cfg["task"]["_name"] != NAME:
        return state
    ours = CourseMaskedLMConfig.__dataclass_fields__.keys() - MaskedLMConfig.__dataclass_fields__
    task = {name: value for name, value in cfg["task"].items() if name not in ours}
    plain = {"task": task | {"_name": "masked_lm"}, "common": cfg["common"] | {"user_dir": None}}
    return state | {"cfg": cfg | plain}


Trainer.state_dict = state_of_a_plain_model
