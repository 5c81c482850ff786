"""The fast engine beside fairseq's own tools, on a piece of the student's text, byte for byte."""

import dataclasses
import itertools
import tempfile
from collections.abc import Callable
from pathlib import Path

from helpers.common.errors import StageMissing
from helpers.common.fairseq import has_fairseq, run, way_to_fairseq
from helpers.common.report import Report, Table
from helpers.ids.data_bin import binarize_folder, preprocess_command
from helpers.ids.dictionary import Dictionary
from helpers.tokens.bpe_files import encode_file, encoder_command
from helpers.workflow.workspace import Workspace

Work = Callable[[Path, Path], None]  # the piece of text, and the folder for what is made of it
NOT_COMPARED = (
    "Nothing is compared: fairseq is not installed here. What the fast engine makes is the same "
    "bytes, as the course's tests show where there is fairseq."
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ParityReport(Report):
    """For each file: its name, bytes made by fairseq, bytes made by the fast engine, equal."""

    TITLE = "fairseq's own tool and the fast engine, on the same piece of text"
    files: tuple[tuple[str, int | None, int, bool | None], ...]

    @property
    def same(self) -> bool | None:
        """Whether all files are; None where nothing was compared."""
        found = {equal for *_, equal in self.files}
        return None if None in found else all(found)

    def table(self) -> Table:
        return ("file", "bytes by fairseq", "bytes by fast", "same bytes"), self.files


def compare_encoding(workspace: Workspace, lines: int = 300) -> ParityReport:
    """Encode the first lines of the validation split with both engines.

    Raises:
        StageMissing: there is no such split yet.
    """

    def by_fairseq(piece: Path, folder: Path) -> None:
        run(encoder_command(piece, folder / "piece.bpe", 1), folder.parent / "log")

    def by_fast(piece: Path, folder: Path) -> None:
        encode_file(piece, folder / "piece.bpe")

    return _compare(workspace.raw("valid"), "01_split", lines, by_fairseq, by_fast)


def compare_binarizing(workspace: Workspace, lines: int = 300) -> ParityReport:
    """Binarize the first encoded lines of the validation split with both engines.

    Raises:
        StageMissing: there are no such files yet.
    """

    def by_fairseq(piece: Path, folder: Path) -> None:
        bpe = {"valid": piece, "train": piece}
        run(preprocess_command(bpe, workspace.base_dict, folder, 1), folder.parent / "log")

    def by_fast(piece: Path, folder: Path) -> None:
        bpe = {"valid": piece, "train": piece}
        binarize_folder(bpe, Dictionary.load(workspace.base_dict), folder)

    return _compare(workspace.bpe("valid"), "02_bpe", lines, by_fairseq, by_fast)


def _compare(
    source: Path, notebook: str, lines: int, by_fairseq: Work, by_fast: Work
) -> ParityReport:
    """Both on a piece; where there is no fairseq, the fast engine alone, and that is said."""
    if not source.is_file():
        raise StageMissing(
            f"{source.name} is not there yet.", f"Run the notebook {notebook} first."
        )
    compared = has_fairseq()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        piece, theirs, ours = folder / "piece", folder / "fairseq", folder / "fast"
        theirs.mkdir()
        ours.mkdir()
        with source.open(encoding="utf-8", newline="") as text:
            piece.write_text("".join(itertools.islice(text, lines)), "utf-8", newline="")
        by_fast(piece, ours)
        if compared:
            by_fairseq(piece, theirs)
        files = []
        for file in sorted(ours.iterdir()):
            fast = file.read_bytes()
            fairseq = (theirs / file.name).read_bytes() if compared else None
            size, equal = (len(fairseq), fairseq == fast) if compared else (None, None)
            files.append((file.name, size, len(fast), equal))
    notes = () if compared else (f"{NOT_COMPARED} {way_to_fairseq()}",)
    return ParityReport(files=tuple(files), notes=notes)
