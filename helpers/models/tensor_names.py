"""fairseq ↔ Hugging Face: one table of the tensors' names, and both ways through it."""

import re
from typing import TYPE_CHECKING

from helpers.common.errors import CourseError
from helpers.common.file_kinds import ONCE_MORE
from helpers.models.finite import refuse_whole_numbers

if TYPE_CHECKING:
    import torch

# fairseq's.
ENCODER, HEAD = "encoder.sentence_encoder.", "encoder.lm_head."
TOKENS, POSITIONS = f"{ENCODER}embed_tokens.weight", f"{ENCODER}embed_positions.weight"
HEAD_WEIGHT = f"{HEAD}weight"  # tied to TOKENS, as a rule
# Hugging Face's.
EMBEDDINGS = "roberta.embeddings."
DECODER = "lm_head.decoder.weight"
WORDS = f"{EMBEDDINGS}word_embeddings.weight"
TOKEN_TYPES = f"{EMBEDDINGS}token_type_embeddings.weight"

# fairseq's → Hugging Face's: a renaming of the tensors and nothing else.
NAMES = {
    f"{ENCODER}embed_tokens.": f"{EMBEDDINGS}word_embeddings.",
    f"{ENCODER}embed_positions.": f"{EMBEDDINGS}position_embeddings.",
    f"{ENCODER}layernorm_embedding.": f"{EMBEDDINGS}LayerNorm.",
    f"{HEAD}dense.": "lm_head.dense.",
    f"{HEAD}layer_norm.": "lm_head.layer_norm.",
    HEAD_WEIGHT: DECODER,
    f"{HEAD}bias": "lm_head.bias",
}
_OLD_NORM = re.compile(r"(?<=LayerNorm\.)(gamma|beta)$")  # converted from TensorFlow, until 2020
_NUMBER = re.compile(r"\.(\d+)\.")
LAYER = ENCODER + "layers.{}.", "roberta.encoder.layer.{}."
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

# Parts of names that wrappers put in, anywhere: data-parallel training, compilation, sharding.
WRAPPERS = {
    *("module", "_orig_mod", "_forward_module", "_fsdp_wrapped_module", "_fpw_module"),
    "_checkpoint_wrapped_module",
}
# A name that each model has one of, behind what a program puts in front of all of them, if it does:
# ``model.`` (Lightning), ``base_model.model.`` (PEFT), ``student.`` …
IN_FRONT = re.compile(
    r"(|.*?\.)((en|de)coder\.sentence_encoder\.embed_tokens|"
    r"roberta\.embeddings\.word_embeddings)\.weight"
)
# What else files hold, by parts of its tensors' names, and the way to a plain model.
MERGE = "Merge it into the model where it was trained (peft: merge_and_unload), and save that."
UNQUANTIZED = "Take the model as it was before it was quantized."
FOREIGN = {
    r"flat_param": (
        "flat parameters of FSDP, which hold many tensors in one",
        "Save the model's full state dict where it was trained, unsharded, and name that.",
    ),
    r"\b(lora|ia3|vera|hada|lokr|oft|boft)_|\.base_layer\.|modules_to_save|prompt_embeddings": (
        "an adapter (LoRA or another of PEFT)",
        MERGE,
    ),
    r"adapter": ("an adapter", "Take the model as it was before adapters were put into it."),
    r"\.(SCB|CB|weight_format)$": ("weights in 8 bits (bitsandbytes)", UNQUANTIZED),
    r"absmax$|quant_map$|quant_state": ("weights in 4 bits (bitsandbytes)", UNQUANTIZED),
    r"\.(qweight|qzeros|qbias|scales|g_idx)$": ("quantized weights (GPTQ, AWQ)", UNQUANTIZED),
    r"(\b|_)(scale|scales|scale_inv|zero_points?|amax)$|fake_quant|_packed|activation_post_process"
    r"|\.(centroids|assignments)$": ("scales of a quantization", UNQUANTIZED),
    r"parametrizations\.|(weight|bias)_(orig|mask|g|v|u)$": (
        "weights in parts, as pruning or normalization keeps them",
        "Remove them (torch.nn.utils.prune.remove, or parametrize.remove_parametrizations), and "
        "save the model again.",
    ),
    r"sentence_encoder\.layer_norm\.": (
        "a layer norm behind the layers (encoder_normalize_before)",
        "fairseq's RoBERTa has its norms behind each sublayer; other models cannot be used.",
    ),
}

# Tensors of Hugging Face's that take no part in masked-language modelling.
UNUSED = (
    f"{EMBEDDINGS}position_ids",
    f"{EMBEDDINGS}token_type_ids",
    "roberta.pooler.",
)


def unwrapped(tensors: "dict[str, torch.Tensor]", file: object) -> "dict[str, torch.Tensor]":
    """The tensors without what wrappers put into their names, or in front of all of them.

    >>> list(unwrapped({"module.encoder._orig_mod.lm_head.bias": 0}, "model.pt"))
    ['encoder.lm_head.bias']

    Args:
        file: whose they are, for messages.

    Raises:
        CourseError: adapters, quantized or sharded weights, and such; one tensor twice, or a name
            that is none; or more than one model.
    """
    plain = {}
    for name, tensor in tensors.items():
        if not isinstance(name, str):
            raise CourseError(
                f"{file} is damaged: {name!r:.60} is no name of a tensor.",
                ONCE_MORE,
            )
        bare = ".".join(part for part in name.split(".") if part not in WRAPPERS)
        if bare in plain:
            raise CourseError(
                f"{file} holds the tensor {bare} twice, once under a wrapper's name.",
                "Save the model once more where it was trained, without the wrapper.",
            )
        plain[bare] = tensor
    for sign, (what, hint) in FOREIGN.items():
        if name := next((name for name in plain if re.search(sign, name)), None):
            raise CourseError(
                f"{file} holds {what}: it has a tensor {name!r}, which a RoBERTa does not have.",
                hint,
            )
    return _without_front(plain, file)


def _without_front(tensors: "dict[str, torch.Tensor]", file: object) -> "dict[str, torch.Tensor]":
    """The tensors without what stands in front of every name."""
    fronts = sorted({found[1] for name in tensors if (found := IN_FRONT.fullmatch(name))})
    front = fronts[0] if fronts else ""
    if other := next((name for name in tensors if not name.startswith(front)), ""):
        more = "more than one model" if fronts[1:] else "more than a model"
        raise CourseError(
            f"{file} holds {more}: beside {front!r} it has a tensor {other!r}.",
            "Save the one model by itself where it was trained, and name that.",
        )
    return {name.removeprefix(front): tensor for name, tensor in tensors.items()}


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
        table[name] = new.replace("{}", number[1], 1) if number else new
    return table


def to_huggingface(state: dict) -> "dict[str, torch.Tensor]":
    """The tensors under Hugging Face's names, for ``RobertaForMaskedLM``."""
    names = renamed(list(state["model"]), "huggingface")
    tensors = {new: state["model"][name].float() for name, new in names.items()}
    return tensors | {"lm_head.decoder.bias": tensors["lm_head.bias"]}


def _today(old: re.Match) -> str:
    return {"gamma": "weight", "beta": "bias"}[old[0]]


def from_huggingface(tensors: "dict[str, torch.Tensor]", file: object) -> "dict[str, torch.Tensor]":
    """The tensors of a ``RobertaForMaskedLM`` under fairseq's names.

    fairseq has no token types: theirs is the same for every position of a text, so it is added to
    the table of positions. Tied tensors may stand there under one of their names only.

    Args:
        file: whose they are, for messages.

    Raises:
        CourseError: a tensor that a RoBERTa with its LM head does not have, or of another kind.
    """
    left = {_OLD_NORM.sub(_today, n): t for n, t in tensors.items() if not n.startswith(UNUSED)}
    refuse_whole_numbers(left, file)
    left = {n: t.float() for n, t in left.items()}
    types = left.pop(TOKEN_TYPES, None)
    positions = f"{EMBEDDINGS}position_embeddings.weight"
    if types is not None and positions in left:
        width = left[positions].shape[1:]
        if not len(width) == 1 or types.ndim != 2 or types.shape[1:] != width or not len(types):
            raise CourseError(
                f"{file} is no whole RoBERTa: {TOKEN_TYPES} has the shape {tuple(types.shape)}, "
                f"and {positions} {tuple(left[positions].shape)}.",
                ONCE_MORE,
            )
        if types[0].any():
            left[positions] = left[positions] + types[0]
    if (bias := left.pop("lm_head.decoder.bias", None)) is not None:  # the one that is added
        left["lm_head.bias"] = bias
    if (words := left.get(WORDS)) is not None:
        left.setdefault(DECODER, words)
    names = renamed(list(left), "fairseq")
    return {names[name]: tensor for name, tensor in left.items()}
