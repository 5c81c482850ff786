"""Options of fairseq's that the course has no setting for: ``--extra section.name=value``.

They are read once, by fairseq's own configuration, before it starts: Hydra takes any name with
``++``, and fairseq never looks at one that it does not know. Nor does it say anything of most
numbers with which it trains nothing, or never ends.
"""

import difflib
import importlib.util
from collections.abc import Callable, Sequence
from typing import NamedTuple

from helpers.common.errors import CourseError
from helpers.common.files import PROJECT
from helpers.training.options.known import known_options, sections
from helpers.training.options.refused import OF_SETTINGS, reason_to_keep
from helpers.workflow.parameters import BEYOND
from helpers.workflow.refusals import shown
from helpers.workflow.training_settings import FinetuneSettings, option

CONFIG_FILE = PROJECT / "helpers" / "config" / "finetuning" / "finetune.yaml"
# From what to what each number can be.
RANGES = {
    "common.empty_cache_freq": (0, BEYOND),
    "common.fp16_init_scale": (1, 2**24),
    "common.fp16_scale_tolerance": (0, 0.5),  # above, batches that overflow are skipped for ever
    "common.fp16_scale_window": (100, BEYOND),  # below, every other batch overflows
    "common.min_loss_scale": (1e-8, 1),
    "dataset.curriculum": (0, BEYOND),
    "dataset.data_buffer_size": (0, 1000),
    "lr_scheduler.end_learning_rate": (0, 1),
    "lr_scheduler.power": (0, 10),
    "model.activation_dropout": (0, 0.9),
    "model.encoder_layerdrop": (0, 0.9),
    "optimizer.adam_betas": (0, 0.99999),  # with 1 the rate is divided by 0, or times 0
    "optimizer.adam_eps": (1e-12, 1e-2),  # 0 is divided by less, and hardly anything by more
    "task.leave_unmasked_prob": (0, 0.5),  # what is shown, nobody has to guess
    "task.random_token_prob": (0, 1),
}
# Two numbers; fairseq would run any other text as a program.
PAIR = "optimizer.adam_betas"
# Without these fairseq warns in its log, and goes on; with the last it stops.
PACKAGES = {
    "common.aim_repo": "aim",
    "common.aim_run_hash": "aim",
    "common.azureml_logging": "azureml",
    "common.wandb_project": "wandb",
    "optimizer.fp16_adam_stats": "fused_adam_cuda",
}


class Rule(NamedTuple):
    """What options, and settings, must be to each other: a function of their values, and why."""

    names: tuple[str, ...]
    holds: Callable[..., bool]
    why: str


LEFT, REPLACED = "task.leave_unmasked_prob", "task.random_token_prob"
# Of use in fp16 only, which `auto` may be.
OF_FP16 = (
    *("common.fp16_init_scale", "common.fp16_no_flatten_grads", "common.fp16_scale_tolerance"),
    *("common.fp16_scale_window", "common.memory_efficient_fp16", "common.min_loss_scale"),
    *("common.on_cpu_convert_precision", "optimizer.fp16_adam_stats"),
)
RULES = (
    *(
        Rule((name, "precision"), lambda _, given: given in ("fp16", "auto"), "it is for fp16 only")
        for name in OF_FP16
    ),
    Rule((REPLACED, LEFT), lambda *shares: sum(shares) <= 1, "they are shares of what is hidden"),
    Rule(
        (REPLACED, LEFT, "mask_unit"),
        lambda *given: given[-1] == "token" or given[:-1] == (0.1, 0.1),
        "only of single tokens another share can be shown or replaced",
    ),
    Rule(("lr_scheduler.end_learning_rate", "lr"), lambda end, lr: end <= lr, "a rate has to fall"),
)


def options(settings: FinetuneSettings) -> dict[str, object]:
    """The options in ``extra`` by name, each as fairseq's configuration will hold it.

    ``optimizer.adam_eps=1e-8`` is a number, ``common.fp16=y`` is True, ``null`` is None. fairseq is
    imported, if there are any.

    Raises:
        CourseError: fairseq knows no such option, or fails with its value, or trains nothing; or
            the course gives it.
    """
    given = {name: _value(name, text) for name, text in map(option, settings.extra)}
    for rule in RULES:
        if given.keys() & set(rule.names):
            _refuse_together(rule, {name: _of(name, given, settings) for name in rule.names})
    return given


def _of(name: str, given: dict[str, object], settings: FinetuneSettings) -> object:
    """The value of an option, which may not be given, or of a setting."""
    if name in given:
        return given[name]
    return usual(name) if "." in name else getattr(settings, name)


def usual(name: str) -> object:
    """fairseq's own value of an option."""
    section, own = known_options()[name]
    return section[own]


def _otherwise(name: str) -> str:
    """What holds without an option."""
    from omegaconf import OmegaConf

    section, own = name.split(".", 1)
    courses = OmegaConf.to_container(OmegaConf.load(CONFIG_FILE)).get(section)
    given = courses.get(own) if isinstance(courses, dict) else None
    return f"Without it, {name} is {shown(usual(name) if given is None else given)}."


def _value(name: str, text: str) -> object:
    _refuse_name(name)
    value = _held(name, text)
    low, high = RANGES.get(name, (None, None))
    numbers = value if isinstance(value, tuple) else (value,)
    if low is not None and not all(n is None or low <= n <= high for n in numbers):
        raise CourseError(
            f"extra: {name} = {shown(value)} is not possible: it can be from {low:g} to {high:g}.",
            _otherwise(name),
        )
    package = PACKAGES.get(name) if value else None
    if package and not importlib.util.find_spec(package):
        raise CourseError(
            f"extra: {name} needs the package {package}, which is not installed here.",
            f"Install it, or leave {name} out of extra.",
        )
    return value


def _refuse_name(name: str) -> None:
    """Raise CourseError where an option is the course's, or none of fairseq's."""
    if setting := OF_SETTINGS.get(name):
        raise CourseError(
            f"extra: {name} is what the course's own setting {setting} gives fairseq.",
            f"Leave it out of extra, and set {setting}.",
        )
    if reason := reason_to_keep(name):
        raise CourseError(f"extra: {name} cannot be set: {reason}.", f"Leave {name} out of extra.")
    known = known_options()
    if name in known:
        return
    near = _nearest(name.replace("-", "_"), [other for other in known if not reason_to_keep(other)])
    hint = f"Its sections are {', '.join(sections())}; fairseq-train --help tells the names."
    if near:
        setting = OF_SETTINGS.get(near)
        hint = f"Did you mean {f'the setting {setting}' if setting else near}?"
    raise CourseError(f"extra: fairseq's training has no option {name}.", hint)


def _nearest(name: str, known: Sequence[str]) -> str | None:
    """One with the same name in another section, or one that is written nearly so."""
    last = name.rpartition(".")[2]
    same = [other for other in known if other.rpartition(".")[2] == last]
    by_last = {other.rpartition(".")[2]: other for other in known}
    near = [by_last[other] for other in difflib.get_close_matches(last, by_last, 1, cutoff=0.7)]
    return next(iter((*same, *difflib.get_close_matches(name, known, 1, cutoff=0.7), *near)), None)


def _held(name: str, text: str) -> object:
    """A value as fairseq's configuration holds it.

    Raises:
        CourseError: it does not take it.
    """
    from omegaconf.errors import OmegaConfBaseException

    section, own = known_options()[name]
    held, text = section.copy(), text.strip()
    try:
        if not text:
            raise ValueError("nothing is written behind =")
        if name == PAIR:
            return _pair(text)
        held[own] = None if text == "null" else text
        return held[own]
    except (OmegaConfBaseException, ValueError) as error:
        said = str(error).splitlines()[0].rstrip(".")
        raise CourseError(
            f"extra: {name} = {shown(text)} is not possible: “{said}”.",
            _otherwise(name),
        ) from None


def _pair(text: str) -> tuple[float, float]:
    """``(0.9,0.98)``."""
    begin, *numbers, end = text[:1], *text[1:-1].split(","), text[-1:]
    if (begin, len(numbers), end) != ("(", 2, ")"):
        raise ValueError("it has to be two numbers, as in (0.9,0.98)")
    return float(numbers[0]), float(numbers[1])


def _refuse_together(rule: Rule, values: dict[str, object]) -> None:
    if not rule.holds(*values.values()):
        raise CourseError(
            "extra: "
            + " and ".join(f"{name} = {shown(value)}" for name, value in values.items())
            + f" do not go together: {rule.why}.",
            "Change one of them, or leave it out.",
        )
