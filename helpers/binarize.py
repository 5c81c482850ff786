"""GPT-2 ids to fairseq's binary files (``.bpe`` → ``data-bin/mydata``), with the base's dictionary.

The dictionary belongs to the model: another order of the same symbols fits the model without an
error and turns it to noise. So it is taken from beside the base model, and from nowhere else.
"""

import dataclasses
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from helpers.bpe import count_bpe
from helpers.dictionary import UNK, Dictionary
from helpers.errors import CourseError
from helpers.fairseq_tools import preprocess_command, run
from helpers.files import fresh_folder
from helpers.indexed import PIECE, binarize_file, read_sizes
from helpers.report import Grid, Report, Table
from helpers.settings import BinarizeSettings
from helpers.stage import Job, Stage
from helpers.workers import ALONE, Workers, allowed_workers
from helpers.workspace import SPLITS, Workspace

NAMED = 10  # shards in the report


@dataclasses.dataclass(frozen=True, kw_only=True)
class BinarizeReport(Report):
    """Lines, tokens (without ``</s>``), bytes and unknown tokens per split; types as fairseq."""

    TITLE = "Tokens are binarized with the base model's dictionary"
    lines: tuple[int, ...]
    tokens: tuple[int, ...]
    bytes: tuple[int, ...]
    unknown: tuple[int, ...]
    types: int
    dictionary: str  # fingerprint of the order of its symbols
    shards: tuple[tuple[str, int, int, int], ...] = ()  # name, lines, tokens, bytes

    def table(self) -> Table:
        columns = (SPLITS, self.lines, self.tokens, self.unknown, self.bytes)
        rows = [(f"{split}.bin", *values) for split, *values in zip(*columns, strict=True)]
        return ("file", "lines", "tokens", "unknown", "bytes"), rows

    def more(self) -> Grid | None:
        rows, rest = [*self.shards[:NAMED]], self.shards[NAMED:]
        if rest:
            together = (sum(row[column] for row in rest) for column in (1, 2, 3))
            rows.append((f"and {len(rest):,} more", *together))
        head = ("shard", "lines", "tokens", "bytes")
        return (
            Grid(head, rows, "train in shards, of which training reads one an epoch")
            if rows
            else None
        )


def data_folders(folder: Path) -> list[Path]:
    """The folders that fairseq reads in turn: the shards of a data-bin folder, or it alone.

    The first of them has the dictionary and the other splits.
    """
    found = {file.parent for kind in ("bin", "idx") for file in folder.glob(f"shard*/train.{kind}")}
    return sorted(found) or [folder]


def binarized_files(folder: Path) -> list[Path]:
    """The files of a data-bin folder that training reads."""

    def files(place: Path, *splits: str) -> list[Path]:
        return [place / f"{split}.{kind}" for split in splits for kind in ("bin", "idx")]

    first, *others = data_folders(folder)
    found = [first / "dict.txt", *files(first, *SPLITS)]
    for other in others:
        found += files(other, "train")
    # Beside shards there should be none of these.
    beside = [] if first == folder else [folder / "dict.txt", *files(folder, *SPLITS)]
    return [*found, *(file for file in beside if file.is_file())]


def refuse_both(folder: Path) -> None:
    """Raise CourseError if shards and the files of a whole lie side by side."""
    found = [f for f in binarized_files(folder) if f.parent == folder]
    if found and data_folders(folder) != [folder]:
        raise CourseError(
            f"{folder} has shards, and beside them {found[0].name}: which of them is the data?",
            "Remove one of both, or prepare again with force: your own files are then set aside.",
        )


def binarize_folder(
    bpe: dict[str, Path], dictionary: Dictionary, folder: Path, workers: Workers = ALONE
) -> None:
    """Make a data-bin folder, byte for byte as ``fairseq-preprocess`` makes it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dict.txt").write_text(dictionary.text(), "utf-8")
    for split, file in bpe.items():
        binarize_file(file, folder / split, dictionary, workers)


def _work(job: Job) -> BinarizeReport:
    workspace = job.workspace
    workers, notes = allowed_workers(job.settings.workers)
    dictionary = Dictionary.load(workspace.base_dict)
    bpe = {split: workspace.bpe(split) for split in SPLITS}
    for split, file in bpe.items():
        count_bpe(file, workspace.raw(split))
    folder = job.out(workspace.data_bin / "dict.txt").parent
    if job.settings.engine == "fast":
        with Workers(workers) as pool:
            binarize_folder(bpe, dictionary, folder, pool)
    else:
        _run_fairseq(job, bpe, folder, workers)
    report = _report(folder)
    return dataclasses.replace(report, notes=(*notes, *note_on_unknown(report.unknown)))


def note_on_unknown(unknown: Iterable[int]) -> list[str]:
    """What there is to say of the unknown tokens of all splits."""
    total = sum(unknown)
    said = f"{total:,} tokens are not in the base's dictionary and became <unk>."
    return [said] if total else []


def _run_fairseq(job: Job, bpe: dict[str, Path], folder: Path, workers: int) -> None:
    """The reference: fairseq's own tool, after the check that it does not make itself."""
    check = fresh_folder(job.workspace.scratch / "check")
    for file in bpe.values():
        binarize_file(file, check / "data", Dictionary.load(job.workspace.base_dict))
    shutil.rmtree(check)
    command = preprocess_command(bpe, job.workspace.base_dict, folder, workers)
    run(command, job.workspace.scratch / "binarize.log", keep_open=(job.lock,))
    (folder / "preprocess.log").unlink(missing_ok=True)


def _report(folder: Path) -> BinarizeReport:
    first, *others = folders = data_folders(folder)
    own = {split: _counts(first / split) for split in SPLITS}
    trains = [own["train"], *(_counts(other / "train") for other in others)]
    splits = [tuple(map(sum, zip(*trains, strict=True))), own["valid"], own["test"]]
    lines, tokens, sizes, unknown = zip(*splits, strict=True)
    dictionary = Dictionary.load(first / "dict.txt")
    shards = [(place.name, *counts[:3]) for place, counts in zip(folders, trains, strict=True)]
    return BinarizeReport(
        lines=lines,
        tokens=tokens,
        bytes=sizes,
        unknown=unknown,
        types=len(dictionary),
        dictionary=dictionary.fingerprint,
        shards=() if first == folder else tuple(shards),
    )


def _counts(prefix: Path) -> tuple[int, int, int, int]:
    """Lines, tokens, bytes, and unknown tokens."""
    sizes, number_type = read_sizes(prefix)
    size = Path(f"{prefix}.bin").stat().st_size
    data = np.memmap(f"{prefix}.bin", number_type, "r") if size else np.empty(0)
    pieces = (data[start : start + PIECE] for start in range(0, len(data), PIECE))
    unknown = sum(int((piece == UNK).sum()) for piece in pieces)
    tokens = int(sizes.sum(dtype=np.int64)) - len(sizes)
    return len(sizes), tokens, size, unknown


def describe_data(workspace: Workspace) -> BinarizeReport:
    """The report on a data-bin that the student has put there."""
    refuse_both(workspace.data_bin)
    refuse_other_dictionary(workspace)
    return _report(workspace.data_bin)


def refuse_other_dictionary(workspace: Workspace) -> None:
    """Raise CourseError if data-bin was made with another dictionary than the base's."""
    data = data_folders(workspace.data_bin)[0] / "dict.txt"
    base = Dictionary.load(workspace.base_dict)
    if base.fingerprint != Dictionary.load(data).fingerprint:
        raise CourseError(
            f"{workspace.key(data)} is not the dictionary of the base model: its symbols are "
            "others, or in another order.",
            "Run the notebook 03_binarize again; the model would read every token as another one.",
        )


BINARIZE = Stage(
    name="binarize",
    does="make fairseq's binary files",
    notebook="03_binarize",
    settings=BinarizeSettings,
    report=BinarizeReport,
    inputs=lambda workspace, settings: [
        workspace.base_dict,
        *(workspace.bpe(split) for split in SPLITS),
    ],
    outputs=lambda workspace: binarized_files(workspace.data_bin),
    work=_work,
    describe=describe_data,
    after=("encode", "base"),
    instead_of=("prepare",),
)
