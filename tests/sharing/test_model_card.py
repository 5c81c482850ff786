"""The model card beside a converted model: valid, true, and never written over a person's own."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard

from helpers.common.errors import CourseError
from helpers.models.hf.folder import FILES
from helpers.sharing.model_card import plain
from helpers.sharing.results import write_card, write_results
from helpers.stages.road import ROAD
from helpers.workflow.record import fingerprint
from helpers.workflow.settings import ConvertSettings
from helpers.workflow.workspace import Workspace
from tests.support.scores import SCORES, put_scores

NOT_OURS = "is not what the course wrote, and stays as it is"


def card_of(folder: Path) -> str:
    return (folder / "README.md").read_text("utf-8")


def section(text: str, title: str) -> str:
    return text.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_the_hub_reads_its_head(finished: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    loaded = ModelCard.load(finished.hf / "README.md")
    assert loaded.data.to_dict() == {
        "library_name": "transformers",
        "pipeline_tag": "fill-mask",
        "tags": ["roberta", "masked-lm", "fairseq"],
    }
    assert loaded.text.strip().startswith(f"# {finished.root.name}")
    head = card_of(finished.hf).split("---\n")[1]
    assert yaml.safe_load(head) == loaded.data.to_dict()  # and no licence that nobody has chosen
    assert str(loaded) == card_of(finished.hf)


def test_it_tells_what_the_record_tells(small: Workspace) -> None:
    record, text = small.record, card_of(small.hf)
    split, trained = record.entry("split").report, record.entry("finetune")
    tokens = record.entry("binarize").report["tokens"]
    rows = zip(("train", "valid", "test"), split["documents"], split["lines"], tokens, strict=True)
    for name, documents, lines, number in rows:
        assert f"| {name} | {documents:,} | {lines:,} | {number:,} |" in section(text, "Texts")
    training = section(text, "Training")
    assert "for 6 updates" in training and f"{trained.report['best_loss']:.3f} bits" in training
    assert plain(f"Computed on {trained.report['computed'][0]}.") in training
    assert "in fp32: as it was set" in training
    for name, value in (("max_update", "6"), ("lr", "0.001"), ("mask_prob", "0.15")):
        assert f"| {plain(name)} | {value} |" in training
    assert "at most 512 tokens" in training
    base = section(text, "Base model")
    assert fingerprint(small.base_model).sha256 in base and "| positions | 512 |" in base
    found = json.loads((small.hf / "conversion.json").read_text("utf-8"))
    proof = section(text, "Conversion")
    assert f"| largest difference of logits | {found['compared']['difference']:g} |" in proof
    assert found["sha256"] in proof and f"{found['parameters']:,} in float32" in proof
    for package in ("torch", "transformers", "ve-fairseq"):
        assert f"| {package} | {trained.versions[package]} |" in text
    assert "Not chosen yet." in section(text, "Licence")


def test_it_says_nothing_of_where_things_lie_or_what_the_texts_say(copied: Workspace) -> None:
    put_scores(copied, SCORES, examples=[["Ann lives at <mask>.", "home", "a", "b"]])
    write_results(copied)
    text = card_of(copied.hf)
    source = copied.record.entry("base").report["source"]
    assert str(copied.root.parent) not in text and "Ann lives" not in text
    assert "/" not in section(text, "Base model") and Path(source).name in text
    assert "Ann lives" in copied.result.read_text("utf-8")  # for those to whom one hands it


def test_the_curve_lies_beside_it(small: Workspace) -> None:
    assert (small.hf / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert "](curve.png)" in section(card_of(small.hf), "Training")


def test_no_record_and_no_certificate_knows_them(copied: Workspace) -> None:
    made = json.dumps(copied.record.entry("convert").to_json())
    read = json.dumps(copied.record.entry("evaluate").to_json())
    for name in ("README.md", "curve.png"):
        assert (copied.hf / name).is_file()
        assert name not in made + read + (copied.hf / "conversion.json").read_text("utf-8")
        (copied.hf / name).unlink()
    for name, settings in (("convert", ConvertSettings()), ("evaluate", None)):
        entry = copied.record.entry(name)
        settings = settings or ROAD[name].settings(**entry.settings)
        assert ROAD.run(name, copied, settings).reused
        assert (copied.hf / "README.md").is_file() and (copied.hf / "curve.png").is_file()


def test_beside_another_model_the_card_of_the_former_one_does_not_stay(copied: Workspace) -> None:
    put_scores(copied, SCORES)
    write_results(copied)
    assert (copied.hf / "README.md").is_file() and (copied.hf / "curve.png").is_file()
    config = copied.hf / "config.json"
    config.write_text(config.read_text().replace("{", "{ ", 1))
    write_results(copied)
    assert not (copied.hf / "README.md").exists() and not (copied.hf / "curve.png").exists()


def test_losses_have_their_unit_and_their_intervals(copied: Workspace) -> None:
    put_scores(copied, SCORES)
    assert write_results(copied) == []
    text = section(card_of(copied.hf), "What it learned, and what it forgot")
    tuned = next(line for line in text.splitlines() if "held out" in line and "fine-tuned" in line)
    assert "| 3.174 (3.030 to 3.318) | 2.200 (2.100 to 2.300) |" in tuned  # nats / ln 2 = bits
    assert "| -0.866 (-1.010 to -0.721) |" in tuned and "| 40.0% |" in tuned
    head = next(line for line in text.splitlines() if line.startswith("| text"))
    assert "loss in nats" in head and "loss in bits" in head
    assert "bits per character" in head
    assert "95% intervals" in text
    assert "On general text the loss rose by 0.721 bits" in text


@pytest.mark.parametrize(
    ("gain", "said"),
    [
        ([-0.2, -0.3, -0.1], "the loss fell by 0.289 bits"),
        ([0.1, -0.1, 0.3], "no difference from its base"),
        ([0.1, None, None], "the loss rose by 0.144 bits"),
    ],
)
def test_what_is_said_of_forgetting(copied: Workspace, gain: list, said: str) -> None:
    put_scores(copied, [*SCORES[:3], SCORES[3] | {"gain": gain}])
    write_results(copied)
    assert said in card_of(copied.hf)


def test_losses_of_another_model_are_left_out(copied: Workspace) -> None:
    """It was converted again, in other numbers, and not measured since."""
    put_scores(copied, SCORES)
    ROAD.run("convert", copied, ConvertSettings(dtype="float16"))
    text = card_of(copied.hf)
    assert "in float16" in text
    assert "2.200" not in text and "are not on record yet" in text


@pytest.mark.parametrize("scores", [None, "many", [{"model": "base"}], [1]])
def test_numbers_in_another_form_are_left_out(copied: Workspace, scores: object) -> None:
    put_scores(copied, scores)
    write_results(copied)
    assert "are not on record yet" in card_of(copied.hf)


def test_of_a_checkpoint_from_elsewhere_what_is_not_known_is_left_out(
    small: Workspace, workspace: Workspace
) -> None:
    shutil.copytree(small.pt, workspace.pt)
    ROAD.run("convert", workspace, ConvertSettings())
    text = card_of(workspace.hf)
    for said in (
        "What texts it was trained on is not on record.",
        "How it was trained is not on record: the checkpoint came from elsewhere.",
        "What kind of model training began with is not on record.",
        "Its losses, before and after, are not on record yet.",
    ):
        assert said in text
    assert "None" not in text and "curve.png" not in text
    assert {file.name for file in workspace.hf.iterdir()} == {
        *FILES,
        "conversion.json",
        "README.md",
    }
    assert len(ModelCard.load(workspace.hf / "README.md").data.to_dict()) == 3


def test_a_folder_elsewhere_gets_one_too(copied: Workspace, tmp_path: Path) -> None:
    put_scores(copied, SCORES)
    (tmp_path / "out").mkdir()
    settings = ConvertSettings(pytorch_dump_folder_path=str(tmp_path / "out"))
    ROAD.run("convert", copied, settings)
    text = card_of(tmp_path / "out")
    assert (tmp_path / "out" / "curve.png").is_file()
    updates = copied.record.entry("finetune").report["updates"]
    assert f"for {updates:,} updates" in text and "are not on record yet" in text
    ROAD.run("convert", copied, settings)  # ours is written once more
    assert card_of(tmp_path / "out") == text


@pytest.mark.parametrize("name", ["README.md", "curve.png"])
@pytest.mark.parametrize("what", ["text", "changed", "folder", "link", "nothing in it"])
def test_what_a_person_has_put_there_stays(copied: Workspace, name: str, what: str) -> None:
    file, elsewhere = copied.hf / name, copied.root / "mine"
    written = file.read_bytes()
    file.unlink()
    elsewhere.write_bytes(written)
    if what == "folder":
        file.mkdir()
    elif what == "link":
        file.symlink_to(elsewhere)
    else:
        changed = written.replace(b"Not chosen yet.", b"MIT.").replace(b"Software", b"Comment!")
        file.write_bytes({"text": b"mine", "changed": changed, "nothing in it": b""}[what])
    before = None if file.is_dir() else file.read_bytes()
    report = ROAD.run("convert", copied, ConvertSettings())
    assert any(f"hf/{name} {NOT_OURS}" in note for note in report.notes)
    assert (None if file.is_dir() else file.read_bytes()) == before
    assert file.is_symlink() is (what == "link")
    assert elsewhere.read_bytes() == written


def test_ours_is_written_anew_where_something_has_changed(copied: Workspace) -> None:
    before = card_of(copied.hf)
    put_scores(copied, SCORES)
    assert write_results(copied) == []
    assert card_of(copied.hf) != before


def test_nothing_is_touched_where_nothing_has_changed(copied: Workspace) -> None:
    write_results(copied)  # the copy has another name
    files = [copied.hf / "README.md", copied.hf / "curve.png", copied.result]
    before = [file.stat().st_mtime_ns for file in files]
    assert write_results(copied) == []
    assert [file.stat().st_mtime_ns for file in files] == before


def test_a_folder_that_is_not_as_its_certificate_says_gets_none(copied: Workspace) -> None:
    (copied.hf / "README.md").unlink()
    with (copied.hf / "model.safetensors").open("ab") as file:
        file.write(b"\0")
    assert write_card(copied, copied.hf) == []
    assert not (copied.hf / "README.md").exists()


def test_a_folder_of_another_workspace_keeps_its_card(
    small: Workspace, workspace: Workspace
) -> None:
    """Which knows how it was trained, as this one does not."""
    shutil.copytree(small.hf, workspace.hf)
    before = card_of(workspace.hf)
    assert write_results(workspace) == []
    assert card_of(workspace.hf) == before and (workspace.hf / "curve.png").is_file()
    assert "came from elsewhere" in workspace.result.read_text("utf-8")


def test_a_curve_of_another_model_goes(copied: Workspace) -> None:
    """A checkpoint of which no training is known takes the place of one that was trained here."""
    record = copied.record
    del record.stages["finetune"]
    record.save()
    write_results(copied)
    assert not (copied.hf / "curve.png").exists()


def test_a_disk_that_refuses_is_told_in_two_sentences(
    copied: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from helpers.common import files

    def full(source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    (copied.hf / "README.md").unlink()
    monkeypatch.setattr(files, "move_into_place", full)
    with pytest.raises(CourseError, match="the disk is full"):
        write_results(copied)
    assert not [file for file in copied.hf.iterdir() if file.name.startswith(".")]


def test_texts_are_shown_as_they_are() -> None:
    assert plain("a|b <script> [x](javascript:y) *z*\n# h `c`") == (
        r"a\|b \<script\> \[x\](javascript:y) \*z\* \# h \`c\`"
    )
