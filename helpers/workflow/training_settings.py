"""The settings of fine-tuning: each parameter with its default, its range and one sentence."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from helpers.workflow.parameters import BEYOND, About, Settings

# fairseq adds the epoch to it, and there are fewer epochs than updates, of which there are at
# most BEYOND.
MAX_SEED = 2**31 - 1


class FinetuneSettings(Settings):
    GROUPS: ClassVar = {
        "How far": ("start", "max_update", "validate_every"),
        "Learning rate": ("lr", "warmup_share"),
        "Batch": ("max_tokens", "update_freq", "seed"),
        "What is hidden": ("mask_unit",),
        "Against learning by heart": ("dropout", "weight_decay"),
    }

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
    max_tokens: int = Field(
        2048, ge=16, le=BEYOND, description="Tokens in one batch; lower it when memory runs out."
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
    validate_every: int = Field(
        250,
        ge=1,
        le=BEYOND,
        description="Updates between two validations; each also saves a checkpoint.",
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
