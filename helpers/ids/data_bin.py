"""A data-bin: the folder that fairseq trains on, whole or in shards, and the report on it.

The dictionary belongs to the model: another order of the same symbols fits the model without an
error and turns it to noise. So it is taken from beside the base model, and from nowhere else.
"""

import dataclasses
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from helpers.common.errors import CourseError, StageMissing
from helpers.common.fairseq import tool
from helpers.common.processes import ALONE, Workers
from helpers.common.report import Grid, Report, Table
from helpers.common.symbols import SPLITS
from helpers.ids.binary_files import Counts, binarize_file, read_counts
from helpers.ids.dictionary import Dictionary
from helpers.workflow.workspace import Workspace

NAMED = 10  # shards in the report
# fairseq trains on train, train1, train2 … as one, and prefers a text without ending to train.bin;
# at a second valid it stops.
_UNLISTED = re.compile(r"(?:train|valid)(?:[1-9]\d*(?:\.(?:bin|idx|fasta))?)?", re.ASCII)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataBinReport(Report):
    """Lines, tokens (without ``</s>``), bytes and unknown tokens per split.

    ``types`` is the size of the dictionary as fairseq counts it, without ``<mask>``.
    """

    TITLE = "Tokens are binarized with the base model's dictionary"
    lines: tuple[int, ...]
    tokens: tuple[int, ...]
    bytes: tuple[int, ...]
    unknown: tuple[int, ...]
    types: int
    dictionary: str  # fingerprint of the order of its symbols
    shards: tuple[tuple[str, int, int, int], ...] = ()  # name, lines, tokens, bytes

    def table(self) -> Table:
        columns = (SPLITS, self.lines, self.tokens, self.unknown, self.bytes)
        rows = [(f"{split}.bin", *values) for split, *values in zip(*columns, strict=True)]
        return ("file", "lines (with empty ones)", "tokens", "unknown", "bytes"), rows

    def more(self) -> Grid | None:
        rows, rest = [*self.shards[:NAMED]], self.shards[NAMED:]
        if rest:
            together = (sum(row[column] for row in rest) for column in (1, 2, 3))
            rows.append((f"and {len(rest):,} more", *together))
        head = ("shard", "lines (with empty ones)", "tokens", "bytes")
        return (
            Grid(head, rows, "train in shards, of which training reads one an epoch")
            if rows
            else None
        )


def report_on(
    trains: Mapping[str, Counts],
    valid: Counts,
    test: Counts,
    dictionary: Dictionary,
    notes: Iterable[str] = (),
) -> DataBinReport:
    """The report on a data-bin.

    Args:
        trains: what ``train`` holds, by shard; under an empty name where there are no shards.
    """
    train = Counts(*map(sum, zip(*trains.values(), strict=True)))
    lines, tokens, sizes, unknown = zip(train, valid, test, strict=True)
    if sum(unknown):
        said = f"{sum(unknown):,} tokens are not in the base's dictionary and became <unk>."
        notes = (*notes, said)
    return DataBinReport(
        lines=lines,
        tokens=tokens,
        bytes=sizes,
        unknown=unknown,
        types=len(dictionary),
        dictionary=dictionary.fingerprint,
        shards=tuple((name, *counts[:3]) for name, counts in trains.items() if name),
        notes=tuple(notes),
    )


def report_on_folder(folder: Path, notes: Iterable[str] = ()) -> DataBinReport:
    """The report on a data-bin that others have made: all of it is read.

    Raises:
        DamagedFile: it has indices that its dictionary does not have.
    """
    first, *_ = places = data_folders(folder)
    dictionary = Dictionary.load(first / "dict.txt")
    names = [""] if first == folder else [place.name for place in places]
    trains = {
        name: read_counts(place / "train", dictionary)
        for name, place in zip(names, places, strict=True)
    }
    valid, test = (read_counts(first / split, dictionary) for split in SPLITS[1:])
    return report_on(trains, valid, test, dictionary, notes)


def describe_data(workspace: Workspace) -> DataBinReport:
    """The report on a data-bin, whoever has made it; all of it is read.

    Raises:
        CourseError: fairseq would stop at it, or read it otherwise than it is meant.
    """
    refuse_both(workspace.data_bin)
    refuse_unlisted(workspace.data_bin)
    refuse_other_dictionary(workspace)
    return report_on_folder(workspace.data_bin)


def data_folders(folder: Path) -> list[Path]:
    """The folders that fairseq reads in turn: the shards of a data-bin folder, or it alone.

    The first of them has the dictionary and the other splits.
    """
    found = {file.parent for kind in ("bin", "idx") for file in folder.glob(f"shard*/train.{kind}")}
    return sorted(found) or [folder]


def binarized_files(folder: Path) -> list[Path]:
    """The files of a data-bin folder that training reads."""

    def files(place: Path, *splits: str) -> list[Path]:
        return [place / f"{split}.{kind}" for split in splits for kind in ("bin", "idx")]

    first, *others = data_folders(folder)
    found = [first / "dict.txt", *files(first, *SPLITS)]
    for other in others:
        found += files(other, "train")
    # Beside shards there should be none of these.
    beside = [] if first == folder else [folder / "dict.txt", *files(folder, *SPLITS)]
    return [*found, *(file for file in beside if file.is_file())]


def refuse_both(folder: Path) -> None:
    """Raise CourseError if shards and the files of a whole lie side by side."""
    found = [f for f in binarized_files(folder) if f.parent == folder]
    if found and data_folders(folder) != [folder]:
        raise CourseError(
            f"{folder} has shards, and beside them {found[0].name}: which of them is the data?",
            "Remove one of the two, or prepare again with force: your files are then set aside.",
        )


def refuse_unlisted(folder: Path) -> None:
    """Refuse a data-bin folder where fairseq would read more than :func:`binarized_files`.

    Raises:
        CourseError: for the first such file, by its name.
    """
    for place in filter(Path.is_dir, data_folders(folder)):
        for file in sorted(place.iterdir()):
            if _UNLISTED.fullmatch(file.name):
                raise CourseError(
                    f"{file} is no part of this data, and fairseq would read it beside the others, "
                    "or instead of them.",
                    "Move it elsewhere; texts that belong together are split and binarized "
                    "together.",
                )


def refuse_lost_shards(workspace: Workspace) -> None:
    """Raise StageMissing where shards are gone; nobody would see it by the names of the others."""
    made = workspace.record.entry("prepare").outputs
    lost = [key for key in made if not workspace.path(key).is_file()]
    if lost and data_folders(workspace.data_bin) != [workspace.data_bin]:
        raise StageMissing(
            f"{lost[0]} is not there any more, and training would leave it out.",
            "Run prepare again.",
        )


def refuse_other_dictionary(workspace: Workspace) -> None:
    """Raise CourseError if data-bin was made with another dictionary than the base's."""
    data = data_folders(workspace.data_bin)[0] / "dict.txt"
    base = Dictionary.load(workspace.base_dict)
    if base.fingerprint != Dictionary.load(data).fingerprint:
        raise CourseError(
            f"{workspace.key(data)} is not the dictionary of the base model: its symbols are "
            "others, or in another order.",
            "Run the notebook 03_binarize again; the model would read every token as another one.",
        )


def binarize_folder(
    bpe: Mapping[str, Path], dictionary: Dictionary, folder: Path, workers: Workers = ALONE
) -> list[Counts]:
    """Make a data-bin of ``.bpe`` files, byte for byte as ``fairseq-preprocess`` makes it.

    Args:
        bpe: the encoded file of each split.

    Returns:
        What each split holds.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dict.txt").write_text(dictionary.text(), "utf-8")
    return [binarize_file(file, folder / split, dictionary, workers) for split, file in bpe.items()]


def preprocess_command(
    bpe: Mapping[str, Path], dictionary: Path, destination: Path, workers: int
) -> list[str]:
    """``fairseq-preprocess``: GPT-2 ids to binary files, with the model's dictionary.

    Args:
        bpe: the encoded file of each split; a split that is missing is left out.
    """
    prefixes = [f"--{split}pref={bpe[split]}" for split in SPLITS if split in bpe]
    return [
        *(tool("fairseq-preprocess"), "--only-source"),
        *("--srcdict", str(dictionary)),
        *prefixes,
        *("--destdir", str(destination), "--workers", str(workers)),
    ]


# What the stages that make a data-bin, each in its own way, have in common.
OF_DATA_BIN = {
    "report": DataBinReport,
    "outputs": lambda workspace: binarized_files(workspace.data_bin),
    "describe": describe_data,
}
