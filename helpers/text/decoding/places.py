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
_LOCATED = "located"
_located = threading.local()  # a decoder's error handler is given nothing of one's own


class Place(NamedTuple):
    """Bytes that are no character, one behind the other, and the text around them.

    Attributes:
        line: from 1 on.
        byte: how many bytes stand before, when unpacked.

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
    """The first places that are no character; what is shown around them lies in the same block."""
    reader, places = _Reader(encoding), []
    for block in itertools.chain(blocks(file), (b"",)):
        places += reader.places(block)
        if len(places) >= most:
            break
    return places[:most]


class _Reader:
    """Decodes block by block, and those that hold bad places byte by byte."""

    def __init__(self, encoding: str) -> None:
        self.decoder = codecs.getincrementaldecoder(encoding)(_LOCATED)
        self.zero = bytes({"utf-16": 2, "utf-32": 4}.get(codecs.lookup(encoding).name[:6], 1))
        self.newlines = LineEnds()
        self.line, self.byte, self.before = 1, 0, ""

    def places(self, block: bytes) -> list[Place]:
        state = self.decoder.getstate()
        text, _ = self._decoded(block)
        if not NO_CHARACTER.search(text):
            self.line += self.newlines.decode(text).count("\n")
            self.byte += len(block)
            self.before = text[-AROUND:] or self.before
            return []
        self.decoder.setstate(state)
        return self._byte_by_byte(block)

    def _byte_by_byte(self, block: bytes) -> list[Place]:
        seen, found, starts = [*self.before], [], []
        for byte in [block[i : i + 1] for i in range(len(block))] or [b""]:
            self.byte += len(byte)
            text, located = self._decoded(byte)
            for sign in text:
                if NO_CHARACTER.match(sign):
                    self.line += self.newlines.decode("", final=True).count("\n")
                    back, bad = located.pop(0) if located else (len(self.zero), self.zero)
                    if found and found[-1].byte + len(found[-1].found) == self.byte - back:
                        found[-1] = found[-1]._replace(found=found[-1].found + bad)
                        continue
                    found.append(Place(self.line, self.byte - back, bad, "", ""))
                    starts.append(len(seen))
                self.line += self.newlines.decode(sign).count("\n")
                seen.append(sign)
        self.before = "".join(seen[-AROUND:])
        return [
            place._replace(
                before="".join(seen[max(0, at - AROUND) : at]),
                after="".join(seen[at + 1 : at + 1 + AROUND]),
            )
            for at, place in zip(starts, found, strict=True)
        ]

    def _decoded(self, block: bytes) -> tuple[str, list[tuple[int, bytes]]]:
        _located.places = []
        text = self.decoder.decode(block, final=not block)
        return text, _located.places
