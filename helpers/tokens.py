"""Tokens for people: what a dictionary index looks like, and a masked sentence as indices."""

import re
from collections.abc import Iterable

from helpers.dictionary import Dictionary
from helpers.errors import CourseError
from helpers.vocabulary import END_OF_TEXT, GPT2_IDS, bytes_of_token, encode, letters_of_token

MASK = "<mask>"
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


def token_text(index: int, dictionary: Dictionary) -> str:
    """What stands at a dictionary index, readable; special symbols as they are."""
    return tokens_text([index], dictionary)


def tokens_text(indices: Iterable[int], dictionary: Dictionary) -> str:
    """The same of neighbours: what is a character only together is shown as one."""
    symbols = map(dictionary.symbol, indices)
    return readable(b"".join(_content(symbol) for symbol in symbols))


def _content(symbol: str) -> bytes:
    known = symbol.isdecimal() and int(symbol) < GPT2_IDS
    return bytes_of_token()[int(symbol)] if known else symbol.encode()


def masked_sentence(sentence: str, dictionary: Dictionary) -> list[int]:
    """Dictionary indices of a sentence with one ``<mask>``, from ``<s>`` to ``</s>``.

    The space before the mask belongs to the mask, as in fairseq's ``fill_mask``.

    Raises:
        CourseError: it has no mask, or several.
    """
    before, *after = sentence.strip().split(MASK)
    if len(after) != 1:
        raise CourseError(
            f"{sentence!r} has {len(after)} times {MASK}; it should have one.",
            f"Write one {MASK} where the models are to guess a token.",
        )
    left, right = (dictionary.from_gpt2[encode(text.rstrip())] for text in (before, after[0]))
    return [0, *left.tolist(), dictionary.mask, *right.tolist(), 2]


def vocabulary(dictionary: Dictionary) -> dict[str, int]:
    """Hugging Face's ``vocab.json``: each token in GPT-2's letters → dictionary index.

    Raises:
        CourseError: the dictionary lacks GPT-2 ids, which the merges would need.
    """
    lacking = [i for i in range(END_OF_TEXT) if str(i) not in dictionary]
    if lacking:
        raise CourseError(
            f"The dictionary lacks {len(lacking):,} of GPT-2's tokens, for example {lacking[0]}.",
            "Only models with GPT-2's whole vocabulary can be converted.",
        )
    letters = letters_of_token()
    return {
        letters[int(s)] if s.isdecimal() and int(s) < GPT2_IDS else s: i
        for i, s in enumerate(dictionary.all_symbols)
    }
