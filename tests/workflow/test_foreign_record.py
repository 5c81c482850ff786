"""A workspace from elsewhere: its record and its links lead to no harm, and to no traceback."""

import json
from collections.abc import Callable

import pytest
from pydantic import TypeAdapter

from helpers.common.errors import CourseError, InUse, StageStale
from helpers.stages.road import ROAD
from helpers.workflow.settings import ConvertSettings
from helpers.workflow.workspace import Workspace
from tests.support.road import STAGES, do, state, text

PRINT = {"size": 1, "mtime_ns": 1, "sha256": "a"}


def edit(workspace: Workspace, change: Callable[[dict], object]) -> None:
    """Change what stands in the record."""
    content = json.loads(workspace.record.file.read_text("utf-8"))
    change(content)
    workspace.root.joinpath("workspace.json").write_text(json.dumps(content), "utf-8")


PLACES = {
    "outputs": lambda key: lambda c: c["stages"]["encode"]["outputs"].update({key: PRINT}),
    "moving": lambda key: lambda c: c["moving"].update({"encode": [key]}),
    "made": lambda key: lambda c: c["made"].update({key: ["a"]}),
}


@pytest.mark.parametrize("key", ["../outside.txt", "mydata/../../outside.txt", "absolute"])
@pytest.mark.parametrize("place", PLACES)
def test_a_record_that_names_files_outside_as_made_here_is_refused(road, place, key):
    outside = road.root.parent / "outside.txt"
    outside.write_text("precious")
    edit(road, PLACES[place](str(outside) if key == "absolute" else key))
    with pytest.raises(CourseError, match=r"outside\.txt' is no file of the workspace") as caught:
        do(road, "encode", force=True)
    assert "Delete it" in caught.value.hint
    assert outside.read_text() == "precious"


def test_a_record_that_runs_in_a_circle_has_an_end(road):
    def turn(content: dict) -> None:
        for stage, made, read in (("split", "a", "b"), ("encode", "b", "a")):
            content["stages"][stage] |= {"outputs": {made: PRINT}, "inputs": {read: PRINT}}

    edit(road, turn)
    assert not road.record.is_outdated("split")
    edit(road, lambda c: c["stages"]["split"]["outputs"].update({"a": PRINT | {"sha256": "b"}}))
    assert road.record.is_outdated("split") and road.record.is_outdated("encode")


def test_inputs_may_lie_outside(road):
    outside = road.root.parent / "outside.txt"
    outside.write_text(text("plum"))
    assert not do(road, "split", txt_files=["texts", str(outside)]).reused
    assert do(road, "split", txt_files=["texts", str(outside)]).reused


@pytest.mark.parametrize("place", ["outputs", "moving"])
@pytest.mark.parametrize("below", ["", "more/"])
def test_nothing_is_removed_through_a_link_that_leads_outside(road, place, below):
    outside = road.root.parent / "elsewhere" / below / "thesis.txt"
    outside.parent.mkdir(parents=True)
    outside.write_text("precious")
    (road.root / "link").symlink_to(road.root.parent / "elsewhere")
    edit(road, PLACES[place](f"link/{below}thesis.txt"))
    before = state(road, "encode")
    with pytest.raises(CourseError, match="a link leads from the workspace") as caught:
        do(road, "encode", force=True)
    assert "Remove the file yourself" in caught.value.hint
    assert outside.read_text() == "precious"
    assert state(road, "encode") == before
    outside.unlink()
    assert not do(road, "encode", force=True).reused
    assert outside.parent.is_dir()


def test_nothing_is_set_aside_through_a_link_that_leads_outside(road):
    """Of a stage that no other reads, when what it told of is made again."""
    outside = road.root.parent / "elsewhere" / "thesis.txt"
    outside.parent.mkdir()
    outside.write_text("precious")
    (road.root / "link").symlink_to(outside.parent)
    entry = {"inputs": {"mydata/data.test.raw": PRINT}, "outputs": {"link/thesis.txt": PRINT}}
    edit(road, lambda content: content["stages"].update(evaluate=entry))
    with pytest.raises(CourseError, match="a link leads from the workspace"):
        do(road, "split", force=True)
    assert [file.name for file in outside.parent.iterdir()] == ["thesis.txt"]


def test_a_recorded_file_that_is_a_folder_now_stays(road):
    (road.root / "mydata" / "old").mkdir()
    edit(road, PLACES["outputs"]("mydata/old"))
    assert not do(road, "encode", force=True).reused
    assert (road.root / "mydata" / "old").is_dir()


def at(*path: str, value: object) -> Callable[[dict], None]:
    """Puts a value into a record."""

    def change(content: dict) -> None:
        for name in path[:-1]:
            content = content[name]
        content[path[-1]] = value

    return change


WRONG = [
    *(at(name, value=value) for name in ("stages", "made", "moving") for value in (None, [], 3)),
    *(at("made", "mydata/data.train.bpe", value=v) for v in (None, 1, "a", {"a": 1}, [1])),
    *(at("moving", "encode", value=value) for value in (None, 1, [1], "a")),
    at("stages", "encode", value=None),
    at("stages", "future", value=[]),
    *(at("stages", "encode", "settings", value=value) for value in (None, [], "a")),
    *(at("stages", "encode", "report", value=value) for value in (None, [], "a")),
    *(at("stages", "encode", "inputs", value=value) for value in (None, ["a"], {"a": None})),
    *(
        at("stages", "encode", "outputs", "mydata/x", value=PRINT | wrong)
        for wrong in ({"size": None}, {"mtime_ns": "a"}, {"sha256": None}, {"sha256": 1})
    ),
    at("stages", "encode", "outputs", "mydata/x", value={"size": 1}),
    *(at("stages", "encode", "outputs", key, value=PRINT) for key in ("", ".", "a\0b", "a" * 5000)),
    *(at("stages", "encode", "inputs", key, value=PRINT) for key in ("", "a\0b", "a" * 5000)),
    *(at("made", key, value=["a"]) for key in ("", "a\0b", "a" * 300, "a/" * 2500)),
    at("stages", "encode", "seconds", value=None),
    at("stages", "encode", "finished", value=[]),
    at("stages", "encode", "versions", value=None),
]


@pytest.mark.parametrize("change", WRONG, ids=range(len(WRONG)))
def test_a_record_with_other_types_is_explained(road, change):
    edit(road, change)
    for force in (False, True):
        with pytest.raises(CourseError, match="cannot be read") as caught:
            do(road, "encode", force=force)
        assert "Delete it" in caught.value.hint
        assert len(caught.value.message) < 500


@pytest.mark.parametrize("value", [None, {}, "a", [[1]], ["a", "b", "c"]], ids=str)
@pytest.mark.parametrize("name", STAGES)
def test_a_report_with_other_types_is_explained(road, name, value):
    fields = road.record.stages[name].report
    fine = (
        {"notes", "encodings"}
        if value == ["a", "b", "c"]
        else {n for n, v in fields.items() if v == value}
    )
    fine |= {n for n, v in fields.items() if isinstance(v, str) and isinstance(value, str)}
    for field in fields.keys() - fine:
        before = road.record.file.read_bytes()
        edit(road, at("stages", name, "report", field, value=value))
        with pytest.raises(CourseError, match=f"cannot be read.*{field}") as caught:
            do(road, name)
        assert "Delete it" in caught.value.hint
        road.root.joinpath("workspace.json").write_bytes(before)


@pytest.mark.parametrize("depth", [900, 940, 980, 200_000])
def test_lists_in_lists_are_explained_or_kept(workspace, depth):
    workspace.root.mkdir()
    lists = "[" * depth + "]" * depth
    content = f'{{"stages": {{"split": {{"settings": {{"seed": {lists}}}}}}}}}'
    workspace.root.joinpath("workspace.json").write_text(content)
    try:
        record = workspace.record
    except CourseError as error:
        assert "cannot be read" in error.message
    else:
        assert depth < 1000
        record.save()


def test_a_folder_in_the_place_of_the_record_is_explained(road):
    road.record.file.unlink()
    road.root.joinpath("workspace.json").mkdir()
    with pytest.raises(CourseError, match="cannot be read") as caught:
        do(road, "encode")
    assert "Delete it" in caught.value.hint


def test_what_another_version_has_added_is_left_out(road):
    edit(road, at("future", value=[None]))
    edit(road, at("stages", "split", "future", value=[None]))
    edit(road, at("stages", "future", value={"outputs": {"a": PRINT | {"inode": 7}}}))
    assert all(do(road, name).reused for name in STAGES)


@pytest.mark.parametrize("name", ["future", "self"])
def test_a_setting_of_another_version_hides_no_new_text(road, name):
    edit(road, at("stages", "split", "settings", name, value=1))
    assert do(road, "encode").reused
    (road.texts / "c.txt").write_text(text("plum"))
    for later in ("encode", "binarize"):
        with pytest.raises(StageStale, match=r"c\.txt has changed since 01_split was run"):
            do(road, later)


def test_a_value_of_another_version_is_said_to_leave_it_open(road):
    edit(road, at("stages", "split", "settings", "unit", value="sentence"))
    with pytest.raises(StageStale, match="cannot be told") as caught:
        do(road, "encode")
    assert "Run the notebook 01_split again" in caught.value.hint
    assert not do(road, "split").reused
    assert do(road, "encode").reused


def test_a_lock_that_is_a_link_is_refused_and_what_it_leads_to_untouched(workspace, tmp_path):
    (tmp_path / "precious").write_text("precious")
    workspace.root.mkdir()
    for name, target in (("stage", "precious"), ("batch", "nowhere")):
        (workspace.root / f".{name}.lock").symlink_to(tmp_path / target)
        lock = workspace.lock("split") if name == "stage" else workspace.lock_for_all()
        with pytest.raises(CourseError, match="no plain file") as caught, lock:
            pass
        assert not isinstance(caught.value, InUse)
    assert (tmp_path / "precious").read_text() == "precious"
    assert not (tmp_path / "nowhere").exists()


def test_a_lock_that_is_a_folder_is_refused(workspace):
    (workspace.root / ".stage.lock").mkdir(parents=True)
    with pytest.raises(CourseError, match="no plain file"), workspace.lock("split"):
        pass


def test_a_lock_with_any_content_is_taken(workspace):
    workspace.root.mkdir()
    (workspace.root / ".stage.lock").write_bytes(b"\xff" * 99)
    with workspace.lock("split"), pytest.raises(InUse), workspace.lock("split"):
        pass


@pytest.mark.parametrize("name", [".unfinished", ".encode.kept", ".prepare.kept"])
def test_a_link_in_the_place_of_a_hidden_folder_is_refused(road, name, tmp_path):
    outside = tmp_path / "elsewhere"
    (outside / "encode").mkdir(parents=True)
    (outside / "encode" / "thesis.txt").write_text("precious")
    (road.root / name).symlink_to(outside)
    for _ in range(2):
        with pytest.raises(CourseError, match="is a link to"):
            do(road, "encode", force=True)
    assert (outside / "encode" / "thesis.txt").read_text() == "precious"
    (road.root / name).unlink()
    assert not do(road, "encode", force=True).reused


@pytest.mark.parametrize("where", [".unfinished/encode", ".prepare.kept/other"])
def test_of_a_link_below_a_hidden_folder_only_the_link_is_removed(road, where, tmp_path):
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    (outside / "thesis.txt").write_text("precious")
    (road.root / where).parent.mkdir()
    (road.root / where).symlink_to(outside)
    do(road, "encode" if "encode" in where else "prepare", force=True)
    assert (outside / "thesis.txt").read_text() == "precious"


def test_the_reports_of_all_stages_are_read_back(copied):
    """As they are, by the types that they say they have."""
    for name, entry in copied.record.stages.items():
        report = TypeAdapter(ROAD[name].report).validate_python(entry.report)
        assert json.loads(json.dumps(report.to_json())) == entry.report
    assert ROAD.run("convert", copied, ConvertSettings()).reused
