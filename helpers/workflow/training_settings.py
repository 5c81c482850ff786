"""The settings of fine-tuning: each parameter with its default, its range and one sentence."""

import re
from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from helpers.workflow.parameters import BEYOND, About, Device, FileNames, Settings, Strings
from helpers.workflow.refusals import shown

SMALLEST_BATCH = 16  # tokens
# fairseq adds the epoch to it, and there are fewer epochs than updates, of which there are at
# most BEYOND.
MAX_SEED = 2**31 - 1
_OPTION = re.compile(r"([A-Za-z_][\w.-]*)=(.*)", re.ASCII | re.DOTALL)
UNQUOTABLE = set('$"\\\n\r')  # Hydra expands the first, and cannot quote these others


def option(text: str) -> tuple[str, str]:
    """The name and the value of an option of fairseq's.

    Raises:
        ValueError: it has not that form, or Hydra cannot be given the value.

    >>> option("optimizer.adam_eps=1e-8")
    ('optimizer.adam_eps', '1e-8')
    """
    found = _OPTION.fullmatch(text.strip())
    if not found:
        raise ValueError(f"{shown(text)} is not written as section.name=value")
    if bad := sorted(UNQUOTABLE.intersection(found[2])):
        raise ValueError(f"{shown(text)} holds {bad[0]!r}, which Hydra cannot be given")
    return found[1], found[2]


class FinetuneSettings(Settings):
    GROUPS: ClassVar = {
        "How far": ("start", "max_update", "validate_every", "keep_checkpoints"),
        "Learning rate": ("lr", "warmup_share", "clip_norm"),
        "Batch": ("max_tokens", "update_freq", "sample_break_mode", "seed"),
        "What is hidden": ("mask_prob", "mask_unit"),
        "Against learning by heart": ("dropout", "weight_decay", "patience"),
        "Against forgetting": ("replay", "replay_files"),
        "Machine": ("device", "precision", "nproc", "nodes"),
        "fairseq": ("extra", "tensorboard"),
    }
    SPEED: ClassVar = frozenset({"device", "tensorboard", "nodes"})

    start: Literal["weights", "continue"] = Field(
        "weights",
        description="'weights' takes the base's weights and counts from 0; 'continue' goes on "
        "with its optimizer and counter, too.",
    )
    max_update: int = Field(
        500,
        ge=1,
        le=BEYOND,
        description="Updates to train for; with 'continue' those of the base count as well.",
    )
    lr: Annotated[float, About(log_scale=True)] = Field(
        1e-3,
        gt=0,
        le=1,
        description="The highest learning rate, after warm-up; 1e-4 or less for a full RoBERTa.",
    )
    warmup_share: float = Field(
        0.06, ge=0, lt=1, description="Share of the updates in which the rate rises to lr."
    )
    clip_norm: float = Field(
        1.0,
        ge=0,
        le=10,
        description="A longer gradient is shortened to this length, so that one odd batch cannot "
        "undo many updates; 0: never.",
    )
    max_tokens: int = Field(
        2048,
        ge=0,
        le=BEYOND,
        description="Tokens in one batch; lower it when memory runs out. 0: as many as there is "
        "memory for, which is tried, and update_freq counts batches of 2,048.",
    )
    update_freq: int = Field(
        1,
        ge=1,
        le=BEYOND,
        description="Batches that make one update: more of them imitate a larger batch.",
    )
    mask_unit: Literal["token", "character", "word"] = Field(
        "token",
        description="What is hidden as a whole: single tokens, as fairseq does, or all tokens of a "
        "character, or of a word.",
    )
    sample_break_mode: Literal["complete", "complete_doc", "none", "eos"] = Field(
        "complete",
        description="What makes a sample: 'complete' fills it with whole lines, over blank ones "
        "too; 'complete_doc' begins anew at each blank line, where neighbouring texts have nothing "
        "to do with each other; 'none' fills it to the last token and cuts lines; 'eos' takes each "
        "line by itself, for single sentences.",
    )
    mask_prob: float = Field(
        0.15,
        gt=0,
        lt=1,
        description="Share of tokens that are hidden: with more, an update teaches more and each "
        "guess is harder; a model of 40% cannot be compared by its loss with one of 15%.",
    )
    validate_every: int = Field(
        250,
        ge=1,
        le=BEYOND,
        description="Updates between two validations; each also saves a checkpoint.",
    )
    keep_checkpoints: int = Field(
        0,
        ge=0,
        le=BEYOND,
        description="How many of those in between stay, the newest ones, to be averaged or looked "
        "at; the one with the lowest validation loss stays always, as checkpoint_best.pt.",
    )
    dropout: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Share of activations set to zero; 0.1 is usual where updates are many.",
    )
    weight_decay: float = Field(0.01, ge=0, le=1, description="Pull of the weights towards zero.")
    patience: int = Field(
        0,
        ge=0,
        le=BEYOND,
        description="Stop after so many validations in a row (also those at the end of an epoch) "
        "that were no better than the best, where more updates only learn by heart; 0: never.",
    )
    replay: float = Field(
        0.0,
        ge=0,
        le=0.5,
        description="Share of general text among the tokens that are trained on, against "
        "forgetting what the base knows; 0.1 to 0.3 costs little of what is learned.",
    )
    replay_files: Annotated[FileNames, About(path="read")] = Field(
        (),
        description="Files with the general text, as in 01_split; empty: the course's own, "
        "documentation of software, which suits the course's base only.",
    )
    seed: int = Field(
        1,
        ge=0,
        le=MAX_SEED,
        description="Decides the order of the batches and the masks; results that differ by no "
        "more than those of two seeds differ by chance.",
    )
    device: Device = "auto"
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto",
        description="The numbers in which matrices are multiplied: 'bf16' and 'fp16' are half as "
        "long as 'fp32', and much faster where the device has units for them; 'auto' finds out.",
    )
    nproc: int = Field(
        1,
        ge=1,
        le=1024,
        description="Processes that train side by side, each with batches of its own, on a GPU or "
        "on a share of the cores: an update reads so many times as much text.",
    )
    nodes: int = Field(
        0,
        ge=0,
        le=1024,
        description="Machines of a SLURM job that train together, each with nproc processes; 0: "
        "this one alone.",
    )
    extra: Strings = Field(
        (),
        examples=["optimizer.adam_eps=1e-8"],
        description="Other options of fairseq's, each as section.name=value; they are compared "
        "with fairseq's own before it starts.",
    )
    tensorboard: bool = Field(
        False,
        description="While it trains, fairseq also writes its curves for TensorBoard, beside the "
        "checkpoints; it needs the package tensorboard or tensorboardX. A training that is done "
        "is not repeated for it without force.",
    )

    def of_the_result(self) -> dict:
        """As for all settings; where the processes are does not matter, only how many."""
        return super().of_the_result() | {"nproc": self.processes}

    @property
    def processes(self) -> int:
        """All that train together."""
        return self.nproc * max(1, self.nodes)

    @field_validator("max_tokens")
    @classmethod
    def _is_a_batch(cls, tokens: int) -> int:
        if 0 < tokens < SMALLEST_BATCH:
            raise ValueError(f"a batch has at least {SMALLEST_BATCH} tokens")
        return tokens

    @field_validator("extra")
    @classmethod
    def _are_options(cls, extra: tuple[str, ...]) -> tuple[str, ...]:
        names = [option(text)[0] for text in extra]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"{twice[0]} is given twice")
        return extra
