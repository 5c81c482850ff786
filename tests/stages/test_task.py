"""A small task on real models: their vectors, one's own texts, and where there is no task."""

import hashlib
import json
import shutil
from pathlib import Path
from random import Random

import numpy as np
import pytest

from helpers.common.errors import CourseError, StageStale
from helpers.evaluation.classifying import DRAWS
from helpers.evaluation.figures import by_labels, confusions
from helpers.evaluation.vectors import as_read, vectors
from helpers.stages import task as stage
from helpers.stages.both_models import read_both
from helpers.stages.road import ROAD
from helpers.workflow.settings import SplitSettings, TaskSettings
from helpers.workflow.workspace import Workspace

TOPICS = {
    "天气": ("今天", "明天", "下雨", "下雪", "多云", "有风", "很冷", "北方", "南方", "山里"),
    "software": ("function", "array", "returns", "module", "value", "name", "of", "the", "list"),
}


def write_texts(folder: Path, number: int = 30) -> Path:
    """A folder for each class; its texts are told apart by their letters."""
    for name, words in TOPICS.items():
        (folder / name).mkdir(parents=True)
        for i in range(number):
            chosen = [*Random(i).choices(words, k=20)]
            text = f"{' '.join(chosen)}\nThis is the second line.\n"
            (folder / name / f"{i}.txt").write_text(text, "utf-8")
    return folder


def split_anew(work: Workspace, texts: Path, **settings: object) -> None:
    """The texts are split, and the models were not made from them."""
    work.record_file.unlink()
    for split in ("train", "valid", "test"):
        work.raw(split).unlink()
    ROAD.run("split", work, SplitSettings(txt_files=(str(texts),), **settings))


def test_the_course_has_a_task(course: Workspace) -> None:
    found = json.loads(course.task.read_text("utf-8"))
    report = ROAD.run("task", course, TaskSettings())
    assert report.reused and len(report.classes) == 12
    assert report.classes[0][0].startswith("sklearn.")
    judged = sum(number for _, _, number in report.classes)
    assert 150 < judged <= 308 and sum(map(sum, report.confusion["base"])) == DRAWS * judged
    best = [score for score in report.scores if score.labels == 800]
    assert [score.model for score in best] == ["base", "fine-tuned"]
    assert all(score.accuracy.value > report.most_frequent + 0.1 for score in best)
    assert found["scores"][-1]["accuracy"] == pytest.approx([*best[-1].accuracy])
    said = [note for note in report.verdict if note.startswith("With all labels")]
    assert len(said) == 1 and ("not clearly" in said[0]) != best[-1].gain.is_clear
    assert "800" in str(report) and "sklearn.utils" in report._repr_html_()
    assert by_labels(report.curves(), report.most_frequent)._repr_png_()
    names = [name for name, _, _ in report.classes]
    assert confusions(names, report.confusion).alternative == "base; fine-tuned"


@pytest.mark.parametrize("labels", [("mine",), ()])
def test_texts_of_ones_own(copied: Workspace, labels: tuple[str, ...]) -> None:
    """Named, or because they are what was split."""
    texts = write_texts(copied.root / "mine")
    if not labels:
        split_anew(copied, texts, unit="file", train=0.4, valid=0.1, test=0.5)
    report = ROAD.run("task", copied, TaskSettings(labels=labels))
    assert [name for name, _, _ in report.classes] == ["software", "天气"]
    right = {score.model: score.accuracy.value for score in report.scores if score.labels == 48}
    assert right["base"] > 0.9  # letters alone tell them apart
    told = json.loads(copied.task.read_text("utf-8"))["of"]["files"]
    file = texts / "天气" / "0.txt"
    assert told[copied.key(file)] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert ROAD.run("task", copied, TaskSettings(labels=labels)).reused
    file.write_text("Another text.", "utf-8")
    if labels:
        assert not ROAD.run("task", copied, TaskSettings(labels=labels)).reused
    else:
        with pytest.raises(StageStale):
            ROAD.run("task", copied, TaskSettings())


def test_how_texts_are_read_belongs_to_the_result(copied: Workspace) -> None:
    write_texts(copied.root / "mine")
    settings = TaskSettings(labels=("mine",))
    assert not ROAD.run("task", copied, settings).reused
    (copied.root / "other.txt").write_text("Another text.\nOf three lines.\nWhich are split.\n")
    split_anew(copied, copied.root / "other.txt", unit="line")
    lines = ROAD.run("task", copied, settings)
    assert not lines.reused and lines.classes[0][1] == 30
    assert "Left out: 1 text with two different classes." in lines.notes  # the second lines


def test_a_further_model_stands_in_the_same_table(copied: Workspace) -> None:
    write_texts(copied.root / "mine")
    shutil.copytree(copied.hf, copied.root / "theirs")
    settings = TaskSettings(labels=("mine",), models=("theirs",))
    report = ROAD.run("task", copied, settings)
    tuned = [score for score in report.scores if score.model == "fine-tuned"]
    same = [score for score in report.scores if score.model == "theirs"]
    assert [s.accuracy for s in same] == [s.accuracy for s in tuned] and len(same) == 2
    assert {*report.confusion} == {"base", "fine-tuned"}


def test_without_classes_that_is_said_and_nothing_fails(copied: Workspace) -> None:
    """The small texts are one file, and the course goes on."""
    (copied.root / "one.txt").write_text("a\n\nb\n\nc\n")
    split_anew(copied, copied.root / "one.txt")
    report = ROAD.run("task", copied, TaskSettings())
    assert report.scores == () and report.classes == () and report.confusion == {}
    assert any("of one class, one." in note for note in report.notes)
    assert by_labels(report.curves(), report.most_frequent)._repr_png_()
    assert confusions([], report.confusion)._repr_png_()
    (copied.root / "one.txt").unlink()
    report = ROAD.run("task", copied, TaskSettings())
    assert "No classes were looked for" in str(report) and "There is no file" in str(report)


def test_large_corpora_are_not_searched_without_being_asked_to(
    copied: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    split_anew(copied, write_texts(copied.root / "mine"))
    monkeypatch.setattr(stage, "MOST", 100)
    assert "MB long" in str(ROAD.run("task", copied, TaskSettings()))
    assert ROAD.run("task", copied, TaskSettings(labels=("mine",))).scores


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("nowhere", None, "There is no file or folder nowhere"),
        ("a.jsonl", '{"text": "a"}\n', "there is no field 'label'"),
        ("a.csv", "text,label\n1,2,3\n", "no row of the table"),
        ("a.txt", "\xff\xfa abc", "a.txt is not utf-8"),
    ],
)
def test_what_a_person_has_named_must_be_readable(
    copied: Workspace, name: str, text: str | None, said: str
) -> None:
    if text is not None:
        (copied.root / name).write_text(text, "latin-1")
    (copied.root / "b.txt").write_text("b")
    with pytest.raises(CourseError) as refused:
        ROAD.run("task", copied, TaskSettings(labels=(name, "b.txt")))
    assert said in str(refused.value)
    assert not (copied.root / "task.json").exists() or "small" not in str(copied.root)


def test_vectors_are_those_of_hugging_face(copied: Workspace) -> None:
    import torch
    from transformers import AutoModel

    both = read_both(copied)
    texts = ["今天天气很好。\nA second line, with   spaces. 🙂", "x", "long " * 700, ""]
    read = [as_read(text, both.dictionary, both.size) for text in texts]
    assert [is_whole for _, is_whole in read] == [True, True, False, True]
    assert len(read[2][0]) == both.size
    samples = [sample for sample, _ in read]
    found = vectors(both.models["fine-tuned"], samples, "it")
    model = AutoModel.from_pretrained(copied.hf, add_pooling_layer=False).eval()
    for vector, sample in zip(found, samples, strict=True):
        with torch.inference_mode():
            states = model(torch.tensor([sample.tolist()])).last_hidden_state
        assert np.abs(states[0].mean(0).numpy() - vector).max() < 1e-4


def test_numbers_that_are_none_are_refused(copied: Workspace) -> None:
    import torch

    both = read_both(copied)
    model = both.models["base"]
    with torch.no_grad():
        model.roberta.encoder.layer[0].output.dense.bias[0] = float("nan")
    sample, _ = as_read("text", both.dictionary, both.size)
    with pytest.raises(CourseError, match="What base says of a text is no number"):
        vectors(model, [sample], "base")


def test_a_split_that_was_made_by_hand_is_read_as_the_course_does(copied: Workspace) -> None:
    (copied.root / "workspace.json").unlink()
    texts = write_texts(copied.root / "mine")
    assert stage._read_as(copied) == SplitSettings()
    assert ROAD.run("task", copied, TaskSettings(labels=(str(texts),))).scores
