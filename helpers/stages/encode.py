"""Text to GPT-2 ids: ``mydata/data.*.raw`` → ``mydata/data.*.bpe``."""

import dataclasses

from helpers.common.fairseq import run
from helpers.common.processes import Workers, allowed_workers
from helpers.common.report import Report, Table
from helpers.common.symbols import SPLITS
from helpers.tokens.bpe_files import count_bpe, encode_file, encoder_command
from helpers.tokens.line_ids import encoded_bytes
from helpers.workflow.definition import Job, Stage
from helpers.workflow.settings import EncodeSettings
from helpers.workflow.workspace import Workspace


@dataclasses.dataclass(frozen=True, kw_only=True)
class EncodeReport(Report):
    """Lines and tokens per split, in the order train, valid, test.

    Attributes:
        lines: with the empty ones between documents.
        bytes: of the text in the tokens, see :func:`helpers.tokens.line_ids.encoded_bytes`.
    """

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
        return ("file", "lines (with empty ones)", "tokens", "bytes a token"), rows


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
                totals.append((*count_bpe(target, source), encoded_bytes(source)))
    lines, tokens, size = zip(*totals, strict=True)
    return EncodeReport(lines=lines, tokens=tokens, bytes=size, notes=tuple(notes))


def _describe(workspace: Workspace) -> EncodeReport:
    counts = [count_bpe(workspace.bpe(s), workspace.raw(s)) for s in SPLITS]
    lines, tokens = zip(*counts, strict=True)
    raws = map(workspace.raw, SPLITS)
    sizes = [encoded_bytes(raw) if raw.is_file() else 0 for raw in raws]
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
