"""Hugging Face folders by other programs: wrapped names, padded tables, adapters, quantization."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from helpers.common.errors import CourseError
from helpers.models.hf.reading import read_folder
from helpers.models.tensor_names import DECODER, WORDS
from helpers.workflow.workspace import Workspace
from tests.support.checkpoint_makers import base_from, hub
from tests.support.huggingface_makers import (
    ROWS,
    Change,
    bin_of,
    configured,
    fitted_model,
    in_turn,
    other_tensors,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # fairseq's own use of TorchScript
    pytest.mark.usefixtures("tiny_course_base"),
]
QUERY = "roberta.encoder.layer.0.attention.self.query"


def named(name: Callable[[str], str]) -> Change:
    def edit(tensors: dict) -> None:
        new = {name(n): tensor for n, tensor in tensors.items()}
        tensors.clear()
        tensors.update(new)

    return other_tensors(edit)


def plus(name: str, kind: torch.dtype = torch.float) -> Change:
    return other_tensors(lambda tensors: tensors.update({name: torch.zeros(2, dtype=kind)}))


WRAPPED = {
    "module": named("module.{}".format),
    "_orig_mod": named("_orig_mod.{}".format),
    "both": named("module._orig_mod.{}".format),
    "Lightning's": named("model.{}".format),
    "PEFT's, merged": named("base_model.model.{}".format),
    "inside": named(lambda n: n.replace("encoder.layer.0.", "encoder.layer.0._orig_mod.")),
    "bin": bin_of({f"module.{n}": t for n, t in fitted_model().state_dict().items()}),
}


@pytest.mark.parametrize("change", WRAPPED.values(), ids=WRAPPED)
def test_what_wrappers_put_into_names_is_left_out(
    hf_copy: Path, plain_hf: Path, change: Change
) -> None:
    change(hf_copy)
    (wanted, *_), (state, _, notes) = read_folder(plain_hf), read_folder(hf_copy)
    assert state["model"].keys() == wanted["model"].keys() and notes == []
    assert all(torch.equal(state["model"][n], tensor) for n, tensor in wanted["model"].items())


REFUSED = {
    "LoRA": (plus(f"{QUERY}.lora_A.default.weight"), r"an adapter \(LoRA.*query\.lora_A"),
    "a LoRA's layer": (
        named(lambda n: n.replace("query.", "query.base_layer.")),
        r"an adapter \(LoRA",
    ),
    "8 bits": (plus(f"{QUERY}.SCB"), r"8 bits \(bitsandbytes\).*query\.SCB"),
    "4 bits": (plus(f"{QUERY}.weight.quant_state.bitsandbytes__nf4", torch.uint8), "4 bits"),
    "GPTQ": (plus(f"{QUERY}.g_idx", torch.int), "GPTQ"),
    "a scale": (plus(f"{QUERY}.weight_scale"), "scales of a quantization"),
    "FSDP": (named(lambda n: "_flat_param" if n == f"{QUERY}.weight" else n), "flat parameters"),
    "no names": (bin_of({5: torch.zeros(2)}), "does not hold tensors by name"),
}


@pytest.mark.parametrize(("change", "why"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_plain_roberta_is_refused_with_the_true_reason(
    hf_copy: Path, change: Change, why: str
) -> None:
    change(hf_copy)
    with pytest.raises(CourseError, match=why) as error:
        read_folder(hf_copy)
    assert str(hf_copy) in error.value.message


def resized(folder: Path) -> None:
    from transformers import RobertaForMaskedLM

    model = RobertaForMaskedLM.from_pretrained(folder)
    model.resize_token_embeddings(ROWS, pad_to_multiple_of=64)
    model.save_pretrained(folder)


def longer(name: str) -> Change:
    def edit(tensors: dict) -> None:
        more = torch.zeros(39, *tensors[WORDS].shape[1:])
        tensors[name] = torch.cat([tensors[WORDS], more])

    return other_tensors(edit)


PADDED = {
    "by transformers": resized,
    "the embedding alone": in_turn(longer(WORDS), configured(vocab_size=50304)),
    "the head alone": longer(DECODER),
}


@pytest.mark.parametrize("change", PADDED.values(), ids=PADDED)
def test_rows_that_only_round_up_are_cut_off(
    hf_copy: Path, workspace: Workspace, change: Change
) -> None:
    before = load_file(hf_copy / "model.safetensors")
    change(hf_copy)
    (note,) = base_from(workspace, hf_copy).notes
    assert "50,304 rows" in note and "39" in note
    model = hub(workspace.base_model.parent).model
    table = model.encoder.sentence_encoder.embed_tokens.weight
    assert torch.equal(table.detach(), before[WORDS])
