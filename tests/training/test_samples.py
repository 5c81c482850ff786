"""What becomes of lines in each mode, held against fairseq's own samples and batches."""

import types
from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from helpers.training.sample_modes import padding, sample_modes
from helpers.training.samples import MODES, batches, sample_sizes, sample_slices
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace

pytestmark = [
    pytest.mark.skipif(find_spec("fairseq") is None, reason="fairseq is not installed"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning"),
]


@pytest.fixture(scope="module", autouse=True)
def _numpy_as_fairseq_knows_it():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(np, "compat", types.SimpleNamespace(long=int), raising=False)
        yield


def fairseqs(sizes: list[int], mode: str, most: int):
    import torch
    from fairseq.data.token_block_dataset import TokenBlockDataset

    lines = torch.split(torch.arange(sum(sizes)), sizes)
    return TokenBlockDataset(lines, np.array(sizes), most, 1, 2, break_mode=mode)


@given(
    sizes=st.lists(st.integers(1, 12) | st.just(1), min_size=1, max_size=60),
    most=st.integers(2, 20),
)
@example(sizes=[1, 1, 3, 1, 1, 1, 8, 7, 9, 9, 1, 2], most=8)  # blank ends, full, and too long
@example(sizes=[1], most=8)
@example(sizes=[30] * 5, most=4)
def test_the_samples_are_those_of_fairseq(sizes: list[int], most: int) -> None:
    for mode in MODES:
        ours = sample_slices(np.array(sizes), mode, most + 1)
        if mode == "complete_doc" and set(sizes) == {1}:
            assert not len(ours)
            continue  # fairseq finds no sample at all, and stumbles
        theirs = fairseqs(sizes, mode, most)
        assert sample_sizes(np.array(sizes), mode, most + 1).tolist() == [*(1 + theirs.sizes)]
        assert (ours[:, 1] - ours[:, 0]).tolist() == theirs.sizes.tolist()
        assert [[*range(a, b)] for a, b in ours] == [theirs[i].tolist() for i in range(len(theirs))]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("max_tokens", [16, 64])
def test_a_workspaces_samples_and_batches_are_those_of_training(
    small: Workspace, mode: str, max_tokens: int
) -> None:
    from fairseq.tasks.masked_lm import MaskedLMConfig, MaskedLMTask

    cfg = MaskedLMConfig(
        data=str(small.data_bin), sample_break_mode=mode, tokens_per_sample=max_tokens, seed=1
    )
    task = MaskedLMTask.setup_task(cfg)
    task.load_dataset("train")
    data = task.dataset("train")
    theirs = data.batch_by_size(
        data.ordered_indices(), max_tokens=max_tokens, required_batch_size_multiple=1
    )
    read = [data.collater([data[i] for i in batch])["net_input"]["src_tokens"] for batch in theirs]
    there = 1 - sum(int((tokens != 1).sum()) for tokens in read) / sum(t.numel() for t in read)

    told = sample_modes(small, FinetuneSettings(max_tokens=max_tokens))
    number = [*MODES].index(mode)
    assert told.samples[number] == len(data)
    assert told.batches[number] == len(theirs)
    assert told.longest[number] == max(tokens.shape[1] for tokens in read)
    assert told.padding[number] == pytest.approx(there)


@given(st.lists(st.integers(2, 15), max_size=60), st.integers(15, 70))
def test_the_batches_are_those_of_fairseq(sizes: list[int], max_tokens: int) -> None:
    from fairseq.data.data_utils import batch_by_size

    ordered = np.sort(np.array(sizes, int))
    theirs = batch_by_size(
        np.arange(len(ordered)), ordered.__getitem__, ordered, max_tokens=max_tokens
    )
    tokens, places = batches(np.array(sizes, int), max_tokens)
    assert tokens.tolist() == [int(ordered[batch].sum()) for batch in theirs]
    assert places.tolist() == [len(batch) * int(ordered[batch].max()) for batch in theirs]


def test_padding_is_what_shorter_samples_lack() -> None:
    tokens = np.array([4, 2, 8, 8])
    assert padding(tokens, batches(tokens, 16)[1]) == pytest.approx(2 / 24)
    assert padding(np.zeros(0, int), np.zeros(0, int)) == 0.0


def test_blank_lines_are_seen_in_the_text(small: Workspace) -> None:
    told = sample_modes(small, FinetuneSettings(max_tokens=60))
    first = {mode: texts[0] for mode, texts in zip(MODES, told.texts, strict=True)}
    assert first["complete"].startswith("Text 0 tells of 0.⏎ ¶ Text ")
    assert first["complete_doc"] == first["eos"] == "Text 0 tells of 0.⏎"
    assert told.texts[[*MODES].index("eos")][1] == "¶"
    assert not first["none"].endswith("⏎") and first["complete"].endswith("⏎ ¶")
    assert "¶" in told._repr_html_() and "complete_doc" in str(told)
