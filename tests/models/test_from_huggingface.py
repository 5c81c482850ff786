"""A RoBERTa from Hugging Face as a base: the same numbers and ids in fairseq, and back again."""

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import assume, given, settings
from safetensors.torch import load_file
from transformers import AutoModelForMaskedLM, AutoTokenizer

from helpers.common.errors import CourseError
from helpers.common.symbols import SPECIALS
from helpers.ids.dictionary import Dictionary
from helpers.models import checkpoints, tensor_names
from helpers.models.hf.comparison import fairseq_ids
from helpers.stages.road import ROAD
from helpers.tokens.gpt2 import encode
from helpers.training.runs.folders import BEST
from helpers.workflow.settings import ConvertSettings
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace
from tests.support import road
from tests.support.awkward import TEXTS as AWKWARD
from tests.support.awkward import text as any_text
from tests.support.checkpoint_makers import base_from, hub
from tests.support.commands import command
from tests.support.huggingface_makers import (
    LEGACY,
    ROWS,
    Change,
    bin_without,
    edited,
    exchanged,
    fitted_model,
    in_bin_shards,
    in_shards,
    in_the_old_form,
    permuted,
    random_model,
    saved,
    tokenizer,
    with_weights,
)

TOLERANCE = 1e-4
PLAIN = [
    "Hello world! This is RoBERTa.",
    "微调之前，先把文本切分成训练、验证和测试三部分。",
    "👨‍👩‍👧‍👦 naïve café 🙂 x² ≤ 10",
    "  two  spaces\tand a tab",
]
TEXTS = [*PLAIN, "The capital of <mask> is Paris.", "<mask> 语料 <mask>🙂"]
TYPES = "roberta.embeddings.token_type_embeddings.weight"
POSITIONS = "roberta.embeddings.position_embeddings.weight"
DECODER, DECODER_BIAS = "lm_head.decoder.weight", "lm_head.decoder.bias"


def state_of(workspace: Workspace) -> dict:
    return checkpoints.read(workspace.base_model)


def symbols_of(workspace: Workspace) -> tuple[str, ...]:
    return Dictionary.load(workspace.base_dict).symbols


def same(ones: dict[str, torch.Tensor], others: dict[str, torch.Tensor]) -> bool:
    """Equal names, and every number bit for bit."""
    return ones.keys() == others.keys() and all(torch.equal(ones[n], others[n]) for n in ones)


def logits(model: torch.nn.Module) -> torch.Tensor:
    """fairseq's or transformers' logits for all texts in one batch, without those of padding."""
    batch = tokenizer()(TEXTS, return_tensors="pt", padding=True)
    with torch.inference_mode():
        if hasattr(model, "roberta"):
            found = model(**batch).logits
        else:
            found = model(batch["input_ids"], features_only=False)[0]
    return found[batch["attention_mask"] == 1]


def difference(one: torch.nn.Module, folder: Path) -> float:
    """The largest difference of a model's logits from those of the model in a folder."""
    other = AutoModelForMaskedLM.from_pretrained(folder).eval()
    return float((logits(one) - logits(other)).abs().max())


# There and back


@dataclasses.dataclass(frozen=True)
class Journey:
    """A folder of transformers', fairseq's base of it, the folder made of that, a base again."""

    start: Path
    there: Workspace
    back: Path
    again: Workspace


JOURNEYS = {
    "1 layer": {"layers": 1},
    "3 layers, types of zero": {"layers": 3, "type_rows": 2},
    "a token type": {"layers": 1, "types": True},
    "3 layers, two token types": {"layers": 3, "types": True, "type_rows": 2},
    "untied": {"layers": 1, "tie_word_embeddings": False},
}


# In these is all that is in the others.
QUICK = ("3 layers, two token types", "untied")
CASES = [pytest.param(n, marks=() if n in QUICK else pytest.mark.long) for n in JOURNEYS]


@pytest.fixture(scope="module", params=CASES)
def journey(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Journey:
    root = tmp_path_factory.mktemp("journey 旅")
    found = Journey(root / "start", Workspace(root / "a"), root / "back 回", Workspace(root / "b"))
    saved(random_model(**JOURNEYS[request.param]), found.start)
    base_from(found.there, found.start)
    converted = ConvertSettings(
        roberta_checkpoint_path=str(found.there.base_model.parent),
        pytorch_dump_folder_path=str(found.back),
    )
    ROAD.run("convert", found.there, converted)
    base_from(found.again, found.back)
    return found


def test_fairseq_gives_the_originals_ids_and_logits(journey: Journey) -> None:
    ours = hub(journey.there.base_model.parent)
    original = AutoTokenizer.from_pretrained(journey.start)
    for text in PLAIN:
        assert ours.encode(text).tolist() == original(text)["input_ids"]
    for text in TEXTS:
        assert fairseq_ids(ours, text) == original(text)["input_ids"]
    assert difference(ours.model, journey.start) <= TOLERANCE


def test_what_comes_back_has_the_originals_numbers(journey: Journey) -> None:
    before, after = (load_file(f / "model.safetensors") for f in (journey.start, journey.back))
    types = before.pop(TYPES)[0]
    assert not after.pop(TYPES).any()
    assert torch.equal(after.pop(POSITIONS), before.pop(POSITIONS) + types)
    assert same(before, after)


def test_what_comes_back_gives_the_originals_ids_and_logits(journey: Journey) -> None:
    after = AutoModelForMaskedLM.from_pretrained(journey.back).eval()
    assert difference(after, journey.start) <= TOLERANCE
    before, after = map(AutoTokenizer.from_pretrained, (journey.start, journey.back))
    assert before(TEXTS)["input_ids"] == after(TEXTS)["input_ids"]


def test_fairseqs_base_comes_back_as_it_was(journey: Journey) -> None:
    assert same(state_of(journey.there)["model"], state_of(journey.again)["model"])
    assert symbols_of(journey.there) == symbols_of(journey.again) == permuted().symbols


@pytest.mark.parametrize("name", ["relu", "tanh", "gelu_new"])
def test_another_activation_is_refused(hf_copy: Path, workspace: Workspace, name: str) -> None:
    """The LM head of transformers has gelu always, fairseq's has the model's activation."""
    saved(random_model(hidden_act=name), hf_copy)
    with pytest.raises(CourseError, match=f"the activation '{name}', not 'gelu'"):
        base_from(workspace, hf_copy)


# Forms of weights and tokenizers


def expected() -> dict[str, torch.Tensor]:
    """The tensors in the plain folder, under all names, without the token types."""
    return {name: t for name, t in fitted_model().state_dict().items() if name != TYPES}


def taken_tensors(workspace: Workspace, source: Path) -> dict[str, torch.Tensor]:
    """The tensors of the base that is made of a folder, under Hugging Face's names."""
    base_from(workspace, source)
    return tensor_names.to_huggingface(state_of(workspace))


def old_bin(folder: Path) -> None:
    """As transformers once saved it: the positions' numbers and a pooler beside the rest."""
    extra = {
        "roberta.embeddings.position_ids": torch.arange(514)[None],
        "roberta.pooler.dense.weight": torch.ones(32, 32),
        "roberta.pooler.dense.bias": torch.ones(32),
    }
    with_weights(folder, fitted_model().state_dict() | extra)


def under(name: Callable[[str], str]) -> Change:
    """The tensors under other names."""
    return lambda folder: with_weights(
        folder, {name(n): t for n, t in fitted_model().state_dict().items()}
    )


SAME_WEIGHTS = {
    "safetensors": lambda folder: None,
    "every tensor": bin_without(),
    "old": old_bin,
    "in several files": in_shards,
    "in several old files": in_bin_shards,
    "legacy format": bin_without(**LEGACY),
    "in front of all": under("net.{}".format),
    "TensorFlow's names": under(
        lambda n: n.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta"
        )
    ),
    "no decoder": bin_without(DECODER),
    "only decoder.bias": bin_without("lm_head.bias"),
    "only bias": bin_without(DECODER_BIAS, DECODER),
    "no token types": bin_without(TYPES),
}


@pytest.mark.parametrize("change", SAME_WEIGHTS.values(), ids=SAME_WEIGHTS)
def test_every_form_of_weights_gives_the_same_tensors(
    hf_copy: Path, workspace: Workspace, change: Change
) -> None:
    change(hf_copy)
    assert same(taken_tensors(workspace, hf_copy), expected())


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin"])
def test_half_precision_becomes_single(
    hf_copy: Path, workspace: Workspace, kind: torch.dtype, file: str
) -> None:
    half = random_model().to(kind)
    half.save_pretrained(hf_copy)
    if file == "pytorch_model.bin":
        with_weights(hf_copy, half.state_dict())
    wanted = {n: t.float() for n, t in half.state_dict().items() if n != TYPES}
    assert same(taken_tensors(workspace, hf_copy), wanted)
    state = state_of(workspace)
    assert {tensor.dtype for tensor in state["model"].values()} == {torch.float32}
    assert not state["cfg"]["model"]["untie_weights_roberta"]


@pytest.mark.parametrize("form", ["files", "strings", "lists"])
def test_every_form_of_a_tokenizer_gives_the_same_dictionary(
    hf_copy: Path, workspace: Workspace, form: str
) -> None:
    def rewrite(content: dict) -> None:
        pairs = (m.split(" ") if isinstance(m, str) else m for m in content["model"]["merges"])
        content["model"]["merges"] = [p if form == "lists" else " ".join(p) for p in pairs]

    in_the_old_form(hf_copy) if form == "files" else edited("tokenizer.json", rewrite)(hf_copy)
    original = AutoTokenizer.from_pretrained(hf_copy)
    assert original(PLAIN)["input_ids"] == tokenizer()(PLAIN)["input_ids"]
    report = base_from(workspace, hf_copy)
    assert symbols_of(workspace) == permuted().symbols
    assert report.vocabulary == ROWS and report.source == hf_copy.name


def test_where_both_forms_disagree_the_one_that_transformers_reads_counts(
    hf_copy: Path, workspace: Workspace
) -> None:
    newer = (hf_copy / "tokenizer.json").read_bytes()
    exchanged("Hello", "Ġworld")(hf_copy)
    (hf_copy / "tokenizer.json").write_bytes(newer)
    theirs = AutoTokenizer.from_pretrained(hf_copy)("Hello world", add_special_tokens=False)
    base_from(workspace, hf_copy)
    ours = Dictionary.load(workspace.base_dict).from_gpt2[encode("Hello world")]
    assert ours.tolist() == theirs["input_ids"]


def test_a_folder_of_links_is_read_like_any_other(plain_hf: Path, workspace: Workspace) -> None:
    """Hugging Face's cache has links with the files' names, to files named by their hash."""
    snapshot, blobs = workspace.root / "snapshot", workspace.root / "blobs"
    shutil.copytree(plain_hf, blobs)
    snapshot.mkdir()
    for number, file in enumerate(sorted(blobs.iterdir())):
        (snapshot / file.name).symlink_to(file.rename(blobs / str(number)))
    assert same(taken_tensors(workspace, snapshot), expected())
    assert symbols_of(workspace) == permuted().symbols


def test_an_untied_head_is_untied_in_fairseq(hf_copy: Path, workspace: Workspace) -> None:
    model = saved(random_model(tie_word_embeddings=False), hf_copy)
    base_from(workspace, model)
    state = state_of(workspace)
    assert state["cfg"]["model"]["untie_weights_roberta"] is True
    embedding = state["model"]["encoder.sentence_encoder.embed_tokens.weight"]
    assert not torch.equal(state["model"]["encoder.lm_head.weight"], embedding)


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
def test_of_two_biases_the_one_that_transformers_adds_is_taken(
    hf_copy: Path, workspace: Workspace, tied: bool
) -> None:
    model = random_model(tie_word_embeddings=tied)
    model.save_pretrained(hf_copy)
    with_weights(hf_copy, model.state_dict() | {"lm_head.bias": torch.linspace(-1, 1, ROWS)})
    base_from(workspace, hf_copy)
    assert difference(hub(workspace.base_model.parent).model, hf_copy) <= TOLERANCE


# Ids


@pytest.fixture(scope="module")
def dictionary(plain_hf: Path, tmp_path_factory: pytest.TempPathFactory) -> Dictionary:
    workspace = Workspace(tmp_path_factory.mktemp("ids"))
    base_from(workspace, plain_hf)
    return Dictionary.load(workspace.base_dict)


def _compare_ids(dictionary: Dictionary, content: str) -> None:
    stripped = content.strip()
    theirs = tokenizer()(stripped, add_special_tokens=False)["input_ids"]
    assert dictionary.from_gpt2[encode(stripped)].tolist() == theirs


@settings(max_examples=300)
@given(any_text)
def test_ids_are_the_original_tokenizers(dictionary: Dictionary, content: str) -> None:
    assume(not any(special in content for special in (*SPECIALS, "<mask>")))
    _compare_ids(dictionary, content)


@pytest.mark.parametrize("name", [name for name in AWKWARD if name != "special tokens"])
def test_ids_of_awkward_texts_are_the_original_tokenizers(
    dictionary: Dictionary, name: str
) -> None:
    _compare_ids(dictionary, AWKWARD[name])


# The whole road


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Base, split, encode, binarize, five updates, and the folder that is made of them."""
    root = tmp_path_factory.mktemp("road 路")
    workspace = Workspace(root / "work")
    saved(fitted_model(), root / "tiny")
    done = command("base", "--workspace", workspace.root, "--source", "tiny", cwd=root)
    assert done.returncode == 0, done.stderr
    workspace.texts.mkdir()
    (workspace.texts / "a.txt").write_text(road.text("apple 苹果"), "utf-8")
    for name in road.STAGES:
        road.do(workspace, name)
    ROAD.run(
        "finetune", workspace, FinetuneSettings(max_update=5, validate_every=5, max_tokens=512)
    )
    ROAD.run("convert", workspace, ConvertSettings())
    return workspace


@pytest.mark.long
def test_at_the_end_of_the_road_is_a_folder_for_transformers(trained: Workspace) -> None:
    model = AutoModelForMaskedLM.from_pretrained(trained.hf).eval()
    ids = AutoTokenizer.from_pretrained(trained.hf)(TEXTS)["input_ids"]
    assert ids == tokenizer()(TEXTS)["input_ids"]
    assert logits(model).shape == (sum(map(len, ids)), ROWS)
    before, after = state_of(trained), checkpoints.read(trained.checkpoints / BEST)
    assert checkpoints.updates(after) == 5
    assert before["model"].keys() == after["model"].keys()
    assert not same(before["model"], after["model"])


@pytest.mark.long
def test_what_fairseq_trained_comes_back_from_its_folder(
    trained: Workspace, workspace: Workspace
) -> None:
    base_from(workspace, trained.hf)
    trained_tensors = checkpoints.read(trained.checkpoints / BEST)["model"]
    assert same(trained_tensors, state_of(workspace)["model"])
    assert symbols_of(trained) == symbols_of(workspace)
