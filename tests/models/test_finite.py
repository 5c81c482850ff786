"""NaN and infinity in a model: whatever reads or writes one refuses them, and names the tensor."""

import math
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers.base import course_base, match
from helpers.common.errors import CourseError
from helpers.evaluation.guessing import guessed
from helpers.evaluation.texts import Hidden
from helpers.ids.dictionary import Dictionary
from helpers.models import checkpoints, summaries
from helpers.models.finite import refuse_not_finite
from helpers.models.hf import comparison
from helpers.models.hf.folder import model_of, write_folder
from helpers.models.hf.reading import read_folder
from helpers.stages import convert
from helpers.stages.road import ROAD
from helpers.workflow.settings import BaseSettings, ConvertSettings
from helpers.workflow.workspace import Workspace
from tests.support import checkpoint_makers as make
from tests.support import huggingface_makers, road

BIAS = f"{make.ENCODER}.layers.1.fc1.bias"


def spoiled(number: float, name: str = BIAS, dtype: torch.dtype = torch.float32) -> make.State:
    """A small model with one number that is none."""
    weights = {key: tensor.to(dtype) for key, tensor in make.tensors().items()}
    weights[name] = weights[name].clone()
    weights[name].view(-1)[-1] = number
    return make.current(weights)


@pytest.mark.parametrize(
    ("number", "dtype", "what"),
    [
        (math.nan, torch.float32, "NaN"),
        (math.inf, torch.float32, "infinite numbers"),
        (-math.inf, torch.float16, "infinite numbers"),
        (math.nan, torch.bfloat16, "NaN"),
        (math.inf, torch.float64, "infinite numbers"),
        (1e300, torch.float64, r"1e\+300, which is too large for single precision,"),
        (-1e39, torch.float64, r"-1e\+39, which is too large for single precision,"),
    ],
)
def test_a_checkpoint_is_refused_with_the_name_of_the_tensor(
    tmp_path: Path, number: float, dtype: torch.dtype, what: str
) -> None:
    file = make.put(spoiled(number, dtype=dtype), tmp_path / "mine")
    with pytest.raises(CourseError, match=f"{what} in the tensor {BIAS}") as caught:
        checkpoints.read(file)
    assert str(file) in caught.value.message
    assert ("diverged" in caught.value.hint) == ("too large" not in what)
    assert summaries.summary(file) is None


def of_kind(change: Callable[[torch.Tensor], torch.Tensor], name: str = BIAS) -> make.State:
    """A small model with a tensor of another kind."""
    weights = make.tensors()
    return make.current(weights | {name: change(weights[name])})


NO_TABLES = {
    "complex": (lambda t: torch.complex(t, t * math.nan), "complex numbers"),
    "sparse": (lambda t: t.to_sparse(), "a sparse or nested table"),
    "a shape": (lambda t: t.to("meta"), "a shape without numbers"),
    "whole numbers": (lambda t: t.to(torch.int8), r"numbers of the kind torch\.int8"),
    "truth": (lambda t: t > 0, r"numbers of the kind torch\.bool"),
    "quantized": (
        lambda t: torch.quantize_per_tensor(t, 0.1, 0, torch.qint8),
        "quantized numbers",
    ),
}


@pytest.mark.parametrize(("change", "what"), NO_TABLES.values(), ids=NO_TABLES)
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
def test_a_tensor_that_is_no_plain_table_is_refused_by_name(
    tmp_path: Path, change: Callable[[torch.Tensor], torch.Tensor], what: str
) -> None:
    file = make.put(of_kind(change), tmp_path / "mine")
    with pytest.raises(CourseError, match=f"{what} in the tensor {BIAS}") as caught:
        checkpoints.read(file)
    assert str(file) in caught.value.message and caught.value.hint


@pytest.mark.parametrize(("change", "what"), NO_TABLES.values(), ids=NO_TABLES)
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
def test_of_hugging_face_neither(
    hf_copy: Path, change: Callable[[torch.Tensor], torch.Tensor], what: str
) -> None:
    weights = dict(huggingface_makers.fitted_model().state_dict())
    name = "roberta.embeddings.LayerNorm.bias"
    huggingface_makers.with_weights(hf_copy, weights | {name: change(weights[name])})
    with pytest.raises(CourseError, match=f"{what} in the tensor {name}"):
        read_folder(hf_copy)


def test_the_base_is_refused_and_its_dictionary_is_not_blamed(
    workspace: Workspace, tmp_path: Path
) -> None:
    file = make.put(spoiled(math.nan), tmp_path / "mine")
    with pytest.raises(CourseError, match="NaN in the tensor"):
        make.base_from(workspace, file)
    assert make.is_untouched(workspace)


def test_a_base_that_was_put_there_by_hand_is_refused(workspace: Workspace) -> None:
    make.put(spoiled(math.inf), workspace.base_model.parent)
    with pytest.raises(CourseError, match="infinite numbers in the tensor"):
        ROAD.run("base", workspace, BaseSettings())


def test_an_optimizer_state_is_refused_where_it_is_kept(
    workspace: Workspace, tmp_path: Path
) -> None:
    state = {"state": {0: {"exp_avg": torch.tensor([1, math.nan])}}, "param_groups": []}
    model = make.current(make.fitting(make.tensors()), last_optimizer_state=state)
    file = make.put(model, tmp_path / "mine")
    with pytest.raises(CourseError, match=r"NaN in the tensor state\.0\.exp_avg"):
        make.base_from(workspace, file, keep_optimizer=True)
    assert make.is_untouched(workspace)


WORDS = "roberta.embeddings.word_embeddings.weight"


def in_safetensors(folder: Path, number: float) -> None:
    def edit(tensors: make.Tensors) -> None:
        tensors[WORDS][7, 7] = number

    huggingface_makers.other_tensors(edit)(folder)


def in_halves(folder: Path, number: float) -> None:
    """A number too large for half precision, as it is then saved."""

    def edit(tensors: make.Tensors) -> None:
        tensors[WORDS][7, 7] = number if math.isnan(number) else 1e5
        tensors |= {name: tensor.half() for name, tensor in tensors.items()}

    huggingface_makers.other_tensors(edit)(folder)


def in_a_bin(folder: Path, number: float) -> None:
    weights = dict(huggingface_makers.fitted_model().state_dict())
    weights[WORDS] = weights[WORDS].clone()
    weights[WORDS][7, 7] = number
    huggingface_makers.with_weights(folder, weights)


@pytest.mark.parametrize("number", [math.nan, math.inf])
@pytest.mark.parametrize("spoil", [in_safetensors, in_halves, in_a_bin])
def test_a_hugging_face_folder_is_refused_with_the_name_of_its_tensor(
    hf_copy: Path, spoil: Callable[[Path, float], None], number: float
) -> None:
    spoil(hf_copy, number)
    what = "NaN" if math.isnan(number) else "infinite numbers"
    with pytest.raises(CourseError, match=f"{what} in the tensor {WORDS}") as caught:
        read_folder(hf_copy)
    assert "pytorch_model.bin" in str(caught.value) or "model.safetensors" in str(caught.value)


def test_a_nan_in_the_logits_is_not_no_difference(tmp_path: Path) -> None:
    """Both sides compute the same nothing: that is no proof."""
    made = (make.current(make.tensors()), make.dictionary())
    convert.convert_into(tmp_path, *made, [*comparison.LINES[:1]], ConvertSettings())
    shutil.rmtree(tmp_path / "pt")
    make.put(spoiled(math.nan), tmp_path / "pt")
    with pytest.raises(CourseError, match="differs from fairseq's by nan"):
        comparison.compare(tmp_path / "pt", tmp_path / "hf", ["Hello world!"])


def test_a_checkpoint_that_diverged_is_not_converted(tmp_path: Path) -> None:
    file = make.put(spoiled(math.nan), tmp_path / "mine")
    with pytest.raises(CourseError, match="NaN in the tensor"):
        convert.read_fitting_pair(file, file.with_name("dict.txt"))


def too_large() -> make.State:
    """Every number is one, but no computer multiplies them."""
    weights = make.tensors()
    name = f"{make.ENCODER}.layers.0.fc1.weight"
    return make.current(weights | {name: torch.full_like(weights[name], 3e38)})


def test_a_loss_that_is_no_number_is_named() -> None:
    with pytest.raises(CourseError, match=r"loss of the base model is (nan|inf)"):
        match.bits(too_large(), make.dictionary())
    model, ids = model_of(too_large()), np.arange(8)
    with pytest.raises(CourseError, match=r"loss of the model is (nan|inf)"):
        guessed(model, Hidden([ids], [ids], [np.array([5])], ids[5:6], ids[:1]), "the model")


def test_the_courses_base_is_not_packed_where_half_precision_overflows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(course_base, "MODEL", tmp_path / "model.safetensors")
    monkeypatch.setattr(course_base, "DICTIONARY", tmp_path / "dict.txt.xz")
    state = spoiled(1e5) | {"extra_state": {"val_loss": 4.0}}
    with pytest.raises(CourseError, match="half precision holds infinite numbers"):
        course_base.pack(state, make.dictionary())
    assert not list(tmp_path.iterdir())


def test_the_look_is_cheap_and_misses_nothing() -> None:
    table = torch.zeros(50265, 1024)
    begun = time.monotonic()
    refuse_not_finite({"table": table, "empty": torch.zeros(0), "ids": torch.arange(3)}, "It")
    assert time.monotonic() - begun < 2  # a seventh of a roberta-large
    for place in (0, 12_345_678, table.numel() - 1):
        table.view(-1)[place] = math.nan
        with pytest.raises(CourseError, match=r"It holds NaN in the tensor a\.1"):
            refuse_not_finite({"a": [torch.zeros(3), table]}, "It")
        table.view(-1)[place] = 0


def test_a_hugging_face_model_of_no_numbers_is_not_evaluated(
    workspace: Workspace, tmp_path: Path
) -> None:
    from helpers.workflow.settings import EvaluateSettings

    make.put(make.current(make.fitting(make.tensors())), workspace.base_model.parent)
    workspace.hf.mkdir(parents=True)
    dictionary = Dictionary.load(workspace.base_dict)
    write_folder(make.current(make.tensors()), dictionary, workspace.hf)
    in_safetensors(workspace.hf, math.nan)
    workspace.raw("test").parent.mkdir(parents=True)
    workspace.raw("test").write_text(road.text("apple"), "utf-8")
    with pytest.raises(CourseError, match=f"NaN in the tensor {WORDS}"):
        ROAD.run("evaluate", workspace, EvaluateSettings())
