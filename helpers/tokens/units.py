"""Characters and words in tokens: what is hidden whole, or not at all.

GPT-2's tokens are bytes: a Chinese character is most often two or three of them, a rare word
several. A *unit* is the smallest run of tokens that begins and ends where a character, or a word,
begins and ends; so a token that holds several of them is a unit by itself.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import regex as re

from helpers.common.errors import CourseError

SEGMENTER = "rjieba==0.2.2"  # jieba's dictionary and algorithm; as pyproject.toml asks for it
_SPECIAL = b"\n"  # stands for what is no text: no character or word goes on behind it
_LATER_BYTE = (0x80, 0xC0)  # in UTF-8 all bytes of a character but its first are 10xxxxxx
_WORD_END = re.compile(r"(?w)\b")  # Unicode's default word boundaries (UAX #29)
HAN = "Han"
_HAN = re.compile(rf"\p{{{HAN}}}+")
# The other scripts without spaces between words; Unicode's boundaries part each of their letters.
UNDIVIDED = (
    *("Thai", "Lao", "Khmer", "Myanmar", "Tai_Le", "New_Tai_Lue", "Tai_Tham", "Tai_Viet", "Ahom"),
    "Hiragana",
)


def unit_sizes(contents: Sequence[bytes], unit: str) -> np.ndarray:
    """How many tokens each unit of a sample has: int64, shape (units,).

    Args:
        contents: the bytes of each token; none (``b""``) for ``</s>`` and whatever else is no
            text, which is a unit by itself.
        unit: ``token``, ``character`` or ``word``. A word ends where Unicode says so, between
            punctuation and letters too, and has the space before it, as GPT-2's tokens have; of
            Chinese characters it is what a segmenter takes for one, and of :data:`UNDIVIDED` a
            letter with its marks.

    Raises:
        CourseError: words of Chinese characters are asked for, and there is no segmenter.

    >>> unit_sizes([" 你".encode()[:3], "你".encode()[2:], "好吗".encode()], "character").tolist()
    [2, 1]
    """
    if unit == "token":
        return np.ones(len(contents), np.int64)
    specials = np.array([not content for content in contents], bool)
    text = b"".join(content or _SPECIAL for content in contents)
    places = np.cumsum([0, *(len(content) or 1 for content in contents)])[:-1]  # of tokens
    first = _begin_characters(text)
    if unit == "word":
        first &= _begin_words(text)
    begins = first[places] | specials
    begins |= np.append(True, specials)[:-1]  # a sample may begin in the middle of a character
    return np.diff(np.flatnonzero(begins), append=len(contents))


def _begin_characters(text: bytes) -> np.ndarray:
    """Which bytes are the first of a character: bool, (bytes,)."""
    value, mask = _LATER_BYTE
    return np.bitwise_and(np.frombuffer(text, np.uint8), mask) != value


def _begin_words(text: bytes) -> np.ndarray:
    """Which bytes are the first of a word: bool, (bytes,)."""
    characters = text.decode("utf-8", "surrogateescape")  # a byte of no character is U+DC80 and up
    points = np.frombuffer(characters.encode("utf-32-le", "surrogatepass"), np.uint32)
    lone = (points >= 0xDC80) & (points <= 0xDCFF)
    sizes = np.where(lone, 1, 1 + (points > 0x7F) + (points > 0x7FF) + (points > 0xFFFF))
    found = np.zeros(len(text), bool)
    places = np.cumsum(sizes) - sizes
    found[places[sorted(_word_starts(characters))]] = True
    return found


def _word_starts(text: str) -> set[int]:
    """Where words begin: with the space before them, as GPT-2's tokens do.

    >>> sorted(_word_starts("It's  new: 今天天气 3.5"))
    [0, 4, 5, 9, 10, 15]
    """
    starts = {match.start() for match in _WORD_END.finditer(text)} - {len(text)}
    for run in _HAN.finditer(text):  # of which Unicode makes a word each
        starts -= {*range(*run.span())}
        starts |= {run.start() + place for place in _segmented(run[0])}
    return {
        place - (text[place - 1 : place] == " " and not text[place].isspace()) for place in starts
    }


def without_spaces(characters: Mapping[str, int]) -> dict[str, int]:
    """How many characters are of each script that has no spaces between words.

    Args:
        characters: how often each occurs.

    >>> without_spaces({"a": 9, "中": 2, "々": 1, "ไ": 3})
    {'Han': 3, 'Thai': 3}
    """
    text = "".join(characters)
    found = {
        script: sum(characters[one] for one in re.findall(rf"\p{{{script}}}", text))
        for script in (HAN, *UNDIVIDED)
    }
    return {script: number for script, number in found.items() if number}


def of_undivided(scripts: Mapping[str, int], there: str) -> str:
    """The sentences on what words are of scripts that nothing divides; empty without any.

    Args:
        scripts: as :func:`without_spaces` counts them.
        there: where they are, as a sentence begins.
    """
    counts = [
        f"{number:,} of {script.replace('_', ' ')}"
        for script, number in scripts.items()
        if script != HAN
    ]
    if not counts:
        return ""
    kanji = "; Japanese kanji are divided as if they were Chinese" * ("Hiragana" in scripts)
    return (
        f"{there} has characters without spaces between words, and the course has no segmenter for "
        f"them: {' and '.join(counts)}. Each such letter counts as a word by itself{kanji}."
    )


def _segmented(chinese: str) -> Iterator[int]:
    """Where the words in a run of Chinese characters begin."""
    place = 0
    for word in segmenter()(chinese):
        yield place
        place += len(word)


def segmenter() -> Callable[[str], list[str]]:
    """What cuts Chinese into words.

    Raises:
        CourseError: it is not installed.
    """
    try:
        import rjieba
    except ImportError:
        raise CourseError(
            "Chinese has no spaces between words, and the segmenter that would find them is not "
            "installed.",
            f'Run `pip install {SEGMENTER}`, or take mask_unit = "character".',
        ) from None
    return rjieba.cut
