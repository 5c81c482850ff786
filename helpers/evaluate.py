"""Base and fine-tuned model in one evaluator: the same held-out text, the same masks."""

import dataclasses
import itertools
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from helpers import checkpoints
from helpers.base_model import BASE
from helpers.convert import CONVERT
from helpers.dictionary import EOS, FIRST, Dictionary
from helpers.errors import CourseError
from helpers.huggingface import model_of, quiet
from helpers.report import Grid, Report, Table
from helpers.settings import EvaluateSettings
from helpers.split import SPLIT
from helpers.stage import Job, Stage
from helpers.tokens import MASK, masked_sentence, token_text, vocabulary
from helpers.vocabulary import encode
from helpers.workspace import Workspace

if TYPE_CHECKING:
    from transformers import RobertaForMaskedLM

MODELS = ("base", "fine-tuned")
BATCH = 4  # blocks that are computed at once
EXAMPLES = 8
_WORD = re.compile(r"(?<=\s)[^\W\d_]{4,}|[\u4e00-\u9fff]")


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluateReport(Report):
    """Numbers for (base, fine-tuned).

    Attributes:
        loss: mean cross entropy per hidden token, in nats.
        accuracy: share of hidden tokens whose most likely guess is right.
        tokens: how many tokens were hidden.
        examples: rows of sentence, hidden token, the base's guesses, the fine-tuned's guesses.
    """

    TITLE = "What was learned, on text that no model has seen"
    loss: tuple[float, float]
    accuracy: tuple[float, float]
    tokens: int
    examples: tuple[tuple[str, str, str, str], ...]

    @property
    def bits(self) -> tuple[float, ...]:
        """The loss in bits: nats / ln 2, as fairseq reports it."""
        return tuple(loss / math.log(2) for loss in self.loss)

    @property
    def perplexity(self) -> tuple[float, ...]:
        """e to the loss in nats, which is 2 to the loss in bits."""
        return tuple(math.exp(loss) for loss in self.loss)

    def table(self) -> Table:
        rows = [
            ("loss (bits per hidden token)", *(round(x, 3) for x in self.bits)),
            ("loss (nats per hidden token)", *(round(x, 3) for x in self.loss)),
            ("perplexity", *(round(x, 1) for x in self.perplexity)),
            ("right at the first guess", *(f"{x:.1%}" for x in self.accuracy)),
        ]
        return ("", *MODELS), rows


def example_table(report: EvaluateReport) -> Grid:
    """What both models guess for a hidden word; ␣ is a space before the token."""
    head = ("sentence", "hidden", "base guesses", "fine-tuned guesses")
    return Grid(head, report.examples, "The same sentences before and after")


def blocks(lines: Iterator[str], dictionary: Dictionary, size: int) -> list[np.ndarray]:
    """Whole lines, as many as fit, in blocks that begin with ``<s>``: as in training.

    Args:
        size: the most dictionary indices in a block.
    """
    found, block = [], [0]
    for line in lines:
        ids = [*dictionary.from_gpt2[encode(line.strip())].tolist(), EOS][: size - 1]
        if len(block) + len(ids) > size:
            found.append(np.array(block))
            block = [0]
        block += ids
    return [*found, np.array(block)] if len(block) > 1 else found


def hide(block: np.ndarray, dictionary: Dictionary, share: float, random: np.random.Generator):
    """Hide tokens as in training: of those chosen 80% masked, 10% replaced, 10% left.

    Special symbols are never chosen, unlike in fairseq's training.

    Returns:
        The block with hidden tokens, and the positions that were chosen (at least one).
    """
    candidates = np.flatnonzero(block >= FIRST)
    number = max(1, round(share * len(candidates)))
    chosen = np.sort(random.choice(candidates, number, replace=False))
    hidden = block.copy()
    lot = random.random(number)
    hidden[chosen[lot < 0.8]] = dictionary.mask
    swapped = chosen[lot >= 0.9]
    hidden[swapped] = random.integers(FIRST, len(dictionary), len(swapped))
    return hidden, chosen


def measure(
    model: "RobertaForMaskedLM", hidden: list[np.ndarray], true: list[np.ndarray], at: list
) -> tuple[float, float]:
    """Mean cross entropy in nats, and the share of right first guesses, at the chosen positions.

    The vocabulary's logits are computed for these positions only, which saves most of the work.
    """
    import torch

    pad = model.config.pad_token_id
    total = right = count = 0
    for first in range(0, len(hidden), BATCH):
        part = range(first, min(first + BATCH, len(hidden)))
        width = max(len(hidden[i]) for i in part)
        ids = np.full((len(part), width), pad)
        for row, i in enumerate(part):
            ids[row, : len(hidden[i])] = hidden[i]
        rows = np.concatenate([np.full(len(at[i]), row) for row, i in enumerate(part)])
        columns = np.concatenate([at[i] for i in part])
        answers = torch.from_numpy(np.concatenate([true[i][at[i]] for i in part]))
        batch = torch.from_numpy(ids)
        with torch.inference_mode():
            states = model.roberta(batch, attention_mask=(batch != pad).long()).last_hidden_state
            logits = model.lm_head(states[rows, columns])
            total += float(torch.nn.functional.cross_entropy(logits, answers, reduction="sum"))
        likeliest = FIRST + logits[:, FIRST:].argmax(-1)  # special symbols are never the answer
        right += int((likeliest == answers).sum())
        count += len(answers)
    return total / count, right / count


def guesses(
    model: "RobertaForMaskedLM", ids: list[int], dictionary: Dictionary, top: int = 3
) -> str:
    """The likeliest tokens at the mask with their probabilities among all that are no specials."""
    import torch

    with torch.inference_mode():
        logits = model(torch.tensor([ids])).logits[0, ids.index(dictionary.mask)]
    values, indices = logits[FIRST : dictionary.mask].softmax(-1).topk(top)
    pairs = zip(indices.tolist(), values.tolist(), strict=True)
    return "  ".join(f"{token_text(FIRST + i, dictionary)} {p:.0%}" for i, p in pairs)


def example_sentences(lines: list[str], seed: int) -> list[tuple[str, str]]:
    """Held-out lines with one word hidden, chosen by lot: the line with its mask, and the word."""
    random = np.random.default_rng(seed)
    good = [line for line in lines if 30 <= len(line) <= 90 and MASK not in line]
    found = []
    for number in random.permutation(len(good)):
        line = good[number].strip()
        words = list(_WORD.finditer(line))
        if words and len(found) < EXAMPLES:
            word = words[random.integers(len(words))]
            found.append((f"{line[: word.start()]}{MASK}{line[word.end() :]}", word[0]))
    return found


def _read_lines(workspace: Workspace, most: int) -> list[str]:
    with workspace.raw("test").open(encoding="utf-8") as handle:
        lines = list(itertools.islice((line.rstrip("\n") for line in handle), most))
    if not any(line.strip() for line in lines):
        raise CourseError(
            "There is no held-out text: the split test is empty.",
            "Split again (notebook 01_split) with a share above 0 for test.",
        )
    return lines


def _work(job: Job) -> EvaluateReport:
    import transformers

    quiet()
    workspace, settings = job.workspace, job.settings
    dictionary = Dictionary.load(workspace.base_dict)
    _refuse_other_vocabulary(workspace, dictionary)
    state = checkpoints.read(workspace.base_model)
    models = (
        model_of(state),
        transformers.RobertaForMaskedLM.from_pretrained(workspace.hf).eval(),
    )
    lines = _read_lines(workspace, settings.max_lines)
    size = min(m.config.max_position_embeddings for m in models) - 2
    true = blocks(iter(lines), dictionary, size)
    random = np.random.default_rng(settings.seed)
    hidden, at = zip(
        *(hide(block, dictionary, settings.mask_share, random) for block in true), strict=True
    )
    measured = [measure(model, list(hidden), true, list(at)) for model in models]
    loss, accuracy = zip(*measured, strict=True)
    report = EvaluateReport(
        loss=loss,
        accuracy=accuracy,
        tokens=sum(map(len, at)),
        examples=tuple(_examples(models, lines, dictionary, settings)),
    )
    text = json.dumps(report.to_json() | {"bits": report.bits}, indent=1, ensure_ascii=False)
    job.out(workspace.evaluation).write_text(text + "\n", "utf-8")
    return report


def _examples(models: tuple, lines: list[str], dictionary: Dictionary, settings: EvaluateSettings):
    asked = [(s, "") for s in settings.sentences] or example_sentences(lines, settings.seed)
    for sentence, word in asked:
        ids = masked_sentence(sentence, dictionary)
        yield (sentence, word, *(guesses(model, ids, dictionary) for model in models))


def _refuse_other_vocabulary(workspace: Workspace, dictionary: Dictionary) -> None:
    written = json.loads((workspace.hf / "vocab.json").read_text("utf-8"))
    if written != vocabulary(dictionary):
        raise CourseError(
            "hf/vocab.json has other ids than base/dict.txt: the two models do not belong "
            "together.",
            "Run the notebook 05_convert again.",
        )


def _inputs(workspace: Workspace, settings: EvaluateSettings) -> list[Path]:
    hf = [workspace.hf / name for name in ("config.json", "model.safetensors", "vocab.json")]
    return [workspace.base_model, workspace.base_dict, *hf, workspace.raw("test")]


EVALUATE = Stage(
    name="evaluate",
    notebook="06_evaluate",
    settings=EvaluateSettings,
    report=EvaluateReport,
    inputs=_inputs,
    outputs=lambda workspace: [workspace.evaluation],
    work=_work,
    after=(BASE, SPLIT, CONVERT),
    keeps_own=False,
)
