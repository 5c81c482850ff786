"""fairseq's masked-LM loss and its Adam in less time and memory, with the same numbers.

fairseq makes five tables of (hidden tokens × vocabulary): the logits, their logarithms, and the
gradients of both. Here a few rows at a time are made and forgotten, and the gradient is found
while they are there. And Adam goes over each weight once where fairseq goes over it ten times.
Both differ from fairseq's in the order of sums only, the last digits of single precision.
"""

import math

import torch
from fairseq.criterions.masked_lm import MaskedLmLoss
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
    adamw(
        weights,
        [each.grad for each in weights],
        *([state[name] for state in states] for name in MOMENTS),
        [],
        [torch.tensor(float(step), device=each.device) for each in weights],
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


def make_faster():
    """Put both in the place of fairseq's."""
    MaskedLmLoss.forward = loss_by_parts
    adam.Adam.step = step_at_once
