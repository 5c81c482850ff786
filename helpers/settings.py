"""What a person can set: one validated model per stage, each parameter described once.

The command line, the check of batch parameters and the tables in the notebooks are made from
these models.
"""

import codecs
import difflib
import glob
import html
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from helpers.errors import CourseError
from helpers.report import Shown, cell
from helpers.workspace import expanded


def _one_is_a_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


MAX_SEED = 2**32 - 1  # NumPy's, and so fairseq's
Strings = Annotated[tuple[str, ...], BeforeValidator(_one_is_a_list)]


# json_schema_extra: "path" marks names of files ("new": one that is made), which a shell resolves
# from where it stands; "words" are values of such a setting that are no files; "flag" is a shorter
# name on the command line.
class Settings(Shown, BaseModel):
    """Base of all settings: immutable, unknown names refused, errors in two sentences.

    Raises:
        CourseError: a name that does not exist (with the nearest one) or a value out of range.

    >>> SplitSettings(txt_files="a.txt").txt_files
    ('a.txt',)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    # Settings that change how fast the work is done, never what comes out.
    SPEED: ClassVar[frozenset[str]] = frozenset({"workers", "engine"})

    def __init__(self, **values: object) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise self._explain(error) from None

    def _explain(self, error: ValidationError) -> CourseError:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else ""
        if first["type"] == "extra_forbidden":
            return unknown_name(name, type(self).model_fields)
        what = first["msg"].removeprefix("Value error, ")
        if not name:
            return CourseError(what, "Change one of them and run this step again.")
        field = type(self).model_fields[name]
        return CourseError(
            f"{name} = {first['input']!r} is not possible: {what}.",
            f"{name}: {field.description} The default is {field.default!r}.",
        )

    def of_the_result(self) -> dict:
        """The settings that the result depends on, as plain JSON values."""
        return self.model_dump(mode="json", exclude=set(self.SPEED))

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td style='text-align:left'><code>{name}</code></td>"
            f"<td style='text-align:left'>{html.escape(cell(getattr(self, name)))}</td>"
            f"<td style='text-align:left'>{html.escape(field.description or '')}</td></tr>"
            for name, field in type(self).model_fields.items()
        )
        head = "".join(f"<th style='text-align:left'>{h}</th>" for h in ("setting", "value", ""))
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"

    def __str__(self) -> str:
        return "\n".join(f"{name} = {value!r}" for name, value in self)


def unknown_name(name: str, known: object) -> CourseError:
    """The error for a parameter that does not exist, with the nearest name that does."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.4)
    hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(known)}."
    return CourseError(f"There is no parameter {name}.", hint)


def from_here(model: type[Settings], field: str, value: object) -> object:
    """A value that was typed in a shell: names of files that are there become absolute.

    A relative name that leads nowhere stays as it is; the workspace is asked for it then.
    """
    extra = model.model_fields[field].json_schema_extra or {}
    if isinstance(value, (list, tuple)):
        return [from_here(model, field, one) for one in value]
    if "path" not in extra or not isinstance(value, str) or value in ("", *extra.get("words", ())):
        return value
    here = Path.cwd() / expanded(value)
    pattern = glob.iglob(str(expanded(value)), root_dir=Path.cwd())  # noqa: PTH207
    found = here.exists() or extra["path"] == "new" or any(pattern)
    return str(here) if found else value


class SampleSettings(Settings):
    packages: Strings = Field(
        ("sklearn",),
        min_length=1,
        description="Installed Python packages whose docstrings become the sample corpus.",
    )


class BaseSettings(Settings):
    source: str = Field(
        "course",
        min_length=1,
        json_schema_extra={"path": True, "words": ("course", "scratch")},
        description="'course' is the course's own, 'scratch' trains a tiny one here; or the path "
        "of a fairseq model.pt, a released .tar.gz, or a Hugging Face folder.",
    )
    dict_file: str = Field(
        "",
        json_schema_extra={"path": True, "flag": "dict"},
        description="The model.pt's dictionary; empty: the dict.txt in the same folder.",
    )
    keep_optimizer: bool = Field(
        False, description="Keep the optimizer's state, which fine-tuning needs to 'continue'."
    )


class SplitSettings(Settings):
    txt_files: Strings = Field(
        ("texts",),
        min_length=1,
        json_schema_extra={"path": True},
        description="Text files, folders (their .txt files) or patterns such as novels/*.txt; "
        "relative ones start in the workspace.",
    )
    train: float = Field(0.8, ge=0, le=1, description="Share of documents to learn from.")
    valid: float = Field(0.1, ge=0, le=1, description="Share that chooses the best checkpoint.")
    test: float = Field(0.1, ge=0, le=1, description="Share kept for the last evaluation.")
    seed: int = Field(1, ge=0, le=MAX_SEED, description="Another seed gives another division.")
    unit: Literal["blank-line", "file", "line"] = Field(
        "blank-line", description="What ends a document: a blank line, the file, or every line."
    )
    encoding: str = Field(
        "utf-8",
        description="How the files are written: utf-8, gb18030, utf-16, …, or auto to guess.",
    )
    deduplicate: bool = Field(True, description="Keep only the first of equal documents.")
    max_line_tokens: int = Field(
        510,
        ge=0,
        description="Longer lines are wrapped, because the model cannot read them; 0: never.",
    )

    @field_validator("txt_files")
    @classmethod
    def _has_names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if not all(name.strip() for name in names):
            raise ValueError("a name in it is empty")
        return names

    @field_validator("encoding")
    @classmethod
    def _is_known(cls, name: str) -> str:
        try:
            known = name == "auto" or codecs.lookup(name)._is_text_encoding
        except LookupError:
            known = False
        if not known:
            raise ValueError("Python knows no such encoding; Chinese files are often gb18030")
        return name

    @field_validator("max_line_tokens")
    @classmethod
    def _is_sensible(cls, limit: int) -> int:
        if 0 < limit < 16:
            raise ValueError("it must be 0 or at least 16")
        return limit

    @model_validator(mode="after")
    def _shares_add_up(self) -> "SplitSettings":
        total = self.train + self.valid + self.test
        if abs(total - 1) > 1e-6:
            raise ValueError(
                f"The shares train {self.train} + valid {self.valid} + test {self.test} add up "
                f"to {total:g}, not to 1."
            )
        if self.train <= 0:
            raise ValueError("The share of train must be above 0, or there is nothing to learn.")
        return self


_WORKERS = Field(
    None, ge=1, description="Processes that work side by side; None: as many as cores."
)
_ENGINE = Field(
    "fast",
    description="'fast' is this course's own, 'fairseq' runs fairseq's tool; the same bytes.",
)


class EncodeSettings(Settings):
    engine: Literal["fast", "fairseq"] = _ENGINE
    workers: int | None = _WORKERS


class BinarizeSettings(EncodeSettings):
    pass


class FinetuneSettings(Settings):
    start: Literal["weights", "continue"] = Field(
        "weights",
        description="'weights' takes the base's weights and counts from 0; 'continue' goes on "
        "with its optimizer and counter, too.",
    )
    max_update: int = Field(
        500,
        ge=1,
        description="Updates to train for; with 'continue' those of the base count as well.",
    )
    lr: float = Field(
        1e-3,
        gt=0,
        le=1,
        description="The highest learning rate, after warm-up; 1e-4 or less for a full RoBERTa.",
    )
    warmup_share: float = Field(
        0.06, ge=0, lt=1, description="Share of the updates in which the rate rises to lr."
    )
    max_tokens: int = Field(
        2048, ge=16, description="Tokens in one batch; lower it when memory runs out."
    )
    update_freq: int = Field(
        1, ge=1, description="Batches that make one update: more of them imitate a larger batch."
    )
    validate_every: int = Field(
        250, ge=1, description="Updates between two validations; each also saves a checkpoint."
    )
    dropout: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Share of activations set to zero; 0.1 is usual where updates are many.",
    )
    weight_decay: float = Field(0.01, ge=0, le=1, description="Pull of the weights towards zero.")
    seed: int = Field(
        1, ge=0, le=MAX_SEED, description="Decides the order of the batches and the masks."
    )


class ConvertSettings(Settings):
    roberta_checkpoint_path: str = Field(
        "",
        json_schema_extra={"path": True},
        description="A folder with model.pt and dict.txt, or a .pt file; empty: the best "
        "checkpoint of the workspace.",
    )
    pytorch_dump_folder_path: str = Field(
        "",
        json_schema_extra={"path": "new"},
        description="Where the Hugging Face model goes; empty: hf/ in the workspace.",
    )


class EvaluateSettings(Settings):
    max_lines: int = Field(
        2000, ge=1, description="How many held-out lines are measured; more take longer."
    )
    mask_share: float = Field(0.15, gt=0, lt=1, description="Share of tokens that are hidden.")
    sentences: Strings = Field(
        (),
        description="Sentences with one <mask> each for the table; empty: taken from the test.",
    )
    seed: int = Field(1, ge=0, le=MAX_SEED, description="Decides which tokens are hidden.")
