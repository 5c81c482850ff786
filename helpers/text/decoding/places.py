"""Where in a file bytes stand that are no character, and what stands around them."""

import codecs
import itertools
import threading
from pathlib import Path
from typing import NamedTuple

from helpers.text.decoding.archives import blocks
from helpers.text.decoding.characters import MARK, NO_CHARACTER, LineEnds

AROUND = 12  # characters that are shown before and behind a place
SHOWN = 8  # bytes of a place that are shown
PART = 1 << 12  # bytes
PARTS = 100  # of so many bytes, read byte by byte
_LOCATED = "located"
_located = threading.local()  # a decoder's error handler is given nothing of one's own


class Place(NamedTuple):
    """Bytes that are no character, one behind the other, and the text around them.

    Attributes:
        line: from 1 on.
        byte: how many bytes stand before, when unpacked.
        found: its first bytes.

    >>> str(Place(3, 57, b"\\xb9", "天气很", "\\n我们"))
    'line 3, byte 57 (天气很⟨b9⟩\\\\n我们)'
    """

    line: int
    byte: int
    found: bytes
    before: str
    after: str

    def __str__(self) -> str:
        more = " …" if self.found[SHOWN:] else ""
        what = around(self.before, self.found[:SHOWN].hex(" ") + more, self.after)
        return f"line {self.line}, byte {self.byte} {what}"


def around(before: str, found: str, after: str) -> str:
    """What stands at a place, on one line, and without what a terminal would obey."""
    return f"({_plain(before[-AROUND:])}⟨{found}⟩{_plain(after[:AROUND])})"


def _plain(text: str) -> str:
    return repr(NO_CHARACTER.sub("\ufffd", text))[1:-1]


def _note(error: UnicodeDecodeError) -> tuple[str, int]:
    """Where the bytes begin, counted back from the last one that was given, and the bytes."""
    found = error.object[error.start : error.end]
    _located.places.append((len(error.object) - error.start, found))
    return MARK, error.end


codecs.register_error(_LOCATED, _note)


def bad_places(file: Path, encoding: str, most: int) -> list[Place]:
    """The first places that are no character; what is shown around them lies in the same part.

    Places without an end, as in a disk image, are not followed for long.
    """
    reader = _Reader(encoding, most)
    for block in itertools.chain(blocks(file), (b"",)):
        reader.read(block)
        if reader.is_done():
            break
    return [place._replace(found=place.found[: SHOWN + 1]) for place in reader.places()[:most]]


class _Reader:
    """Decodes block by block, and parts that hold bad places byte by byte.

    Attributes:
        parts: how many these were.
    """

    def __init__(self, encoding: str, most: int) -> None:
        self.decoder = codecs.getincrementaldecoder(encoding)(_LOCATED)
        self.zero = bytes({"utf-16": 2, "utf-32": 4}.get(codecs.lookup(encoding).name[:6], 1))
        self.newlines = LineEnds()
        self.line, self.byte, self.parts, self.most = 1, 0, 0, most
        self.seen: list[str] = []  # characters that are shown around places
        self.found: list[tuple[int, int, int, bytearray]] = []  # where it is seen, line, byte

    def read(self, block: bytes) -> None:
        if self._is_good(block):
            return
        for start in range(0, len(block), PART):
            part = block[start : start + PART]
            if not self._is_good(part):
                self.parts += 1
                self._byte_by_byte(part)
            if self.is_done():
                return
        if not block:
            self._byte_by_byte(block)

    def is_done(self) -> bool:
        return len(self.found) > self.most or self.parts > PARTS

    def _is_good(self, block: bytes) -> bool:
        """Whether there is no bad place in a block; then it is read."""
        state = self.decoder.getstate()
        text, _ = self._decoded(block)
        if NO_CHARACTER.search(text):
            self.decoder.setstate(state)
            return False
        self.line += self.newlines.decode(text).count("\n")
        self.byte += len(block)
        self.seen += text[: AROUND + 1] + text[-AROUND:]
        return True

    def _byte_by_byte(self, part: bytes) -> None:
        for byte in [part[i : i + 1] for i in range(len(part))] or [b""]:
            self.byte += len(byte)
            text, located = self._decoded(byte)
            for sign in text:
                if NO_CHARACTER.match(sign):
                    self.line += self.newlines.decode("", final=True).count("\n")
                    self._note(*(located.pop(0) if located else (len(self.zero), self.zero)))
                self.line += self.newlines.decode(sign).count("\n")
                self.seen.append(sign)

    def _note(self, back: int, bad: bytes) -> None:
        if self.found:
            _, _, start, before = self.found[-1]
            if start + len(before) == self.byte - back:
                self.seen.pop()
                before += bad
                return
        self.found.append((len(self.seen), self.line, self.byte - back, bytearray(bad)))

    def places(self) -> list[Place]:
        return [
            Place(
                line,
                byte,
                bytes(found),
                "".join(self.seen[max(0, at - AROUND) : at]),
                "".join(self.seen[at + 1 : at + 1 + AROUND]),
            )
            for at, line, byte, found in self.found
        ]

    def _decoded(self, block: bytes) -> tuple[str, list[tuple[int, bytes]]]:
        _located.places = []
        text = self.decoder.decode(block, final=not block)
        return text, _located.places
