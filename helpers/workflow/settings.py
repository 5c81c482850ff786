"""The settings of every stage: each parameter with its default, its range and one sentence.

Those of training are in ``training_settings``.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from helpers.common.symbols import LONGEST_LINE, MASK
from helpers.workflow.parameters import BEYOND, About, Device, FileNames, Settings, Strings
from helpers.workflow.refusals import known_encoding, pattern_of_lines, shown

NO_SHARE = 1e-9  # a share up to this is none
MAX_SEED = 2**32 - 1  # NumPy's
OtherModels = Annotated[
    FileNames,
    About(path="read", flag="model"),
    Field(
        description="Further models for the same table: Hugging Face folders, .pt files with their "
        "dict.txt beside them, 'course'.",
    ),
]


class SampleSettings(Settings):
    language: Literal["en", "zh"] = Field(
        "en",
        description="'en' makes docstrings of packages the sample corpus; 'zh' Chinese reviews, in "
        "a folder for each label, from a package that make env-zh installs.",
    )
    packages: Strings = Field(
        ("sklearn",),
        min_length=1,
        description="Installed Python packages whose docstrings are the English sample corpus.",
    )


class BaseSettings(Settings):
    source: Annotated[
        str,
        About(
            path="read",
            words={
                "course": "The course's own small RoBERTa, which has read software documentation. "
                "It needs nothing.",
                "scratch": "A tiny RoBERTa, trained here from nothing in half a minute. It needs "
                "fairseq, that is Linux or WSL 2.",
            },
            kinds={
                "a fairseq model.pt": "The path of a model.pt, of its folder, or of a released "
                ".tar.gz. It needs the model's dict.txt, beside it or named in dict_file.",
                "a Hugging Face folder": "The path of the folder. It needs config.json, weights "
                "and tokenizer files in it.",
            },
        ),
    ] = Field(
        "course",
        description="'course' is the course's own, 'scratch' trains a tiny one here; or the path "
        "of a fairseq model.pt, a released .tar.gz, or a Hugging Face folder.",
    )
    dict_file: Annotated[str, About(path="read", flag="dict")] = Field(
        "", description="The model.pt's dictionary; empty: the dict.txt in the same folder."
    )
    keep_optimizer: bool = Field(
        False, description="Keep the optimizer's state, which fine-tuning needs to 'continue'."
    )
    device: Device = "auto"

    @field_validator("source")
    @classmethod
    def _is_named(cls, source: str) -> str:
        if not source.strip():
            raise ValueError("the path of the model is missing")
        return source


class SplitSettings(Settings):
    GROUPS: ClassVar = {
        "Texts": ("txt_files", "encoding", "errors", "text_field"),
        "Documents and lines": ("unit", "chapter_pattern", "join_lines", "max_line_tokens"),
        "Shares": ("train", "valid", "test", "seed"),
        "Tidying": ("deduplicate", "near_duplicates"),
    }
    SHARES: ClassVar = ("train", "valid", "test")

    txt_files: Annotated[FileNames, About(path="read", upload="my-texts")] = Field(
        ("texts",),
        min_length=1,
        description="Files (text, JSON, CSV or TSV, also with .gz or .zst behind; Parquet), "
        "folders of them, or patterns such as novels/*.txt; relative ones start in the workspace.",
    )
    train: float = Field(0.8, ge=0, le=1, description="Share of documents to learn from.")
    valid: float = Field(0.1, ge=0, le=1, description="Share that chooses the best checkpoint.")
    test: float = Field(0.1, ge=0, le=1, description="Share kept for the last evaluation.")
    seed: int = Field(1, ge=0, le=MAX_SEED, description="Another seed gives another division.")
    unit: Literal["blank-line", "file", "line", "chapter"] = Field(
        "blank-line",
        description="What ends a document of plain text: a blank line, the file, every line, or "
        "the next chapter's heading. Of JSON and of a table every record is a document.",
    )
    chapter_pattern: Annotated[str, AfterValidator(pattern_of_lines)] = Field(
        "",
        examples=["", r"第.+[章回].*", r"CHAPTER [IVXLC]+\..*", r"\d+、.*"],
        description="With unit = 'chapter': a regular expression for the whole line of a heading; "
        "empty: the usual ones, such as 第一章, 楔子, Chapter XII.",
    )
    join_lines: bool = Field(
        False,
        description="Join the lines of plain text that was wrapped to a fixed width, so that each "
        "paragraph is one line.",
    )
    text_field: str = Field(
        "text",
        min_length=1,
        description="The field of JSON, or the column of a table, that holds the text; a "
        "record with null there is left out.",
    )
    encoding: Annotated[str, AfterValidator(known_encoding)] = Field(
        "utf-8",
        examples=["utf-8", "auto", "gb18030", "big5", "utf-16", "cp1252"],
        description="How plain text is written: utf-8, gb18030, utf-16, …, or auto to guess.",
    )
    errors: Literal["strict", "replace", "skip"] = Field(
        "strict",
        description="What becomes of bytes that are not in the encoding, and of NUL and half "
        "characters: 'strict' stops and names them, 'replace' puts U+FFFD there, 'skip' leaves "
        "their documents out.",
    )
    deduplicate: bool = Field(True, description="Keep only the first of equal documents.")
    near_duplicates: Literal["keep", "together", "drop"] = Field(
        "keep",
        description="What becomes of documents that differ in little: 'keep' divides them like "
        "others, 'together' puts all of a group into one split, 'drop' keeps one of each group.",
    )
    max_line_tokens: int = Field(
        LONGEST_LINE,
        ge=0,
        le=BEYOND,
        description="Longer lines are wrapped, because the model cannot read them; 0: never.",
    )

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
        if self.train <= NO_SHARE:
            raise ValueError("The share of train must be above 0, or there is nothing to learn.")
        return self


_WORKERS = Field(
    None, ge=1, le=BEYOND, description="Processes that work side by side; None: as many as cores."
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


class PrepareSettings(Settings):
    SPEED: ClassVar = frozenset({"workers", "scheduler", "slurm"})

    workers: int | None = _WORKERS
    shards: int = Field(
        1,
        ge=1,
        le=10_000,
        description="Parts of the training data, each made by itself; training reads one an epoch.",
    )
    scheduler: str = Field(
        "", description="Address of a Dask scheduler that makes the shards; empty: this machine."
    )
    slurm: str = Field(
        "", description="Section of your Dask jobqueue configuration: SLURM makes the shards."
    )

    @model_validator(mode="after")
    def _shards_are_made_in_one_place(self) -> "PrepareSettings":
        if self.scheduler and self.slurm:
            raise ValueError("a scheduler and slurm are both named, and only one can do the work")
        return self


class ConvertSettings(Settings):
    roberta_checkpoint_path: Annotated[str, About(path="read")] = Field(
        "",
        description="A folder with model.pt and dict.txt, or a .pt file; empty: the best "
        "checkpoint of the workspace.",
    )
    pytorch_dump_folder_path: Annotated[str, About(path="made")] = Field(
        "", description="Where the Hugging Face model goes; empty: hf/ in the workspace."
    )
    dtype: Literal["float32", "float16", "bfloat16"] = Field(
        "float32",
        description="The numbers that its weights are stored in: halves take half the room and "
        "round them; training is in float32.",
    )
    weights: Literal["both", "safetensors", "pytorch"] = Field(
        "both",
        description="The files with weights: model.safetensors, pytorch_model.bin for older "
        "programs, or both.",
    )
    device: Device = "auto"


class EvaluateSettings(Settings):
    GROUPS: ClassVar = {
        "Measuring": ("max_lines", "mask_share", "draws", "seed", "models", "device", "precision"),
        "Examples": ("sentences",),
    }

    max_lines: int = Field(
        2000, ge=1, le=BEYOND, description="How many held-out lines are measured; more take longer."
    )
    mask_share: float = Field(0.15, gt=0, lt=1, description="Share of tokens that are hidden.")
    draws: int = Field(
        2,
        ge=1,
        le=100,
        description="How many times over, each time other tokens: more are less by chance.",
    )
    models: OtherModels = ()
    sentences: Strings = Field(
        (),
        description="Sentences with one <mask> each for the table; empty: taken from the test.",
    )
    seed: int = Field(1, ge=0, le=MAX_SEED, description="Decides which tokens are hidden.")
    device: Device = "auto"
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto",
        description="The numbers in which matrices are multiplied: 'bf16' is faster where the "
        "device has units for it, and rounds; 'auto': bf16 on a GPU that has them, else fp32.",
    )

    @field_validator("sentences")
    @classmethod
    def _have_one_mask(cls, sentences: tuple[str, ...]) -> tuple[str, ...]:
        for sentence in sentences:
            if sentence.count(MASK) != 1:
                raise ValueError(
                    f"{shown(sentence)} has not one {MASK}, where the models are to guess"
                )
        return sentences


class TaskSettings(Settings):
    GROUPS: ClassVar = {
        "Texts and classes": ("labels", "label_field", "max_documents"),
        "Measuring": ("models", "seed", "device"),
    }

    labels: Annotated[FileNames, About(path="read")] = Field(
        (),
        description="Texts with a class each: a folder with a folder for each class, or JSON, CSV, "
        "TSV, Parquet; empty: the texts that were split.",
    )
    label_field: str = Field(
        "label",
        description="The field of JSON, or the column of a table, that holds the class; empty: "
        "the name of the file, or of its folder, as of plain text.",
    )
    max_documents: int = Field(
        1000,
        ge=20,
        le=BEYOND,
        description="How many documents with a class are read; more take longer.",
    )
    models: OtherModels = ()
    seed: int = Field(1, ge=0, le=MAX_SEED, description="Decides which documents are learned from.")
    device: Device = "auto"
