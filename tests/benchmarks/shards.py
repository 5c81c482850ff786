"""``python -m tests.benchmarks.shards``: what a second local worker brings to ``--shards``."""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from helpers.common.errors import CourseError
from helpers.common.processes import allowed_workers
from helpers.common.report import text_table
from tests.benchmarks import corpus, peers
from tests.benchmarks.corpus import Corpus
from tests.benchmarks.measure import Different, seconds_of
from tests.benchmarks.report import MB

WAYS = ((2, 1), (1, 8), (2, 8))  # workers, shards; a single shard is plain prepare


def once(made: Corpus, folder: Path, workers: int, shards: int) -> tuple[float, bytes]:
    """Seconds from start to end of the process, and all lines of train as they were written."""
    (step,) = peers.kit(made, folder, workers, shards)
    seconds = seconds_of(step, folder / "log.txt")
    tasks = sorted((folder / "data-bin").rglob("train.bin"))
    return seconds, b"".join(task.read_bytes() for task in tasks)


def measure(made: Corpus, folder: Path, repeats: int) -> list[tuple[object, ...]]:
    """A row for each way: median seconds, their range, MB/s.

    Raises:
        Different: not the same bytes in all of them.
    """
    seconds: dict[tuple[int, int], list[float]] = {way: [] for way in WAYS}
    first = b""
    for _ in range(repeats):
        for way in WAYS:
            with tempfile.TemporaryDirectory(dir=folder) as name:
                taken, data = once(made, Path(name), *way)
            seconds[way].append(taken)
            first = first or data
            if data != first:
                raise Different(
                    f"{way[1]} shards by {way[0]} workers have other bytes than one file.",
                    "No time counts before this is understood.",
                )
    rows = []
    for (workers, shards), runs in seconds.items():
        middle = statistics.median(runs)
        span = f"{min(runs):.2f}–{max(runs):.2f}"
        rows.append((shards, workers, f"{middle:.2f}", span, f"{made.bytes / MB / middle:.1f}"))
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 2 where something failed or differs."""
    parser = argparse.ArgumentParser(prog="shards", description=__doc__)
    parser.add_argument("--size", type=float, default=1000, help="of the corpus, in MB")
    parser.add_argument("--repeats", type=int, default=1, help="runs of each")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        work = Path(name).resolve()
        documents = corpus.gather(int(given.size * MB), allowed_workers(None)[0])
        made = corpus.write(documents, int(given.size * MB), work / "corpus")
        try:
            rows = measure(made, work, given.repeats)
        except CourseError as error:
            print(error, file=sys.stderr)
            return 2
        print(f"prepare on {made.bytes / MB:.4g} MB of text, start of the process included")
    print(text_table(("shards", "workers", "seconds", "lowest to highest", "MB/s"), rows))
    one, two = (float(rows[WAYS.index((n, 8))][2]) for n in (1, 2))
    print(f"two local workers are {one / two:.2f} times as fast as one")
    return 0


if __name__ == "__main__":
    sys.exit(main())
