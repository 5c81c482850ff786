"""The fast engine beside fairseq's own tools, on a piece of the student's text, byte for byte."""

import dataclasses
import itertools
import tempfile
from collections.abc import Callable
from pathlib import Path

from helpers.common.errors import StageMissing
from helpers.common.fairseq import run
from helpers.common.report import Report, Table
from helpers.ids.data_bin import binarize_folder, binarized_files, preprocess_command
from helpers.ids.dictionary import Dictionary
from helpers.tokens.bpe_files import encode_file, encoder_command
from helpers.workflow.workspace import Workspace


@dataclasses.dataclass(frozen=True, kw_only=True)
class ParityReport(Report):
    """For each file: its name, bytes made by fairseq, bytes made by the fast engine, equal."""

    TITLE = "fairseq's own tool and the fast engine, on the same piece of text"
    files: tuple[tuple[str, int, int, bool], ...]

    @property
    def same(self) -> bool:
        return all(equal for *_, equal in self.files)

    def table(self) -> Table:
        return ("file", "bytes by fairseq", "bytes by fast", "same bytes"), self.files


def compare_encoding(workspace: Workspace, lines: int = 300) -> ParityReport:
    """Encode the first lines of the validation split with both engines.

    Raises:
        StageMissing: there is no such split yet.
        CourseError: fairseq is not installed.
    """

    def work(piece: Path, theirs: Path, ours: Path) -> list[str]:
        run(encoder_command(piece, theirs / "piece.bpe", 1), theirs.parent / "log")
        encode_file(piece, ours / "piece.bpe")
        return ["piece.bpe"]

    return _compare(workspace.raw("valid"), "01_split", lines, work)


def compare_binarizing(workspace: Workspace, lines: int = 300) -> ParityReport:
    """Binarize the first encoded lines of the validation split with both engines.

    Raises:
        StageMissing: there are no such files yet.
        CourseError: fairseq is not installed.
    """

    def work(piece: Path, theirs: Path, ours: Path) -> list[str]:
        bpe = {"valid": piece, "train": piece}
        run(preprocess_command(bpe, workspace.base_dict, theirs, 1), theirs.parent / "log")
        binarize_folder(bpe, Dictionary.load(workspace.base_dict), ours)
        return [file.name for file in binarized_files(ours) if file.is_file()]

    return _compare(workspace.bpe("valid"), "02_bpe", lines, work)


def _compare(
    source: Path, notebook: str, lines: int, work: Callable[[Path, Path, Path], list[str]]
) -> ParityReport:
    if not source.is_file():
        raise StageMissing(
            f"{source.name} is not there yet.", f"Run the notebook {notebook} first."
        )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        piece, theirs, ours = folder / "piece", folder / "fairseq", folder / "fast"
        theirs.mkdir()
        ours.mkdir()
        with source.open(encoding="utf-8", newline="") as text:
            piece.write_text("".join(itertools.islice(text, lines)), "utf-8", newline="")
        files = []
        for file in work(piece, theirs, ours):
            a, b = (theirs / file).read_bytes(), (ours / file).read_bytes()
            files.append((file, len(a), len(b), a == b))
    return ParityReport(files=tuple(files))
