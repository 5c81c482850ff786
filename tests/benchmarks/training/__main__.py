"""``python -m tests.benchmarks.training FOLDER``: how fast each trainer is, on this machine.

All train the same model on the same samples, in the same precision, and take turns. It writes
``README.md`` and ``speed.png`` beside this file; on a machine with a GPU ``gpu.md`` and
``gpu.png``.
"""

import contextlib
import dataclasses
import datetime
import json
import os
import re
import statistics
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch

from helpers.common.errors import CourseError
from helpers.common.figures import BLUE, ORANGE, Picture
from helpers.common.files import PROJECT, fresh_folder, write_whole
from helpers.common.processes import cores
from helpers.common.report import text_table
from helpers.machine.devices import chosen, refused_gpu
from helpers.machine.resources import machine
from helpers.stages.road import ROAD
from helpers.training.command import CONFIG_FILE, overrides, train_command
from helpers.training.log.events import TRAIN, parse_event
from helpers.training.plan.plan import TrainingPlan
from helpers.training.plan.planning import plan_training
from helpers.training.precision import precision
from helpers.training.train import LAUNCHER
from helpers.workflow.settings import BaseSettings
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace
from tests.benchmarks.report import markdown, processor
from tests.benchmarks.training.trained import RATE, WARM, Task
from tests.support import checkpoint_makers as make

HERE = Path(__file__).parent
KIT, FAIRSEQ, TRAINER, LEAN = "this kit", "fairseq", "Hugging Face Trainer", "a lean loop"
MODULES = {TRAINER: "hugging_face", LEAN: "lean"}
TURNS = 3
_TIME = re.compile(r"\[\d+-\d+-\d+ (\d+):(\d+):(\d+),(\d+)\]")


@dataclasses.dataclass(frozen=True)
class Size:
    """A model, tokens of a batch, and updates of a run."""

    layers: int
    width: int
    tokens: int
    updates: int

    def __str__(self) -> str:
        return f"{self.layers} × {self.width}"


SIZES = {
    "cpu": (Size(4, 128, 2048, 18), Size(12, 768, 1024, 8)),
    "cuda": (Size(12, 768, 2**15, 40), Size(4, 128, 2**15, 40)),
}
PAGES = {"cpu": ("README.md", "speed.png"), "cuda": ("gpu.md", "gpu.png")}
PRODUCT = 8192  # rows and columns of the matrices that show what a GPU can


@dataclasses.dataclass(frozen=True)
class Run:
    """One trainer's run: tokens a second, the most bytes in memory, and its last losses' mean.

    ``planned`` are the tokens a second that the plan tells before, of this kit only. The memory is
    the GPU's where it trains on one.
    """

    rate: float
    memory: int
    loss: float
    planned: float = 0.0


def prepared(folder: Path, size: Size) -> Workspace:
    """The sample up to data-bin, and a model of this size with random weights."""
    work = Workspace(folder / f"{size.layers}-{size.width}")
    widths = (size.layers, size.width, 4 * size.width, size.width // 64)
    shape = dict(zip(make.TINY, widths, strict=True))
    if not (work.data_bin / "train.bin").exists():
        if not work.texts.exists():
            ROAD.run("sample", work, ROAD["sample"].settings())
        weights = make.fitting(make.tensors(shape))
        base = make.put(make.current(weights, shape), folder / f"base-{size.width}")
        ROAD.run("base", work, BaseSettings(source=str(base)))
        for name in ("split", "encode", "binarize"):
            ROAD.run(name, work, ROAD[name].settings())
    return work


def settings_of(task: Task) -> FinetuneSettings:
    """What this kit is given, and fairseq."""
    return FinetuneSettings(
        max_update=task.updates,
        validate_every=task.updates,
        lr=RATE,
        max_tokens=task.tokens,
        precision=task.precision,
    )


def command(trainer: str, task: Task) -> list[str]:
    """How a trainer is started."""
    if trainer in MODULES:
        module = f"tests.benchmarks.training.{MODULES[trainer]}"
        return [sys.executable, "-m", module, *task.words()]
    work, settings = Workspace(task.workspace), settings_of(task)
    silent = {"++checkpoint.no_save": True, "++dataset.disable_validation": True}
    said = {"common.log_interval": 1, "hydra.run.dir": fresh_folder(work.training)}
    words = train_command(CONFIG_FILE, overrides(work, settings) | silent | said)
    return [sys.executable, "-P", str(LAUNCHER), *words[1:]] if trainer == KIT else words


def planned(task: Task) -> float:
    """Tokens a second that the plan tells; in a fresh process, as a student sees it."""
    code = (
        "import sys; from tests.benchmarks.training import __main__ as bench; "
        "print(1 / bench.plan_of(bench.Task.of_arguments()).speed.token)"
    )
    words = [sys.executable, "-c", code, *task.words()]
    return float(subprocess.check_output(words, env=environment()))


def environment() -> dict[str, str]:
    """Where a trainer's process finds the project."""
    paths = [str(PROJECT), os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


def plan_of(task: Task) -> TrainingPlan:
    return plan_training(Workspace(task.workspace), settings_of(task))


def run(trainer: str, task: Task) -> Run:
    """Run a trainer in a process of its own.

    Raises:
        CourseError: it failed.
    """
    log = task.workspace / "benchmark.log"
    with log.open("wb") as sink, gpu_memory() as most:
        process = subprocess.Popen(
            command(trainer, task), stdout=sink, stderr=sink, env=environment()
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = status
    said = log.read_text("utf-8", errors="replace")
    if status:
        raise CourseError(f"{trainer} failed: {said[-2000:]}", f"Its output is in {log}.")
    rate, losses = json.loads(said.splitlines()[-1]) if trainer in MODULES else _logged(said)
    told = planned(task) if trainer == KIT else 0.0
    memory = max(most) if most else 1024 * usage.ru_maxrss
    return Run(rate, memory, statistics.mean(losses[-5:]), told)


@contextlib.contextmanager
def gpu_memory() -> Iterator[list[int]]:
    """Bytes of the GPU that others have taken since it began, looked at again and again."""
    most: list[int] = []
    if not torch.cuda.is_available():
        yield most
        return
    before, ended = torch.cuda.mem_get_info()[0], threading.Event()

    def look() -> None:
        while not ended.wait(0.05):
            most.append(before - torch.cuda.mem_get_info()[0])

    thread = threading.Thread(target=look)
    thread.start()
    yield most
    ended.set()
    thread.join()


def work_of(task: Task) -> float:
    """Operations for a token: 6 · parameters, and 12 · layers · width · length for attention."""
    model, samples = task.model(), task.samples()
    length = statistics.mean(map(len, samples))
    shape = model.config
    return 6 * model.num_parameters() + 12 * shape.num_hidden_layers * shape.hidden_size * length


def most_work(numbers: str) -> float:
    """Operations a second in a product of large matrices, on the GPU: the fastest of some."""
    kind = {"fp32": torch.float32, "bf16": torch.bfloat16}[numbers]
    one, other = torch.randn(2, PRODUCT, PRODUCT, device="cuda").to(kind)
    seconds = []
    for _ in range(12):
        begun, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begun.record()
        torch.mm(one, other)
        ended.record()
        ended.synchronize()
        seconds.append(begun.elapsed_time(ended) / 1000)
    return 2 * PRODUCT**3 / min(seconds)


def _logged(said: str) -> tuple[float, list[float]]:
    """Tokens a second after the first updates, and the losses, of fairseq's log."""
    times, tokens, losses = [], [], []
    for line in said.splitlines():
        event, time = parse_event(line), _TIME.search(line)
        if event and time and event.kind == TRAIN:
            hours, minutes, seconds, thousandths = map(int, time.groups())
            times.append(3600 * hours + 60 * minutes + seconds + thousandths / 1000)
            tokens.append(event.values["wpb"])
            losses.append(event.loss)
    lasted = (times[-1] - times[WARM - 1]) % 86400
    return sum(tokens[WARM:]) / lasted, losses


Runs = Mapping[tuple[Size, str, str], list[Run]]


def measured(folder: Path) -> Runs:
    """All trainers at all sizes, in single precision and in what suits the device, in turns."""
    found: dict[tuple[Size, str, str], list[Run]] = {}
    for size in SIZES[chosen("auto").type]:
        work = prepared(folder, size)
        suits = precision(work, FinetuneSettings(max_tokens=size.tokens)).name
        for numbers in dict.fromkeys(("fp32", suits)):
            task = Task(work.root, size.updates, size.tokens, numbers)
            trainers = [KIT, TRAINER, LEAN] if numbers != "fp32" else [KIT, FAIRSEQ, TRAINER, LEAN]
            for _ in range(TURNS):
                for trainer in trainers:
                    each = run(trainer, task)
                    print(f"{size} {numbers} {trainer}: {each}", file=sys.stderr, flush=True)
                    found.setdefault((size, numbers, trainer), []).append(each)
    return found


def rows(runs: Runs) -> Iterator[tuple[object, ...]]:
    """A row for each trainer: medians, and the ratio to the lean loop of that size."""
    for (size, numbers, trainer), each in runs.items():
        rate = statistics.median(run.rate for run in each)
        lean = statistics.median(run.rate for run in runs[size, numbers, LEAN])
        yield (
            str(size),
            numbers,
            trainer,
            len(each),
            f"{rate:,.0f}",
            f"{min(run.rate for run in each):,.0f} to {max(run.rate for run in each):,.0f}",
            f"{rate / lean:.2f}",
            f"{told:,.0f}" if (told := statistics.median(run.planned for run in each)) else "",
            f"{max(run.memory for run in each) / 1e9:.2f} GB",
            f"{statistics.median(run.loss for run in each):.2f}",
        )


def shares(folder: Path, runs: Runs) -> Iterator[tuple[object, ...]]:
    """What the GPU did in each run, beside what it does in a product of large matrices."""
    work, most = {}, {}
    for (size, numbers, trainer), each in runs.items():
        if size not in work:
            work[size] = work_of(Task(prepared(folder, size).root, 1, size.tokens, numbers))
        if numbers not in most:
            most[numbers] = most_work(numbers)
        done = statistics.median(run.rate for run in each) * work[size]
        yield str(size), numbers, trainer, f"{done / 1e12:.1f}", f"{done / most[numbers]:.0%}"


SHARES = ("model", "precision", "trainer", "TFLOP/s", "of what a large matrix product does")
HEAD = (
    *("model", "precision", "trainer", "runs", "tokens a second", "from … to"),
    *("of the lean loop's", "as planned", "memory", "loss at the end, bits"),
)


def picture(runs: Runs) -> Picture:
    """Tokens a second of each trainer, by the lean loop's."""
    drawn = Picture(height=4.2)
    axes = drawn.subplots()
    groups = list(dict.fromkeys((size, numbers) for size, numbers, _ in runs))
    colours = {KIT: BLUE, FAIRSEQ: "#7f9fc4", TRAINER: ORANGE, LEAN: "#8a8a8a"}
    for place, trainer in enumerate(colours):
        at, high = [], []
        for group, (size, numbers) in enumerate(groups):
            if each := runs.get((size, numbers, trainer)):
                lean = statistics.median(run.rate for run in runs[size, numbers, LEAN])
                at.append(group + 0.2 * (place - 1.5))
                high.append(statistics.median(run.rate for run in each) / lean)
        axes.bar(at, high, 0.18, color=colours[trainer], label=trainer)
    axes.set_xticks(range(len(groups)), [f"{size}\n{numbers}" for size, numbers in groups])
    axes.set(
        title="Training speed beside a lean loop in PyTorch",
        xlabel="model (layers × width) and precision",
        ylabel="tokens a second, by the lean loop's",
    )
    axes.grid(axis="y", alpha=0.3)
    drawn.legend(loc="outside lower center", ncols=4)
    return drawn


def main() -> None:
    """Measure, and write what was measured."""
    folder = Path(sys.argv[1]).resolve()
    load = os.getloadavg()[0]
    write(folder, measured(folder), load)


def write(folder: Path, runs: Runs, load: float) -> None:
    """The page and the figure."""
    table = list(rows(runs))
    print(text_table(HEAD, table))
    device = chosen("auto")
    where = machine(folder, device)
    refused = refused_gpu()
    page, pictured = PAGES[device.type]
    told = [
        ("date", datetime.date.today().isoformat()),
        ("device", where.device),
        ("processor", processor()),
        ("cores", cores()),
        ("load before it began (processes that ran already)", f"{load:.1f}"),
        ("GPU", f"none was measured: {refused}" if refused else where.device),
        ("torch", torch.__version__),
    ]
    work = markdown(SHARES, list(shares(folder, runs))) if device.type == "cuda" else ""
    text = (HERE / "page.template").read_text("utf-8")
    text = text.format(
        picture=pictured,
        machine=markdown(("measured on", ""), told),
        table=markdown(HEAD, table),
        work=work,
        warm=WARM,
    )
    write_whole(HERE / pictured, picture(runs)._repr_png_())
    write_whole(HERE / page, text)


if __name__ == "__main__":
    main()
