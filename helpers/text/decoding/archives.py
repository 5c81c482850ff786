"""The bytes of a file; those of a gzip or zstd archive are unpacked while they are read."""

import dataclasses
import gzip
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from helpers.common.errors import CourseError, DamagedFile

BLOCK = 1 << 20  # bytes, unpacked
ARCHIVES = {  # by the last ending of a name: what it is, and how such a file begins
    ".gz": ("gzip", re.compile(rb"\x1f\x8b")),
    ".zst": ("zstd", re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18")),
}


@dataclasses.dataclass
class Gauge:
    """How much of a file has been read, from 0 to 1, in steps of so many bytes."""

    step: int = BLOCK
    share: float = 0.0


def endings(file: Path) -> tuple[str, str]:
    """The ending of a name, and that of the archive around it, in small letters.

    >>> endings(Path("a.TXT")), endings(Path("b.c.jsonl.gz")), endings(Path("notes.zst"))
    (('.txt', ''), ('.jsonl', '.gz'), ('', '.zst'))
    """
    last = file.suffix.lower()
    return (Path(file.stem).suffix.lower(), last) if last in ARCHIVES else (last, "")


def blocks(file: Path, gauge: Gauge | None = None) -> Iterator[bytes]:
    """The bytes of a file, at most ``BLOCK`` at a time, however large an archive unpacks.

    Args:
        gauge: is told how far that is; it can ask for smaller steps.

    Raises:
        DamagedFile: an archive that is none, is damaged, or ends too early: up to which of its
            bytes it was read. An error shows at the end of a checked piece, behind the damage.
    """
    size = max(file.stat().st_size, 1)  # what the system makes while it is read seems to be empty
    step = gauge.step if gauge else BLOCK
    with file.open("rb") as handle:
        stream = _unpacking(file, handle)
        try:
            while block := stream.read(step):
                if gauge:
                    gauge.share = min(1.0, handle.tell() / size)
                yield block
        except (OSError, EOFError, zlib.error) as error:
            if (
                getattr(error, "errno", None) is not None
            ):  # the operating system's, not the archive's
                raise
            if "too much memory" in str(error):
                raise CourseError(
                    f"{file} was packed with a window of more than 128 MB, as zstd --long does.",
                    f"Unpack it first: zstd --decompress --long=31 {file.name}",
                ) from None
            if "Dictionary mismatch" in str(error):
                raise CourseError(
                    f"{file} was packed with a dictionary of its own, which is not in it.",
                    f"Unpack it first, with that dictionary: zstd -d -D DICTIONARY {file.name}",
                ) from None
            raise DamagedFile(
                f"{file} cannot be unpacked: in its first {handle.tell():,} of {size:,} bytes "
                f"something is damaged or missing ({str(error).rstrip('.')}).",
                "Copy or download it again, or leave it out.",
            ) from None


def _unpacking(file: Path, handle: BinaryIO) -> BinaryIO:
    archive = endings(file)[1]
    if not archive:
        return handle
    name, beginning = ARCHIVES[archive]
    if not beginning.match(handle.read(4)):
        raise DamagedFile(
            f"{file} is no {name} archive: its first bytes are others.",
            f"If it is plain text, take the {archive} off its name; else download it again.",
        )
    handle.seek(0)
    if name == "gzip":  # whose own module knows that zeros may be behind an archive, as tapes have
        return gzip.GzipFile(fileobj=handle)
    import pyarrow

    return pyarrow.CompressedInputStream(handle, name)
