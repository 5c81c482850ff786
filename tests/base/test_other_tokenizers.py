"""A model whose tokens are not GPT-2's is refused before anything is made with it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.common.errors import CourseError
from helpers.ids.dictionary import FILLERS
from helpers.stages.road import ROAD
from helpers.tokens.gpt2 import END_OF_TEXT, GPT2_IDS
from helpers.workflow.settings import BaseSettings
from helpers.workflow.workspace import Workspace
from tests.support import checkpoint_makers as make
from tests.support.small import SHORT

OTHERS: dict[str, tuple[Callable[[int], str], str]] = {
    "SentencePiece": (lambda i: f"▁word{i}", "lacks 50,256 of GPT-2's tokens, for example 0"),
    "fastBPE": (lambda i: f"wo{i}@@", "lacks 50,256 of GPT-2's tokens, for example 0"),
    "half of GPT-2's": (
        lambda i: str(i) if i < 30_000 else f"rare{i}",
        "lacks 20,256 of GPT-2's tokens, for example 30000",
    ),
    "all but one": (lambda i: "Hello" if i == 15496 else str(i), r"example 15496 \('Hello'\)"),
}


def dict_of(symbol: Callable[[int], str]) -> str:
    """As many lines as RoBERTa's has."""
    return "".join(f"{s} 1\n" for s in (*map(symbol, range(GPT2_IDS)), *FILLERS))


@pytest.mark.parametrize("name", OTHERS)
def test_a_base_with_another_tokenizer_is_refused(
    name: str, workspace: Workspace, tmp_path: Path
) -> None:
    symbol, message = OTHERS[name]
    model = make.current(make.fitting(make.tensors()))
    file = make.put(model, tmp_path / "mine", dict_text=dict_of(symbol))
    with pytest.raises(CourseError, match=message) as caught:
        make.base_from(workspace, file)
    assert str(file.with_name("dict.txt")) in caught.value.message
    assert make.is_untouched(workspace)


def test_one_that_was_put_there_by_hand_is_neither_described_nor_trained(
    workspace: Workspace,
) -> None:
    symbol, message = OTHERS["half of GPT-2's"]
    model = make.current(make.fitting(make.tensors()))
    make.put(model, workspace.base_model.parent, dict_text=dict_of(symbol))
    with pytest.raises(CourseError, match=message):
        ROAD.run("base", workspace, BaseSettings())
    make.prepare(workspace)
    with pytest.raises(CourseError, match=message):
        ROAD.run("finetune", workspace, SHORT)
    assert not workspace.checkpoints.exists()


@pytest.mark.usefixtures("tiny_course_base")
def test_the_token_that_no_text_has_may_be_missing(workspace: Workspace, tmp_path: Path) -> None:
    text = dict_of(lambda i: "madeupword0003" if i == END_OF_TEXT else str(i))
    model = make.current(make.fitting(make.tensors()))
    report = make.base_from(workspace, make.put(model, tmp_path / "mine", dict_text=text))
    assert report.vocabulary == make.ROWS
