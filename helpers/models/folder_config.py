"""The ``config.json`` of a Hugging Face folder: what is taken from it, after a check.

transformers lets this file choose code, kernels and quantization. Here it is data: only what is
listed is read, and nothing of it is handed on unchecked.
"""

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from helpers.common.errors import CourseError

# Of both sides. transformers' LM head takes gelu whatever the layers take; fairseq's follows them.
ACTIVATION = "gelu"
_MOST = 1 << 20  # of whatever is counted in a network


class FolderConfig(BaseModel):
    """What a RoBERTa's ``config.json`` says about its network.

    Attributes:
        max_position_embeddings: rows of the table, two of which no token uses.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")

    num_hidden_layers: int = Field(ge=1, le=_MOST)
    hidden_size: int = Field(ge=1, le=_MOST)
    intermediate_size: int = Field(ge=1, le=_MOST)
    num_attention_heads: int = Field(ge=1, le=_MOST)
    max_position_embeddings: int = Field(ge=3, le=_MOST)
    hidden_dropout_prob: float = Field(0.1, ge=0, le=1)
    attention_probs_dropout_prob: float = Field(0.1, ge=0, le=1)
    layer_norm_eps: float = Field(1e-12, gt=0, lt=1)
    architectures: list[str] | None = None


def folder_config(folder: Path) -> FolderConfig:
    """Read it.

    Raises:
        CourseError: another model than a RoBERTa as fairseq has it, or a value that cannot be;
            the message names it.
    """
    content = json_object(folder / "config.json")
    _refuse_other_models(content, folder)
    try:
        return FolderConfig.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        if first["type"] == "missing":
            missing = [str(e["loc"][0]) for e in error.errors() if e["type"] == "missing"]
            what = f"a config.json without {', '.join(missing)}"
        else:
            what = f"a config.json whose {name} is {_shown(first['input'])}"
        raise CourseError(
            f"{folder} holds {what}.",
            "Take the file once more from where the model was published.",
        ) from None


def _shown(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


def _refuse_other_models(config: dict, folder: Path) -> None:
    kind, act = config.get("model_type"), config.get("hidden_act", ACTIVATION)
    positions = config.get("position_embedding_type", "absolute")
    padding = config.get("pad_token_id", 1)
    why = ""
    if kind != "roberta":
        why = f"a model of the type {kind!r}, not a RoBERTa"
    elif config.get("quantization_config") is not None:
        why = "a quantized RoBERTa (quantization_config): its weights are not the model's own"
    elif positions != "absolute":
        why = f"a RoBERTa with {positions!r} positions"
    elif config.get("is_decoder") or config.get("add_cross_attention"):
        why = "a RoBERTa that was made a decoder"
    elif padding != 1 or isinstance(padding, bool):
        why = f"a RoBERTa whose padding is the token {padding}, not 1"
    elif act != ACTIVATION:
        why = f"a RoBERTa with the activation {act!r}, not {ACTIVATION!r}"
    if why:
        raise CourseError(
            f"{folder} holds {why}.",
            "fairseq's RoBERTa needs a Hugging Face RobertaForMaskedLM, such as roberta-base.",
        )


def json_object(file: Path) -> dict:
    """The object that a JSON file is.

    Raises:
        CourseError: it is none.
    """
    try:
        content = json.loads(file.read_text("utf-8"))
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise CourseError(f"{file} is damaged: no JSON object is in it.", "Download it again.")
    return content
