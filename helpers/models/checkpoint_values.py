"""What is taken from a fairseq checkpoint beside its tensors, after a check."""

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from helpers.common.errors import CourseError


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class _Model(_Part):
    encoder_attention_heads: int | None = Field(None, ge=1)
    activation_fn: str | None = None
    dropout: float = Field(0.1, ge=0, le=1)
    attention_dropout: float = Field(0.1, ge=0, le=1)


class _Task(_Part):
    data: str | None = None


class _Cfg(_Part):
    model: _Model
    task: _Task | None = None
    common: dict | None = None
    checkpoint: dict | None = None


class _Training(_Part):
    num_updates: int = Field(0, ge=0)
    optimizer_name: str = ""


class _State(_Part):
    cfg: _Cfg
    optimizer_history: list[_Training] | None = None
    extra_state: dict | None = None
    last_optimizer_state: dict | None = None


def refuse_odd_values(state: dict, file: object) -> None:
    """Refuse a checkpoint in today's form whose values are of another kind than fairseq's.

    Raises:
        CourseError: the first such value, by its name.
    """
    try:
        _State.model_validate(state)
    except ValidationError as error:
        first = error.errors()[0]
        raise CourseError(
            f"{file} is damaged: its parts are not what fairseq writes "
            f"({'.'.join(map(str, first['loc']))} is {str(first['input'])[:60]!r}).",
            "Take it once more from where it was published or trained.",
        ) from None
