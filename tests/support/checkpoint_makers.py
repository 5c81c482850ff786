"""Tiny checkpoints as fairseq saved them since 2019, and what fairseq itself makes of them."""

import argparse
import contextlib
import functools
import io
import math
import re
import sys
import tarfile
import types
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import yaml

from helpers.base import match
from helpers.ids.dictionary import Dictionary
from helpers.models import checkpoints
from helpers.models.old_checkpoints import complete_cfg
from helpers.stages.base import BaseReport
from helpers.stages.road import ROAD
from helpers.tokens.gpt2 import encode, gpt2_file
from helpers.workflow.settings import BaseSettings
from helpers.workflow.workspace import Workspace
from tests.support import road

State = dict[str, object]
Tensors = dict[str, torch.Tensor]
Member = tuple[tarfile.TarInfo, bytes]

_SIZES = (
    "encoder_layers",
    "encoder_embed_dim",
    "encoder_ffn_embed_dim",
    "encoder_attention_heads",
)
TINY = dict(zip(_SIZES, (2, 32, 64, 2), strict=True))
FULL = dict(zip(_SIZES, (12, 768, 3072, 12), strict=True))  # roberta.base: 125 million parameters
ROWS, POSITIONS = 50265, 514
FOLDER = "roberta.tiny"  # in an archive as released
ENCODER = "encoder.sentence_encoder"
EMBEDDING, HEAD = f"{ENCODER}.embed_tokens.weight", "encoder.lm_head.weight"

# As fairseq 0.8 to 0.10 saved the arguments of a masked-LM training, without those of the shape.
ARGUMENTS = """{
  arch: roberta_base, task: masked_lm, criterion: masked_lm, seed: 4, user_dir: null, bpe: null,
  data: /datasets01/bookwiki/bin, save_dir: /checkpoint/roberta, no_epoch_checkpoints: true,
  max_positions: 512, tokens_per_sample: 512, sample_break_mode: complete, mask_prob: 0.15,
  leave_unmasked_prob: 0.1, random_token_prob: 0.1, mask_whole_words: false,
  activation_fn: gelu, pooler_activation_fn: tanh, pooler_dropout: 0.0, dropout: 0.1,
  attention_dropout: 0.1, activation_dropout: 0.0, optimizer: adam, adam_betas: "(0.9, 0.98)",
  adam_eps: 1.0e-6, weight_decay: 0.01, clip_norm: 0.0, lr: [0.0006], update_freq: [1],
  lr_scheduler: polynomial_decay, warmup_updates: 24000, total_num_update: 500000, power: 1.0,
  max_update: 500000, fp16: true, fp16_init_scale: 4, memory_efficient_fp16: false, cpu: false,
  distributed_world_size: 512, distributed_backend: nccl, device_id: 0, max_sentences: 16,
  max_tokens: null, num_workers: 2, save_interval: 1,
}"""


@functools.cache
def dictionary() -> Dictionary:
    return Dictionary.parse(road.dict_text().splitlines(), Path("dict.txt"))


@functools.cache
def reversed_dict_text() -> str:
    """A dictionary of the right size in another order."""
    plain = dictionary()
    return Dictionary(plain.symbols[::-1], plain.counts[::-1]).text()


def tensors(shape: dict[str, int] = TINY, seed: int = 1) -> Tensors:
    """Random weights under today's names, large enough for every tensor to show in the logits."""
    random = torch.Generator().manual_seed(seed)
    width, inner = shape["encoder_embed_dim"], shape["encoder_ffn_embed_dim"]

    def matrix(*size: int) -> torch.Tensor:
        return torch.randn(*size, generator=random) / math.sqrt(width)

    def linear(name: str, rows: int, columns: int) -> Tensors:
        return {f"{name}.weight": matrix(rows, columns), f"{name}.bias": matrix(rows)}

    def norm(name: str) -> Tensors:
        return {f"{name}.weight": 1 + matrix(width), f"{name}.bias": matrix(width)}

    found = {EMBEDDING: matrix(ROWS, width)}
    found[f"{ENCODER}.embed_positions.weight"] = matrix(POSITIONS, width)
    found |= norm(f"{ENCODER}.layernorm_embedding")
    for number in range(shape["encoder_layers"]):
        layer = f"{ENCODER}.layers.{number}"
        for part in ("k_proj", "v_proj", "q_proj", "out_proj"):
            found |= linear(f"{layer}.self_attn.{part}", width, width)
        found |= norm(f"{layer}.self_attn_layer_norm")
        found |= linear(f"{layer}.fc1", inner, width) | linear(f"{layer}.fc2", width, inner)
        found |= norm(f"{layer}.final_layer_norm")
    found |= {HEAD: found[EMBEDDING], "encoder.lm_head.bias": matrix(ROWS)}
    return (
        found | linear("encoder.lm_head.dense", width, width) | norm("encoder.lm_head.layer_norm")
    )


def fitting(plain: Tensors) -> Tensors:
    """The same model, which knows through its last bias which tokens are frequent."""
    counts = np.full(ROWS, 0.001)
    ids = np.concatenate([encode(sentence) for sentence in match.SENTENCES])
    np.add.at(counts, dictionary().from_gpt2[ids], 1)
    names = ("encoder.lm_head.layer_norm.weight", "encoder.lm_head.layer_norm.bias")
    faint = {name: 0.05 * plain[name] for name in names}
    return plain | faint | {"encoder.lm_head.bias": torch.from_numpy(np.log(counts)).float()}


def current(weights: Tensors, shape: dict[str, int] = TINY, **others: object) -> State:
    """A checkpoint in today's form."""
    return {
        "args": None,
        "cfg": complete_cfg({**shape, "max_positions": POSITIONS - 2}),
        "model": weights,
        "optimizer_history": [dict(checkpoints.NO_HISTORY)],
        "extra_state": {"train_iterator": {"epoch": 1, "iterations_in_epoch": 0}},
        "last_optimizer_state": None,
        **others,
    }


def fitting_pair() -> tuple[State, Dictionary]:
    """A model and its dictionary, as ``helpers.base.course_base.unpack`` gives them."""
    return current(fitting(tensors())), dictionary()


def by_todays_command_line(weights: Tensors) -> State:
    """What ``fairseq-train --arch roberta_base`` of today saves: ``cfg`` with a Namespace in it."""
    from fairseq import options
    from fairseq.dataclass.utils import convert_namespace_to_omegaconf
    from omegaconf import OmegaConf

    sizes = [word for name, size in TINY.items() for word in (_flag(name), str(size))]
    words = (
        *("/datasets01/bookwiki/bin", "--task", "masked_lm", "--arch", "roberta_base", *sizes),
        *("--tokens-per-sample", "512", "--criterion", "masked_lm", "--optimizer", "adam"),
        *("--save-dir", "/checkpoint/roberta"),
    )
    args = options.parse_args_and_arch(options.get_training_parser(), list(words))
    cfg = OmegaConf.to_container(
        convert_namespace_to_omegaconf(args), resolve=True, enum_to_str=True
    )
    assert isinstance(cfg["model"], argparse.Namespace)
    return current(weights, cfg=cfg)


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def old_args(shape: dict[str, int] = TINY, **others: object) -> argparse.Namespace:
    return argparse.Namespace(**yaml.safe_load(ARGUMENTS) | shape | others)


def old(weights: Tensors, shape: dict[str, int] = TINY, **others: object) -> State:
    """A checkpoint as fairseq 0.10 and older saved it, without the optimizer's state."""
    history = {"criterion_name": "MaskedLmLoss", "optimizer_name": "FP16Optimizer"}
    history |= {"lr_scheduler_state": {"best": None}, "num_updates": 500000}
    iterator = {"epoch": 12, "iterations_in_epoch": 0, "shuffle": True}
    return {
        "args": old_args(shape),
        "model": OrderedDict(weights),
        "optimizer_history": [history],
        "extra_state": {"train_iterator": iterator, "val_loss": 2.5, "best": 2.5},
        "last_optimizer_state": None,
        **others,
    }


def old_named(weights: Tensors) -> Tensors:
    """The tensors under the names of 2019 and 2020."""
    return {
        re.sub("^encoder", "decoder", name).replace("layernorm_embedding", "emb_layer_norm"): t
        for name, t in weights.items()
    }


def joined(weights: Tensors) -> Tensors:
    """Query, key and value in one tensor, as before fairseq 0.8."""
    found = {}
    for name, tensor in weights.items():
        if "q_proj" in name:
            three = [weights[name.replace("q_proj", f"{part}_proj")] for part in "qkv"]
            found[name.replace("q_proj.", "in_proj_")] = torch.cat(three)
        elif "k_proj" not in name and "v_proj" not in name:
            found[name] = tensor
    return found


def numbered_norms(weights: Tensors) -> Tensors:
    """The layer norms as fairseq's first transformers named them."""
    numbers = {"self_attn_layer_norm": "layer_norms.0", "final_layer_norm": "layer_norms.1"}
    pattern = re.compile("|".join(numbers))
    return {pattern.sub(lambda m: numbers[m[0]], name): t for name, t in weights.items()}


def half(weights: Tensors) -> Tensors:
    """In half precision; the head stays tied to the embedding."""
    once = {id(tensor): tensor.half() for tensor in weights.values()}
    return {name: once[id(tensor)] for name, tensor in weights.items()}


class AverageMeter:
    """fairseq's meter of 2019, as far as its pickle tells."""

    def __init__(self) -> None:
        self.val, self.avg, self.sum, self.count = 2.5, 2.5, 5.0, 2


class TimeMeter:
    """The same for its meter of updates per second."""

    def __init__(self) -> None:
        self.init, self.start, self.n = 0, 1564000000.0, 500000


@contextlib.contextmanager
def meters_in(module: str) -> Iterator[None]:
    """Let the two meters belong to a module of an old fairseq, for pickles; empty: do nothing."""
    import fairseq  # noqa: F401  (it puts modules of these names there)

    before, classes = sys.modules.get(module), (AverageMeter, TimeMeter) if module else ()
    old_module = types.ModuleType(module)
    for one in classes:
        setattr(old_module, one.__name__, one)
        one.__module__ = module
        sys.modules[module] = old_module
    try:
        yield
    finally:
        sys.modules.pop(module, None)
        if before is not None:
            sys.modules[module] = before
        for one in classes:
            one.__module__ = __name__


def with_meters(state: State) -> State:
    meters = OrderedDict(train_loss=AverageMeter(), ups=TimeMeter())
    return state | {"extra_state": {**state["extra_state"], "train_meters": meters}}


def put(state: State, folder: Path, *, zipped: bool = True, dict_text: str = "") -> Path:
    """Save ``model.pt`` and a ``dict.txt`` into a folder; the path of the model."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(state, folder / "model.pt", _use_new_zipfile_serialization=zipped)
    (folder / "dict.txt").write_text(dict_text or road.dict_text(), "utf-8")
    return folder / "model.pt"


def saved(weights: Tensors, zipped: bool = True) -> bytes:
    """An old checkpoint, as released ones are."""
    buffer = io.BytesIO()
    torch.save(old(old_named(weights)), buffer, _use_new_zipfile_serialization=zipped)
    return buffer.getvalue()


def member(name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = "") -> Member:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname, entry.size = kind, link, len(data)
    return entry, data


def released(model: bytes, folder: str = FOLDER) -> list[Member]:
    return [
        member(f"{folder}/model.pt", model),
        member(f"{folder}/dict.txt", road.dict_text().encode()),
        member(f"{folder}/NOTE", b"Trained by nobody."),
    ]


def pack(file: Path, members: list[Member]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    options = {"mode": "w"} if file.suffix == ".tar" else {"mode": "w:gz", "compresslevel": 1}
    with tarfile.open(file, **options) as tar:
        for entry, data in members:
            tar.addfile(entry, io.BytesIO(data))
    return file


def prepare(workspace: Workspace) -> None:
    """A small corpus up to data-bin, with the dictionary that stands in base/."""
    workspace.texts.mkdir(parents=True)
    text = "\n\n".join(f"Text {i} tells of {i}." for i in range(200))
    (workspace.texts / "a.txt").write_text(text, "utf-8")
    for name in ("split", "encode", "binarize"):
        road.do(workspace, name)


def base_from(workspace: Workspace, source: Path | str, **settings: object) -> BaseReport:
    return ROAD.run("base", workspace, BaseSettings(source=str(source), **settings))


def read(file: Path) -> State:
    """A checkpoint that needs no more than tensors and plain values."""
    return torch.load(file, weights_only=True)


def loaded(workspace: Workspace) -> list[str]:
    """What fairseq says that it loaded, in order."""
    lines = (workspace.checkpoints / "train.log").read_text("utf-8").splitlines()
    return [line.split("Loaded checkpoint ")[1] for line in lines if "Loaded checkpoint " in line]


def is_untouched(workspace: Workspace) -> bool:
    """Nothing stands in base/."""
    return not workspace.base_model.exists() and not workspace.base_dict.exists()


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its content."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def by_fairseq(file: Path, meters: str = "") -> torch.nn.Module:
    """The model in a file of the tests' own, as fairseq's loader with its upgrades gives it."""
    from fairseq import checkpoint_utils
    from omegaconf import OmegaConf

    with meters_in(meters):
        state = torch.load(file, weights_only=False)
    if state.get("args"):
        state = old({}) | state
        state["args"].data = str(file.parent)
    else:
        state["cfg"]["task"]["data"] = str(file.parent)
        state["cfg"] = OmegaConf.create(state["cfg"], flags={"allow_objects": True})
    state = checkpoint_utils._upgrade_state_dict(state)
    models, _, _ = checkpoint_utils.load_model_ensemble_and_task([str(file)], state=state)
    return models[0].eval()


def hub(folder: Path) -> object:
    """What fairseq's own hub loader makes of a folder."""
    from fairseq.models.roberta import RobertaModel

    return RobertaModel.from_pretrained(
        str(folder),
        checkpoint_file="model.pt",
        bpe="gpt2",
        gpt2_encoder_json=str(gpt2_file("encoder.json")),
        gpt2_vocab_bpe=str(gpt2_file("vocab.bpe")),
    ).eval()


def logits(model: torch.nn.Module) -> torch.Tensor:
    """The answer of fairseq's or Hugging Face's model to the same ids, as many as it reads."""
    ids = torch.arange(POSITIONS - 2).unsqueeze(0) * 97 % (ROWS - 4) + 4
    ids[0, 0], ids[0, -1], ids[0, 5::50] = 0, 2, ROWS - 1
    with torch.inference_mode():
        if hasattr(model, "roberta"):
            return model(ids).logits
        return model(ids, features_only=False)[0]


def difference(one: torch.nn.Module, other: torch.nn.Module) -> float:
    """The largest difference of their logits."""
    return float((logits(one) - logits(other)).abs().max())
