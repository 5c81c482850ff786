"""The commands of ``docs/from-the-guide.md``, run as they stand there: fairseq's own, and ours."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.common.files import PROJECT
from helpers.common.symbols import SPLITS
from helpers.tokens.gpt2 import gpt2_file
from helpers.workflow.workspace import Workspace
from tests.project.pages import blocks, words
from tests.support import checkpoint_makers as makers
from tests.support.road import do

PAGE = words(PROJECT / "docs" / "from-the-guide.md")
PREPARATION = blocks(PAGE)[0].code
GUIDE, PRINTS, TODAY, HERE, RULE = (
    "In the guide",
    "It prints",
    "Today",
    "Here",
    "The rule of `max_update`",
)
# A tiny model and a text of a few pages; the page names both among what fairseq has to be told.
TINY = " ".join(f"++model.{name}={size}" for name, size in makers.TINY.items())
FEW = "dataset.batch_size=2 optimization.update_freq=[1]"
LINES = "".join(f"Text {i} tells of {i}, and of nothing else.\n" for i in range(100))

pytestmark = pytest.mark.usefixtures("nothing_is_left")


def code(section: int, label: str) -> str:
    """The first block behind a bold label in a section of the page."""
    (text,) = re.findall(rf"^## {section}\. .*\n((?:(?!## ).*\n)*)", PAGE, re.MULTILINE)
    return blocks(text.split(f"**{label}:**")[1])[0].code.rstrip()


def sh(command: str, folder: Path, home: Path) -> str:
    """What the command prints in a folder; the kit's own workspaces lie in ``home``."""
    environment = os.environ | {
        "ROBERTA_COURSE_HOME": str(home),
        "PATH": f"{sys.prefix}/bin:{os.environ['PATH']}",
        "PYTHONPATH": str(PROJECT),
    }
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    return done.stdout


def says(printed: str, line: str) -> bool:
    """Whether a line of the page, in which … stands for anything, was printed."""
    return bool(re.search(".*".join(map(re.escape, line.strip().split("…"))), printed))


@pytest.fixture
def mine(tmp_path: Path) -> Workspace:
    """``runs/mine`` in a home of its own: three splits and a tiny base, ready as the page says."""
    home = tmp_path / "old 课程"
    work = Workspace(home / "runs" / "mine")
    makers.put(makers.current(makers.tensors()), work.base_model.parent)
    work.raw("train").parent.mkdir()
    for split in SPLITS:
        work.raw(split).write_text(LINES, "utf-8")
    (home / "gpt2_bpe").mkdir()
    for name in ("encoder.json", "vocab.bpe"):
        shutil.copy(gpt2_file(name), home / "gpt2_bpe")
    assert not sh(PREPARATION, home, home)
    return work


def typed(work: Workspace, command: str) -> str:
    return sh(command, work.root, work.root.parent.parent)


@pytest.mark.parametrize("section", [2, 4, 6])
def test_what_runs_no_more_prints_what_the_page_says(mine: Workspace, section: int) -> None:
    assert says(typed(mine, code(section, GUIDE)), code(section, PRINTS))


def test_transformers_has_no_converter_for_roberta() -> None:
    (name,) = re.findall(r"convert_roberta\w+\.py", code(6, GUIDE))
    names = {file.name for file in importlib.metadata.files("transformers")}
    assert "modeling_roberta.py" in names
    assert name not in names


def test_encoding_and_binarizing_give_the_same_bytes_in_both_ways(
    mine: Workspace, tmp_path: Path
) -> None:
    new = Workspace(tmp_path / "new" / "runs" / "mine")
    shutil.copytree(mine.root / "mydata", new.root / "mydata")
    shutil.copytree(mine.root / "base", new.root / "base")
    for old_command in (code(2, TODAY), code(3, GUIDE)):
        typed(mine, old_command)
    for new_command in (code(2, HERE), code(3, HERE)):
        typed(new, new_command)
    made = {**makers.files(mine.root / "mydata"), **makers.files(mine.data_bin)}
    assert made.pop("preprocess.log")
    assert {"data.train.bpe", "train.bin", "valid.idx", "dict.txt"} < set(made)
    assert made == makers.files(new.root / "mydata") | makers.files(new.data_bin)


TRAINING = code(4, TODAY)
ABSOLUTE = "checkpoint.restore_file=\"'$PWD/model.pt'\""


@pytest.fixture
def binarized(mine: Workspace) -> Workspace:
    do(mine, "prepare")
    return mine


def test_training_runs_as_the_page_says(binarized: Workspace) -> None:
    """From a relative path, and so from nothing; then from what came of that."""
    where, absolute = TRAINING.split("\n", 1)  # the first line only finds the configuration
    relative = absolute.replace(ABSOLUTE, "checkpoint.restore_file=./model.pt")
    assert relative != absolute
    said = typed(
        binarized,
        f"""{where}
        {relative} {TINY} {FEW} optimization.max_update=5
        {code(5, GUIDE)}
        cp multirun/*/*/0/checkpoints/checkpoint_best.pt model.pt
        {absolute} {TINY} {FEW} optimization.max_update=3""",
    )
    assert "No existing checkpoint found ./model.pt" in said
    losses = [float(loss) for loss in re.findall(r'"train_loss": "([\d.]+)"', said)]
    assert losses[0] == pytest.approx(15.6, abs=0.1)  # bits: all tokens are equally likely
    assert re.search(r"^\./multirun/.*/.*/0/checkpoints/checkpoint_best\.pt$", said, re.MULTILINE)
    loaded = re.findall(r"Loaded checkpoint (\S.*) \(epoch \d+ @ (\d) updates\)", said)
    assert loaded == [(f"{binarized.root}/model.pt", "5")]
    assert says(said, code(4, RULE))


@pytest.mark.long
@pytest.mark.parametrize(
    ("part", "instead", "printed"),
    [
        ("\"'$PWD/data-bin/mydata'\"", "data-bin/mydata", 0),
        ("\"'$PWD/data-bin/mydata'\"", '"$PWD/data-bin/mydata"', 1),
        (TINY, "", 4),
        (FEW, "", 5),
    ],
    ids=["relative data", "a space", "another shape", "a short text"],
)
def test_the_traps_of_training_print_what_the_page_says(
    binarized: Workspace, part: str, instead: str, printed: int
) -> None:
    (table,) = re.findall(r"^\| in the command .*\n.*\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    row = table.splitlines()[printed]
    message = re.findall(r"`([^`]+)`", row.split(" | ")[1])[0]
    command = f"{TRAINING} {TINY} {FEW}"
    assert part in command
    assert says(typed(binarized, command.replace(part, instead)), message)
