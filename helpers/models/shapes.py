"""What a RoBERTa consists of: which tensors a checkpoint must hold, and of which shapes."""

import re
from typing import TYPE_CHECKING

from helpers.common.errors import CourseError
from helpers.common.file_kinds import ONCE_MORE
from helpers.models.tensor_names import ENCODER, HEAD, HEAD_WEIGHT, POSITIONS, TOKENS

if TYPE_CHECKING:
    import torch

LEAST = 32  # positions that are used: plain sentences have to fit
WIDER = f"{ENCODER}layers.0.fc1.weight"
_LAYER = re.compile(rf"(?<=^{re.escape(ENCODER)}layers\.)\d+(?=\.)")
_A_NUMBER = re.compile(r"\d{1,4}", re.ASCII)
PER_SYMBOL = (TOKENS, HEAD_WEIGHT, f"{HEAD}bias")  # these have a row for each symbol
# To multiples of these the rows of a table are rounded up, since matrices are then faster.
ROUND = tuple(2**power for power in range(3, 11))


def layers_of(tensors: "dict[str, torch.Tensor]") -> int:
    """The number of layers, by the names of their tensors; where one is skipped, it is missing."""
    prefix = f"{ENCODER}layers."
    return len({name.split(".")[3] for name in tensors if name.startswith(prefix)})


def kept_layers(state: dict, keep: "str | list[int] | None", file: object) -> dict:
    """The checkpoint with the layers that fairseq would take of it (``encoder_layers_to_keep``).

    Where a model was trained with them, its checkpoint holds them alone, under new numbers, and
    fairseq would look for the old ones once more.

    Raises:
        CourseError: there are other layers in it than are to be kept.
    """
    if not keep:
        return state
    numbers = [part.strip() for part in keep.split(",")] if isinstance(keep, str) else keep
    layers = layers_of(state["model"])
    kept = sorted({int(number) for number in map(str, numbers) if _A_NUMBER.fullmatch(number)})
    is_list = len(kept) == len(numbers)
    if is_list and len(kept) == layers:
        return state
    if not is_list or kept[-1] >= layers:
        raise CourseError(
            f"{file} has {layers} layers, and its encoder_layers_to_keep is no list of them: "
            f"{str(keep)[:60]!r}.",
            "Save the model once more by fairseq, with encoder_layers_to_keep set to null.",
        )
    new_number = {str(old): str(new) for new, old in enumerate(kept)}
    tensors = {
        _LAYER.sub(lambda found: new_number[found[0]], name): tensor
        for name, tensor in state["model"].items()
        if not (layer := _LAYER.search(name)) or layer[0] in new_number
    }
    return {**state, "model": tensors, "last_optimizer_state": None}


def storage_key(tensor: "torch.Tensor") -> tuple:
    """What two tensors have in common that are one; a matrix and its transposed view are two."""
    return tensor.data_ptr(), tensor.dtype, tuple(tensor.shape), tensor.stride()


def is_rounded_up(rows: int, symbols: int) -> bool:
    """Whether so many rows are those of the symbols, rounded up."""
    return rows > symbols and any(rows == -(-symbols // each) * each for each in ROUND)


def without_padding(state: dict, symbols: int) -> tuple[dict, list[str]]:
    """The checkpoint without rows that no symbol has, and a note; where the number is rounded up.

    Args:
        symbols: as many as there are with ``<mask>``, by the dictionary.
    """
    cut: dict[tuple, torch.Tensor] = {}  # a tensor under two names stays one
    most = 0
    for name in PER_SYMBOL:
        tensor = state["model"].get(name)
        rows = len(tensor) if getattr(tensor, "ndim", 0) else 0
        if is_rounded_up(rows, symbols):
            most = max(most, rows)
            cut[name] = tensor
    if not cut:
        return state, []
    once = {storage_key(tensor): tensor[:symbols].clone() for tensor in cut.values()}
    tensors = state["model"] | {name: once[storage_key(tensor)] for name, tensor in cut.items()}
    note = (
        f"Its table had {most:,} rows, which is {symbols:,} rounded up: the last "
        f"{most - symbols:,}, of which the dictionary knows no token, were cut off."
    )
    return {**state, "model": tensors, "last_optimizer_state": None}, [note]


def expected(tensors: "dict[str, torch.Tensor]") -> dict[str, tuple[int, ...]]:
    """Name and shape of each tensor of a RoBERTa whose sizes are those of four of its tensors."""
    (rows, width), (wide, _) = tensors[TOKENS].shape, tensors[WIDER].shape
    found = {TOKENS: (rows, width), POSITIONS: (len(tensors[POSITIONS]), width)}
    found |= _norm(f"{ENCODER}layernorm_embedding.", width)
    for number in range(layers_of(tensors)):
        layer = f"{ENCODER}layers.{number}."
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            found |= _linear(f"{layer}self_attn.{part}.", width, width)
        found |= _norm(f"{layer}self_attn_layer_norm.", width)
        found |= _linear(f"{layer}fc1.", wide, width) | _linear(f"{layer}fc2.", width, wide)
        found |= _norm(f"{layer}final_layer_norm.", width)
    found |= _linear(f"{HEAD}dense.", width, width) | _norm(f"{HEAD}layer_norm.", width)
    return found | {HEAD_WEIGHT: (rows, width), f"{HEAD}bias": (rows,)}


def _linear(name: str, outputs: int, inputs: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}weight": (outputs, inputs), f"{name}bias": (outputs,)}


def _norm(name: str, width: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}weight": (width,), f"{name}bias": (width,)}


def refuse_broken(state: dict, file: object) -> None:
    """Raise CourseError where a tensor is missing, has another shape, or is one too many.

    Or where the heads do not fit.

    Args:
        state: a checkpoint in fairseq's form; ``file`` is named in the message.
    """
    tensors, heads = state["model"], state["cfg"]["model"].get("encoder_attention_heads")
    for name in (TOKENS, POSITIONS, WIDER):
        if getattr(tensors.get(name), "ndim", None) != 2:
            raise CourseError(f"{file} lacks the tensor {name}: it is no whole RoBERTa.", ONCE_MORE)
    wanted = expected(tensors)
    for name, shape in wanted.items():
        found = tuple(getattr(tensors.get(name), "shape", ())) if name in tensors else None
        if found != shape:
            what = "is missing" if found is None else f"has the shape {found}, not {shape}"
            raise CourseError(f"{file} is no whole RoBERTa: {name} {what}.", ONCE_MORE)
    if more := next((name for name in tensors if name not in wanted), None):
        raise CourseError(
            f"{file} has a tensor {more!r}, which a RoBERTa does not have.",
            "Only plain RoBERTa models (no adapters, no classification heads) can be used.",
        )
    if rows_of_positions(state) - 2 < LEAST:
        raise CourseError(
            f"{file} reads at most {max(0, rows_of_positions(state) - 2)} tokens at a time, and "
            f"the course needs {LEAST}.",
            "Take a model with more positions; RoBERTa has 512.",
        )
    width = tensors[TOKENS].shape[1]
    if heads is None:
        raise CourseError(
            f"{file} does not say how many attention heads it has (encoder_attention_heads): its "
            "parts are not what fairseq writes.",
            "Save the model once more by fairseq itself.",
        )
    if not isinstance(heads, int) or heads < 1 or width % heads:
        raise CourseError(
            f"{file} says that its width of {width} is divided among {heads} attention heads.",
            ONCE_MORE,
        )


def shape(state: dict) -> dict[str, object]:
    """The values of ``cfg.model`` that decide the shape of the network.

    fairseq builds the model from the configuration and not from the checkpoint, so they are
    handed over from the base model. What the tensors show is taken from
    them, since configurations may be incomplete.
    """
    import torch

    tensors, model = state["model"], state["cfg"]["model"]
    embedding = tensors[TOKENS]
    return {
        "encoder_layers": layers_of(tensors),
        "encoder_embed_dim": embedding.shape[1],
        "encoder_ffn_embed_dim": tensors[WIDER].shape[0],
        "encoder_attention_heads": model["encoder_attention_heads"],
        # The table has a row for every position, and padding's index + 1 rows before the first.
        "max_positions": rows_of_positions(state) - 2,
        "activation_fn": model.get("activation_fn") or "gelu",
        "untie_weights_roberta": not torch.equal(embedding, tensors[HEAD_WEIGHT]),
    }


def rows_of_positions(state: dict) -> int:
    return state["model"][POSITIONS].shape[0]


def rows_of_vocabulary(state: dict) -> int:
    return state["model"][TOKENS].shape[0]


def parameters(state: dict) -> int:
    """Numbers that are learned; the LM head shares its matrix with the embedding."""
    tensors = state["model"].items()
    return sum(tensor.numel() for name, tensor in tensors if name != HEAD_WEIGHT)
