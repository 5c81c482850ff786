"""A Hugging Face folder: what is taken from its ``config.json``, after a check, and its files.

transformers lets ``config.json`` choose code, kernels and quantization. Here it is data: only
what is listed is read, and nothing of it is handed on unchecked.
"""

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from helpers.common.errors import CourseError
from helpers.common.file_kinds import AGAIN, OTHER_FORMATS, PYTORCH_FORM, other_kind

# Of both sides. transformers' LM head takes gelu whatever the layers take; fairseq's follows them.
ACTIVATION = "gelu"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
INDEX = ".index.json"  # of weights that are in several files
FORMS = tuple(name + end for name in WEIGHTS for end in ("", INDEX))  # transformers' order
# Where both are there, transformers reads the first.
TOKENIZERS = (("tokenizer.json",), ("vocab.json", "merges.txt"))
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


def is_huggingface(folder: Path) -> bool:
    return (folder / "config.json").is_file() and not (folder / "model.pt").is_file()


def files_of(folder: Path) -> list[Path]:
    """The files that are read: configuration, weights, and the tokenizer's.

    Raises:
        CourseError: one of them is missing.
    """
    folder_config(folder)
    return [folder / "config.json", *weights_of(folder), *tokenizer_of(folder)]


def weights_of(folder: Path) -> list[Path]:
    """The file with the weights; or, where they are in several, their index and these.

    Raises:
        CourseError: there is none, or one of those that an index names is missing.
    """
    if found := forms_of(folder):
        return [found[0], *(folder / name for name in sorted({*weight_map(found[0]).values()}))]
    others = [file for file in sorted(folder.iterdir()) if file.name.endswith((*OTHER_FORMATS,))]
    if others:
        raise CourseError(
            f"The Hugging Face folder {folder} has no {' or '.join(WEIGHTS)}: its "
            f"{others[0].name} is {other_kind(others[0])[0]}.",
            PYTORCH_FORM,
        )
    raise _lacking(folder, " or ".join(WEIGHTS))


def tokenizer_of(folder: Path) -> tuple[Path, ...]:
    """``tokenizer.json``, or ``vocab.json`` and ``merges.txt``.

    Raises:
        CourseError: neither is there.
    """
    for names in TOKENIZERS:
        if all((folder / name).is_file() for name in names):
            return tuple(folder / name for name in names)
    raise _lacking(folder, "tokenizer.json, or vocab.json and merges.txt")


def _lacking(folder: Path, what: str) -> CourseError:
    return CourseError(
        f"The Hugging Face folder {folder} has no {what}.",
        "Save model and tokenizer into it with save_pretrained, both.",
    )


def forms_of(folder: Path) -> list[Path]:
    """The files that may hold weights, or name those that do; the first is read."""
    return [folder / name for name in FORMS if (folder / name).is_file()]


def weight_map(file: Path) -> dict[str, str]:
    """Of an index, the file for each tensor, all beside it; of weights themselves, nothing."""
    if not file.name.endswith(INDEX):
        return {}
    files, kind = json_object(file).get("weight_map"), Path(file.name.removesuffix(INDEX)).suffix
    if not (isinstance(files, dict) and files) or not all(
        isinstance(name, str) and Path(name).name == name and name.endswith(kind)
        for name in files.values()
    ):
        raise CourseError(
            f"{file} is damaged: its weight_map does not name a file for each tensor.", AGAIN
        )
    for name in sorted({*files.values()}):
        if not (file.parent / name).is_file():
            raise CourseError(
                f"{file} names {name}, which is not there: a part of the weights is missing.",
                "Put it beside the others; all parts are needed.",
            )
    return files
