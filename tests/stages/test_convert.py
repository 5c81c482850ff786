"""Conversion: the folder as anyone would load it, compared with fairseq once more by the tests."""

import hashlib
import json
import re
import shutil
from pathlib import Path

import pytest
import torch

from helpers.common.errors import CourseError, StageMissing, StageStale
from helpers.ids.dictionary import Dictionary
from helpers.models import checkpoints, tensor_names
from helpers.models.hf import comparison
from helpers.models.hf.certificate import NAME
from helpers.models.hf.comparison import fairseq_ids
from helpers.models.hf.folder import FILES
from helpers.stages import convert
from helpers.stages.road import ROAD
from helpers.tokens.gpt2 import gpt2_file
from helpers.workflow.settings import ConvertSettings
from helpers.workflow.workspace import Workspace
from tests.support import checkpoint_makers
from tests.support.commands import command

TEXTS = [
    "Hello world! <mask> it",
    "<mask> is the number of <mask>.",
    "  spaces  inside\tand tabs",
    "微调 <mask> 语料🙂",
    "naïve café x² ≤ 10",
]


@pytest.fixture(scope="module")
def hub(course: Workspace) -> object:
    """The converted model's origin, as fairseq's own hub interface loads it."""
    return checkpoint_makers.hub(course.pt)


def test_the_folder_has_its_files_and_no_other(course: Workspace) -> None:
    assert {file.name for file in course.hf.iterdir()} == {*FILES, NAME, "README.md", "curve.png"}
    assert {file.name for file in course.pt.iterdir()} == {"model.pt", "dict.txt"}
    assert {file.stat().st_mode & 0o777 for file in course.hf.iterdir()} == {0o644}
    vocab = json.loads((course.hf / "vocab.json").read_text("utf-8"))
    assert len(vocab) == 50265 and vocab["<mask>"] == 50264 and vocab["<s>"] == 0
    assert (course.hf / "merges.txt").read_text("utf-8").count("\n") == 50001


@pytest.mark.parametrize("text", TEXTS)
def test_anyone_can_load_it_and_gets_fairseqs_ids_and_logits(
    course: Workspace, hub: object, text: str
) -> None:
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    model = AutoModelForMaskedLM.from_pretrained(course.hf).eval()
    tokenizer = AutoTokenizer.from_pretrained(course.hf)
    batch = tokenizer(text, return_tensors="pt")
    assert batch["input_ids"][0].tolist() == fairseq_ids(hub, text)
    with torch.inference_mode():
        theirs = model(**batch).logits
        ours = hub.model(batch["input_ids"], features_only=False)[0]
    assert theirs.shape == (1, batch["input_ids"].shape[1], 50265)
    assert float((theirs - ours).abs().max()) <= 1e-4


def test_fairseq_ids_are_the_hubs_own(hub: object) -> None:
    for text in ("Hello world", "微调语料🙂", "It's 10² naïve"):
        assert fairseq_ids(hub, text) == hub.encode(text).tolist()


def test_both_weight_files_hold_fairseqs_numbers(course: Workspace) -> None:
    from safetensors.torch import load_file

    state = checkpoints.read(course.checkpoints / "checkpoint_best.pt")
    wanted = tensor_names.to_huggingface(state)
    old = torch.load(course.hf / "pytorch_model.bin", weights_only=True)
    new = load_file(course.hf / "model.safetensors")
    assert all(torch.equal(old[name], tensor) for name, tensor in wanted.items())
    assert all(torch.equal(tensor, old[name]) for name, tensor in new.items())


def test_the_fill_mask_pipeline_guesses_as_fairseq_does(course: Workspace, hub: object) -> None:
    from transformers import pipeline

    sentence = "The number of <mask> in the data."
    guesses = pipeline("fill-mask", model=str(course.hf))(sentence, top_k=5)
    _, scores, words = zip(*hub.fill_mask(sentence, topk=5), strict=True)
    assert [guess["token_str"] for guess in guesses] == [*words]
    assert [guess["score"] for guess in guesses] == pytest.approx([*scores], rel=1e-3)


def test_token_types_add_nothing(course: Workspace) -> None:
    old = torch.load(course.hf / "pytorch_model.bin", weights_only=True)
    assert not old["roberta.embeddings.token_type_embeddings.weight"].any()


def test_a_folder_stands_for_the_model_in_it(small: Workspace) -> None:
    settings = (
        ConvertSettings(roberta_checkpoint_path=str(path))
        for path in (small.pt, small.pt / "model.pt")
    )
    folder, file = (convert.checkpoint_and_dictionary(small, each) for each in settings)
    assert folder == file == (small.pt / "model.pt", small.pt / "dict.txt")


@pytest.mark.parametrize(("spelling", "shape"), [("-", "file"), ("_", "folder")], ids=str)
def test_explicit_paths_need_no_earlier_stage(
    finished: Workspace, tmp_path: Path, spelling: str, shape: str
) -> None:
    source = finished.pt if shape == "folder" else finished.pt / "model.pt"
    target = tmp_path / "out 出"
    target.mkdir()
    (target / "README.md").write_text("mine")
    (target / "config.json").write_text("old")
    done = command(
        *("convert", "--workspace", tmp_path / "empty"),
        *(f"--roberta{spelling}checkpoint{spelling}path", source),
        *(f"--pytorch{spelling}dump{spelling}folder{spelling}path", target),
    )
    assert done.returncode == 0, done.stderr
    assert {file.name for file in target.iterdir()} == {*FILES, NAME, "README.md"}
    assert (target / "README.md").read_text() == "mine"
    assert (target / "config.json").read_bytes() == (finished.hf / "config.json").read_bytes()
    assert not list(tmp_path.glob(".*"))


def test_a_folder_without_model_pt_lists_what_is_below_and_proposes_the_best(
    finished: Workspace, workspace: Workspace
) -> None:
    elsewhere = ("--workspace", workspace.root)
    done = command("convert", *elsewhere, "--roberta-checkpoint-path", finished.root)
    assert done.returncode == 2
    table, hint = done.stderr.strip().rsplit("\n", 1)
    for name in ("base/model.pt", "checkpoints/checkpoint_best.pt", "checkpoints/checkpoint_last"):
        assert name in table
    updates = finished.record.stages["finetune"].report["updates"]
    assert re.search(rf"\b{updates}\b", table) and "validation loss (bits)" in table
    assert any(str(f) in hint for f in (finished.checkpoints / "checkpoint_best.pt", finished.pt))
    assert "Traceback" not in done.stderr


def test_a_folder_with_no_checkpoint_at_all_says_so(tmp_path: Path) -> None:
    with pytest.raises(CourseError, match="no checkpoint below it"):
        convert.checkpoint_and_dictionary(
            Workspace(tmp_path), ConvertSettings(roberta_checkpoint_path=str(tmp_path))
        )


def test_a_checkpoint_without_a_dictionary_says_which_one_is_missing(
    course: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(course.base_dict.parent)  # a dictionary that happens to be here is no answer
    shutil.copy(course.pt / "model.pt", tmp_path / "model.pt")
    with pytest.raises(CourseError, match=r"There is no dict\.txt beside"):
        convert.checkpoint_and_dictionary(
            Workspace(tmp_path), ConvertSettings(roberta_checkpoint_path=str(tmp_path))
        )


def test_a_wrong_conversion_is_noticed_and_nothing_is_written(
    copied: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = dict(tensor_names.LAYER_NAMES)
    names["self_attn.q_proj."], names["self_attn.k_proj."] = (
        names["self_attn.k_proj."],
        names["self_attn.q_proj."],
    )
    monkeypatch.setattr(tensor_names, "LAYER_NAMES", names)
    before = {file.name: file.read_bytes() for file in copied.hf.iterdir()}
    with pytest.raises(CourseError, match="differs from fairseq's by"):
        ROAD.run("convert", copied, ConvertSettings(), force=True)
    assert {file.name: file.read_bytes() for file in copied.hf.iterdir()} == before


def test_a_tokenizer_without_the_masks_space_is_noticed(
    copied: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import RobertaTokenizer

    from helpers.models.hf import folder as huggingface

    def plain(dictionary: object, positions: int) -> RobertaTokenizer:
        merges = gpt2_file("vocab.bpe").read_text("utf-8").splitlines()[1:]
        pairs = [tuple(merge.split()) for merge in merges]
        return RobertaTokenizer(vocab=huggingface.vocab_of(dictionary), merges=pairs)

    monkeypatch.setattr(huggingface, "tokenizer_of", plain)
    with pytest.raises(CourseError, match="The tokenizers differ"):
        ROAD.run("convert", copied, ConvertSettings(), force=True)


def test_held_out_text_in_another_encoding_is_not_needed(
    finished: Workspace, workspace: Workspace
) -> None:
    shutil.copytree(finished.pt, workspace.pt)
    workspace.raw("test").parent.mkdir(parents=True)
    workspace.raw("test").write_bytes("今天的天气很好，我们去公园。\n".encode("gbk") * 20)
    named = ConvertSettings(roberta_checkpoint_path=str(workspace.pt))
    report = ROAD.run("convert", workspace, named)
    lines = len(comparison.LINES + comparison.MASKED)
    assert ("lines compared, token by token", lines) in report.rows


def test_a_model_pt_in_pt_is_converted_where_nothing_was_trained(
    finished: Workspace, workspace: Workspace
) -> None:
    shutil.copytree(finished.pt, workspace.pt)
    report = ROAD.run("convert", workspace, ConvertSettings())
    assert report.checkpoint == "model.pt" and report.difference <= 1e-4
    assert {file.name for file in workspace.hf.iterdir()} == {*FILES, NAME, "README.md"}
    assert (workspace.pt / "model.pt").read_bytes() == (finished.pt / "model.pt").read_bytes()


def began(workspace: Workspace, base: str = "other") -> None:
    """A training that was killed, of which no record knows."""
    record = workspace.record
    record.stages.pop("finetune", None)
    record.save()
    (workspace.checkpoints / "run.json").write_text(json.dumps({"base": base, "data": {}}))


def test_a_checkpoint_from_another_base_is_not_given_this_ones_dictionary(
    copied: Workspace,
) -> None:
    began(copied)
    with pytest.raises(StageStale, match=r"was trained from another base than base"):
        ROAD.run("convert", copied, ConvertSettings(), force=True)
    began(copied, hashlib.sha256(copied.base_model.read_bytes()).hexdigest())
    assert ROAD.run("convert", copied, ConvertSettings(), force=True).difference <= 1e-4


def test_where_training_has_no_checkpoint_yet_the_former_model_is_no_answer(
    copied: Workspace,
) -> None:
    shutil.rmtree(copied.checkpoints)
    copied.checkpoints.mkdir()
    (copied.checkpoints / "train.log").touch()
    with pytest.raises(StageMissing, match=r"checkpoints/checkpoint_best\.pt"):
        ROAD.run("convert", copied, ConvertSettings())


def test_a_dictionary_that_was_replaced_since_the_training_is_not_taken(
    copied: Workspace, tmp_path: Path
) -> None:
    kept = shutil.copytree(copied.checkpoints, tmp_path / "checkpoints.old-1")
    best = kept / "checkpoint_best.pt"
    settings = ConvertSettings(
        roberta_checkpoint_path=str(best), pytorch_dump_folder_path=str(tmp_path / "out")
    )
    state = checkpoints.read(best)
    state["cfg"]["task"]["data"] = str(copied.data_bin)
    checkpoints.write(state, kept / "new.pt")
    (kept / "new.pt").replace(best)
    identity = json.loads((kept / "run.json").read_text())
    dictionary_file = copied.data_bin / "dict.txt"
    assert hashlib.sha256(dictionary_file.read_bytes()).hexdigest() == identity["data"]["dict.txt"]
    assert ROAD.run("convert", copied, settings).difference <= 1e-4
    dictionary = Dictionary.load(dictionary_file)
    turned = Dictionary(dictionary.symbols[::-1], dictionary.counts[::-1])
    dictionary_file.write_text(turned.text(), "utf-8")
    with pytest.raises(CourseError, match=r"is not the dictionary any more that .* was trained"):
        ROAD.run("convert", copied, settings)
    (kept / "dict.txt").write_text(dictionary.text(), "utf-8")
    assert ROAD.run("convert", copied, settings).difference <= 1e-4


@pytest.mark.parametrize("place", ["elsewhere", "in the workspace"])
@pytest.mark.parametrize("name", ["added_tokens.json", "special_tokens_map.json"])
def test_what_transformers_would_read_beside_the_new_files_is_refused(
    name: str, place: str, copied: Workspace, tmp_path: Path
) -> None:
    target = tmp_path / "out" if place == "elsewhere" else copied.hf
    target.mkdir(exist_ok=True)
    (target / name).write_text('{"foo": 50265}')
    named = str(target) if place == "elsewhere" else ""
    with pytest.raises(CourseError, match=f"holds {name}, which transformers would read"):
        ROAD.run("convert", copied, ConvertSettings(pytorch_dump_folder_path=named), force=True)


def test_a_model_of_ones_own_in_hf_is_kept(copied: Workspace) -> None:
    (copied.hf / "config.json").write_text('{"mine": 1}')
    (copied.pt / "dict.txt").write_text("mine")
    report = ROAD.run("convert", copied, ConvertSettings(), force=True)
    assert (copied.hf / "config.json.old-1").read_text() == '{"mine": 1}'
    assert (copied.pt / "dict.txt.old-1").read_text() == "mine"
    assert "Your own file is kept as hf/config.json.old-1." in str(report)
    assert not list(copied.hf.glob("model.safetensors.old*"))
