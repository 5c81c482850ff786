"""fairseq's masked-LM loss and its Adam in less time and memory, with the same numbers.

fairseq makes five tables of (hidden tokens × vocabulary): the logits, their logarithms, and the
gradients of both. Here a few rows at a time are made and forgotten, and the gradient is found
while they are there. And Adam goes over each weight once where fairseq goes over it ten times.
Both differ from fairseq's in the order of sums only, the last digits of single precision.

Where tokens are replaced by others, fairseq adds up the chances of the whole vocabulary for each
sample, of which a GPU computes hundreds a second: here that is done once, and the same are drawn.

On a GPU, whose work is ordered kernel by kernel, the gradient's length is found for all weights at
once, as fairseq does where NVIDIA's apex is installed. Attention is not cuDNN's, which plans anew
for each shape that a batch has, for some milliseconds a layer; and batches are padded to a length
that other kernels for it take as it is.
"""

import math
import types

import fairseq.utils
import numpy as np
import torch
from fairseq.criterions.masked_lm import MaskedLmLoss
from fairseq.data import PadDataset, data_utils, mask_tokens_dataset
from fairseq.models.roberta.model import RobertaLMHead
from fairseq.optim import adam
from torch.optim.adamw import adamw

from helpers.training.launcher.summed_loss import summed_loss

fairseqs_loss = MaskedLmLoss.forward


def loss_by_parts(self, model, sample, reduce=True):
    """fairseq's ``MaskedLmLoss.forward`` for models whose gradients need no scaling."""
    hidden = sample["target"].ne(self.padding_idx)
    head = model.encoder.lm_head
    kind = kind_of_products(head.weight)
    # Gradients in fp16 have to be scaled before they are rounded, which autograd does.
    if kind == torch.float16 or type(head) is not RobertaLMHead or not hidden.any():
        return fairseqs_loss(self, model, sample, reduce)
    features = model(**sample["net_input"], features_only=True)[0][hidden]
    features = head.layer_norm(head.activation_fn(head.dense(features)))
    loss = summed_loss(features, head.weight, head.bias, sample["target"][hidden], kind)
    size = hidden.int().sum()
    told = {"loss": loss.data, "sample_size": size}
    told |= {name: sample[name] for name in ("ntokens", "nsentences")}
    return loss, size, told


def kind_of_products(weight):
    """In which numbers its products are computed, here and now."""
    device = weight.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weight.dtype


fairseqs_step = adam.Adam.step
MOMENTS = ("exp_avg", "exp_avg_sq")


def step_at_once(self, closure=None):
    """fairseq's ``Adam.step`` by PyTorch's fused kernel, with the same state."""
    groups = self.param_groups
    weights = [each for group in groups for each in group["params"] if each.grad is not None]
    if any(g.get("amsgrad") for g in groups) or not all(fits(w, self.state[w]) for w in weights):
        return fairseqs_step(self, closure)
    loss = None if closure is None else closure()
    for group in groups:
        by_step = {}
        for each in group["params"]:
            if each.grad is None:
                continue
            if not self.state[each]:
                moments = {name: torch.zeros_like(each) for name in MOMENTS}
                self.state[each] |= {"step": 0} | moments
            by_step.setdefault(int(self.state[each]["step"]), []).append(each)
        for step, some in by_step.items():
            _update(some, [self.state[each] for each in some], step, group)
    return loss


def fits(weight, state):
    """Whether the kernel may have a weight, its gradient and its state: it looks at nothing itself.

    Halves (of which fairseq keeps copies), what lies in memory in another order, and what has
    another shape, as in somebody else's checkpoint, is left to fairseq, which does it or refuses.
    """
    every = [weight, weight.grad, *(state.get(name) for name in MOMENTS if state)]
    return all(
        torch.is_tensor(each)
        and each.layout == torch.strided
        and each.dtype == torch.float32
        and each.shape == weight.shape
        and each.device == weight.device
        and each.is_contiguous()
        for each in every
    )


@torch.no_grad()
def _update(weights, states, step, group):
    first, second = group["betas"]
    steps = torch.full((len(weights),), float(step), device=weights[0].device)
    adamw(
        weights,
        [each.grad for each in weights],
        *([state[name] for state in states] for name in MOMENTS),
        [],
        list(steps.unbind()),
        fused=True,
        amsgrad=False,
        beta1=first,
        beta2=second,
        lr=group["lr"],
        weight_decay=group["weight_decay"],
        # fairseq adds eps to the root of the second moment, PyTorch to that without its bias.
        eps=group["eps"] / math.sqrt(1 - second ** (step + 1)),
        maximize=False,
    )
    for state in states:
        state["step"] = step + 1


def length_at_once(gradients):
    """The length of all gradients together, a tensor of one number."""
    lengths = torch._foreach_norm(gradients, 2, dtype=torch.float32)
    return torch.linalg.vector_norm(torch.stack(lengths))


class Draws(np.random.Generator):
    """NumPy's generator, which adds up chances once as long as they are the same array."""

    _chances = _sums = None

    def choice(self, among, size=None, replace=True, p=None):
        if p is None:
            return super().choice(among, size, replace)
        if Draws._chances is not p:
            sums = p.cumsum()
            Draws._chances, Draws._sums = p, sums / sums[-1]
        return Draws._sums.searchsorted(self.random(size), side="right")

    @classmethod
    def seeded(cls, seed):
        return cls(np.random.PCG64(seed))


def make_draws_faster():
    """Give fairseq's masks the generator above in the place of NumPy's."""
    draws = types.SimpleNamespace(default_rng=Draws.seeded)
    mask_tokens_dataset.np = types.SimpleNamespace(**{**vars(np), "random": draws})


EIGHTS = 8


def padded_to_eights(dataset, samples):
    """fairseq's batch of samples, a little longer; what is padded counts for nothing."""
    return data_utils.collate_tokens(
        samples,
        dataset.pad_idx,
        left_pad=dataset.left_pad,
        pad_to_length=dataset.pad_length,
        pad_to_multiple=EIGHTS,
    )


def make_faster():
    """Put all of it in the place of fairseq's."""
    MaskedLmLoss.forward = loss_by_parts
    adam.Adam.step = step_at_once
    make_draws_faster()
    if torch.cuda.is_available():
        fairseq.utils.multi_tensor_l2norm_available = True
        fairseq.utils.multi_tensor_total_norm = length_at_once
        torch.backends.cuda.enable_cudnn_sdp(False)
        PadDataset.collater = padded_to_eights
