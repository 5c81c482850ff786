"""Hugging Face folders that are refused, by name: a change, and what the message says of it."""

from tests.support.huggingface_makers import (
    LEGACY,
    Change,
    added_token,
    another_model,
    another_tensor,
    bin_of,
    bin_without,
    configured,
    cut_off,
    edited,
    exchanged,
    holding,
    in_sequence,
    in_shards,
    in_the_old_form,
    in_turn,
    lacking,
    longer_vocabulary,
    other_merges,
    other_vocabulary,
    rewritten,
    without,
    without_tensor,
)

MERGES = "other merges than GPT-2's"
INDEX = "model.safetensors.index.json"


def mapped(files: object) -> Change:
    """Shards whose index says something else."""
    return in_turn(in_shards, edited(INDEX, lambda index: index.update(weight_map=files)))


def moved(index: dict) -> None:
    """Two tensors that are in each other's file, by the index."""
    files = index["weight_map"]
    files["lm_head.bias"] = next(f for f in files.values() if f != files["lm_head.bias"])


BERTS_TOKENS = holding("vocab.txt", b"[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nhello\n")
DISTIL = {"dim": 32, "n_heads": 2, "n_layers": 1, "hidden_dim": 64}
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 501\n"
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
    "more rows": (longer_vocabulary, r"50,271 (.|\n)*50,265"),
}
MISSING = {
    "no weights": (without("model.safetensors"), r"no model\.safetensors or pytorch_model\.bin"),
    "TensorFlow's": (
        in_turn(without("model.safetensors"), holding("tf_model.h5", b"\x89HDF\r\n")),
        r"tf_model\.h5 is a model of TensorFlow or Keras",
    ),
    "Flax's": (
        in_turn(without("model.safetensors"), holding("flax_model.msgpack", b"\x83")),
        r"flax_model\.msgpack is a model of Flax",
    ),
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
    "no shards": (mapped({}), r"index\.json is damaged: its weight_map"),
    "shards by number": (mapped({"a": 1}), r"index\.json is damaged"),
    "no map of shards": (mapped(None), r"index\.json is damaged"),
    "a shard elsewhere": (mapped({"a": "../model.safetensors"}), r"index\.json is damaged"),
    "a shard of another kind": (mapped({"a": "config.json"}), r"index\.json is damaged"),
    "a shard is missing": (mapped({"a": "b.safetensors"}), r"names b\.safetensors, which is not"),
    "shards of another": (in_turn(in_shards, edited(INDEX, moved)), "in one of them only"),
    "index cut": (in_turn(in_shards, cut_off(INDEX)), r"index\.json is damaged"),
    "bin holds a state_dict": (
        bin_of({"state_dict": {}}),
        "by name: 'state_dict' is a dict in it",
    ),
    "bin is counted": (bin_of({5: 1}), "by name: 5 is a int in it"),
    "empty": (holding("model.safetensors", b""), r"model\.safetensors is damaged"),
    "text": (holding("model.safetensors", b"version https://"), r"model\.safetensors is damaged"),
    "a pointer": (holding("model.safetensors", POINTER), "it is a pointer of Git LFS"),
    "bin a pointer": (in_turn(bin_without(), holding("pytorch_model.bin", POINTER)), "Git LFS"),
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
