"""Files for people, which the course renews only as long as nobody has changed them.

The last line of a text says the SHA-256 of what is above it, and a picture names the program that
drew it. So it is known anywhere, also in a copy of the folder, whether a file is the course's.
"""

import hashlib
import os
from pathlib import Path

from helpers.common.files import write_whole
from helpers.common.symbols import SOFTWARE

_SIGNED = f"<!-- Written by {SOFTWARE}, which renews it as long as nobody changes it: ".encode()
_END = b" -->\n"
_PNG = b"\x89PNG"


def signed(text: str) -> bytes:
    """A text of Markdown or HTML with the line that says it is the course's own."""
    content = f"{text.rstrip()}\n".encode()
    return content + _SIGNED + _digest(content) + _END


def is_ours(content: bytes) -> bool:
    """Whether a file's content is as the course wrote it."""
    if content.startswith(_PNG):
        return f"Software\0{SOFTWARE}".encode() in content
    text, mark, end = content.rpartition(_SIGNED)
    return bool(mark) and end == _digest(text) + _END


def renew(file: Path, content: bytes) -> list[str]:
    """Write a file, unless a person has put something else in its place.

    Returns:
        What is to be said of it, in sentences: that something else stands there, and stays.

    Raises:
        CourseError: it cannot be written.
    """
    if not os.path.lexists(file):
        write_whole(file, content)
        return []
    found = file.read_bytes() if file.is_file() and not file.is_symlink() else b""
    if not is_ours(found):
        return [
            f"{file.parent.name}/{file.name} is not what the course wrote, and stays as it is; "
            "where you move it away, this step writes its own."
        ]
    if found != content:
        write_whole(file, content)
    return []


def remove_ours(file: Path) -> None:
    """Remove a file that tells of something else by now, if it is as the course wrote it."""
    if file.is_file() and not file.is_symlink() and is_ours(file.read_bytes()):
        file.unlink()


def _digest(content: bytes) -> bytes:
    return f"SHA-256 {hashlib.sha256(content).hexdigest()}".encode()
