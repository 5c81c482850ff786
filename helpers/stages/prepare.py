"""Text to fairseq's binary files in one pass (``.raw`` → ``data-bin/mydata``), without ``.bpe``.

For large corpora: the same bytes as encoding and binarizing one after the other, by the same
functions, without a file of written numbers in between that is larger than the text.
"""

import functools
import itertools
from pathlib import Path

from helpers.common.errors import CourseError
from helpers.common.processes import Workers, allowed_workers
from helpers.common.progress import Progress
from helpers.common.symbols import SPLITS
from helpers.ids.binary_files import Counts, IndexedWriter, index_table, prepared_chunk
from helpers.ids.data_bin import OF_DATA_BIN, DataBinReport, report_on
from helpers.ids.dictionary import Dictionary
from helpers.ids.shard_plan import in_shards
from helpers.text.chunks import chunks_of
from helpers.workflow.definition import Job, Stage
from helpers.workflow.settings import PrepareSettings


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


def _work(job: Job) -> DataBinReport:
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
    work=_work,
    after=("split", "base"),
    instead_of=("binarize",),
)
