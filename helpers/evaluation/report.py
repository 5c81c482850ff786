"""What was measured of models, and how it is told."""

import dataclasses
import math
from collections.abc import Iterator, Sequence

import numpy as np

from helpers.common.report import Grid, Report, Table
from helpers.evaluation.changes import Band, Change, difference
from helpers.evaluation.guessing import Guessed
from helpers.evaluation.intervals import FEW, Estimate
from helpers.evaluation.texts import Hidden
from helpers.models.masked_lm import perplexity

MODELS = ("base", "fine-tuned")
TEXTS = ("yours", "general")
EXAMPLE = ("sentence", "hidden", "base guesses", "fine-tuned guesses")
BIT = 1 / math.log(2)  # of a nat


@dataclasses.dataclass(frozen=True)
class Measured:
    """A text that was measured.

    Attributes:
        documents: those in which a token was hidden.
        tokens, characters: of the whole text; characters without white space.
        hidden: tokens, each time that one was hidden.
    """

    name: str
    documents: int
    tokens: int
    characters: int
    hidden: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluatePlan(Report):
    """What an evaluation will measure, and how long it will take."""

    TITLE = "What this evaluation will do"
    texts: tuple[Measured, ...]
    models: tuple[str, ...]
    device: str
    time: str

    def table(self) -> Table:
        rows = [
            (text.name, f"{text.hidden:,} hidden tokens of {counted(text.documents)}")
            for text in self.texts
        ]
        rows += [("models", ", ".join(self.models)), ("measured on", self.device)]
        return ("what", "how much"), [*rows, ("time", f"about {self.time}, by the first samples")]


def counted(documents: int) -> str:
    return f"{documents:,} document{'s' * (documents != 1)}"


@dataclasses.dataclass(frozen=True)
class Score:
    """A model on a text.

    Attributes:
        nats: the mean cross entropy of a hidden token.
        bits_per_character: the same in bits, times tokens by characters: it can be compared
            between languages and ways to cut text into tokens.
        first, fifth: the share of hidden tokens that were its likeliest, one of its five likeliest.
        gain, first_gain, fifth_gain: ``nats``, ``first`` and ``fifth`` less those of the base,
            token by token; None for the base itself.
    """

    model: str
    text: str
    nats: Estimate
    bits_per_character: Estimate
    first: Estimate
    fifth: Estimate
    gain: Estimate | None
    first_gain: Estimate | None = None
    fifth_gain: Estimate | None = None

    @property
    def bits(self) -> Estimate:
        return self.nats.times(BIT)


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluateReport(Report):
    """Every model on the held-out text and on general text, with the same tokens hidden.

    Attributes:
        texts: ``yours``, and ``general``: documentation of other packages, which the course's base
            has not read either; what rises there was forgotten.
        scores: base, fine-tuned and further models, on each text; intervals are those of 95 %,
            over documents.
        bands: base and fine-tuned on ``yours``, by how often a token occurs in the training text;
            empty where that is not there.
        gained, lost: tokens of ``yours`` whose loss fell and rose most.
        examples: rows of sentence, hidden token, the base's guesses, the fine-tuned's guesses.
        precision: the numbers in which matrices were multiplied.
        of: what was compared: the SHA-256 of every file that was read, by its name; the updates of
            the fine-tuned model, where the workspace's record knows them; the settings.
    """

    TITLE = "What was learned, on text that no model has seen"
    texts: tuple[Measured, ...]
    scores: tuple[Score, ...]
    bands: tuple[Band, ...]
    gained: tuple[Change, ...]
    lost: tuple[Change, ...]
    examples: tuple[tuple[str, str, str, str], ...]
    precision: str
    of: dict

    def score(self, model: str, text: str) -> Score:
        return next(s for s in self.scores if (s.model, s.text) == (model, text))

    @property
    def models(self) -> list[str]:
        return list(dict.fromkeys(score.model for score in self.scores))

    def bits(self, text: str = TEXTS[0]) -> tuple[float, ...]:
        """The loss of base and fine-tuned model, in bits a hidden token, as fairseq reports it."""
        return tuple(self.score(model, text).bits.value for model in MODELS)

    def losses(self) -> dict[str, list[Estimate]]:
        """Of each model the loss on each text, in bits a hidden token."""
        return {m: [self.score(m, text).bits for text in TEXTS] for m in self.models}

    def accuracies(self) -> dict[str, list[Estimate]]:
        """Of each model the share of hidden tokens that were its first guess, on each text."""
        return {m: [self.score(m, text).first for text in TEXTS] for m in self.models}

    def table(self) -> Table:
        head = (
            *("text", "model", "bits a token", "nats", "bits a character", "perplexity"),
            *("first guess", "in five", "bits more than the base, 95 %"),
        )
        return head, [_row(score) for score in sorted(self.scores, key=self._place)]

    def more(self) -> Grid | None:
        head = ("text", "model", "first guess", "in five")
        rows = [
            (score.text, score.model, *(_more_often(gain) for gain in gains))
            for score in sorted(self.scores, key=self._place)
            if (gains := (score.first_gain, score.fifth_gain)) != (None, None)
        ]
        return Grid(head, rows, "Right more often than the base, 95 %") if rows else None

    def _place(self, score: Score) -> int:
        return TEXTS.index(score.text)


def _row(score: Score) -> tuple[str, ...]:
    bits = score.bits.value
    return (
        *(score.text, score.model, f"{bits:.3f}", f"{score.nats.value:.3f}"),
        *(f"{score.bits_per_character.value:.3f}", f"{perplexity(bits):,.1f}"),
        *(f"{score.first.value:.1%}", f"{score.fifth.value:.1%}"),
        _beside(score.gain.times(BIT)) if score.gain else "",
    )


def _beside(gain: Estimate, form: str = "{:+.3f}") -> str:
    is_open = gain.low is not None and not gain.is_clear
    return f"{gain.told(form)}: no clear difference" if is_open else gain.told(form)


def _more_often(gain: Estimate | None) -> str:
    return _beside(gain, "{:+.1%}") if gain else ""


def judgement(scores: Sequence[Score], texts: Sequence[Measured]) -> Iterator[str]:
    """A difference is called one only if zero is outside of its interval."""
    if any(1 < text.documents < FEW for text in texts):
        yield f"With fewer than {FEW} documents an interval may be far too narrow."
    documents = {text.name: text.documents for text in texts}
    for score in scores:
        if not score.gain:
            continue
        bits, number = score.gain.times(BIT), documents[score.text]
        name = f"the {score.model} model" if score.model in MODELS else score.model
        where = "your text" if score.text == TEXTS[0] else "general text"
        if bits.low is None:
            yield f"On {where} there is one document: nobody can say how sure the difference is."
            continue
        if bits.low == bits.high == 0:
            yield f"On {where} {name} guesses exactly as the base: it is the same model."
            continue
        over = f"with 95 %, over {counted(number)}"
        if not bits.is_clear:
            sure = f"{bits.low:+.3f} to {bits.high:+.3f} bits {over}"
            yield f"On {where} {name} is not clearly better or worse than the base: {sure}."
        else:
            least, most = sorted((abs(bits.low), abs(bits.high)))
            side = "lower" if bits.value < 0 else "higher"
            by = f"by {abs(bits.value):.3f} bits ({least:.3f} to {most:.3f} {over})"
            yield f"On {where} the loss of {name} is {side} than the base's {by}."


def of_near_duplicates(known: np.ndarray, hidden: Hidden, base: Guessed, tuned: Guessed) -> str:
    """The note on documents of your text that the training text has nearly as well.

    Args:
        known: whether each document has a near-duplicate in the training text: (documents,).
        hidden, base, tuned: the tokens that were hidden, and both models' guesses.
    """
    documents, is_new = np.unique(hidden.documents), ~known[hidden.documents]
    leaks, of = int(known[documents].sum()), f"{counted(len(documents))} of your text"
    if not leaks:
        return f"None of the {of} has a near-duplicate in train."
    said = f"{leaks:,} of the {of} {'has' if leaks == 1 else 'have'} a near-duplicate in train"
    if leaks == len(documents):
        return f"{said}: the gain does not tell what it would be on text that is new."
    gain = difference(base.nats[is_new], tuned.nats[is_new], hidden.documents[is_new]).times(BIT)
    over = counted(len(documents) - leaks)
    return f"{said}; bits more than the base without them, 95 %, over {over}: {_beside(gain)}."


def example_table(report: EvaluateReport) -> Grid:
    """What both models guess for a hidden word; ␣ is a space before the token."""
    return Grid(EXAMPLE, report.examples, "The same sentences before and after")


def frequency_table(report: EvaluateReport) -> Grid:
    """The loss on your text by how often a token occurs in the training text."""
    head = ("in the training text", "hidden", "base", "fine-tuned", "change, 95 %")
    rows = [
        (band.occurs, band.hidden, f"{band.base:.2f}", f"{band.tuned:.2f}", _beside(band.change))
        for band in report.bands
    ]
    return Grid(head, rows, "Bits a hidden token, by how often the token was there to be learned")


def token_table(report: EvaluateReport) -> Grid:
    """The tokens of your text whose loss fell and rose most."""
    head = ("token", "hidden", "base", "fine-tuned", "")
    rows = [
        (each.token, each.hidden, f"{each.base:.2f}", f"{each.tuned:.2f}", which)
        for which, changes in (("gained", report.gained), ("lost", report.lost))
        for each in changes
    ]
    return Grid(head, rows, "Tokens that gained and lost most, in bits")


# Gururangan et al. 2020, "Don't Stop Pretraining", table 1: masked-LM loss of RoBERTa-base in nats,
# before and after training on each domain.
PAPER = (
    ("biomedical papers", 1.32, 0.99),
    ("computer science papers", 1.63, 1.34),
    ("news", 1.08, 1.16),
    ("reviews", 2.10, 1.93),
)


def beside_the_paper(report: EvaluateReport) -> Grid:
    """Models by texts, in nats, and for scale those of a paper with a hundred times the text."""
    head = ("text", "base", "fine-tuned", *report.models[len(MODELS) :])
    rows: list[tuple[str, ...]] = []
    for text, name in zip(TEXTS, ("your text", "general text"), strict=True):
        rows.append((name, *(f"{report.score(m, text).nats.value:.2f}" for m in report.models)))
    rest = ("",) * (len(head) - 3)
    rows += [(f"{name} (2020)", f"{a:.2f}", f"{b:.2f}", *rest) for name, a, b in PAPER]
    return Grid(head, rows, "Nats a hidden token, beside RoBERTa-base and four large corpora")
