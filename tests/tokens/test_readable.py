"""Tokens as people read them, masked sentences, and Hugging Face's vocabulary."""

import re

import pytest

from helpers.common.errors import CourseError
from helpers.ids.dictionary import FILLERS, Dictionary
from helpers.ids.token_names import token_text
from helpers.models.huggingface import vocab_of
from helpers.models.masked_lm import masked_sentence
from helpers.tokens.gpt2 import encode
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


SENTENCES = ["Hello <mask> world!", "Hello<mask> world! ", "<mask>", "Hello <mask>", "<mask>, 你好"]


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_masked_sentence_is_fairseqs(sentence: str, dictionary: Dictionary):
    # as RobertaHubInterface.fill_mask does it
    spans = (encode(span.rstrip()) for span in sentence.split("<mask>"))
    words = " <mask> ".join(" ".join(map(str, span)) for span in spans).split()
    index = {symbol: i for i, symbol in enumerate(dictionary.all_symbols)}
    assert masked_sentence(sentence, dictionary) == [0, *(index[word] for word in words), 2]


@pytest.mark.parametrize(("sentence", "times"), [("no mask", 0), ("<mask> and <mask>", 2)])
def test_one_mask_is_needed(sentence: str, times: int, dictionary: Dictionary):
    with pytest.raises(CourseError, match=f"has {times} times <mask>"):
        masked_sentence(sentence, dictionary)


def test_hugging_faces_vocabulary_has_every_index(dictionary: Dictionary):
    found = vocab_of(dictionary)
    assert sorted(found.values()) == [*range(50265)]
    assert found["Ġworld"] == dictionary.index("995")
    assert (found["<s>"], found["<mask>"], found[FILLERS[0]]) == (0, 50264, 50261)


def test_a_dictionary_that_lacks_tokens_cannot_be_converted():
    with pytest.raises(CourseError, match="lacks 50,254 of GPT-2's tokens, for example 0"):
        vocab_of(Dictionary(("13", "262"), (5, 4)))
