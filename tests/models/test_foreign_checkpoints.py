"""Checkpoints that others have made with more than fairseq: what is a plain RoBERTa is taken."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers.common.errors import CourseError
from helpers.models import checkpoints
from helpers.stages.road import ROAD
from helpers.workflow.settings import BaseSettings, ConvertSettings
from helpers.workflow.workspace import Workspace
from tests.support import checkpoint_makers as make
from tests.support.checkpoint_makers import State, Tensors, base_from, is_untouched

# fairseq's own use of Hydra and TorchScript.
pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning"),
    pytest.mark.usefixtures("tiny_course_base", "nothing_is_left"),
]
Made = Callable[[Tensors], State]
FIRST = f"{make.ENCODER}.layers.0"
BIAS = "encoder.lm_head.bias"
FOUR = {**make.TINY, "encoder_layers": 4}


def configured(**parts: object) -> Made:
    """Other parts of ``cfg``; a None takes one out."""

    def made(weights: Tensors) -> State:
        state = make.current(weights)
        cfg = state["cfg"] | parts
        return state | {"cfg": {name: part for name, part in cfg.items() if part is not None}}

    return made


def modelled(**values: object) -> Made:
    def made(weights: Tensors) -> State:
        state = make.current(weights)
        state["cfg"]["model"] |= values
        return state

    return made


def named(name: Callable[[str], str], form: Callable[[Tensors], State] = make.current) -> Made:
    return lambda weights: form({name(n): tensor for n, tensor in weights.items()})


def inside(wrapper: str) -> Callable[[str], str]:
    return lambda name: name.replace("sentence_encoder.", f"sentence_encoder.{wrapper}.")


FOREIGN_PARTS = {
    "task": {"_name": "my_task", "data": "/data", "languages": ["zh"], "seed": "many"},
    "criterion": {"_name": "my_loss", "weight": 3},
    "generation": {},
    "my_own": {"x": 1},
}
TAKEN: dict[str, Made] = {
    "an architecture of one's own": modelled(_name="my_roberta_zh", mine={"depth": 3}),
    "camembert": modelled(_name="camembert"),
    "xlmr": modelled(_name="xlmr"),
    "no name": modelled(_name=None),
    "values of another kind": modelled(quant_noise_pq="x", encoder_layerdrop="much", seed=[]),
    "no task": configured(task=None),
    "no criterion": configured(criterion=None),
    "parts of one's own": configured(**FOREIGN_PARTS),
    "GPT-2's tokens": configured(bpe={"_name": "gpt2", "gpt2_vocab_bpe": "/gone/vocab.bpe"}),
    "a tokenizer before it": configured(tokenizer={"_name": "moses"}),
    "module": named("module.{}".format),
    "_orig_mod": named("_orig_mod.{}".format),
    "both": named("module._orig_mod.{}".format),
    "both the other way": named("_orig_mod.module.{}".format),
    "Lightning's": named("model.{}".format),
    **{
        front: named((front + ".{}").format)
        for front in (
            *("state_dict", "net", "student", "roberta", "encoder", "model.model", "ddp", "fsdp"),
            *("lightning_module.model", "base_model.model", "模型", "encoder.sentence_encoder"),
        )
    },
    "a front of an old one": lambda t: named("net.{}".format, make.old)(make.old_named(t)),
    "no matrix of the head": lambda t: make.current({n: t[n] for n in t if n != make.HEAD}),
    "FSDP, gathered": named("_fsdp_wrapped_module.{}".format),
    "inside": named(inside("_orig_mod")),
    "each layer": named(lambda n: n.replace(".fc1.", "._checkpoint_wrapped_module.fc1.")),
    "module of an old one": lambda t: named("module.{}".format, make.old)(make.old_named(t)),
    "layers kept already": modelled(encoder_layers_to_keep="0,2"),
    "all layers kept": modelled(encoder_layers_to_keep="0,1"),
    "NumPy's numbers": lambda t: make.current(
        t,
        optimizer_history=[checkpoints.NO_HISTORY | {"num_updates": np.int64(9)}],
        extra_state={"val_loss": np.float32(2.5), "best": np.float64(2.5)},
    ),
}


@pytest.mark.parametrize("made", TAKEN.values(), ids=TAKEN)
def test_what_is_plainly_a_roberta_is_taken(
    workspace: Workspace, tmp_path: Path, made: Made
) -> None:
    weights = make.fitting(make.tensors())
    report = base_from(workspace, make.put(made(weights), tmp_path / "foreign"))
    base = make.read(workspace.base_model)
    assert report.notes == ()
    assert base["cfg"]["model"]["_name"] == "roberta"
    assert base["model"].keys() == weights.keys()
    assert all(torch.equal(base["model"][name], tensor) for name, tensor in weights.items())
    assert base["model"][make.HEAD].data_ptr() == base["model"][make.EMBEDDING].data_ptr()


@pytest.mark.parametrize("name", ["camembert", "parts of one's own", "both", "layers kept already"])
def test_it_is_converted_and_fairseq_loads_it(
    workspace: Workspace, tmp_path: Path, name: str
) -> None:
    file = make.put(TAKEN[name](make.tensors()), tmp_path / "foreign")
    report = ROAD.run("convert", workspace, ConvertSettings(roberta_checkpoint_path=str(file)))
    assert report.difference <= 1e-4


def test_of_a_list_of_layers_those_are_kept_that_fairseq_keeps(
    workspace: Workspace, tmp_path: Path
) -> None:
    state = make.current(make.tensors(FOUR), FOUR)
    state["cfg"]["model"]["encoder_layers_to_keep"] = "2,0"
    file = make.put(state, tmp_path / "layers")
    assert base_from(workspace, file).layers == 2
    theirs, ours = make.by_fairseq(file), make.hub(workspace.base_model.parent).model
    assert make.difference(ours, theirs) == 0


def plus(name: str, size: int = 3, kind: torch.dtype = torch.float) -> Made:
    return lambda weights: make.current(weights | {name: torch.zeros(size, dtype=kind)})


def in_eight_bits(weights: Tensors) -> State:
    small = {n: t.char() if n == f"{FIRST}.fc1.weight" else t for n, t in weights.items()}
    return make.current(small | {f"{FIRST}.fc1.SCB": torch.zeros(64)})


def by_gptq(weights: Tensors) -> State:
    return named(lambda n: n.replace("fc1.weight", "fc1.qweight"))(weights)


def sharded(name: str) -> Made:
    """Many tensors in one, of which some are left outside."""

    def made(weights: Tensors) -> State:
        return make.current({BIAS: weights[BIAS], name: torch.zeros(9)})

    return made


REFUSED: dict[str, tuple[Made, str]] = {
    "sentencepiece": (
        configured(bpe={"_name": "sentencepiece", "sentencepiece_model": "/sp.model"}),
        r"tokens of 'sentencepiece' \(cfg\.bpe\), and the course's are GPT-2's",
    ),
    "fastbpe": (configured(bpe={"_name": "fastbpe"}), "tokens of 'fastbpe'"),
    "sentencepiece of an old one": (
        lambda t: make.old(make.old_named(t), args=make.old_args(bpe="sentencepiece")),
        "tokens of 'sentencepiece'",
    ),
    "no model": (configured(model=None), r"cfg\.model is empty"),
    "model is nothing": (
        lambda t: make.current(t, cfg={"model": None}),
        r"incomplete.*cfg\.model is empty",
    ),
    "heads are not said": (
        lambda t: make.current(t, cfg={"model": {"_name": "my_roberta"}}),
        r"does not say how many attention heads",
    ),
    "norms before": (modelled(encoder_normalize_before=True), "encoder_normalize_before is True"),
    "scaled": (modelled(no_scale_embedding=False), "no_scale_embedding is False"),
    "layers that are not there": (
        modelled(encoder_layers_to_keep="0,1,7"),
        "has 2 layers.*'0,1,7'",
    ),
    "layers in words": (modelled(encoder_layers_to_keep="all,most"), "is no list of them"),
    "a layer twice": (modelled(encoder_layers_to_keep="1,1"), "is no list of them"),
    "LoRA": (plus(f"{FIRST}.self_attn.q_proj.lora_A"), "an adapter .LoRA.*q_proj.lora_A"),
    "LoRA by PEFT": (plus(f"{FIRST}.fc1.lora_B.default.weight"), "an adapter .LoRA"),
    "adapter": (plus(f"{FIRST}.adapter.down.weight"), "holds an adapter"),
    "8 bits": (in_eight_bits, r"8 bits \(bitsandbytes\).*fc1\.SCB"),
    "8 bits, wrapped": (plus(f"module.{FIRST}.fc1.SCB"), "8 bits"),
    "4 bits": (plus(f"{FIRST}.fc1.weight.absmax"), "4 bits"),
    "GPTQ": (by_gptq, "GPTQ"),
    "a scale": (plus(f"{FIRST}.fc1.weight_scale"), "scales of a quantization"),
    "a zero point": (plus(f"{FIRST}.fc1.zero_point", 1, torch.int), "scales of a quantization"),
    "FSDP": (sharded("_flat_param"), "flat parameters of FSDP"),
    "FSDP, wrapped": (sharded("_fsdp_wrapped_module.flat_param"), "flat parameters of FSDP"),
    "FSDP of a layer": (sharded(f"{FIRST}.flat_param_0"), "flat parameters of FSDP"),
    "pruned": (named(lambda n: n.replace("fc1.weight", "fc1.weight_orig")), "weights in parts"),
    "two models": (
        lambda t: make.current({f"{who}.{n}": t[n] for n in t for who in ("student", "teacher")}),
        "more than one model: beside 'student.' it has a tensor 'teacher.encoder",
    ),
    "a model and more": (
        lambda t: make.current({"loss.w": t[BIAS], **{f"net.{n}": t[n] for n in t}}),
        "more than a model: beside 'net.' it has a tensor 'loss.w'",
    ),
    "names that nobody knows": (
        named(lambda n: n.replace("sentence_encoder", "body")),
        r"without the tensor encoder.sentence_encoder.*; it has encoder\.body\.embed_tokens",
    ),
    "no head": (
        lambda t: make.current({n: t[n] for n in t if "lm_head" not in n}),
        r"without the tensor encoder\.lm_head\.dense\.weight",
    ),
    "a head of its own, left out": (
        lambda t: modelled(untie_weights_roberta=True)({n: t[n] for n in t if n != make.HEAD}),
        r"without the tensor encoder\.lm_head\.weight",
    ),
    "a number for a name": (
        lambda t: make.current({**t, 5: t[BIAS]}),
        "is damaged: 5 is no name of a tensor",
    ),
    "twice": (plus(f"module.{BIAS}"), f"holds the tensor {BIAS} twice"),
}


@pytest.mark.parametrize(("made", "why"), REFUSED.values(), ids=REFUSED)
def test_the_rest_is_refused_with_the_true_reason(
    workspace: Workspace, tmp_path: Path, made: Made, why: str
) -> None:
    file = make.put(made(make.tensors()), tmp_path / "foreign")
    with pytest.raises(CourseError, match=why) as error:
        base_from(workspace, file)
    assert str(file) in error.value.message and "broke off" not in error.value.hint
    assert is_untouched(workspace)
    with pytest.raises(CourseError, match=why):
        ROAD.run("convert", workspace, ConvertSettings(roberta_checkpoint_path=str(file)))


def test_what_roberta_ignored_in_args_is_ignored(tmp_path: Path) -> None:
    ignored = {"encoder_normalize_before": True, "no_scale_embedding": False}
    state = make.old(make.old_named(make.tensors()), args=make.old_args(**ignored))
    assert checkpoints.read(make.put(state, tmp_path))["model"].keys() == make.tensors().keys()


# Tables whose number of rows was rounded up


def padded(rows: int, names: tuple[str, ...] = (make.EMBEDDING, make.HEAD, BIAS)) -> Tensors:
    weights, once = make.fitting(make.tensors()), {}
    for name in names:
        tensor = weights[name]
        more = torch.full((rows - make.ROWS, *tensor.shape[1:]), 0.01)
        weights[name] = once.setdefault(id(tensor), torch.cat([tensor, more]))
    return weights


@pytest.mark.parametrize("rows", [50272, 50304, 50432, 50688, 51200])
def test_rows_that_only_round_up_are_cut_off(
    workspace: Workspace, tmp_path: Path, rows: int
) -> None:
    wanted, file = (
        make.fitting(make.tensors()),
        make.put(make.current(padded(rows)), tmp_path / "p"),
    )
    (note,) = base_from(workspace, file).notes
    assert f"{rows:,} rows" in note and "50,265" in note and f"{rows - 50265:,}" in note
    base = make.read(workspace.base_model)["model"]
    assert all(torch.equal(base[name], tensor) for name, tensor in wanted.items())
    plain = Workspace(tmp_path / "plain")
    base_from(plain, make.put(make.current(wanted), tmp_path / "q"))
    assert workspace.base_model.stat().st_size == plain.base_model.stat().st_size


def test_they_are_cut_off_in_a_conversion_too(workspace: Workspace, tmp_path: Path) -> None:
    file = make.put(make.current(padded(50304, (make.EMBEDDING, make.HEAD))), tmp_path / "p")
    report = ROAD.run("convert", workspace, ConvertSettings(roberta_checkpoint_path=str(file)))
    assert report.difference <= 1e-4 and "50,304 rows" in str(report)


@pytest.mark.parametrize("rows", [50266, 50300, 50400, 52000])
def test_other_rows_are_another_vocabulary(workspace: Workspace, tmp_path: Path, rows: int) -> None:
    with pytest.raises(CourseError, match=rf"{rows:,} rows(.|\n)*not the model's"):
        base_from(workspace, make.put(make.current(padded(rows)), tmp_path / "p"))


OWN: dict[str, tuple[Callable[[], Tensors], str]] = {
    "padded": (lambda: padded(50304), "50,304 rows.*rounded up"),
    "wrapped": (
        lambda: {f"module.{n}": t for n, t in make.tensors().items()},
        "form of another program",
    ),
}


@pytest.mark.parametrize(("weights", "why"), OWN.values(), ids=OWN)
def test_put_into_base_by_hand_they_are_named_in_source_first(
    workspace: Workspace, weights: Callable[[], Tensors], why: str
) -> None:
    make.put(make.current(weights()), workspace.base_model.parent)
    with pytest.raises(CourseError, match=why) as error:
        ROAD.run("base", workspace, BaseSettings())
    assert "in source" in error.value.hint


def test_the_optimizer_of_a_cut_table_is_not_kept(workspace: Workspace, tmp_path: Path) -> None:
    state = make.current(padded(50304), last_optimizer_state={"state": {}, "param_groups": []})
    with pytest.raises(CourseError, match="no optimizer state that could be kept"):
        base_from(workspace, make.put(state, tmp_path / "p"), keep_optimizer=True)


def test_nothing_of_the_owners_configuration_is_read(tmp_path: Path) -> None:
    state = configured(**FOREIGN_PARTS)(make.tensors())
    cfg = checkpoints.read(make.put(state, tmp_path / "foreign"))["cfg"]
    assert cfg["task"]["data"] == "/data" and cfg["task"]["seed"] == 1
    assert "my_own" not in cfg
