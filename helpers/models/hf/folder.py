"""A fairseq RoBERTa as a Hugging Face folder: configuration, tensors and tokenizer."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.common.errors import CourseError
from helpers.common.symbols import MASK
from helpers.ids.dictionary import Dictionary, refuse_other_tokens
from helpers.models import checkpoints, shapes, tensor_names
from helpers.models.hf.config import ACTIVATION
from helpers.models.tensor_names import DECODER, TOKEN_TYPES, WORDS
from helpers.tokens.gpt2 import GPT2_IDS, gpt2_file, letters_of_token

if TYPE_CHECKING:
    import torch
    from transformers import RobertaForMaskedLM, RobertaTokenizer

# By the setting ``weights``.
WEIGHTS = {"safetensors": "model.safetensors", "pytorch": "pytorch_model.bin"}
FILES = (
    "config.json",
    *WEIGHTS.values(),
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "merges.txt",
)


def quiet() -> None:
    """Keep the libraries' own progress bars and notices out of notebooks and terminals."""
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    logging.getLogger("fairseq").setLevel(logging.WARNING)


def model_of(state: dict) -> "RobertaForMaskedLM":
    """A fairseq checkpoint as a ``RobertaForMaskedLM``, ready to evaluate (no dropout)."""
    import torch
    from transformers import RobertaConfig, RobertaForMaskedLM

    shape, cfg = shapes.shape(state), state["cfg"]["model"]
    if shape["activation_fn"] != ACTIVATION:
        raise CourseError(
            f"The model uses the activation {shape['activation_fn']!r}, and the LM head in "
            f"transformers always {ACTIVATION!r}.",
            f"Only models with {ACTIVATION!r}, as RoBERTa has it, can be converted.",
        )
    tensors = tensor_names.to_huggingface(state)
    embedding = tensors[WORDS]
    config = RobertaConfig(
        vocab_size=len(embedding),
        hidden_size=shape["encoder_embed_dim"],
        num_hidden_layers=shape["encoder_layers"],
        num_attention_heads=shape["encoder_attention_heads"],
        intermediate_size=shape["encoder_ffn_embed_dim"],
        hidden_act=ACTIVATION,
        hidden_dropout_prob=cfg.get("dropout", 0.1),
        attention_probs_dropout_prob=cfg.get("attention_dropout", 0.1),
        max_position_embeddings=shapes.rows_of_positions(state),
        type_vocab_size=1,
        layer_norm_eps=1e-5,
        tie_word_embeddings=torch.equal(embedding, tensors[DECODER]),
        architectures=["RobertaForMaskedLM"],
    )
    model = RobertaForMaskedLM(config)
    # fairseq has no token types: theirs add nothing.
    types = torch.zeros(1, config.hidden_size)
    tensors[TOKEN_TYPES] = types
    model.load_state_dict(tensors)
    return model.eval()


def vocab_of(dictionary: Dictionary) -> dict[str, int]:
    """Hugging Face's ``vocab.json``: each token in GPT-2's letters → dictionary index.

    Raises:
        CourseError: the dictionary lacks GPT-2 ids, which the merges would need.
    """
    refuse_other_tokens(dictionary, "The dictionary")
    letters = letters_of_token()
    return {
        letters[int(s)] if s.isdecimal() and int(s) < GPT2_IDS else s: i
        for i, s in enumerate(dictionary.all_symbols)
    }


def tokenizer_of(dictionary: Dictionary, positions: int) -> "RobertaTokenizer":
    """GPT-2's byte-pair encoding with the dictionary's indices as ids.

    ``<mask>`` takes the space before it, as in fairseq: RoBERTa has never seen a lone space there.
    """
    from transformers import AddedToken, RobertaTokenizer

    merges = gpt2_file("vocab.bpe").read_text("utf-8").splitlines()[1:]
    return RobertaTokenizer(
        vocab=vocab_of(dictionary),
        merges=[tuple(merge.split()) for merge in merges],
        mask_token=AddedToken(MASK, lstrip=True, special=True),
        model_max_length=positions,
    )


def _rounded(model: "RobertaForMaskedLM", dtype: "torch.dtype") -> "RobertaForMaskedLM":
    import torch

    most = torch.finfo(dtype).max
    for name, weight in model.named_parameters():
        if (largest := float(weight.detach().abs().max())) > most:
            raise CourseError(
                f"{name} holds {largest:.3g}, and {dtype} goes to {most:.3g} only.",
                "Take dtype = bfloat16, which has the range of float32, or float32.",
            )
    model.config.dtype = dtype
    return model.to(dtype)


def write_folder(
    state: dict,
    dictionary: Dictionary,
    folder: Path,
    dtype: str = "float32",
    weights: Sequence[str] = tuple(WEIGHTS),
) -> None:
    """Write the files of ``FILES`` into a folder, of the weights those that are asked for.

    Args:
        dtype: PyTorch's name of the numbers that weights are rounded to.
        weights: keys of ``WEIGHTS``.

    Raises:
        CourseError: such numbers cannot hold a weight.
    """
    import torch

    quiet()
    model = _rounded(model_of(state), getattr(torch, dtype))
    if "safetensors" in weights:
        model.save_pretrained(folder)
    else:
        model.config.save_pretrained(folder)
    if "pytorch" in weights:
        checkpoints.write(model.state_dict(), folder / WEIGHTS["pytorch"])
    tokenizer_of(dictionary, shapes.shape(state)["max_positions"]).save_pretrained(folder)
    vocab = json.dumps(vocab_of(dictionary), ensure_ascii=False)
    (folder / "vocab.json").write_text(vocab, "utf-8")
    (folder / "merges.txt").write_bytes(gpt2_file("vocab.bpe").read_bytes())
    for file in folder.iterdir():
        if file.name not in FILES:
            file.unlink()
        else:
            file.chmod(0o644)  # safetensors writes for the owner's eyes only; a class shares models
