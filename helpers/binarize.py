"""GPT-2 ids to fairseq's binary files (``.bpe`` → ``data-bin/mydata``), with the base's dictionary.

The dictionary belongs to the model: another order of the same symbols fits the model without an
error and turns it to noise. So it is taken from beside the base model, and from nowhere else.
"""

import dataclasses
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from helpers.base_model import BASE
from helpers.bpe import ENCODE, count_bpe
from helpers.dictionary import UNK, Dictionary
from helpers.errors import CourseError
from helpers.fairseq_tools import preprocess_command, run
from helpers.indexed import binarize_file, read_sizes
from helpers.report import Report, Table
from helpers.settings import BinarizeSettings
from helpers.stage import Job, Stage
from helpers.workers import ALONE, Workers, allowed_workers
from helpers.workspace import SPLITS, Workspace, fresh_folder


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

    def table(self) -> Table:
        columns = (SPLITS, self.lines, self.tokens, self.unknown, self.bytes)
        rows = [(f"{split}.bin", *values) for split, *values in zip(*columns, strict=True)]
        return ("file", "lines", "tokens", "unknown", "bytes"), rows


def binarized_files(folder: Path) -> list[Path]:
    """The files of a data-bin folder that training reads."""
    files = [folder / f"{split}.{kind}" for split in SPLITS for kind in ("bin", "idx")]
    return [folder / "dict.txt", *files]


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
    lines, tokens, sizes, unknown = [], [], [], []
    for split in SPLITS:
        line_sizes, number_type = read_sizes(folder / split)
        lines.append(len(line_sizes))
        tokens.append(int(line_sizes.sum(dtype=np.int64)) - len(line_sizes))
        sizes.append((folder / f"{split}.bin").stat().st_size)
        data = np.memmap(folder / f"{split}.bin", number_type) if sizes[-1] else np.empty(0)
        unknown.append(int((data == UNK).sum()))
    dictionary = Dictionary.load(folder / "dict.txt")
    return BinarizeReport(
        lines=tuple(lines),
        tokens=tuple(tokens),
        bytes=tuple(sizes),
        unknown=tuple(unknown),
        types=len(dictionary),
        dictionary=dictionary.fingerprint,
    )


def describe_data(workspace: Workspace) -> BinarizeReport:
    """The report on a data-bin that the student has put there."""
    refuse_other_dictionary(workspace)
    return _report(workspace.data_bin)


def refuse_other_dictionary(workspace: Workspace) -> None:
    """Raise CourseError if data-bin was made with another dictionary than the base's."""
    base, data = Dictionary.load(workspace.base_dict), workspace.data_bin / "dict.txt"
    if base.fingerprint != Dictionary.load(data).fingerprint:
        raise CourseError(
            f"{workspace.key(data)} is not the dictionary of the base model: its symbols are "
            "others, or in another order.",
            "Run the notebook 03_binarize again; the model would read every token as another one.",
        )


BINARIZE = Stage(
    name="binarize",
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
    after=(ENCODE, BASE),
    instead_of=("prepare",),
)
