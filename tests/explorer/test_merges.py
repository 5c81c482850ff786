"""Merges: step by step what fairseq's encoder does, and every token with its merge."""

import itertools

import pytest
import regex as re
from hypothesis import example, given, settings
from hypothesis import strategies as st

from helpers.common.errors import CourseError
from helpers.explorer.merges import LONGEST, merge_ranks, merge_steps, search_tokens, words
from helpers.explorer.references import _fairseq_encoder
from helpers.tokens.gpt2 import byte_of_letter, bytes_of_token, encode
from tests.support.awkward import TEXTS, text


class Watched(dict):
    """fairseq's ranks, which note what it chose and among which pairs."""

    def __init__(self, ranks: dict) -> None:
        super().__init__(ranks)
        self.asked, self.rounds = set(), []

    def get(self, pair, default):
        self.asked.add(pair)
        return super().get(pair, default)

    def __contains__(self, pair) -> bool:
        self.rounds.append((pair, self.asked))
        self.asked = set()
        return super().__contains__(pair)


@pytest.fixture(scope="module")
def encoder():
    """fairseq's own, one that nobody else has."""
    found = _fairseq_encoder.__wrapped__()
    if found is None:
        pytest.skip("fairseq is not installed")
    found.bpe_ranks = Watched(found.bpe_ranks)
    return found


def in_bytes(letters: str) -> bytes:
    return bytes(byte_of_letter()[letter] for letter in letters)


def by_fairseq(word: str, encoder) -> tuple[list[bytes], list[tuple]]:
    """The pieces of a word, and of each merge: the pair, its rank, and all others with theirs."""
    letter = {byte: letter for letter, byte in byte_of_letter().items()}
    encoder.cache.clear()
    ranks = encoder.bpe_ranks
    ranks.rounds = []
    pieces = encoder.bpe("".join(letter[byte] for byte in word.encode())).split(" ")
    steps = []
    for chosen, asked in ranks.rounds:
        if dict.__contains__(ranks, chosen):
            known = {pair: ranks[pair] for pair in asked if dict.__contains__(ranks, pair)}
            rank = known.pop(chosen)
            others = [(tuple(map(in_bytes, p)), r) for p, r in known.items()]
            steps.append((tuple(map(in_bytes, chosen)), rank, sorted(others, key=lambda o: o[1])))
    return [in_bytes(piece) for piece in pieces], steps


# What is cut out of texts, and what has many equal neighbours.
a_word = st.one_of(
    text.map(words).filter(bool).flatmap(st.sampled_from),
    st.text(st.characters(categories=["L"]), min_size=1, max_size=40),
    st.text(st.sampled_from("aab 好🙂"), min_size=1, max_size=40),
    st.text(st.sampled_from("etaoinshrdlu"), min_size=1, max_size=30).map(" {}".format),
    st.builds(
        str.__mul__, st.sampled_from(["a", "ab", " ", "-", "哈", "🙂", "=-"]), st.integers(1, 40)
    ),
).filter(lambda word: len(word.encode()) <= LONGEST)


@settings(max_examples=300)
@example(word="a")
@example(word="aaaaaaa")
@example(word=" Donaudampfschifffahrt")
@example(word="哈" * 66)
@example(word="-" * 200)
@given(word=a_word)
def test_the_merges_of_a_word_are_fairseqs(word: str, encoder):
    pieces, theirs = by_fairseq(word, encoder)
    first, *steps = merge_steps(word)
    assert first.pieces == tuple(bytes([byte]) for byte in word.encode())
    assert (first.merged, first.rank, first.lost) == (None, None, ())
    assert [(step.merged, step.rank, [*step.lost]) for step in steps] == theirs
    assert [*(steps or [first])[-1].pieces] == pieces


@given(word=a_word)
def test_each_step_joins_the_lowest_pair_wherever_it_stands(word: str):
    steps = merge_steps(word)
    for before, after in itertools.pairwise(steps):
        assert b"".join(after.pieces) == word.encode()
        assert all(after.rank < rank for _, rank in after.lost)
        left, right = after.merged
        joined = sum(piece == left + right for piece in after.pieces) - sum(
            piece == left + right for piece in before.pieces
        )
        assert joined == len(before.pieces) - len(after.pieces) > 0
        assert all(
            pair != after.merged for pair in itertools.pairwise(after.pieces) if left != right
        )


@pytest.mark.parametrize("name", TEXTS)
def test_words_and_their_last_pieces_are_those_of_the_encoder(name: str, encoder):
    cut = words(TEXTS[name])
    assert cut == encoder.re.findall(encoder.pat, TEXTS[name])
    short = [word for word in cut[:300] if len(word.encode()) <= LONGEST]
    for word in short:
        ids = encode(word).tolist()
        assert [*merge_steps(word)[-1].pieces] == [bytes_of_token()[i] for i in ids]


def test_the_merge_of_rank_r_makes_the_token_256_plus_r(encoder):
    assert [*merge_ranks().values()] == [*range(50_000)]
    for (left, right), rank in merge_ranks().items():
        assert bytes_of_token()[256 + rank] == left + right
    theirs = {tuple(map(in_bytes, pair)): rank for pair, rank in encoder.bpe_ranks.items()}
    assert merge_ranks() == theirs


@pytest.mark.parametrize("letter", ["a", "好", "🙂"])
def test_words_of_more_than_200_bytes_are_refused(letter: str):
    most = 200 // len(letter.encode())
    merge_steps(letter * most)
    with pytest.raises(CourseError, match=r"has 20\d bytes; merges are shown for up to 200"):
        merge_steps(letter * (most + 1))


def test_pieces_of_a_character_may_be_walked_as_bytes():
    assert merge_steps("好".encode()) == merge_steps("好")
    assert merge_steps(b"\xe5\xa5")[0].pieces == (b"\xe5", b"\xa5")


# The search


def found(*query, **options) -> list[int]:
    return [token.gpt2_id for token in search_tokens(*query, **options)]


def seen(content: bytes) -> str:
    """A token as it is searched: its text, or nothing."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return ""


def holding(part: str) -> list[int]:
    return [i for i, content in enumerate(bytes_of_token()) if part in seen(content)]


@pytest.mark.parametrize("part", ["helmet", "the", " the", "好", "(", ".", "\\", "é", " ", "zzzzz"])
def test_the_tokens_that_hold_a_text_are_found_in_the_order_of_merges(part: str):
    assert found(part) == holding(part)
    assert found(part, latest=True) == holding(part)[::-1]
    assert found(re.escape(part), regex=True) == holding(part)


def test_an_empty_query_finds_all_tokens():
    tokens = search_tokens()
    assert [token.gpt2_id for token in tokens] == [*range(50_257)]
    assert [token.content for token in tokens] == [*bytes_of_token()]


def test_a_found_token_knows_its_merge():
    tokens = search_tokens()
    assert {(token.merged, token.rank) for token in (*tokens[:256], tokens[-1])} == {(None, None)}
    merged = {token.merged: token.rank for token in tokens[256:-1]}
    assert merged == merge_ranks()
    assert all(b"".join(token.merged) == token.content for token in tokens[256:-1])


def test_after_a_space_are_tokens_whose_first_byte_is_one():
    begin = [i for i, content in enumerate(bytes_of_token()) if content.startswith(b" ")]
    assert found(after_space=True) == begin
    assert any(bytes_of_token()[i] == b" \xe5" for i in begin)
    assert found("helmet", after_space=True) == [14335, 28359]


def test_bytes_that_are_no_text_are_found_by_their_digits():
    assert [token.content for token in search_tokens("⟨E5 A5⟩")] == [
        b"\xe5\xa5",
        b"\xe9\xbe\x8d\xe5\xa5",
    ]
    assert [token.content for token in search_tokens("␣⟨E5⟩")] == [b" \xe5"]
    assert [token.content for token in search_tokens("A5 ")] == []
    real = [token.content for token in search_tokens("�")]
    assert real and all("�".encode() in content for content in real)


def test_a_regular_expression_is_searched_for_anywhere():
    shown = r"^ [A-Z]\w+ism$"
    texts = {i: c.decode() for i, c in enumerate(bytes_of_token()) if c.isascii()}
    assert found(shown, regex=True) == [i for i, t in texts.items() if re.search(shown, t)]
    assert found(shown, regex=True, after_space=True, latest=True) == found(shown, regex=True)[::-1]
