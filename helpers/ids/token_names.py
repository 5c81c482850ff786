"""What stands at a dictionary index, for people."""

from collections.abc import Iterable

from helpers.ids.dictionary import Dictionary
from helpers.tokens.gpt2 import GPT2_IDS, bytes_of_token
from helpers.tokens.readable import readable


def token_text(index: int, dictionary: Dictionary) -> str:
    """What stands at a dictionary index, readable; special symbols as they are."""
    return tokens_text([index], dictionary)


def tokens_text(indices: Iterable[int], dictionary: Dictionary) -> str:
    """What stands at neighbouring indices; pieces of one character are shown as that character."""
    symbols = map(dictionary.symbol, indices)
    return readable(b"".join(_content(symbol) for symbol in symbols))


def _content(symbol: str) -> bytes:
    known = symbol.isdecimal() and int(symbol) < GPT2_IDS
    return bytes_of_token()[int(symbol)] if known else symbol.encode()
