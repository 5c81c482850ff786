"""Which folder is meant: that of a model, one above it, or one of the files in it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from helpers.common.errors import CourseError
from helpers.common.pickles import closed
from helpers.models.hf import folder as huggingface
from helpers.models.hf.config import FORMS, INDEX, WEIGHTS, is_huggingface, weights_of
from helpers.models.tensor_names import MERGE

ADAPTER = "adapter_config.json"
# As far below ~/.cache/huggingface a model lies; and so many folders of a depth are looked at.
DEEPEST, MOST = 4, 2000
SHOWN = 6
NO_MODELS = (
    "optimizer.pt",
    "scheduler.pt",
    "scaler.pt",
)  # which a Trainer of Hugging Face's leaves


def meant(found: Path) -> Path:
    """The folder of Hugging Face's whose file was named; else the path itself.

    Raises:
        CourseError: what was named is an adapter, holds models in folders below it only, is not
            the file that is read of its folder, or may not be read.
    """
    try:
        return _meant(found)
    except PermissionError as error:
        raise closed(error) from None


def _meant(found: Path) -> Path:
    if found.is_file():
        is_part = found.suffix == ".safetensors" or found.name in {*huggingface.FILES, *FORMS}
        is_part |= found.suffix == ".bin" and is_huggingface(found.parent)
        return _folder_of(found) if is_part else found
    _refuse_adapter(found)
    if found.is_dir() and not _is_model(found):
        _refuse_what_lies_above(found)
    return found


def _folder_of(file: Path) -> Path:
    folder = file.parent
    _refuse_adapter(folder)
    if not is_huggingface(folder):
        why = "no config.json" if not (folder / "config.json").is_file() else "a model.pt"
        raise CourseError(
            f"{file} is a part of a Hugging Face folder, and beside it lies {why}.",
            "Name a folder with config.json, the weights and the tokenizer's files, as "
            "save_pretrained writes them.",
        )
    weights = weights_of(folder)
    if file.name.endswith((".safetensors", ".bin", INDEX)) and file not in weights:
        raise CourseError(
            f"Of the folder {folder} the weights in {weights[0].name} are read, and not "
            f"{file.name}.",
            f"Give {file.name} a folder of its own, with config.json and the tokenizer's files, "
            f"where it has the name {' or '.join(WEIGHTS)}; and name that.",
        )
    return folder


def _refuse_adapter(folder: Path) -> None:
    """Raise CourseError where transformers would change the weights of a model by others."""
    file = folder / ADAPTER
    if not file.is_file():
        return
    try:
        base = json.loads(file.read_text("utf-8"))["base_model_name_or_path"]
    except (ValueError, RecursionError, LookupError, TypeError):
        base = None
    of = f" of {base[:100]!r}" if isinstance(base, str) else ""
    raise CourseError(
        f"{folder} holds an adapter of PEFT ({ADAPTER}): what is to be changed in a model{of}, and "
        "not the changed model.",
        MERGE,
    )


def _is_model(folder: Path) -> bool:
    weights = any((folder / name).is_file() for name in FORMS)
    return (folder / "model.pt").is_file() or (weights and (folder / "config.json").is_file())


def _refuse_what_lies_above(folder: Path) -> None:
    """Raise CourseError where there are models below, or checkpoints of other names; with these."""
    below = [*_models_below(folder)]
    if not below and not (folder / "config.json").is_file():  # else it lacks its weights
        below = [file for file in folder.glob("*.pt") if file.name not in NO_MODELS]
        below.sort(key=_in_order)
    if not below:
        return
    names = [path.relative_to(folder).as_posix() for path in below]
    more = f" and {len(names) - SHOWN:,} more" if names[SHOWN:] else ""
    one = f"of a model, but there is one in it: {names[0]}"
    several = f"of one model; there are several in it: {', '.join(names[:SHOWN])}{more}"
    raise CourseError(
        f"{folder} is not the folder {several if names[1:] else one}.",
        f"Name the one that you mean in source: most likely {_likely(below)}.",
    )


def _models_below(folder: Path) -> Iterator[Path]:
    """Folders with a model, or with an adapter; those of a depth in order of their numbers."""
    level = [folder]
    for _ in range(DEEPEST):
        below = sorted((each for above in level for each in _folders_in(above)), key=_in_order)
        found = [each for each in below if _holds_a_model(each)]
        yield from found
        level = [each for each in below if each not in found][:MOST]


def _holds_a_model(folder: Path) -> bool:
    try:
        return _is_model(folder) or (folder / ADAPTER).is_file()
    except OSError:  # closed to us
        return False


def _folders_in(folder: Path) -> list[Path]:
    try:
        return [p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")]
    except OSError:  # closed to us
        return []


def _in_order(path: Path) -> list:
    """Numbers count as numbers: ``checkpoint-500`` before ``checkpoint-1000``."""
    parts = re.split(r"(\d+)", path.name)
    return [(int(p), "") if p.isdecimal() else (-1, p) for p in parts]


def _likely(below: list[Path]) -> Path:
    """``checkpoint_best.pt``, the snapshot that Hugging Face's cache calls main, or the last."""
    for path in below:
        main = path.parent.parent / "refs" / "main"
        is_main = main.is_file() and main.read_text("utf-8", "replace").strip() == path.name
        if path.name == "checkpoint_best.pt" or is_main:
            return path
    return below[-1]
