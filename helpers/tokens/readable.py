"""Bytes of tokens as people can read them."""

import re

_NO_CHARACTERS = re.compile("[\udc80-\udcff]+")
_SIGNS = {" ": "␣", "\n": "⏎", "\t": "⇥", "\ufffd": "⟨EF BF BD⟩"}


def readable(content: bytes) -> str:
    """Bytes as text; spaces visible; what cannot be shown as its bytes, never as �.

    >>> readable(b" world"), readable("好".encode()), readable("a 好".encode()[:4])
    ('␣world', '好', 'a␣⟨E5 A5⟩')
    """
    text = content.decode("utf-8", "surrogateescape")  # a byte of no character is U+DC80 and up
    return _NO_CHARACTERS.sub(_bytes, "".join(map(_visible, text)))


def _visible(character: str) -> str:
    if character in _SIGNS or _NO_CHARACTERS.match(character):
        return _SIGNS.get(character, character)
    return character if character.isprintable() else f"⟨{character.encode().hex(' ').upper()}⟩"


def _bytes(found: re.Match) -> str:
    return f"⟨{found[0].encode('utf-8', 'surrogateescape').hex(' ').upper()}⟩"
