"""Badges: the claims are computed for real, and are false as soon as an id is another one."""

import dataclasses
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from helpers.common.files import PROJECT
from helpers.explorer import references as module
from helpers.explorer.references import (
    MOST,
    MOST_SQUARES,
    badges,
    fairseq_encode,
    huggingface_encode,
)
from helpers.explorer.text import Explored, explore
from tests.support.awkward import TEXTS, text

with_fairseq = pytest.mark.skipif(
    importlib.util.find_spec("fairseq") is None, reason="fairseq is not installed"
)
LONG = {
    "letters": "a" * 1_000_000,
    "spaces": " " * 1_000_000 + "x",
    "newlines": "\n" * 100_000,
    "emoji": "🙂" * 100_000,
    "words": "Measured values, 测量值。 " * 50_000,
    "chinese": "测量值的分布，" * 5_000,
    "lines": "It's a line, 一行\n" * 5_000,
}


def held(explored: Explored) -> list[bool | None]:
    return [badge.holds for badge in badges(explored)]


def with_ids(explored: Explored, ids: list[int]) -> Explored:
    return dataclasses.replace(explored, ids=np.array(ids, np.int32))


@with_fairseq
@pytest.mark.parametrize("lines", [True, False])
@pytest.mark.parametrize("name", sorted(TEXTS.keys() - {"long gap", "long word"}))
def test_badges_hold_on_awkward_texts(name: str, lines: bool):
    assert held(explore(TEXTS[name], lines=lines)) == [True] * 3


@with_fairseq
@given(content=text, lines=st.booleans())
def test_badges_hold_on_any_text(content: str, lines: bool):
    assert held(explore(content, lines=lines)) == [True] * 3


@example(content="a\n\nb", lines=False, most=3)  # of the beginning alone, one token less
@example(content="it'll", lines=False, most=4)
@given(content=text, lines=st.booleans(), most=st.integers(1, 60))
def test_the_beginning_is_cut_where_its_ids_stay_the_same(content: str, lines: bool, most: int):
    explored = explore(content, lines=lines)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("MOST", "MOST_SQUARES"):
            patch.setattr(module, name, most)
        assert False not in held(explored)


@with_fairseq
@pytest.mark.parametrize("where", [0, 1, 2, 5, -1])
@pytest.mark.parametrize("lines", [True, False])
def test_another_id_makes_badges_false(where: int, lines: bool):
    explored = explore("Hello world, 你好!\n\n it's\r\nme", lines=lines)
    ids = explored.ids.tolist()
    ids[where] = 5 if ids[where] != 5 else 6
    assert held(with_ids(explored, ids)) == [False] * 3


@with_fairseq
@pytest.mark.parametrize("lines", [True, False])
def test_an_id_too_few_or_too_many_makes_badges_false(lines: bool):
    explored = explore("Hello world!\nHello\n", lines=lines)
    ids = explored.ids.tolist()
    for wrong in (ids[:-1], ids[1:], [*ids, 198], [*ids[:3], *ids[4:]]):
        assert held(with_ids(explored, wrong)) == [False] * 3


@with_fairseq
def test_ids_that_give_the_text_back_need_not_be_the_encoders():
    explored = explore("the", lines=False)
    assert held(with_ids(explored, [83, 71, 68])) == [True, False, False]  # t, h, e


@with_fairseq
def test_a_wrong_id_is_seen_in_the_beginning_of_a_long_text():
    explored = explore(LONG["words"])
    ids = explored.ids.tolist()
    ids[1000] = 5
    badge = badges(with_ids(explored, ids))[1]
    assert badge.holds is False
    assert held(with_ids(explored, ids)) == [False] * 3


def test_a_badge_says_what_was_compared():
    decoding, _, huggingface = badges(explore(LONG["words"]))
    assert decoding.text == (
        "Decoding the first 10,000 ids gives the beginning of the stripped lines back"
    )
    assert huggingface.text.startswith("The first ") and huggingface.text.endswith("Hugging Face's")
    decoding, _, huggingface = badges(explore("Hello", lines=False))
    assert decoding.text == "Decoding gives the text back"
    assert huggingface.text == "Same ids as Hugging Face"


@with_fairseq
def test_what_was_compared_is_as_much_as_the_badge_says(monkeypatch):
    explored = explore(LONG["lines"])
    count = int(badges(explored)[1].text.split()[2].replace(",", ""))
    for number, holds in ((count - 1, False), (count, True)):
        ids = explored.ids.tolist()
        ids[number] = 5
        assert badges(with_ids(explored, ids))[1].holds is holds


@pytest.mark.parametrize("lines", [True, False])
@pytest.mark.parametrize("name", LONG)
def test_of_long_texts_the_encoders_get_a_part_only(name: str, lines: bool, monkeypatch):
    asked: dict[str, list[str]] = {"fairseq": [], "huggingface": []}
    for whose, texts in asked.items():
        monkeypatch.setattr(
            module, f"{whose}_encode", lambda part, texts=texts: texts.append(part) or []
        )
    badges(explore(LONG[name], lines=lines))
    much = {whose: sum(map(len, texts)) > 4000 for whose, texts in asked.items()}
    assert {*much.values()} == {name in ("words", "chinese", "lines")}  # the rest is a giant word
    assert all(sum(map(len, texts)) <= MOST for texts in asked.values())
    assert all(len(texts) <= MOST for texts in asked.values())
    squares = sum(
        len(word[0].encode()) ** 2
        for part in asked["fairseq"]
        for word in module.re.finditer(module.PATTERN, part)
    )
    assert squares <= MOST_SQUARES


@with_fairseq
def test_of_many_blank_lines_a_part_is_compared_only():
    for badge in badges(explore(LONG["newlines"])):
        number = int(badge.text.partition("first ")[2].split()[0].replace(",", ""))
        assert badge.holds and number <= MOST + 1


def test_a_giant_word_is_not_compared_and_the_badge_says_why():
    badge = badges(explore(LONG["letters"]))[2]
    assert badge.holds is None and "first word is too long" in badge.text


@pytest.fixture
def no_fairseq(monkeypatch) -> Iterator[None]:
    """As on a machine without fairseq."""
    real = importlib.util.find_spec
    module._fairseq_encoder.cache_clear()
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "fairseq" else real(name)
    )
    yield
    module._fairseq_encoder.cache_clear()


def test_without_fairseq_the_badge_says_so(no_fairseq):
    assert fairseq_encode("Hello") is None
    decoding, fairseq, huggingface = badges(explore("Hello"))
    assert (decoding.holds, fairseq.holds, huggingface.holds) == (True, None, True)
    assert fairseq.text == "fairseq is not installed here: its ids are not compared"


@with_fairseq
def test_fairseqs_encoder_is_the_packages_own():
    package = Path(importlib.util.find_spec("fairseq").origin).parent
    file = module._fairseq_encoder().encode.__code__.co_filename
    assert Path(file) == package / "data" / "encoders" / "gpt2_bpe_utils.py"
    assert fairseq_encode("Hello world") == [15496, 995]


def test_special_tokens_are_text_for_hugging_face():
    assert max(huggingface_encode("<|endoftext|><s></s><mask>")) < 50256


def test_badges_need_neither_torch_nor_fairseq_nor_transformers():
    program = (
        "import sys\n"
        "from helpers.explorer.references import badges\n"
        "from helpers.explorer.text import explore\n"
        "print(len(badges(explore('Hello'))))\n"
        "print({'torch', 'fairseq', 'transformers'} & {*sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "3\nset()\n"
