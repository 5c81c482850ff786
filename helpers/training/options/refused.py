"""Options of fairseq's that ``extra`` cannot set, since the course gives them or relies on them."""

import functools
from fnmatch import fnmatchcase

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
    "common.cpu": "device",
    "common.fp16": "precision",
    "common.bf16": "precision",
    "common.amp": "precision",
    "model.dropout": "dropout",
    "model.attention_dropout": "dropout",
}
# Where another value would break what the course says of a training, and what that is; a star
# stands for any letters.
KEPT = {
    "fairseq's plug-ins and the names of checkpoints are the course's": (
        *("common.user_dir", "checkpoint.save_dir", "checkpoint.checkpoint_suffix"),
        *("checkpoint.checkpoint_shard_count", "checkpoint.model_parallel_size"),
        "common.model_parallel_size",
    ),
    "the course reads fairseq's log, for the curve and for what went wrong": (
        *("common.log_format", "common.log_interval", "common.reset_logging", "common.log_file"),
        "common.suppress_crashes",
    ),
    "a training goes on from checkpoint_last.pt, and so that has to be there, whole": (
        *("checkpoint.no_save", "checkpoint.no_last_checkpoints", "checkpoint.save_interval"),
        *("checkpoint.no_save_optimizer_state", "checkpoint.write_checkpoints_asynchronously"),
    ),
    "a training goes on with the optimizer that it began with": ("checkpoint.optimizer_overrides",),
    "which checkpoints stay is told by keep_checkpoints": (
        *("checkpoint.keep_best_checkpoints", "checkpoint.keep_last_epochs"),
    ),
    "checkpoint_best.pt is the one with the lowest loss on all of valid": (
        *("checkpoint.best_checkpoint_metric", "checkpoint.maximize_best_checkpoint_metric"),
        *("checkpoint.no_epoch_checkpoints", "dataset.disable_validation"),
        *("dataset.train_subset", "dataset.valid_subset", "dataset.combine_valid_subsets"),
        *("dataset.validate_after_updates", "dataset.max_valid_steps"),
    ),
    "a training ends at max_update, by patience, or where half precision fails": (
        *("optimization.stop_time_hours", "optimization.stop_min_lr"),
        "common.threshold_loss_scale",  # above min_loss_scale, it would go on for ever
    ),
    "processes that read would hide the same tokens in every epoch": ("dataset.num_workers",),
    "no text may be left out in silence": (
        *("dataset.required_batch_size_multiple", "dataset.skip_invalid_size_inputs_valid_test"),
        *("task.shorten_method", "task.shorten_data_split_list", "task.skip_masking"),
        *("dataset.num_shards", "dataset.shard_id", "optimization.skip_remainder_batch"),
        "dataset.ignore_unused_valid_subsets",
    ),
    "the course tells beforehand what a batch and a pass are, and when fairseq validates": (
        *("dataset.batch_size", "dataset.batch_size_valid", "dataset.max_tokens_valid"),
        *("dataset.validate_interval", "dataset.validate_interval_updates"),
        *("dataset.fixed_validation_seed", "dataset.update_ordered_indices_seed"),
    ),
    "what is hidden is told by mask_prob and mask_unit": (
        *("task.mask_multiple_length", "task.mask_stdev"),
    ),
    "its weights are the dictionary's counts, and many a dictionary has none": (
        "task.freq_weighted_replacement",
    ),
    "from the epoch on that it names, the rate would be where it just is, and that may be 0": (
        "lr_scheduler.force_anneal",
    ),
    "the network is the base model's": (
        *("model.encoder_layers", "model.encoder_embed_dim", "model.encoder_ffn_embed_dim"),
        *("model.encoder_attention_heads", "model.max_positions", "model.activation_fn"),
        *("model.untie_weights_roberta", "model.encoder_normalize_before"),
        *("model.layernorm_embedding", "model.load_checkpoint_heads"),
        *("model.encoder_layers_to_keep", "model.mha_heads_to_keep"),
        *("model.ffn_blocks_to_remove", "model.quant_noise_*", "common.quantization_config_path"),
    ),
    "a training is one process, which Stop can reach, on one GPU at most": (
        *("distributed_training.*", "optimization.use_bmuf", "common.all_gather_list_size"),
        *("checkpoint.load_checkpoint_on_all_dp_ranks", "*.tpu"),
    ),
    "fairseq stumbles over it when it loads a base model": ("ema.*",),
    "it is for NVIDIA's own profiler, under which the course does not run fairseq": (
        "common.profile",
    ),
    "the course trains a masked language model with Adam and a polynomial decay": (
        *("*._name", "task.d2v2_multi"),
    ),
    "in such a training fairseq makes no use of it": (
        *("common.memory_efficient_bf16", "common.amp_*"),
        *("common.no_progress_bar", "common.use_plasma_view", "common.plasma_path"),
        *("dataset.required_seq_len_multiple", "dataset.dataset_impl", "dataset.gen_subset"),
        *("dataset.grouped_shuffling", "dataset.update_epoch_batch_itr"),
        *("optimization.sentence_avg", "optimization.debug_param_names"),
        *("task.include_target_tokens", "task.include_index", "model.pooler_*"),
        *("model.spectral_norm_classification_head", "model.min_params_to_wrap"),
        *("model.mha_reg_scale_factor", "model.ffn_reg_scale_factor"),
    ),
}


@functools.cache
def reason_to_keep(name: str) -> str | None:
    """Why an option cannot be set, as the end of a sentence; None where it can."""
    found = (why for why, names in KEPT.items() if any(fnmatchcase(name, each) for each in names))
    return next(found, None)
