"""One's own sentences are guessed in the panel, at once, as the evaluation will have it."""

import shutil

from helpers.panels.settings.previews import of_evaluate
from helpers.stages import both_models, evaluate
from helpers.stages.both_models import own_guesses
from helpers.stages.road import ROAD
from helpers.workflow.settings import EvaluateSettings
from helpers.workflow.workspace import Workspace
from tests.support.hands import move, panel_of

SENTENCES = ("Pears are <mask> than apples.", "今天<mask>很好 <script>.")


def test_the_guesses_are_those_of_the_evaluation_and_nothing_is_measured(
    copied: Workspace, monkeypatch
) -> None:
    panel = panel_of("evaluate", copied)
    assert "Your sentences" not in panel.preview.value
    with monkeypatch.context() as patch:
        patch.setattr(evaluate, "guessed", None)
        move(panel, "sentences", "\n".join(SENTENCES))
    assert "Your sentences before and after" in panel.preview.value
    assert "&lt;script&gt;" in panel.preview.value and "<script>" not in panel.preview.value
    rows = own_guesses(copied, SENTENCES)
    report = ROAD.run("evaluate", copied, EvaluateSettings(sentences=SENTENCES, max_lines=3))
    assert report.examples == rows and all(row[2] and row[3] for row in rows)


def test_the_models_are_read_once_until_one_of_them_is_another(small, tmp_path, monkeypatch):
    work, read = Workspace(shutil.copytree(small.root, tmp_path / "w")), []
    real = both_models.read_both
    monkeypatch.setattr(both_models, "read_both", lambda where: read.append(1) or real(where))
    for sentence in ("A <mask>.", "B <mask>.", "A <mask>."):
        of_evaluate(work, EvaluateSettings(sentences=sentence))
    assert read == [1]
    work.base_model.touch()
    of_evaluate(work, EvaluateSettings(sentences="A <mask>."))
    assert read == [1, 1]


def test_without_a_model_nothing_is_guessed_and_what_is_wrong_is_said(small, tmp_path):
    work = Workspace(shutil.copytree(small.root, tmp_path / "w"))
    panel = panel_of("evaluate", work, sentences="word " * 600 + "<mask>")
    assert "the models read at most" in panel.message.value
    move(panel, "sentences", "no mask")
    assert "has not one &lt;mask&gt;" in panel.notes["sentences"].value
    (work.hf / "config.json").unlink()
    assert "Your sentences" not in of_evaluate(work, EvaluateSettings(sentences="A <mask>."))
    assert own_guesses(work, ["A <mask>."]) == ()
