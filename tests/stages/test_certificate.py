"""``conversion.json``: what was found when a folder was made, and ``convert --check``."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from helpers import __main__ as cli
from helpers.common.errors import CourseError
from helpers.models import tensor_names
from helpers.models.hf import comparison
from helpers.models.hf.certificate import NAME
from helpers.models.hf.comparison import compare
from helpers.stages import convert
from helpers.stages.convert import inspect
from helpers.stages.road import ROAD
from helpers.workflow.settings import ConvertSettings
from helpers.workflow.workspace import Workspace
from tests.support import checkpoint_makers as make
from tests.support.commands import command

SETTINGS = ConvertSettings()


@pytest.fixture
def work(small: Workspace, tmp_path: Path) -> Workspace:
    return Workspace(shutil.copytree(small.root, tmp_path / "work"))


def told(folder: Path) -> dict:
    return json.loads((folder / NAME).read_text("utf-8"))


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_in_each_precision_it_is_said_what_was_found(dtype: str, work: Workspace) -> None:
    from transformers import AutoModelForMaskedLM

    report = ROAD.run("convert", work, ConvertSettings(dtype=dtype))
    found, model = told(work.hf), AutoModelForMaskedLM.from_pretrained(work.hf)
    assert found["dtype"] == dtype and model.dtype == getattr(torch, dtype)
    assert found["parameters"] == sum(each.numel() for each in model.parameters())
    assert found["tied"] and found["files"].keys() | {NAME} == {*report.files}
    compared = found["compared"]
    assert compared["difference"] <= comparison.TOLERANCE and compared["lines"] > 10
    assert (compared["rounding"] > 1e-5) == (dtype != "float32")
    assert 0.9 < compared["agreement"] <= 1
    assert f"in {dtype}" in str(report)
    again = inspect(work, SETTINGS, work.hf, work.pt)
    assert [row for row in again.rows if row in report.rows] == list(report.rows)


@pytest.mark.parametrize("weights", ["safetensors", "pytorch"])
def test_one_of_the_files_with_weights_is_enough(weights: str, work: Workspace, tmp_path) -> None:
    """And none is left that holds other numbers."""
    names = {"safetensors": "model.safetensors", "pytorch": "pytorch_model.bin"}
    ROAD.run("convert", work, ConvertSettings(weights=weights, dtype="bfloat16"))
    assert {*names.values()} & {file.name for file in work.hf.iterdir()} == {names[weights]}
    ROAD.run("evaluate", work, ROAD["evaluate"].settings(max_lines=20))
    other = tmp_path / "other"
    settings = {"pytorch_dump_folder_path": str(other), "weights": weights}
    ROAD.run("convert", work, ConvertSettings(**settings))
    assert inspect(work, SETTINGS, other, work.pt)
    left_out = next(name for form, name in names.items() if form != weights)
    (other / left_out).write_bytes(b"of another model")
    with pytest.raises(CourseError, match=left_out):
        ROAD.run("convert", work, ConvertSettings(**settings), force=True)


def test_a_weight_that_a_half_cannot_hold_is_refused(tmp_path: Path) -> None:
    tensors = make.tensors()
    name = next(name for name in tensors if name.endswith("fc1.bias"))
    tensors[name][0] = 70_000.0
    folder = make.put(make.current(tensors), tmp_path / "mine")
    given = {"roberta_checkpoint_path": str(folder.parent if folder.is_file() else folder)}
    work = Workspace(tmp_path / "work")
    with pytest.raises(
        CourseError, match=r"holds 7e\+04, and torch.float16 goes to 6.55e\+04 only"
    ):
        ROAD.run("convert", work, ConvertSettings(dtype="float16", **given))
    assert not work.hf.exists()


@pytest.mark.parametrize(
    ("swapped", "part"),
    [(("fc1.", "fc2."), None), (("self_attn.q_proj.", "self_attn.k_proj."), "from layer 1 on")],
)
def test_the_part_where_both_differ_first_is_named(swapped, part, work, monkeypatch) -> None:
    names = dict(tensor_names.LAYER_NAMES)
    one, other = swapped
    names[one], names[other] = names[other], names[one]
    monkeypatch.setattr(tensor_names, "LAYER_NAMES", names)
    with pytest.raises((CourseError, RuntimeError), match=part or ""):
        ROAD.run("convert", work, SETTINGS, force=True)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("roberta.embeddings.LayerNorm.bias", "from the embeddings on"),
        ("roberta.encoder.layer.0.output.dense.bias", "from layer 1 on"),
        ("lm_head.dense.bias", "from the LM head on"),
    ],
)
def test_a_folder_of_other_weights_is_found_out_with_the_part(name, part, work: Workspace) -> None:
    from transformers import AutoModelForMaskedLM

    model = AutoModelForMaskedLM.from_pretrained(work.hf)
    with torch.no_grad():
        model.get_parameter(name)[:5].add_(0.5)
    model.save_pretrained(work.hf)
    (work.hf / NAME).unlink()
    with pytest.raises(CourseError, match=part):
        inspect(work, SETTINGS, work.hf, work.pt)


def test_a_file_that_has_changed_is_told(work: Workspace) -> None:
    (work.hf / "merges.txt").open("a").write("x y\n")
    (work.hf / "vocab.json").unlink()
    with pytest.raises(CourseError) as refused:
        inspect(work, SETTINGS, work.hf, None)
    assert "merges.txt is not the file that was converted" in refused.value.message
    assert "vocab.json is not there any more" in refused.value.message


def test_a_folder_from_an_old_script_can_be_looked_at(work: Workspace, tmp_path: Path) -> None:
    """Without a certificate; weights that are missing are not taken for random ones."""
    old = tmp_path / "old"
    old.mkdir()
    for name in ("config.json", "pytorch_model.bin", "vocab.json", "merges.txt"):
        shutil.copy(work.hf / name, old)
    with pytest.raises(CourseError, match="The tokenizers differ on 'The capital of France is <m"):
        inspect(work, SETTINGS, old, work.pt)  # its <mask> takes no space before it
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(work.hf / name, old)
    report = inspect(work, SETTINGS, old, work.checkpoints / "checkpoint_best.pt")
    assert "no conversion.json there" in str(report) and "largest difference" in str(report)
    state = torch.load(old / "pytorch_model.bin", weights_only=True)
    del state["roberta.encoder.layer.0.output.dense.bias"]
    torch.save(state, old / "pytorch_model.bin")
    with pytest.raises(CourseError, match="transformers would take random numbers"):
        inspect(work, SETTINGS, old, None)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda f: (f / "config.json").write_text('{"model_type": "bert"}'), "not a RoBERTa"),
        (lambda f: (f / "config.json").write_text("no"), "is damaged: no JSON object"),
        (lambda f: (f / "model.safetensors").write_bytes(b"cut"), "transformers cannot load"),
        (lambda f: (f / NAME).write_text('{"files": 3}'), "conversion.json is damaged"),
        (lambda f: (f / NAME).write_text("\x00"), "conversion.json is damaged"),
    ],
)
def test_what_cannot_be_loaded_is_said_in_two_sentences(spoil, said, work: Workspace) -> None:
    if said != "conversion.json is damaged":
        (work.hf / NAME).unlink()
    spoil(work.hf)
    with pytest.raises(CourseError, match=said):
        inspect(work, SETTINGS, work.hf, None)


def test_without_fairseq_it_is_converted_and_said_what_was_not_compared(
    work: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convert, "has_fairseq", lambda: False)
    report = ROAD.run("convert", work, SETTINGS, force=True)
    assert report.difference is None and "neither logits nor ids were compared" in str(report)
    assert told(work.hf)["compared"] is None and told(work.hf)["why_not"]


def test_the_command_looks_at_a_folder_and_changes_nothing(work: Workspace, capsys) -> None:
    before = {file: file.stat().st_mtime_ns for file in work.root.rglob("*")}
    given = ["convert", "--workspace", str(work.root), "--check", str(work.hf)]
    assert cli.main([*given, "--against", str(work.pt)]) == 0
    assert "largest difference of logits" in capsys.readouterr().out
    assert cli.main(given) == 0
    assert cli.main(["convert", "--against", str(work.pt)]) == 2
    assert cli.main(["convert", "--check", str(work.root / "nowhere")]) == 2
    assert cli.main([*given, "--against", str(work.base_model)]) == 2
    assert {file: file.stat().st_mtime_ns for file in work.root.rglob("*")} == before


def test_a_hostile_folder_runs_no_code(work: Workspace, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    code = f"open({str(mark)!r}, 'w').close()"
    (work.hf / "modeling_mine.py").write_text(code)
    config = json.loads((work.hf / "config.json").read_text())
    config["auto_map"] = {"AutoModelForMaskedLM": "modeling_mine.Model"}
    (work.hf / "config.json").write_text(json.dumps(config))
    (work.hf / NAME).unlink()
    result = command("convert", "--workspace", work.root, "--check", work.hf)
    assert result.returncode in (0, 2) and not mark.exists()


def test_compare_is_nothing_but_a_comparison(work: Workspace) -> None:
    found = compare(work.pt, work.hf, ["Hello world! <mask> it"])
    assert found.lines == 1 and found.difference <= comparison.TOLERANCE and not found.rounding
