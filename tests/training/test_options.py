"""Options of fairseq's: every name and value is compared with fairseq's own configuration."""

import fnmatch
from importlib.util import find_spec

import numpy as np
import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from helpers.common.errors import CourseError
from helpers.training.command import CONFIG_FILE, hydra_value, overrides
from helpers.training.options.extra import PACKAGES, RANGES, options
from helpers.training.options.known import known_options
from helpers.training.options.refused import KEPT, OF_SETTINGS, reason_to_keep
from helpers.workflow.training_settings import UNQUOTABLE, FinetuneSettings
from helpers.workflow.workspace import Workspace
from tests.support.small import SHORT

pytestmark = pytest.mark.skipif(find_spec("fairseq") is None, reason="fairseq is not installed")

TAKEN = {
    "optimizer.adam_eps=1e-8": 1e-8,
    "optimizer.adam_betas=(0.9, 0.95)": (0.9, 0.95),
    "lr_scheduler.power= 2 ": 2.0,
    "optimizer.use_old_adam=true": True,
    "optimizer.use_old_adam=y": True,
    "optimizer.use_old_adam=ON": True,
    "optimizer.use_old_adam=0": False,
    "common.wandb_project=null": None,
    "model.encoder_layerdrop=0.1": 0.1,
    "dataset.data_buffer_size=100": 100,
    "common.empty_cache_freq=1_0": 10,
    "task.random_token_prob=0.9": 0.9,
    "lr_scheduler.end_learning_rate=1e-3": 1e-3,
}
REFUSED = [
    ("optimizer.adam_eps=abc", "'abc' of type 'str' could not be converted to Float", "1e-06"),
    ("optimizer.use_old_adam=maybe", "'maybe' is not a valid bool", "False"),
    ("optimizer.use_old_adam='true'", "is not a valid bool", "False"),
    ("optimizer.use_old_adam=", "nothing is written behind =", "False"),
    ("dataset.num_workers=1", "the same tokens in every epoch", "Leave dataset.num_workers out"),
    ("dataset.data_buffer_size= ", "nothing is written behind =", "data_buffer_size is 10"),
    ("dataset.data_buffer_size=1.5", "could not be converted to Integer", "data_buffer_size is 10"),
    ("dataset.data_buffer_size=???", "data_buffer_size", "data_buffer_size is 10"),
    ("dataset.data_buffer_size=-1", "it can be from 0 to 1000", "data_buffer_size is 10"),
    ("lr_scheduler.power=null", "not Optional", "1.0"),
    ("lr_scheduler.power=nan", "it can be from 0 to 10", "1.0"),
    ("lr_scheduler.power=[1]", "could not be converted to Float", "1.0"),
    ("model.encoder_layerdrop=x", "could not be converted to Float", "0.0"),
    ("model.encoder_layerdrop=null", "not Optional", "0.0"),
    ("optimizer.adam_esp=1", "no option optimizer.adam_esp", "Did you mean optimizer.adam_eps?"),
    ("adam_eps=1", "no option adam_eps", "Did you mean optimizer.adam_eps?"),
    ("optimization.adam_eps=1", "no option", "Did you mean optimizer.adam_eps?"),
    ("task.leave_unmask_prob=0", "no option", "Did you mean task.leave_unmasked_prob?"),
    ("clip-norm=3", "no option clip-norm", "Did you mean the setting clip_norm?"),
    ("lr=3", "no option lr", "Did you mean the setting lr?"),
    ("bpe.x=1", "no option bpe.x", "Its sections are common, "),
    ("zzz.qqq=1", "no option zzz.qqq", "Its sections are common, "),
    ("optimization.clip_norm=3", "the course's own setting clip_norm", "set clip_norm"),
    ("checkpoint.restore_file=/x", "the course's own setting start", "set start"),
    ("common.fp16=true", "the course's own setting precision", "set precision"),
    ("common.bf16=n", "the course's own setting precision", "set precision"),
    ("common.amp=y", "the course's own setting precision", "set precision"),
    ("common.cpu=on", "the course's own setting device", "set device"),
    ("distributed_training.device_id=1", "one process", "Leave distributed_training.device_id"),
    ("common.memory_efficient_bf16=1", "no use of it", "Leave common.memory_efficient_bf16"),
    ("common.amp_init_scale=2", "no use of it", "Leave common.amp_init_scale"),
    ("task.data=/x", "the course's own setting replay", "set replay"),
    ("common.user_dir=/x", "plug-ins", "Leave common.user_dir out"),
    ("common.log_file=train.log", "reads fairseq's log", "Leave common.log_file out"),
    ("model.encoder_layers=3", "the network is the base model's", "Leave model.encoder_layers"),
    ("model.quant_noise_pq=0.1", "the network is the base model's", "Leave model.quant_noise"),
    ("dataset.required_batch_size_multiple=8", "left out in silence", "Leave dataset.required"),
    ("optimization.skip_remainder_batch=true", "left out in silence", "Leave optimization.skip"),
    ("dataset.batch_size=1", "what a batch and a pass are", "Leave dataset.batch_size out"),
    ("checkpoint.keep_best_checkpoints=-1", "told by keep_checkpoints", "Leave checkpoint.keep_b"),
    ("distributed_training.ddp_backend=c11d", "one process", "Leave distributed_training.ddp"),
    ("optimizer.adam_betas=5", "it has to be two numbers, as in (0.9,0.98)", "(0.9,0.98)"),
    ("optimizer.adam_betas=(0.9,__import__('os'))", "could not convert string to float", "(0.9"),
    ("optimizer.adam_betas=(0.9,0.9,0.9)", "it has to be two numbers", "(0.9,0.98)"),
    ("optimizer.adam_betas=(2,3)", "it can be from 0 to 0.99999", "(0.9,0.98)"),
    ("optimizer.adam_betas=null", "it has to be two numbers", "(0.9,0.98)"),
    ("ema.store_ema=true", "stumbles over it", "Leave ema.store_ema out"),
    ("optimizer._name=sgd", "with Adam", "Leave optimizer._name out"),
]
# What is no number, and can be set.
FREE = {
    *("common.fp16_no_flatten_grads", "common.memory_efficient_fp16"),
    "common.on_cpu_convert_precision",
    *("optimizer.use_old_adam", *PACKAGES),
}
TOGETHER = [
    (
        ("task.leave_unmasked_prob=0.4", "task.random_token_prob=0.7"),
        {},
        "shares of what is hidden",
    ),
    (("task.random_token_prob=0.95",), {}, "shares of what is hidden"),
    (("task.random_token_prob=0.2",), {"mask_unit": "word"}, "only of single tokens"),
    (("lr_scheduler.end_learning_rate=0.01",), {"lr": 1e-3}, "a rate has to fall"),
    (("common.memory_efficient_fp16=1",), {"precision": "bf16"}, "for fp16 only"),
    (("common.fp16_init_scale=64",), {"precision": "fp32"}, "for fp16 only"),
]


def read(*extra: str, **others: object) -> dict[str, object]:
    return options(FinetuneSettings(extra=extra, **others))


def test_what_the_course_gives_fairseq_cannot_be_given_a_second_time(small: Workspace) -> None:
    """Whatever is an override, and what stands in the file for all to be given."""
    config = yaml.safe_load(CONFIG_FILE.read_text("utf-8"))
    sections = ((title, values) for title, values in config.items() if isinstance(values, dict))
    given = {f"{title}.{n}" for title, values in sections for n, v in values.items() if v == "???"}
    given |= overrides(small, SHORT).keys() - {"hydra.run.dir"}
    assert all(name in OF_SETTINGS or reason_to_keep(name) for name in given)
    for name, setting in OF_SETTINGS.items():
        assert setting in FinetuneSettings.model_fields
        with pytest.raises(CourseError, match=f"setting {setting} gives"):
            read(f"{name}=1")


def test_of_every_option_it_is_known_whether_it_can_be_set() -> None:
    """It is the course's, or is refused, or has a range, or is no number."""
    known = known_options()
    kept = {name for name in known if reason_to_keep(name)}
    parts = (OF_SETTINGS.keys(), kept, RANGES.keys(), FREE)
    assert sorted(known) == sorted(name for part in parts for name in part)
    for names in KEPT.values():
        assert all(fnmatch.filter(known, name) for name in names)
    for name in FREE:
        section, own = known[name]
        assert isinstance(section[own], (bool, str, type(None)))
    assert len(known) > 200


@pytest.mark.parametrize("written", TAKEN)
def test_an_option_is_taken_as_fairseq_will_hold_it(small: Workspace, written: str) -> None:
    settings = SHORT.model_copy(update={"extra": (written,)})
    name, value = written.partition("=")[0], TAKEN[written]
    assert options(settings) == {name: value}
    assert type(options(settings)[name]) is type(value)
    assert overrides(small, settings)[f"++{name}"] == value


@pytest.mark.parametrize(("written", "said", "hint"), REFUSED)
def test_what_is_not_possible_is_refused_with_the_way_out(
    written: str, said: str, hint: str
) -> None:
    with pytest.raises(CourseError) as caught:
        read(written)
    assert said in caught.value.message and hint in caught.value.hint
    assert caught.value.message.endswith(".") and caught.value.hint.endswith((".", "?"))


@pytest.mark.parametrize(("extra", "others", "said"), TOGETHER)
def test_what_does_not_go_together_is_refused(extra: tuple, others: dict, said: str) -> None:
    with pytest.raises(CourseError, match=said) as caught:
        read(*extra, **others)
    assert " and " in caught.value.message and caught.value.hint.startswith("Change one of them")


@pytest.mark.parametrize("name", sorted(RANGES))
def test_no_number_passes_that_is_out_of_its_range(name: str) -> None:
    low, high = RANGES[name]
    hostile = (low - 1, high + 1, low - 1e-13, high * 1.001 + 1e-13, 10**400, "nan", "inf", "-inf")
    for number in (*hostile, "1e999", "", " ", "null", "true", "0x10", "1,5", "½", "-0"):
        written = f"({number},0.9)" if name == "optimizer.adam_betas" else number
        try:
            found = read(f"{name}={written}")[name]
        except CourseError as error:
            assert error.message.startswith(f"extra: {name} = ") and error.hint.endswith(".")
            continue
        assert found is None or all(low <= n <= high for n in np.ravel(found))


@pytest.mark.parametrize("name", sorted(PACKAGES))
def test_what_needs_a_package_is_refused_without_it(name: str) -> None:
    if find_spec(PACKAGES[name]):
        pytest.skip("it is installed")
    with pytest.raises(CourseError, match=f"needs the package {PACKAGES[name]}"):
        read(f"{name}=1")


def test_nothing_is_read_where_there_is_nothing() -> None:
    assert options(SHORT) == {}


TEXT = st.text(st.characters(exclude_characters=UNQUOTABLE, exclude_categories=["Cs", "Cc"]))


@given(text=TEXT | st.sampled_from(["'true'", "'null'", "- a", "? b", "!!x y", "&a", "a'", "''"]))
@example(text="[1, it's, [a b]]")
@example(text="'1.5'")
@example(text="nan0")
@example(text="a, b: 'c'")
def test_hydra_reads_the_text_that_was_written(text: str) -> None:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    read = OverridesParser.create().parse_override(f"++common.log_file={hydra_value(text)}")
    assert read.key_or_group == "common.log_file"
    assert read.value() == text
