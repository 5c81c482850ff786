"""Tokens for people: what a dictionary index looks like, and a masked sentence as indices."""

from helpers.dictionary import Dictionary
from helpers.errors import CourseError
from helpers.vocabulary import END_OF_TEXT, GPT2_IDS, bytes_of_token, encode, letters_of_token

MASK = "<mask>"
_SIGNS = {" ": "␣", "\n": "⏎", "\t": "⇥", "\ufffd": "⟨EF BF BD⟩"}


def readable(content: bytes) -> str:
    """Bytes as text; spaces visible; what cannot be shown as its bytes, never as �.

    >>> readable(b" world"), readable("好".encode()), readable("好".encode()[:2])
    ('␣world', '好', '⟨E5 A5⟩')
    """
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return f"⟨{content.hex(' ').upper()}⟩"
    return "".join(map(_visible, text))


def _visible(character: str) -> str:
    if character in _SIGNS:
        return _SIGNS[character]
    return character if character.isprintable() else f"⟨{character.encode().hex(' ').upper()}⟩"


def token_text(index: int, dictionary: Dictionary) -> str:
    """What stands at a dictionary index, readable; special symbols as they are."""
    symbol = dictionary.symbol(index)
    known = symbol.isdecimal() and int(symbol) < GPT2_IDS
    return readable(bytes_of_token()[int(symbol)]) if known else symbol


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
