"""What each ``sample_break_mode`` makes of one's own lines, as fairseq cuts and batches them."""

import dataclasses
from collections.abc import Iterator

import numpy as np

from helpers.common.report import Report, Table, html_table, text_table
from helpers.common.symbols import EOS
from helpers.ids.binary_files import read_sizes
from helpers.ids.data_bin import data_folders
from helpers.ids.dictionary import Dictionary
from helpers.ids.token_names import tokens_text
from helpers.training.base_model import longest_sample
from helpers.training.batches import settled
from helpers.training.samples import MODES, batches, sample_slices
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace

LINE_END, BLANK = "⏎", "¶"
FIRST_SAMPLES, WIDTH = 2, 240  # and how many characters of them are shown, from both ends


@dataclasses.dataclass(frozen=True, kw_only=True)
class SampleModes(Report):
    """By mode: samples, tokens in one, the share of padding, batches, and the first samples' text.

    Tokens are with ``<s>`` and every ``</s>``.
    """

    TITLE = "What each sample_break_mode makes of your training text"
    samples: tuple[int, ...]
    mean: tuple[float, ...]
    longest: tuple[int, ...]
    padding: tuple[float, ...]
    batches: tuple[int, ...]
    texts: tuple[tuple[str, ...], ...]

    def table(self) -> Table:
        padding = (f"{share:.1%}" for share in self.padding)
        columns = (MODES, self.samples, self.mean, self.longest, padding, self.batches)
        head = ("mode", "samples", "tokens in one", "longest", "padding", "batches an epoch")
        return head, list(zip(*columns, strict=True))

    def _texts(self) -> Table:
        rows = [
            (mode, number + 1, text)
            for mode, texts in zip(MODES, self.texts, strict=True)
            for number, text in enumerate(texts)
        ]
        return (
            "mode",
            "sample",
            f"its text ({LINE_END} ends a line, {BLANK} is a blank one)",
        ), rows

    def __str__(self) -> str:
        return f"{super().__str__()}\n\n{text_table(*self._texts())}"

    def _repr_html_(self) -> str:
        return super()._repr_html_() + html_table(*self._texts())


def sample_modes(workspace: Workspace, settings: FinetuneSettings) -> SampleModes:
    """What training would read of ``train`` in each mode; of shards, the first one."""
    settings = settled(workspace, settings)
    train = data_folders(workspace.data_bin)[0] / "train"
    dictionary = Dictionary.load(workspace.base_dict)
    limit = longest_sample(workspace, settings)
    sizes, number_type = read_sizes(train)
    data = np.memmap(f"{train}.bin", number_type, "r") if len(sizes) else np.empty(0, number_type)
    cut = [sample_slices(sizes, mode, limit) for mode in MODES]
    tokens = [1 + np.diff(each).ravel() for each in cut]  # fairseq puts <s> before each
    places = [batches(each, settings.max_tokens)[1] for each in tokens]
    return SampleModes(
        samples=tuple(map(len, cut)),
        mean=tuple(int(each.sum()) / max(1, len(each)) for each in tokens),
        longest=tuple(int(each.max(initial=0)) for each in tokens),
        padding=tuple(map(padding, tokens, places)),
        batches=tuple(map(len, places)),
        texts=tuple(
            tuple(_text(data, a, b, dictionary) for a, b in each[:FIRST_SAMPLES].tolist())
            for each in cut
        ),
    )


def padding(tokens: np.ndarray, places: np.ndarray) -> float:
    """The share of the batches' places that hold no text, since their longest sample is longer."""
    return 1 - int(tokens.sum()) / int(places.sum()) if len(places) else 0.0


def _text(data: np.ndarray, begin: int, end: int, dictionary: Dictionary) -> str:
    """A sample's text with the ends of its lines; the middle of a long one is left out."""
    at_line = not begin or data[begin - 1] == EOS
    text = "".join(_parts(data[begin:end], dictionary, at_line)).rstrip()
    return text if len(text) <= 2 * WIDTH else f"{text[:WIDTH]} […] {text[-WIDTH:]}"


def _parts(indices: np.ndarray, dictionary: Dictionary, at_line: bool) -> Iterator[str]:
    """Its lines, each with its end; ``at_line``: the first of them is a line's beginning."""
    begin = 0
    for end in (*np.flatnonzero(indices == EOS).tolist(), len(indices)):
        yield tokens_text(indices[begin:end].tolist(), dictionary).replace("␣", " ")
        if end < len(indices):
            yield f"{BLANK} " if at_line and end == begin else f"{LINE_END} "
        begin, at_line = end + 1, True
