"""What is taken from a fairseq checkpoint beside its tensors, after a check."""

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from helpers.common.errors import CourseError
from helpers.common.file_kinds import ONCE_MORE

# RoBERTa's own way to tokens; a checkpoint may also say nothing of it.
GPT2 = (None, "", "gpt2")
MOST = 2**63  # longer numbers are not even shown by Python
# What changes the computation, and no tensor tells. Before there was ``cfg``, RoBERTa ignored it.
OTHERWISE = {"no_scale_embedding": False, "encoder_normalize_before": True}


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class _Model(_Part):
    encoder_attention_heads: int | None = Field(None, ge=1, lt=MOST)
    activation_fn: str | None = None
    dropout: float = Field(0.1, ge=0, le=1)
    attention_dropout: float = Field(0.1, ge=0, le=1)
    encoder_layers_to_keep: str | list[int] | None = None
    no_scale_embedding: bool | None = None
    encoder_normalize_before: bool | None = None
    untie_weights_roberta: bool | None = None


class _Task(_Part):
    data: str | None = None


class _Cfg(_Part):
    model: _Model
    task: _Task | None = None
    common: dict | None = None
    checkpoint: dict | None = None
    bpe: dict | str | None = None


class _Training(_Part):
    num_updates: int = Field(0, ge=0, lt=MOST)
    optimizer_name: str = ""


class _State(_Part):
    cfg: _Cfg
    optimizer_history: list[_Training] | None = None
    extra_state: dict | None = None
    last_optimizer_state: dict | None = None


def checked_values(state: dict, file: object) -> dict[str, object]:
    """What ``cfg.model`` of a RoBERTa says that its tensors do not tell, and ``cfg.task.data``.

    The rest of ``cfg`` is of another training, often with parts that only its owner has.

    Args:
        state: a checkpoint in today's form, as it was saved.

    Raises:
        CourseError: a value of another kind than fairseq's, by its name; or one that tells of
            other tokens, or another computation, than a RoBERTa's.
    """
    try:
        cfg = _State.model_validate(state).cfg
    except ValidationError as error:
        first = error.errors()[0]
        name, value = ".".join(map(str, first["loc"])), first["input"]
        if first["type"] == "missing" or value is None:
            raise CourseError(
                f"{file} is incomplete: its parts are not what fairseq writes ({name} is empty).",
                "Save the model once more by fairseq itself.",
            ) from None
        raise CourseError(
            f"{file} is damaged: its parts are not what fairseq writes "
            f"({name} is {str(value)[:60]!r}).",
            ONCE_MORE,
        ) from None
    bpe = cfg.bpe.get("_name") if isinstance(cfg.bpe, dict) else cfg.bpe
    if bpe not in GPT2:
        raise CourseError(
            f"{file} was trained on the tokens of {str(bpe)[:60]!r} (cfg.bpe), and the course's "
            "are GPT-2's: the same row of its table means another token.",
            "Take a model whose tokens are GPT-2's, such as roberta.base.",
        )
    values = cfg.model.model_dump() | {"data": cfg.task.data if cfg.task else None}
    if other := [name for name, value in OTHERWISE.items() if values[name] is value]:
        raise CourseError(
            f"{file} computes in another way than a RoBERTa: {other[0]} is "
            f"{OTHERWISE[other[0]]} in its cfg.model.",
            "Only plain RoBERTa models can be used, such as roberta.base.",
        )
    return {name: value for name, value in values.items() if value is not None}
