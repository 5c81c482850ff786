"""Hugging Face's vocabulary, made of a dictionary."""

import pytest

from helpers.common.errors import CourseError
from helpers.ids.dictionary import FILLERS, Dictionary
from helpers.models.hf.folder import vocab_of


def test_hugging_faces_vocabulary_has_every_index(dictionary: Dictionary):
    found = vocab_of(dictionary)
    assert sorted(found.values()) == [*range(50265)]
    assert found["Ġworld"] == dictionary.index("995")
    assert (found["<s>"], found["<mask>"], found[FILLERS[0]]) == (0, 50264, 50261)


def test_a_dictionary_that_lacks_tokens_cannot_be_converted():
    with pytest.raises(CourseError, match="lacks 50,254 of GPT-2's tokens, for example 0"):
        vocab_of(Dictionary(("13", "262"), (5, 4)))
