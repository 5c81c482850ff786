"""What lies within the range of an option does no harm: both ends, in the parts of fairseq's."""

import itertools
from importlib.util import find_spec

import pytest

from helpers.training.options.extra import RANGES

pytestmark = [
    pytest.mark.skipif(find_spec("fairseq") is None, reason="fairseq is not installed"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning"),
]
LR = 1e-3


def ends(*names: str) -> list[tuple[float, ...]]:
    """Every pair, or more, of the ends of their ranges."""
    return [*itertools.product(*(RANGES[name] for name in names))]


@pytest.mark.parametrize(
    ("first", "second", "eps"),
    ends("optimizer.adam_betas", "optimizer.adam_betas", "optimizer.adam_eps"),
)
def test_adam_moves_what_has_a_gradient_and_nothing_to_infinity(first, second, eps) -> None:
    import torch
    from fairseq.optim.adam import FairseqAdam, FairseqAdamConfig
    from omegaconf import OmegaConf

    moved, still = (torch.nn.Parameter(torch.ones(3)) for _ in range(2))
    cfg = OmegaConf.structured(
        FairseqAdamConfig(adam_betas=[first, second], adam_eps=eps, lr=[LR], tpu=False)
    )
    optimizer = FairseqAdam(cfg, [moved, still])
    for gradient in (1e-3, 0.1, 1.0):
        moved.grad, still.grad = torch.full((3,), gradient), torch.zeros(3)
        optimizer.step()
        assert torch.isfinite(moved).all() and (moved != 1).all()
    assert (still == 1).all()


@pytest.mark.parametrize("power", RANGES["lr_scheduler.power"])
@pytest.mark.parametrize("end", [RANGES["lr_scheduler.end_learning_rate"][0], LR])
@pytest.mark.parametrize("warmup", [0, 3])
def test_the_rate_falls_from_its_highest_and_never_below_its_end(power, end, warmup) -> None:
    import torch
    from fairseq.optim.adam import FairseqAdam, FairseqAdamConfig
    from fairseq.optim.lr_scheduler.polynomial_decay_schedule import (
        PolynomialDecayLRSchedule,
        PolynomialDecayLRScheduleConfig,
    )

    weights = [torch.nn.Parameter(torch.ones(1))]
    cfg = PolynomialDecayLRScheduleConfig(
        warmup_updates=warmup, end_learning_rate=end, power=power, total_num_update=9, lr=[LR]
    )
    schedule = PolynomialDecayLRSchedule(
        cfg, FairseqAdam(FairseqAdamConfig(adam_betas="(0.9,0.98)", lr=[LR]), weights)
    )
    rates = [schedule.step_update(update) for update in range(warmup, 10)]
    assert rates[0] == pytest.approx(LR) and rates[-1] == end
    assert rates == sorted(rates, reverse=True)


@pytest.mark.parametrize(
    ("scale", "window", "tolerance", "least"),
    ends(*(f"common.{n}" for n in ("fp16_init_scale", "fp16_scale_window", "fp16_scale_tolerance")),
         "common.min_loss_scale"),
)  # fmt: skip
def test_gradients_that_stay_infinite_end_the_training(scale, window, tolerance, least) -> None:
    """After some batches that went well."""
    from fairseq.optim.dynamic_loss_scaler import DynamicLossScaler

    scaler = DynamicLossScaler(scale, 2.0, window, tolerance, None, least)
    for _ in range(9):
        scaler.update()
    with pytest.raises(FloatingPointError, match="Minimum loss scale reached"):
        for _ in range(1000):
            with pytest.raises(OverflowError):
                scaler.check_overflow(float("inf"))


@pytest.mark.parametrize(
    ("left", "replaced"), ends("task.leave_unmasked_prob", "task.random_token_prob")
)
def test_something_is_to_be_guessed(left: float, replaced: float) -> None:
    import torch
    from fairseq.data import Dictionary, ListDataset, MaskTokensDataset

    words = Dictionary()
    for number in range(400):
        words.add_symbol(str(number))
    mask = words.add_symbol("<mask>")
    sample = torch.arange(words.nspecial, words.nspecial + 400)
    seen, asked = MaskTokensDataset.apply_mask(
        ListDataset([sample], [400]),
        words,
        pad_idx=words.pad(),
        mask_idx=mask,
        leave_unmasked_prob=left,
        random_token_prob=min(replaced, 1 - left),  # more do not go together
    )
    is_asked = asked[0] != words.pad()
    assert is_asked.sum() == 60 and (seen[0] != sample)[is_asked].any()
    assert (seen[0] == sample)[~is_asked].all()
