"""The batch: parameters are checked before anything runs, and notebooks and settings agree."""

import ast
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers import batch
from helpers.beforehand import FOR_ALL, chosen, parameters
from helpers.common.errors import CourseError, InUse, Stopped
from helpers.common.files import PROJECT
from helpers.common.progress import ANEW, Progress, drawn_by
from helpers.stages.road import NOTEBOOKS
from helpers.workflow.record import Entry
from helpers.workflow.workspace import Workspace
from tests.support.commands import command

ALL = list(NOTEBOOKS)
WITH_SEED = ["01_split", "04_finetune", "06_evaluate"]


def given(*pairs: tuple[str, str], only: tuple[str, ...] = ()) -> dict[str, dict]:
    """Parameters of the notebooks that got any."""
    return {n: v for n, v in parameters(pairs, chosen(only)).items() if v}


def test_all_notebooks_run_in_order_unless_some_are_named():
    assert chosen(()) == ALL == sorted(ALL)
    assert chosen(("evaluate", "01_split", "split", "bpe.ipynb")) == [ALL[1], ALL[2], ALL[6]]
    with pytest.raises(CourseError, match="There is no notebook spilt") as caught:
        chosen(("spilt",))
    assert "01_split" in caught.value.hint


def test_a_bare_name_goes_to_every_notebook_that_has_it():
    assert given(("seed", "7")) == {name: {"seed": 7} for name in WITH_SEED}
    assert given(("engine", "fairseq")) == {
        name: {"engine": "fairseq"} for name in ("02_bpe", "03_binarize")
    }


@pytest.mark.parametrize("name", ["split.seed", "01_split.seed", "01_split.ipynb.seed"])
def test_a_name_with_its_notebook_goes_there_only(name):
    assert given((name, "7")) == {"01_split": {"seed": 7}}


def test_the_name_with_its_notebook_wins_in_any_order():
    pairs = [("split.seed", "7"), ("seed", "3")]
    for order in (pairs, pairs[::-1]):
        assert given(*order)["01_split"] == {"seed": 7}
        assert given(*order)["04_finetune"] == {"seed": 3}


@pytest.mark.parametrize(
    ("name", "typed", "meant"),
    [
        ("txt_files", "a.txt", ["a.txt"]),
        ("txt_files", "['a.txt', 'b c.txt']", ["a.txt", "b c.txt"]),
        ("txt_files", "[a].txt", ["[a].txt"]),
        ("txt_files", "{[]: 1}", ["{[]: 1}"]),
        ("sentences", "('I <mask>.',)", ["I <mask>."]),
        ("bpe.workers", "None", None),
        ("bpe.workers", "2", 2),
        ("lr", "1e-4", 1e-4),
        ("deduplicate", "False", False),
        ("deduplicate", "no", False),
        ("encoding", "gb18030", "gb18030"),
    ],
)
def test_values_get_the_type_of_their_setting(name, typed, meant):
    (values,) = given((name, typed)).values()
    assert list(values.values()) == [meant]
    assert json.loads(json.dumps(values)) == values


def test_files_typed_in_a_shell_are_found_from_there(tmp_path, monkeypatch):
    (tmp_path / "my text.txt").touch()
    (tmp_path / "my model").mkdir()
    monkeypatch.chdir(tmp_path)
    assert given(("source", "my model"))["00_setup"]["source"] == str(tmp_path / "my model")
    found = given(("txt_files", "['my text.txt', 'texts']"))["01_split"]["txt_files"]
    assert found == [str(tmp_path / "my text.txt"), "texts"]


REFUSED = {
    "an unknown name": (("max_updates", "5"), "Did you mean max_update?"),
    "a name of another notebook": (("split.lr", "1"), "There are: txt_files, train, valid"),
    "an unknown notebook": (("spilt.seed", "5"), "There are: 00_setup"),
    "out of range": (("lr", "7"), "The default is 0.001"),
    "not a number": (("max_update", "many"), "The default is 500"),
    "shares that do not add up": (("split.train", "0.5"), "Change one of them"),
    "None where a text is needed": (("engine", "None"), "The default is 'fast'"),
    "numbers for files": (("txt_files", "[1, 2]"), "The default is"),
    "the workspace": (("workspace", "x"), "--workspace"),
    "force": (("force", "True"), "--force"),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("only", [(), ("convert",)], ids=["all", "only another notebook"])
def test_a_wrong_parameter_is_refused_before_anything_runs(workspace, case, only):
    pair, hint = REFUSED[case]
    with pytest.raises(CourseError) as caught:
        batch.run(workspace, [pair], only)
    assert hint in caught.value.hint
    assert not workspace.root.exists()


def test_the_command_line_refuses_it_too_with_exit_code_2(workspace):
    done = command("run", "--workspace", workspace.root, "-p", "max_updates", "5")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "There is no parameter max_updates.",
        "Did you mean max_update?",
    ]
    assert not workspace.root.exists()


def test_a_parameter_that_is_given_twice_is_refused():
    with pytest.raises(CourseError, match="txt_files is given 2 times") as caught:
        given(("txt_files", "a/"), ("seed", "1"), ("txt_files", "b/"))
    assert """-p txt_files '["a", "b"]'""" in caught.value.hint
    with pytest.raises(CourseError, match=r"split\.seed is given 2 times"):
        given(("split.seed", "1"), ("seed", "3"), ("01_split.ipynb.seed", "2"))
    assert given(("01_split.seed", "2"), ("seed", "1"))["01_split"] == {"seed": 2}


def test_an_unknown_notebook_is_refused_before_anything_runs(workspace):
    with pytest.raises(CourseError, match="There is no notebook zzz"):
        batch.run(workspace, only=["zzz"])
    assert not workspace.root.exists()


DEEP = ["-" * 5000 + "1", "~" * 5000 + "1", "-" * 99_999 + "1", "1+" * 9000 + "1"]
DEEP += ["[" * 5000, "(" * 5000 + ")" * 5000, "{1:" * 5000, "not " * 9000 + "1", "9" * 9000]
DEEP += ["a" + ".a" * 9000, "f" + "()" * 9000, "a" + "[0]" * 9000]


@pytest.mark.parametrize("value", DEEP, ids=lambda value: value[:3])
@pytest.mark.parametrize("name", ["split.seed", "txt_files", "lr", "deduplicate", "workers"])
def test_a_value_that_is_too_deep_for_python_is_refused_shortly(name, value):
    try:
        given((name, value))
    except CourseError as error:
        assert len(error.message) < 400
    else:
        assert name == "txt_files"  # a name like others, of a file that is not there


def test_a_second_run_in_the_same_workspace_is_refused(workspace):
    with workspace.lock_for_all(), pytest.raises(InUse, match=str(os.getpid())):
        batch.run(workspace, only=["split"])


def test_a_failing_notebook_keeps_its_copy_with_the_error(workspace):
    done = command("run", "--workspace", workspace.root, "--only", "split")
    assert done.returncode == 1, done.stderr
    assert "CourseError: There is no file or folder" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    copy = json.loads((workspace.notebooks / "01_split.ipynb").read_text("utf-8"))
    outputs = [o for cell in copy["cells"] for o in cell.get("outputs", [])]
    assert [o["ename"] for o in outputs if o["output_type"] == "error"] == ["CourseError"]
    assert [p.name for p in workspace.notebooks.iterdir()] == ["01_split.ipynb"]


def test_a_notebook_whose_process_dies_is_explained(workspace, tmp_path, monkeypatch, capsys):
    notebook = json.loads((PROJECT / "notebooks" / "01_split.ipynb").read_text("utf-8"))
    cells = [c for c in notebook["cells"] if c["cell_type"] == "code"][:2]
    cells[1] |= {"source": "import os; os.kill(os.getpid(), 9)", "outputs": []}
    (tmp_path / "01_split.ipynb").write_text(json.dumps(notebook | {"cells": cells}))
    monkeypatch.setattr(batch, "FOLDER", tmp_path)
    assert batch.run(workspace, only=["split"]) == 1
    assert "memory" in capsys.readouterr().out
    assert (workspace.notebooks / "01_split.ipynb").is_file()


def parameters_cell(name: str) -> dict[str, object]:
    """What a notebook's parameters cell assigns: literals only."""
    notebook = json.loads((PROJECT / "notebooks" / f"{name}.ipynb").read_text("utf-8"))
    tagged = [c for c in notebook["cells"] if "parameters" in c["metadata"].get("tags", ())]
    assert len(tagged) == 1
    body = ast.parse("".join(tagged[0]["source"])).body
    return {node.targets[0].id: ast.literal_eval(node.value) for node in body}


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebooks_parameters_are_its_settings_with_the_same_defaults(name):
    found = parameters_cell(name)
    assert found.pop("workspace") == "runs/sample"
    assert found.pop("force") is False
    assert set(FOR_ALL) == {"workspace", "force"}
    fields = {k: m.model_fields[k].default for m in NOTEBOOKS[name] for k in m.model_fields}
    assert {k: tuple(v) if isinstance(v, list) else v for k, v in found.items()} == fields
    assert all(model.of(found) == model() for model in NOTEBOOKS[name])


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_every_parameter_has_a_comment_and_reaches_the_settings(name):
    notebook = json.loads((PROJECT / "notebooks" / f"{name}.ipynb").read_text("utf-8"))
    cells = ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code"]
    first, rest = cells[0], "\n".join(cells[1:])
    assert all("  # " in line for line in first.splitlines())
    fields = {field for model in NOTEBOOKS[name] for field in model.model_fields}
    assert parameters_cell(name).keys() == fields | set(FOR_ALL)
    assert all(f"{model.__name__}.of(globals())" in rest for model in NOTEBOOKS[name])
    assert "Workspace(workspace)" in rest
    assert "force=force" in rest


UNDER_MAKE = """
import os, time
from helpers.batch import die_with_make
die_with_make()
print(os.getpid(), flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the signal at a parent's death is Linux's")
def test_the_batch_dies_with_make(tmp_path):
    (tmp_path / "batch.py").write_text(UNDER_MAKE)
    python = sys.executable.replace(" ", "\\ ")
    make = subprocess.Popen(
        [
            *("make", "-s", "-C", tmp_path, "-f", PROJECT / "Makefile"),
            *("-o", "env", "course", f"PY={python} batch.py"),
        ],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
    )
    process = Path("/proc", make.stdout.readline().strip())
    assert process.exists()
    make.kill()
    make.wait()
    deadline = time.monotonic() + 10
    while process.exists() and "State:\tZ" not in (process / "status").read_text():
        assert time.monotonic() < deadline, "the batch outlived make"
        time.sleep(0.05)


def test_without_make_the_parent_may_end(monkeypatch):
    called = []
    monkeypatch.setattr(batch, "die_with_parent", lambda: called.append(1))
    monkeypatch.delenv("MAKELEVEL", raising=False)
    batch.die_with_make()
    assert not called
    monkeypatch.setenv("MAKELEVEL", "1")
    batch.die_with_make()
    assert called


def test_what_was_made_is_told_per_notebook_and_not_made_again(with_texts, tmp_path, monkeypatch):
    workspace: Workspace = with_texts(a="one\n\ntwo\n\nthree\n\nfour\n")
    (workspace.texts / "notes.md").write_text("not read")
    run = ("run", "--workspace", workspace.root, "--only", "split")
    first = command(*run, cwd=tmp_path)
    assert first.returncode == 0, first.stderr + first.stdout
    assert "01_split made: split" in first.stdout
    assert "  split: Not read (1): notes.md (another kind of file).\n" in first.stdout
    before = workspace.record.file.read_bytes()
    second = command(*run)
    assert second.returncode == 0, second.stderr + second.stdout
    assert "01_split nothing to recompute, and its copy stays" in second.stdout
    assert str(workspace.notebooks) in second.stdout and "make lab" in second.stdout
    assert workspace.record.file.read_bytes() == before
    assert_run_where_it_matters(workspace, monkeypatch)


def assert_run_where_it_matters(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The executed copy stays only where a run of the notebook would show the same."""
    ran: list[str] = []
    monkeypatch.setattr(batch, "_execute", lambda work, name, text: ran.append(name) or "")
    monkeypatch.setattr(batch, "die_with_parent", lambda: None)
    copy, record = workspace.notebooks / "01_split.ipynb", workspace.record.file
    text, recorded = copy.read_text("utf-8"), record.read_text("utf-8")

    def is_run(change: Callable[[], object] = bool, *given: tuple[str, str], **how: bool) -> bool:
        ran.clear()
        change()
        assert batch.run(workspace, given, ("split",), **how) == 0
        copy.write_text(text, "utf-8")
        record.write_text(recorded, "utf-8")
        return bool(ran)

    assert not is_run()
    assert is_run(bool, ("seed", "2"))
    assert is_run(force=True)
    assert is_run(copy.unlink)
    assert is_run(lambda: copy.write_text(text[:-9], "utf-8"))
    assert is_run(lambda: copy.write_text(text.replace(batch.MADE_FROM, "x"), "utf-8"))
    shown = json.loads(text)
    for cell in shown["cells"]:
        cell["outputs"] = []
    assert is_run(lambda: copy.write_text(json.dumps(shown), "utf-8"))
    when = workspace.record.entry("split").finished
    assert is_run(lambda: record.write_text(recorded.replace(when, "2020-01-01 00:00:00")))
    assert is_run(lambda: (workspace.texts / "b.txt").write_text("five"))
    (workspace.texts / "b.txt").unlink()
    assert not is_run()
    assert is_run(workspace.raw("valid").unlink)


def made_from(workspace, source: str) -> None:
    """As if a base of this source had been made."""
    workspace.root.mkdir(parents=True)
    record = workspace.record
    record.stages["base"] = Entry(settings={"source": source})
    record.save()


def test_a_base_of_another_source_is_not_replaced_without_a_word(workspace):
    made_from(workspace, "my model/model.pt")
    with pytest.raises(CourseError, match=r"was made from my model/model\.pt") as caught:
        batch.run(workspace)
    assert "-p source 'my model/model.pt'" in caught.value.hint
    assert not workspace.notebooks.exists()


@pytest.mark.parametrize(
    ("made", "given", "only"),
    [
        ("my model/model.pt", [("source", "course")], ()),
        ("my model/model.pt", [("source", "my model/model.pt")], ()),
        ("my model/model.pt", [], ("split",)),
        ("course", [], ()),
    ],
)
def test_a_base_is_made_again_where_that_was_said(workspace, monkeypatch, made, given, only):
    done = []
    monkeypatch.setattr(batch, "check", lambda *_: None)  # there is no such model
    monkeypatch.setattr(batch, "_execute", lambda workspace, name, values: done.append(name) or "")
    made_from(workspace, made)
    assert batch.run(workspace, given, only) == 0
    assert done == chosen(only)


@pytest.mark.parametrize("name", ["01_split", "04_finetune"])
def test_a_training_is_told_of_where_one_was_stopped(workspace, monkeypatch, name):
    def stopped(_: Workspace, here: str, *__: object) -> str:
        if here == name:
            raise KeyboardInterrupt
        return ""

    monkeypatch.setattr(batch, "check", lambda *_: None)
    monkeypatch.setattr(batch, "_execute", stopped)
    workspace.training.mkdir(parents=True)  # of an earlier run, too
    with pytest.raises(Stopped, match="finished steps stay") as caught:
        batch.run(workspace)
    assert ("A training saves a checkpoint" in str(caught.value)) == (name == "04_finetune")


def test_the_readme_gives_a_model_of_ones_own_the_lower_rate_that_it_needs():
    for name in ("README.md", "README.zh.md"):
        text = (PROJECT / name).read_text("utf-8")
        plain, own = re.findall(r"-m helpers run +--workspace runs/mine (.*)", text)
        assert "-p source" not in plain and "-p lr" not in plain
        assert "-p source path/to/model.pt" in own and "-p lr 1e-4" in own


def test_in_a_terminal_a_line_tells_how_far_the_step_of_a_notebook_is(workspace, monkeypatch):
    ours, theirs = os.openpty()
    monkeypatch.setattr(batch, "TICK", 0.01)
    with os.fdopen(theirs, "w") as terminal, workspace.lock("finetune"):
        monkeypatch.setattr(sys, "stderr", terminal)
        with (
            batch._told_in_a_terminal(workspace),
            drawn_by(lambda bar: None),
            Progress(60, "updates") as progress,
        ):
            progress.update(20, "loss 3.14 bits")
            said = b""
            while b"loss 3.14 bits" not in said:
                said += os.read(ours, 9999)
        said += os.read(ours, 9999)
    os.close(ours)
    assert b"  20 of 60 updates" in said and said.endswith(ANEW.encode())


def test_what_was_made_from_an_earlier_training_is_told_apart(copied: Workspace):
    copied.notebooks.mkdir()
    assert "Out of date" not in batch._closing(copied)
    record = copied.record
    entry = record.entry("finetune")
    key = "checkpoints/checkpoint_best.pt"
    entry.outputs[key] = entry.outputs[key]._replace(sha256="0" * 64)
    record.save()
    made, old = batch._closing(copied).split("Out of date")
    assert str(copied.notebooks) in made
    assert all(str(path) in old for path in (copied.hf, copied.pt, copied.evaluation))
