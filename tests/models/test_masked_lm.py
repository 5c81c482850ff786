"""Masked sentences as dictionary indices."""

import pytest

from helpers.common.errors import CourseError
from helpers.ids.dictionary import Dictionary
from helpers.models.masked_lm import masked_sentence
from helpers.tokens.gpt2 import encode

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
