"""Text to fairseq's binary files in one pass (``.raw`` → ``data-bin/mydata``), without ``.bpe``.

For large corpora: the same bytes as encoding and binarizing one after the other, by the same
functions, without a file of written numbers in between that is larger than the text.
"""

import functools
import itertools
from pathlib import Path

from helpers.binarize import BinarizeReport, binarized_files, describe_data, note_on_unknown
from helpers.chunks import spans
from helpers.dictionary import Dictionary
from helpers.errors import CourseError
from helpers.indexed import IndexedWriter, index_table, prepared_span
from helpers.progress import Progress
from helpers.settings import PrepareSettings
from helpers.sharded import in_shards
from helpers.stage import Job, Stage
from helpers.workers import Workers, allowed_workers
from helpers.workspace import SPLITS


def prepare_file(
    raw: Path, prefix: Path, dictionary: Dictionary, workers: Workers, progress: Progress
) -> tuple[int, int, int]:
    """Write ``prefix.bin`` and ``prefix.idx`` of a text file.

    Args:
        progress: counts bytes of text, of several files one after the other.

    Returns:
        Lines, tokens without ``</s>``, and how many of these are unknown.
    """
    function = functools.partial(prepared_span, table=index_table(dictionary))
    given, shown = itertools.tee(spans(raw))
    first, total = progress.done, 0
    with IndexedWriter(prefix, len(dictionary)) as out:
        for span, (data, sizes, unknown) in zip(shown, workers.map(function, given), strict=True):
            out.add(data, sizes)
            total += unknown
            progress.update(first + span.start + span.size)
    return out.lines, out.tokens, total


def _work(job: Job) -> BinarizeReport:
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
        counts = [
            prepare_file(raw, folder / split, dictionary, workers, progress)
            for split, raw in zip(SPLITS, raws, strict=True)
        ]
    lines, tokens, unknown = zip(*counts, strict=True)
    return BinarizeReport(
        lines=lines,
        tokens=tokens,
        bytes=tuple((folder / f"{split}.bin").stat().st_size for split in SPLITS),
        unknown=unknown,
        types=len(dictionary),
        dictionary=dictionary.fingerprint,
        notes=(*notes, *note_on_unknown(unknown)),
    )


PREPARE = Stage(
    name="prepare",
    does="encode and binarize in one pass, for large corpora",
    notebook="",
    settings=PrepareSettings,
    report=BinarizeReport,
    inputs=lambda workspace, settings: [
        workspace.base_dict,
        *(workspace.raw(split) for split in SPLITS),
    ],
    outputs=lambda workspace: binarized_files(workspace.data_bin),
    work=_work,
    describe=describe_data,
    after=("split", "base"),
    instead_of=("binarize",),
)
