"""fairseq's own configuration of a training, by which the options in ``extra`` are read."""

import argparse
import dataclasses
import functools

from helpers.common.fairseq import ready_to_import

# The sections of fairseq's configuration that a training reads; the others are of other tools.
SECTIONS = ("common", "distributed_training", "dataset", "optimization", "checkpoint", "ema")


@functools.cache
def known_options() -> dict[str, tuple[object, str]]:
    """Every option of a training: the section that holds it, which checks values, and its name.

    fairseq is imported, which takes some seconds.

    Raises:
        CourseError: it is not installed.
    """
    return {
        f"{title}.{name}": (section, name)
        for title, section in sections().items()
        for name in section
    }


@functools.cache
def sections() -> dict[str, object]:
    """fairseq's own configuration of a training by section, as OmegaConf checks it."""
    ready_to_import()
    from fairseq.criterions.masked_lm import MaskedLmConfig
    from fairseq.dataclass.configs import FairseqConfig
    from fairseq.optim.adam import FairseqAdamConfig
    from fairseq.optim.lr_scheduler.polynomial_decay_schedule import (
        PolynomialDecayLRScheduleConfig,
    )
    from fairseq.tasks.masked_lm import MaskedLMConfig
    from omegaconf import OmegaConf

    fields = FairseqConfig.__dataclass_fields__
    kinds = {name: fields[name].type for name in SECTIONS} | {
        "task": MaskedLMConfig,
        "criterion": MaskedLmConfig,
        "optimizer": FairseqAdamConfig,
        "lr_scheduler": PolynomialDecayLRScheduleConfig,
        "model": _of_roberta(),
    }
    return {name: OmegaConf.structured(kind) for name, kind in kinds.items()}


def _of_roberta() -> type:
    """The options of fairseq's RoBERTa, which are still written for argparse, as a dataclass."""
    from fairseq.models.roberta import RobertaModel

    parser = argparse.ArgumentParser(add_help=False)
    RobertaModel.add_args(parser)
    kinds = {each.dest: bool if each.nargs == 0 else each.type or str for each in parser._actions}
    return dataclasses.make_dataclass(
        "Roberta", [(name, kind, kind()) for name, kind in kinds.items()]
    )
