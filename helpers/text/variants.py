"""Characters that are written in two ways: traditional and simplified, full width and half width.

None is changed. They are counted, since a model that reads both learns each of a word's two
spellings from less text.
"""

import functools
from typing import NamedTuple

import numpy as np

MIXED, ENOUGH = 0.005, 20  # so much of the rarer script, and so many characters, are no chance
_FULL_WIDTH = "０１２３４５６７８９" + "".join(
    chr(code) for first in "Ａａ" for code in range(ord(first), ord(first) + 26)
)


class Variants(NamedTuple):
    """How many characters of a text are of simplified script only, or of traditional script only;
    and how many letters and digits of ASCII take the width of a Chinese character.
    """

    simplified: int = 0
    traditional: int = 0
    full_width: int = 0

    @property
    def are_mixed(self) -> bool:
        """Whether the text is in both scripts."""
        few = min(self.simplified, self.traditional)
        return few >= ENOUGH and few >= MIXED * (self.simplified + self.traditional)


def variants_in(text: str) -> Variants:
    """Count them.

    >>> variants_in("２０２３年很热，iPhone 說：ＰＣ")
    Variants(simplified=1, traditional=1, full_width=6)
    """
    if text.isascii():
        return Variants()
    codes = np.frombuffer(text.encode("utf-16-le", "surrogatepass"), dtype="<u2")
    return Variants(*np.bincount(_kinds()[codes], minlength=4)[1:].tolist())


@functools.cache
def _kinds() -> np.ndarray:
    """Of each character of 16 bits which of the three it is, counted from 1: (65536,), uint8.

    GB 2312 and Big5 begin with the characters that are used most: 3,755 in simplified and 5,401
    in traditional script. Those that the other one lacks altogether are of one script only; but
    for those that Hong Kong has added to Big5, where some are written as in China.
    """
    kinds = np.zeros(1 << 16, dtype=np.uint8)
    names = ("gb2312", "big5", "big5hkscs")
    for code in range(0x4E00, 0xA000):
        gb, big5, hong_kong = (chr(code).encode(name, "ignore") for name in names)
        if gb and not hong_kong and gb < b"\xd8":
            kinds[code] = 1
        elif big5 and not gb and big5 < b"\xc9":
            kinds[code] = 2
    kinds[[ord(character) for character in _FULL_WIDTH]] = 3
    return kinds
