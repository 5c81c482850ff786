"""The field beside a slider takes every allowed number; the cell `parameters` takes them over."""

import pytest

from helpers.common.errors import CourseError
from helpers.panels.front import Front
from helpers.panels.settings import settings_panel
from helpers.panels.settings.settings_panel import SettingsPanel
from helpers.stages.road import ROAD
from helpers.workflow.parameters import bounds
from helpers.workflow.workspace import SESSION, Workspace
from tests.support.hands import executed, is_possible, move, panel_of

SLIDERS = [
    (command, name)
    for command, stage in ROAD.items()
    for name, info in stage.settings.model_fields.items()
    if info.annotation is float
]
TYPED = ("0.123456789", "1e-7", "3.3e-4", "0.9999")
WRONG = ("2", "-1", "nan", "inf", "-inf", "abc", "", "1,5", "½")
CELL = "lr = 1e-3  # the rate\ndropout = 0.0  # a share\nseed = 1  # by lot"


@pytest.fixture(autouse=True)
def _without_previews(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings_panel, "PREVIEWS", {})


def most(command: str, name: str) -> float:
    """The largest number that a setting may be."""
    return bounds(ROAD[command].settings.model_fields[name]).get("le", 1)


def type_into(panel: SettingsPanel, name: str, text: str) -> None:
    panel.controls[name].field.value = text


@pytest.mark.parametrize(
    ("command", "name", "typed"),
    [(*each, typed) for each in SLIDERS for typed in TYPED if float(typed) <= most(*each)],
)
def test_every_number_that_is_allowed_can_be_typed(command, name, typed, workspace):
    panel = panel_of(command, workspace)
    type_into(panel, name, typed)
    assert getattr(panel.settings, name) == float(typed)
    assert executed(panel)[name] == float(typed)
    if name in panel.shares:
        assert sum(panel.values[share] for share in panel.shares) == pytest.approx(1, abs=1e-9)
    page_moves_to_the_nearest_step(panel, name)
    assert getattr(panel.settings, name) == float(typed)


def page_moves_to_the_nearest_step(panel: SettingsPanel, name: str) -> None:
    control = panel.controls[name]
    first, step = control.widget.min, control.widget.step
    log = "Log" in type(control.widget).__name__
    step_of = control.place(control.widget.value)
    move(panel, name, 10 ** (first + step_of * step) if log else first + step_of * step)


@pytest.mark.parametrize(
    ("command", "name", "typed"),
    [(*each, typed) for each in SLIDERS for typed in WRONG if typed != "2" or most(*each) < 2],
)
def test_what_is_not_allowed_is_refused_beside_it(command, name, typed, workspace):
    panel = panel_of(command, workspace)
    before = panel.controls[name].field.value
    type_into(panel, name, typed)
    assert "⚠" in panel.notes[name].value and not is_possible(panel)
    assert panel.controls[name].field.value == typed
    type_into(panel, name, before)
    assert is_possible(panel) and panel.line.value == ""


def test_the_slider_says_in_the_field_where_it_is(workspace):
    panel = panel_of("finetune", workspace)
    move(panel, "lr", 10**-3.3)
    assert panel.controls["lr"].field.value == "0.0005"
    type_into(panel, "lr", " 3e-4 ")
    assert panel.controls["lr"].widget.value == pytest.approx(3e-4)
    assert executed(panel) == {"lr": 0.0003}


class Page:
    """A notebook with a cell `parameters`, as the page knows it, and views of a panel in it."""

    def __init__(self, front: Front, cell: str, views: int = 1) -> None:
        self.front, self.cell, self.views = front, cell, views
        front.send = self.told
        front.writes = True

    def told(self, message: dict) -> None:
        for _ in range(self.views):
            if "text" not in message:
                answer = {"text": self.cell}
            else:
                assert message["instead_of"] == self.cell or self.views > 1
                self.cell = message["text"]
                answer = {"problem": ""}
            self.front._told(None, {"number": message["number"], **answer}, [])


def test_of_several_answers_one_counts(workspace):
    panel = panel_of("finetune", workspace)
    page = Page(panel.front, CELL, views=3)
    type_into(panel, "lr", "3e-4")
    panel.keep.click()
    assert page.cell == CELL.replace("1e-3", "0.0003")
    assert panel.line.value.count("has these values now") == 1 and "⚠" not in panel.line.value


def test_the_button_writes_what_was_moved_into_the_cell(workspace):
    panel = panel_of("finetune", workspace)
    assert panel.keep.layout.display == "none"
    type_into(panel, "lr", "3e-4")
    assert panel.keep.layout.display == "none"  # the page has not said that it can
    page = Page(panel.front, CELL)
    assert panel.keep.layout.display == ""
    panel.keep.click()
    assert page.cell == CELL.replace("1e-3", "0.0003")
    assert panel.keep.layout.display == "none" and "<pre" not in panel.line.value
    type_into(panel, "lr", "1e-3")  # others than those of the cell now
    assert executed(panel) == {"lr": 0.001}
    panel.keep.click()
    assert page.cell == CELL.replace("1e-3", "0.001")


def test_a_cell_that_is_no_python_stays(workspace):
    panel = panel_of("finetune", workspace)
    page = Page(panel.front, "lr = = 1")
    type_into(panel, "lr", "3e-4")
    panel.keep.click()
    assert page.cell == "lr = = 1"
    assert "is no Python" in panel.line.value and executed(panel) == {"lr": 0.0003}


def test_every_panel_names_its_workspace(home, tmp_path, monkeypatch):
    for workspace, name in (
        (Workspace("runs/mine"), "runs/mine"),
        (Workspace(tmp_path / "文"), str(tmp_path / "文")),
    ):
        bundle = panel_of("split", workspace)._repr_mimebundle_()
        assert f"Workspace: {name}." in bundle["text/html"]
    monkeypatch.setenv(SESSION, "runs/another")
    panel = panel_of("split", Workspace("runs/sample"))
    assert f"Workspace: runs/another, which {SESSION} names" in panel.heading.value


def test_one_place_names_the_workspace_of_a_session_and_what_is_given_wins(home, monkeypatch):
    assert Workspace().root == Workspace("runs/sample").root == home / "runs" / "sample"
    monkeypatch.setenv(SESSION, "runs/mine 我")
    assert Workspace().root == Workspace("runs/sample").root == home / "runs" / "mine 我"
    assert Workspace("runs/b").name == "runs/b"
    assert Workspace(home / "runs" / "sample").name == "runs/sample"


def test_a_mistyped_workspace_is_told_which_ones_there_are(tmp_path):
    for name in ("mine", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "workspace.json").write_text("{}")
    (tmp_path / "c").mkdir()
    wrong = Workspace(tmp_path / "mien")
    there = f"beside it there are: {tmp_path / 'b'}, {tmp_path / 'mine'}."
    assert there in panel_of("finetune", wrong).heading.value
    with pytest.raises(CourseError) as caught:
        ROAD.run("encode", wrong, ROAD["encode"].settings())
    assert there in caught.value.hint and caught.value.hint.startswith("Run the notebook 01_split")
    assert Workspace(tmp_path / "mine").others() == Workspace(tmp_path / "x" / "y").others() == []
