"""A model for fairseq and the same for Hugging Face: do they compute the same?"""

import contextlib
import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.common.errors import CourseError
from helpers.common.fairseq import ready_to_import
from helpers.common.symbols import MASK, SPECIALS
from helpers.machine.devices import chosen
from helpers.models.hf.folder import quiet
from helpers.text.documents import lines as text_lines
from helpers.tokens.gpt2 import gpt2_file
from helpers.workflow.workspace import Workspace

if TYPE_CHECKING:
    import torch

TOLERANCE = 1e-4
LINES = (
    "Hello world! This is RoBERTa.",
    "GPT-2 cuts rare words such as floccinaucinihilipilification into many tokens.",
    "微调之前，先把文本切分成训练、验证和测试三部分。",
    "naïve café 🙂 x² ≤ 10",
)
MASKED = ("The capital of France is <mask>.", "Every <mask> counts, world! <mask> it", "<mask>")


@dataclasses.dataclass(frozen=True)
class Compared:
    """How far a Hugging Face model is from a checkpoint, on some lines.

    Attributes:
        lines: how many.
        difference: the largest |Δ| of all logits, where the checkpoint's weights are rounded to
            the precision of the folder's, too; both are computed in single precision.
        rounding: the same without that: what the rounding costs. 0 in single precision.
        agreement: the share of positions at which both guess the same token first, so.
    """

    lines: int
    difference: float
    rounding: float
    agreement: float


def compare(pt: Path, hf: Path, lines: list[str], device: str = "cpu") -> Compared:
    """Load both folders from the disk and compare token ids and logits, line by line.

    Args:
        pt: what fairseq's hub loader reads: ``model.pt`` and ``dict.txt``.
        lines: texts; in those with ``<mask>`` the ids are fairseq's ``fill_mask``'s.
        device: where both are computed.

    Raises:
        CourseError: ids differ, or logits by more than 1e-4; the message says from which layer on.
    """
    import torch
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    where = chosen(device)

    ready_to_import()
    quiet()
    from fairseq.models.roberta import RobertaModel

    theirs = AutoModelForMaskedLM.from_pretrained(hf, dtype="auto").eval()
    kind = theirs.dtype
    theirs = theirs.float().to(where)
    tokenizer = AutoTokenizer.from_pretrained(hf)
    ours = RobertaModel.from_pretrained(
        str(pt),
        checkpoint_file="model.pt",
        bpe="gpt2",
        gpt2_encoder_json=str(gpt2_file("encoder.json")),
        gpt2_vocab_bpe=str(gpt2_file("vocab.bpe")),
    ).eval()
    ours.to(where)
    batches = []
    for line in lines:
        ids = fairseq_ids(ours, line)
        if (other := tokenizer(line)["input_ids"]) != ids:
            raise CourseError(
                f"The tokenizers differ on {line[:80]!r}: fairseq {ids[:12]}, "
                f"Hugging Face {other[:12]}.",
                "Such a folder gives the model other tokens than it was trained on. Where the "
                "course has just made it, please report it.",
            )
        most = theirs.config.max_position_embeddings - 2
        batches.append(torch.tensor([ids[:most]], device=where))
    found = list(_differences(ours, theirs, batches))
    agreeing, positions = (sum(column) for column in list(zip(*found, strict=True))[1:])
    rounding = 0.0
    if kind != torch.float32:
        rounding = max(each for each, *_ in found)
        for weight in ours.parameters():
            weight.data = weight.data.to(kind).float()
        found = list(_differences(ours, theirs, batches))
    for line, batch, (difference, *_) in zip(lines, batches, found, strict=True):
        if not difference <= TOLERANCE:  # of NaN, too
            raise CourseError(
                f"The Hugging Face model differs from fairseq's by {difference:.2g} (allowed: "
                f"{TOLERANCE}) on {line[:80]!r}, from {_first_part(ours, theirs, batch)} on.",
                "The model is not a plain RoBERTa, or its numbers grow without bounds, or the "
                "folder was made of another checkpoint.",
            )
    difference = max(each for each, *_ in found)
    return Compared(len(lines), difference, rounding, agreeing / positions)


def _differences(
    ours: "torch.nn.Module", theirs: "torch.nn.Module", batches: "list[torch.Tensor]"
) -> Iterator[tuple[float, int, int]]:
    """Of each line: the largest |Δ| of its logits; positions with the same first guess, and all."""
    import torch

    for batch in batches:
        with torch.inference_mode():
            one, other = ours.model(batch, features_only=False)[0], theirs(batch).logits
        same = int((one.argmax(-1) == other.argmax(-1)).sum())
        yield float((one - other).abs().max()), same, batch.numel()


def _first_part(ours: "torch.nn.Module", theirs: "torch.nn.Module", batch: "torch.Tensor") -> str:
    """The part of the network whose outputs are the first to differ."""
    import torch

    with torch.inference_mode():
        mine = ours.extract_features(batch, return_all_hiddens=True)
        hidden = theirs.roberta(batch, output_hidden_states=True).hidden_states
    for number, (one, other) in enumerate(zip(mine, hidden, strict=True)):
        if not float((one - other).abs().max()) <= TOLERANCE:
            return f"layer {number}" if number else "the embeddings"
    return "the LM head"


def fairseq_ids(hub: object, line: str) -> list[int]:
    """The ids that fairseq's hub interface gives a line, as in its ``encode`` and ``fill_mask``."""
    spans = [hub.bpe.encode(span.rstrip()) for span in line.split(MASK)]
    words = f"<s> {f' {MASK} '.join(spans)} </s>"
    dictionary = hub.task.source_dictionary
    return dictionary.encode_line(words, append_eos=False, add_if_not_exist=False).tolist()


def lines_to_compare(workspace: Workspace, count: int = 12) -> list[str]:
    """Lines of the held-out text, if it can be read, and some awkward ones, with masks too."""
    found: list[str] = []
    raw = workspace.raw("test")
    if raw.is_file():
        lines = (line.strip() for line in itertools.islice(text_lines(raw, "utf-8"), 20 * count))
        special = (*SPECIALS, MASK)  # text for fairseq, a symbol for Hugging Face
        plain = (line for line in lines if line and not any(s in line for s in special))
        with contextlib.suppress(CourseError):  # in another encoding: the other lines are enough
            found = list(itertools.islice(plain, count))
    return [*found, *LINES, *MASKED]
