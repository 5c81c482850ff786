"""Known traps in what is planned, each with its reason and its mend."""

import math
from collections.abc import Iterator

from helpers.common.progress import duration
from helpers.machine.devices import unused_gpu
from helpers.tokens.units import of_undivided
from helpers.training.plan.plan import Finding, TrainingPlan, size
from helpers.training.precision import faster_in_bf16
from helpers.training.schedule import corners, warmup_updates

# RoBERTa's recipe (Liu et al. 2019, and fairseq's examples/roberta/README.pretraining.md): at a
# width of 768 a rate of 1e-4 for 256 samples of 512 tokens, 5e-4 for 2,048 of them. The best rate
# falls with the width (Yang et al. 2022, Tensor Programs V).
WIDTH, BATCHES, RATES = 768, (256 * 512, 2048 * 512), (1e-4, 5e-4)
TOO_HIGH = 3  # times the recipe's rate
WIDE = 512  # from this width on a model is RoBERTa's kind; the course's own has read 4,096 a time
SMALL_BATCH, PER_PASS = 4096, 20  # a batch is no larger than what leaves so many updates a pass
OTHER_BATCH = 4  # times more or less
# RoBERTa has read its text 40 times, each time with other masks.
OFTEN = 40
FEW_HIDDEN = 500  # tokens
SHORT_OF = 0.5  # share of the training's time
WRITTEN = 2e8  # bytes of a checkpoint that a slow disk writes in a second
LONG_WARMUP = 0.5  # share of the updates
ENOUGH = 0.5  # share of lr that the rate has to come to


def findings(plan: TrainingPlan) -> tuple[Finding, ...]:
    """All that is to be said of a plan, what stops it first; nothing where all is done already."""
    if not plan.updates:
        return ()
    found = (finding for look in LOOKS for finding in look(plan))
    return tuple(sorted(found, key=lambda finding: not finding.stops))


def _disk(plan: TrainingPlan) -> Iterator[Finding]:
    if plan.disk > plan.machine.disk:
        yield Finding(
            f"Its checkpoints need {size(plan.disk)} while one is written, and "
            f"{size(plan.machine.disk)} are free on this disk.",
            "Make room there, or take a workspace on another disk.",
            stops=True,
        )


def _memory(plan: TrainingPlan) -> Iterator[Finding]:
    free = plan.machine.memory
    if (alone := plan.python + plan.state) > free:
        yield Finding(
            f"The model alone needs about {size(alone)} of memory, and {size(free)} are free.",
            "Close other programs, or take a smaller base model."
            if plan.there == 1
            else "Lower nproc: each process has a model of its own.",
            stops=True,
        )
    elif plan.memory > free:
        settings = plan.settings
        wanted = plan.data.largest * settings.update_freq * settings.processes
        tokens, batches = plan.that_fits(round(wanted))
        yield Finding(
            f"It needs about {size(plan.memory)} of memory, and {size(free)} are free.",
            f"Set max_tokens = {tokens} and update_freq = {batches}; the result is nearly the same."
            if tokens < settings.max_tokens
            else "Close other programs, or take a smaller base model.",
        )


def _warmup(plan: TrainingPlan) -> Iterator[Finding]:
    rising = warmup_updates(plan.settings)
    if rising > LONG_WARMUP * plan.settings.max_update:
        yield Finding(
            f"The rate rises in {rising:,} of {plan.settings.max_update:,} updates: it hardly "
            "comes to its highest, and falls at once.",
            "Set warmup_share = 0.06, which is usual.",
        )


def _base_counts(plan: TrainingPlan) -> Iterator[Finding]:
    highest = max(value for _, value in corners(plan.first, plan.settings))
    if plan.first and highest < ENOUGH * plan.settings.lr:
        yield Finding(
            f"The base's {plan.first:,} updates count, so that most of the learning rate's curve "
            f"is over: it begins at {highest:.2g} and falls to 0, and lr = {plan.settings.lr:g} is "
            "never reached.",
            'Raise max_update or lr, or begin with start = "weights".',
        )


def recipe_rate(width: int, tokens: float) -> float:
    """The rate of RoBERTa's recipe for a width and so many tokens an update.

    >>> f"{recipe_rate(768, 2048 * 512):.0e} {recipe_rate(768, 2048):.0e}"
    '5e-04 1e-04'
    """
    (few, many), (low, high) = BATCHES, RATES
    steps = math.log(max(tokens, few) / few) / math.log(many / few)
    return low * (high / low) ** steps * WIDTH / width


def _rate(plan: TrainingPlan) -> Iterator[Finding]:
    usual = recipe_rate(plan.network.width, plan.tokens_per_update)
    if plan.settings.lr > TOO_HIGH * usual:
        yield Finding(
            f"A rate of {plan.settings.lr:g} is high for a model {plan.network.width:,} numbers "
            f"wide and {plan.tokens_per_update:,.0f} tokens an update: the loss may stop falling, "
            "or climb.",
            f"RoBERTa's recipe would take about lr = {usual:.1g} here.",
        )


def _batch(plan: TrainingPlan) -> Iterator[Finding]:
    usual = BATCHES[0] if plan.network.width >= WIDE else SMALL_BATCH
    wanted = min(usual, max(plan.data.tokens // PER_PASS, plan.network.sample))
    if not wanted / OTHER_BATCH <= plan.tokens_per_update <= usual * OTHER_BATCH:
        tokens, batches = plan.that_fits(wanted)
        if (tokens, batches) == (plan.settings.max_tokens, plan.settings.update_freq):
            return
        kind = "smaller" if plan.tokens_per_update < wanted else "larger"
        yield Finding(
            f"An update reads {plan.tokens_per_update:,.0f} tokens, which is much {kind} than the "
            f"{wanted:,} that suit such a model and so much text.",
            f"Set max_tokens = {tokens} and update_freq = {batches}.",
        )


def _samples(plan: TrainingPlan) -> Iterator[Finding]:
    sample, most = plan.network.sample, plan.network.positions
    if sample < most and plan.settings.sample_break_mode != "eos":
        yield Finding(
            f"A sample has at most {sample:,} tokens, since max_tokens is no more, and the model "
            f"can read {most:,}: it learns from shorter stretches of text, and its losses cannot "
            "be compared with those of longer ones.",
            f"Set max_tokens = {most}, if the memory allows it.",
        )


def _passes(plan: TrainingPlan) -> Iterator[Finding]:
    if plan.passes > OFTEN:
        yield Finding(
            f"Your text will be read {plan.passes:,.0f} times: the model will learn it by heart "
            "rather than the language in it.",
            f"Set max_update to {plan.first + OFTEN * plan.data.updates:,} or less, or add text.",
        )
    elif plan.passes < 1:
        yield Finding(
            f"Only {100 * plan.passes:.2g} % of your text will be read.",
            f"Set max_update to {plan.first + plan.data.updates:,} to read all of it once.",
        )


def _validation(plan: TrainingPlan) -> Iterator[Finding]:
    hidden = plan.data.hidden
    if hidden < FEW_HIDDEN:
        yield Finding(
            f"Validation hides {hidden:,} tokens only: its loss will differ by chance more than by "
            "what the model learns."
            if hidden
            else "Validation hides no token at all, so that it has no loss.",
            "Split again (notebook 01_split) with a larger share for valid, or add text.",
            stops=not hidden,
        )


def _words(plan: TrainingPlan) -> Iterator[Finding]:
    if said := of_undivided(plan.data.scripts, "Your text"):
        yield Finding(said, 'Where most of it is such, mask_unit = "character" says what is done.')


def _patience(plan: TrainingPlan) -> Iterator[Finding]:
    patience = plan.settings.patience
    if patience and patience >= plan.validations and not plan.done:  # what was done is counted, too
        yield Finding(
            f"patience = {patience} never ends this training, which validates "
            f"{plan.validations:,} times.",
            "Set validate_every lower.",
        )


def _checkpoints(plan: TrainingPlan) -> Iterator[Finding]:
    between = plan.validating + plan.validations * plan.network.checkpoint() / WRITTEN
    training = plan.seconds - plan.validating
    if plan.validations > 1 and between > SHORT_OF * training:
        yield Finding(
            f"fairseq will validate and save {plan.validations:,} times, which takes about "
            f"{duration(between)}, and the training itself {duration(training)}.",
            "Set validate_every higher."
            if max(plan.data.epochs) > plan.settings.validate_every
            else "It does so after each pass over the text, too, and this one is short: add text, "
            "or lower max_update.",
        )


def _processes(plan: TrainingPlan) -> Iterator[Finding]:
    number = plan.settings.processes
    if plan.data.batches < number:
        yield Finding(
            f"There are {number:,} processes, and a pass over the text has {plan.data.batches:,} "
            "batches for them: some have nothing to do.",
            "Lower nproc or max_tokens.",
        )


def _precision(plan: TrainingPlan) -> Iterator[Finding]:
    is_asked = plan.settings.precision == "bf16" and not plan.machine.capability
    if is_asked and not faster_in_bf16(plan.network, plan.settings.max_tokens):
        yield Finding(
            "precision = bf16 makes it no faster: a trial of this processor was not clearly faster "
            "with it, and it has fewer digits.",
            "Set precision to auto or fp32.",
        )


def _no_gpu(plan: TrainingPlan) -> Iterator[Finding]:
    if plan.settings.device == "auto" and (wrong := unused_gpu()):
        yield Finding(
            f"There may be a GPU, and PyTorch cannot use it: {wrong}. The training is on the "
            "processor, which takes many times as long.",
            "Mend that (a driver is updated, or another build of torch installed), or set device "
            "to cpu.",
        )


LOOKS = (
    _disk,
    _memory,
    _warmup,
    _base_counts,
    _rate,
    _batch,
    _samples,
    _passes,
    _validation,
    _words,
    _patience,
    _checkpoints,
    _processes,
    _precision,
    _no_gpu,
)
