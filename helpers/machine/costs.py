"""What a training costs: memory and disk, by the sizes of model and batch."""

import dataclasses

NUMBER = 4  # bytes, in single precision
# Fitted to the peak memory of fourteen trainings on a processor, of 4 and 12 layers 128 and 768
# wide. Bytes that torch and fairseq take beside the model, the logits at once, and copies that
# PyTorch's library makes of matrices in bfloat16:
PYTHON = {"fp32": 400 * 10**6, "bf16": 600 * 10**6, "fp16": 400 * 10**6}
ATTENTION, WIDTHS, INNER = 0.5, 4, 1  # kept for the gradient of a layer, a token, …
ATTENTION_DROPPED, WIDTHS_DROPPED, INNER_DROPPED = 3.5, 7, 2  # … and with dropout
FILES = 4  # checkpoints that lie there together while another is written


@dataclasses.dataclass(frozen=True)
class Network:
    """What the costs of a RoBERTa depend on.

    Attributes:
        parameters: numbers that are learned.
        sample, positions: indices of a sample, and those that the model can read.
        dropout, mask_prob: the shares of training's settings.
    """

    parameters: int
    layers: int
    width: int
    inner: int
    heads: int
    vocabulary: int
    sample: int
    positions: int
    dropout: float
    mask_prob: float

    @property
    def state(self) -> int:
        """Bytes of weights, gradients, the optimizer's two numbers for each.

        The vocabulary's table has two gradients, from both its uses.
        """
        return NUMBER * (4 * self.parameters + self.vocabulary * self.width)

    def kept(self, tokens: int) -> int:
        """Bytes of what a batch leaves in the layers for the gradient."""
        attention, widths, inner = ATTENTION, WIDTHS, INNER
        if self.dropout:
            attention, widths, inner = ATTENTION_DROPPED, WIDTHS_DROPPED, INNER_DROPPED
        layer = attention * self.heads * self.sample + widths * self.width + inner * self.inner
        return round(NUMBER * tokens * self.layers * layer)

    def checkpoint(self) -> int:
        """Bytes of a checkpoint: weights, and the optimizer's two numbers for each."""
        return 3 * NUMBER * self.parameters
