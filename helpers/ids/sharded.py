"""``prepare --shards N``: the parts are planned, made wherever there are workers, and published.

Finished parts lie in a folder that a kill leaves as it is, named by what they are made from.
"""

import hashlib
import json
import shutil
from pathlib import Path

from helpers.common.processes import allowed_workers
from helpers.common.progress import Progress
from helpers.common.symbols import SPLITS
from helpers.ids.clusters import cluster, made
from helpers.ids.data_bin import BinarizeReport, report_on
from helpers.ids.dictionary import Dictionary
from helpers.ids.shards import Part, cut, shard_names, versions
from helpers.stage.definition import Job


def in_shards(job: Job) -> BinarizeReport:
    """Binary files of all splits: train in shards, the others in the first of these."""
    settings, data = job.settings, job.workspace.data_bin
    dictionary = Dictionary.load(job.workspace.base_dict)
    parts = _planned(job, dictionary)
    lost = _make(job, parts)
    counts = {part.folder.name: part.counts for part in parts}
    shards = [part.folder.name for part in parts if part.split == "train"]
    for part in parts:
        target = data / (part.folder.name if part.split == "train" else shards[0])
        for kind in ("bin", "idx"):
            _publish(part.folder / f"{part.split}.{kind}", job.out(target / f"{part.split}.{kind}"))
    job.out(data / shards[0] / "dict.txt").write_text(dictionary.text(), "utf-8")
    trains = {shard: counts[shard] for shard in shards}
    notes = _notes(settings, len(shards), lost)
    return report_on(trains, counts["valid"], counts["test"], dictionary, notes)


def _notes(settings: object, shards: int, lost: int) -> list[str]:
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


def _planned(job: Job, dictionary: Dictionary) -> list[Part]:
    """The parts: first valid and test, each as a whole, then the shards of train."""
    workspace = job.workspace
    prints = {split: job.inputs[workspace.raw(split)] for split in SPLITS}
    made_from = {
        "texts": {split: one.sha256 for split, one in prints.items()},
        "dictionary": dictionary.fingerprint,
        "shards": job.settings.shards,
        "versions": versions(),
    }
    name = hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()[:16]
    texts = {split: cut(workspace.raw(split), 1) for split in SPLITS[1:]}
    texts["train"] = cut(workspace.raw("train"), job.settings.shards)
    names = {split: [split] for split in SPLITS[1:]} | {"train": shard_names(len(texts["train"]))}
    return [
        Part(
            split=split,
            text=text,
            print=(prints[split].size, prints[split].mtime_ns),
            dictionary=workspace.base_dict,
            fingerprint=dictionary.fingerprint,
            folder=job.kept / name / folder,
            versions=versions(),
        )
        for split, spans in texts.items()
        for folder, text in zip(names[split], spans, strict=True)
    ]


def _make(job: Job, parts: list[Part]) -> int:
    """Make the parts that are not there yet; how often one was begun and not ended."""
    here = parts[0].folder.parent
    for other in job.kept.glob("*"):
        if job.force or other != here:
            shutil.rmtree(other)
    here.mkdir(parents=True, exist_ok=True)
    for draft in [draft for part in parts for draft in part.drafts()]:
        shutil.rmtree(draft, ignore_errors=True)
    missing = [part for part in parts if not part.counts]
    total = sum(part.text.size for part in parts)
    done = total - sum(part.text.size for part in missing)
    with Progress(total, "bytes", done) as progress:
        if missing:
            with cluster(job.settings, len(missing)) as client:
                for part in made(client, missing):
                    done += part.text.size
                    progress.update(done)
    return sum(len(part.drafts()) for part in parts)


def _publish(file: Path, target: Path) -> None:
    """A second name for a finished file, so that it stays where it is until all are in place."""
    try:
        target.hardlink_to(file)
    except OSError:  # a disk without hard links
        shutil.copyfile(file, target)
