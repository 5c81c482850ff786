"""Small Hugging Face folders as transformers saves them, and ways to change or damage one.

``REFUSED`` and ``DAMAGED`` have, by name, such a change and what the message about it says.
"""

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from helpers.base.match import SENTENCES
from helpers.ids.dictionary import FILLERS, Dictionary
from helpers.models.huggingface import quiet, tokenizer_of
from helpers.tokens.gpt2 import GPT2_IDS, encode, gpt2_file

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, RobertaForMaskedLM, RobertaTokenizer

Change = Callable[[Path], object]
ROWS = GPT2_IDS + 8  # RoBERTa's vocabulary: four specials, GPT-2's tokens, three fillers, <mask>
SMALL = {"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 64, "vocab_size": ROWS}
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
    """More rows than tokens, as where a size was rounded up to a multiple of 16."""
    random_model(vocab_size=ROWS + 7).save_pretrained(folder)


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


LEGACY = {"_use_new_zipfile_serialization": False}  # torch's format before 1.6
MERGES = "other merges than GPT-2's"
SHARDS = holding("model.safetensors.index.json", b'{"metadata": {}, "weight_map": {}}')
BERTS_TOKENS = holding("vocab.txt", b"[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nhello\n")
DISTIL = {"dim": 32, "n_heads": 2, "n_layers": 1, "hidden_dim": 64}
COUNTS = ["num_hidden_layers", "hidden_size", "intermediate_size", "num_attention_heads"]

OTHER_MODELS = {
    "BERT": (another_model("BertForMaskedLM"), "'bert', not a RoBERTa"),
    "BERT with its own vocab.txt": (
        in_turn(another_model("BertForMaskedLM"), without("tokenizer.json"), BERTS_TOKENS),
        "'bert', not a RoBERTa",
    ),
    "XLM-R": (another_model("XLMRobertaForMaskedLM"), "'xlm-roberta', not a RoBERTa"),
    "CamemBERT": (another_model("CamembertForMaskedLM"), "'camembert', not a RoBERTa"),
    "DistilBERT": (another_model("DistilBertForMaskedLM", **DISTIL), "'distilbert', not a RoBERTa"),
    "no kind": (lacking("config.json", "model_type"), "not a RoBERTa"),
    "no head": (another_model("RobertaModel"), "RobertaModel without a masked-LM head"),
    "another head": (
        another_model("RobertaForSequenceClassification"),
        "RobertaForSequenceClassification without a masked-LM head",
    ),
    "relative positions": (configured(position_embedding_type="relative_key"), "'relative_key'"),
    "decoder": (configured(is_decoder=True), "made a decoder"),
    "other padding": (configured(pad_token_id=0), "padding is the token 0, not 1"),
    "no padding": (configured(pad_token_id=None), "padding is the token None, not 1"),
    "unknown activation": (configured(hidden_act="silu"), "'silu', not 'gelu'"),
}
OTHER_TOKENIZERS = {
    "merge changed": (other_merges(lambda m: m.__setitem__(40_000, "Ġx yz")), MERGES),
    "merge missing": (other_merges(lambda m: m.pop(30_000)), f"{MERGES} .49,999; GPT-2 has 50,000"),
    "one merge more": (other_merges(lambda m: m.append("Ġx yz")), f"{MERGES} .50,001; GPT-2 has"),
    "merges exchanged": (other_merges(lambda m: m.insert(9, m.pop(8))), MERGES),
    "no merges": (other_merges(list.clear), MERGES),
    "merges in JSON": (rewritten(lambda t: t["model"]["merges"].reverse()), MERGES),
    "WordPiece": (
        rewritten(lambda t: t.update(model={"type": "WordPiece", "vocab": {}})),
        "merges|byte-pair encoding",
    ),
    "lower case": (
        rewritten(lambda t: t.update(normalizer={"type": "Lowercase"})),
        r"tokenizer\.json has the normalizer Lowercase",
    ),
    "another cutter": (
        rewritten(lambda t: t.update(pre_tokenizer={"type": "Whitespace"})),
        "the pre_tokenizer Whitespace, not ByteLevel",
    ),
    "two cutters": (
        rewritten(lambda t: t.update(pre_tokenizer=in_sequence(t["pre_tokenizer"]))),
        "the pre_tokenizer Sequence, not ByteLevel",
    ),
    "no cutter": (rewritten(lambda t: t.update(pre_tokenizer=None)), "the pre_tokenizer None"),
    "no pattern": (rewritten(lambda t: t["pre_tokenizer"].update(use_regex=False)), "use_regex"),
    "merges by lot": (rewritten(lambda t: t["model"].update(dropout=0.5)), "a model with dropout"),
    "first specials": (exchanged("<s>", "<pad>"), "begins with <pad> <s> </s> <unk>"),
    "special inside": (exchanged("<unk>", "Hello"), "begins with <s> <pad> </s> Hello"),
    "mask inside": (exchanged("<mask>", "Hello"), "ends with Hello"),
    "token added": (added_token(resized=True), "ends with newtoken"),
    "token added, no row": (added_token(resized=False), "ends with newtoken"),
    "gap": (other_vocabulary(lambda v: v.pop("Hello")), "without gaps"),
    "id twice": (other_vocabulary(lambda v: v.update(Hello=4)), "without gaps"),
    "a token replaced": (
        other_vocabulary(lambda v: v.update({"☃☃": v.pop("Hello")})),
        "Hello|lacks",
    ),
    "more rows": (longer_vocabulary, r"50,272 (.|\n)*50,265"),
}
MISSING = {
    "no weights": (without("model.safetensors"), r"no model\.safetensors or pytorch_model\.bin"),
    "sharded": (in_turn(without("model.safetensors"), SHARDS), r"no model\.safetensors"),
    "no tokenizer": (
        without("tokenizer.json"),
        r"has no tokenizer\.json, or vocab\.json and merges\.txt",
    ),
    "no merges.txt": (in_turn(in_the_old_form, without("merges.txt")), r"has no .*merges\.txt"),
    "no vocab.json": (in_turn(in_the_old_form, without("vocab.json")), r"has no .*vocab\.json"),
}
DAMAGED_CONFIG = {
    "cut": (cut_off("config.json"), r"config\.json is damaged"),
    "text": (holding("config.json", b"layers = 12"), r"config\.json is damaged"),
    "a list": (holding("config.json", b"[1, 2]"), r"config\.json is damaged"),
    "binary": (holding("config.json", b"\xff\xfe\x00"), r"config\.json is damaged"),
    **{f"without {key}": (lacking("config.json", key), key) for key in COUNTS},
    "without positions": (lacking("config.json", "max_position_embeddings"), "max_position_emb"),
    "heads as text": (configured(num_attention_heads="two"), "num_attention_heads"),
    "no heads": (configured(num_attention_heads=0), "heads"),
    "heads that do not divide": (configured(num_attention_heads=3), "heads"),
    "positions as text": (configured(max_position_embeddings="514"), "max_position_embeddings"),
    "eps null": (configured(layer_norm_eps=None), "layer_norm_eps"),
    "activation is a list": (configured(hidden_act=["gelu"]), "gelu"),
    "more layers than there are": (configured(num_hidden_layers=2), "layer"),
    "no layer of those there are": (configured(num_hidden_layers=0), "layer"),
}
DAMAGED_TOKENIZER = {
    "vocab.json cut": (in_turn(in_the_old_form, cut_off("vocab.json")), r"vocab\.json is damaged"),
    "vocab.json a list": (
        in_turn(in_the_old_form, holding("vocab.json", b'["<s>"]')),
        r"vocab\.json is damaged",
    ),
    "vocab.json empty": (in_turn(in_the_old_form, holding("vocab.json", b"{}")), "vocab"),
    "ids of two kinds": (other_vocabulary(lambda v: v.update(Hello="4")), "vocab"),
    "an id is null": (other_vocabulary(lambda v: v.update(Hello=None)), "vocab"),
    "cut": (cut_off("tokenizer.json"), r"tokenizer\.json is damaged"),
    "text": (holding("tokenizer.json", b"BPE"), r"tokenizer\.json is damaged"),
    "a list": (holding("tokenizer.json", b"[]"), r"tokenizer\.json is damaged"),
    "without model": (lacking("tokenizer.json", "model"), "merges|damaged"),
    "without vocab": (lacking("tokenizer.json", "model", "vocab"), "vocab|damaged"),
    "without merges": (lacking("tokenizer.json", "model", "merges"), "merges|damaged"),
    "merges null": (rewritten(lambda t: t["model"].update(merges=None)), "merges|damaged"),
    "model is text": (rewritten(lambda t: t.update(model="BPE")), "merges|damaged"),
    "an added token without text": (
        rewritten(lambda t: t.update(added_tokens=[{"id": 4}])),
        "added_tokens|vocabulary|damaged",
    ),
}
DAMAGED_WEIGHTS = {
    "empty": (holding("model.safetensors", b""), r"model\.safetensors is damaged"),
    "text": (holding("model.safetensors", b"version https://"), r"model\.safetensors is damaged"),
    "header cut": (cut_off("model.safetensors", 100), r"model\.safetensors is damaged"),
    "cut": (cut_off("model.safetensors"), r"model\.safetensors is damaged"),
    "bin cut": (in_turn(bin_without(), cut_off("pytorch_model.bin")), r"pytorch_model\.bin"),
    **{
        f"legacy bin cut after {at or 'half'}": (
            in_turn(bin_without(**LEGACY), cut_off("pytorch_model.bin", at)),
            r"pytorch_model\.bin",
        )
        for at in (None, 1, 19, 30)
    },
    "bin is a list": (bin_of([1, 2]), r"pytorch_model\.bin does not hold tensors"),
    "bin is something else": (bin_of({"epoch": 3}), r"pytorch_model\.bin does not hold tensors"),
    **{
        f"no {name}": (without_tensor(name), "(?i)lacks|has no|missing|incomplete|damaged")
        for name in (
            "roberta.embeddings.word_embeddings.weight",
            "roberta.embeddings.position_embeddings.weight",
            "roberta.encoder.layer.0.intermediate.dense.weight",
            "roberta.encoder.layer.0.output.LayerNorm.bias",
            "lm_head.layer_norm.weight",
            "lm_head.bias",
        )
    },
    "a tensor of another shape": (another_tensor("lm_head.dense.bias", 31), "dense.bias"),
    "an adapter": (another_tensor("roberta.adapter.weight", 2), r"'roberta\.adapter\.weight'"),
}
REFUSED = OTHER_MODELS | OTHER_TOKENIZERS | MISSING
DAMAGED = {
    f"{what}: {name}": case
    for what, cases in {
        "config": DAMAGED_CONFIG,
        "tokenizer": DAMAGED_TOKENIZER,
        "weights": DAMAGED_WEIGHTS,
    }.items()
    for name, case in cases.items()
}
