"""Texts with a class each, and which of them no model has been trained on."""

import dataclasses
import functools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from helpers.common.errors import CourseError
from helpers.common.names import cut, spelled
from helpers.common.report import counted, enumerated
from helpers.evaluation.contained import shares_within
from helpers.text.decoding.archives import endings
from helpers.text.decoding.damage import Faults, about
from helpers.text.division import as_written, hash_of
from helpers.text.documents import passages
from helpers.text.inputs import Input, input_beside
from helpers.text.near_duplicates import groups_of, signatures
from helpers.text.records import NAME_CLASS, Labels
from helpers.tokens.wrap import shortened
from helpers.workflow.settings import SplitSettings, TaskSettings

RECORDS = ("json", "json-lines", "table", "parquet")
FOLDS = 5
MOST_CLASSES = 12  # more are no small task, and no table that can be read
OTHERS = "Name in labels a folder that has a folder for each class, or records with a class each."
LONGEST_NAME = 60  # characters of a class
SAME = 0.8  # a text of which so much was trained on is no longer new


@dataclasses.dataclass(frozen=True)
class Task:
    """Documents with a class each, in an order that depends on their texts and the seed only.

    Attributes:
        texts: as splitting writes them. None, where there is no task; the notes say why.
        classes: their names, the one with the most documents first.
        labels: of each document the number of its class; shape (documents,).
        is_new: whether no model was trained on it, so that it may be judged; shape (documents,).
        groups: near-duplicates have the same number; shape (documents,).
    """

    texts: list[str]
    classes: tuple[str, ...]
    labels: np.ndarray
    is_new: np.ndarray
    groups: np.ndarray
    notes: tuple[str, ...]

    def counts(self) -> Iterator[tuple[str, int, int]]:
        """Each class with its documents, and how many of them may be judged."""
        for number, name in enumerate(self.classes):
            of_it = self.labels == number
            yield name, int(of_it.sum()), int((of_it & self.is_new).sum())


def no_task(*notes: str) -> Task:
    none = np.zeros(0, dtype=np.int64)
    return Task([], (), none, none.astype(bool), none, notes)


def class_of(file: Path, folder: Path) -> str:
    """The class of a file's texts: its folder just below ``folder``, else its name.

    Of a name with several points, the first two parts: modules of a package stay together.

    >>> class_of(Path("reviews/good/2024/a.txt"), Path("reviews"))
    'good'
    >>> class_of(Path("texts/sklearn.tree._classes.txt"), Path("texts"))
    'sklearn.tree'
    """
    inside = file.relative_to(folder).parts
    if inside[1:]:
        return spelled(inside[0])
    name = file.name.removesuffix("".join(endings(file)))
    return spelled(".".join(name.split(".")[:2]))


def task_of(
    files: Sequence[Path],
    folder: Path,
    read_as: SplitSettings,
    settings: TaskSettings,
    trained_on: Sequence[Path],
) -> Task:
    """The documents with a class in some files, and which of them may be judged.

    Args:
        folder: that all files are in, or below; see :func:`class_of`.
        read_as: how the files are read.
        trained_on: the ``.raw`` files that models were trained on, or chosen by.

    Raises:
        CourseError: a file cannot be read, or its records have no such field.
    """
    sources = [input_beside(file, read_as) for file in files]
    by_name = [s for s in sources if s.kind not in RECORDS or not settings.label_field]
    if by_name == sources and len({class_of(file, folder) for file in files}) < 2:
        return no_task(f"All of the texts are of one class, {class_of(files[0], folder)}. {OTHERS}")
    found, notes = _labelled(sources, folder, read_as, settings.label_field)
    if by_name and all(source.path.parent == folder for source in by_name):
        notes.append("The class of a text is the name of its file, since no folders are there.")
    texts, new, more = _chosen(found, settings, trained_on)
    notes += more
    if why_not := _why_no_task(texts, found, new):
        return no_task(why_not, *notes)
    notes.append(
        f"Judged are {len(new):,} of {len(texts):,} texts: those of which less than {SAME:.0%} "
        "stands in what the models were trained on. From the others the classifier learns."
    )
    groups = groups_of(signatures(texts))
    if len(np.unique(groups)) < FOLDS:
        why_not = f"The texts with a class are near-duplicates of each other. {OTHERS}"
        return no_task(why_not, *notes)
    sizes = Counter(found[text] for text in texts)
    classes = tuple(sorted(sizes, key=lambda name: (-sizes[name], name)))
    labels = np.array([classes.index(found[text]) for text in texts])
    is_new = np.array([text in new for text in texts])
    return Task(texts, classes, labels, is_new, groups, tuple(notes))


def _chosen(
    labels: Mapping[str, str], settings: TaskSettings, trained_on: Sequence[Path]
) -> tuple[list[str], set[str], list[str]]:
    """The texts that are taken, in an order by lot; which of them are new; and what to say."""
    key = str(settings.seed).encode()
    texts, notes = _of_classes(sorted(labels, key=lambda text: hash_of((text,), key)), labels)
    is_new = _shares_seen(texts, trained_on) < SAME
    kept = _some(is_new, settings.max_documents)
    if len(kept) < len(texts):
        notes.append(
            f"Of {len(texts):,} documents {len(kept):,} were read, by lot, those that may be "
            "judged first; max_documents says how many."
        )
    new = {texts[i] for i in kept if is_new[i]}
    texts, left_out = _of_classes([texts[i] for i in kept], labels)
    return texts, new.intersection(texts), notes + left_out


def _why_no_task(texts: Sequence[str], labels: Mapping[str, str], new: set[str]) -> str:
    """Empty, where there is one."""
    if len({labels[text] for text in texts}) < 2:
        return (
            f"There are no two classes with {FOLDS} documents or more in the {len(labels):,} "
            f"texts: there is no task to learn. {OTHERS}"
        )
    if len(new) < FOLDS:
        return (
            f"Of the {len(texts):,} texts with a class only {len(new)} are new to the models: that "
            "is too few to judge by. Give the test split a larger share, or name other texts."
        )
    return ""


def _labelled(
    sources: Sequence[Input], folder: Path, read_as: SplitSettings, field: str
) -> tuple[dict[str, str], list[str]]:
    """Each text once, with its class; and what is to be said of those that are left out."""
    shorten = functools.partial(shortened, limit=read_as.max_line_tokens)
    found: dict[str, str] = {}
    faults, repeated, without = [], 0, 0
    of_two: set[str] = set()
    for source in sources:
        faults.append(source.faults())
        for document, label in _pairs(source, field, folder, faults[-1]):
            text = as_written([document], shorten).text.decode().removesuffix("\n")
            without += not label
            repeated += text in found
            if label and found.setdefault(text, label) != label:
                of_two.add(text)
    notes = about(faults)
    if without:
        notes.append(f"Left out: {counted(without, 'text', 'texts')} without a class.")
    if repeated:
        notes.append(f"Left out: {counted(repeated, 'text', 'texts')} that occurred before.")
    if of_two:
        what = counted(len(of_two), "text", "texts")
        notes.append(f"Left out: {what} with two different classes.")
    return {text: label for text, label in found.items() if text not in of_two}, notes


def _pairs(source: Input, field: str, folder: Path, faults: Faults) -> Iterator[tuple[str, str]]:
    """Each document with its class."""
    labels = Labels(field) if field and source.kind in RECORDS else None
    if labels and field == source.field:
        raise CourseError(f"{field!r} holds the text, and cannot hold the class.", NAME_CLASS)
    label, pieces = class_of(source.path, folder), []
    for passage in source.passages(faults=faults, labels=labels):
        if passage.whole:
            for document in passage.documents(source.unit):
                yield document, labels.found[-1] if labels else label
        else:
            pieces.append(passage.lines)
            if passage.ends:
                if not faults.leaves_out(pieces):
                    yield "\n".join(pieces), label
                pieces = []


def _of_classes(texts: Sequence[str], labels: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """The texts of the largest classes, and the sentence on others, if there are any."""
    sizes = Counter(labels[text] for text in texts)
    ordered = sorted(sizes, key=lambda name: (-sizes[name], name))
    kept = [name for name in ordered if sizes[name] >= FOLDS][:MOST_CLASSES]
    notes = []
    for others, why in (
        ([n for n in ordered if sizes[n] < FOLDS], f"with fewer than {FOLDS} texts each"),
        (
            [n for n in ordered[MOST_CLASSES:] if sizes[n] >= FOLDS],
            f"beyond the {MOST_CLASSES} largest",
        ),
    ):
        if others:
            number = counted(sum(sizes[name] for name in others), "text", "texts")
            what = counted(len(others), "class", "classes")
            names = enumerated([cut(name, LONGEST_NAME) for name in others], 5)
            notes.append(f"Left out: {number} of {what} {why} ({names}).")
    return [text for text in texts if labels[text] in kept], notes


def _shares_seen(texts: Sequence[str], trained_on: Iterable[Path]) -> np.ndarray:
    """What share of each text stands in some files, (texts,)."""
    found = (p for file in trained_on for p in passages(file, "utf-8", "blank-line"))
    return shares_within(texts, (passage.text for passage in found))


def _some(is_new: np.ndarray, most: int) -> np.ndarray:
    """Which documents are taken, at most so many: new ones up to half of them, then others."""
    new, old = np.flatnonzero(is_new), np.flatnonzero(~is_new)
    number = max(most // 2, most - len(old))
    return np.sort(np.concatenate((new[:number], old[: most - len(new[:number])])))
