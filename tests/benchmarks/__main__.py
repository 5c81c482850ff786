"""``python -m tests.benchmarks``: make the corpora, run all tools in turn, write the README."""

import argparse
import contextlib
import os
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from helpers.common.errors import CourseError
from helpers.common.processes import allowed_workers
from tests.benchmarks import corpus, peers, report
from tests.benchmarks.corpus import Corpus
from tests.benchmarks.measure import Step, compare, memory_of, seconds_of
from tests.benchmarks.report import MB, Bench, Times

LARGE = 40  # MB; fairseq does larger corpora once only, since it takes long


@contextlib.contextmanager
def _folder(folder: Path) -> Iterator[Path]:
    """A new folder that is removed afterwards."""
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def take(step: Step, folder: Path, reference: Path) -> float:
    """Run a step and compare what it has made; the first that makes a file sets the standard.

    Returns:
        Seconds.

    Raises:
        Different: other bytes than fairseq's.
        CourseError: the command failed.
    """
    seconds = seconds_of(step, folder / "log.txt")
    for name, file in step.makes.items():
        if step.tool == peers.FAIRSEQ and file.is_file() and not (reference / name).exists():
            (reference / name).hardlink_to(file)
    compare(step, reference)
    return seconds


def measure(made: Corpus, folder: Path, workers: int, repeats: int, of_fairseq: int) -> Times:
    """All tools on one corpus, in turn, so that a noisy moment does not hit one of them alone."""
    size = f"{made.bytes / MB:.3g} MB"
    seconds: dict[tuple[str, str], list[float]] = defaultdict(list)
    with _folder(folder / "reference") as reference:
        for number in range(1, repeats + 1):
            for peer in peers.PEERS:
                if peer is peers.fairseq and number > of_fairseq:
                    continue
                with _folder(folder / peer.__name__) as own:
                    steps = peer(made, own, workers)
                    taken = [take(step, own, reference) for step in steps]
                for step, value in zip(steps, taken, strict=True):
                    seconds[step.tool, step.part].append(value)
                if len(steps) > 1:
                    seconds[steps[0].tool, "both"].append(sum(taken))
                print(f"{size}, round {number}: {sum(taken):7.2f} s  {steps[0].tool}", flush=True)
        with _folder(folder / "memory") as own:
            (step,) = peers.kit(made, own, workers)
            memory = memory_of(step, own / "log.txt")
            compare(step, reference)
    return Times(made.bytes, dict(seconds), memory)


def run(sizes: Sequence[float], repeats: int, folder: Path) -> Bench:
    """Measure everything, and write ``README.md`` and the figure into ``folder``.

    Args:
        sizes: of the corpora, in MB.
    """
    workers, _ = allowed_workers(None)
    load = os.getloadavg()[0]
    print("Documents are gathered from the installed packages …", flush=True)
    documents = corpus.gather(int(max(sizes) * MB), workers)
    times = []
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        work = Path(name).resolve()
        for size in sorted(sizes):
            made = corpus.write(documents, int(size * MB), work / "corpus")
            of_fairseq = 1 if size > LARGE else repeats
            times.append(measure(made, work, workers, repeats, of_fairseq))
            shutil.rmtree(work / "corpus")
    bench = Bench(times, workers, documents.bytes, len(documents.texts), documents.packages, load)
    report.write(bench, folder)
    return bench


def _numbers(text: str) -> list[float]:
    return [float(number) for number in text.split(",")]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure as the options say; 2 where something failed or differs."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--sizes", type=_numbers, default="10,40,100", help="of corpora, in MB")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each tool")
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent)
    given = parser.parse_args(arguments)
    if min(*given.sizes, given.repeats) <= 0:
        parser.error("sizes and repeats are above 0")
    try:
        bench = run(given.sizes, given.repeats, given.folder)
    except CourseError as error:
        print(error, file=sys.stderr)
        return 2
    print(report.printed(bench))
    return 0


if __name__ == "__main__":
    sys.exit(main())
