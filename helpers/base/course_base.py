"""The course's own base model: packed small, unpacked into an ordinary fairseq checkpoint.

Packed, it is ``model.safetensors`` in half precision, without the matrix of the LM head, which is
the embedding's; and its dictionary, compressed. All lies in ``course/``, where
``README.md`` is its model card.
"""

import lzma
from pathlib import Path

from helpers.ids.dictionary import Dictionary
from helpers.models import checkpoints, shapes
from helpers.models.finite import refuse_not_finite
from helpers.models.old_checkpoints import complete_cfg
from helpers.models.tensor_names import HEAD_WEIGHT, TOKENS

FOLDER = Path(__file__).resolve().parent / "course"
MODEL, DICTIONARY = FOLDER / "model.safetensors", FOLDER / "dict.txt.xz"


def pack(state: dict, dictionary: Dictionary) -> None:
    """Write both files from a fairseq checkpoint whose LM head is tied to the embedding.

    Raises:
        CourseError: a weight is too large for half precision.
    """
    from safetensors.torch import save_file

    about = {
        "heads": shapes.shape(state)["encoder_attention_heads"],
        "updates": checkpoints.updates(state),
        "loss": state["extra_state"]["val_loss"],
    }
    tensors = {n: t.half().contiguous() for n, t in state["model"].items() if n != HEAD_WEIGHT}
    refuse_not_finite(tensors, "The model in half precision")
    save_file(tensors, MODEL, {name: str(value) for name, value in about.items()})
    MODEL.chmod(0o644)
    DICTIONARY.write_bytes(lzma.compress(dictionary.text().encode(), preset=9))


def unpack() -> tuple[dict, Dictionary]:
    """The model as a fairseq checkpoint in single precision, and its dictionary."""
    from safetensors import safe_open

    with safe_open(MODEL, "pt") as file:
        tensors = {name: file.get_tensor(name).float() for name in sorted(file.keys())}
        about = file.metadata()
    refuse_not_finite(tensors, MODEL)
    tensors[HEAD_WEIGHT] = tensors[TOKENS]
    heads = {"encoder_attention_heads": int(about["heads"])}
    state = {
        "cfg": complete_cfg(heads),
        "model": tensors,
        "optimizer_history": [checkpoints.NO_HISTORY | {"num_updates": int(about["updates"])}],
        "extra_state": {"val_loss": float(about["loss"])},
    }
    lines = lzma.decompress(DICTIONARY.read_bytes()).decode().splitlines()
    return state, Dictionary.parse(lines, DICTIONARY)
