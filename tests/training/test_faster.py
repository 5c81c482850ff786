"""fairseq with our loss and our step of Adam, beside fairseq as it is."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some

from helpers.common.files import PROJECT
from helpers.models import checkpoints
from helpers.training.command import finetune_command
from helpers.training.launcher import summed_loss
from helpers.training.log.events import EPOCH, events
from helpers.training.runs.folders import LAST
from helpers.training.train import LAUNCHER
from helpers.workflow.workspace import Workspace
from tests.support.small import SHORT, untrained

# (On a GPU other kernels compute attention, which draw otherwise what they drop out.)
DROPOUT = 0.0 if torch.cuda.is_available() else 0.1
MANY = SHORT.model_copy(
    update={"max_update": 50, "validate_every": 50, "update_freq": 2, "dropout": DROPOUT}
)


# The course's launcher, without what it is faster by. (fairseq's own tool hides the same tokens in
# epoch after epoch where there are few samples.)
PLAIN = """
import runpy, sys
sys.path.insert(0, {project!r})
import helpers.training.launcher.fairseq_faster as faster
faster.make_faster = lambda: None
runpy.run_path({launcher!r}, run_name="__main__")
"""


def as_fairseq_does(command: list[str], log: Path) -> None:
    code = PLAIN.format(project=str(PROJECT), launcher=str(LAUNCHER))
    run([sys.executable, "-c", code, *command[1:]], log)


def as_the_course_does(command: list[str], log: Path) -> None:
    run([sys.executable, "-P", str(LAUNCHER), *command[1:]], log)


def run(command: list[str], log: Path) -> None:
    with log.open("wb") as out:
        subprocess.run([*command, "common.log_interval=1"], stdout=out, stderr=out, check=True)


def losses(log: Path) -> np.ndarray:
    return np.array([(event.update, event.loss) for event in events(log) if event.kind != EPOCH])


def test_losses_are_those_of_fairseq_and_each_goes_on_where_the_other_ended(
    small: Workspace, tmp_path: Path
) -> None:
    ours, theirs = (untrained(small, tmp_path / name) for name in ("ours", "theirs"))
    ways = (as_the_course_does, as_fairseq_does)
    for workspace, way in zip((ours, theirs), ways, strict=True):
        way(finetune_command(workspace, MANY), workspace.root / "log")
    found = [losses(workspace.root / "log") for workspace in (ours, theirs)]
    assert {*found[0][:, 0]} == {*range(1, 51)}
    np.testing.assert_allclose(*found, rtol=1e-4)
    one, other = (checkpoints.read(workspace.training / LAST) for workspace in (ours, theirs))
    assert same_kinds(one["last_optimizer_state"], other["last_optimizer_state"])

    longer = MANY.model_copy(update={"max_update": 60, "validate_every": 60})
    for workspace, way in zip((ours, theirs), reversed(ways), strict=True):
        way(finetune_command(workspace, longer, resumed=True), workspace.root / "log")
    found = [losses(workspace.root / "log") for workspace in (ours, theirs)]
    assert {*found[0][:, 0]} == {*range(51, 61)}
    np.testing.assert_allclose(*found, rtol=1e-4)


def same_kinds(one: object, other: object) -> bool:
    """Whether two things of dictionaries, lists and tensors are made alike."""
    if isinstance(one, dict):
        keys = one.keys()
        return keys == other.keys() and all(same_kinds(one[key], other[key]) for key in keys)
    if isinstance(one, torch.Tensor):
        return (one.dtype, one.shape) == (other.dtype, other.shape)
    return type(one) is type(other)


DEVICES = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]


@pytest.mark.parametrize("device", DEVICES)
@given(
    rows=some.integers(1, 40),
    vocabulary=some.integers(2, 70),
    at_once=some.integers(1, 2000),
    far=some.sampled_from([0.0, 1.0, 100.0]),
    weighed=some.sampled_from([1.0, 0.5, 128.0]),
    seed=some.integers(0, 99),
)
def test_the_summed_loss_and_its_gradients_are_those_of_pytorch(
    device: str, rows: int, vocabulary: int, at_once: int, far: float, weighed: float, seed: int
) -> None:
    """However few rows are there at once, and with logits whose exponentials have no room."""
    drawn = torch.Generator().manual_seed(seed)
    given_ = [
        (torch.randn(shape, generator=drawn) * scale).to(device).requires_grad_()
        for shape, scale in (((rows, 8), 1.0), ((vocabulary, 8), 1.0), ((vocabulary,), far))
    ]
    targets = torch.randint(0, vocabulary, (rows,), generator=drawn).to(device)

    def by_parts() -> torch.Tensor:
        return summed_loss.summed_loss(*given_, targets, torch.float32)

    def by_pytorch() -> torch.Tensor:
        x, weight, bias = given_
        return torch.nn.functional.cross_entropy(x @ weight.T + bias, targets, reduction="sum")

    found = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(summed_loss.AT_ONCE, device, at_once)
        for way in (by_parts, by_pytorch):
            loss = way()
            found.append((loss, *torch.autograd.grad(weighed * loss, given_)))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4 * weighed)


@pytest.mark.parametrize("device", DEVICES)
def test_in_bfloat16_sums_are_in_single_precision(device: str) -> None:
    """Each product is rounded once, to three digits; a sum of many is as good as that."""
    drawn = torch.Generator().manual_seed(1)
    shapes = ((300, 64), (1001, 64), (1001,))
    given_ = [torch.randn(shape, generator=drawn).to(device).requires_grad_() for shape in shapes]
    targets = torch.randint(0, 1001, (300,), generator=drawn).to(device)
    found = []
    for kind in (torch.bfloat16, torch.float32):
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(summed_loss.AT_ONCE, device, 20 * 1001)
            loss = summed_loss.summed_loss(*given_, targets, kind)
        found.append((loss.detach(), *torch.autograd.grad(loss, given_)))
        assert {each.dtype for each in found[-1]} == {torch.float32}
    for ours, theirs in zip(*found, strict=True):
        assert ours.shape == theirs.shape
        assert float((ours - theirs).norm() / theirs.norm()) < 0.01


def test_without_gradients_none_is_computed(monkeypatch) -> None:
    """As in a validation, whose weights could have gradients, too."""
    x, weight, bias = (torch.ones(shape, requires_grad=True) for shape in ((3, 8), (70, 8), (70,)))
    given_ = (x, weight, bias, torch.tensor([1, 2, 3]), torch.float32)
    loss = summed_loss.summed_loss(*given_)
    monkeypatch.setattr(torch.Tensor, "addmm_", None)
    with torch.no_grad():
        alone = summed_loss.summed_loss(*given_)
    assert alone == loss and not alone.requires_grad
    with pytest.raises(TypeError):
        summed_loss.summed_loss(*given_)


@given(
    sizes=some.lists(some.integers(1, 40), min_size=1, max_size=4),
    counted=some.booleans(),
    options=some.fixed_dictionaries(
        {
            "mask_prob": some.sampled_from([0.15, 0.5, 0.9]),
            "leave_unmasked_prob": some.sampled_from([0.0, 0.1]),
            "random_token_prob": some.sampled_from([0.0, 0.1, 0.9]),
            "mask_multiple_length": some.sampled_from([1, 3]),
            "mask_stdev": some.sampled_from([0.0, 1.0]),
            "seed": some.integers(0, 9),
        }
    ),
    as_targets=some.booleans(),
    epoch=some.integers(1, 9),
)
def test_the_same_tokens_are_hidden_and_replaced_as_by_fairseq(
    sizes, counted, options, as_targets, epoch
) -> None:
    from fairseq.data import Dictionary, ListDataset, MaskTokensDataset, mask_tokens_dataset

    from helpers.training.launcher.fairseq_faster import make_draws_faster

    words = Dictionary()
    for number in range(300):
        words.add_symbol(str(number), n=300 - number)
    mask = words.add_symbol("<mask>")
    drawn = np.random.default_rng(options["seed"])
    samples = [torch.from_numpy(drawn.integers(4, mask, size)) for size in sizes]
    found = []
    before = mask_tokens_dataset.np
    for change in (lambda: None, make_draws_faster):
        change()
        options |= {"freq_weighted_replacement": counted, "return_masked_tokens": as_targets}
        data = MaskTokensDataset(ListDataset(samples), words, words.pad(), mask, **options)
        data.set_epoch(epoch)
        found.append([data[i] for i in range(len(samples))])
    mask_tokens_dataset.np = before
    assert all(torch.equal(*pair) for pair in zip(*found, strict=True))


@pytest.mark.parametrize("device", DEVICES)
def test_the_length_of_a_gradient_is_fairseqs(device: str, monkeypatch) -> None:
    import fairseq.utils

    from helpers.training.launcher.fairseq_faster import length_at_once

    weights = [torch.nn.Parameter(torch.randn(size, device=device)) for size in ((3, 4), (5,), ())]
    for each in weights:
        each.grad = torch.randn_like(each)
    theirs = fairseq.utils.clip_grad_norm_(weights, 0.0)
    monkeypatch.setattr(fairseq.utils, "multi_tensor_l2norm_available", True)
    monkeypatch.setattr(fairseq.utils, "multi_tensor_total_norm", length_at_once, raising=False)
    ours = fairseq.utils.clip_grad_norm_(weights, 0.0)
    torch.testing.assert_close(ours, theirs)
    assert ours.device == theirs.device and ours.shape == theirs.shape


@pytest.mark.parametrize("kind", ["plain", "turned", "cut", "of halves"])
def test_a_step_is_fairseqs_whatever_the_state_in_memory_is(kind: str) -> None:
    """PyTorch's kernel takes no notice of strides, shapes and types."""
    from fairseq.optim.adam import Adam

    from helpers.training.launcher.fairseq_faster import fairseqs_step, step_at_once

    found = []
    for step in (step_at_once, fairseqs_step):
        weight = torch.nn.Parameter(torch.arange(12.0).reshape(3, 4))
        weight.grad = torch.cos(weight.detach())
        moments = [torch.sin(weight.detach()), torch.sin(weight.detach()) ** 2]
        if kind == "turned":
            moments = [each.t().contiguous().t() for each in moments]
        if kind == "cut":
            moments = [each[:2].clone() for each in moments]
        if kind == "of halves":
            moments = [each.double() for each in moments]
        adam = Adam([weight], lr=0.01, weight_decay=0.1)
        adam.state[weight] = {"step": 3, "exp_avg": moments[0], "exp_avg_sq": moments[1]}
        if kind == "cut":
            with pytest.raises(RuntimeError, match="size"):
                step(adam)
        else:
            step(adam)
        found.append(weight.detach().clone())
    torch.testing.assert_close(*found, rtol=1e-6, atol=1e-7)
