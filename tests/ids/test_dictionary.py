"""fairseq's dictionaries, RoBERTa's own among them."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.common.errors import CourseError, DamagedFile
from helpers.ids import dictionary as ids
from helpers.ids.dictionary import FILLERS, Dictionary, roberta_dictionary
from helpers.tokens import gpt2 as module
from helpers.tokens.gpt2 import GPT2_IDS


def test_indices_follow_the_lines():
    small = Dictionary(("13", "262"), (5, 4))
    assert [small.index(s) for s in ("13", "262", "11")] == [4, 5, 3]
    assert (len(small), small.mask) == (6, 6)
    assert small.all_symbols == ("<s>", "<pad>", "</s>", "<unk>", "13", "262", "<mask>")
    assert small.symbol(6) == "<mask>"
    assert small.from_gpt2[[13, 262, 0]].tolist() == [4, 5, 3]


def test_the_fingerprint_is_that_of_the_order():
    one, two = Dictionary(("1", "2"), (5, 4)), Dictionary(("2", "1"), (5, 4))
    assert one.fingerprint != two.fingerprint
    assert one.fingerprint == Dictionary(("1", "2"), (9, 9)).fingerprint


def test_a_dictionary_from_counts_is_of_robertas_size(dictionary: Dictionary):
    assert len(dictionary.symbols) == len(set(dictionary.symbols)) == 50260
    assert dictionary.symbols[-3:] == FILLERS
    assert len(dictionary) == dictionary.mask == 50264
    assert (dictionary.from_gpt2 >= 4).all()


@given(st.lists(st.tuples(st.integers(0, GPT2_IDS - 1), st.integers(1, 4)), min_size=1))
def test_the_order_is_that_of_fairseqs_own_dictionary(pairs: list[tuple[int, int]]):
    from fairseq.data import Dictionary as FairseqDictionary

    theirs, counts = FairseqDictionary(), np.zeros(GPT2_IDS, dtype=np.int64)
    for number, times in pairs:
        theirs.add_symbol(str(number), n=times)
        counts[number] += times
    theirs.finalize(padding_factor=1)
    ours = Dictionary.from_counts(counts)
    known = int((counts > 0).sum())
    assert [*ours.symbols[:known]] == theirs.symbols[4:]
    assert [*ours.counts[: known + 1]] == [*theirs.count[4:], 0]


def test_fairseq_reads_the_same_indices(dictionary: Dictionary, tmp_path: Path):
    from fairseq.data import Dictionary as FairseqDictionary

    (tmp_path / "dict.txt").write_text(dictionary.text())
    theirs = FairseqDictionary.load(str(tmp_path / "dict.txt"))
    assert len(theirs) == len(dictionary)
    assert theirs.add_symbol("<mask>") == dictionary.mask
    assert tuple(theirs.symbols) == dictionary.all_symbols
    assert Dictionary.load(tmp_path / "dict.txt") == dictionary


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("262", "is not 'symbol count'"),
        ("", "is not 'symbol count'"),
        ("262 many", "is not 'symbol count'"),
        ("262 -4", "is not 'symbol count'"),
        ("13 4", "occurs twice"),
        ("<mask> 1", "is a special symbol"),
        ("</s> 1", "is a special symbol"),
    ],
)
def test_a_wrong_line_is_named(line: str, why: str, tmp_path: Path):
    (tmp_path / "dict.txt").write_text(f"13 9\n11 8\n{line}\n284 1\n")
    with pytest.raises(DamagedFile, match=rf"dict\.txt, line 3: .*{why}"):
        Dictionary.load(tmp_path / "dict.txt")


def test_a_binary_file_is_no_dictionary(tmp_path: Path):
    (tmp_path / "dict.txt").write_bytes(b"\x80\2\x8a\n")
    with pytest.raises(DamagedFile, match="is not a text file"):
        Dictionary.load(tmp_path / "dict.txt")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", [True, False], ids=["closed", "open"])
def test_ends_of_lines_are_fairseqs(end: str, last: bool, tmp_path: Path):
    from fairseq.data import Dictionary as FairseqDictionary

    symbols = ("13", "a\x0bb", "c\x85d", "e\u2028f", "\u3000g", "\x1ch")  # no line ends in them
    text = end.join(f"{symbol} 1" for symbol in symbols) + (end if last else "")
    (tmp_path / "dict.txt").write_bytes(text.encode())
    theirs = FairseqDictionary.load(str(tmp_path / "dict.txt"))
    assert Dictionary.load(tmp_path / "dict.txt").symbols == tuple(theirs.symbols[4:]) == symbols


@pytest.mark.parametrize(
    ("encoding", "why"),
    [
        ("utf-8-sig", "begins with a byte order mark"),
        ("utf-16", "is not a text file in UTF-8"),
        ("utf-32", "is not a text file in UTF-8"),
        ("utf-16-le", "is not 'symbol count'"),
    ],
)
def test_another_encoding_is_refused_by_name(encoding: str, why: str, tmp_path: Path):
    (tmp_path / "dict.txt").write_bytes("13 9\n262 8\n".encode(encoding))
    with pytest.raises(DamagedFile, match=rf"dict\.txt.*{why}"):
        Dictionary.load(tmp_path / "dict.txt")


# RoBERTa's own dictionary


@pytest.fixture
def robertas(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The symbols of a dictionary that is taken for RoBERTa's, which the project does not hold."""
    symbols = (*map(str, range(GPT2_IDS)), *FILLERS)
    monkeypatch.setattr(ids, "ROBERTA", Dictionary(symbols, (1,) * len(symbols)).fingerprint)
    return list(symbols)


def text_of(symbols: list[str]) -> bytes:
    return "".join(f"{symbol} 1\n" for symbol in symbols).encode()


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_robertas_dictionary_is_taken_and_kept(
    end: bytes, robertas: list[str], gpt2_folder: Path, monkeypatch
):
    content = text_of(robertas).replace(b"\n", end)
    monkeypatch.setattr(module, "download", {"dict.txt": content}.get)
    for _ in range(2):  # downloaded, then there
        assert roberta_dictionary() == gpt2_folder / "dict.txt"
        assert (gpt2_folder / "dict.txt").read_bytes() == content
        monkeypatch.setattr(module, "download", lambda name: None)


def test_robertas_dictionary_may_come_from_a_folder_that_keeps_no_counts(
    robertas: list[str], gpt2_folder: Path
):
    """As Hugging Face's; gpt2_bpe/README.md says how."""
    (gpt2_folder / "dict.txt").write_bytes(text_of(robertas).replace(b" 1\n", b" 0\n"))
    assert roberta_dictionary() == gpt2_folder / "dict.txt"


SPOILED = {
    "first lines exchanged": lambda s: [s[1], s[0], *s[2:]],
    "two rare tokens exchanged": lambda s: [*s[:40_000], s[40_001], s[40_000], *s[40_002:]],
    "a line missing": lambda s: s[:-1],
    "another symbol": lambda s: [*s[:-1], "madeupword0003"],
    "a line more": lambda s: [*s, "madeupword0003"],
    "known words elsewhere": lambda s: [*s[:300], *s[:299:-1]],
    "an error page": lambda s: ["<html>"],
}


@pytest.mark.parametrize("name", SPOILED)
def test_another_dictionary_may_not_have_robertas_place(
    name: str, robertas: list[str], gpt2_folder: Path
):
    (gpt2_folder / "dict.txt").write_bytes(text_of(SPOILED[name](robertas)))
    with pytest.raises(CourseError, match="not RoBERTa's own dictionary"):
        roberta_dictionary()


@pytest.mark.parametrize("name", SPOILED)
def test_another_dictionary_from_the_network_is_not_kept(
    name: str, robertas: list[str], gpt2_folder: Path, monkeypatch
):
    content = text_of(SPOILED[name](robertas))
    monkeypatch.setattr(module, "download", {"dict.txt": content}.get)
    with pytest.raises(CourseError, match=r"sent from .* is not RoBERTa's own dictionary"):
        roberta_dictionary()
    assert not (gpt2_folder / "dict.txt").exists()


def test_without_a_network_the_way_out_is_named(gpt2_folder: Path):
    with pytest.raises(CourseError, match="cannot be downloaded") as caught:
        roberta_dictionary()
    assert "gpt2_bpe/" in caught.value.hint and "a folder roberta-base" in caught.value.hint
    assert not (gpt2_folder / "dict.txt").exists()
