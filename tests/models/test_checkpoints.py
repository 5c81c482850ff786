"""Reading checkpoints without running their code, and what they say of themselves."""

import functools
import math
import pickle
from pathlib import Path

import pytest
import torch

from helpers.common.errors import CourseError
from helpers.models import checkpoints, shapes, summaries, tensor_names
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace
from tests.support import checkpoint_makers as make
from tests.support.hostile import CreatesAFile


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "plain pickle"])
def test_a_hostile_checkpoint_runs_nothing_and_is_refused(tmp_path: Path, zipped: bool) -> None:
    trap, file = tmp_path / "it ran", tmp_path / "model.pt"
    content = {"model": {}, "cfg": {}, "extra_state": CreatesAFile(trap)}
    torch.save(content, file, _use_new_zipfile_serialization=zipped)
    with pytest.raises(CourseError, match=r"cannot be read safely|can be read safely") as error:
        checkpoints.read(file)
    assert not trap.exists()
    assert "system" in str(error.value)
    pickle.loads(pickle.dumps(content))  # the trap itself works
    assert trap.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no checkpoint that can be read safely"),
        (b"This is a text.\n", "no checkpoint that can be read safely"),
        ({"weights": torch.zeros(2)}, "has no 'model'"),
        (torch.zeros(3), "has no 'model'"),
        ({"model": {"a": torch.zeros(2)}}, "neither 'cfg' nor 'args'"),
        (
            {"model": {"a": torch.zeros(2)}, "cfg": {"model": {"_name": "bart"}}},
            "a fairseq checkpoint of 'bart'",
        ),
    ],
    ids=["empty", "text", "other dict", "tensor", "no cfg", "another model"],
)
def test_what_is_no_roberta_is_refused(tmp_path: Path, content: object, message: str) -> None:
    file = tmp_path / "model.pt"
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        torch.save(content, file)
    with pytest.raises(CourseError, match=message) as error:
        checkpoints.read(file)
    assert str(file) in str(error.value)
    assert error.value.hint


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CourseError, match="There is no file"):
        checkpoints.read(tmp_path / "nowhere.pt")


def test_a_file_broken_off_is_refused(course: Workspace, tmp_path: Path) -> None:
    whole = course.base_model.read_bytes()
    for part in (100, len(whole) // 2, len(whole) - 1):
        (tmp_path / "half.pt").write_bytes(whole[:part])
        assert summaries.summary(tmp_path / "half.pt") is None


def test_a_summary_tells_updates_and_loss(course: Workspace, training: FinetuneSettings) -> None:
    best = summaries.summary(course.checkpoints / "checkpoint_best.pt")
    state = torch.load(course.checkpoints / "checkpoint_best.pt", weights_only=True)
    assert best.updates == training.max_update
    assert best.loss == state["extra_state"]["val_loss"]
    assert 1 < best.loss < 5  # bits


def test_the_best_has_the_lowest_loss_and_unknown_losses_come_last() -> None:
    def one(name: str, loss: float) -> summaries.Summary:
        return summaries.Summary(Path(name), 1, loss, "")

    found = [one("a.pt", math.nan), one("checkpoint_last.pt", 2.0), one("checkpoint_best.pt", 2.0)]
    assert summaries.best(found).file.name == "checkpoint_best.pt"
    assert summaries.best(found[:1]).file.name == "a.pt"
    assert summaries.best([]) is None


def test_every_tensor_gets_hugging_faces_name(course: Workspace) -> None:
    from transformers import RobertaConfig, RobertaForMaskedLM

    state = checkpoints.read(course.base_model)
    config = RobertaConfig(num_hidden_layers=4, hidden_size=8, num_attention_heads=1)
    known = set(RobertaForMaskedLM(config).state_dict())
    renamed = set(tensor_names.to_huggingface(state))
    assert known - renamed == {"roberta.embeddings.token_type_embeddings.weight"}
    assert renamed - known == set()


def test_a_tensor_that_roberta_does_not_have_is_refused() -> None:
    name = "encoder.sentence_encoder.layers.0.adapter.weight"
    with pytest.raises(CourseError, match=r"adapter\.weight"):
        tensor_names.renamed([name], "huggingface")


def test_a_base_keeps_no_optimizer_state_and_no_path_of_this_machine(course: Workspace) -> None:
    trained = checkpoints.read(course.checkpoints / "checkpoint_best.pt")
    there = str(Path(trained["cfg"]["task"]["data"]).parents[1])  # where the course was made
    assert there in everything_but_the_weights(trained)
    base = checkpoints.for_a_base(trained)
    assert base["last_optimizer_state"] is None
    assert there not in everything_but_the_weights(base)
    assert base["model"].keys() == trained["model"].keys()


HUGE = 10**5000  # Python shows no number of so many digits
NAME = f"{make.ENCODER}.layers.0.fc1.bias"


def without_end() -> list:
    found: list = []
    found.append(found)
    return found


def nested(depth: int) -> dict:
    return functools.reduce(lambda inner, _: {"a": inner}, range(depth), {})


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("cfg.model.dropout", nested(3000)),
        ("cfg.model.activation_fn", without_end()),
        ("cfg.foreign", nested(3000)),
        ("model", {NAME: without_end()}),
        ("last_optimizer_state", {"state": without_end()}),
        ("cfg.model.dropout", HUGE),
        ("cfg.model.encoder_attention_heads", HUGE),
        ("cfg.model.encoder_layers_to_keep", [HUGE]),
        ("cfg.model.encoder_layers_to_keep", "9" * 5000),
        ("optimizer_history", [{"num_updates": HUGE}]),
        ("extra_state", {"val_loss": HUGE}),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 50 else "",
)
def test_what_is_nested_without_end_or_of_thousands_of_digits_is_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, value: object
) -> None:
    state = part = make.current(make.tensors())
    *above, name = where.split(".")
    for key in above:
        part = part[key]
    part[name] = value
    monkeypatch.setattr(checkpoints, "read_safely", lambda file: state)
    try:
        checkpoints.for_a_base(checkpoints.read(tmp_path), keep_optimizer="optimizer" in where)
    except CourseError as error:
        assert "damaged" in error.message or "no list of them" in error.message
        assert len(str(error)) < 400
    else:
        assert where == "extra_state"
        assert math.isnan(summaries.summary(tmp_path).loss)


def test_names_with_braces_are_names() -> None:
    name = f"{make.ENCODER}.layers.7.fc1.{{x}}"
    new = "roberta.encoder.layer.7.intermediate.dense.{x}"
    assert tensor_names.renamed([name], "huggingface") == {name: new}


def test_only_what_is_one_tensor_stays_one() -> None:
    square, table = torch.arange(9.0).reshape(3, 3), torch.arange(16.0).reshape(16, 1)
    given = {"a": square, "b": square.T, "c": square, "d": square.view(torch.int32)}
    single = checkpoints.single_precision(given)
    assert all(torch.equal(single[name], tensor.float()) for name, tensor in given.items())
    assert single["a"] is single["c"]
    names = (tensor_names.TOKENS, tensor_names.HEAD_WEIGHT, f"{tensor_names.HEAD}bias")
    tensors = dict(zip(names, (table, table, table[:, 0]), strict=True))
    cut = shapes.without_padding({"model": tensors}, 15)[0]["model"]
    assert all(torch.equal(cut[name], tensor[:15]) for name, tensor in tensors.items())
    assert cut[names[0]] is cut[names[1]]


def everything_but_the_weights(state: dict) -> str:
    return str({key: value for key, value in state.items() if key != "model"})
