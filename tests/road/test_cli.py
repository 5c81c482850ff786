"""The command line: its options, its exit codes, and what a person reads when something is off."""

import os
import re
import signal
import subprocess
import sys

import pytest

from helpers import __main__ as cli
from helpers.common.files import PROJECT
from helpers.workflow.road import Road
from helpers.workflow.workspace import SESSION
from tests.support.commands import command

OPTIONS = {
    "check": "",
    "sample": "--language --packages",
    "base": "--source --dict --keep-optimizer --device",
    "split": "--txt-files --train --valid --test --seed --unit --chapter-pattern --join-lines "
    "--text-field --encoding --errors --deduplicate --near-duplicates --max-line-tokens",
    "encode": "--engine --workers",
    "binarize": "--engine --workers",
    "prepare": "--workers --shards --scheduler --slurm",
    "finetune": "--max-update --lr --warmup-share --max-tokens --update-freq --validate-every "
    "--dropout --weight-decay --seed --start --keep-checkpoints --clip-norm --sample-break-mode "
    "--mask-prob --patience --replay --replay-files --extra --tensorboard "
    "--mask-unit --device --precision --nproc --nodes --plan --probe --slurm --submit",
    "convert": "--roberta-checkpoint-path --pytorch-dump-folder-path --dtype --weights --device "
    "--check --against",
    "evaluate": "--max-lines --mask-share --draws --model --sentences --seed --device "
    "--precision --plan",
    "task": "--labels --label-field --max-documents --model --seed --device",
    "run": "--parameter --only",
    "watch": "",
    "parameters": "--json",
}


def run(*arguments: object) -> int:
    """The command in this process; what argparse refuses counts as its exit code."""
    try:
        return cli.main([str(a) for a in arguments])
    except SystemExit as left:
        return left.code


@pytest.mark.parametrize("name", OPTIONS)
def test_every_command_has_its_options_and_says_so(name, capsys):
    assert run(name, "--help") == 0
    said = set(re.findall(r"(?<![\w-])--[a-z-]+(?![\w-])", capsys.readouterr().out))
    looks = {"check": {"--workspace"}, "watch": {"--workspace"}, "parameters": set()}
    extra = looks.get(name, {"--workspace", "--force"})
    assert said == {*OPTIONS[name].split(), *extra, "--help"}


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (("finetune", "--max-updates", "20"), "; did you mean --max-update?"),
        (("split", "--sed=3"), "; did you mean --seed?"),
        (("check", "--workplace", "x"), "; did you mean --workspace?"),
        (("run", "qqq"), ""),
    ],
)
def test_an_option_that_there_is_not_gives_exit_code_2_and_the_nearest(words, near, capsys):
    assert run(*words) == 2
    assert f"unrecognized arguments: {' '.join(words[1:])}{near}\n" in capsys.readouterr().err


def test_there_are_no_other_commands(capsys):
    assert run("--help") == 0
    listed = re.findall(r"^    (\w+)(?: |$)", capsys.readouterr().out, re.MULTILINE)
    assert sorted(listed) == sorted(OPTIONS)
    assert set(cli.ROAD) == set(OPTIONS) - {"check", "run", "watch", "parameters"}


def test_the_whole_split_command_line_is_understood(started, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(started.texts)
    (started.texts / "c.jsonl").write_text('{"body": "one more"}\n' * 3)  # equal documents
    words = "--txt-files a.txt b.txt c.jsonl --train 0.7 --valid 0.2 --test 0.1 --seed 2 "
    words += (
        "--unit blank-line --encoding utf-8 --errors skip --text-field body --max-line-tokens 510"
    )
    assert run("split", "--workspace", started.root, *words.split()) == 0
    assert "data.train.raw" in capsys.readouterr().out
    assert started.record.stages["split"].settings == {
        "txt_files": [str(started.texts / name) for name in ("a.txt", "b.txt", "c.jsonl")],
        "train": 0.7,
        "valid": 0.2,
        "test": 0.1,
        "seed": 2,
        "unit": "blank-line",
        "chapter_pattern": "",
        "join_lines": False,
        "text_field": "body",
        "encoding": "utf-8",
        "errors": "skip",
        "deduplicate": True,
        "near_duplicates": "keep",
        "max_line_tokens": 510,
    }
    assert started.record.stages["split"].report["documents"] == [15, 4, 2]


@pytest.mark.parametrize("dash", "-_")
def test_convert_takes_hyphens_and_underscores(dash, monkeypatch, workspace):
    seen = {}
    monkeypatch.setattr(Road, "run", lambda *given, force: seen.update(given[-1], force=force))
    options = ("--roberta-checkpoint-path", "--pytorch-dump-folder-path")
    words = [f"--{o[2:].replace('-', dash)}" for o in options]
    assert run("convert", "--workspace", workspace.root, words[0], "pt", words[1], "/new/hf") == 0
    assert seen["roberta_checkpoint_path"] == "pt"
    assert seen["pytorch_dump_folder_path"] == "/new/hf"
    assert seen["force"] is False


def test_base_takes_a_model_and_a_dictionary_of_the_shells_folder(tmp_path, monkeypatch, workspace):
    seen = {}
    monkeypatch.setattr(Road, "run", lambda *given, force: seen.update(given[-1], force=force))
    monkeypatch.chdir(tmp_path)
    for name in ("model.pt", "dict.txt", "scratch", "course"):
        (tmp_path / name).touch()
    words = ("--source", "model.pt", "--dict", "dict.txt", "--keep-optimizer", "--force")
    assert run("base", "--workspace", workspace.root, *words) == 0
    files = {"source": str(tmp_path / "model.pt"), "dict_file": str(tmp_path / "dict.txt")}
    assert seen == {**files, "keep_optimizer": True, "device": "auto", "force": True}
    for word in ("scratch", "course"):
        assert run("base", "--workspace", workspace.root, "--source", word) == 0
        assert seen["source"] == word


@pytest.mark.parametrize(
    ("words", "meant"),
    [((), True), (("--deduplicate",), True), (("--deduplicate", "false"), False)],
)
def test_a_switch_may_stand_alone_or_be_given_a_value(words, meant, monkeypatch, workspace):
    seen = {}
    monkeypatch.setattr(Road, "run", lambda *given, force: seen.update(given[-1]))
    assert run("split", "--workspace", workspace.root, *words) == 0
    assert seen["deduplicate"] is meant


WRONG = {
    "an unknown command": ("splitt",),
    "no command": (),
    "an unknown option": ("split", "--sede", "1"),
    "an option without its value": ("split", "--seed"),
    "a value out of range": ("split", "--train", "2"),
    "not a number": ("finetune", "--max-update", "many"),
    "shares that do not add up": ("split", "--train", "0.5"),
    "an unknown unit": ("split", "--unit", "page"),
    "an unknown encoding": ("split", "--encoding", "utf-9"),
    "a wrong parameter of a notebook": ("run", "-p", "max_updates", "5"),
    "an unknown notebook": ("run", "--only", "spilt"),
}


@pytest.mark.parametrize("case", WRONG)
def test_bad_input_gives_exit_code_2_and_writes_nothing(case, workspace, capsys):
    name, *words = WRONG[case] or ("",)
    there = ["--workspace", workspace.root] if name in OPTIONS else []
    assert run(*filter(None, (name,)), *there, *words) == 2
    captured = capsys.readouterr()
    assert captured.err.strip()
    assert not captured.out
    assert "Traceback" not in captured.err
    assert not workspace.root.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("split",), "no file or folder"),
        (("split", "--txt-files", "a", "nowhere.txt"), "There is no"),
        (("split", "--txt-files", "~nobody/a.txt"), "There is no"),
        (("encode",), "Run the notebook 01_split first."),
        (("binarize",), "Run the notebook 00_setup first."),
        (("finetune",), "Run the notebook 00_setup first."),
        (("evaluate",), "Run the notebook"),
        (("sample", "--packages", "no_such_package"), "There is no installed package"),
        (("base", "--source", "nowhere.pt"), "There is no base model"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_is_missing_gives_exit_code_2_and_makes_no_results(words, said, workspace, capsys):
    assert run(words[0], "--workspace", workspace.root, *words[1:]) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert "Traceback" not in captured.err
    found = {p.name for p in workspace.root.rglob("*") if p.is_file()}
    assert found <= {".stage.lock"}


def test_a_workspace_that_fairseq_cannot_use_is_refused(tmp_path, capsys):
    assert run("split", "--workspace", tmp_path / "a:b") == 2
    assert "fairseq cannot work in" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_force_does_the_work_again(started, capsys):
    for words, said in (((), False), ((), True), (("--force",), False)):
        assert run("split", "--workspace", started.root, *words) == 0
        assert ("Nothing to do" in capsys.readouterr().out) is said


def test_a_bug_keeps_its_traceback_and_exit_code_1(tmp_path):
    bug = "import helpers.__main__ as m; m.settings_from = lambda *_: 1 / 0; m.main(['split'])"
    done = subprocess.run([sys.executable, "-c", bug], capture_output=True, text=True, cwd=PROJECT)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "ZeroDivisionError" in done.stderr


def test_a_terminal_that_knows_ascii_only_is_no_reason_to_fail(started, monkeypatch):
    (started.texts / "微调.txt").write_text("")
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    done = command("split", "--workspace", started.root)
    assert done.returncode == 0, done.stderr
    assert "??.txt is empty" in done.stdout


def test_ctrl_c_gives_130_and_the_command_can_be_given_again(started):
    words = " ".join(f"w{i}" for i in range(12))
    with (started.texts / "large.txt").open("w") as large:
        large.writelines(f"{i} {words}\n\n" for i in range(150_000))
    process = subprocess.Popen(
        [sys.executable, "-m", "helpers", "split", "--workspace", started.root],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        start_new_session=True,
    )
    begun = "".join(iter(lambda: process.stderr.read(1), "%"))
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does it: all processes get it
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert begun.endswith("0")
    assert said.splitlines()[-1] == "Stopped. Run the same command again to go on."
    assert "Traceback" not in said
    assert not started.raw("train").exists()
    (started.texts / "large.txt").unlink()
    assert run("split", "--workspace", started.root) == 0


@pytest.mark.parametrize("named", [(), ("--workspace", "runs/sample"), ("--workspace", "runs/b")])
def test_a_workspace_that_is_named_wins_over_the_sessions(named, home, monkeypatch):
    seen = []
    monkeypatch.setenv(SESSION, "runs/mine")
    monkeypatch.setattr(Road, "run", lambda _, name, workspace, *a, **k: seen.append(workspace))
    assert cli.main(["encode", *named]) == 0
    assert seen[0].root == home / (named[1] if named else "runs/mine")
