"""fairseq checkpoints: read without running their code, summarized, renamed for Hugging Face."""

import dataclasses
import datetime
import math
import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.errors import CourseError

if TYPE_CHECKING:
    import torch

# The parts of cfg.model that decide the shape of the network. fairseq builds the model from the
# configuration, not from the checkpoint, so they are handed over from the base model.
SHAPE = (
    "encoder_layers",
    "encoder_embed_dim",
    "encoder_ffn_embed_dim",
    "encoder_attention_heads",
    "max_positions",
    "activation_fn",
)

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


def read(file: Path) -> dict:
    """Read a fairseq RoBERTa checkpoint; nothing in the file is executed.

    Returns:
        The checkpoint as fairseq wrote it: ``cfg``, ``model`` (the tensors), ``extra_state`` …

    Raises:
        CourseError: it cannot be read safely, or is no fairseq checkpoint of a RoBERTa.
    """
    import torch

    if not file.is_file():
        raise CourseError(f"There is no file {file}.", "Name a fairseq checkpoint (model.pt).")
    mapped = zipfile.is_zipfile(file)  # torch's format since 1.6; older files are plain pickles
    try:
        state = torch.load(file, map_location="cpu", weights_only=True, mmap=mapped)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        asked = str(error).split("GLOBAL ")[-1].split(" ")[0] if "GLOBAL " in str(error) else ""
        why = f"it asks to run {asked}" if asked else "it is damaged or something else"
        raise CourseError(
            f"{file} is no fairseq checkpoint that can be read safely: {why}.",
            "Name the model.pt of a fairseq RoBERTa; a file broken off in a download is had again.",
        ) from None
    if not (isinstance(state, dict) and isinstance(state.get("model"), dict)):
        raise CourseError(
            f"{file} is no fairseq checkpoint: it has no 'model' in it.",
            "Name the model.pt of a fairseq RoBERTa.",
        )
    if not isinstance(state.get("cfg"), dict):
        raise CourseError(
            f"{file} has no 'cfg': it was written by fairseq 0.10 or older, or by another program.",
            "Name a model.pt written by fairseq 0.12.",
        )
    kind = state["cfg"].get("model", {}).get("_name") or state["cfg"]["model"].get("arch")
    if "encoder.lm_head.weight" not in state["model"]:
        raise CourseError(
            f"{file} is a fairseq checkpoint of {kind!r}, not of a RoBERTa with its LM head.",
            "Name the model.pt of a RoBERTa that was trained as a masked language model.",
        )
    return state


def write(content: dict, file: Path) -> None:
    """Save tensors in PyTorch's format; the bytes do not depend on where the file stands."""
    import torch

    with file.open("wb") as handle:  # given a path, torch writes its name into the file
        torch.save(content, handle)


def shape(state: dict) -> dict[str, object]:
    """The configuration values that decide the shape of the network (see ``SHAPE``)."""
    model = state["cfg"]["model"]
    found = {name: model.get(name) for name in SHAPE}
    # The table has a row for every position, and padding's index + 1 rows before the first.
    found["max_positions"] = rows_of_positions(state) - 2
    found["activation_fn"] = found["activation_fn"] or "gelu"
    return found


def rows_of_positions(state: dict) -> int:
    return state["model"]["encoder.sentence_encoder.embed_positions.weight"].shape[0]


def rows_of_vocabulary(state: dict) -> int:
    return state["model"]["encoder.sentence_encoder.embed_tokens.weight"].shape[0]


def parameters(state: dict) -> int:
    """Numbers that are learned; the LM head shares its matrix with the embedding."""
    tensors = state["model"].items()
    return sum(tensor.numel() for name, tensor in tensors if name != "encoder.lm_head.weight")


def for_a_base(state: dict) -> dict:
    """A checkpoint reduced to what starts a new training.

    Without optimizer state, paths of this machine, and timings, so that the same training gives
    the same bytes.
    """
    cfg = {name: value for name, value in state["cfg"].items() if name != "job_logging_cfg"}
    cfg["task"] = {**cfg["task"], "data": ""}
    cfg["checkpoint"] = {
        **(cfg.get("checkpoint") or {}),
        "save_dir": "checkpoints",
        "finetune_from_model": None,
        "restore_file": "checkpoint_last.pt",
    }
    extra = state.get("extra_state") or {}
    kept = {name: extra[name] for name in ("train_iterator", "val_loss", "best") if name in extra}
    return {**state, "cfg": cfg, "extra_state": kept, "last_optimizer_state": None}


def huggingface_names(names: list[str]) -> dict[str, str]:
    """Hugging Face's name for each fairseq name.

    Raises:
        CourseError: a tensor that a RoBERTa does not have.

    >>> list(huggingface_names(["encoder.sentence_encoder.layers.3.fc1.bias"]).values())
    ['roberta.encoder.layer.3.intermediate.dense.bias']
    """
    table = {}
    for name in names:
        if name.endswith(".version"):
            continue
        number = name.split(".")[3] if name.startswith("encoder.sentence_encoder.layers.") else ""
        pairs = NAMES.items()
        if number:
            ours, theirs = (part.format(number) for part in LAYER)
            pairs = {ours + a: theirs + b for a, b in LAYER_NAMES.items()}.items()
        new = next((b + name[len(a) :] for a, b in pairs if name.startswith(a)), None)
        if new is None:
            raise CourseError(
                f"The checkpoint has a tensor {name!r}, which a RoBERTa does not have.",
                "Only plain RoBERTa models (no adapters, no classification heads) are converted.",
            )
        table[name] = new
    return table


def to_huggingface(state: dict) -> "dict[str, torch.Tensor]":
    """The tensors under Hugging Face's names, for ``RobertaForMaskedLM``."""
    names = huggingface_names(list(state["model"]))
    tensors = {new: state["model"][name].float() for name, new in names.items()}
    return tensors | {"lm_head.decoder.bias": tensors["lm_head.bias"]}


@dataclasses.dataclass(frozen=True)
class Summary:
    """What a checkpoint file says of itself; ``loss`` is its validation loss in bits."""

    file: Path
    updates: int
    loss: float
    date: str


def summary(file: Path) -> Summary | None:
    """Updates, validation loss and date of a checkpoint; None if it cannot be read."""
    try:
        state = read(file)
    except CourseError:
        return None
    history = state.get("optimizer_history") or [{}]
    loss = (state.get("extra_state") or {}).get("val_loss")
    date = datetime.datetime.fromtimestamp(file.stat().st_mtime).strftime("%Y-%m-%d %H:%M")
    return Summary(
        file,
        int(history[-1].get("num_updates", 0)),
        float(loss) if loss is not None else math.nan,
        date,
    )


def below(folder: Path) -> Iterator[Summary]:
    """Every readable checkpoint below a folder, as ``find . -name "*.pt"`` would find them."""
    for file in sorted(folder.rglob("*.pt")):
        if file.is_file() and (found := summary(file)):
            yield found


def best(summaries: list[Summary]) -> Summary | None:
    """The one with the lowest validation loss; of equals, ``checkpoint_best.pt``."""
    return min(
        summaries,
        key=lambda s: (math.inf if math.isnan(s.loss) else s.loss, "best" not in s.file.name),
        default=None,
    )
