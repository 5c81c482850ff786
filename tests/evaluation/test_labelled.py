"""Texts with a class each: where the class is told, and which texts no model has seen."""

import csv
import gzip
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as some

from helpers.common.errors import CourseError
from helpers.evaluation.labelled import FOLDS, MOST_CLASSES, Task, _some, task_of
from helpers.stages.road import ROAD
from helpers.workflow.settings import SplitSettings, TaskSettings
from helpers.workflow.workspace import Workspace

CLASSES = ("好评", "bad ones")
Row = tuple[str | None, object]  # a text and its class


def texts_of(name: str, number: int = 8) -> list[str]:
    return [f"{name} 第 {i} 篇\nIts second line. 🙂" for i in range(number)]


ROWS = [(text, name) for name in CLASSES for text in texts_of(name)]


def put(file: Path, data: bytes) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return file


def jsonl(rows: Sequence[Row]) -> bytes:
    return "".join(json.dumps({"text": t, "stars": c}) + "\n" for t, c in rows).encode()


def array(rows: Sequence[Row]) -> bytes:
    return json.dumps([{"stars": c, "text": t} for t, c in rows], indent=1).encode()


def table(rows: Sequence[Row]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerows([("id", "stars", "text"), *((1, c, t) for t, c in rows)])
    return ("\ufeff" + out.getvalue()).encode()


def parquet(rows: Sequence[Row]) -> bytes:
    out = io.BytesIO()
    texts, classes = zip(*rows, strict=True)
    columns = {"stars": pa.array([*classes]).dictionary_encode(), "text": pa.array([*texts])}
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


WRITERS = {"a.jsonl": jsonl, "a.json": array, "a.csv": table, "a.parquet": parquet}
WRITERS["a.jsonl.gz"] = lambda rows: gzip.compress(jsonl(rows))


def found(
    files: Sequence[Path], trained_on: Sequence[Path] = (), unit: str = "blank-line", **settings
) -> Task:
    folder = Path(os.path.commonpath([file.parent for file in files]))
    return task_of(files, folder, SplitSettings(unit=unit), TaskSettings(**settings), trained_on)


def pairs(task: Task) -> set[tuple[str, str]]:
    return {(t, task.classes[c]) for t, c in zip(task.texts, task.labels, strict=True)}


def test_a_folder_for_each_class(tmp_path: Path) -> None:
    files = [
        put(tmp_path / name / "deep" / f"{part}.txt", "\r\n\r\n\u3000\r\n".join(some).encode())
        for name in CLASSES
        for part, some in enumerate((texts_of(name)[:3], texts_of(name)[3:]))
    ]
    task = found(files)
    assert pairs(task) == set(ROWS) and task.is_new.all()
    [note] = task.notes
    assert "Judged are 16 of 16 texts" in note
    assert [*task.counts()] == [("bad ones", 8, 8), ("好评", 8, 8)]
    again = found(files[::-1])
    assert again.texts == task.texts and (again.labels == task.labels).all()
    assert found(files, seed=2).texts != task.texts


def test_a_file_for_each_class_and_modules_of_a_package_together(tmp_path: Path) -> None:
    names = {"p.tree._a.txt": "p.tree", "p.tree.txt": "p.tree", "p.cluster.txt": "p.cluster"}
    files = [put(tmp_path / file, "\n\n".join(texts_of(file)).encode()) for file in names]
    assert pairs(found(files)) == {(t, c) for file, c in names.items() for t in texts_of(file)}


@pytest.mark.parametrize("name", WRITERS)
def test_a_field_of_records_holds_the_class(tmp_path: Path, name: str) -> None:
    rows = [(t, str(c)) for t, c in ROWS]
    rows[3:3] = [(None, CLASSES[0]), ("", CLASSES[0]), ("no class\nis here", None)]
    if name.endswith("csv"):  # which has no null
        rows = [("" if t is None else t, "" if c is None else c) for t, c in rows]
    task = found([put(tmp_path / name, WRITERS[name](rows))], label_field="stars")
    assert pairs(task) == set(ROWS)
    assert "Left out: 1 text without a class." in task.notes
    assert any("without text" in note for note in task.notes)


@pytest.mark.parametrize("name", WRITERS)
def test_a_class_may_be_a_number(tmp_path: Path, name: str) -> None:
    rows = [(f"{t} {c}", c) for c in (1, 5) for t in texts_of("x")]
    more = [(f"{t} {c}", float(c)) for c in (1, 5) for t in texts_of("y")]
    files = [put(tmp_path / name, WRITERS[name](rows)), put(tmp_path / "z.json", array(more))]
    task = found(files, label_field="stars")
    assert pairs(task) == {(t, str(int(c))) for t, c in rows + more}


@pytest.mark.parametrize("name", WRITERS)
def test_a_class_is_the_same_however_it_is_written(tmp_path: Path, name: str) -> None:
    classes = ["caf\u00e9", "cafe\u0301", " caf\u00e9\u200b", "\ufeffcafé\u3000"]
    rows = [(f"{i} {t}", classes[i % 4]) for i, t in enumerate(texts_of("x", 20))]
    rows += [(t, "tea") for t in texts_of("y")]
    task = found([put(tmp_path / name, WRITERS[name](rows))], label_field="stars")
    assert task.classes == ("café", "tea")


def test_parquet_has_classes_of_many_kinds(tmp_path: Path) -> None:
    kinds = {"bytes": [b"a", b"b"], "yes": [True, False], "half": [np.float32(0.1), 2.5]}
    for kind, values in kinds.items():
        column = pa.array([values[i % 2] for i in range(40)])
        texts = pa.array(texts_of("x", 40))
        pq.write_table(pa.table({"label": column, "text": texts}), tmp_path / f"{kind}.parquet")
    seen = [found([tmp_path / f"{kind}.parquet"]).classes for kind in kinds]
    assert seen == [("a", "b"), ("False", "True"), ("0.1", "2.5")]
    times = pa.array([i + 1 for i in range(40)], pa.timestamp("ns"))
    pq.write_table(pa.table({"label": times, "text": texts}), tmp_path / "times.parquet")
    with pytest.raises(CourseError, match=r"timestamp\[ns\], no class"):
        found([tmp_path / "times.parquet"])


def test_what_is_no_character_in_a_class_is_spelled(tmp_path: Path) -> None:
    rows = [(f"{i} {t}", "\ud800" if i % 2 else "b") for i, t in enumerate(texts_of("x", 20))]
    task = found([put(tmp_path / "a.jsonl", jsonl(rows))], label_field="stars")
    assert len(task.classes) == 2 and all(name.encode() for name in task.classes)


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("field", ["nothing", "text"])
def test_a_field_that_is_no_class_is_refused(tmp_path: Path, name: str, field: str) -> None:
    file = put(tmp_path / name, WRITERS[name](ROWS))
    with pytest.raises(CourseError) as refused:
        found([file], label_field=field)
    assert repr(field) in str(refused.value) and "label_field" in str(refused.value)


def test_a_list_is_no_class(tmp_path: Path) -> None:
    file = put(tmp_path / "a.jsonl", jsonl([(text, [label]) for text, label in ROWS]))
    with pytest.raises(CourseError, match="line 1, 'stars' is a list, no class"):
        found([file], label_field="stars")


def test_without_a_field_records_take_the_name_of_their_folder(tmp_path: Path) -> None:
    files = [
        put(tmp_path / name / "a.jsonl", jsonl([(t, "unused") for t in texts_of(name)]))
        for name in CLASSES
    ]
    assert pairs(found(files, label_field="")) == set(ROWS)


def test_a_text_is_there_once_and_with_one_class(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    rows = [*ROWS, ROWS[0], ROWS[0], (ROWS[1][0], "another")]
    task = found([put(file, jsonl(rows))], label_field="stars")
    assert pairs(task) == {*ROWS} - {ROWS[1]}
    assert "Left out: 3 texts that occurred before." in task.notes
    assert "Left out: 1 text with two different classes." in task.notes


def test_small_classes_and_more_than_a_table_holds_are_left_out(tmp_path: Path) -> None:
    sizes = {f"class {i:02}": FOLDS + i for i in range(MOST_CLASSES + 3)} | {"tiny": FOLDS - 1}
    rows = [(f"{name} {i}", name) for name, size in sizes.items() for i in range(size)]
    task = found([put(tmp_path / "a.jsonl", jsonl(rows))], label_field="stars")
    assert len(task.classes) == MOST_CLASSES and task.classes[0] == f"class {MOST_CLASSES + 2}"
    left_out = sum(FOLDS + i for i in range(3)) + FOLDS - 1
    beyond = f"Left out: {left_out - FOLDS + 1} texts of 3 classes beyond the {MOST_CLASSES}"
    tiny = f"Left out: {FOLDS - 1} texts of 1 class with fewer than {FOLDS} texts each (tiny)."
    assert any(note.startswith(beyond) for note in task.notes) and tiny in task.notes
    assert len(task.texts) == len(rows) - left_out


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([(text, "one") for text, _ in ROWS], "no two classes"),
        ([(f"{i}", f"class {i}") for i in range(50)], "no two classes"),
        (ROWS[:1], "no two classes"),
    ],
)
def test_without_two_classes_there_is_no_task(tmp_path: Path, rows: list, said: str) -> None:
    task = found([put(tmp_path / "a.jsonl", jsonl(rows))], label_field="stars")
    assert not task.texts and said in task.notes[0] and "labels" in task.notes[0]


def test_one_text_file_is_no_task_and_is_not_read(tmp_path: Path) -> None:
    task = found([put(tmp_path / "novel.txt", b"\xff\xfe\x00")])
    assert not task.texts and "one class, novel." in task.notes[0]


def split_all(work: Workspace, texts: Path, **settings: object) -> list[Path]:
    ROAD.run("split", work, SplitSettings(txt_files=(str(texts),), **settings))
    return [work.raw("train"), work.raw("valid")]


@pytest.mark.parametrize("unit", ["blank-line", "line", "file"])
def test_only_what_is_in_test_is_new(workspace: Workspace, tmp_path: Path, unit: str) -> None:
    """Whatever parts documents, and though splitting wraps what is too long."""
    for name in CLASSES:
        for i in range(20):
            size = 700 if i % 3 == 0 else 9
            lines = [" ".join(f"{name}{i}w{j}w{k}" for k in range(size)) for j in range(3)]
            put(tmp_path / "t" / name / f"{i}.txt", "\n\n".join(lines).encode())
    trained = split_all(workspace, tmp_path / "t", unit=unit, train=0.5, valid=0.2, test=0.3)
    files = sorted((tmp_path / "t").rglob("*.txt"))
    task = found(files, trained, unit, max_documents=200)
    held_out = workspace.raw("test").read_text("utf-8")
    assert len(task.texts) == (40 if unit == "file" else 120)
    assert task.is_new.tolist() == [text in held_out for text in task.texts]
    other = []  # the same texts in other lines, as one document each
    for file in files:
        data = b"  " + file.read_bytes().replace(b" ", b"\r\n ")
        other.append(put(file.with_suffix(".TXT"), data))
    told = found(other, trained, "file", max_documents=200)
    seen = {word for file in trained for word in file.read_text("utf-8").split()} - {"bad"}
    parts = [len(seen.intersection(t.split())) / len({*t.split()} - {"bad"}) for t in told.texts]
    assert told.is_new.tolist() == [part < 0.8 for part in parts]
    assert 0 < task.is_new.sum() < len(task.texts)


def test_where_nothing_is_new_nothing_can_be_judged(workspace: Workspace, tmp_path: Path) -> None:
    file = put(tmp_path / "t" / "a.jsonl", jsonl(ROWS))
    trained = split_all(workspace, file, train=0.9, valid=0.1, test=0)
    task = found([file], trained, label_field="stars")
    assert not task.texts and "only 0 are new to the models" in task.notes[0]


@given(some.lists(some.booleans(), max_size=80), some.integers(20, 60))
def test_new_texts_are_taken_first_and_others_are_left_to_learn_from(is_new, most) -> None:
    kept = _some(np.array(is_new, dtype=bool), most)
    assert len(kept) == len({*kept.tolist()}) == min(most, len(is_new))
    new, taken = sum(is_new), int(np.array(is_new, dtype=bool)[kept].sum())
    assert taken == min(new, max(most // 2, most - (len(is_new) - new)))


def test_of_many_texts_some_are_taken_by_lot_and_that_is_said(tmp_path: Path) -> None:
    rows = [(f"{c} {i}", c) for c in CLASSES for i in range(50)]
    file = put(tmp_path / "a.jsonl", jsonl(rows))
    task = found([file], label_field="stars", max_documents=30)
    assert len(task.texts) == 30 and any("Of 100 documents 30" in note for note in task.notes)
    other = found([file], label_field="stars", max_documents=30, seed=2)
    assert {*other.texts} != {*task.texts}
