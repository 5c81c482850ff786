"""What stands at a dictionary index, for people."""

from collections.abc import Iterable

from helpers.common.symbols import FIRST
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


def text_of(indices: Iterable[int], dictionary: Dictionary) -> str:
    """The text that indices stand for; special symbols stand for none."""
    symbols = (dictionary.symbol(int(index)) for index in indices if index >= FIRST)
    return b"".join(map(_content, symbols)).decode("utf-8", "replace")


def _content(symbol: str) -> bytes:
    known = symbol.isdecimal() and int(symbol) < GPT2_IDS
    return bytes_of_token()[int(symbol)] if known else symbol.encode()
