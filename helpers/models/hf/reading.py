"""A Hugging Face folder with a RoBERTa as a fairseq checkpoint and its dictionary."""

import math
from pathlib import Path

from helpers.common.errors import CourseError
from helpers.common.file_kinds import AGAIN, SAFETENSORS, other_kind
from helpers.common.pickles import read_safely
from helpers.common.symbols import MASK, SPECIALS
from helpers.ids.dictionary import Dictionary, refuse_other_tokens
from helpers.models import shapes, tensor_names
from helpers.models.finite import refuse_not_finite
from helpers.models.hf.config import (
    ACTIVATION,
    WEIGHTS,
    FolderConfig,
    folder_config,
    forms_of,
    json_object,
    tokenizer_of,
    weight_map,
    weights_of,
)
from helpers.models.old_checkpoints import complete_cfg
from helpers.tokens.gpt2 import gpt2_file, letters_of_token

FAIRSEQ_EPS = 1e-5  # of every layer norm; fairseq knows no other
AS_SAVED = "Save the model's own tensors there: torch.save(model.state_dict(), …)."
# What configuration and tensors both tell.
COUNTED = {
    "encoder_layers": "layers",
    "encoder_embed_dim": "numbers for a token (hidden_size)",
    "encoder_ffn_embed_dim": "numbers inside a layer (intermediate_size)",
    "max_positions": "positions that are used (max_position_embeddings less 2)",
}
# Of a byte-pair encoding: what would give other tokens by the same merges.
OTHER_BPE = ("dropout", "continuing_subword_prefix", "end_of_word_suffix")
NEEDED = "The course needs RoBERTa's tokenizer, which is GPT-2's byte-pair encoding."


def read_folder(folder: Path) -> tuple[dict, Dictionary, list[str]]:
    """A RoBERTa with its masked-LM head, from ``config.json``, weights and tokenizer files.

    Returns:
        The checkpoint in fairseq's form, the dictionary in the vocabulary's order, and notes.

    Raises:
        CourseError: what is there is something else; the message names it.
    """
    config, config_file = folder_config(folder), folder / "config.json"
    weights, tokenizer = weights_of(folder)[0], tokenizer_of(folder)
    dictionary = dictionary_of(*_vocabulary_and_merges(tokenizer), folder)
    tensors = _tensors(weights)
    if not any(name.startswith("lm_head.dense.") for name in tensors):
        kind = ", ".join(config.architectures or ["a model"])
        raise CourseError(
            f"{folder} holds {kind} without a masked-LM head.",
            "Take the model as it was before a task was put on it, a RobertaForMaskedLM.",
        )
    model = {
        "encoder_layers": config.num_hidden_layers,
        "encoder_embed_dim": config.hidden_size,
        "encoder_ffn_embed_dim": config.intermediate_size,
        "encoder_attention_heads": config.num_attention_heads,
        "activation_fn": ACTIVATION,
        "max_positions": config.max_position_embeddings - 2,
        "dropout": config.hidden_dropout_prob,
        "attention_dropout": config.attention_probs_dropout_prob,
    }
    state = {"cfg": complete_cfg(model), "model": tensor_names.from_huggingface(tensors, weights)}
    state, notes = shapes.without_padding(state, len(dictionary) + 1)
    shapes.refuse_broken(state, weights)
    found = shapes.shape(state)
    for name, what in COUNTED.items():
        if model[name] != found[name]:
            raise CourseError(
                f"{config_file} speaks of {model[name]:,} {what}, and {weights.name} has "
                f"{found[name]:,}.",
                "Take both once more from where they were published.",
            )
    return state, dictionary, [*notes, *_notes(config, folder)]


def _notes(config: FolderConfig, folder: Path) -> list[str]:
    """What will be different in fairseq."""
    eps, notes, forms = config.layer_norm_eps, [], [file.name for file in forms_of(folder)]
    if forms[1:] and forms != [*WEIGHTS]:  # the two are published together, with the same numbers
        notes.append(
            f"Of the weights in this folder {forms[0]} is read, as transformers does, and not "
            f"{' or '.join(forms[1:])}."
        )
    if not math.isclose(eps, FAIRSEQ_EPS):
        notes.append(
            f"Its layer norms were computed with eps = {eps:g}, and fairseq always takes "
            f"{FAIRSEQ_EPS:g}: its numbers change slightly."
        )
    if _puts_a_space(folder):
        notes.append(
            "Its tokenizer puts a space before each text (add_prefix_space); fairseq does not, so "
            "that a line's first word is another token."
        )
    return notes


def _puts_a_space(folder: Path) -> bool:
    """Whether one of the tokenizer's files asks for a space before each text."""
    config, tokenizer = folder / "tokenizer_config.json", folder / "tokenizer.json"
    asked = [json_object(config)] if config.is_file() else []
    if tokenizer.is_file():
        asked.append(json_object(tokenizer).get("pre_tokenizer") or {})
    return any(each.get("add_prefix_space") for each in asked)


def _tensors(weights: Path) -> dict:
    """The tensors of a file, or of those that an index names, without wrappers' names."""
    files, tensors = weight_map(weights), {}
    for name in sorted({*files.values()}) or [weights.name]:
        part = _by_name(weights.with_name(name))
        named = {tensor for tensor, its in files.items() if its == name}
        if files and (other := sorted(named ^ part.keys())):
            raise CourseError(
                f"{weights} does not belong to {name}: {other[0]} is in one of them only.",
                "Take all parts and their index once more from where they were published.",
            )
        tensors |= part
    tensors = tensor_names.unwrapped(tensors, weights)
    refuse_not_finite(tensors, weights)
    return tensors


def _by_name(file: Path) -> dict:
    """The tensors of one file by their names."""
    if file.suffix == ".bin":
        tensors = read_safely(file)
    else:
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            tensors = load_file(file)
        except (SafetensorError, OSError) as error:
            what, hint = other_kind(file)
            if what in ("", SAFETENSORS):
                raise CourseError(f"{file} is damaged: {error}.", AGAIN) from None
            raise CourseError(f"{file} is damaged: it is {what}.", hint) from None
    import torch

    if not isinstance(tensors, dict):
        raise CourseError(
            f"{file} does not hold tensors by name: it is a {type(tensors).__name__}.", AS_SAVED
        )
    other = next(
        (n for n, t in tensors.items() if not (isinstance(n, str) and isinstance(t, torch.Tensor))),
        None,
    )
    if other is not None:
        raise CourseError(
            f"{file} does not hold tensors by name: {other!r:.60} is a "
            f"{type(tensors[other]).__name__} in it.",
            AS_SAVED,
        )
    return tensors


def _vocabulary_and_merges(files: tuple[Path, ...]) -> tuple[dict[str, int], list[str]]:
    """Token → id, and the merges as lines of ``merges.txt``, from either form of a tokenizer."""
    if len(files) == 2:
        lines = files[1].read_text("utf-8", errors="replace").splitlines()
        merges = [line for line in lines if line and not line.startswith("#version")]
        vocabulary = json_object(files[0])
    else:
        content = json_object(files[0])
        try:
            added = {token["content"]: token["id"] for token in content.get("added_tokens", ())}
            vocabulary = dict(content["model"]["vocab"]) | added
            pairs = content["model"]["merges"]
            merges = [m if isinstance(m, str) else " ".join(m) for m in pairs]
        except (KeyError, TypeError, ValueError):
            raise CourseError(
                f"{files[0]} holds no byte-pair encoding with its vocabulary and merges.",
                NEEDED,
            ) from None
        if what := _another_way(content):
            raise CourseError(
                f"{files[0]} has {what}: texts would get other tokens than GPT-2's.", NEEDED
            )
    if not all(isinstance(number, int) for number in vocabulary.values()):
        raise CourseError(f"{files[0]} is damaged: ids are no numbers.", "Download it again.")
    return vocabulary, merges


def _another_way(tokenizer: dict) -> str:
    """What in a ``tokenizer.json`` changes texts, or cuts them in another way than GPT-2."""
    normalizer, cutter = tokenizer.get("normalizer"), tokenizer.get("pre_tokenizer")
    if normalizer is not None:
        return f"the normalizer {_kind(normalizer)}"
    if _kind(cutter) != "ByteLevel":
        return f"the pre_tokenizer {_kind(cutter)}, not ByteLevel"
    if cutter.get("use_regex", True) is not True:
        return "a pre_tokenizer without GPT-2's pattern (use_regex)"
    set_too = (name for name in OTHER_BPE if tokenizer["model"].get(name))
    return next((f"a model with {name}" for name in set_too), "")


def _kind(part: object) -> object:
    return part.get("type") if isinstance(part, dict) else part


def dictionary_of(vocabulary: dict[str, int], merges: list[str], folder: Path) -> Dictionary:
    """The dictionary whose indices are the ids of a Hugging Face vocabulary.

    Raises:
        CourseError: other merges than GPT-2's, or special tokens in other places than RoBERTa's.
    """
    gpt2 = gpt2_file("vocab.bpe").read_text("utf-8").splitlines()[1:]
    if merges != gpt2:
        raise CourseError(
            f"The tokenizer in {folder} has other merges than GPT-2's ({len(merges):,}; GPT-2 has "
            f"{len(gpt2):,}).",
            "The course encodes with GPT-2's merges only, as RoBERTa does.",
        )
    tokens = sorted(vocabulary, key=vocabulary.__getitem__)
    if len(tokens) < 6 or sorted(vocabulary.values()) != list(range(len(tokens))):
        raise CourseError(
            f"The ids in the vocabulary of {folder} are not 0, 1, 2 … without gaps.",
            "Take the tokenizer that was published with the model.",
        )
    if tuple(tokens[:4]) != SPECIALS or tokens[-1] != MASK:
        raise CourseError(
            f"The vocabulary of {folder} begins with {' '.join(tokens[:4])} and ends with "
            f"{tokens[-1]}; RoBERTa's begins with {' '.join(SPECIALS)} and ends with {MASK}.",
            "fairseq's special tokens have fixed places; tokens that were added are not supported.",
        )
    ids = {letters: str(i) for i, letters in enumerate(letters_of_token())}
    symbols = tuple(ids.get(token, token) for token in tokens[4:-1])
    dictionary = Dictionary(symbols, (0,) * len(symbols))
    refuse_other_tokens(dictionary, f"The vocabulary of {folder}")
    return dictionary
