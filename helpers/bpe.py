"""Text to GPT-2 ids (``.raw`` → ``.bpe``): what fairseq's encoder does, many times as fast.

fairseq's ``multiprocessing_bpe_encoder`` strips each line, encodes it, and writes its ids separated
by spaces; :mod:`helpers.line_ids` does the same.
"""

import dataclasses
from pathlib import Path

import numpy as np

from helpers.chunks import count_lines, line_chunks, spans
from helpers.errors import DamagedFile
from helpers.fairseq_tools import encoder_command, run
from helpers.line_ids import encoded_span
from helpers.report import Report, Table
from helpers.settings import EncodeSettings
from helpers.stage import Job, Stage
from helpers.workers import ALONE, Workers, allowed_workers
from helpers.workspace import SPLITS, Workspace


@dataclasses.dataclass(frozen=True, kw_only=True)
class EncodeReport(Report):
    """Lines and tokens per split, in the order train, valid, test."""

    TITLE = "Text is encoded with GPT-2's byte-pair encoding"
    lines: tuple[int, ...]
    tokens: tuple[int, ...]
    bytes: tuple[int, ...]

    def table(self) -> Table:
        rows = [
            (f"data.{split}.bpe", lines, tokens, size / tokens if tokens else None)
            for split, lines, tokens, size in zip(
                SPLITS, self.lines, self.tokens, self.bytes, strict=True
            )
        ]
        return ("file", "lines", "tokens", "bytes a token"), rows


def encode_file(source: Path, target: Path, workers: Workers = ALONE) -> tuple[int, int, int]:
    """Encode a text file, byte for byte as fairseq's encoder with ``--keep-empty``.

    Returns:
        Lines, tokens, and bytes of text.
    """
    totals = np.zeros(3, dtype=np.int64)
    with target.open("wb") as out:
        for text, *counts in workers.map(encoded_span, spans(source)):
            out.write(text)
            totals += counts
    return tuple(totals.tolist())


def count_bpe(bpe: Path, raw: Path | None = None) -> tuple[int, int]:
    """Lines and tokens of a ``.bpe`` file, after a look at its health.

    Raises:
        DamagedFile: it does not end with a line end, or has other lines than ``raw``.
    """
    lines, tokens, last = 0, 0, "\n"
    for chunk in line_chunks(bpe):
        lines += chunk.count("\n")
        tokens += len(chunk.split())
        last = chunk[-1]
    if last != "\n":
        raise DamagedFile(
            f"{bpe} breaks off in line {lines + 1}: its last line has no end.",
            "Encode the text again (notebook 02_bpe).",
        )
    if raw is not None and raw.is_file() and (wanted := count_lines(raw)) != lines:
        raise DamagedFile(
            f"{bpe} has {lines:,} lines, but {raw.name} has {wanted:,}; they should be equal.",
            "Encode the text again (notebook 02_bpe), with --keep-empty if you type it yourself.",
        )
    return lines, tokens


def _work(job: Job) -> EncodeReport:
    number, notes = allowed_workers(job.settings.workers)
    totals = []
    with Workers(number) as workers:
        for split in SPLITS:
            source, target = job.workspace.raw(split), job.out(job.workspace.bpe(split))
            if job.settings.engine == "fast":
                totals.append(encode_file(source, target, workers))
            else:
                command = encoder_command(source, target, number)
                run(command, job.workspace.scratch / "encode.log", keep_open=(job.lock,))
                totals.append((*count_bpe(target, source), source.stat().st_size))
    lines, tokens, size = zip(*totals, strict=True)
    return EncodeReport(lines=lines, tokens=tokens, bytes=size, notes=tuple(notes))


def _describe(workspace: Workspace) -> EncodeReport:
    counts = [count_bpe(workspace.bpe(s), workspace.raw(s)) for s in SPLITS]
    lines, tokens = zip(*counts, strict=True)
    sizes = [workspace.raw(s).stat().st_size if workspace.raw(s).is_file() else 0 for s in SPLITS]
    return EncodeReport(lines=lines, tokens=tokens, bytes=tuple(sizes))


ENCODE = Stage(
    name="encode",
    does="encode the splits with GPT-2's BPE",
    notebook="02_bpe",
    settings=EncodeSettings,
    report=EncodeReport,
    inputs=lambda workspace, settings: [workspace.raw(split) for split in SPLITS],
    outputs=lambda workspace: [workspace.bpe(split) for split in SPLITS],
    work=_work,
    describe=_describe,
    after=("split",),
)
