"""To fairseq's binary files in ``data-bin/mydata``: from GPT-2 ids, or in one pass from the text.

For large corpora text is encoded and binarized in one pass: the same bytes as one after the other,
by the same functions, without files of written numbers (``.bpe``) that are larger than the text.
"""

import functools
import itertools
import shutil
from pathlib import Path

from helpers.common.errors import CourseError
from helpers.common.fairseq import run
from helpers.common.files import fresh_folder
from helpers.common.processes import Workers, allowed_workers
from helpers.common.progress import Progress
from helpers.common.symbols import SPLITS
from helpers.ids.binary_files import (
    Counts,
    IndexedWriter,
    binarize_file,
    index_table,
    prepared_chunk,
)
from helpers.ids.data_bin import (
    OF_DATA_BIN,
    DataBinReport,
    binarize_folder,
    preprocess_command,
    report_on,
    report_on_folder,
)
from helpers.ids.dictionary import Dictionary
from helpers.ids.shard_plan import in_shards
from helpers.text.chunks import chunks_of
from helpers.tokens.bpe_files import count_bpe
from helpers.workflow.definition import Job, Stage
from helpers.workflow.settings import BinarizeSettings, PrepareSettings


def _binarize(job: Job) -> DataBinReport:
    workspace = job.workspace
    workers, notes = allowed_workers(job.settings.workers)
    dictionary = Dictionary.load(workspace.base_dict)
    bpe = {split: workspace.bpe(split) for split in SPLITS}
    for split, file in bpe.items():
        count_bpe(file, workspace.raw(split))
    folder = job.out(workspace.data_bin / "dict.txt").parent
    if job.settings.engine == "fast":
        with Workers(workers) as pool:
            train, valid, test = binarize_folder(bpe, dictionary, folder, pool)
        return report_on({"": train}, valid, test, dictionary, notes)
    _run_fairseq(job, bpe, folder, workers)
    return report_on_folder(folder, notes)


def _run_fairseq(job: Job, bpe: dict[str, Path], folder: Path, workers: int) -> None:
    """The reference: fairseq's own tool, after the check that it does not make itself."""
    check = fresh_folder(job.workspace.scratch / "check")
    for file in bpe.values():
        binarize_file(file, check / "data", Dictionary.load(job.workspace.base_dict))
    shutil.rmtree(check)
    command = preprocess_command(bpe, job.workspace.base_dict, folder, workers)
    run(command, job.workspace.scratch / "binarize.log", keep_open=(job.lock,))
    (folder / "preprocess.log").unlink(missing_ok=True)


def prepare_file(
    raw: Path, prefix: Path, dictionary: Dictionary, workers: Workers, progress: Progress
) -> Counts:
    """Write ``prefix.bin`` and ``prefix.idx`` of a text file.

    Args:
        progress: counts bytes of text, of several files one after the other.
    """
    function = functools.partial(prepared_chunk, table=index_table(dictionary))
    given, shown = itertools.tee(chunks_of(raw))
    first = progress.done
    with IndexedWriter(prefix, len(dictionary)) as out:
        for chunk, lines in zip(shown, workers.map(function, given), strict=True):
            out.add(lines)
            progress.update(first + chunk.start + chunk.size)
    return out.counts


def _prepare(job: Job) -> DataBinReport:
    if job.settings.shards > 1:
        return in_shards(job)
    if job.settings.scheduler or job.settings.slurm:
        raise CourseError(
            "Other machines make shards, and shards = 1 asks for none.",
            "Say how many: for example --shards 100.",
        )
    workspace = job.workspace
    number, notes = allowed_workers(job.settings.workers)
    dictionary = Dictionary.load(workspace.base_dict)
    folder = job.out(workspace.data_bin / "dict.txt").parent
    (folder / "dict.txt").write_text(dictionary.text(), "utf-8")
    raws = [workspace.raw(split) for split in SPLITS]
    size = sum(raw.stat().st_size for raw in raws)
    with Workers(number) as workers, Progress(size, "bytes") as progress:
        train, valid, test = (
            prepare_file(raw, folder / split, dictionary, workers, progress)
            for split, raw in zip(SPLITS, raws, strict=True)
        )
    return report_on({"": train}, valid, test, dictionary, notes)


BINARIZE = Stage(
    name="binarize",
    does="make fairseq's binary files",
    notebook="03_binarize",
    settings=BinarizeSettings,
    **OF_DATA_BIN,
    inputs=lambda workspace, settings: [
        workspace.base_dict,
        *(workspace.bpe(split) for split in SPLITS),
    ],
    work=_binarize,
    after=("encode", "base"),
    instead_of=("prepare",),
)

PREPARE = Stage(
    name="prepare",
    does="encode and binarize in one pass, for large corpora",
    notebook="",
    settings=PrepareSettings,
    **OF_DATA_BIN,
    inputs=lambda workspace, settings: [
        workspace.base_dict,
        *(workspace.raw(split) for split in SPLITS),
    ],
    work=_prepare,
    after=("split", "base"),
    instead_of=("binarize",),
)
