"""The recipe of the course's base, in small: text, two phases of training, packing, the card."""

import re
import shutil
from pathlib import Path

import pytest
import torch

from helpers.base import course_base, general_text, pretraining
from helpers.base import make_course_base as recipe
from helpers.ids.dictionary import Dictionary
from helpers.models import checkpoints, shapes
from helpers.training.log.events import events
from tests.support.road import with_updates

DOCUMENTS = [f"Document {i} tells of {i} apples.\nIts second line is short." for i in range(400)]
LONG = "A very long line. " * 300


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a whole run of six updates, packed into ``packed/`` beside its data."""
    folder = tmp_path_factory.mktemp("base model 模型")
    packed = folder / "packed"
    packed.mkdir()
    shutil.copy(recipe.FOLDER / "card.md", packed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(general_text, "training_documents", lambda: [*DOCUMENTS, LONG])
        patch.setattr(general_text, "validation_documents", lambda: ["A held-out text.", LONG])
        patch.setattr(pretraining, "CONFIG", with_updates(6, folder, "course"))
        patch.setattr(recipe, "SHORT_UNTIL", 3)
        patch.setattr(recipe, "FOLDER", packed)
        patch.setattr(recipe, "CARD", packed / "README.md")
        for module in (course_base, recipe):
            patch.setattr(module, "MODEL", packed / "model.safetensors")
        patch.setattr(course_base, "DICTIONARY", packed / "dict.txt.xz")
        recipe.make(folder)
    return folder


def test_both_phases_were_trained_one_after_the_other(made: Path) -> None:
    log = (made / "train.log").read_text("utf-8")
    assert log.count("'tokens_per_sample': 128") == log.count("'tokens_per_sample': 512") > 0
    loaded = re.findall(r"Loaded checkpoint (.*) \(epoch \d+ @ (\d+) updates\)", log)
    assert loaded == [(str(made / "checkpoints" / "checkpoint_last.pt"), "3")]
    assert checkpoints.updates(checkpoints.read(made / "checkpoints" / "checkpoint_last.pt")) == 6
    assert "'lr': [0.002]" in log, "the first phase has the rate of the configuration"
    again = 0.002 * (6 - 1) / (6 - 3)  # so that it stands at 0.002 when three updates are done
    assert f"'lr': [{again}]" in log
    valid = [event for event in events(made / "train.log") if event.kind == "valid"]
    updates = [event.update for event in valid]
    assert updates[-1] == 6 and min(updates) > 3, "short samples are not validated"


def test_a_finished_training_is_not_begun_again(made: Path, monkeypatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("nothing was left to train")

    monkeypatch.setattr(pretraining, "train", refuse)
    monkeypatch.setattr(pretraining, "CONFIG", made / "config")
    assert checkpoints.updates(pretraining.pretrain("course", made, short_until=3)) == 6


def test_what_is_packed_is_the_trained_model_in_half_precision(made: Path, monkeypatch) -> None:
    monkeypatch.setattr(course_base, "MODEL", made / "packed" / "model.safetensors")
    monkeypatch.setattr(course_base, "DICTIONARY", made / "packed" / "dict.txt.xz")
    trained = checkpoints.read(made / "checkpoints" / "checkpoint_last.pt")
    state, dictionary = course_base.unpack()
    assert state["model"].keys() == trained["model"].keys()
    for name, tensor in trained["model"].items():
        assert torch.equal(state["model"][name], tensor.half().float()), name
    assert shapes.shape(state) == shapes.shape(trained)
    assert checkpoints.updates(state) == 6
    assert state["extra_state"]["val_loss"] == trained["extra_state"]["val_loss"]
    assert dictionary == Dictionary.load(made / "data" / "dict.txt")


def test_the_card_has_the_numbers_of_the_training(made: Path) -> None:
    card = (made / "packed" / "README.md").read_text("utf-8")
    loss = checkpoints.read(made / "checkpoints" / "checkpoint_last.pt")["extra_state"]["val_loss"]
    assert f"**{loss:.2f} bits**" in card
    assert "6 updates" in card
    assert "{" not in card


def test_long_lines_are_wrapped_for_the_model(made: Path) -> None:
    lines = (made / "data" / "train.raw").read_text("utf-8").split("\n")
    assert LONG.strip() not in lines
    assert "".join(lines).count("A very long line.") == 300
