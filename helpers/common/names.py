"""Names of files whose bytes are not UTF-8, as those from a zip archive of Chinese Windows.

Python holds such bytes as halves of character pairs, which nothing can be written with: no record,
no notebook, no page. They are spelled ``\\xd6`` instead, wherever a name is shown, kept or typed.
"""

import os
import re
from pathlib import Path

_HALVES = re.compile("[\ud800-\udfff]")
_SPELLED = re.compile(r"\\x([89a-f][0-9a-f])")


def spelled(name: str) -> str:
    r"""A text that can be written, and read again.

    >>> print(spelled("texts/\udcd6\udcd0.txt"), spelled("文.txt"))
    texts/\xd6\xd0.txt 文.txt
    """
    return name if name.isascii() else _HALVES.sub(_spelled, name)


def _spelled(half: re.Match) -> str:
    code = ord(half[0])
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"


def as_is(path: Path) -> Path:
    """The path that a spelled one stands for; one that is there with these letters is it."""
    if "\\x" not in str(path) or os.path.lexists(path):
        return path
    spelled_bytes = _SPELLED.sub(lambda found: chr(0xDC00 + int(found[1], 16)), str(path))
    return Path(spelled_bytes)
