"""Texts to ``mydata/data.{train,valid,test}.raw``: by document, exactly, side by side.

Pass one hashes every document with the seed as key. The distinct hashes in ascending order are a
shuffle of the documents that depends on their texts and the seed only; the first of them go to
train, the next to valid, the rest to test. So the order of the files does not matter, and equal
documents cannot fall into two splits. Pass two writes in reading order. Both are in
:mod:`helpers.text.splitter`.
"""

import contextlib
import functools
from pathlib import Path

import numpy as np

from helpers.common.errors import CourseError
from helpers.common.processes import Workers, allowed_workers
from helpers.common.progress import Progress
from helpers.common.symbols import SPLITS
from helpers.stages.sample import is_named
from helpers.stages.split_report import (
    SplitReport,
    of_encodings,
    of_layout,
    of_lines,
    of_long_lines,
    of_near_duplicates,
    of_signs,
    of_variants,
)
from helpers.text.decoding.damage import about
from helpers.text.division import (
    DUPLICATE,
    NEAR,
    NUMBERS,
    Shorten,
    as_written,
)
from helpers.text.documents import passages
from helpers.text.files import Found, not_read, text_files
from helpers.text.inputs import Input, inputs_of, look_at, of_empty, refuse_unused
from helpers.text.places import Leaks, Places, leaks_of, where_they_differ
from helpers.text.splitter import Splitter
from helpers.text.tasks import PASSES
from helpers.text.variants import Variants
from helpers.tokens.wrap import shortened
from helpers.workflow.definition import Job, Stage
from helpers.workflow.settings import SplitSettings
from helpers.workflow.workspace import Workspace


def _shorten(settings: SplitSettings) -> Shorten:
    return functools.partial(shortened, limit=settings.max_line_tokens)


def _check(workspace: Workspace, settings: SplitSettings) -> None:
    """Read all texts to their ends, unless they were split before, and count the documents.

    The sample may not be there yet; then what all of the texts hold together cannot be told.
    """
    names = settings.txt_files
    if not workspace.texts.exists():
        names = tuple(name for name in names if not is_named([name], workspace))
    paths = _inputs(workspace, settings.model_copy(update={"txt_files": names})) if names else []
    named = {workspace.key(path): path for path in paths}
    if not paths or workspace.record.has_read("split", settings.of_the_result(), named):
        return
    files = inputs_of(paths, settings)
    size = sum(path.stat().st_size for path in paths) // PASSES
    with Workers(allowed_workers(None)[0]) as workers, Progress(size, "bytes") as progress:
        signed = settings.near_duplicates != "keep"  # nobody needs the places of others here
        splitter = Splitter(settings, files, workers, _shorten(settings), signed)
        progress.update(0, "checking")
        splitter.hash_all(progress)
    if names == settings.txt_files:
        refuse_unused(settings, files)
        splitter.places()


def _work(job: Job) -> SplitReport:
    settings = job.settings
    files = inputs_of(job.files, settings)
    refuse_unused(settings, files)
    size = sum(file.path.stat().st_size for file in files)
    with (
        Workers(allowed_workers(None)[0]) as workers,
        Progress(size, "bytes") as progress,
        contextlib.ExitStack() as stack,
    ):
        splitter = Splitter(settings, files, workers, _shorten(settings), signed=True)
        progress.update(0, "reading")
        splitter.hash_all(progress)
        places = splitter.places()
        leaks = None if splitter.signed is None else leaks_of(splitter.signatures, places)
        examples = [] if leaks is None else [n for *pair, _ in leaks.pairs for n in pair]
        progress.update(progress.done, "writing")
        outputs = {
            split: stack.enter_context(job.out(job.workspace.raw(split)).open("wb"))
            for split in SPLITS
        }
        splitter.write_all(places.places, outputs, examples, progress)
        progress.update(size, "written")
    return _report(splitter, places, leaks, job.workspace)


def _report(
    splitter: Splitter, places: Places, leaks: Leaks | None, workspace: Workspace
) -> SplitReport:
    settings, files, faults = splitter.settings, splitter.files, splitter.faults
    counts = zip(*(splitter.totals[split].tolist() for split in SPLITS), strict=True)
    n_documents, n_lines, characters, *others = map(tuple, counts)
    wrapped, padded, *signs, long = map(sum, others[: -len(Variants._fields)])
    variants = Variants(*map(sum, others[-len(Variants._fields) :]))
    limit = settings.max_line_tokens
    duplicates, dropped = map(places.places.count, (DUPLICATE, NEAR))
    counts_of_leaks, begun = (leaks.counts if leaks else ()), splitter.beginnings
    names = [workspace.key(file.path) for file in files]
    return SplitReport(
        documents=n_documents,
        lines=n_lines,
        characters=characters,
        inputs=tuple(zip(names, splitter.found, strict=True)),
        encodings=tuple(file.encoding for file in files),
        left_out=tuple(each.left_out for each in faults),
        replaced=tuple(each.replaced for each in faults),
        duplicates=duplicates,
        wrapped=wrapped,
        leaks=counts_of_leaks,
        examples=tuple(
            (*where_they_differ(begun[a], begun[b]), like)
            for a, b, like in (leaks.pairs if leaks else ())
        ),
        dropped=dropped,
        notes=(
            *of_empty(files, splitter.found, faults),
            *not_read(_found(workspace, settings).left_out),
            *about(faults),
            *of_encodings(files, settings.encoding),
            *of_near_duplicates(n_documents, counts_of_leaks, dropped, places.beyond),
            *of_layout(files, splitter.seen),
            *of_lines(duplicates, wrapped, limit, padded),
            *of_long_lines(long, limit, _unit_of_plain(files, settings)),
            *of_signs(*signs),
            *of_variants(variants),
        ),
    )


def _unit_of_plain(files: list[Input], settings: SplitSettings) -> str:
    return settings.unit if any(file.kind == "text" for file in files) else ""


def _found(workspace: Workspace, settings: SplitSettings) -> Found:
    return text_files(settings.txt_files, workspace, settings.encoding, settings.text_field)


def _inputs(workspace: Workspace, settings: SplitSettings) -> list[Path]:
    files = _found(workspace, settings).files
    own = [workspace.raw(split) for split in SPLITS]
    if made := [file for file in files if any(file.samefile(o) for o in own if o.exists())]:
        raise CourseError(
            f"{workspace.key(made[0])} is what splitting makes: it would be divided once more.",
            "Name the texts that it was made from in txt_files, or copy the file elsewhere.",
        )
    return files


def _describe(workspace: Workspace) -> SplitReport:
    counts = []
    for split in SPLITS:
        total = np.zeros(NUMBERS, dtype=np.int64)
        for passage in passages(workspace.raw(split), "utf-8", "blank-line"):
            total += as_written(passage.documents("blank-line"))[1:]
            total[0] -= not passage.begins
        counts.append(total.tolist())
    n_documents, n_lines, characters, *_ = map(tuple, zip(*counts, strict=True))
    return SplitReport(documents=n_documents, lines=n_lines, characters=characters)


SPLIT = Stage(
    name="split",
    does="divide text files into train, valid and test",
    notebook="01_split",
    settings=SplitSettings,
    report=SplitReport,
    inputs=_inputs,
    outputs=lambda workspace: [workspace.raw(split) for split in SPLITS],
    work=_work,
    look=look_at,
    describe=_describe,
    check=_check,
    after=("sample",),
)
