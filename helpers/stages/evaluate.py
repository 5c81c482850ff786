"""Base and fine-tuned model in one evaluator: the same held-out text, the same masks."""

import itertools
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from helpers.base import general_text
from helpers.common.errors import CourseError
from helpers.common.progress import Progress, duration
from helpers.common.symbols import MASK
from helpers.evaluation.changes import by_frequency, by_token
from helpers.evaluation.guessing import BATCH, Guessed, guessed
from helpers.evaluation.report import (
    MODELS,
    TEXTS,
    EvaluatePlan,
    EvaluateReport,
    judgement,
    of_near_duplicates,
)
from helpers.evaluation.scoring import measured, scores_of
from helpers.evaluation.texts import Hidden, Text, hidden_in, text_of
from helpers.ids.binary_files import blocks, read_counts
from helpers.ids.data_bin import data_folders
from helpers.ids.dictionary import Dictionary
from helpers.machine.devices import chosen
from helpers.machine.resources import capability, machine
from helpers.sharing.results import write_results
from helpers.stages.both_models import BothModels, check_others, files_compared, read_all
from helpers.text.documents import lines as text_lines
from helpers.text.documents import passages
from helpers.text.near_duplicates import have_near_duplicates
from helpers.tokens.gpt2 import encode
from helpers.training.precision import NEEDED, refuse_without_units
from helpers.workflow.definition import Job, Prints, Stage
from helpers.workflow.settings import EvaluateSettings
from helpers.workflow.workspace import Workspace

EXAMPLES = 8
LEAST, MOST = 30, 90  # bytes and characters of an example: ten Chinese characters are enough
_SENTENCE = re.compile(r"[^。！？.!?]+[。！？.!?]*")
_WORD = re.compile(r"(?<=\s)[^\W\d_]{4,}|[\u4e00-\u9fff]")


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


def _texts(lines: list[str], settings: EvaluateSettings, both: BothModels) -> dict[str, Text]:
    """One's own held-out text and general text, as all of the models can read it."""
    general = general_text.validation_lines(settings.max_lines)
    texts = (text_of(each, both.dictionary, both.size) for each in (lines, general))
    return dict(zip(TEXTS, texts, strict=True))


def _hidden(text: Text, settings: EvaluateSettings, dictionary: Dictionary) -> Hidden:
    return hidden_in(text, dictionary, settings.mask_share, settings.seed, settings.draws)


def _precision(settings: EvaluateSettings) -> str:
    """What matrices are multiplied in.

    Raises:
        CourseError: the device is not there, or has no units for it.
    """
    device = chosen(settings.device)
    if settings.precision == "auto":
        return "bf16" if capability(device) >= NEEDED["bf16"] else "fp32"
    refuse_without_units(settings.precision, device)
    return settings.precision


def _plan(
    workspace: Workspace, settings: EvaluateSettings, _: Prints, __: int | None
) -> EvaluatePlan:
    """How long it will take, by the first samples."""
    both = read_all(workspace, settings.models, settings.device)
    texts = _texts(_read_lines(workspace, settings.max_lines), settings, both)
    hidden = {name: _hidden(text, settings, both.dictionary) for name, text in texts.items()}
    some = hidden[TEXTS[0]].first(2 * BATCH[both.models[MODELS[0]].device.type])
    seconds, numbers = 0.0, _precision(settings)
    for name, model in both.models.items():
        guessed(model, some.first(1), name, numbers)  # memory is fetched
        begun = time.perf_counter()
        guessed(model, some, name, numbers)
        passed = (time.perf_counter() - begun) / sum(map(len, some.seen))
        seconds += passed * sum(len(sample) for each in hidden.values() for sample in each.seen)
    return EvaluatePlan(
        texts=tuple(measured(name, text, hidden[name]) for name, text in texts.items()),
        models=tuple(both.models),
        device=f"{machine(workspace.root, chosen(settings.device)).device}, in {numbers}",
        time=duration(seconds),
        notes=both.notes,
    )


def _work(job: Job) -> EvaluateReport:
    workspace, settings = job.workspace, job.settings
    numbers = _precision(settings)
    both = read_all(workspace, settings.models, settings.device)
    counts = training_counts(job.files, both.dictionary)
    lines = _read_lines(workspace, settings.max_lines)
    own = [(sentence, "") for sentence in settings.sentences]
    examples = both.rows(own or example_sentences(lines, settings.seed), own=bool(own))
    texts = _texts(lines, settings, both)
    hidden = {name: _hidden(text, settings, both.dictionary) for name, text in texts.items()}
    total = len(both.models) * sum(len(each.seen) for each in hidden.values())
    with Progress(total, "samples") as bar:
        found = {
            (model, text): guessed(each, hidden[text], _called(model), numbers, bar)
            for model, each in both.models.items()
            for text in TEXTS
        }
    sizes = tuple(measured(name, text, hidden[name]) for name, text in texts.items())
    scores = tuple(scores_of(found, texts, hidden))
    base, tuned = (found[model, TEXTS[0]].nats for model in MODELS)
    mine = hidden[TEXTS[0]]
    bands = () if counts is None else by_frequency(counts, mine.ids, mine.documents, base, tuned)
    gained, lost = by_token(mine.ids, base, tuned, both.dictionary)
    report = EvaluateReport(
        texts=sizes,
        scores=scores,
        bands=tuple(bands),
        gained=tuple(gained),
        lost=tuple(lost),
        examples=examples,
        precision=numbers,
        of=_compared_files(job),
        notes=(
            *both.notes,
            *judgement(scores, sizes),
            _of_near_duplicates(job, lines, mine, *(found[model, TEXTS[0]] for model in MODELS)),
            *_doubts(workspace, numbers),
        ),
    )
    bits = {"bits": report.bits(), "general_bits": report.bits(TEXTS[1])}
    text = json.dumps(report.to_json() | bits, indent=1, ensure_ascii=False)
    job.out(workspace.evaluation).write_text(text + "\n", "utf-8")
    return report


def _of_near_duplicates(
    job: Job, lines: list[str], hidden: Hidden, base: Guessed, tuned: Guessed
) -> str:
    """The note on held-out documents that the training text has nearly as well."""
    train = job.workspace.raw("train")
    if train not in job.files:
        return "The training text is not there: no near-duplicates were looked for in it."
    documents = [
        "\n".join(of_one)
        for has_text, of_one in itertools.groupby(lines, lambda line: bool(line.strip()))
        if has_text
    ]
    trained = (each.documents("blank-line") for each in passages(train, "utf-8", "blank-line"))
    return of_near_duplicates(have_near_duplicates(documents, trained), hidden, base, tuned)


def _doubts(workspace: Workspace, numbers: str) -> Iterator[str]:
    if workspace.record.entry("split").settings.get("unit") == "file":
        yield (
            "The split kept whole files together, and does not tell where each ends: paragraphs "
            "are drawn in place of documents, so that intervals are narrower than they should be."
        )
    if numbers != "fp32":
        yield f"Measured in {numbers}: losses are rounded a little."


def _called(model: str) -> str:
    return f"the {model} model" if model in MODELS else model


def training_counts(files: list[Path], dictionary: Dictionary) -> np.ndarray | None:
    """How often each dictionary index occurs in the training text, (indices,); None without it.

    Nothing is counted where the text was binarized with another dictionary: its indices are others.

    Raises:
        DamagedFile: it is not fairseq's format, or has an index that the dictionary does not have.
    """
    prefixes = [file.with_suffix("") for file in files if file.name == "train.bin"]
    theirs = prefixes and prefixes[0].with_name("dict.txt")
    if not theirs or Dictionary.load(theirs).symbols != dictionary.symbols:
        return None
    counts = np.zeros(dictionary.mask + 1, dtype=np.int64)
    for prefix in prefixes:
        read_counts(prefix, dictionary)
        for block in blocks(prefix):
            counts += np.bincount(block, minlength=len(counts))
    return counts


def _compared_files(job: Job) -> dict:
    workspace, converted = job.workspace, job.workspace.record.entry("convert")
    files = {workspace.key(path): print_.sha256 for path, print_ in job.inputs.items()}
    model = workspace.key(workspace.hf / "model.safetensors")
    made = converted.outputs.get(model)
    known = made is not None and made.sha256 == files.get(model)
    return {
        "files": files,
        "updates": converted.report.get("updates") if known else None,
        "settings": job.settings.of_the_result(),
    }


def _inputs(workspace: Workspace, settings: EvaluateSettings) -> list[Path]:
    folders = data_folders(workspace.data_bin)
    trained = [folder / f"train.{kind}" for folder in folders for kind in ("bin", "idx")]
    trained.append(folders[0] / "dict.txt")
    return [
        *(*files_compared(workspace, settings), workspace.raw("test")),
        *(trained if all(map(Path.is_file, trained)) else ()),
        *(text for text in [workspace.raw("train")] if text.is_file()),
    ]


EVALUATE = Stage(
    name="evaluate",
    does="compare base and fine-tuned model on held-out text",
    notebook="06_evaluate",
    settings=EvaluateSettings,
    report=EvaluateReport,
    inputs=_inputs,
    outputs=lambda workspace: [workspace.evaluation],
    work=_work,
    plan=_plan,
    check=check_others,
    after=("base", "split", "binarize", "prepare", "convert"),
    then=lambda workspace, settings: write_results(workspace),
)
