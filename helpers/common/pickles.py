"""What PyTorch saved, read without running anything that is in the file."""

import argparse
import errno
import pickle
import pickletools
import re
import zipfile
from pathlib import Path

import numpy as np

from helpers.common.errors import CourseError
from helpers.common.file_kinds import ONCE_MORE, other_kind
from helpers.common.foreign_code import refuse_foreign_code

CALLS = {"INST", "OBJ", "EXT1", "EXT2", "EXT4"}  # ways to call something that torch.save has not
OTHER_SCALAR = "a NumPy scalar of the kind "
CHUNK = 1 << 20  # bytes that are read at a time
LONGEST_SHOWN = 100  # characters of a name that somebody else has chosen


class Meter:
    """Stands for fairseq's meters, which its checkpoints of 2019 hold; nothing of it is used."""


class ScalarKind:
    """Stands for ``numpy.dtype``, of a single number or text."""

    def __init__(self, code: str, *_: object) -> None:
        self.code, self.order = code, ""

    def __setstate__(self, state: tuple) -> None:
        self.order = state[1]  # of the bytes


def scalar(kind: ScalarKind, content: bytes) -> "float | int | complex | bool | str | bytes":
    """Stands for the function that makes a NumPy scalar: Python's own number, or text."""
    dtype = np.dtype(kind.order + kind.code)
    if dtype.kind not in "biufcUS":
        raise ValueError(f"{OTHER_SCALAR}{kind.code}")
    if not (dtype.itemsize or content):  # a text of no letters
        return dtype.type().item()
    return np.frombuffer(content, dtype).item()


def no_bytes() -> bytes:
    """Stands for ``bytes``, which makes the content of an empty text of NumPy's, and else more."""
    return b""


METERS = [
    (Meter, f"fairseq.{module}.{name}")
    for module in ("meters", "logging.meters")
    for name in ("AverageMeter", "TimeMeter", "StopwatchMeter")
]
# NumPy 1 and 2 have the function in different places.
SCALARS = [
    (scalar, "numpy.core.multiarray.scalar"),
    (scalar, "numpy._core.multiarray.scalar"),
    (ScalarKind, "numpy.dtype"),
    (no_bytes, "__builtin__.bytes"),
    (no_bytes, "builtins.bytes"),
]


def read_safely(file: Path) -> object:
    """What PyTorch saved in a file, without running anything in it.

    Allowed are tensors, plain containers, ``argparse.Namespace``, fairseq's old meters, and
    NumPy's scalars, which become Python's.

    Raises:
        CourseError: the file asks for more (the message says what), or is damaged.
    """
    import torch

    if not file.is_file():
        raise CourseError(f"There is no file {file}.", "Name a fairseq checkpoint (model.pt).")
    refuse_other_kinds(file)
    refuse_foreign_code()
    zipped = zipfile.is_zipfile(file)  # torch's format since 1.6; older files are plain pickles
    try:
        # PyTorch takes mapped bytes as they are: it unpacks none, and compares no checksum.
        mapped = zipped and _is_stored_and_whole(file)
        with torch.serialization.safe_globals([argparse.Namespace, *METERS, *SCALARS]):
            return torch.load(file, map_location="cpu", weights_only=True, mmap=mapped)
    except Exception as error:  # of damaged bytes PyTorch may make any error
        if isinstance(error, (OSError, MemoryError)) and error.args[:1] != (errno.EINVAL,):
            raise
        if asks := _refused(str(error), zipped or _begins_as_pickle(file)):
            raise CourseError(
                f"{file} is no checkpoint that can be read safely: {asks}.",
                "Nothing of it was run. Where it was made, save it once more by torch.save as it "
                "is, with tensors, numbers and texts alone in it.",
            ) from None
        if "CRC" in str(error):
            raise CourseError(
                f"{file} is damaged: its content is not what was saved ({error}).",
                ONCE_MORE,
            ) from None
        raise CourseError(
            f"{file} is no checkpoint that can be read safely: it is damaged or something else.",
            "Take it once more from where it was published; most often a download broke off.",
        ) from None


def refuse_other_kinds(file: Path) -> None:
    """Raise CourseError where the beginning of a file, or its name, tells that it is none of these.

    What is refused later, since it is damaged or asks for something, is read for that.
    """
    try:
        what, hint = other_kind(file)
    except PermissionError as error:
        raise closed(error) from None
    if what:
        raise CourseError(f"{file} is no checkpoint that can be read safely: it is {what}.", hint)


def closed(error: PermissionError) -> CourseError:
    """What is said of a model that may not be read."""
    return CourseError(
        f"{error.filename} cannot be read: {error.strerror}.",
        "Mend its permissions, or name another model.",
    )


def _is_stored_and_whole(file: Path) -> bool:
    """Whether nothing in a zip is compressed, once each part that has a checksum was compared.

    It reads the file once: a second for a gigabyte.

    Raises:
        zipfile.BadZipFile: a checksum is another one, or the zip is none.
    """
    with zipfile.ZipFile(file) as parts:
        for part in parts.infolist():
            if part.CRC:  # 0 where PyTorch was told to compute none
                with parts.open(part) as content:
                    while content.read(CHUNK):
                        pass
        return all(part.compress_type == zipfile.ZIP_STORED for part in parts.infolist())


def _begins_as_pickle(file: Path) -> bool:
    """Whether a file begins with a number of pickle's protocol, as no text does."""
    with file.open("rb") as stream:
        return stream.read(1) == pickle.PROTO


def _refused(said: str, is_pickle: bool) -> str:
    """What a file asks for, where PyTorch refused that for safety; else nothing.

    Args:
        is_pickle: whether it is one for certain; what is in letters may be a text.
    """
    if asked := re.search(r"GLOBAL (\S+)", said):
        return f"it asks to run {asked[1][:LONGEST_SHOWN]}"
    if found := re.search(rf"{OTHER_SCALAR}\S+", said):
        return f"it holds {found[0][:LONGEST_SHOWN]}"
    if "TorchScript" in said:
        return "it is a program (TorchScript)"
    if built := re.search(r"(Trying to call reduce|Can only (build|create new))[^\n]*", said):
        return f"it asks to run something that it has built ({built[0][:LONGEST_SHOWN]})"
    if "Invalid magic number" in said and is_pickle:
        return "it is a pickle that torch.save has not made"
    if operand := re.search(r"Unsupported operand (\d+)", said):
        found = pickletools.code2op.get(chr(int(operand[1])))
        if found and found.name in CALLS:
            return f"it asks to run what pickle's {found.name} names"
        if found and is_pickle:
            return f"it is in another pickle protocol than torch.save's own ({found.name})"
    return ""
