"""fairseq checkpoints: read without running their code, written, renamed for Hugging Face."""

import argparse
import errno
import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from helpers import network
from helpers.errors import CourseError
from helpers.old_checkpoints import METERS, modern

if TYPE_CHECKING:
    import torch

# fairseq ↔ Hugging Face: a renaming of the tensors and nothing else.
NAMES = {
    "encoder.sentence_encoder.embed_tokens.": "roberta.embeddings.word_embeddings.",
    "encoder.sentence_encoder.embed_positions.": "roberta.embeddings.position_embeddings.",
    "encoder.sentence_encoder.layernorm_embedding.": "roberta.embeddings.LayerNorm.",
    "encoder.lm_head.dense.": "lm_head.dense.",
    "encoder.lm_head.layer_norm.": "lm_head.layer_norm.",
    "encoder.lm_head.weight": "lm_head.decoder.weight",
    "encoder.lm_head.bias": "lm_head.bias",
}
_NUMBER = re.compile(r"\.(\d+)\.")
LAYER = "encoder.sentence_encoder.layers.{}.", "roberta.encoder.layer.{}."
LAYER_NAMES = {
    "self_attn.q_proj.": "attention.self.query.",
    "self_attn.k_proj.": "attention.self.key.",
    "self_attn.v_proj.": "attention.self.value.",
    "self_attn.out_proj.": "attention.output.dense.",
    "self_attn_layer_norm.": "attention.output.LayerNorm.",
    "fc1.": "intermediate.dense.",
    "fc2.": "output.dense.",
    "final_layer_norm.": "output.LayerNorm.",
}

# Tensors of Hugging Face's that take no part in masked-language modelling.
UNUSED = (
    "roberta.embeddings.position_ids",
    "roberta.embeddings.token_type_ids",
    "roberta.pooler.",
)
# What fairseq writes about a training that has not happened yet.
NO_HISTORY = {
    "criterion_name": "MaskedLmLoss",
    "optimizer_name": "FairseqAdam",
    "lr_scheduler_state": {"best": None},
    "num_updates": 0,
}


def read(file: Path) -> dict:
    """Read a fairseq RoBERTa checkpoint, today's or an old one; nothing in the file is executed.

    Returns:
        The checkpoint in today's form: ``cfg``, ``model`` (the tensors), ``extra_state`` … One
        that was written by fairseq 0.10 or older still has its ``args`` beside them.

    Raises:
        CourseError: it cannot be read safely, or is no fairseq checkpoint of a RoBERTa.
    """
    state = read_safely(file)
    if not (isinstance(state, dict) and isinstance(state.get("model"), dict)):
        raise CourseError(
            f"{file} is no fairseq checkpoint: it has no 'model' in it.",
            "Name the model.pt of a fairseq RoBERTa.",
        )
    if state.get("cfg") is None and state.get("args") is None:
        raise CourseError(
            f"{file} has neither 'cfg' nor 'args': it was written by another program.",
            "Name a model.pt written by fairseq.",
        )
    try:
        state = modern(state)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CourseError(
            f"{file} is damaged: its parts are not what fairseq writes ({error}).",
            "Take it once more from where it was published or trained.",
        ) from None
    if "encoder.lm_head.weight" not in state["model"]:
        kind = state["cfg"]["model"].get("_name") or state["cfg"]["model"].get("arch")
        raise CourseError(
            f"{file} is a fairseq checkpoint of {kind!r}, not of a RoBERTa with its LM head.",
            "Name the model.pt of a RoBERTa that was trained as a masked language model.",
        )
    return state


def read_safely(file: Path) -> object:
    """What PyTorch saved in a file, without running anything in it.

    Allowed are tensors, plain containers, ``argparse.Namespace`` and fairseq's old meters.

    Raises:
        CourseError: the file asks for more (the message says what), or is damaged.
    """
    import torch

    if not file.is_file():
        raise CourseError(f"There is no file {file}.", "Name a fairseq checkpoint (model.pt).")
    mapped = zipfile.is_zipfile(file)  # torch's format since 1.6; older files are plain pickles
    try:
        with torch.serialization.safe_globals([argparse.Namespace, *METERS]):
            return torch.load(file, map_location="cpu", weights_only=True, mmap=mapped)
    except Exception as error:  # of damaged bytes PyTorch may make any error
        if isinstance(error, (OSError, MemoryError)) and error.args[:1] != (errno.EINVAL,):
            raise
        asked = str(error).split("GLOBAL ")[-1].split(" ")[0] if "GLOBAL " in str(error) else ""
        why = f"it asks to run {asked}" if asked else "it is damaged or something else"
        raise CourseError(
            f"{file} is no checkpoint that can be read safely: {why}.",
            "Take it once more from where it was published; most often a download broke off.",
        ) from None


def write(content: dict, file: Path) -> None:
    """Save tensors in PyTorch's format; the bytes do not depend on where the file stands."""
    import torch

    with file.open("wb") as handle:  # given a path, torch writes its name into the file
        torch.save(content, handle)


def shape(state: dict) -> dict[str, object]:
    """The values of ``cfg.model`` that decide the shape of the network.

    fairseq builds the model from the configuration and not from the checkpoint, so they are
    handed over from the base model. What the tensors show is taken from
    them, since configurations may be incomplete.
    """
    import torch

    tensors, model = state["model"], state["cfg"]["model"]
    embedding = tensors["encoder.sentence_encoder.embed_tokens.weight"]
    return {
        "encoder_layers": network.layers_of(tensors),
        "encoder_embed_dim": embedding.shape[1],
        "encoder_ffn_embed_dim": tensors[f"{LAYER[0].format(0)}fc1.weight"].shape[0],
        "encoder_attention_heads": model["encoder_attention_heads"],
        # The table has a row for every position, and padding's index + 1 rows before the first.
        "max_positions": rows_of_positions(state) - 2,
        "activation_fn": model.get("activation_fn") or "gelu",
        "untie_weights_roberta": not torch.equal(embedding, tensors["encoder.lm_head.weight"]),
    }


def rows_of_positions(state: dict) -> int:
    return state["model"]["encoder.sentence_encoder.embed_positions.weight"].shape[0]


def rows_of_vocabulary(state: dict) -> int:
    return state["model"]["encoder.sentence_encoder.embed_tokens.weight"].shape[0]


def updates(state: dict) -> int:
    """How many updates the model was trained for; 0 where that is not known."""
    return int((state.get("optimizer_history") or [{}])[-1].get("num_updates", 0))


def parameters(state: dict) -> int:
    """Numbers that are learned; the LM head shares its matrix with the embedding."""
    tensors = state["model"].items()
    return sum(tensor.numel() for name, tensor in tensors if name != "encoder.lm_head.weight")


def for_a_base(state: dict, *, keep_optimizer: bool = False) -> dict:
    """A checkpoint reduced to what starts a new training, in today's form.

    Without paths of this machine, timings, and (unless ``keep_optimizer``) optimizer state, so
    that the same training gives the same bytes. Tensors are in single precision.

    Raises:
        CourseError: an optimizer state is to be kept, and there is none.
    """
    if keep_optimizer and not state.get("last_optimizer_state"):
        raise CourseError(
            "This checkpoint has no optimizer state that could be kept.",
            "Leave keep_optimizer out; training then begins with the weights alone.",
        )
    cfg = {name: value for name, value in state["cfg"].items() if name != "job_logging_cfg"}
    cfg["model"] = {**cfg["model"], **shape(state)}
    cfg["task"] = {**(cfg.get("task") or {}), "_name": "masked_lm", "data": ""}
    cfg["common"] = {**(cfg.get("common") or {}), "user_dir": None}
    cfg["checkpoint"] = {
        **(cfg.get("checkpoint") or {}),
        "save_dir": "checkpoints",
        "finetune_from_model": None,
        "restore_file": "checkpoint_last.pt",
    }
    extra = state.get("extra_state") or {}
    kept = {name: extra[name] for name in ("train_iterator", "val_loss", "best") if name in extra}
    return {
        "args": None,
        "cfg": cfg,
        "model": single_precision(state["model"]),
        "optimizer_history": state.get("optimizer_history") or [dict(NO_HISTORY)],
        "task_state": {},
        "extra_state": {"train_iterator": {"epoch": 1, "iterations_in_epoch": 0}} | kept,
        "last_optimizer_state": state["last_optimizer_state"] if keep_optimizer else None,
    }


def single_precision(tensors: "dict[str, torch.Tensor]") -> "dict[str, torch.Tensor]":
    """The tensors as float32; one that stands there under two names stays one."""
    once: dict[tuple, torch.Tensor] = {}
    return {
        name: once.setdefault((t.data_ptr(), t.shape), t.float()) for name, t in tensors.items()
    }


def renamed(names: list[str], to: str) -> dict[str, str]:
    """The other side's name for each name of a tensor.

    Args:
        to: ``huggingface`` or ``fairseq``.

    Raises:
        CourseError: a tensor that a RoBERTa does not have.

    >>> renamed(["roberta.encoder.layer.3.output.dense.bias"], "fairseq")
    {'roberta.encoder.layer.3.output.dense.bias': 'encoder.sentence_encoder.layers.3.fc2.bias'}
    """
    pairs = NAMES | {LAYER[0] + a: LAYER[1] + b for a, b in LAYER_NAMES.items()}
    if to == "fairseq":
        pairs = {b: a for a, b in pairs.items()}
    table = {}
    for name in names:
        number = _NUMBER.search(name)
        general = _NUMBER.sub(".{}.", name, count=1)
        new = next((b + general[len(a) :] for a, b in pairs.items() if general.startswith(a)), None)
        if new is None:
            raise CourseError(
                f"The checkpoint has a tensor {name!r}, which a RoBERTa does not have.",
                "Only plain RoBERTa models (no adapters, no classification heads) are converted.",
            )
        table[name] = new.format(number[1]) if number else new
    return table


def to_huggingface(state: dict) -> "dict[str, torch.Tensor]":
    """The tensors under Hugging Face's names, for ``RobertaForMaskedLM``."""
    names = renamed(list(state["model"]), "huggingface")
    tensors = {new: state["model"][name].float() for name, new in names.items()}
    return tensors | {"lm_head.decoder.bias": tensors["lm_head.bias"]}


def from_huggingface(tensors: "dict[str, torch.Tensor]") -> "dict[str, torch.Tensor]":
    """The tensors of a ``RobertaForMaskedLM`` under fairseq's names.

    fairseq has no token types: theirs is the same for every position of a text, so it is added to
    the table of positions. Tied tensors may stand there under one of their names only.

    Raises:
        CourseError: a tensor that a RoBERTa with its LM head does not have.
    """
    left = {n: t.float() for n, t in tensors.items() if not n.startswith(UNUSED)}
    types = left.pop("roberta.embeddings.token_type_embeddings.weight", None)
    positions = "roberta.embeddings.position_embeddings.weight"
    if types is not None and positions in left and types[0].any():
        left[positions] = left[positions] + types[0]
    if (bias := left.pop("lm_head.decoder.bias", None)) is not None:  # the one that is added
        left["lm_head.bias"] = bias
    if (words := left.get("roberta.embeddings.word_embeddings.weight")) is not None:
        left.setdefault("lm_head.decoder.weight", words)
    names = renamed(list(left), "fairseq")
    return {names[name]: tensor for name, tensor in left.items()}
