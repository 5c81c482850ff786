"""Options of fairseq's that the course has no setting for: ``--extra section.name=value``.

They are compared with fairseq's own configuration before it starts: Hydra takes any name with
``++``, and fairseq never looks at one that it does not know.
"""

import argparse
import dataclasses
import difflib
import functools
import logging
import re
from collections.abc import Mapping, Sequence

from helpers.common.errors import CourseError
from helpers.common.fairseq import require_fairseq
from helpers.common.foreign_code import refuse_foreign_code
from helpers.workflow.refusals import shown
from helpers.workflow.training_settings import option

# What the course itself gives fairseq, by the setting that it comes from.
OF_SETTINGS = {
    "task.data": "replay",
    "checkpoint.finetune_from_model": "start",
    "checkpoint.restore_file": "start",
    "checkpoint.continue_once": "start",
    "checkpoint.reset_dataloader": "start",
    "checkpoint.reset_lr_scheduler": "start",
    "checkpoint.reset_meters": "start",
    "checkpoint.reset_optimizer": "start",
    "optimization.max_update": "max_update",
    "lr_scheduler.total_num_update": "max_update",
    "optimization.max_epoch": "max_update",
    "optimization.lr": "lr",
    "optimizer.lr": "lr",
    "lr_scheduler.lr": "lr",
    "lr_scheduler.warmup_updates": "warmup_share",
    "optimization.clip_norm": "clip_norm",
    "optimization.update_freq": "update_freq",
    "optimizer.weight_decay": "weight_decay",
    "dataset.max_tokens": "max_tokens",
    "task.tokens_per_sample": "max_tokens",
    "task.sample_break_mode": "sample_break_mode",
    "task.mask_prob": "mask_prob",
    "task.mask_whole_words": "mask_unit",
    "task.seed": "seed",
    "common.seed": "seed",
    "checkpoint.save_interval_updates": "validate_every",
    "checkpoint.keep_interval_updates": "keep_checkpoints",
    "checkpoint.keep_interval_updates_pattern": "keep_checkpoints",
    "checkpoint.patience": "patience",
    "common.tensorboard_logdir": "tensorboard",
    "model.dropout": "dropout",
    "model.attention_dropout": "dropout",
}
# Where another value would break what the course says of a training; and what that is.
KEPT = {
    "fairseq's plug-ins and the names of checkpoints are the course's": (
        *("common.user_dir", "checkpoint.save_dir", "checkpoint.checkpoint_suffix"),
        *("checkpoint.checkpoint_shard_count", "checkpoint.model_parallel_size"),
        *("common.model_parallel_size", "distributed_training.use_sharded_state"),
    ),
    "the course reads fairseq's log, for the curve and for what went wrong": (
        *("common.log_format", "common.log_interval", "common.reset_logging"),
        "common.suppress_crashes",
    ),
    "a training goes on from checkpoint_last.pt, and so that has to be there, whole": (
        *("checkpoint.no_save", "checkpoint.no_last_checkpoints", "checkpoint.save_interval"),
        *("checkpoint.no_save_optimizer_state", "checkpoint.write_checkpoints_asynchronously"),
    ),
    "checkpoint_best.pt is the one with the lowest loss on all of valid": (
        *("checkpoint.best_checkpoint_metric", "checkpoint.maximize_best_checkpoint_metric"),
        *("checkpoint.no_epoch_checkpoints", "dataset.disable_validation"),
        *("dataset.train_subset", "dataset.valid_subset", "dataset.combine_valid_subsets"),
        *("dataset.validate_after_updates", "dataset.max_valid_steps"),
    ),
    "a training ends at max_update, or by patience": (
        *("optimization.stop_time_hours", "optimization.stop_min_lr"),
    ),
    "no text may be left out in silence": (
        *("dataset.required_batch_size_multiple", "dataset.skip_invalid_size_inputs_valid_test"),
        *("task.shorten_method", "task.shorten_data_split_list", "task.skip_masking"),
        *("dataset.num_shards", "dataset.shard_id", "optimization.skip_remainder_batch"),
    ),
    "the course tells beforehand what a batch and a pass are, and when fairseq validates": (
        *("dataset.batch_size", "dataset.batch_size_valid", "dataset.max_tokens_valid"),
        *("dataset.validate_interval", "dataset.validate_interval_updates"),
        *("dataset.fixed_validation_seed", "dataset.update_ordered_indices_seed"),
    ),
    "the network is the base model's": (
        *("model.encoder_layers", "model.encoder_embed_dim", "model.encoder_ffn_embed_dim"),
        *("model.encoder_attention_heads", "model.max_positions", "model.activation_fn"),
        *("model.untie_weights_roberta", "model.encoder_normalize_before"),
        *("model.layernorm_embedding", "model.load_checkpoint_heads"),
        *("model.encoder_layers_to_keep", "model.mha_heads_to_keep"),
        "model.ffn_blocks_to_remove",
    ),
    "a training is one process, which Stop can reach, on one GPU at most": (
        *("distributed_training.distributed_world_size", "distributed_training.nprocs_per_node"),
        *("distributed_training.distributed_init_method", "distributed_training.distributed_port"),
        *("distributed_training.distributed_no_spawn", "distributed_training.distributed_rank"),
        *("common.tpu", "criterion.tpu"),
    ),
    "fairseq stumbles over it when it loads a base model": tuple(
        f"ema.{name}"
        for name in (
            *("store_ema", "ema_decay", "ema_start_update", "ema_seed_model", "ema_update_freq"),
            "ema_fp32",
        )
    ),
    "the course trains a masked language model with Adam and a polynomial decay": tuple(
        f"{section}._name" for section in ("task", "criterion", "optimizer", "lr_scheduler")
    ),
}
REASONS = {name: reason for reason, names in KEPT.items() for name in names}
EVALUATED = ("optimizer.adam_betas",)  # by Python's eval, in fairseq
_PAIR = re.compile(r"\(\s*\d*\.?\d+\s*,\s*\d*\.?\d+\s*\)")
# The sections of fairseq's configuration that a training reads; the others are of other tools.
SECTIONS = ("common", "distributed_training", "dataset", "optimization", "checkpoint", "ema")


def hydra_options(extra: Sequence[str]) -> dict[str, object]:
    """The options as Hydra's overrides, by names with ``++``: also for what no file mentions.

    >>> hydra_options(["optimizer.adam_eps=1e-8", "common.fp16=true"])
    {'++optimizer.adam_eps': 1e-08, '++common.fp16': True}
    """
    return {f"++{name}": value for name, value in _values(extra).items()}


def _values(extra: Sequence[str]) -> dict[str, object]:
    """What was written, as numbers, truths, lists and texts."""
    if not extra:
        return {}
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    found = {}
    for name, text in map(option, extra):
        try:
            value = OmegaConf.to_container(OmegaConf.from_dotlist([f"value={text}"]))["value"]
        except (YAMLError, OmegaConfBaseException):  # {, [, : and the like
            value = text
        found[name] = text if isinstance(value, dict) else value
    return found


def refuse_impossible(extra: Sequence[str]) -> None:
    """Compare the options with fairseq's own; it is imported, if there are any.

    Raises:
        CourseError: fairseq knows no such option, or not with such a value; or the course gives it.
    """
    for name, value in _values(extra).items():
        if setting := OF_SETTINGS.get(name):
            raise CourseError(
                f"extra: {name} is what the course's own setting {setting} gives fairseq.",
                f"Leave it out of extra, and set {setting}.",
            )
        if reason := REASONS.get(name):
            raise CourseError(
                f"extra: {name} cannot be set: {reason}.", f"Leave {name} out of extra."
            )
        _refuse_unknown(name, known_options())
        _refuse_value(name, value, known_options())


def _refuse_unknown(name: str, known: Mapping[str, object]) -> None:
    if name in known:
        return
    near = _nearest(name.replace("-", "_"), [other for other in known if other not in REASONS])
    hint = f"Its sections are {', '.join(_sections())}; fairseq-train --help tells the names."
    if near:
        setting = OF_SETTINGS.get(near)
        hint = f"Did you mean {f'the setting {setting}' if setting else near}?"
    raise CourseError(f"extra: fairseq's training has no option {name}.", hint)


def _nearest(name: str, known: Sequence[str]) -> str | None:
    """One with the same name in another section, or one that is written nearly so."""
    last = name.rpartition(".")[2]
    same = [other for other in known if other.rpartition(".")[2] == last]
    by_last = {other.rpartition(".")[2]: other for other in known}
    near = [by_last[other] for other in difflib.get_close_matches(last, by_last, 1, cutoff=0.7)]
    return next(iter((*same, *difflib.get_close_matches(name, known, 1, cutoff=0.7), *near)), None)


def _refuse_value(name: str, value: object, known: Mapping[str, object]) -> None:
    """Raise CourseError where fairseq's configuration does not take a value."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    section, own = known[name]
    if name in EVALUATED and not _PAIR.fullmatch(str(value)):
        raise CourseError(
            f"extra: {name} = {shown(value)} is not possible: fairseq would run it as a program's "
            "text, so that it may be two numbers only.",
            f"Write it as {name}=(0.9,0.98).",
        )
    try:
        section.copy()[own] = value
    except OmegaConfBaseException as error:
        raise CourseError(
            f"extra: {name} = {shown(value)} is not possible: fairseq says "
            f"“{str(error).splitlines()[0].rstrip('.')}”.",
            "fairseq-train --help tells what it can be."
            if OmegaConf.is_interpolation(section, own)
            else f"fairseq's own value is {shown(section.get(own))}.",
        ) from None


@functools.cache
def known_options() -> dict[str, tuple[object, str]]:
    """Every option of a training: the section that holds it, which checks values, and its name."""
    return {
        f"{title}.{name}": (section, name)
        for title, section in _sections().items()
        for name in section
    }


@functools.cache
def _sections() -> dict[str, object]:
    """fairseq's own configuration of a training by section, as OmegaConf checks it."""
    require_fairseq()
    refuse_foreign_code()
    logging.getLogger("fairseq").setLevel(logging.WARNING)
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
        "Roberta", [(name, kind | None, None) for name, kind in kinds.items()]
    )
