"""The numbers as tables, as a figure, and as ``README.md``; nothing in it that was not measured."""

import dataclasses
import datetime
import importlib.metadata
import os
import platform
import statistics
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from helpers.common.figures import BLUE, GREEN, GREY, ORANGE, Picture
from helpers.common.files import write_whole
from helpers.common.report import text_table
from tests.benchmarks import peers

MB = 1_000_000
PACKAGES = ("ve-fairseq", "torch", "tokenizers", "tiktoken", "numpy")
PARTS = {
    "both": "From text to binary files",
    "encode": "Text to GPT-2 ids (`.raw` → `.bpe`)",
    "binarize": "GPT-2 ids to binary files (`.bpe` → `.bin`, `.idx`)",
}
HEAD = (
    "tool",
    "text, MB",
    "seconds",
    "lowest to highest",
    "runs",
    "MB/s",
    "times as fast as fairseq",
)
FIGURE = "seconds.png"
TEMPLATE = Path(__file__).with_name("template.md")
COLOURS = {
    peers.FAIRSEQ: (ORANGE, "o-"),
    peers.KIT_STEPS: (GREEN, "D-"),
    peers.KIT: (BLUE, "s-"),
    peers.HUGGING_FACE: (GREY, "^-"),
    peers.TIKTOKEN: ("black", "x:"),
}


@dataclasses.dataclass(frozen=True)
class Times:
    """What was measured on one corpus.

    Attributes:
        bytes: of text in train.
        seconds: of every run, by tool and part.
        memory: the most that all processes of the kit's ``prepare`` held together, in bytes.
    """

    bytes: int
    seconds: dict[tuple[str, str], list[float]]
    memory: int

    def median(self, tool: str, part: str) -> float:
        return statistics.median(self.seconds[tool, part])

    def tools(self, part: str) -> list[str]:
        """Those that do a part, fairseq first."""
        return [tool for tool, its in self.seconds if its == part]


@dataclasses.dataclass(frozen=True)
class Bench:
    """All that was measured, and on what: bytes and number of the distinct documents."""

    times: list[Times]
    workers: int
    bytes: int
    documents: int
    packages: int
    load: float


def rows(bench: Bench, part: str) -> list[tuple[object, ...]]:
    """The table of a part: a row for each tool and size."""
    found = []
    for tool in bench.times[0].tools(part):
        for times in bench.times:
            runs, median = times.seconds[tool, part], times.median(tool, part)
            found.append(
                (
                    tool,
                    f"{times.bytes / MB:.3g}",
                    f"{median:.2f}",
                    f"{min(runs):.2f}–{max(runs):.2f}",
                    len(runs),
                    f"{times.bytes / MB / median:.3g}",
                    f"{times.median(peers.FAIRSEQ, part) / median:.1f}",
                )
            )
    return found


def exponent(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """The power of the size that the time grows with: least squares on the logarithms.

    >>> round(exponent([10, 40, 100], [20, 80, 200]), 3)
    1.0
    """
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def exponents(bench: Bench) -> list[tuple[object, ...]]:
    """For each tool the exponent of its time from text to binary files."""
    sizes = [times.bytes for times in bench.times]
    return [
        (tool, f"{exponent(sizes, [times.median(tool, 'both') for times in bench.times]):.2f}")
        for tool in bench.times[0].tools("both")
    ]


def memory(bench: Bench) -> list[tuple[object, ...]]:
    """The most memory of the kit's ``prepare`` on each corpus."""
    return [(f"{t.bytes / MB:.3g}", f"{t.memory / MB:.0f}") for t in bench.times]


def tables(bench: Bench) -> dict[str, tuple[Sequence[str], list]]:
    """Every table by its title: column names and rows."""
    found = {title: (HEAD, rows(bench, part)) for part, title in PARTS.items()}
    if len(bench.times) > 1:
        found["Time grows with the size to the power of"] = (
            ("tool", "exponent"),
            exponents(bench),
        )
    columns = ("text, MB", "most memory of all processes of `prepare` together, MB")
    return found | {"Memory of this kit": (columns, memory(bench))}


def printed(bench: Bench) -> str:
    """The tables for a terminal."""
    return "\n".join(f"\n{title}\n{text_table(*table)}" for title, table in tables(bench).items())


def processor() -> str:
    """The processor by its maker's name."""
    info = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in info if line.startswith("model name")]
    return next(iter(models), platform.machine())


def machine(bench: Bench) -> list[tuple[object, ...]]:
    """What it was measured on, without its name."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    versions = (f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    return [
        ("date", datetime.date.today().isoformat()),
        ("processor", processor()),
        ("cores, and workers of every tool that has workers", bench.workers),
        ("memory", f"{total / 1e9:.1f} GB"),
        ("load before it began (processes that ran already)", f"{bench.load:.1f}"),
        ("Python", platform.python_version()),
        ("packages", ", ".join(versions)),
    ]


def picture(bench: Bench) -> Picture:
    """Seconds against size for every tool, with the range of its runs."""
    drawn = Picture(height=4.6)
    axes = drawn.subplots()
    sizes = [times.bytes / MB for times in bench.times]
    for tool in bench.times[0].tools("both"):
        runs = [times.seconds[tool, "both"] for times in bench.times]
        middle = [statistics.median(one) for one in runs]
        below = [m - min(one) for m, one in zip(middle, runs, strict=True)]
        above = [max(one) - m for m, one in zip(middle, runs, strict=True)]
        colour, form = COLOURS[tool]
        axes.errorbar(sizes, middle, (below, above), fmt=form, color=colour, capsize=3, label=tool)
    axes.set(
        title="From text to fairseq's binary files",
        xlabel="text (MB, log scale)",
        ylabel="time (seconds, log scale)",
        xscale="log",
        yscale="log",
    )
    axes.set_xticks(sizes, [f"{size:.3g}" for size in sizes])
    axes.xaxis.minorticks_off()
    axes.yaxis.set_major_formatter("{x:g}")
    axes.grid(alpha=0.3)
    drawn.legend(loc="outside lower center", ncols=2)
    return drawn


def markdown(head: Sequence[str], body: Sequence[Sequence[object]]) -> str:
    columns = ([str(cell) for cell in column if cell != ""] for column in zip(*body, strict=True))
    numbers = [all(cell[0].isdigit() for cell in column) for column in columns]
    lines = [head, ["---:" if number else "---" for number in numbers], *body]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def readme(bench: Bench) -> str:
    """The whole of ``README.md``."""
    last = bench.times[-1]
    slow, fast = last.median(peers.FAIRSEQ, "both"), last.median(peers.KIT, "both")
    again = " The largest corpora hold documents more than once, each time in another order."
    sections = (f"## {title}\n\n{markdown(*table)}" for title, table in tables(bench).items())
    return TEMPLATE.read_text("utf-8").format(
        size=f"{last.bytes / MB:.3g}",
        fairseq=f"{slow:.1f}",
        kit=f"{fast:.2f}",
        ratio=f"{slow / fast:.1f}",
        machine=markdown(("measured on", ""), machine(bench)),
        tables="\n\n".join(sections),
        packages=bench.packages,
        distinct=f"{bench.bytes / MB:.1f}",
        documents=f"{bench.documents:,}",
        more=again if bench.bytes < last.bytes else "",
    )


def write(bench: Bench, folder: Path) -> None:
    """Write the README and its figure."""
    write_whole(folder / FIGURE, picture(bench)._repr_png_())
    write_whole(folder / "README.md", readme(bench))
