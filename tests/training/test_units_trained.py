"""Training that hides whole units, by the real fairseq: begun, resumed, converted, opened."""

import re
import shutil
import sys
from pathlib import Path

import pytest

from helpers.common.errors import CourseError
from helpers.models import checkpoints
from helpers.models.summaries import summary
from helpers.stages.road import ROAD
from helpers.training.command import PLUGIN, finetune_command, overrides
from helpers.training.plan.planning import plan_training
from helpers.training.runs.folders import BEST, LAST
from helpers.workflow.settings import ConvertSettings, EvaluateSettings
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace
from tests.support.awkward import CHINESE
from tests.support.commands import interrupted
from tests.support.road import do

SHORTEST = FinetuneSettings(max_update=2, validate_every=2, max_tokens=512, mask_unit="word")


@pytest.fixture
def chinese(small: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the small road, with Chinese among its texts."""
    copied = Workspace(shutil.copytree(small.root, tmp_path / "O'Brien 的 copy"))
    lines = CHINESE.splitlines() * 40
    text = "\n\n".join(f"{line}{number}" for number, line in enumerate(lines))
    (copied.texts / "中文.txt").write_text(text, "utf-8")
    for name in ("split", "encode", "binarize"):
        do(copied, name)
    return copied


def opened_by_fairseq(file: Path, data: Path) -> tuple[str, str]:
    """The task of a checkpoint by its name, and what fairseq's own loader makes of it.

    Args:
        data: where its dictionary is; that with the general text is gone.
    """
    from fairseq import checkpoint_utils

    _, cfg, task = checkpoint_utils.load_model_ensemble_and_task([str(file)], {"data": str(data)})
    assert cfg.common.user_dir is None
    return cfg.task._name, type(task).__name__


def test_what_is_trained_with_units_is_a_model_like_any_other(
    chinese: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With general text in it, of whose words the plan could not tell."""
    general = tmp_path / "general.txt"
    general.write_text("ภาษาไทยไม่มีช่องว่าง\n", "utf-8")
    settings = SHORTEST.model_copy(update={"replay": 0.25, "replay_files": (str(general),)})
    assert [*plan_training(chinese, settings).data.scripts] == ["Han"]
    before = (chinese.checkpoints / BEST).read_bytes()
    with monkeypatch.context() as patch, pytest.raises(CourseError, match="segmenter"):
        patch.setitem(sys.modules, "rjieba", None)
        ROAD.run("finetune", chinese, settings)
    assert (chinese.checkpoints / BEST).read_bytes() == before and not chinese.training.exists()

    report = ROAD.run("finetune", chinese, settings)
    assert report.updates == 2
    assert re.search(r"The general text has .* [\d,]+ of Thai\. Each such", " ".join(report.notes))
    log = (chinese.checkpoints / "train.log").read_text("utf-8")
    assert "task: CourseMaskedLMTask" in log and "'mask_unit': word" in log
    for name in (BEST, LAST):
        assert checkpoints.read(chinese.checkpoints / name)["cfg"]["task"]["_name"] == "masked_lm"
    opened = opened_by_fairseq(chinese.checkpoints / BEST, chinese.data_bin)
    assert opened == ("masked_lm", "MaskedLMTask")
    assert ROAD.run("convert", chinese, ConvertSettings()).difference < 1e-4


@pytest.mark.long
@pytest.mark.parametrize("unit", ["character", "word"])
def test_an_interrupted_training_with_units_goes_on(chinese: Workspace, unit: str) -> None:
    settings = FinetuneSettings(max_update=8, validate_every=4, max_tokens=512, mask_unit=unit)
    interrupted(lambda: ROAD.run("finetune", chinese, settings))
    done = summary(chinese.training / LAST).updates
    assert 0 < done < 8
    report = ROAD.run("finetune", chinese, settings)
    assert report.updates == 8
    assert f"continued after update {done}" in " ".join(report.notes)
    ROAD.run("convert", chinese, ConvertSettings())
    ROAD.run("evaluate", chinese, EvaluateSettings())


@pytest.mark.long
def test_the_loss_tells_units_apart(chinese: Workspace) -> None:
    """The same updates on other masks: nothing of fairseq's own way is left."""
    losses = {
        unit: ROAD.run(
            "finetune", chinese, SHORTEST.model_copy(update={"mask_unit": unit})
        ).best_loss
        for unit in ("token", "character", "word")
    }
    assert len({*losses.values()}) == 3


def test_single_tokens_are_left_to_fairseq(small: Workspace) -> None:
    plain = FinetuneSettings(precision="fp32")
    mine = overrides(small, plain)
    assert not {"task._name", "+task.mask_unit", "+common.user_dir"} & {*mine}
    assert not [word for word in finetune_command(small, plain) if "user_dir" in word]


@pytest.mark.parametrize("unit", ["character", "word"])
def test_units_are_found_by_the_plug_in(small: Workspace, unit: str) -> None:
    command = finetune_command(small, FinetuneSettings(mask_unit=unit))
    assert {"task._name=masked_lm_course", f"+task.mask_unit={unit}"} <= {*command}
    assert PLUGIN.is_absolute() and (PLUGIN / "__init__.py").is_file()
    assert [word for word in command if word.startswith("+common.user_dir=")]
