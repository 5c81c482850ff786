"""Settings: every value is checked, and what is refused is explained in two sentences."""

import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from helpers.common.errors import CourseError
from helpers.stages.road import ROAD
from helpers.workflow.parameters import (
    BEYOND,
    About,
    WrongSettings,
    bounds,
    explanation,
    from_here,
    literal,
)
from helpers.workflow.settings import (
    BaseSettings,
    BinarizeSettings,
    ConvertSettings,
    EncodeSettings,
    EvaluateSettings,
    SampleSettings,
    SplitSettings,
)
from helpers.workflow.training_settings import FinetuneSettings

MODELS = [step.settings for step in ROAD.values()]
FIELDS = [
    pytest.param(model, name, id=f"{model.__name__}.{name}")
    for model in MODELS
    for name in model.model_fields
]
REFUSED = [
    (SampleSettings, "packages", []),
    (BaseSettings, "source", ""),
    (SplitSettings, "txt_files", []),
    (SplitSettings, "txt_files", [1]),
    (SplitSettings, "train", 1.1),
    (SplitSettings, "valid", -0.1),
    (SplitSettings, "test", float("nan")),
    (SplitSettings, "seed", -1),
    (SplitSettings, "seed", 2**32),
    (SplitSettings, "seed", 1.5),
    (SplitSettings, "unit", "paragraph"),
    (SplitSettings, "text_field", ""),
    (SplitSettings, "encoding", "utf-9"),
    (SplitSettings, "encoding", "base64"),
    (SplitSettings, "max_line_tokens", 15),
    (SplitSettings, "max_line_tokens", -1),
    (SplitSettings, "deduplicate", "perhaps"),
    (EncodeSettings, "engine", "slow"),
    (BinarizeSettings, "workers", 0),
    (FinetuneSettings, "max_update", 0),
    (FinetuneSettings, "max_update", "abc"),
    (FinetuneSettings, "lr", 0),
    (FinetuneSettings, "lr", float("nan")),
    (FinetuneSettings, "warmup_share", 1),
    (FinetuneSettings, "max_tokens", 15),
    (FinetuneSettings, "update_freq", 0),
    (FinetuneSettings, "validate_every", 0),
    (FinetuneSettings, "dropout", 1),
    (FinetuneSettings, "weight_decay", -0.1),
    (FinetuneSettings, "seed", 2**31),
    (FinetuneSettings, "mask_unit", "line"),
    (FinetuneSettings, "keep_checkpoints", -1),
    (FinetuneSettings, "clip_norm", -0.5),
    (FinetuneSettings, "sample_break_mode", "document"),
    (FinetuneSettings, "mask_prob", 0),
    (FinetuneSettings, "mask_prob", 1),
    (FinetuneSettings, "patience", -1),
    (FinetuneSettings, "replay", 0.6),
    (FinetuneSettings, "replay", -0.1),
    (FinetuneSettings, "replay_files", [" "]),
    (FinetuneSettings, "extra", ["adam_eps"]),
    (FinetuneSettings, "extra", ["--clip-norm=1"]),
    (FinetuneSettings, "extra", ["common.log_file=${oc.env:HOME}"]),
    (FinetuneSettings, "extra", ["common.log_file=a\\b"]),
    (FinetuneSettings, "extra", ["common.log_file=a\nb"]),
    (FinetuneSettings, "extra", ["common.fp16=true", "common.fp16=false"]),
    (FinetuneSettings, "tensorboard", "runs"),
    (ConvertSettings, "roberta_checkpoint_path", None),
    (EvaluateSettings, "max_lines", 0),
    (EvaluateSettings, "mask_share", 0),
    (EvaluateSettings, "mask_share", 1),
    (EvaluateSettings, "seed", -1),
]
ALLOWED = [
    (SplitSettings, {"train": 1, "valid": 0, "test": 0}),
    (SplitSettings, {"train": 0.7, "valid": 0.2, "test": 0.1}),
    (SplitSettings, {"max_line_tokens": 0}),
    (SplitSettings, {"max_line_tokens": 16, "seed": 2**32 - 1}),
    (SplitSettings, {"encoding": "GB18030"}),
    (SplitSettings, {"encoding": "auto"}),
    (EncodeSettings, {"workers": None}),
    (EncodeSettings, {"workers": 1, "engine": "fairseq"}),
    (FinetuneSettings, {"warmup_share": 0, "dropout": 0, "lr": 1}),
    (FinetuneSettings, {"clip_norm": 0, "patience": 0, "keep_checkpoints": 0}),
    (FinetuneSettings, {"replay": 0.5, "replay_files": ("a.txt",)}),
    (FinetuneSettings, {"extra": ("optimizer.adam_betas=(0.9,0.95)", "common.log_file=it's=中")}),
]


def is_two_sentences(error: CourseError) -> bool:
    one_line = "\n" not in error.message and "\n" not in error.hint
    return one_line and error.message.endswith(".") and error.hint.endswith((".", "?"))


def words(case: object) -> str:
    return case.__name__ if isinstance(case, type) else str(case)


@pytest.mark.parametrize(("model", "name", "value"), REFUSED, ids=words)
def test_a_value_out_of_range_is_refused_in_two_sentences(model, name, value):
    with pytest.raises(CourseError) as caught:
        model(**{name: value})
    assert is_two_sentences(caught.value)
    assert caught.value.message.startswith(f"{name} = ")
    assert model.model_fields[name].description in caught.value.hint


@pytest.mark.parametrize(("model", "values"), ALLOWED, ids=words)
def test_a_value_at_the_edge_of_its_range_is_accepted(model, values):
    settings = model(**values)
    assert {name: getattr(settings, name) for name in values} == values


@pytest.mark.parametrize(
    ("shares", "said"),
    [
        ((0.8, 0.1, 0.2), "1.1"),
        ((0, 0.5, 0.5), "above 0"),
        ((1e-320, 0.5, 0.5), "above 0"),
        ((1e-9, 0.5, 0.5), "above 0"),
        ((0.8, 0.1, 0.1 + 1e-5), "not to 1"),
    ],
    ids=["too much", "nothing", "as good as nothing", "what counts as 0", "slightly too much"],
)
def test_shares_that_do_not_fit_together_are_refused(shares, said):
    with pytest.raises(CourseError, match="share") as caught:
        SplitSettings(**dict(zip(("train", "valid", "test"), shares, strict=True)))
    assert said in caught.value.message
    assert is_two_sentences(caught.value)


@pytest.mark.parametrize(
    ("model", "typed", "meant"),
    [
        (FinetuneSettings, "max_updates", "max_update"),
        (FinetuneSettings, "learning_rate", None),
        (SplitSettings, "txt_file", "txt_files"),
        (SplitSettings, "max_tokens", "max_line_tokens"),
        (BaseSettings, "sourse", "source"),
        (EvaluateSettings, "zzz", None),
    ],
    ids=words,
)
def test_an_unknown_name_is_answered_with_the_nearest(model, typed, meant):
    with pytest.raises(CourseError) as caught:
        model(**{typed: 1})
    assert typed in caught.value.message
    assert is_two_sentences(caught.value)
    if meant:
        assert caught.value.hint == f"Did you mean {meant}?"


@pytest.mark.parametrize(("model", "name"), FIELDS)
def test_every_field_has_a_description_and_a_valid_default(model, name):
    field = model.model_fields[name]
    assert len(field.description) > 10
    assert field.description.endswith(".")
    given = model(**{name: getattr(model(), name)})
    assert getattr(given, name) == field.default


@pytest.mark.parametrize(
    "text", ["['a.txt', \"b c.txt\"]", '["a.txt", "b c.txt"]', "('a.txt', 'b c.txt')"]
)
def test_a_list_setting_accepts_a_list_that_was_written_into_a_text(text, tmp_path, monkeypatch):
    assert SplitSettings(txt_files=text).txt_files == ("a.txt", "b c.txt")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").touch()
    for typed in (text, [text]):
        found = from_here(SplitSettings, "txt_files", typed)
        assert found == [str(tmp_path / "a.txt"), "b c.txt"]
    for other in ("[ab].txt", "['a.txt'", "[1]", "(a)", "[" * 9000):
        assert SplitSettings(txt_files=other).txt_files == (other,)


def test_a_list_setting_accepts_one_string():
    assert SplitSettings(txt_files="a.txt").txt_files == ("a.txt",)
    assert SampleSettings(packages="numpy").packages == ("numpy",)
    assert EvaluateSettings(sentences="I <mask>.").sentences == ("I <mask>.",)
    assert SplitSettings(txt_files=["a", "b"]).txt_files == ("a", "b")


def test_a_notebooks_variables_give_the_settings_and_all_else_is_left_alone():
    variables = {**dict(SplitSettings()), "seed": 7, "txt_files": ["a.txt"], "workspace": "x"}
    assert SplitSettings.of(variables) == SplitSettings(seed=7, txt_files=("a.txt",))
    with pytest.raises(WrongSettings, match="seed = -1 is not possible"):
        SplitSettings.of(variables | {"seed": -1})


@pytest.mark.parametrize(("model", "name"), FIELDS)
def test_a_variable_that_a_notebook_lost_is_missed(model, name):
    variables = dict(model())
    default = literal(variables.pop(name))
    with pytest.raises(CourseError) as caught:
        model.of(variables)
    assert caught.value.message == f"The notebook gives no value for {name}."
    assert caught.value.hint.endswith(f": {name} = {default}.")
    assert is_two_sentences(caught.value)


def test_all_variables_that_a_notebook_lost_are_named_at_once():
    with pytest.raises(CourseError, match="no value for engine, workers") as caught:
        EncodeSettings.of({"seed": 1})
    assert caught.value.hint.endswith(': engine = "fast"; workers = None.')


def test_settings_of_speed_are_not_part_of_the_result():
    slow, fast = EncodeSettings(workers=1, engine="fairseq"), EncodeSettings(workers=2)
    assert slow.of_the_result() == fast.of_the_result() == {}
    assert SplitSettings(seed=2).of_the_result() != SplitSettings().of_the_result()


@pytest.mark.parametrize("model", MODELS, ids=words)
def test_settings_of_the_result_survive_the_record(model):
    plain = model().of_the_result()
    assert json.loads(json.dumps(plain)) == plain
    assert model(**plain) == model()


def test_settings_cannot_be_changed_afterwards():
    settings = SplitSettings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.seed = 2


def test_the_table_of_a_notebook_escapes_what_a_person_typed():
    html = SplitSettings(txt_files="<b>&.txt")._repr_html_()
    assert "&lt;b&gt;&amp;.txt" in html
    assert "<b>" not in html


def test_every_setting_is_in_both_tables():
    for settings in (model() for model in MODELS):
        for name in type(settings).model_fields:
            assert f"<code>{name}</code>" in settings._repr_html_()
            assert f"{name} = " in str(settings)


class TestNamesTypedInAShell:
    """Files that are there become absolute; everything else stays as it was typed."""

    @pytest.fixture(autouse=True)
    def _here(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        for name in ("novel.txt", "~$novel.txt", "other.txt"):
            (tmp_path / name).touch()
        (tmp_path / "scratch").mkdir()

    @pytest.mark.parametrize("name", ["novel.txt", "no*.txt", "~$novel.txt", "scratch"])
    def test_a_file_that_is_there_becomes_absolute(self, name):
        assert from_here(SplitSettings, "txt_files", [name]) == [str(Path.cwd() / name)]

    @pytest.mark.parametrize("name", ["texts", "zz*.txt", "a**b", "~nobody/x.txt", "", 3])
    def test_a_name_that_leads_nowhere_stays(self, name):
        assert from_here(SplitSettings, "txt_files", [name]) == [name]

    def test_the_words_course_and_scratch_are_no_folders(self):
        (Path.cwd() / "course").mkdir()
        for word in ("course", "scratch"):
            assert from_here(BaseSettings, "source", word) == word
        assert from_here(BaseSettings, "dict_file", "scratch") == str(Path.cwd() / "scratch")

    def test_a_folder_that_will_be_made_lies_here(self):
        made = from_here(ConvertSettings, "pytorch_dump_folder_path", "new")
        assert made == str(Path.cwd() / "new")

    def test_an_empty_path_keeps_its_meaning(self):
        assert from_here(ConvertSettings, "pytorch_dump_folder_path", "") == ""

    def test_what_is_no_path_stays(self):
        assert from_here(SplitSettings, "encoding", "novel.txt") == "novel.txt"


# What the panels and the tables are made from


@pytest.mark.parametrize("model", MODELS, ids=words)
def test_every_setting_stands_in_one_group(model):
    grouped = [name for names in model.groups().values() for name in names]
    assert sorted(grouped) == sorted(model.model_fields)
    assert set(model.SHARES) <= set(model.model_fields)
    places = [model()._repr_html_().index(f"<code>{name}</code>") for name in grouped]
    assert places == sorted(places)
    assert all(f">{heading}</th>" in model()._repr_html_() for heading in model.groups())


def test_what_is_known_about_a_setting_stands_in_its_type():
    about = {name: About.of(info) for model in MODELS for name, info in model.model_fields.items()}
    read = {name for name, each in about.items() if each.path == "read"}
    files = {"txt_files", "replay_files", "models", "labels"}
    assert read == files | {"source", "dict_file", "roberta_checkpoint_path"}
    assert about["pytorch_dump_folder_path"] == About(path="made")
    assert about["dict_file"].flag == "dict"
    assert about["lr"] == About(log_scale=True)
    assert about["txt_files"].upload == "my-texts"
    assert [*about["source"].words] == ["course", "scratch"]
    assert about["dropout"] == About()


@pytest.mark.parametrize(("model", "name"), FIELDS)
def test_an_explanation_has_the_range_and_the_default(model, name):
    info = model.model_fields[name]
    said = explanation(info)
    assert said.startswith(f"{info.description} ")
    default = "empty" if info.default in ("", ()) else literal(info.default)
    assert said.lower().endswith(f"default {default}.".lower())
    for limit in bounds(info).values():
        assert (f"{limit:,}" in said) == (limit < BEYOND)


@pytest.mark.parametrize(
    ("model", "name", "limits", "said"),
    [
        (SplitSettings, "train", {"ge": 0, "le": 1}, "From 0, up to 1; default 0.8."),
        (FinetuneSettings, "lr", {"gt": 0, "le": 1}, "Above 0, up to 1; default 0.001."),
        (FinetuneSettings, "dropout", {"ge": 0, "lt": 1}, "From 0, below 1; default 0.0."),
        (SplitSettings, "unit", {}, 'Default "blank-line".'),
        (SplitSettings, "txt_files", {}, 'Default ["texts"].'),
        (ConvertSettings, "roberta_checkpoint_path", {}, "Default empty."),
    ],
    ids=words,
)
def test_known_ranges_and_defaults(model, name, limits, said):
    info = model.model_fields[name]
    assert bounds(info) == limits
    assert explanation(info).endswith(f" {said}")


PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text(st.characters() | st.sampled_from("'\"\\\n\r\t\0\x1b\x85\u2028🙂\ud800\udcff"))


@given(value=PLAIN | TEXT | st.lists(TEXT))
@example(value="\ud800")
@example(value=['"', "\\", "\\'", "\r\n", ""])
def test_a_literal_is_python_for_its_value(value):
    written = literal(value).encode()  # a notebook is a file in UTF-8
    assert eval(written) == value
    assert b"\n" not in written


def test_every_problem_is_known_by_its_field():
    with pytest.raises(WrongSettings) as caught:
        FinetuneSettings(max_update="x", lr=2, dropout=0.5, seed=-1)
    assert [*caught.value.problems] == ["max_update", "lr", "seed"]
    assert "less than or equal to 1" in caught.value.problems["lr"]
    assert caught.value.message.startswith("max_update = 'x' is not possible: ")
    with pytest.raises(WrongSettings, match=r"add up to 1\.1") as caught:
        SplitSettings(train=0.9)
    assert [*caught.value.problems] == [""]


def test_fairseq_can_add_the_number_of_any_epoch_to_the_seed() -> None:
    """An epoch has at least one update; NumPy's seeds end at 2**32 - 1."""
    fields = FinetuneSettings.model_fields
    seed, updates = (bounds(fields[name])["le"] for name in ("seed", "max_update"))
    assert seed + updates < 2**32
