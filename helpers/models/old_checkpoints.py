"""Checkpoints of fairseq 0.10 and older, brought into today's form.

They have ``args``, an ``argparse.Namespace``, instead of ``cfg``, and older names of tensors; those
from before 0.8 keep query, key and value in one tensor (``in_proj``). The renamings are those of
fairseq's ``RobertaModel.upgrade_state_dict_named`` and what it calls.
"""

import argparse
import re
from typing import TYPE_CHECKING

from helpers.models.checkpoint_values import OTHERWISE

if TYPE_CHECKING:
    import torch


_RENAMED = (
    (r"^decoder\.", "encoder."),
    (r"\.emb_layer_norm\.", ".layernorm_embedding."),
    (r"\.layer_norms\.0\.", ".self_attn_layer_norm."),
    (r"\.layer_norms\.1\.", ".final_layer_norm."),
)


def modern(state: dict) -> dict:
    """The same checkpoint with ``cfg``, today's names, and plain dictionaries for Namespaces."""
    tensors, were_renamed = today_named(state["model"])
    cfg = plain(state.get("cfg"))
    if state.get("args") is not None and not (cfg and cfg.get("model")):
        # All in one. What RoBERTa did not read then changed nothing.
        args = {name: v for name, v in vars(state["args"]).items() if name not in OTHERWISE}
        cfg = {"model": args, "task": {"data": args.get("data")}, "bpe": args.get("bpe")}
    new = {**state, "cfg": cfg, "model": tensors}
    history = state.get("optimizer_history")
    if not (isinstance(history, list) and history and isinstance(history[-1], dict)):
        new["optimizer_history"] = None
    if were_renamed:
        # The optimizer numbers the tensors by their order, and that was another one.
        new["last_optimizer_state"] = None
    return new


def plain(value: object) -> object:
    """Namespaces, also those deep inside, as dictionaries."""
    value = vars(value) if isinstance(value, argparse.Namespace) else value
    return {k: plain(v) for k, v in value.items()} if isinstance(value, dict) else value


def today_named(tensors: dict) -> "tuple[dict[str, torch.Tensor], bool]":
    """Tensors under today's names, query, key and value apart; and whether that changed any."""
    new, were_renamed = {}, False
    for given, tensor in tensors.items():
        name = given
        for old, today in _RENAMED:
            name = re.sub(old, today, name)
        if name.endswith("sentence_encoder.version"):  # of the format; nothing is learned in it
            continue
        if ".in_proj_" in name:
            for part, piece in zip("qkv", tensor.chunk(3) if tensor.ndim else (), strict=True):
                new[name.replace(".in_proj_", f".{part}_proj.")] = piece.clone()
        else:
            new[name] = tensor
        were_renamed |= name != given or ".in_proj_" in name
    return new, were_renamed


def complete_cfg(values: dict) -> dict:
    """A configuration as fairseq 0.12 saves it, for a RoBERTa of any origin.

    Args:
        values: what is known of it, by the names of ``cfg.model`` and ``cfg.task``: its sizes,
            activation and dropout, and where its data were. The rest is RoBERTa's.
    """
    model = {
        "_name": "roberta",
        "dropout": 0.1,
        "attention_dropout": 0.1,
        "activation_dropout": 0.0,
        "pooler_dropout": 0.0,
        "pooler_activation_fn": "tanh",
        "activation_fn": "gelu",
        "encoder_normalize_before": False,
        "encoder_learned_pos": True,
        "layernorm_embedding": True,
        "no_scale_embedding": True,
        "no_token_positional_embeddings": False,
        "adaptive_input": False,
        "encoder_layerdrop": 0.0,
        "encoder_layers_to_keep": None,
        "quant_noise_pq": 0.0,
        "quant_noise_pq_block_size": 8,
        "quant_noise_scalar": 0.0,
        "spectral_norm_classification_head": False,
    }
    sizes = ("layers", "embed_dim", "ffn_embed_dim", "attention_heads")
    known = ("activation_fn", "dropout", "attention_dropout", "max_positions")
    names = [*known, *(f"encoder_{name}" for name in sizes), "untie_weights_roberta"]
    task = {
        "_name": "masked_lm",
        "data": values.get("data", ""),
        "sample_break_mode": "complete",
        "tokens_per_sample": values.get("max_positions", 512),
        "mask_prob": 0.15,
        "leave_unmasked_prob": 0.1,
        "random_token_prob": 0.1,
        "seed": 1,
    }
    return {
        "_name": None,
        "common": {"seed": 1, "fp16": False, "user_dir": None},
        "model": model | {name: values[name] for name in names if name in values},
        "task": task,
        "criterion": {"_name": "masked_lm"},
        "checkpoint": {},
        "bpe": None,
        "tokenizer": None,
    }
