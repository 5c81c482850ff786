"""How long an update takes: its parts are tried on the device, each for a moment."""

import contextlib
import functools
import statistics
import threading
import time
from collections.abc import Callable, Iterator

from helpers.machine.costs import NUMBER, Network
from helpers.machine.devices import NUMBERS

PATIENCE = 0.05  # seconds that a part is repeated for, after a first time that does not count
# For more of them the time grows alike; a GPU computes some in the time of one.
TOKENS, ROWS = {"cpu": 1024, "cuda": 2**15}, {"cpu": 256, "cuda": 2**12}
WEIGHTS = 2**22
ALONE = 0.1  # share of the work that further cores do not take over, as on two
EXCHANGED = 10**9  # bytes a second through gloo, between processes of one machine
_ONE_AT_A_TIME = threading.Lock()  # or one plan would take the threads of another for all
AROUND = 0.02  # seconds of an update in which fairseq reads, hides and logs


def update_seconds(
    network: Network, tokens: int, batches: int, device: str, precision: str, beside: int = 1
) -> float:
    """One update of so many batches of so many tokens, where the device is left to it.

    Of a processor, one core is tried, in seconds that it has worked: with two, the time depends
    mostly on what else the machine does, and nothing can be said beforehand.

    Args:
        device: by PyTorch's name, such as ``cuda:1``.
        precision: a key of ``NUMBERS``.
        beside: processes that share the cores.
    """
    hidden = max(1, round(network.mask_prob * tokens))
    kind = device.partition(":")[0]
    rows = min(hidden, ROWS[kind])
    with _ONE_AT_A_TIME, _one_core() as there:
        layer = _layer(
            *(network.width, network.inner, network.heads, network.dropout),
            *(network.sample, min(tokens, TOKENS[kind]), device, precision),
        )
        head = _head(network.width, network.vocabulary, rows, device, precision)
        step = _step(device)
    batch = network.layers * layer * tokens + head * hidden
    share = 1.0
    if device == "cpu":
        share = ALONE + (1 - ALONE) / max(1, there // beside)
    return share * (batches * batch + network.parameters * step) + AROUND


@contextlib.contextmanager
def _one_core() -> Iterator[int]:
    """PyTorch with one thread; how many it had."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield before
    finally:
        torch.set_num_threads(before)


def exchange_seconds(network: Network, number: int) -> float:
    """So many processes on a processor add their gradients, once an update."""
    return 2 * (number - 1) * NUMBER * network.parameters / EXCHANGED


@functools.lru_cache(maxsize=64)
def _layer(
    width: int,
    inner: int,
    heads: int,
    dropout: float,
    sample: int,
    tokens: int,
    device: str,
    precision: str,
) -> float:
    """Seconds of a token in one layer, forwards and back."""
    import torch

    layer = torch.nn.TransformerEncoderLayer(
        width, heads, inner, dropout, "gelu", batch_first=True, device=device
    )
    samples = max(1, tokens // sample)
    states = torch.randn(samples, sample, width, device=device, requires_grad=True)
    kind, numbers = torch.device(device).type, getattr(torch, NUMBERS[precision])

    def work() -> None:
        with torch.autocast(kind, numbers, enabled=precision != "fp32"):
            found = layer(states)
        found.float().sum().backward()
        layer.zero_grad()

    return _seconds(work, device) / (samples * sample)


@functools.lru_cache(maxsize=64)
def _head(width: int, vocabulary: int, rows: int, device: str, precision: str) -> float:
    """Seconds of a hidden token in the loss, with its gradient."""
    import torch

    from helpers.training.launcher.summed_loss import summed_loss

    shapes = ((rows, width), (vocabulary, width), (vocabulary,))
    given = [torch.randn(shape, device=device, requires_grad=True) for shape in shapes]
    wanted = torch.zeros(rows, dtype=torch.long, device=device)
    numbers = getattr(torch, NUMBERS[precision])

    def work() -> None:
        torch.autograd.grad(summed_loss(*given, wanted, numbers), given)

    return _seconds(work, device) / rows


@functools.lru_cache(maxsize=4)
def _step(device: str) -> float:
    """Seconds of a parameter, whose gradient is divided, measured and clipped, in Adam."""
    import torch

    weight = torch.zeros(WEIGHTS, device=device, requires_grad=True)
    weight.grad = torch.zeros_like(weight)
    adam = torch.optim.AdamW([weight], fused=True)

    def work() -> None:
        weight.grad.mul_(0.5)
        torch.nn.utils.clip_grad_norm_([weight], 1.0)
        adam.step()

    return _seconds(work, device) / WEIGHTS


def _seconds(work: Callable[[], object], device: str) -> float:
    """The median of some times."""
    import torch

    clock = time.thread_time if device == "cpu" else time.perf_counter

    def timed() -> float:
        before = clock()
        work()
        if device != "cpu":
            torch.cuda.synchronize(device)
        return clock() - before

    timed()  # memory is fetched
    found, begun = [], clock()
    while not found or clock() - begun < PATIENCE:
        found.append(timed())
    return statistics.median(found)
