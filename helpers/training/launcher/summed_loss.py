"""The loss of hidden tokens, a few rows of logits at a time; it needs no fairseq."""

import math

import torch
import torch.nn.functional as F

# Numbers in the rows that are there at once: what a processor's caches hold, and what keeps a GPU
# busy.
AT_ONCE = {"cpu": 2**23, "cuda": 2**26}


def summed_loss(x, weight, bias, targets, kind):
    """The sum over rows of the cross-entropy, in nats, of ``x @ weight.T + bias``.

    Args:
        x: features of the hidden tokens, (rows, width).
        weight, bias: of the vocabulary, (vocabulary, width) and (vocabulary,).
        targets: what was hidden, (rows,), int64.
        kind: in which matrices are multiplied; all sums are in single precision.
    """
    # (Asked within a function of autograd, whether gradients are needed is always answered yes.)
    return _SummedLoss.apply(x, weight, bias, targets, kind, torch.is_grad_enabled())


class _SummedLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, bias, targets, kind, needed):
        narrow, table = x.to(kind), weight.to(kind)
        if x.is_cuda:  # whose units take numbers eight by eight
            more = -len(weight) % 8
            table, bias = F.pad(table, (0, 0, 0, more)), F.pad(bias, (0, more), value=-math.inf)
        total = x.new_zeros((), dtype=torch.float32)
        if needed:
            # The gradients of the sum.
            of_x, of_bias = torch.empty_like(x), 0
            of_weight = torch.zeros_like(table, dtype=weight.dtype)
        rows = max(1, AT_ONCE[x.device.type] // len(weight))
        for begin in range(0, len(x), rows):
            some, wanted = narrow[begin : begin + rows], targets[begin : begin + rows, None]
            logits = torch.mm(some, table.t()).float().add_(bias)
            top = logits.amax(1, keepdim=True)
            of_wanted = logits.gather(1, wanted)
            summed = logits.sub_(top).exp_().sum(1, keepdim=True)
            total += (summed.log() + top - of_wanted).sum()
            if needed:
                logits.div_(summed).scatter_add_(1, wanted, -torch.ones_like(of_wanted))
                of_bias = of_bias + logits.sum(0)
                logits = logits.to(kind)
                of_x[begin : begin + rows] = torch.mm(logits, table)
                if kind == of_weight.dtype:
                    of_weight.addmm_(logits.t(), some)
                elif x.is_cuda:
                    of_weight = torch.addmm(of_weight, logits.t(), some, out_dtype=weight.dtype)
                else:
                    of_weight += torch.mm(logits.t(), some)
        if needed:
            ctx.save_for_backward(of_x, of_weight[: len(weight)], of_bias[: len(weight)])
        return total

    @staticmethod
    def backward(ctx, gradient):
        found = ctx.saved_tensors
        if gradient.device.type != "cpu" or gradient != 1:  # a GPU need not be waited for
            found = [each * gradient for each in found]
        return *found, None, None, None
