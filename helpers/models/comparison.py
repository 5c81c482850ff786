"""A model for fairseq and the same for Hugging Face: do they compute the same?"""

import contextlib
import itertools
from pathlib import Path

from helpers.common.errors import CourseError
from helpers.common.fairseq import ready_to_import
from helpers.common.symbols import MASK, SPECIALS
from helpers.machine.devices import chosen
from helpers.models.huggingface import quiet
from helpers.text.documents import lines as text_lines
from helpers.tokens.gpt2 import gpt2_file
from helpers.workflow.workspace import Workspace

TOLERANCE = 1e-4
LINES = (
    "Hello world! This is RoBERTa.",
    "GPT-2 cuts rare words such as floccinaucinihilipilification into many tokens.",
    "微调之前，先把文本切分成训练、验证和测试三部分。",
    "naïve café 🙂 x² ≤ 10",
)
MASKED = ("The capital of France is <mask>.", "Every <mask> counts, world! <mask> it", "<mask>")


def largest_difference(pt: Path, hf: Path, lines: list[str], device: str = "cpu") -> float:
    """Load both folders from the disk and compare token ids and logits, line by line.

    Args:
        pt: what fairseq's hub loader reads: ``model.pt`` and ``dict.txt``.
        lines: texts; in those with ``<mask>`` the ids are fairseq's ``fill_mask``'s.
        device: where both are computed.

    Raises:
        CourseError: ids differ, or logits by more than 1e-4.
    """
    import torch
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    where = chosen(device)

    ready_to_import()
    quiet()
    from fairseq.models.roberta import RobertaModel

    theirs = AutoModelForMaskedLM.from_pretrained(hf).eval().to(where)
    tokenizer = AutoTokenizer.from_pretrained(hf)
    ours = RobertaModel.from_pretrained(
        str(pt),
        checkpoint_file="model.pt",
        bpe="gpt2",
        gpt2_encoder_json=str(gpt2_file("encoder.json")),
        gpt2_vocab_bpe=str(gpt2_file("vocab.bpe")),
    ).eval()
    ours.to(where)
    differences = [0.0]
    for line in lines:
        ids = fairseq_ids(ours, line)
        if (other := tokenizer(line)["input_ids"]) != ids:
            raise CourseError(
                f"The tokenizers differ on {line[:80]!r}: fairseq {ids[:12]}, "
                f"Hugging Face {other[:12]}.",
                "This is a fault of the conversion; the folder was not written. Please report it.",
            )
        batch = torch.tensor([ids[: theirs.config.max_position_embeddings - 2]], device=where)
        with torch.inference_mode():
            logits = ours.model(batch, features_only=False)[0] - theirs(batch).logits
        differences.append(float(logits.abs().max()))
        if not differences[-1] <= TOLERANCE:  # of NaN, too
            raise CourseError(
                f"The converted model differs from fairseq's by {differences[-1]:.2g} (allowed: "
                f"{TOLERANCE}) on {line[:80]!r}.",
                "The model is not a plain RoBERTa, or its numbers grow without bounds; the folder "
                "was not written.",
            )
    return max(differences)


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
