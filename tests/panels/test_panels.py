"""The panels' controls: each holds and sets its setting, and says what is wrong with it."""

import html
import re
from typing import Literal, get_args, get_origin

import ipywidgets as widgets
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from helpers.panels.settings import settings_panel
from helpers.panels.settings.controls import control_for
from helpers.stages.road import ROAD
from helpers.text.places import shares_of
from helpers.workflow.parameters import Settings, WrongSettings, bounds, explanation
from helpers.workflow.settings import SplitSettings
from helpers.workflow.training_settings import UNQUOTABLE
from helpers.workflow.workspace import Workspace
from tests.support.hands import all_html, executed, inside, is_possible, move, panel_of

FIELDS = [(command, name) for command, step in ROAD.items() for name in step.settings.model_fields]
SHARES = SplitSettings.SHARES
few = settings(max_examples=10)
# What one line of a text field can hold, and what is hardest to quote.
line = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1)
line = line.map(str.strip).filter(bool)
nasty = st.text(st.sampled_from("'\"\\\n\r\t\0\x1b\x85\u2028\u202e{}$#中文🙂<>&;nx"))


one_line = nasty.map(lambda text: " ".join(text.splitlines()))


@pytest.fixture(autouse=True)
def _without_previews(monkeypatch: pytest.MonkeyPatch) -> None:
    """They have tests of their own."""
    monkeypatch.setattr(settings_panel, "PREVIEWS", {})


@pytest.fixture(scope="module")
def nowhere(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace(tmp_path_factory.mktemp("empty") / "work")


def values_of(model: type[Settings], name: str) -> st.SearchStrategy:
    """Every value that a setting may have."""
    info = model.model_fields[name]
    limits, kind = bounds(info), get_origin(info.annotation)
    if info.annotation is bool:
        return st.booleans()
    if kind is Literal:
        return st.sampled_from(get_args(info.annotation))
    if name == "sentences":
        return st.lists(line.map(lambda text: f"{text} <mask>"), min_size=1).map(tuple)
    if name == "extra":
        values = st.lists(line.filter(UNQUOTABLE.isdisjoint), min_size=1)
        return values.map(lambda v: tuple(f"common.x{i}={text}" for i, text in enumerate(v)))
    if kind is tuple:
        return st.lists(line, min_size=1).map(tuple)
    if name == "encoding":
        return st.sampled_from(["utf-8", "auto", "gb18030", "GBK", "latin-1", "utf_16_le"])
    if name == "chapter_pattern":
        return st.sampled_from(["", "第.+[章回].*", r"CHAPTER \w+", r"\d+、.*"])
    if name == "device":
        return st.sampled_from(["auto", "cpu", "cuda", "cuda:1", "cuda:17"])
    if info.annotation is str:
        return line
    if info.annotation is float:
        least, most = limits.get("ge", limits.get("gt")), limits.get("le", limits.get("lt"))
        return st.floats(least, most, exclude_min="gt" in limits, exclude_max="lt" in limits)
    numbers = st.integers(limits["ge"], min(limits.get("le", 10**9), 10**9))
    if name == "max_line_tokens":
        return numbers.filter(lambda n: n == 0 or n >= 16)
    return numbers if info.annotation is int else st.none() | numbers


@pytest.mark.parametrize(("command", "name"), FIELDS)
@given(data=st.data())
@few
def test_a_control_holds_every_value(command, name, nowhere, data):
    model = ROAD[command].settings
    value = data.draw(st.just(model.model_fields[name].default) | values_of(model, name))
    control = control_for(name, model.model_fields[name], value, nowhere)
    if isinstance(value, float):
        assert control.widget.value == pytest.approx(value)
    elif value != ():
        assert getattr(model(**{name: control.read(control.widget.value)}), name) == value


@pytest.mark.parametrize(("command", "name"), FIELDS)
@given(data=st.data())
@few
def test_what_a_control_is_moved_to_is_set(command, name, nowhere, data):
    panel = panel_of(command, nowhere)
    control = panel.controls[name]
    if isinstance(control.widget, (widgets.FloatSlider, widgets.FloatLogSlider)):
        first, last, step = (getattr(control.widget, n) for n in ("min", "max", "step"))
        steps = round((last - first) / step)
        place = first + step * data.draw(st.integers(1, steps - 1))
        place = 10**place if isinstance(control.widget, widgets.FloatLogSlider) else place
        move(panel, name, place)
        value = float(f"{place:.2g}")
        assert value == pytest.approx(place, rel=0.05)
    else:
        value = data.draw(values_of(panel.model, name))
        move(panel, name, control.show(value))
    assert getattr(panel.settings, name) == value
    assert is_possible(panel)


@given(data=st.data())
@few
@example(data=None)
def test_what_a_slider_cannot_land_on_stays_until_it_is_moved(nowhere, data):
    values = {"lr": 1e-8, "warmup_share": 0.333, "dropout": 0.999, "weight_decay": 1 / 3}
    if data:
        model = ROAD["finetune"].settings
        values = {name: data.draw(values_of(model, name)) for name in values}
    panel = panel_of("finetune", nowhere, **values)
    move(panel, "max_update", "7")
    move(panel, "start", "continue")
    assert panel.settings == panel.model(**values, max_update=7, start="continue")


@pytest.mark.parametrize("command", ROAD)
def test_every_control_has_its_name_and_its_explanation_once(command, nowhere):
    panel = panel_of(command, nowhere)
    for name, info in panel.model.model_fields.items():
        assert [getattr(w, "description", "") for w in inside(panel)].count(name) == 1
        assert all_html(panel).count(html.escape(explanation(info))) == 1
        assert [*inside(panel)].count(panel.controls[name].widget) == 1
    assert panel.line.value == panel.message.value == ""


# Nonsense

NUMBERS = [(c, n) for c, n in FIELDS if "int" in str(ROAD[c].settings.model_fields[n].annotation)]
WORDS = ("abc", "-1", "1e3", "1.5", "None", "½", "9" * 400, "9" * 5000)
NONSENSE = [
    *((c, n, word) for c, n in NUMBERS for word in WORDS),
    *((c, n, "") for c, n in NUMBERS if n != "workers"),
    *(("split", "encoding", word) for word in ("utf-9", "", " ", "\0", "é", "x" * 9999)),
    *(("base", "source", word) for word in ("", " ")),
    *((c, n, w) for c, n in (("split", "txt_files"), ("sample", "packages")) for w in ("", " \n")),
]


@pytest.mark.parametrize(("command", "name", "typed"), NONSENSE, ids=lambda value: value[:9])
def test_nonsense_is_explained_beside_its_field_until_it_is_mended(command, name, typed, nowhere):
    panel = panel_of(command, nowhere)
    if name == "source":
        panel.controls[name].widget.kind.value = "a fairseq model.pt"
        move(panel, name, "model.pt")
    before = panel.controls[name].widget.value
    move(panel, name, typed)
    with pytest.raises(WrongSettings) as caught:
        _ = panel.settings
    assert html.escape(f"{caught.value.problems[name]}.") in panel.notes[name].value
    assert "⚠" in panel.notes[name].value
    assert all_html(panel).count("⚠") == 1
    assert not is_possible(panel)
    assert panel.line.value == ""
    move(panel, name, before)
    assert "⚠" not in all_html(panel)
    assert is_possible(panel)


def test_each_of_several_wrong_fields_says_what_is_wrong(nowhere):
    panel = panel_of("finetune", nowhere)
    move(panel, "max_update", "many")
    move(panel, "max_tokens", "15")
    assert "valid integer" in panel.notes["max_update"].value
    assert "at least 16 tokens" in panel.notes["max_tokens"].value
    move(panel, "max_update", "5")
    assert "⚠" not in panel.notes["max_update"].value
    assert not is_possible(panel)


def test_a_number_that_was_emptied_is_decided_here_again(nowhere):
    panel = panel_of("encode", nowhere, workers=3)
    move(panel, "workers", "")
    assert panel.settings.workers is None


# Shares

weights = st.lists(st.integers(0, 999), min_size=3, max_size=3).filter(lambda w: w[0] > 0)
moves = st.lists(st.tuples(st.sampled_from(SHARES), st.floats(0, 1)), min_size=1, max_size=4)


@given(weights=weights, moves=moves)
@settings(max_examples=50)
@example(weights=[8, 1, 1], moves=[("train", 0.005)])
@example(weights=[1, 0, 0], moves=[("test", 0.0049), ("valid", 0.999)])
def test_shares_always_add_up(nowhere, weights, moves):
    begin = dict(zip(SHARES, (w / sum(weights) for w in weights), strict=True))
    panel = panel_of("split", nowhere, **begin)
    for name, place in moves:
        move(panel, name, place)
        found = {share: panel.values[share] for share in SHARES}
        assert sum(found.values()) == pytest.approx(1, rel=0, abs=1e-9)
        assert found[name] == pytest.approx(place, abs=0.006)
        assert is_possible(panel) == (found["train"] > 0) == (panel.message.value == "")
        shares_of(1000, found.values())


@pytest.mark.parametrize(
    ("begin", "name", "places", "after"),
    [
        ((0.8, 0.1, 0.1), "train", [0.6], (0.6, 0.2, 0.2)),
        ((0.5, 0.3, 0.2), "test", [0.6], (0.25, 0.15, 0.6)),
        ((1, 0, 0), "train", [0.5], (0.5, 0.25, 0.25)),
        ((0.8, 0.1, 0.1), "valid", [1], (0, 1, 0)),
        ((0.5, 0.3, 0.2), "train", [0.9, 0.97, 1, 0.5], (0.5, 0.3, 0.2)),
    ],
)
def test_the_other_shares_keep_their_proportion(begin, name, places, after, nowhere):
    panel = panel_of("split", nowhere, **dict(zip(SHARES, begin, strict=True)))
    for place in places:
        move(panel, name, place)
    assert tuple(panel.values[share] for share in SHARES) == pytest.approx(after)
    shown = tuple(panel.controls[share].widget.value for share in SHARES)
    assert shown == pytest.approx(after)


# What is to be copied into the cell


@given(path=nasty, sentences=st.lists(one_line.map("{}<mask>".format)), name=line)
@settings(max_examples=30)
@example(path="\ud800", sentences=["<mask> \udcff"], name="'\"\\")
def test_the_line_is_python_for_what_is_set(nowhere, path, sentences, name):
    for command, field, value in (
        ("convert", "roberta_checkpoint_path", path),
        ("evaluate", "sentences", "\n".join(sentences)),
        ("split", "txt_files", name),
    ):
        panel = panel_of(command, nowhere)
        move(panel, field, value)
        assert panel.model(**executed(panel)) == panel.settings
        assert "<" not in re.sub("</?(div|code|pre)[^<]*>", "", panel.line.value)


def test_the_line_has_what_was_moved_and_nothing_else(nowhere):
    panel = panel_of("finetune", nowhere, seed=5, lr=0.25)
    assert panel.line.value == ""
    move(panel, "max_update", "12")
    move(panel, "lr", 10**-3.3)
    assert executed(panel) == {"max_update": 12, "lr": 0.0005}
    move(panel, "max_update", "500")
    move(panel, "lr", 0.25)
    assert panel.line.value == ""
