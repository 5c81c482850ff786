"""Bytes that a decoder takes without an error, though they were written in another encoding."""

import codecs
import re
import unicodedata

PART = 2000  # characters, of which enough must be strange
# Six characters of three bytes that are much used: kana, Chinese, Korean, wide signs. No text in
# an older encoding has these by chance; with all others it may, as Thai has.
_MUCH_USED = rb"\xe3[\x80-\x83]|[\xe4-\xe9][\x80-\xbf]|\xea[\xb0-\xbf]|[\xeb\xec][\x80-\xbf]"
_IN_UTF_8 = re.compile(
    rb"(?!(?:\xe4[\x80-\xbf]{2}){6})(?:(?:%s|\xed[\x80-\x9e]|\xef[\xbc\xbd])[\x80-\xbf]){6}"
    % _MUCH_USED
)
_WORDS = re.compile(rb"(?:[A-Za-z,.'-]{2,}[ \r\n]+){6}")  # ASCII, of whatever encoding
# ASCII and Latin read from the wrong byte on, or with the bytes the other way round.
_LOW_IS_ZERO = "".join(chr(high << 8) for high in (*range(1, 0xD8), *range(0xE0, 0x100)))
_TURNED = re.compile(f"[{_LOW_IS_ZERO}]{{8,}}")

_TURNED_END = "\u0a00"  # a line end; no character has this number


def in_utf_8(block: bytes) -> re.Match | None:
    """Where a part of a block is UTF-8 that no text in an older encoding can be."""
    return None if block.isascii() else _IN_UTF_8.search(block)


def is_wide(encoding: str) -> bool:
    """Whether every character takes two bytes or more, and so bytes can be lost between them."""
    return codecs.lookup(encoding).name[:6] in ("utf-16", "utf-32")


def written_otherwise(block: bytes, encoding: str) -> re.Match | None:
    """Where a part of a block is in UTF-8, or in plain ASCII that this encoding does not read."""
    name = codecs.lookup(encoding).name
    if name.startswith("utf-8"):
        return None
    keeps_ascii = b"a b".decode(name, "replace") == "a b"
    return in_utf_8(block) or (None if keeps_ascii else _WORDS.search(block))


def turned_at(text: str, mark: str) -> int:
    """Where in a text of UTF-16 the bytes of one character begin to be read as parts of two.

    Args:
        mark: stands for bytes that are no character.

    Returns:
        The index in the text; -1 if there is no such place.
    """
    if text.isascii():
        return -1
    if (at := text.find(_TURNED_END)) >= 0:
        return at
    for found in _TURNED.finditer(text):
        if len(set(found[0])) > 3:  # rules are drawn with a row of U+2500
            return found.start()
    if mark in text:
        for start in range(0, len(text), PART):
            part = text[start : start + PART]
            private = sum(unicodedata.category(c) in ("Co", "Cn") for c in part)
            if part.count(mark) > 2 and private > max(10, len(part) / 30):
                return start
    return -1
