"""fairseq's commands: quoted so that a shell and Hydra read what is meant, and never orphaned."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from helpers.common import fairseq
from helpers.common.errors import CourseError
from helpers.common.fairseq import run, shown, tool
from helpers.common.files import PROJECT
from helpers.common.symbols import SPLITS
from helpers.ids.data_bin import preprocess_command
from helpers.tokens.bpe_files import encoder_command
from helpers.training.command import finetune_command, hydra_value, train_command
from helpers.training.log.events import parse_event
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace

NAMES = ["plain", "two words", "课程 一", "O'Brien (copy) & more", "a=b,c[d]{e}#f;g!h~i%j"]


def as_a_shell_reads(text: str, course: Path = PROJECT) -> list[str]:
    """The words that bash makes of a pasted command line in which $COURSE is the project."""
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-i"],  # as a person has it: ! is looked up in history
        input=f"printf '%s\\0' {text}\n".encode(),
        env={"COURSE": str(course), "LC_ALL": "C.UTF-8"},
        capture_output=True,
        check=True,
    )
    return done.stdout.decode().split("\0")[:-1]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_shown_is_what_is_run(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROBERTA_COURSE_HOME")
    work = Workspace(f"runs/{name}")
    bpe = {split: work.bpe(split) for split in SPLITS}
    for command in (
        encoder_command(work.raw("train"), work.bpe("train"), 2),
        preprocess_command(bpe, work.base_dict, work.data_bin, 2),
        train_command(PROJECT / "x.yaml", {"task.data": work.data_bin, "optimization.lr": [0.1]}),
    ):
        words = as_a_shell_reads(shown(command))
        first = "python" if command[0] == sys.executable else Path(command[0]).name
        assert words == [first, *command[1:]]
        assert str(PROJECT) not in shown(command)


AWKWARD = [
    "my kit",
    "it's",
    'say "kit"',
    "套 件",
    "a!b",
    "back`tick`",
    "$HOME",
    "a\\b",
    "-n",
    "~",
    "#1",
]


@pytest.mark.parametrize("name", AWKWARD)
@pytest.mark.parametrize(
    "above", ["{}", "{}2", "{}/runs of mine", "/elsewhere{}", "{}.old", "{} 2"]
)
def test_wherever_project_and_home_lie_a_pasted_command_is_the_one_that_is_run(
    name: str, above: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Path("/data", name, "kit")
    monkeypatch.setattr(fairseq, "PROJECT", project)
    places = [
        Path(above.format(project)) / run for run in ("runs/sample", "runs/a!b", f"runs/{name}")
    ]
    for place in places:
        data = {"task.data": place / "data-bin", "checkpoint.save_dir": f"{place}:{project}/x"}
        for command in (
            [sys.executable, "-m", "tool", "--inputs", str(place / "a.raw"), str(project)],
            train_command(project / "config" / "x.yaml", data),
        ):
            text = shown(command)
            assert as_a_shell_reads(text, project)[1:] == command[1:]
            assert set(re.findall(r"(?<!\\)\$\w+", text)) <= {"$COURSE", "$HOME"}
            assert "$COURSE" in text


@pytest.mark.long
@pytest.mark.parametrize("name", ["runs/sample", "runs/two words!"])
def test_what_is_pasted_runs(name: str, small: Workspace, tmp_path: Path) -> None:
    work = Workspace(shutil.copytree(small.root, tmp_path / name))
    bpe = {split: tmp_path / f"{split}.bpe" for split in SPLITS}
    commands = [
        *(encoder_command(work.raw(split), file, 1) for split, file in bpe.items()),
        preprocess_command(bpe, work.base_dict, tmp_path / "new bin", 1),
        [*finetune_command(work, FinetuneSettings()), "--cfg", "job"],
    ]
    environment = os.environ | {"COURSE": str(PROJECT), "PYTHONPATH": str(PROJECT)}
    environment["PATH"] = f"{Path(tool('python')).parent}:{os.environ['PATH']}"
    script = " && ".join(map(shown, commands))
    done = subprocess.run(
        ["bash", "-c", script], env=environment, cwd=tmp_path, capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()
    for split in SPLITS:
        assert bpe[split].read_bytes() == work.bpe(split).read_bytes()
        made = (tmp_path / "new bin" / f"{split}.bin").read_bytes()
        assert made == (work.data_bin / f"{split}.bin").read_bytes()
    assert f"data: {work.data_bin}" in done.stdout.decode()


@pytest.mark.parametrize("name", NAMES)
def test_hydra_reads_back_the_path(name: str) -> None:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    path = f"/data/{name}/model.pt"
    override = OverridesParser.create().parse_override(f"task.data={hydra_value(path)}")
    value = override.value()
    assert str(getattr(value, "text", value)) == path


def test_a_failing_tool_is_reported_with_its_last_words(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "print('the reason'); raise SystemExit(3)"]
    with pytest.raises(CourseError, match=r"exit code 3(.|\n)*the reason") as error:
        run(command, tmp_path / "log")
    assert "log" in error.value.hint
    assert (tmp_path / "log").read_text() == "the reason\n"


def test_without_fairseq_the_way_out_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fairseq.importlib.util, "find_spec", lambda name: None)
    for offered, said in ((True, "make -B env"), (False, "needs Linux on x86-64")):
        monkeypatch.setattr(fairseq, "is_offered", lambda offered=offered: offered)
        with pytest.raises(CourseError, match="fairseq is not installed") as error:
            run([sys.executable, "-c", "pass"], tmp_path / "log")
        assert said in error.value.hint
        assert ("make" in error.value.hint) == offered


def test_a_tool_dies_with_its_parent(tmp_path: Path) -> None:
    child = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    parent = (
        "import sys; from pathlib import Path; from helpers.common.fairseq import run\n"
        f"run([sys.executable, '-c', {child!r}], Path({str(tmp_path / 'log')!r}),"
        "heard=lambda line: print(line, flush=True))"
    )
    process = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True)
    pid = int(process.stdout.readline())
    assert Path(f"/proc/{pid}").exists()
    process.kill()
    process.wait()
    process.stdout.close()
    deadline = time.monotonic() + 10
    while _alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _alive(pid)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_reader_that_fails_ends_the_tool(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import os, time; print(os.getpid()); time.sleep(60)"]
    with pytest.raises(ZeroDivisionError):
        run(command, tmp_path / "log", heard=lambda line: 1 / 0, saves=True)
    assert not _alive(int((tmp_path / "log").read_text()))


@pytest.mark.parametrize("is_there", [True, False])
def test_nothing_is_written_through_a_link(is_there: bool, tmp_path: Path) -> None:
    victim, log = tmp_path / "victim", tmp_path / "log"
    if is_there:
        victim.write_text("mine")
    log.symlink_to(victim)
    run([sys.executable, "-c", "print('said')"], log)
    assert log.read_text() == "said\n" and not log.is_symlink()
    assert (victim.read_text() if is_there else victim.exists()) == ("mine" if is_there else False)


def test_the_tool_inherits_the_descriptors_that_it_should(tmp_path: Path) -> None:
    with (tmp_path / "held").open("w") as held:
        number = held.fileno()
        os.set_inheritable(number, False)
        command = [sys.executable, "-c", f"import os; os.write({number}, b'reached')"]
        run(command, tmp_path / "log", keep_open=(number,))
    assert (tmp_path / "held").read_text() == "reached"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            '[2026-01-01 00:00:00,0][train_inner][INFO] - {"epoch": 1, "loss": "15.9", '
            '"num_updates": "10", "lr": "0.001"}',
            ("train_inner", 10, 15.9),
        ),
        (
            '[2026-01-01 00:00:00,0][valid][INFO] - {"valid_loss": "9.5", '
            '"valid_num_updates": "250"}',
            ("valid", 250, 9.5),
        ),
        ('[2026-01-01 00:00:00,0][train][INFO] - {"epoch": 1}', None),
        ("[2026-01-01 00:00:00,0][fairseq.trainer][INFO] - begin training epoch 1", None),
        ("", None),
    ],
)
def test_events_are_read_from_the_log(line: str, expected: tuple | None) -> None:
    event = parse_event(line)
    assert (event and (event.kind, event.update, event.loss)) == expected
