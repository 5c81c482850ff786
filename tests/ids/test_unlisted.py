"""What fairseq would read in a data-bin, and no step of the course has listed, is refused."""

import shutil
from pathlib import Path

import pytest

from helpers.common.errors import CourseError
from helpers.ids.data_bin import refuse_unlisted
from helpers.stages.road import ROAD
from helpers.workflow.workspace import Workspace
from tests.support import checkpoint_makers as make
from tests.support import road as roads
from tests.support.small import SHORT

BESIDE = (("train1.bin", "train1.idx"), ("train", ""), ("valid1.idx", "valid1.bin"), ("train1", ""))


def read_by_fairseq(folder: Path) -> int:
    """The lines that fairseq's task would train on."""
    from fairseq.data import Dictionary, data_utils

    dictionary = Dictionary.load(str(folder / "dict.txt"))
    return len(data_utils.load_indexed_dataset(str(folder / "train"), dictionary, combine=True))


def put_beside(folder: Path, names: tuple[str, str]) -> None:
    for name in filter(None, names):
        kind = Path(name).suffix
        if kind:
            shutil.copy(folder / f"train{kind}", folder / name)
        else:
            (folder / name).write_text("13 262 11\n")


@pytest.mark.parametrize("names", BESIDE, ids=lambda names: names[0])
def test_training_refuses_it_by_its_name(workspace: Workspace, names: tuple[str, str]) -> None:
    make.put(make.current(make.fitting(make.tensors())), workspace.base_model.parent)
    make.prepare(workspace)
    before = read_by_fairseq(workspace.data_bin)
    put_beside(workspace.data_bin, names)
    if names[0].startswith("train"):
        assert read_by_fairseq(workspace.data_bin) != before
    first = min(filter(None, names))
    with pytest.raises(CourseError, match=f"{first} is no part of this data"):
        ROAD.run("finetune", workspace, SHORT)
    assert not workspace.checkpoints.exists()


def test_a_data_bin_of_ones_own_is_not_described(road: Workspace) -> None:
    (road.root / "workspace.json").unlink()
    put_beside(road.data_bin, BESIDE[0])
    with pytest.raises(CourseError, match=r"train1\.bin is no part of this data"):
        roads.do(road, "binarize")


def test_shards_are_looked_through(started: Workspace) -> None:
    roads.do(started, "split")
    roads.do(started, "prepare", shards=2)
    refuse_unlisted(started.data_bin)
    put_beside(started.data_bin / "shard01", BESIDE[0])
    with pytest.raises(CourseError, match=r"shard01/train1\.bin is no part of this data"):
        refuse_unlisted(started.data_bin)


def test_what_fairseq_does_not_read_may_lie_there(road: Workspace) -> None:
    for name in ("preprocess.log", "test1.bin", "train.txt", "train01.bin", "notes", "trains"):
        (road.data_bin / name).write_text("mine")
    refuse_unlisted(road.data_bin)
