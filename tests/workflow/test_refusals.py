"""What is refused is said in the course's own words."""

import json
import re

import pytest
from pydantic import ValidationError

from helpers.common.errors import CourseError
from helpers.stages.road import ROAD
from helpers.workflow import refusals
from helpers.workflow.parameters import Settings, WrongSettings
from helpers.workflow.workspace import Workspace

MODELS = list({stage.settings for stage in ROAD.values()})
# Of every kind that a notebook, a command line or a panel can hand over, and some that none can.
VALUES = [
    *(None, True, 0, -1, 2, 1.5, -1e308, 1e308, float("nan"), float("inf"), 10**30, 10**5000),
    *("", "x", " ", "1.5", "9" * 5000, "-" * 5000, "\ud800", "日本", b"\xff", [], [1], ["a", None]),
    *([""], [["a"]], ["\ud800"], {}, {1}, object(), complex(1)),
]
PYDANTICS = re.compile(
    r"Input|should|a valid [snbt]|validation|Value error|String|Tuple|List|Unable|pydantic|parse|"
    r"type=|Exceeds|item"
)


def problems() -> list[tuple[type[Settings], str, WrongSettings]]:
    found = []
    for model in MODELS:
        for field in model.model_fields:
            for value in VALUES:
                try:
                    model(**{field: value})
                except WrongSettings as error:
                    found.append((model, field, error))
    return found


def test_every_value_of_another_kind_is_refused_in_the_courses_words() -> None:
    for model, field, error in problems():
        described = model.model_fields[field].description
        said = error.message.replace(refusals.shown(object())[:8], "")
        for text in (*error.problems.values(), said.partition(" is not possible: ")[2] or said):
            assert not PYDANTICS.search(text), (model, field, text)
            assert text != refusals.OTHERS
        assert len(error.message) < 400 and len(error.hint) < 400
        assert error.hint.startswith(f"{field}: {described}") or "" in error.problems


def test_there_are_words_for_every_kind_of_error_that_the_settings_can_raise(monkeypatch) -> None:
    kinds: set[str] = set()

    def explain(self: Settings, error: ValidationError) -> CourseError:
        kinds.update(each["type"] for each in error.errors())
        return WrongSettings("", "", {})

    monkeypatch.setattr(Settings, "_explain", explain)
    problems()
    assert kinds - refusals.WORDS.keys() == {"value_error"}
    assert refusals.WORDS.keys() - kinds == set()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"txt_files": []}, "txt_files = [] is not possible: it must not be empty."),
        ({"txt_files": [1]}, "txt_files = 1 is not possible: it must be a text."),
        ({"seed": 2**40}, "must be less than or equal to 4,294,967,295."),
        ({"train": "x"}, "train = 'x' is not possible: it must be a number."),
        ({"train": "nan"}, "train = 'nan' is not possible: it must be a number that is finite."),
        ({"unit": "word"}, "it must be 'blank-line', 'file', 'line' or 'chapter'."),
        ({"deduplicate": "perhaps"}, "it must be True or False."),
        ({"seed": 10**5000}, "seed = a number of thousands of digits is not possible"),
        (
            {"seed": "-" * 5000},
            "--- … is not possible: it must be a valid integer, that is, a whole number.",
        ),
    ],
)
def test_a_refusal_says_what_is_possible(values: dict, said: str) -> None:
    with pytest.raises(WrongSettings) as caught:
        ROAD["split"].settings(**values)
    assert said in caught.value.message


RECORDS = [
    *([], 1, {"stages": []}, {"stages": {"split": 1}}, {"made": {"a": "b"}}, {"made": {"a": [1]}}),
    {"stages": {"split": {"inputs": {"a": {"size": "x", "mtime_ns": 1, "sha256": ""}}}}},
    {"stages": {"split": {"inputs": {"a": {}}}}},
    {"stages": {"split": {"seconds": "x"}}},
]


@pytest.mark.parametrize("content", RECORDS, ids=json.dumps)
def test_a_record_of_other_types_is_refused_in_such_words_too(
    content: object, workspace: Workspace
) -> None:
    workspace.root.mkdir()
    (workspace.root / "workspace.json").write_text(json.dumps(content))
    with pytest.raises(CourseError, match="cannot be read") as caught:
        _ = workspace.record
    assert not PYDANTICS.search(caught.value.message)
