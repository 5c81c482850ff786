"""Tokens as people read them."""

import re

import pytest

from helpers.ids.dictionary import FILLERS, Dictionary
from helpers.ids.token_names import token_text
from helpers.tokens.readable import readable


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (b" world", "␣world"),
        (b"\n\t", "⏎⇥"),
        ("好".encode(), "好"),
        ("好".encode()[:2], "⟨E5 A5⟩"),
        (b"\xff", "⟨FF⟩"),
        (b"a\0", "a⟨00⟩"),
        ("\u200d\ufffd".encode(), "⟨E2 80 8D⟩⟨EF BF BD⟩"),
        (b"", ""),
    ],
)
def test_bytes_are_shown_readably(content: bytes, shown: str):
    assert readable(content) == shown


def test_every_token_is_shown_without_replacement_characters(dictionary: Dictionary):
    shown = [token_text(i, dictionary) for i in range(50265)]
    assert all(word and word.isprintable() and "\ufffd" not in word for word in shown)
    assert not any(" " in re.sub("⟨.*?⟩", "", word) for word in shown)
    assert shown[:4] == ["<s>", "<pad>", "</s>", "<unk>"] and shown[-1] == "<mask>"
    assert shown[dictionary.index("995")] == "␣world" and shown[-4:-1] == [*FILLERS]
