"""What a workspace knows of tokens: the rows of its model's table, and how often each occurs."""

import dataclasses

import numpy as np

from helpers.common.errors import CourseError
from helpers.explorer import corpus
from helpers.ids.dictionary import Dictionary, roberta_dictionary
from helpers.workflow.workspace import Workspace


@dataclasses.dataclass(frozen=True, eq=False)
class KnownTokens:
    """What is known of GPT-2's tokens, apart from themselves.

    Attributes:
        dictionary: the workspace's, else RoBERTa's own; None where there is neither.
        counts: how often each GPT-2 id occurs in train, shape (50257,); None before it was counted.
        origin: a sentence on where they are from.
    """

    dictionary: Dictionary | None = None
    counts: np.ndarray | None = None
    origin: str = ""


def known_tokens(workspace: Workspace) -> KnownTokens:
    """Look into a workspace; nothing is computed or downloaded."""
    counted = corpus.kept(workspace, "train")
    own = workspace.base_dict.is_file()
    try:
        file = workspace.base_dict if own else roberta_dictionary(download=False)
        dictionary = Dictionary.load(file)
        name = "the base model's, base/dict.txt" if own else "RoBERTa's own, gpt2_bpe/dict.txt"
        origin = f"The dictionary is {name}."
    except CourseError as error:
        dictionary = None
        origin = f"There are no dictionary indices. {error}"
    if counted is None:
        origin += " How often tokens occur is not known before the corpus is counted."
    return KnownTokens(dictionary, counted.counts if counted else None, origin)
