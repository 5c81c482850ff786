"""Small Hugging Face folders as transformers saves them, and ways to change or damage one."""

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from helpers.base.match import SENTENCES
from helpers.ids.dictionary import FILLERS, Dictionary
from helpers.models.hf.folder import quiet, tokenizer_of
from helpers.tokens.gpt2 import GPT2_IDS, encode, gpt2_file

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, RobertaForMaskedLM, RobertaTokenizer

Change = Callable[[Path], object]
ROWS = GPT2_IDS + 8  # RoBERTa's vocabulary: four specials, GPT-2's tokens, three fillers, <mask>
SMALL = {"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 64, "vocab_size": ROWS}
LEGACY = {"_use_new_zipfile_serialization": False}  # torch's format before 1.6
SHAPE = SMALL | {"max_position_embeddings": 514, "layer_norm_eps": 1e-5}


@functools.cache
def permuted() -> Dictionary:
    """A dictionary with RoBERTa's symbols in an order of its own."""
    order = np.random.default_rng(5).permutation(GPT2_IDS)
    return Dictionary((*map(str, order), *FILLERS), (0,) * (GPT2_IDS + len(FILLERS)))


@functools.cache
def tokenizer() -> "RobertaTokenizer":
    return tokenizer_of(permuted(), 512)


def random_model(
    layers: int = 1, *, type_rows: int = 1, types: bool = False, **config: object
) -> "RobertaForMaskedLM":
    """Every number is random, biases and layer norms too; token types only where ``types``."""
    import torch
    from transformers import RobertaConfig, RobertaForMaskedLM

    shape = SHAPE | {"num_hidden_layers": layers, "type_vocab_size": type_rows} | config
    model = RobertaForMaskedLM(RobertaConfig(**shape)).eval()
    random = torch.Generator().manual_seed(layers)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            is_scale = name.endswith(("LayerNorm.weight", "layer_norm.weight"))
            parameter.normal_(float(is_scale), 0.2, generator=random)
        if not types:
            model.roberta.embeddings.token_type_embeddings.weight.zero_()
        model.lm_head.bias.copy_(model.lm_head.decoder.bias)  # two tensors where they are untied
    return model


@functools.cache
def fitted_model() -> "RobertaForMaskedLM":
    """A random model that prefers the tokens of the sentences that fit is measured on."""
    import torch

    model = random_model()
    known = {i for line in SENTENCES for i in permuted().from_gpt2[encode(line)].tolist()}
    with torch.no_grad():
        model.lm_head.bias[sorted(known)] += 12
    return model


def saved(model: "PreTrainedModel", folder: Path) -> Path:
    """Model and tokenizer, both by ``save_pretrained``."""
    quiet()
    model.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


def in_the_old_form(folder: Path) -> None:
    """``vocab.json`` and ``merges.txt`` instead of ``tokenizer.json``."""
    vocabulary = json.dumps(tokenizer().get_vocab(), ensure_ascii=False)
    (folder / "vocab.json").write_text(vocabulary, "utf-8")
    (folder / "merges.txt").write_bytes(gpt2_file("vocab.bpe").read_bytes())
    (folder / "tokenizer.json").unlink()


def with_weights(folder: Path, tensors: "object | dict[str, torch.Tensor]", **how: object) -> Path:
    """``pytorch_model.bin`` instead of ``model.safetensors``."""
    import torch

    (folder / "model.safetensors").unlink()
    torch.save(tensors, folder / "pytorch_model.bin", **how)
    return folder


# Changes: functions of a folder


def in_shards(folder: Path) -> None:
    """The fitted model in several files and their index, as transformers saves a large one."""
    (folder / "model.safetensors").unlink()
    fitted_model().save_pretrained(folder, max_shard_size="4MB")


def in_bin_shards(folder: Path) -> None:
    """The same as ``torch.save`` writes it, as transformers did until its version 4."""
    import torch

    (folder / "model.safetensors").unlink()
    tensors, files = list(fitted_model().state_dict().items()), {}
    for number in range(3):
        part, name = dict(tensors[number::3]), f"pytorch_model-0000{number + 1}-of-00003.bin"
        torch.save(part, folder / name)
        files |= dict.fromkeys(part, name)
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": files}))


def in_turn(*changes: Change) -> Change:
    def change(folder: Path) -> None:
        for each in changes:
            each(folder)

    return change


def edited(name: str, edit: Callable[[dict], object]) -> Change:
    """Change the content of a JSON file in place."""

    def change(folder: Path) -> None:
        content = json.loads((folder / name).read_text("utf-8"))
        edit(content)
        (folder / name).write_text(json.dumps(content), "utf-8")

    return change


def configured(**values: object) -> Change:
    return edited("config.json", lambda config: config.update(values))


def lacking(name: str, *keys: str) -> Change:
    """A JSON file without a value; several keys lead to one further inside."""

    def edit(content: dict) -> None:
        for key in keys[:-1]:
            content = content[key]
        del content[keys[-1]]

    return edited(name, edit)


def without(*names: str) -> Change:
    return lambda folder: [(folder / name).unlink() for name in names]


def holding(name: str, content: bytes) -> Change:
    return lambda folder: (folder / name).write_bytes(content)


def cut_off(name: str, at: int | None = None) -> Change:
    """Only the first bytes of a file; half of it where it is not said how many."""

    def change(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2 if at is None else at])

    return change


def other_merges(edit: Callable[[list[str]], object]) -> Change:
    """Change the lines of ``merges.txt``; the first says ``#version``."""

    def change(folder: Path) -> None:
        in_the_old_form(folder)
        lines = (folder / "merges.txt").read_text("utf-8").splitlines()
        edit(lines)
        (folder / "merges.txt").write_text("\n".join(lines) + "\n", "utf-8")

    return change


def other_vocabulary(edit: Callable[[dict[str, int]], object]) -> Change:
    """Change the ids in ``vocab.json``."""
    return in_turn(in_the_old_form, edited("vocab.json", edit))


def exchanged(one: str, other: str) -> Change:
    """Two tokens that have each other's id in ``vocab.json``."""

    def edit(ids: dict[str, int]) -> None:
        ids[one], ids[other] = ids[other], ids[one]

    return other_vocabulary(edit)


def other_tensors(edit: Callable[[dict], object]) -> Change:
    """Change the tensors in ``model.safetensors``."""

    def change(folder: Path) -> None:
        from safetensors.torch import load_file, save_file

        tensors = load_file(folder / "model.safetensors")
        edit(tensors)
        save_file(tensors, folder / "model.safetensors")

    return change


def bin_without(*names: str, **how: object) -> Change:
    """The fitted model as ``pytorch_model.bin``, without some of its tensors."""

    def change(folder: Path) -> None:
        tensors = fitted_model().state_dict()
        with_weights(folder, {n: t for n, t in tensors.items() if n not in names}, **how)

    return change


def another_model(kind: str, **config: object) -> Change:
    """Save a model of another class of transformers there, for example ``BertForMaskedLM``."""

    def change(folder: Path) -> None:
        import transformers

        model_class = getattr(transformers, kind)
        small = SHAPE | {"num_hidden_layers": 1, "pad_token_id": 1} | config
        model_class(model_class.config_class(**small)).save_pretrained(folder)

    return change


def added_token(*, resized: bool) -> Change:
    """One token more behind ``<mask>``, with or without a row of its own in the model."""

    def change(folder: Path) -> None:
        from transformers import AutoTokenizer

        longer = AutoTokenizer.from_pretrained(folder)
        longer.add_tokens(["newtoken"])
        longer.save_pretrained(folder)
        if resized:
            random_model(vocab_size=ROWS + 1).save_pretrained(folder)

    return change


# What is refused


def longer_vocabulary(folder: Path) -> None:
    """More rows than tokens, and no rounded number of them."""
    random_model(vocab_size=ROWS + 6).save_pretrained(folder)


def bin_of(content: object) -> Change:
    return lambda folder: with_weights(folder, content)


def rewritten(edit: Callable[[dict], object]) -> Change:
    return edited("tokenizer.json", edit)


def in_sequence(*cutters: dict) -> dict:
    return {"type": "Sequence", "pretokenizers": [{"type": "Digits"}, *cutters]}


def without_tensor(name: str) -> Change:
    return other_tensors(lambda tensors: tensors.pop(name))


def another_tensor(name: str, size: int) -> Change:
    """A tensor under that name, as long as is said."""

    def edit(tensors: "dict[str, torch.Tensor]") -> None:
        import torch

        tensors[name] = torch.zeros(size)

    return other_tensors(edit)
