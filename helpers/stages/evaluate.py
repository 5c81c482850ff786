"""Base and fine-tuned model in one evaluator: the same held-out text, the same masks."""

import dataclasses
import json
import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from helpers.base import general_text
from helpers.common.errors import CourseError
from helpers.common.report import Grid, Report, Table
from helpers.common.symbols import FIRST, MASK
from helpers.ids.dictionary import Dictionary
from helpers.models.hf.config import files_of, is_huggingface
from helpers.models.masked_lm import (
    hide,
    measure,
    perplexity,
    samples_of,
)
from helpers.sharing.results import write_results
from helpers.stages.both_models import read_both
from helpers.text.documents import lines as text_lines
from helpers.tokens.gpt2 import encode
from helpers.workflow.definition import Job, Stage
from helpers.workflow.settings import EvaluateSettings
from helpers.workflow.workspace import Workspace

MODELS = ("base", "fine-tuned")
EXAMPLE, EXAMPLES = ("sentence", "hidden", "base guesses", "fine-tuned guesses"), 8
LEAST, MOST = 30, 90  # bytes and characters of an example: ten Chinese characters are enough
_SENTENCE = re.compile(r"[^。！？.!?]+[。！？.!?]*")
_WORD = re.compile(r"(?<=\s)[^\W\d_]{4,}|[\u4e00-\u9fff]")


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluateReport(Report):
    """Numbers for (base, fine-tuned), on the held-out text and on general text.

    Attributes:
        loss: mean cross entropy per hidden token, in nats.
        accuracy: share of hidden tokens whose most likely guess is right.
        tokens: how many tokens were hidden.
        general_loss, general_accuracy, general_tokens: the same on documentation of other
            packages, which the course's base has not read either; what rises there was forgotten.
        examples: rows of sentence, hidden token, the base's guesses, the fine-tuned's guesses.
        of: what was compared: the SHA-256 of every file that was read, by its name; the updates of
            the fine-tuned model, where the workspace's record knows them; the settings.
    """

    TITLE = "What was learned, on text that no model has seen"
    loss: tuple[float, float]
    accuracy: tuple[float, float]
    tokens: int
    general_loss: tuple[float, float]
    general_accuracy: tuple[float, float]
    general_tokens: int
    examples: tuple[tuple[str, str, str, str], ...]
    of: dict

    @property
    def bits(self) -> tuple[float, ...]:
        """The loss in bits: nats / ln 2, as fairseq reports it."""
        return in_bits(self.loss)

    @property
    def general_bits(self) -> tuple[float, ...]:
        return in_bits(self.general_loss)

    @property
    def perplexity(self) -> tuple[float, ...]:
        """e to the loss in nats, which is 2 to the loss in bits."""
        return tuple(map(perplexity, self.bits))

    def table(self) -> Table:
        rows = [
            ("yours", "loss (bits per hidden token)", *(f"{x:.3f}" for x in self.bits)),
            ("", "loss (nats per hidden token)", *(f"{x:.3f}" for x in self.loss)),
            ("", "perplexity", *(f"{x:,.1f}" for x in self.perplexity)),
            ("", "right at the first guess", *(f"{x:.1%}" for x in self.accuracy)),
            ("general", "loss (bits per hidden token)", *(f"{x:.3f}" for x in self.general_bits)),
            ("", "right at the first guess", *(f"{x:.1%}" for x in self.general_accuracy)),
        ]
        return ("text", "measure", *MODELS), rows


def in_bits(nats: Sequence[float]) -> tuple[float, ...]:
    return tuple(loss / math.log(2) for loss in nats)


def example_table(report: EvaluateReport) -> Grid:
    """What both models guess for a hidden word; ␣ is a space before the token."""
    return Grid(EXAMPLE, report.examples, "The same sentences before and after")


def example_sentences(lines: list[str], seed: int) -> list[tuple[str, str]]:
    """Held-out lines with one word hidden, chosen by lot: the line with its mask, and the word.

    The word is one token, so that a model can guess it. Of a long line its sentences are taken.
    """
    random = np.random.default_rng(seed)
    texts = (text for line in lines for text in _short(line))
    good = [t for t in texts if len(t.encode()) >= LEAST and len(t) <= MOST and MASK not in t]
    found = []
    for number in random.permutation(len(good)):
        line = good[number].strip()
        words = [word for word in _WORD.finditer(line) if len(encode(_as_it_stands(word))) == 1]
        if words and len(found) < EXAMPLES:
            word = words[random.integers(len(words))]
            found.append((f"{line[: word.start()]}{MASK}{line[word.end() :]}", word[0]))
    return found


def _short(line: str) -> list[str]:
    return [line] if len(line) <= MOST else _SENTENCE.findall(line)


def _as_it_stands(word: re.Match) -> str:
    """A word with the space before it, which GPT-2's tokens bring along; Chinese has none."""
    before = word.string[: word.start()]
    return f" {word[0]}" if before[-1:].isspace() else word[0]


def _read_lines(workspace: Workspace, most: int) -> list[str]:
    """The first held-out lines; where all of them are blank, up to the first that is not."""
    lines, has_text = [], False
    for line in text_lines(workspace.raw("test"), "utf-8"):
        lines.append(line)
        has_text = has_text or bool(line.strip())
        if has_text and len(lines) >= most:
            break
    if not has_text:
        raise CourseError(
            "There is no held-out text: the split test is empty.",
            "Split again (notebook 01_split) with a share above 0 for test.",
        )
    return lines


def _work(job: Job) -> EvaluateReport:
    workspace, settings = job.workspace, job.settings
    both = read_both(workspace, settings.device)
    models, dictionary, size = both.models, both.dictionary, both.size
    lines = _read_lines(workspace, settings.max_lines)
    own = [(sentence, "") for sentence in settings.sentences]
    examples = both.rows(own or example_sentences(lines, settings.seed), own=bool(own))
    general = general_text.validation_lines(settings.max_lines)
    loss, accuracy, tokens = _compared(models, lines, dictionary, settings, size)
    general_loss, general_accuracy, general_tokens = _compared(
        models, general, dictionary, settings, size
    )
    report = EvaluateReport(
        loss=loss,
        accuracy=accuracy,
        tokens=tokens,
        general_loss=general_loss,
        general_accuracy=general_accuracy,
        general_tokens=general_tokens,
        examples=examples,
        of=_compared_files(job),
        notes=both.notes,
    )
    bits = {"bits": report.bits, "general_bits": report.general_bits}
    text = json.dumps(report.to_json() | bits, indent=1, ensure_ascii=False)
    job.out(workspace.evaluation).write_text(text + "\n", "utf-8")
    return report


def _compared_files(job: Job) -> dict:
    workspace, converted = job.workspace, job.workspace.record.entry("convert")
    files = {workspace.key(path): print_.sha256 for path, print_ in job.inputs.items()}
    model = workspace.key(workspace.hf / "model.safetensors")
    made = converted.outputs.get(model)
    known = made is not None and made.sha256 == files[model]
    return {
        "files": files,
        "updates": converted.report.get("updates") if known else None,
        "settings": job.settings.of_the_result(),
    }


def _compared(
    models: tuple, lines: list[str], dictionary: Dictionary, settings: EvaluateSettings, size: int
) -> tuple[tuple, tuple, int]:
    """Loss in nats and accuracy of each model with the same tokens hidden, and their number."""
    samples = samples_of(iter(lines), dictionary, size)
    true = [sample for sample in samples if (sample >= FIRST).any()]  # others are blank lines
    random = np.random.default_rng(settings.seed)
    hidden, at = zip(
        *(hide(sample, dictionary, settings.mask_share, random) for sample in true), strict=True
    )
    measured = [
        measure(model, list(hidden), true, list(at), f"the {name} model")
        for model, name in zip(models, MODELS, strict=True)
    ]
    loss, accuracy = zip(*measured, strict=True)
    return loss, accuracy, sum(map(len, at))


def _inputs(workspace: Workspace, settings: EvaluateSettings) -> list[Path]:
    config = workspace.hf / "config.json"  # which is missed, where there is none
    hf = files_of(workspace.hf) if is_huggingface(workspace.hf) else [config]
    return [workspace.base_model, workspace.base_dict, *hf, workspace.raw("test")]


EVALUATE = Stage(
    name="evaluate",
    does="compare base and fine-tuned model on held-out text",
    notebook="06_evaluate",
    settings=EvaluateSettings,
    report=EvaluateReport,
    inputs=_inputs,
    outputs=lambda workspace: [workspace.evaluation],
    work=_work,
    after=("base", "split", "convert"),
    then=lambda workspace, settings: write_results(workspace),
)
