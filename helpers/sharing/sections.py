"""The facts in words and tables, in the order in which a reader asks for them.

The model card and the page of the result are made from these.
"""

import dataclasses
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import PurePath

from helpers.base.sources import COURSE
from helpers.common.report import cell
from helpers.common.symbols import SPLITS
from helpers.evaluation.intervals import FEW, Estimate
from helpers.evaluation.report import BIT, MODELS, Score, counted
from helpers.sharing.facts import Facts

TEXTS = {"yours": "its own field (held out)", "general": "general text"}
# Settings of a training that are shown; the batch has a sentence.
SETTINGS = (
    *("start", "max_update", "lr", "warmup_share", "clip_norm", "max_tokens", "update_freq"),
    *("nproc", "mask_prob", "mask_unit", "sample_break_mode", "dropout", "weight_decay"),
    *("patience", "replay", "seed", "extra"),
)


_NUMBER = re.compile(r"[+-]?[\d.,]+%?( \(.*\))?")


@dataclasses.dataclass(frozen=True)
class Section:
    """A heading, sentences below it, and a table.

    Attributes:
        curve: the learning curve stands here, too.
    """

    title: str
    sentences: Sequence[str]
    head: Sequence[str] = ()
    rows: Sequence[Sequence[object]] = ()
    curve: bool = False

    @property
    def numeric(self) -> list[bool]:
        """Of each column, whether there are numbers in it, and nothing else."""
        columns = zip(*([shown(value) for value in row] for row in self.rows), strict=True)
        return [all(map(_NUMBER.fullmatch, filter(None, column))) for column in columns]


def sections(facts: Facts, *, examples: bool) -> list[Section]:
    """All that is to be said.

    Args:
        examples: also sentences of the texts, which may be nobody else's concern.
    """
    return [
        _texts(facts),
        _base(facts),
        _training(facts),
        _losses(facts),
        *([_task(facts)] if facts.task else []),
        *([_examples(facts)] if examples and facts.examples else []),
        _limits(facts),
        _conversion(facts),
        Section("Versions", (), ("package", "version"), [*facts.versions.items()]),
    ]


def summary(facts: Facts) -> str:
    """What kind of model it is, in a sentence."""
    size = f" with {facts.certificate.parameters:,} parameters" if facts.certificate else ""
    further = " that was trained further on texts of one field" if facts.training else ""
    return f"A RoBERTa{size}{further}: it guesses the words that are hidden in a text."


def _texts(facts: Facts) -> Section:
    title = "Texts"
    if not facts.corpus:
        return Section(title, ["What texts it was trained on is not on record."])
    columns = {"split": SPLITS, "documents": facts.corpus.documents, "lines": facts.corpus.lines}
    if facts.tokens:
        columns["tokens"] = facts.tokens.tokens
    told = (
        "It was trained on train; valid chose the best checkpoint, and test was kept for the end."
    )
    return Section(title, [told], [*columns], [*zip(*columns.values(), strict=False)])


def _base(facts: Facts) -> Section:
    rows: list[tuple[str, object]] = []
    if base := facts.base:
        # Where it lay on one's disk is no one's concern.
        rows = [("source", PurePath(base.source).name)]
        if base.source == COURSE:
            rows.append(("has read", "documentation of software, in English"))
        rows += [
            ("parameters", base.parameters),
            ("layers, width, heads", (base.layers, base.width, base.heads)),
            ("positions", base.positions),
            ("vocabulary", base.vocabulary),
        ]
    if facts.base_sha256:
        rows.append(("SHA-256 of its model.pt", facts.base_sha256))
    said = [] if facts.base else ["What kind of model training began with is not on record."]
    return Section("Base model", said, ("what", "value") if rows else (), rows)


def _training(facts: Facts) -> Section:
    title, training, settings = "Training", facts.training, facts.settings
    if not training:
        return Section(
            title,
            ["How it was trained is not on record: the checkpoint came from elsewhere."],
        )
    said = [
        f"fairseq trained it for {training.updates:,} updates. The validation loss was lowest at "
        f"update {training.best_update:,}: {training.best_loss:.3f} bits per hidden token."
    ]
    batch = [settings.get(name) for name in ("max_tokens", "update_freq", "nproc")]
    if all(isinstance(value, int) and value > 0 for value in batch):
        said.append(f"An update read at most {math.prod(batch):,} tokens.")
    said += [f"Computed on {how}." for how in training.computed]
    if not training.computed:
        said.append("In which precision it was computed is not on record.")
    shown = [(name, settings[name]) for name in SETTINGS if settings.get(name) not in (None, [])]
    return Section(title, said, ("setting", "value"), shown, curve=True)


def _losses(facts: Facts) -> Section:
    title = "What it learned, and what it forgot"
    rows = sorted(facts.losses, key=lambda score: score.text != "yours")
    if not rows:
        return Section(title, ["Its losses, before and after, are not on record yet."])
    share, most = facts.measured.get("mask_share"), facts.measured.get("max_lines")
    measured = (
        f"{share:.0%} of the tokens were hidden, of at most {most:,} lines of each text, the same "
        "for every model."
        if isinstance(share, float) and isinstance(most, int)
        else "The same tokens were hidden for every model."
    )
    said = [
        f"Mean cross entropy per hidden token, of text that no model was trained on. {measured}"
    ]
    said += _amounts(facts)
    if any(row.nats[1] is not None for row in rows):
        said.append("In parentheses: 95% intervals, of documents drawn again and again.")
    short = _short({row.model for row in rows})
    columns = {
        "text": [TEXTS.get(row.text, row.text) for row in rows],
        "model": [short[row.model] for row in rows],
        "against the base, in bits": [_number(_in_bits(row.gain), "{:+.3f}") for row in rows],
        "loss in bits": [_number(row.bits) for row in rows],
        "loss in nats": [_number(row.nats) for row in rows],
        "bits per character": [_number(row.bits_per_character) for row in rows],
        "right at the first guess": [_number(row.first, "{:.1%}") for row in rows],
        "among the first five": [_number(row.fifth, "{:.1%}") for row in rows],
    }
    known = {name: column for name, column in columns.items() if any(column)}
    said += _forgetting(rows)
    return Section(title, said, [*known], [*zip(*known.values(), strict=True)])


def _short(models: set[str]) -> dict[str, str]:
    """Models by as many last parts of their paths as tell them apart; where they lie is left out.

    >>> sorted(_short({"base", "runs/a/hf", "runs/b/hf"}).values())
    ['a/hf', 'b/hf', 'base']
    """
    short = {name: name for name in models & {*MODELS}}
    for name in sorted(models - short.keys()):
        parts = PurePath(name).parts
        ends = ("/".join(parts[-number:]) for number in range(1, len(parts) + 1))
        short[name] = next((end for end in ends if _is_only(end, models)), name)
    return short


def _is_only(end: str, models: set[str]) -> bool:
    of = [name for name in models if f"/{name}".endswith(f"/{end}")]
    return len(of) < 2 and end not in MODELS


def _forgetting(rows: Sequence[Score]) -> Iterator[str]:
    """What became of general text; the difference of the same hidden tokens is what counts."""
    for row in rows:
        if row.text != "general" or row.model != "fine-tuned" or not row.gain:
            continue
        gain = row.gain.times(BIT)
        if gain.low is not None and not gain.is_clear:
            yield "On general text no difference from its base can be told from chance."
        elif gain.value > 0:
            yield f"On general text the loss rose by {gain.value:.3f} bits: so much was forgotten."
        else:
            fell = f"{-gain.value:.3f} bits"
            yield f"On general text the loss fell by {fell}: nothing was forgotten there."


def _task(facts: Facts) -> Section:
    judged = sum(number for _, _, number in facts.classes)
    said = [
        f"A logistic regression, cross-validated, told {len(facts.classes)} classes of texts apart "
        "by the means of the last layer's vectors. It was judged by "
        f"{counted(judged)} that neither it nor a model was trained on. "
        "In parentheses: 95% intervals; only the rows with the most labels are judged in words.",
        *(sentence for sentence in facts.verdict if "little can be said" not in sentence),
    ]
    short = _short({score.model for score in facts.task})
    rows = [
        (
            *(score.labels, short[score.model], _number(score.accuracy, "{:.1%}")),
            *(_number(score.f1, "{:.3f}"), _number(score.gain, "{:+.1%}")),
        )
        for score in facts.task
    ]
    head = ("learned from", "model", "right", "macro-F1", "more right than the base")
    return Section("Does it help on a task?", said, head, rows)


def _amounts(facts: Facts) -> Iterator[str]:
    """How much was measured, and how: what the numbers have to be judged by."""
    for text in facts.texts:
        name = TEXTS.get(text.name, text.name)
        yield f"Of {name}: {text.hidden:,} hidden tokens, of {counted(text.documents)}."
    if any(text.documents < FEW for text in facts.texts):
        yield f"With fewer than {FEW} documents nobody can say how sure such numbers are."
    if facts.texts:
        yield "Characters are counted without white space."
    if facts.precision not in ("", "fp32"):
        yield f"Measured in {facts.precision}, which rounds losses a little."


def _in_bits(gain: Estimate | None) -> Estimate | None:
    return gain.times(BIT) if gain else None


def _examples(facts: Facts) -> Section:
    return Section(
        "The same sentences before and after",
        [
            "In each sentence one token was hidden. ␣ is a space before what is guessed, and "
            "⟨E4 BA⟩ are bytes: a part of a character."
        ],
        ("sentence", "hidden", "base guesses", "fine-tuned guesses"),
        facts.examples,
    )


def _limits(facts: Facts) -> Section:
    length = (
        f" of more than {facts.base.positions:,} tokens, <s> and </s> counted,"
        if facts.base
        else " that are long"
    )
    return Section(
        "What it is not good for",
        [
            "It does not write texts and does not answer questions: it fills gaps, and is a "
            "beginning for classifiers and the like.",
            "What it guesses is what its training texts would say, with their errors, their "
            "prejudices and their age; it is no source of facts.",
            f"Texts{length} have to be cut. In languages and fields that neither its base nor its "
            "texts have much of, it is poor; measure it on your own text before you rely on it.",
        ],
    )


def _conversion(facts: Facts) -> Section:
    title, found = "Conversion", facts.certificate
    if not found:
        return Section(title, ["Nothing proves what its files were converted from."])
    rows = [("checkpoint", found.checkpoint), ("its SHA-256", found.sha256), *found.rows()]
    told = "Read back from the disk after it was converted for transformers"
    told += ", and compared with fairseq." if found.compared else "."
    return Section(title, [told], ("what", "found"), [row for row in rows if row[1] != ""])


def _number(estimate: Estimate | None, form: str = "{:.3f}") -> str:
    return estimate.told(form) if estimate else ""


def shown(value: object) -> str:
    """A value of a table as text; a setting such as 0.0001 stays as it was typed."""
    return f"{value:g}" if isinstance(value, float) else cell(value)
