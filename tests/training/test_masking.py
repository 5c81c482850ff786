"""Masking: number for number what fairseq's training does to a sample."""

import html
import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.common.symbols import SPLITS
from helpers.ids.data_bin import binarize_folder
from helpers.ids.dictionary import Dictionary
from helpers.ids.token_names import token_text
from helpers.tokens.bpe_files import encode_file
from helpers.training.command import CONFIG
from helpers.training.masking import Fate, mask_sample, units_of
from helpers.workflow.training_settings import FinetuneSettings

pytestmark = [
    pytest.mark.skipif(find_spec("fairseq") is None, reason="fairseq is not installed"),
    pytest.mark.filterwarnings(
        "ignore:__array__ implementation:DeprecationWarning", "ignore:'pin_memory':UserWarning"
    ),
]

PAD = 1


SMALL = Dictionary(tuple(map(str, range(20))), (1,) * 20)


def fairseqs(dictionary: Dictionary, folder: Path):
    """fairseq's own dictionary, with ``<mask>`` added as its task adds it."""
    from fairseq.data import Dictionary as FairseqDictionary

    (folder / "dict.txt").write_text(dictionary.text())
    theirs = FairseqDictionary.load(str(folder / "dict.txt"))
    assert theirs.add_symbol("<mask>") == dictionary.mask
    return theirs


@pytest.fixture(scope="module")
def theirs(dictionary: Dictionary, tmp_path_factory) -> dict[int, object]:
    """fairseq's dictionaries by the size of ours."""
    folder = tmp_path_factory.mktemp("dictionaries")
    return {len(ours): fairseqs(ours, folder) for ours in (dictionary, SMALL)}


def by_fairseq(sample: np.ndarray, vocabulary, seed: int, epoch: int, number: int):
    """The sample and its targets after fairseq's ``apply_mask``."""
    import torch
    from fairseq.data import FairseqDataset, MaskTokensDataset

    class Samples(FairseqDataset):
        def __getitem__(self, index):
            assert index == number
            return torch.from_numpy(sample)

    pair = MaskTokensDataset.apply_mask(
        Samples(), vocabulary, pad_idx=PAD, mask_idx=len(vocabulary) - 1, seed=seed
    )
    for dataset in pair:
        dataset.set_epoch(epoch)
    return [dataset[number].numpy() for dataset in pair]


def told_from(sample: np.ndarray, masked: np.ndarray, targets: np.ndarray, mask: int):
    """The fates as far as they can be told from what fairseq returns."""
    changed = np.where(masked == mask, Fate.MASKED, Fate.REPLACED)
    told = np.where(masked == sample, Fate.LEFT, changed)
    return np.where(targets == PAD, Fate.UNTOUCHED, told)


numbers = st.integers(0, 2**32 - 1)


@settings(max_examples=300)
@given(
    size=st.integers(1, 512),
    small=st.booleans(),
    seed=numbers,
    epoch=st.integers(1, 500) | numbers,
    number=st.integers(0, 500) | numbers,
    content=st.integers(0, 99),
)
def test_a_sample_is_masked_as_by_fairseq(
    size, small, seed, epoch, number, content, dictionary, theirs
):
    ours = SMALL if small else dictionary
    sample = np.random.default_rng(content).integers(2, len(ours), size)
    sample[[0, -1]] = 0, 2
    masked, targets = by_fairseq(sample, theirs[len(ours)], seed, epoch, number)
    before = sample.copy()
    found, fates = mask_sample(sample, ours, seed=seed, epoch=epoch, sample=number)
    assert (sample == before).all()
    assert found.tolist() == masked.tolist()
    # By chance a replacement may be <mask>, or what stood there before.
    unclear = (fates == Fate.REPLACED) & ((masked == ours.mask) | (masked == sample))
    assert (fates == told_from(sample, masked, targets, ours.mask))[~unclear].all()
    assert ((fates != Fate.UNTOUCHED) == (targets != PAD)).all()


def test_of_15_percent_80_are_masked_10_replaced_and_10_left(dictionary: Dictionary):
    sample = np.full(512, 100)
    found, fates = zip(
        *(mask_sample(sample, dictionary, sample=i) for i in range(2000)), strict=True
    )
    counts = np.bincount(np.concatenate(fates), minlength=4)
    chosen = counts[1:].sum()
    assert chosen / counts.sum() == pytest.approx(0.15, abs=0.0002)
    # Five standard deviations of 153 600 draws.
    assert counts[1:] / chosen == pytest.approx([0.8, 0.1, 0.1], abs=0.005)
    drawn = np.concatenate(found)[np.concatenate(fates) == Fate.REPLACED]
    assert drawn.min() >= 4 and drawn.max() > 50_000  # from the whole dictionary
    assert drawn.mean() == pytest.approx(50_264 / 2, rel=0.02)


def test_first_and_last_positions_are_hidden_like_any_other(dictionary: Dictionary):
    sample = np.array([0, *[100] * 18, 2])
    chosen = sum(mask_sample(sample, dictionary, sample=i)[1] > 0 for i in range(2000))
    assert chosen / 2000 == pytest.approx(np.full(20, 0.15), abs=0.04)


def test_each_seed_epoch_and_sample_hides_others(dictionary: Dictionary):
    sample = np.full(512, 100)
    variants = [{}, {"seed": 2}, {"epoch": 2}, {"sample": 1}]
    fates = [mask_sample(sample, dictionary, **which)[1].tolist() for which in variants]
    assert len(set(map(tuple, fates))) == 4


# In training


@pytest.fixture(scope="module")
def data_bin(dictionary: Dictionary, tmp_path_factory) -> Path:
    """Three splits made by the course's own stages, without a model."""
    folder = tmp_path_factory.mktemp("data 数据")
    for split, lines in zip(SPLITS, (60, 30, 1), strict=True):
        text = "".join(f"{'Measured values, 测量值 ' * (i % 4)}{i}.\n" for i in range(lines))
        (folder / f"{split}.raw").write_text(text, "utf-8")
        encode_file(folder / f"{split}.raw", folder / f"{split}.bpe")
    files = {split: folder / f"{split}.bpe" for split in SPLITS}
    binarize_folder(files, dictionary, folder / "data-bin")
    return folder / "data-bin"


def seen(batches) -> dict[int, tuple[list[int], list[int], list[int]]]:
    """Of each sample of an epoch: its number → before masking, after it, and the targets."""
    found = {}
    for batch in batches:
        inputs = batch["net_input"]
        columns = (batch["id"], inputs["src_tokens"], inputs["src_lengths"], batch["target"])
        for number, masked, size, target in zip(*(c.numpy() for c in columns), strict=True):
            masked, target = masked[:size], target[:size]
            before = np.where(target == PAD, masked, target)
            found[int(number)] = (before, masked, target)
    return found


def epochs_of(task, seed: int, max_positions: int = 64):
    """Train and valid batches as in ``fairseq_cli/train.py``, epoch by epoch, with no model.

    Validation belongs to it: it empties a cache that would give the last samples of an epoch to the
    next one.
    """
    sizes = {"max_tokens": 512, "max_positions": max_positions, "required_batch_size_multiple": 1}
    train = task.get_batch_iterator(task.dataset("train"), **sizes, seed=seed, epoch=1)
    valid = task.get_batch_iterator(task.dataset("valid"), **sizes, seed=seed, epoch=1)
    for epoch in (1, 2, 3):
        yield epoch, seen(train.next_epoch_itr()), 1
        still = valid.next_epoch_itr(shuffle=False, set_dataset_epoch=False)
        yield epoch, seen(still), 0


def task_of(data_bin: Path, unit: str, **more: object):
    """fairseq's task as the course sets it, or the plug-in's."""
    from fairseq.tasks.masked_lm import MaskedLMConfig, MaskedLMTask

    course = yaml.safe_load((CONFIG / "finetuning" / "finetune.yaml").read_text("utf-8"))["task"]
    course |= FinetuneSettings().model_dump(include={"sample_break_mode", "mask_prob"})
    course |= {"data": str(data_bin), "tokens_per_sample": 64, "seed": 1} | more
    assert course.pop("_name") == "masked_lm"
    if unit == "token":
        task = MaskedLMTask.setup_task(MaskedLMConfig(**course))
    else:
        from helpers.training.fairseq_plugin import CourseMaskedLMConfig, CourseMaskedLMTask

        task = CourseMaskedLMTask.setup_task(CourseMaskedLMConfig(**course, mask_unit=unit))
    for split in ("train", "valid"):
        task.load_dataset(split)
    return task


@pytest.mark.parametrize(
    ("seed", "unit"), [(1, "token"), (20_26, "token"), (1, "character"), (20_26, "word")]
)
def test_seed_epoch_and_sample_mean_the_same_as_in_training(
    seed: int, unit: str, data_bin: Path, dictionary: Dictionary
):
    task = task_of(data_bin, unit, seed=seed)
    compared = 0
    for epoch, samples, renewed in epochs_of(task, seed):
        assert sorted(samples) == [*range(len(samples))] and len(samples) > 3
        for number, (before, masked, target) in samples.items():
            units = None if unit == "token" else units_of(before, dictionary, unit)
            ours, fates = mask_sample(
                before, dictionary, units, seed=seed, epoch=epoch if renewed else 1, sample=number
            )
            assert before[0] == 0 and before[-1] == 2
            assert ours.tolist() == masked.tolist()
            assert ((fates != Fate.UNTOUCHED) == (target != PAD)).all()
            compared += len(before)
    assert compared > 5000


@pytest.mark.parametrize("name", ["mask_whole_words", "d2v2_multi"])
def test_another_way_to_mask_cannot_be_set_beside_units(name: str, data_bin: Path):
    with pytest.raises(ValueError, match=f"task.{name} cannot be set"):
        task_of(data_bin, "word", **{name: True})


def test_a_mask_in_the_data_is_refused(data_bin: Path):
    import torch

    task = task_of(data_bin, "character")
    masks = task.dataset("train").dataset.defn["net_input.src_tokens"].dataset.dataset.dataset
    masks.dataset = [torch.tensor([0, task.mask_idx, 2])]
    with pytest.raises(ValueError, match="<mask> in it before"):
        task.dataset("train")[0]


def test_the_share_is_that_of_the_task(data_bin: Path):
    task = task_of(data_bin, "word", mask_prob=0.4)
    _, samples, _ = next(epochs_of(task, 1))
    targets = np.concatenate([target for *_, target in samples.values()])
    assert (targets != PAD).mean() == pytest.approx(0.4, abs=0.02)


@pytest.mark.parametrize("unit", ["token", "character", "word"])
def test_the_preview_shows_what_training_hides(unit: str, dictionary: Dictionary, tmp_path: Path):
    from helpers.panels.explorer.mask_preview import MaskPreview

    text = "你好，世界！\nTokenization isn't hard 🙂\n\n测量值 3.14\n" * 3
    for split in SPLITS:
        (tmp_path / f"{split}.raw").write_text(text, "utf-8")
        encode_file(tmp_path / f"{split}.raw", tmp_path / f"{split}.bpe")
    files = {split: tmp_path / f"{split}.bpe" for split in SPLITS}
    binarize_folder(files, dictionary, tmp_path / "data-bin")
    task = task_of(tmp_path / "data-bin", unit, tokens_per_sample=512, seed=3)
    _, samples, _ = next(epochs_of(task, 3, max_positions=512))
    [(_, masked, target)] = samples.values()

    preview = MaskPreview(dictionary)
    preview.seed.value, preview.unit.value = 3, unit
    preview.show(text)
    frames = re.findall(r"<span style='background:[^']*'>([^<]*)</span>", preview.html())
    *tokens, _, _, _ = map(html.unescape, frames)  # and the legend
    assert tokens == [token_text(index, dictionary) for index in masked.tolist()]
    assert f"{(target != PAD).sum()} of {len(masked)} positions" in preview.html()
