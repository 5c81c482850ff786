"""The evaluator says how large the gain is without what the training text has nearly as well."""

from helpers.stages.road import ROAD
from helpers.workflow.settings import EvaluateSettings
from helpers.workflow.workspace import Workspace


def test_documents_that_the_training_text_has_nearly_are_told(copied: Workspace) -> None:
    numbers = [[n**power % 99_999_989 for power in range(5, 25)] for n in range(2, 11)]
    texts = [f"{' '.join(map(str, some))}\nand a second line, too\n" for some in numbers]
    settings = EvaluateSettings(max_lines=500)
    copied.raw("test").write_text("\n".join(texts))
    copied.raw("train").write_text("\n".join(text.replace(", too", "") for text in texts[:2]))
    (copied.root / "workspace.json").unlink()
    report = ROAD.run("evaluate", copied, settings)
    (note,) = (note for note in report.notes if "near-duplicate" in note)
    assert note.startswith("2 of the 9 documents of your text have a near-duplicate in train; bits")
    assert "over 7 documents: " in note
    copied.raw("train").write_text("Other text.\n")
    report = ROAD.run("evaluate", copied, settings)
    assert "None of the 9 documents of your text has a near-duplicate in train." in report.notes
    copied.raw("train").unlink()
    report = ROAD.run("evaluate", copied, settings)
    assert any("The training text is not there" in note for note in report.notes)
