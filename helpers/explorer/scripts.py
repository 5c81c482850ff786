"""Which script a character is written in, for many characters at once."""

import functools

import numpy as np
import regex as re

# A character belongs to the first that fits. Source: Unicode's properties Script, General_Category
# and Emoji; the Japanese long mark is shared by both kana, and so has no script of its own there.
_PATTERNS = {
    "white space": r"\s",
    "Han": r"\p{Han}",
    "Japanese kana": r"[\p{Hiragana}\p{Katakana}ーｰ]",
    "numbers": r"\p{N}",
    "emoji": r"(?![©®™])[\p{Extended_Pictographic}\p{Emoji_Presentation}\u200d\ufe0f\u20e3]",
    "Latin": r"\p{Latin}",
    "Greek": r"\p{Greek}",
    "Cyrillic": r"\p{Cyrillic}",
    "Arabic": r"\p{Arabic}",
    "Hebrew": r"\p{Hebrew}",
    "Devanagari": r"\p{Devanagari}",
    "Thai": r"\p{Thai}",
    "Korean Hangul": r"\p{Hangul}",
    "other letters": r"[\p{L}\p{M}]",
}
SCRIPTS = (*_PATTERNS, "punctuation and signs")  # the last one is what is left
WHITE_SPACE = 0


@functools.cache
def _script_of_code_point() -> np.ndarray:
    characters = "".join(map(chr, range(0x110000)))
    table = np.full(len(characters), len(SCRIPTS) - 1, dtype=np.uint8)
    for i, pattern in reversed([*enumerate(_PATTERNS.values())]):  # the first is written last
        for run in re.finditer(f"(?:{pattern})+", characters):
            table[slice(*run.span())] = i
    return table


def scripts_of(text: str) -> np.ndarray:
    """The script of every character, as its place in ``SCRIPTS``: uint8, shape (characters,).

    >>> [SCRIPTS[i] for i in scripts_of("a好 1")]
    ['Latin', 'Han', 'white space', 'numbers']
    """
    return _script_of_code_point()[np.frombuffer(text.encode("utf-32-le"), np.uint32)]
