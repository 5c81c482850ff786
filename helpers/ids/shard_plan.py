"""``prepare --shards N``: the tasks are planned, done wherever there are workers, and published.

What is finished lies in a folder that a kill leaves as it is, named by what they are made from.
"""

import hashlib
import json
import shutil
from pathlib import Path

from helpers.common.files import remove
from helpers.common.processes import allowed_workers
from helpers.common.progress import Progress
from helpers.common.symbols import SPLITS
from helpers.ids.clusters import cluster, make_shards
from helpers.ids.data_bin import DataBinReport, report_on
from helpers.ids.dictionary import Dictionary
from helpers.ids.shard import ShardTask, shard_chunks, shard_names, versions
from helpers.workflow.definition import Job
from helpers.workflow.settings import PrepareSettings


def in_shards(job: Job) -> DataBinReport:
    """Binary files of all splits: train in shards, the others in the first of these."""
    settings, data = job.settings, job.workspace.data_bin
    dictionary = Dictionary.load(job.workspace.base_dict)
    tasks = _planned(job, dictionary)
    lost = _make(job, tasks)
    counts = {task.folder.name: task.counts for task in tasks}
    shards = [task.folder.name for task in tasks if task.split == "train"]
    for task in tasks:
        target = data / (task.folder.name if task.split == "train" else shards[0])
        for kind in ("bin", "idx"):
            _publish(task.folder / f"{task.split}.{kind}", job.out(target / f"{task.split}.{kind}"))
    job.out(data / shards[0] / "dict.txt").write_text(dictionary.text(), "utf-8")
    trains = {shard: counts[shard] for shard in shards}
    notes = _notes(settings, len(shards), lost)
    return report_on(trains, counts["valid"], counts["test"], dictionary, notes)


def _notes(settings: PrepareSettings, shards: int, lost: int) -> list[str]:
    notes = []
    if not (settings.scheduler or settings.slurm):
        notes += allowed_workers(settings.workers)[1]
    if shards < settings.shards:
        notes.append(
            f"{settings.shards:,} shards were asked for; the text has documents for {shards:,}."
        )
    if lost:
        notes.append(f"{lost:,} times a worker was lost over its work, and another began it anew.")
    return notes


def _planned(job: Job, dictionary: Dictionary) -> list[ShardTask]:
    """The tasks: first valid and test, each as a whole, then the shards of train."""
    workspace = job.workspace
    prints = {split: job.inputs[workspace.raw(split)] for split in SPLITS}
    made_from = {
        "texts": {split: one.sha256 for split, one in prints.items()},
        "dictionary": dictionary.fingerprint,
        "shards": job.settings.shards,
        "versions": versions(),
    }
    name = hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()[:16]
    texts = {split: shard_chunks(workspace.raw(split), 1) for split in SPLITS[1:]}
    texts["train"] = shard_chunks(workspace.raw("train"), job.settings.shards)
    names = {split: [split] for split in SPLITS[1:]} | {"train": shard_names(len(texts["train"]))}
    return [
        ShardTask(
            split=split,
            text=text,
            text_stat=(prints[split].size, prints[split].mtime_ns),
            dictionary=workspace.base_dict,
            fingerprint=dictionary.fingerprint,
            folder=job.kept / name / folder,
            versions=versions(),
        )
        for split, chunks in texts.items()
        for folder, text in zip(names[split], chunks, strict=True)
    ]


def _make(job: Job, tasks: list[ShardTask]) -> int:
    """Do the tasks that are not done yet; how often one was begun and not ended."""
    here = tasks[0].folder.parent
    for other in job.kept.glob("*"):
        if job.force or other != here:
            remove(other)
    here.mkdir(parents=True, exist_ok=True)
    for draft in [draft for task in tasks for draft in task.drafts()]:
        shutil.rmtree(draft, ignore_errors=True)
    missing = [task for task in tasks if not task.counts]
    total = sum(task.text.size for task in tasks)
    done = total - sum(task.text.size for task in missing)
    with Progress(total, "bytes", done) as progress:
        if missing:
            with cluster(job.settings, len(missing)) as client:
                for task in make_shards(client, missing):
                    done += task.text.size
                    progress.update(done)
    return sum(len(task.drafts()) for task in tasks)


def _publish(file: Path, target: Path) -> None:
    """A second name for a finished file, so that it stays where it is until all are in place."""
    try:
        target.hardlink_to(file)
    except OSError:  # a disk without hard links
        shutil.copyfile(file, target)
