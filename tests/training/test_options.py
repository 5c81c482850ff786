"""Options of fairseq's: every name and value is compared with fairseq's own configuration."""

from importlib.util import find_spec

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from helpers.common.errors import CourseError
from helpers.training.command import CONFIG_FILE, hydra_value, overrides
from helpers.training.options import (
    OF_SETTINGS,
    REASONS,
    hydra_options,
    known_options,
    refuse_impossible,
)
from helpers.workflow.training_settings import UNQUOTABLE, FinetuneSettings
from helpers.workflow.workspace import Workspace
from tests.support.small import SHORT

pytestmark = pytest.mark.skipif(find_spec("fairseq") is None, reason="fairseq is not installed")

TAKEN = {
    "optimizer.adam_eps=1e-8": 1e-8,
    "optimizer.adam_betas=(0.9,0.95)": "(0.9,0.95)",
    "lr_scheduler.power=2": 2,
    "common.fp16=true": True,
    "common.log_file=": None,
    "common.log_file=it's a=中 [1, {file": "it's a=中 [1, {file",
    "common.log_file={a: 1}": "{a: 1}",
    "model.encoder_layerdrop=0.1": 0.1,
    "distributed_training.ddp_backend=legacy_ddp": "legacy_ddp",
    "dataset.data_buffer_size=100": 100,
    "common.empty_cache_freq=1_0": 10,
    "common.memory_efficient_fp16=yes": True,
}
REFUSED = [
    ("optimizer.adam_eps=abc", "'abc' of type 'str' could not be converted to Float", "1e-08"),
    ("common.fp16=maybe", "'maybe' is not a valid bool", "False"),
    ("distributed_training.ddp_backend=c11d", "expected one of [c10d, ", "pytorch_ddp"),
    ("dataset.num_workers=1.5", "could not be converted to Integer", "1"),
    ("common.log_file=[1, 2]", "Cannot convert 'list' to string", "None"),
    ("lr_scheduler.power=null", "not Optional", "1.0"),
    ("model.encoder_layerdrop=x", "could not be converted to Float", "None"),
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
    ("task.data=/x", "the course's own setting replay", "set replay"),
    ("common.user_dir=/x", "plug-ins", "Leave common.user_dir out"),
    ("model.encoder_layers=3", "the network is the base model's", "Leave model.encoder_layers"),
    ("dataset.required_batch_size_multiple=8", "left out in silence", "Leave dataset.required"),
    ("optimization.skip_remainder_batch=true", "left out in silence", "Leave optimization.skip"),
    ("dataset.batch_size=1", "what a batch and a pass are", "Leave dataset.batch_size out"),
    ("optimizer.adam_betas=5", "a program's text", "Write it as optimizer.adam_betas=(0.9,0.98)"),
    ("optimizer.adam_betas=(0.9,__import__('os'))", "a program's text", "Write it as"),
    ("optimizer.adam_betas=(0.9,0.9,0.9)", "a program's text", "Write it as"),
    ("ema.store_ema=true", "stumbles over it", "Leave ema.store_ema out"),
    ("optimizer._name=sgd", "with Adam", "Leave optimizer._name out"),
]


def test_what_the_course_gives_fairseq_cannot_be_given_a_second_time(small: Workspace) -> None:
    """Whatever is an override, and what stands in the file for all to be given."""
    config = yaml.safe_load(CONFIG_FILE.read_text("utf-8"))
    sections = ((title, values) for title, values in config.items() if isinstance(values, dict))
    given = {f"{title}.{n}" for title, values in sections for n, v in values.items() if v == "???"}
    given |= overrides(small, SHORT).keys() - {"hydra.run.dir"}
    assert given <= OF_SETTINGS.keys() | REASONS.keys()
    assert not OF_SETTINGS.keys() & REASONS.keys()
    for name, setting in OF_SETTINGS.items():
        assert setting in FinetuneSettings.model_fields
        with pytest.raises(CourseError, match=f"setting {setting} gives"):
            refuse_impossible([f"{name}=1"])


def test_every_name_that_is_refused_is_one_of_fairseqs() -> None:
    assert OF_SETTINGS.keys() | REASONS.keys() <= known_options().keys()
    assert len(known_options()) > 200


@pytest.mark.parametrize("written", TAKEN)
def test_an_option_is_taken_with_its_value(written: str) -> None:
    settings = FinetuneSettings(extra=[written])
    refuse_impossible(settings.extra)
    name = written.partition("=")[0]
    assert hydra_options(settings.extra) == {f"++{name}": TAKEN[written]}


@pytest.mark.parametrize(("written", "said", "hint"), REFUSED)
def test_what_is_not_possible_is_refused_with_the_way_out(
    written: str, said: str, hint: str
) -> None:
    with pytest.raises(CourseError) as caught:
        refuse_impossible(FinetuneSettings(extra=[written]).extra)
    assert said in caught.value.message and hint in caught.value.hint
    assert caught.value.message.endswith(".") and caught.value.hint.endswith((".", "?"))


def test_nothing_is_compared_where_there_is_nothing() -> None:
    refuse_impossible([])
    assert hydra_options([]) == {}


TEXT = st.text(st.characters(exclude_characters=UNQUOTABLE, exclude_categories=["Cs", "Cc"]))


@given(text=TEXT | st.sampled_from(["'true'", "'null'", "- a", "? b", "!!x y", "&a", "a'", "''"]))
@example(text="[1, it's, [a b]]")
@example(text="'1.5'")
@example(text="nan0")
@example(text="a, b: 'c'")
def test_hydra_reads_the_value_that_was_written(text: str) -> None:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    extra = FinetuneSettings(extra=(f"common.log_file={text}", "common.fp16=no")).extra
    (name, value), _ = hydra_options(extra).items()
    read = OverridesParser.create().parse_override(f"{name}={hydra_value(value)}")
    assert read.key_or_group == "common.log_file"
    assert read.value() == value or value != value
