"""What the batch looks at before anything is made, and what it does not make."""

import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

from helpers import batch
from helpers.common.errors import CourseError, DamagedFile
from helpers.common.files import PROJECT
from helpers.panels.prepared import prepared, values_in
from helpers.stages.sample import is_named
from helpers.text.splitter import Splitter
from helpers.workflow.record import Entry
from helpers.workflow.workspace import Workspace
from tests.support.road import do

GOOD = b"one\n\ntwo\n\nthree\n\nfour\n"


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch) -> list[tuple]:
    """The notebooks that would have been run, and what they are run without."""
    done: list[tuple] = []

    def execute(_: Workspace, name: str, text: str) -> None:
        cells = nbformat.reads(text, as_version=4).cells
        tags = {tag for cell in cells for tag in cell.metadata.get("tags", ())}
        without = {"sample"} - tags if name == "00_setup" else ()
        done.append((name, tuple(without)))

    monkeypatch.setattr(batch, "_execute", execute)
    return done


def nothing_is_made(workspace: Workspace) -> bool:
    return [file.name for file in workspace.root.iterdir()] == [".batch.lock"]


UNREADABLE = {
    "the end of the last file": (b"fine\n\n" * 9 + "微调".encode("gb18030"), "is not utf-8: line"),
    "an archive that broke off": (b"\x1f\x8b\x08\0\0\0", "damaged|ends"),
    "another kind of file": (b"%PDF-1.7\n", "is no plain text"),
    "a table without the column": (b"id,words\n1,a\n2,b\n", "has no column 'text'"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_an_unreadable_text_stops_the_batch_before_anything_is_made(
    case: str, workspace: Workspace, tmp_path: Path, executed: list
) -> None:
    content, said = UNREADABLE[case]
    texts = tmp_path / "own 文"
    texts.mkdir()
    (texts / "a.txt").write_bytes(GOOD)
    ending = {"an": ".txt.gz", "a": ".csv"}.get(case.split()[0], ".txt")
    (texts / f"z{ending}").write_bytes(content)
    with pytest.raises((CourseError, DamagedFile), match=said):
        batch.run(workspace, [("txt_files", str(texts))])
    assert nothing_is_made(workspace) and not executed


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"txt_files": "not there"}, "There is no file or folder not there"),
        ({"txt_files": "['texts', 'not there']"}, "There is no file or folder not there"),
        ({"txt_files": "one.txt"}, "too few for 3 splits"),
        ({"txt_files": "good.txt", "text_field": "body"}, "holds for none of the files"),
        ({"source": "nowhere/model.pt"}, "There is no base model"),
        ({"source": "good.txt", "dict_file": "good.txt"}, "no checkpoint that can be read"),
        ({"packages": "no_such_package"}, "There is no installed package"),
        ({"roberta_checkpoint_path": "nowhere"}, "There is no model.pt in"),
        ({"roberta_checkpoint_path": "good.txt"}, "no checkpoint that can be read safely"),
        ({"pytorch_dump_folder_path": "good.txt/hf"}, "cannot be written"),
        ({"start": "continue"}, "keep_optimizer is False"),
    ],
)
def test_a_parameter_that_leads_nowhere_stops_it_too(
    given: dict, said: str, workspace: Workspace, tmp_path: Path, monkeypatch, executed: list
) -> None:
    (tmp_path / "good.txt").write_bytes(GOOD)
    (tmp_path / "one.txt").write_bytes(b"one\n\n")
    monkeypatch.chdir(tmp_path)
    given = {n: str(tmp_path / v) if "good.txt/" in v else v for n, v in given.items()}
    with pytest.raises(CourseError, match=said):
        batch.run(workspace, list(given.items()))
    assert nothing_is_made(workspace) and not executed


def test_texts_that_were_split_before_are_not_read_again(
    workspace: Workspace, put, monkeypatch, executed: list
) -> None:
    file = put("own.txt", GOOD)
    do(workspace, "split", txt_files=[str(file)])
    read, hash_all = [], Splitter.hash_all
    monkeypatch.setattr(Splitter, "hash_all", lambda *given: read.append(1) or hash_all(*given))
    assert batch.run(workspace, [("txt_files", str(file))], only=["split"]) == 0
    assert not read
    file.write_bytes(GOOD + b"\nfive\n")
    assert batch.run(workspace, [("txt_files", str(file))], only=["split"]) == 0
    assert read


@pytest.mark.parametrize(
    ("names", "is_read"),
    [
        (["texts"], True),
        (["."], True),
        (["texts/sklearn.base.txt"], True),
        (["texts/sklearn*"], True),
        (["*/sk*.txt"], True),
        (["**/*.txt"], True),
        (["mine", "texts"], True),
        (["mine"], False),
        (["texts2"], False),
        (["mine/*.txt"], False),
        (["*.txt"], False),
        (["mine/**/*.txt"], False),
        (["mine/texts"], False),
    ],
)
def test_the_sample_is_made_where_the_texts_that_are_named_hold_it(
    names: list, is_read: bool, workspace: Workspace, executed: list, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where a name of the shell leads nowhere
    for file in ("mine/a.txt", "mine/texts/b.txt", "texts2/a.txt", "c.txt"):
        (workspace.root / file).parent.mkdir(parents=True, exist_ok=True)
        (workspace.root / file).write_bytes(GOOD)
    assert is_named(names, workspace) is is_read
    given = [("txt_files", str(names))]
    assert batch.run(workspace, given) == 0
    assert executed[0] == ("00_setup", () if is_read else ("sample",))
    assert executed[1] == ("01_split", ())


@pytest.fixture
def saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Save values in the cells of notebooks: ``saved("01_split", seed=3)``."""
    folder = shutil.copytree(PROJECT / "notebooks", tmp_path / "notebooks")
    monkeypatch.setattr(batch, "FOLDER", folder)

    def save(name: str, **values: object) -> None:
        file = folder / f"{name}.ipynb"
        file.write_text(prepared(file, folder, values), "utf-8")

    return save


def test_what_was_saved_in_the_cells_is_looked_at_too(
    workspace: Workspace, put, saved: Callable[..., None], executed: list
) -> None:
    saved("01_split", txt_files=[str(put("own.txt", GOOD))])
    assert batch.run(workspace) == 0
    assert executed[0] == ("00_setup", ("sample",))
    executed.clear()
    saved("04_finetune", lr=7)
    with pytest.raises(CourseError, match="lr = 7 is not possible"):
        batch.run(workspace)
    assert batch.run(workspace, [("lr", "1e-4")]) == 0
    executed.clear()
    saved("01_split", txt_files=["nowhere"])
    with pytest.raises(CourseError, match="no file or folder nowhere"):
        batch.run(workspace, [("lr", "1e-4")])
    assert not executed


@pytest.mark.parametrize(
    "line", ["%load_ext autoreload", "lr = = 1", "lr = " + "-" * 99_999 + "1"], ids=lambda s: s[:8]
)
def test_a_cell_that_is_no_python_is_named_before_anything_is_made(
    line: str, workspace: Workspace, saved: Callable[..., None], executed: list
) -> None:
    saved("04_finetune", lr=1e-4)
    file = batch.FOLDER / "04_finetune.ipynb"
    notebook = nbformat.read(file, as_version=4)
    cell = next(c for c in notebook.cells if "parameters" in c.metadata.get("tags", ()))
    cell.source += f"\n{line}"
    nbformat.write(notebook, file)
    with pytest.raises(CourseError, match="cell parameters of 04_finetune is no Python") as refused:
        batch.run(workspace)
    assert len(str(refused.value)) < 300
    assert not workspace.root.exists() and not executed


def test_what_is_no_plain_value_in_a_cell_is_left_to_the_notebook() -> None:
    lines = ("a = {[]: 1}", "b = 1 + x", "c = f()", "d = 2", "b.c = 3")
    assert values_in("\n".join(lines), "01_split") == {"d": 2}


def test_the_saved_source_of_a_base_replaces_it_only_where_it_is_another(
    workspace: Workspace, saved: Callable[..., None], executed: list, monkeypatch
) -> None:
    monkeypatch.setattr(batch, "check", lambda *_: None)  # there are no such models
    workspace.root.mkdir()
    record = workspace.record
    record.stages["base"] = Entry(settings={"source": "./mine.pt"})
    record.save()
    saved("00_setup", source="./mine.pt")
    assert batch.run(workspace) == 0 and executed
    saved("00_setup", source="./Bob's.pt")
    with pytest.raises(CourseError, match=r"made from ./mine\.pt") as refused:
        batch.run(workspace)
    sources = re.findall(r"-p source (.+?)(?:, or|\.$)", refused.value.hint)
    assert [*map(shlex.split, sources)] == [["./mine.pt"], ["./Bob's.pt"]]
    assert batch.run(workspace, [("source", "./Bob's.pt")]) == 0


def test_the_sample_is_made_where_it_is_asked_for(workspace: Workspace, put, executed) -> None:
    own = ("txt_files", str(put("own.txt", GOOD)))
    batch.run(workspace, [own, ("packages", "hydra")])
    batch.run(workspace, [own], only=["setup"])
    assert [without for name, without in executed if name == "00_setup"] == [(), ()]


def test_no_sample_is_made_beside_splits_of_ones_own(workspace: Workspace, executed: list) -> None:
    for split in ("train", "valid", "test"):
        workspace.raw(split).parent.mkdir(parents=True, exist_ok=True)
        workspace.raw(split).write_bytes(GOOD)
    batch.run(workspace)
    batch.run(workspace, force=True)
    assert [w for name, w in executed if name == "00_setup"] == [("sample",), ()]


def test_the_notebook_by_hand_makes_the_sample_and_the_batch_leaves_its_cells_out() -> None:
    cells = nbformat.read(PROJECT / "notebooks" / "00_setup.ipynb", as_version=4).cells
    tagged = "".join(c.source for c in cells if "sample" in c.metadata.get("tags", ()))
    rest = "".join(c.source for c in cells if "sample" not in c.metadata.get("tags", ()))
    assert 'ROAD.run("sample"' in tagged and "work.texts" in tagged
    assert 'ROAD.run("base"' in rest
    assert not {"sample_panel", "work.texts", "texts["} & {*rest.split()}
