"""Names of files with bytes that are not UTF-8, or with characters that a terminal would obey.

Python holds bytes of the first kind, as a zip archive of Chinese Windows gives them, as halves of
character pairs, which nothing can be written with: no record, no notebook, no page. They are
spelled ``\\xd6`` instead, wherever a name is shown, kept or typed; control characters ``\\x1b``.
"""

import os
import re
from pathlib import Path

_NOT_SHOWN = re.compile("[\0-\x1f\x7f-\x9f\ud800-\udfff]")
_NOT_IN_A_TEXT = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_SPELLED = re.compile(r"\\x([0189a-f][0-9a-f]|7f)|\\u(00[89][0-9a-f])")


def spelled(name: str) -> str:
    r"""A text that can be written, and read again.

    >>> print(spelled("texts/\udcd6\udcd0.txt"), spelled("文.txt"))
    texts/\xd6\xd0.txt 文.txt
    """
    return name if name.isprintable() else _NOT_SHOWN.sub(_spelled, name)


def printable(text: str) -> str:
    r"""A text with names in it, whose lines and tabs stay.

    >>> print(printable("a\x1b[31mred.txt\nis empty."))
    a\x1b[31mred.txt
    is empty.
    """
    return text if text.isprintable() else _NOT_IN_A_TEXT.sub(_spelled, text)


def cut(text: str, most: int) -> str:
    """The beginning of a long text.

    >>> cut("abc", 3), cut("abcd", 3)
    ('abc', 'abc …')
    """
    return text if len(text) <= most else f"{text[:most]} …"


def _spelled(sign: re.Match) -> str:
    code = ord(sign[0])
    is_byte = 0xDC80 <= code <= 0xDCFF
    return f"\\x{code & 0xFF:02x}" if is_byte or code < 0x80 else f"\\u{code:04x}"


def as_is(path: Path) -> Path:
    """The path that a spelled one stands for; one that is there with these letters is it."""
    if "\\" not in str(path) or os.path.lexists(path):
        return path
    return Path(_SPELLED.sub(_sign, str(path)))


def _sign(found: re.Match) -> str:
    code = int(found[1] or found[2], 16)
    return chr(0xDC00 + code if found[1] and code > 0x7F else code)
