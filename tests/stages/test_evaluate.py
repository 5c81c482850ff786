"""The evaluator: the same masks for both models, losses that can be computed another way."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from helpers.common.errors import CourseError
from helpers.common.files import fresh_folder
from helpers.evaluation.report import (
    MODELS,
    TEXTS,
    EvaluateReport,
    beside_the_paper,
    example_table,
    frequency_table,
    token_table,
)
from helpers.ids.dictionary import Dictionary
from helpers.models import checkpoints
from helpers.models.hf.folder import write_folder
from helpers.models.summaries import summary
from helpers.stages import evaluate
from helpers.stages.evaluate import _read_lines, example_sentences
from helpers.stages.road import ROAD
from helpers.tokens.gpt2 import encode
from helpers.workflow.settings import ConvertSettings, EvaluateSettings, SplitSettings
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace
from tests.support import huggingface_makers as hf


@pytest.fixture(scope="module")
def dictionary(course: Workspace) -> Dictionary:
    return Dictionary.load(course.base_dict)


def told(workspace: Workspace) -> EvaluateReport:
    recorded = workspace.record.stages["evaluate"].report
    return TypeAdapter(EvaluateReport).validate_python(recorded)


def test_the_fine_tuned_model_is_better_on_held_out_text(
    course: Workspace, training: FinetuneSettings
) -> None:
    found, report = json.loads(course.evaluation.read_text("utf-8")), told(course)
    bits, accuracy = (0.7, 0.05) if training.max_update == 500 else (0.25, 0.01)
    base, tuned = (report.score(model, "yours") for model in MODELS)
    assert found["bits"] == pytest.approx([base.bits.value, tuned.bits.value])
    assert tuned.bits.value < base.bits.value - bits
    assert tuned.first.value > base.first.value + accuracy
    assert tuned.fifth.value > tuned.first.value
    assert tuned.gain.high < 0
    assert tuned.gain.value == pytest.approx(tuned.nats.value - base.nats.value)
    assert tuned.bits_per_character.value < base.bits_per_character.value < base.bits.value / 2
    assert report.texts[0].hidden > 2000 and report.texts[0].documents > 20
    assert any(
        "On your text the loss of the fine-tuned model is lower" in note for note in report.notes
    )


def test_general_text_is_measured_too(course: Workspace) -> None:
    """The base knows it better than scikit-learn's, which it has never read."""
    found, report = json.loads(course.evaluation.read_text("utf-8")), told(course)
    assert report.texts[1].hidden > 1000
    assert found["general_bits"] == pytest.approx(report.bits("general"))
    assert found["general_bits"][0] < found["bits"][0] and found["general_bits"][1] < 12


def test_the_tables_tell_what_was_measured(course: Workspace) -> None:
    report = told(course)
    rows = [line.split() for line in str(report).splitlines()]
    wanted = [[text, model] for text in TEXTS for model in MODELS]
    tuned = [row for row in wanted if row[1] == "fine-tuned"]
    assert [row[:2] for row in rows if row[:2] in wanted] == wanted + tuned
    for score in report.scores:
        for gain, its in ((score.first_gain, "first"), (score.fifth_gain, "fifth")):
            if score.model == MODELS[0]:
                assert gain is None
                continue
            base = getattr(report.score(MODELS[0], score.text), its)
            assert gain.value == pytest.approx(getattr(score, its).value - base.value)
            assert gain.low < gain.value < gain.high and f"{gain.value:+.1%}" in str(report)
        assert f"{score.bits.value:.3f}" in str(report)
    assert sum(band.hidden for band in report.bands) == report.texts[0].hidden
    assert len(frequency_table(report).rows) == len(report.bands) > 2
    assert all(each.tuned < each.base for each in report.gained)
    assert len(token_table(report).rows) == len(report.gained) + len(report.lost) > 6
    assert f"{report.score('base', 'yours').nats.value:.2f}" in str(beside_the_paper(report))


def test_only_documents_in_which_something_was_hidden_are_counted(copied: Workspace) -> None:
    copied.raw("test").write_text("One line of text.\n\n" * 40)
    (copied.root / "workspace.json").unlink()
    settings = EvaluateSettings(max_lines=9999, mask_share=0.001, draws=3)
    report = ROAD.run("evaluate", copied, settings)
    assert report.texts[0].tokens == 200 and report.texts[0].documents <= 3
    assert any("fewer than 10 documents" in note for note in report.notes)


def test_of_data_with_another_dictionary_nothing_is_counted(copied: Workspace) -> None:
    (copied.root / "workspace.json").unlink()
    [file] = copied.data_bin.rglob("dict.txt")
    turned = Dictionary.load(file)
    file.write_text(Dictionary(turned.symbols[::-1], turned.counts[::-1]).text())
    assert ROAD.run("evaluate", copied, EvaluateSettings(max_lines=50)).bands == ()
    shutil.copy(copied.base_dict, file)
    with file.with_name("train.bin").open("r+b") as data:
        data.write(b"\xff" * 8)
    with pytest.raises(CourseError):
        ROAD.run("evaluate", copied, EvaluateSettings(max_lines=50), force=True)


def test_a_model_that_has_only_older_weights_is_measured(copied: Workspace) -> None:
    (copied.hf / "model.safetensors").unlink()
    report = ROAD.run("evaluate", copied, EvaluateSettings(max_lines=50))
    assert report.of["updates"] is None


def test_of_whole_files_it_is_said_that_paragraphs_are_drawn(copied: Workspace) -> None:
    record = copied.record
    record.stages["split"].settings["unit"] = "file"
    record.save()
    report = ROAD.run("evaluate", copied, EvaluateSettings(max_lines=50), force=True)
    assert any("paragraphs are drawn in place of documents" in note for note in report.notes)


def test_further_models_stand_in_the_same_table(small: Workspace, tmp_path: Path) -> None:
    work = Workspace(shutil.copytree(small.root, tmp_path / "work"))
    mine = work.root / "mine"
    write_folder(checkpoints.read(work.base_model), Dictionary.load(work.base_dict), mine)
    theirs = str(work.checkpoints / "checkpoint_last.pt")
    shutil.copy(work.base_dict, work.checkpoints / "dict.txt")
    settings = EvaluateSettings(max_lines=50, models=("mine", theirs, "./mine/"))
    report = ROAD.run("evaluate", work, settings)
    assert report.models == ["base", "fine-tuned", "mine", theirs]
    same = report.score("mine", "yours")
    assert same.nats == report.score("base", "yours").nats
    assert same.gain.value == pytest.approx(0, abs=1e-6) and not same.gain.is_clear
    assert "mine" in str(report) and "mine/config.json" in report.of["files"]
    assert ROAD.run("evaluate", work, settings).reused
    plan = ROAD.plan("evaluate", work, settings)
    assert "base, fine-tuned, mine" in str(plan) and "about " in str(plan)
    shutil.rmtree(mine)
    for name in ("mine", "scratch"):
        with pytest.raises(CourseError, match=f"There is no model .*{name}") as refused:
            ROAD.run("evaluate", work, EvaluateSettings(models=(name,)))
        assert "in models" in refused.value.hint
    (work.root / "scratch").mkdir()
    with pytest.raises(CourseError, match="There is no base model"):
        ROAD.run("evaluate", work, EvaluateSettings(models=("scratch",)))


def test_in_bfloat16_the_losses_are_nearly_the_same(copied: Workspace) -> None:
    full, half = (
        ROAD.run("evaluate", copied, EvaluateSettings(max_lines=60, device="cpu", precision=name))
        for name in ("fp32", "bf16")
    )
    assert full.bits() != half.bits()
    assert full.bits() == pytest.approx(half.bits(), rel=0.01)
    assert half.notes[-1].startswith("Measured in bf16")
    settings = EvaluateSettings(max_lines=60, device="cpu", precision="fp16")
    with pytest.raises(CourseError, match="fp16 needs a GPU"):
        ROAD.run("evaluate", copied, settings)


def test_a_hidden_word_is_one_token_so_that_it_can_be_guessed(course: Workspace) -> None:
    examples = json.loads(course.evaluation.read_text("utf-8"))["examples"]
    assert all(len(encode(f" {word}")) == 1 for _, word, *_ in examples)


def test_a_chinese_paragraph_gives_examples_too() -> None:
    line = "今天的天气很好，我是一个学生。我们不是要去公园散步，而是一起去图书馆。" * 20
    found = example_sentences([line], seed=1)
    assert len(found) == 8
    for sentence, word in found:
        assert len(sentence) < 60
        assert len(word) == len(encode(word)) == 1
        assert sentence.replace("<mask>", word) in line


def test_no_example_shows_a_broken_character(course: Workspace) -> None:
    text = course.evaluation.read_text("utf-8")
    assert "�" not in text
    assert len(json.loads(text)["examples"]) == 8


def test_a_model_against_itself_gives_equal_numbers(copied: Workspace) -> None:
    state = checkpoints.read(copied.base_model)
    shutil.rmtree(copied.hf)
    copied.hf.mkdir()
    write_folder(state, Dictionary.load(copied.base_dict), copied.hf)
    (copied.root / "workspace.json").unlink()
    report = ROAD.run("evaluate", copied, EvaluateSettings(max_lines=200))
    base, same = (report.score(model, "yours") for model in MODELS)
    assert base.nats.value == pytest.approx(same.nats.value, abs=1e-5)
    assert base.first == same.first
    assert abs(same.gain.value) < 1e-5


def test_sentences_of_ones_own_are_asked(copied: Workspace) -> None:
    mine = ("The <mask> of the model.", "语料<mask>分词")
    report = ROAD.run("evaluate", copied, EvaluateSettings(max_lines=50, sentences=mine))
    assert [row[0] for row in report.examples] == list(mine)
    assert "�" not in str(example_table(report))


@pytest.mark.parametrize("sentence", ["no mask", "<mask> and <mask>"])
def test_a_sentence_needs_one_mask(sentence: str) -> None:
    with pytest.raises(CourseError, match="has not one <mask>"):
        EvaluateSettings(sentences=("one <mask>", sentence))


def test_without_held_out_text_it_says_so(copied: Workspace) -> None:
    copied.raw("test").write_text("\n\n")
    (copied.root / "workspace.json").unlink()
    with pytest.raises(CourseError, match="no held-out text"):
        ROAD.run("evaluate", copied, EvaluateSettings())


def test_blank_lines_hide_nothing(copied: Workspace) -> None:
    copied.raw("test").write_text("\n" * 1500 + "One line that tells of something.\n" + "\n" * 1500)
    (copied.root / "workspace.json").unlink()
    report = ROAD.run("evaluate", copied, EvaluateSettings(max_lines=5))
    assert report.texts[0].tokens == 7 and report.texts[0].hidden == 2  # twice one
    assert any("there is one document" in note for note in report.notes)


def test_the_first_lines_are_read_and_at_least_one_with_text(copied: Workspace) -> None:
    text = "\n \n\none\n\ntwo\n\t\nthree\n"
    copied.raw("test").write_text(text)
    assert _read_lines(copied, 1) == ["", " ", "", "one"]
    assert _read_lines(copied, 5) == ["", " ", "", "one", ""]
    assert "\n".join(_read_lines(copied, 99)) + "\n" == text


def test_a_sentence_that_the_models_cannot_read_is_refused_at_once(
    copied: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluate, "guessed", None)  # nothing is computed
    long = "word" + " word" * 599 + " <mask>"
    with pytest.raises(CourseError, match=r"has 603 tokens .* read at most 512"):
        ROAD.run("evaluate", copied, EvaluateSettings(sentences=("a <mask>", long)))


def test_a_sentence_may_be_as_long_as_the_models_read(copied: Workspace) -> None:
    mine = ("word" + " word" * 508 + " <mask>",)
    assert ROAD.run("evaluate", copied, EvaluateSettings(max_lines=5, sentences=mine)).examples


def test_a_text_in_another_encoding_is_named(copied: Workspace) -> None:
    copied.raw("test").write_bytes("今天的天气很好，我们去公园。\n".encode("gbk") * 20)
    (copied.root / "workspace.json").unlink()
    with pytest.raises(CourseError, match=r"data\.test\.raw is not utf-8: line 1, byte 0"):
        ROAD.run("evaluate", copied, EvaluateSettings())


LAYER_1 = "roberta.encoder.layer.1."


def of_a_tensor(begins: str) -> hf.Change:
    """A folder without the tensors whose names begin so."""

    def edit(tensors: dict) -> None:
        for name in [name for name in tensors if name.startswith(begins)]:
            del tensors[name]

    return hf.other_tensors(edit)


def of_fewer_rows(folder: Path) -> None:
    """One token fewer in the vocabulary than in the model."""

    def edit(tokenizer: dict) -> None:
        vocabulary = tokenizer["model"]["vocab"]
        vocabulary["<mask>"] = len(vocabulary) - 2
        del vocabulary["madeupword0002"]
        tokenizer["added_tokens"][-1]["id"] = vocabulary["<mask>"]

    hf.edited("tokenizer.json", edit)(folder)


WITHOUT_JSON = hf.without("tokenizer.json")
REFUSED_HF = {
    "no head": (of_a_tensor("lm_head."), "without a masked-LM head"),
    "no head's bias": (of_a_tensor("lm_head.bias"), "lm_head.bias is missing"),
    "a layer removed": (of_a_tensor(LAYER_1), "speaks of 2 layers, and model.safetensors has 1"),
    "the first layer removed": (of_a_tensor(LAYER_1.replace("1", "0")), "lacks|is missing"),
    "a bias removed": (of_a_tensor(f"{LAYER_1}output.dense.bias"), "fc2.bias is missing"),
    "one layer": (hf.configured(num_hidden_layers=1), "speaks of 1 layers"),
    "three layers": (hf.configured(num_hidden_layers=3), "speaks of 3 layers"),
    "another width": (hf.configured(hidden_size=64), "speaks of 64 numbers for a token"),
    "another width inside": (hf.configured(intermediate_size=32), "speaks of 32 numbers inside"),
    "other positions": (hf.configured(max_position_embeddings=130), "speaks of 128 positions"),
    "three heads": (hf.configured(num_attention_heads=3), "divided among 3 attention heads"),
    "bert": (hf.configured(model_type="bert"), "'bert', not a RoBERTa"),
    "config cut": (hf.cut_off("config.json"), r"config\.json is damaged"),
    "tokenizer cut": (hf.cut_off("tokenizer.json"), r"tokenizer\.json is damaged"),
    "vocab cut": (
        hf.in_turn(WITHOUT_JSON, hf.cut_off("vocab.json")),
        r"vocab\.json is damaged",
    ),
    "weights cut": (hf.cut_off("model.safetensors"), r"model\.safetensors is damaged"),
    "weights empty": (hf.holding("model.safetensors", b""), r"model\.safetensors is damaged"),
    "token types of another width": (
        hf.another_tensor("roberta.embeddings.token_type_embeddings.weight", 7),
        "token_type_embeddings.weight has the shape",
    ),
    "fewer tokens than rows": (of_fewer_rows, "do not belong together|rows for tokens"),
    "lower case": (
        hf.edited("tokenizer.json", lambda t: t.update(normalizer={"type": "Lowercase"})),
        "the normalizer Lowercase",
    ),
}


@pytest.mark.parametrize(("change", "message"), REFUSED_HF.values(), ids=REFUSED_HF)
def test_a_folder_of_ones_own_that_is_not_whole_is_refused(
    small: Workspace, tmp_path: Path, change: hf.Change, message: str
) -> None:
    work = Workspace(shutil.copytree(small.root, tmp_path / "work"))
    before = work.evaluation.read_bytes()
    change(work.hf)
    with pytest.raises(CourseError, match=message) as caught:
        ROAD.run("evaluate", work, EvaluateSettings(max_lines=5))
    assert caught.value.hint
    assert work.evaluation.read_bytes() == before


def test_other_layer_norms_are_noted(copied: Workspace) -> None:
    hf.configured(layer_norm_eps=0.1)(copied.hf)
    notes = ROAD.run("evaluate", copied, EvaluateSettings(max_lines=5)).notes
    assert [note for note in notes if "eps = 0.1" in note and "1e-05" in note]


def test_models_with_different_dictionaries_are_not_compared(copied: Workspace) -> None:
    dictionary = Dictionary.load(copied.base_dict)
    turned = Dictionary(dictionary.symbols[::-1], dictionary.counts[::-1])
    copied.base_dict.write_text(turned.text())
    (copied.root / "workspace.json").unlink()
    with pytest.raises(CourseError, match="do not belong together"):
        ROAD.run("evaluate", copied, EvaluateSettings())


def test_the_file_says_of_what_it_is(finished: Workspace) -> None:
    told = json.loads(finished.evaluation.read_text("utf-8"))["of"]
    names = {"base/model.pt", "base/dict.txt", "mydata/data.test.raw", "hf/model.safetensors"}
    names.add("mydata/data.train.raw")
    names |= {f"data-bin/mydata/{name}" for name in ("train.bin", "train.idx", "dict.txt")}
    assert names | {"hf/config.json", "hf/tokenizer.json"} == {*told["files"]}
    for name, sha256 in told["files"].items():
        assert hashlib.sha256((finished.root / name).read_bytes()).hexdigest() == sha256
    assert told["updates"] == finished.record.stages["finetune"].report["updates"]
    settings = finished.record.stages["evaluate"].settings
    assert told["settings"] == EvaluateSettings(**settings).of_the_result()


def test_of_a_model_of_ones_own_the_updates_are_not_told(copied: Workspace) -> None:
    other = checkpoints.read(copied.base_model)
    write_folder(other, Dictionary.load(copied.base_dict), fresh_folder(copied.hf))
    ROAD.run("evaluate", copied, EvaluateSettings(max_lines=50))
    assert json.loads(copied.evaluation.read_text("utf-8"))["of"]["updates"] is None


def test_beside_another_model_no_evaluation_of_the_former_one_stays(copied: Workspace) -> None:
    before = copied.evaluation.read_bytes()
    assert not ROAD.run("convert", copied, ConvertSettings(), force=True).reused
    assert copied.evaluation.read_bytes() == before  # the same model once more
    shutil.copy(copied.base_model, copied.root / "model.pt")
    shutil.copy(copied.base_dict, copied.root / "dict.txt")
    last = str(copied.root / "model.pt")
    report = ROAD.run("convert", copied, ConvertSettings(roberta_checkpoint_path=last))
    assert "evaluation.json told of other files: it is kept as evaluation.json.old-1." in str(
        report
    )
    assert not copied.evaluation.exists()
    assert (copied.root / "evaluation.json.old-1").read_bytes() == before
    ROAD.run("evaluate", copied, EvaluateSettings(max_lines=50))
    told = json.loads(copied.evaluation.read_text("utf-8"))["of"]
    assert told["updates"] == summary(copied.base_model).updates


def test_with_other_held_out_text_it_does_not_stay_either(copied: Workspace) -> None:
    ROAD.run("split", copied, SplitSettings(seed=7))
    assert not copied.evaluation.exists()
    assert (copied.root / "evaluation.json.old-1").is_file()


def test_an_evaluation_of_ones_own_is_kept(copied: Workspace) -> None:
    copied.evaluation.write_text("mine")
    report = ROAD.run("evaluate", copied, EvaluateSettings(max_lines=50), force=True)
    assert (copied.root / "evaluation.json.old-1").read_text() == "mine"
    assert "Your own file is kept as evaluation.json.old-1." in str(report)
