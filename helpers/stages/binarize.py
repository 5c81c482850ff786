"""GPT-2 ids to fairseq's binary files: ``mydata/data.*.bpe`` → ``data-bin/mydata``."""

import shutil
from pathlib import Path

from helpers.common.fairseq import run
from helpers.common.files import fresh_folder
from helpers.common.processes import Workers, allowed_workers
from helpers.common.symbols import SPLITS
from helpers.ids.binary_files import binarize_file
from helpers.ids.data_bin import (
    OF_DATA_BIN,
    DataBinReport,
    binarize_folder,
    preprocess_command,
    report_on,
    report_on_folder,
)
from helpers.ids.dictionary import Dictionary
from helpers.tokens.bpe_files import count_bpe
from helpers.workflow.definition import Job, Stage
from helpers.workflow.settings import BinarizeSettings


def _work(job: Job) -> DataBinReport:
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
    work=_work,
    after=("encode", "base"),
    instead_of=("prepare",),
)
