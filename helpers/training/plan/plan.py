"""The plan of a training: what it will do, what it needs, and what is wrong with it."""

import dataclasses

import numpy as np

from helpers.common.errors import CourseError
from helpers.common.progress import duration
from helpers.common.report import Report, Table
from helpers.machine.costs import FILES, NUMBER, PYTHON, Network
from helpers.machine.resources import Machine
from helpers.training.plan.data import Data
from helpers.training.plan.speed import Speed
from helpers.training.precision import Precision
from helpers.training.schedule import corners, warmup_updates
from helpers.workflow.training_settings import FinetuneSettings

MANY = 10**6  # updates
ROOM = 0.8  # share of the free memory that is planned with


@dataclasses.dataclass(frozen=True)
class Finding:
    """What is wrong with a plan, and what to do; some of it makes the training impossible."""

    what: str
    mend: str
    stops: bool = False

    def __str__(self) -> str:
        return f"{'It cannot be done. ' if self.stops else ''}{self.what} {self.mend}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingPlan(Report):
    """What a training with these settings will do; nothing of it has been done.

    Attributes:
        data: what one pass over the text consists of.
        network: what its costs depend on.
        machine: the device, and what is free there.
        precision: in which numbers it multiplies, and why.
        base_updates: what the base has behind it.
        first: updates of the base's that count for this run (``start = "continue"``).
        done: updates of this very training that were done before.
        speed: how fast this machine is.
        findings: traps, those that stop it first.
    """

    TITLE = "What this training will do"
    settings: FinetuneSettings
    data: Data
    network: Network
    machine: Machine
    precision: Precision
    base_updates: int
    first: int
    done: int = 0
    speed: Speed
    findings: tuple[Finding, ...] = ()

    @property
    def updates(self) -> int:
        """Updates that will be done."""
        return max(0, self.settings.max_update - max(self.first, self.done))

    @property
    def warmup(self) -> int:
        """Those of the updates in which the rate rises."""
        return max(0, warmup_updates(self.settings) - max(self.first, self.done))

    @property
    def tokens_per_update(self) -> float:
        """The mean of a pass, with each ``<s>`` and ``</s>``: fairseq's ``wpb``."""
        return self.data.per_update

    @property
    def passes(self) -> float:
        """How often the text is read, with what was done before."""
        return (self.settings.max_update - self.first) / self.data.updates

    @property
    def validations(self) -> int:
        """fairseq validates and saves every so many updates, after each of its epochs, at the end.

        (They are counted in the first million updates; of more, there are as many more.)
        """
        last = self.settings.max_update
        begun = max(self.first, self.done)
        seen = np.arange(begun + 1, min(last, begun + MANY))
        ends = np.cumsum(self.data.epochs) % self.data.updates
        at_end = np.isin((seen - self.first) % self.data.updates, ends)
        due = int((at_end | (seen % self.settings.validate_every == 0)).sum())
        return min(1, self.updates) + round(due * (self.updates - 1) / max(1, len(seen)))

    @property
    def there(self) -> int:
        """The processes that share the memory of the device."""
        return 1 if self.machine.capability else self.settings.nproc

    @property
    def state(self) -> int:
        """Bytes of weights, gradients, optimizer; and of the gradients that processes exchange."""
        exchanged = NUMBER * self.network.parameters if self.settings.processes > 1 else 0
        return self.there * (self.network.state + exchanged)

    @property
    def python(self) -> int:
        """Bytes of Python with its libraries."""
        return self.there * PYTHON[self.precision.name]

    @property
    def batch(self) -> int:
        """Bytes at most of what the batches at a time leave for the gradient."""
        return self.there * self.network.kept(self.data.largest)

    @property
    def memory(self) -> int:
        """Bytes at most."""
        return self.python + self.state + self.batch

    @property
    def where(self) -> str:
        """The device, and how many processes there are."""
        number = self.settings.processes
        return self.machine.device + (f", by {number:,} processes" if number > 1 else "")

    @property
    def disk(self) -> int:
        """Bytes of the checkpoints while one is written."""
        made = self.settings.max_update // self.settings.validate_every
        kept = max(1, min(1 + self.settings.keep_checkpoints, made))  # one is among the files
        return (FILES - 1 + kept) * self.network.checkpoint()

    @property
    def seconds(self) -> float:
        """Of training and validations, without fairseq's start."""
        return self.updates * self.tokens_per_update * self.speed.token + self.validating

    @property
    def validating(self) -> float:
        """Seconds of all validations."""
        return self.validations * self.data.valid * self.speed.valid_token

    def that_fits(self, tokens: int) -> tuple[int, int]:
        """``max_tokens`` and ``update_freq`` for so many tokens an update in the free memory."""
        tokens = -(-tokens // self.settings.processes)
        room = ROOM * self.machine.memory - self.python - self.state
        most = max(tokens, self.network.sample)
        while most > self.network.sample and self.there * self.network.kept(most) > room:
            most = max(self.network.sample, most // 2)
        return most, max(1, round(tokens / most))

    def table(self) -> Table:
        data = self.data
        done = f"{self.base_updates:,} updates, {self.network.parameters:,} parameters"
        counted = f" after {self.first:,} of the base's" if self.first else ""
        counted += f" after {self.done:,} that were done" if self.done else ""
        read = f"{data.samples:,} samples, {data.tokens:,} tokens with <s> and </s>"
        time = duration(self.seconds) if self.updates else ""
        most = self.settings.max_tokens
        general = "; about so, with general text" if data.roughly else ""
        rows = [
            ("train", f"{read}{general}"),
            *([("of which general text", f"{data.general:,} tokens")] if data.general else []),
            ("the base has behind it", done),
            ("tokens an update", f"{self.tokens_per_update:,.1f}, in batches of {most:,} at most"),
            ("updates of a pass", f"{data.updates:,}"),
            ("updates", f"{self.updates:,}{counted}, {self.warmup:,} of them warm-up"),
            ("the text is read", f"{self.passes:,.2f} times"),
            ("validations", f"{self.validations:,}, each of {data.valid:,} tokens"),
            ("trains on", self.where),
            ("multiplies in", str(self.precision)),
            ("memory", f"about {size(self.memory)}; {size(self.machine.memory)} are free"),
            ("… of which fairseq itself", size(self.python)),
            ("… the model", f"{size(self.state)}: weights, gradients, optimizer"),
            ("… a batch", size(self.batch)),
            ("disk", f"{size(self.disk)} for checkpoints; {size(self.machine.disk)} are free"),
            ("time", f"about {time} and fairseq's start ({self.speed.how})" if time else "none"),
        ]
        return ("what", "how much"), rows

    def _repr_html_(self) -> str:
        from helpers.common.figures import learning_rate

        picture = learning_rate(corners(self.first, self.settings)).html()
        return f"<div>{picture}{super()._repr_html_()}</div>"

    def refuse(self) -> None:
        """Raise CourseError for the first finding that makes the training impossible."""
        for finding in self.findings:
            if finding.stops:
                raise CourseError(finding.what, finding.mend)


def size(bytes_: float) -> str:
    """Bytes in words.

    >>> size(3_500_000), size(2_340_000_000)
    ('3.5 MB', '2.3 GB')
    """
    return f"{bytes_ / 1e9:,.1f} GB" if bytes_ >= 1e9 else f"{bytes_ / 1e6:,.1f} MB"
