"""Whole characters and words are hidden: how many, how, and the same everywhere."""

import collections
import functools
import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.common.errors import CourseError
from helpers.common.files import PROJECT
from helpers.common.symbols import BOS, EOS, PAD
from helpers.ids import binary_files
from helpers.ids.data_bin import binarize_folder
from helpers.ids.dictionary import Dictionary
from helpers.tokens.bpe_files import encode_file
from helpers.tokens.gpt2 import encode
from helpers.tokens.units import without_spaces
from helpers.training.masking import Fate, mask_sample, scripts_to_divide, units_of
from tests.support.awkward import CHINESE, TEXTS, text
from tests.support.road import own_order

UNITS = ("character", "word")
MIXED = CHINESE + "The measured value, 测量值 🙂, isn't 3.14.\nnaïve Ελληνικά 日本語 한국어\n"


def sample_of(lines: str, dictionary: Dictionary) -> np.ndarray:
    """A sample as fairseq makes it: ``<s>``, and behind each line ``</s>``."""
    parts = ([*dictionary.from_gpt2[encode(line.strip())], EOS] for line in lines.splitlines())
    return np.array([BOS, *(index for part in parts for index in part)])


Draw = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def draws(lines: str, unit: str, epochs: int) -> list[Draw]:
    """Samples of 63 positions at most, cut anywhere; with units, fates, and what is seen."""
    whole = sample_of(lines, own_order())[1:]
    cuts = np.cumsum(np.arange(1, len(whole)) % 62 + 1)
    found = []
    for number, part in enumerate(np.split(whole, cuts[cuts < len(whole)])):
        sample = np.append(BOS, part)
        units = units_of(sample, own_order(), unit)
        for epoch in range(1, epochs + 1):
            seen, fates = mask_sample(sample, own_order(), units, epoch=epoch, sample=number)
            found.append((sample, units, fates, seen))
    return found


@functools.cache
def many(unit: str) -> list[Draw]:
    """More than 100 000 positions of all kinds of text."""
    texts = [value for name, value in TEXTS.items() if not name.startswith("long")]
    return draws(MIXED * 40 + "".join(texts), unit, 30)


@given(st.lists(text, min_size=1, max_size=5), st.integers(0, 60), st.sampled_from(UNITS))
def test_what_is_hidden_is_whole(lines, cut, unit):
    """A unit has one fate, and only the special symbols of a text are by themselves."""
    dictionary = own_order()
    whole = sample_of("\n".join(lines), dictionary)
    sample = np.append(BOS, whole[1:][cut:])
    units = units_of(sample, dictionary, unit)
    seen, fates = mask_sample(sample, dictionary, units, sample=cut)
    ends = np.cumsum(units)
    for first, end in zip(ends - units, ends, strict=True):
        assert len({*fates[first:end]}) == 1
        assert end - first == 1 or EOS not in sample[first:end]
    assert (seen[fates == Fate.MASKED] == dictionary.mask).all()
    kept = (fates == Fate.UNTOUCHED) | (fates == Fate.LEFT)
    assert (seen[kept] == sample[kept]).all()


@pytest.mark.parametrize("unit", UNITS)
def test_the_share_is_kept_within_one_percent(unit: str):
    """In samples of all lengths, from two positions on."""
    fates = np.concatenate([fates for _, _, fates, _ in many(unit)])
    assert len(fates) > 100_000
    assert (fates != Fate.UNTOUCHED).mean() == pytest.approx(0.15, rel=0.01)


@pytest.mark.parametrize("unit", UNITS)
def test_in_each_sample_only_the_length_of_a_unit_is_missing(unit: str):
    for sample, units, fates, _ in many(unit):
        chosen = (fates != Fate.UNTOUCHED).sum()
        assert abs(chosen - 0.15 * len(sample)) < 1 + units.max()


@pytest.mark.parametrize("unit", UNITS)
def test_long_units_are_hidden_as_often_as_short_ones(unit: str):
    chosen: dict[int, list[bool]] = {}
    for _, units, fates, _ in many(unit):
        each = fates[np.cumsum(units) - units] != Fate.UNTOUCHED
        for length, was in zip(units.tolist(), each.tolist(), strict=True):
            chosen.setdefault(min(length, 4), []).append(was)
    assert {1, 2, 3} <= {*chosen}
    for found in chosen.values():
        # Five standard deviations.
        error = 5 * (0.15 * 0.85 / len(found)) ** 0.5
        assert np.mean(found) == pytest.approx(0.15, abs=error)


@pytest.mark.parametrize("unit", UNITS)
def test_80_percent_of_units_are_masked_10_replaced_and_10_left(unit: str):
    fates, drawn = [], []
    for _, units, each, seen in many(unit):
        fates.append(each[np.cumsum(units) - units])
        drawn.append(seen[each == Fate.REPLACED])
    counts = np.bincount(np.concatenate(fates), minlength=4)[1:]
    assert counts / counts.sum() == pytest.approx([0.8, 0.1, 0.1], abs=0.015)
    numbers = np.concatenate(drawn)
    assert numbers.min() >= 4 and len({*numbers}) > 0.9 * len(numbers)  # each by itself


def digest(unit: str) -> str:
    """A fingerprint of all that is hidden."""
    seen = np.concatenate([seen for *_, seen in draws(MIXED * 20, unit, 2)])
    return hashlib.sha256(seen.astype("<i8").tobytes()).hexdigest()[:16]


EVERYWHERE = {"character": "ca9dca7b0a9e7651", "word": "96e45867e634c3ef"}


@pytest.mark.parametrize("unit", UNITS)
def test_every_machine_hides_the_same(unit: str):
    assert digest(unit) == digest(unit) == EVERYWHERE[unit]


def test_another_process_hides_the_same():
    code = f"from {__name__} import digest; print(digest('character'))"
    printed = subprocess.check_output(
        [sys.executable, "-c", code],
        cwd=PROJECT,
        env=os.environ | {"PYTHONHASHSEED": "7", "PYTHONPATH": str(PROJECT)},
        text=True,
    )
    assert printed.strip() == EVERYWHERE["character"]


def test_each_seed_epoch_and_sample_hides_others(dictionary: Dictionary):
    sample = sample_of(MIXED, dictionary)
    units = units_of(sample, dictionary, "character")
    variants = [{}, {"seed": 2}, {"epoch": 2}, {"sample": 1}]
    fates = [mask_sample(sample, dictionary, units, **which)[1].tolist() for which in variants]
    assert len({*map(tuple, fates)}) == 4


def test_special_symbols_are_units_by_themselves(dictionary: Dictionary):
    specials = np.array([BOS, EOS, EOS, PAD, dictionary.mask, dictionary.index("50256")])
    for unit in UNITS:
        assert units_of(specials, dictionary, unit).tolist() == [1] * len(specials)


@pytest.mark.parametrize("block", [1, 1 << 20])
@pytest.mark.parametrize(
    ("line", "scripts"),
    [
        ("中文", {"Han": 2}),
        ("a 々 b", {"Han": 1}),
        ("〇", {"Han": 1}),
        ("㐀", {"Han": 1}),
        ("the 𠮷, and", {"Han": 1}),
        ("naïve カ “한”", {}),
        ("ไทย ປະ 中", {"Han": 1, "Thai": 3, "Lao": 2}),
        ("ひらがな", {"Hiragana": 4}),
    ],
)
def test_scripts_without_spaces_are_found_in_the_data(
    line, scripts, block, dictionary, tmp_path, monkeypatch
):
    """In whatever pieces; and a segmenter that is lacking is noticed before training."""
    (tmp_path / "a.raw").write_text(f"words\n\n{line}\n", "utf-8")
    encode_file(tmp_path / "a.raw", tmp_path / "a.bpe")
    binarize_folder({"train": tmp_path / "a.bpe"}, dictionary, tmp_path / "bin")
    monkeypatch.setattr(binary_files, "BLOCK", block)
    files = [tmp_path / "bin" / "train"]
    assert scripts_to_divide(files, dictionary) == scripts
    monkeypatch.setitem(sys.modules, "rjieba", None)
    if "Han" in scripts:
        with pytest.raises(CourseError, match="segmenter"):
            scripts_to_divide(files, dictionary)
    else:
        assert scripts_to_divide(files, dictionary) == scripts


@given(text)
def test_any_text_is_masked_where_nothing_was_to_be_segmented(line):
    """What is not found in the data must not be missed while training goes on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "rjieba", None)
        if "Han" not in without_spaces(collections.Counter(line)):
            units_of(sample_of(line, own_order()), own_order(), "word")
