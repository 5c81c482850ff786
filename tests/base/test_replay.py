"""General text among one's own: how much, which, and that nothing is in it that is measured."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.base.general_text import replay_documents, validation_documents
from helpers.base.replay import COURSE, mix, replayed
from helpers.base.replay_files import replay_files
from helpers.base.replay_text import _drawn, _Pool, general_sizes
from helpers.common.errors import CourseError
from helpers.ids.binary_files import read_lines, read_sizes
from helpers.ids.data_bin import data_folders
from helpers.ids.dictionary import Dictionary
from helpers.ids.token_names import text_of
from helpers.stages.road import ROAD
from helpers.tokens.gpt2 import count_tokens
from helpers.training.command import folders_to_train, general_tokens, overrides
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace
from tests.support import awkward
from tests.support.road import begin, do, own_order

LIMIT = 510


@pytest.fixture
def work(small: Workspace, tmp_path: Path) -> Workspace:
    """A copy in which nothing was trained."""
    made = Workspace(shutil.copytree(small.root, tmp_path / "O'Brien 的 work"))
    shutil.rmtree(made.checkpoints)
    return made


def mixed(work: Workspace, share: float, *files: Path) -> tuple[FinetuneSettings, str]:
    """Mix so much in, after it was told how much; the general text as it is trained on."""
    settings = FinetuneSettings(replay=share, replay_files=tuple(map(str, files)))
    told = general_sizes(work, settings)
    mix(work, settings)
    written = (read_sizes(folder / "train1")[0] for folder in folders_to_train(work, settings))
    assert [sizes.tolist() for sizes in told] == [sizes.tolist() for sizes in written]
    return settings, general(work, settings)


def general(work: Workspace, settings: FinetuneSettings) -> str:
    dictionary = Dictionary.load(work.base_dict)
    folders = folders_to_train(work, settings)
    lines = [line for folder in folders for line in read_lines(folder / "train1")]
    return "\n".join(text_of(line, dictionary) for line in lines)


def tokens(prefix: Path) -> int:
    sizes, _ = read_sizes(prefix)
    return int(sizes.sum()) - len(sizes)


@pytest.mark.parametrize("share", [0.01, 0.25, 0.5])
def test_it_has_the_share_that_was_asked_for(work: Workspace, share: float) -> None:
    settings, text = mixed(work, share)
    (folder,) = folders_to_train(work, settings)
    own, new = tokens(folder / "train"), tokens(folder / "train1")
    told = replayed(work.training)
    assert (told.own, told.tokens) == (own, new) == (tokens(work.data_bin / "train"), new)
    assert general_tokens(own, share) <= new < general_tokens(own, share) + LIMIT
    assert told.share == new / (own + new)
    assert told.source == COURSE and f"{told.share:.1%}" in told.note
    assert text.startswith("\n"), "a blank line parts it from one's own"
    for name in ("dict.txt", "train.bin", "train.idx", "valid.bin", "valid.idx"):
        assert (folder / name).read_bytes() == (work.data_bin / name).read_bytes()
    assert overrides(work, settings)["task.data"] == str(folder)


def test_the_same_settings_make_the_same_bytes(work: Workspace) -> None:
    settings, _ = mixed(work, 0.5)
    (folder,) = folders_to_train(work, settings)
    before = (folder / "train1.bin").read_bytes()
    mixed(work, 0.5)
    assert (folder / "train1.bin").read_bytes() == before


def test_what_models_are_measured_by_is_not_in_it(work: Workspace, tmp_path: Path) -> None:
    """Neither the general text of 06 nor the student's own valid and test, in whose file it is."""
    measured = [*validation_documents()[:40], *work.raw("test").read_text().split("\n\n")]
    measured += work.raw("valid").read_text().split("\n\n")
    file = tmp_path / "general 通用.txt"
    new = [f"A new sentence, number {i}." for i in range(20)]
    file.write_text("\n\n".join((*measured, *new)))
    _, text = mixed(work, 0.5, file)
    found = {line for line in text.split("\n") if line}
    assert found == {*new}
    told = replayed(work.training)
    assert told.left_out == len({document.strip() for document in measured})
    assert told.documents == 20 and file.name in told.note


@pytest.mark.parametrize(
    "split",
    [{"unit": "line"}, {"max_line_tokens": 20}, {"unit": "line", "max_line_tokens": 20}],
)
def test_held_out_text_is_known_however_it_was_cut(
    small: Workspace, split: dict, tmp_path: Path
) -> None:
    """By lines, or wrapped shorter than training wraps."""
    work = Workspace(tmp_path / "work")
    begin(work)
    shutil.copytree(small.base_dict.parent, work.base_dict.parent, dirs_exist_ok=True)
    border = "\n" if "unit" in split else "\n\n"
    texts = [f"The text with the number {i} {'is long and ' * 9}tells of {i}." for i in range(90)]
    (work.texts / "b.txt").unlink()
    file = work.texts / "a.txt"
    file.write_text(border.join(texts))
    for name, settings in (("split", split), ("encode", {}), ("binarize", {})):
        do(work, name, **settings)
    _, text = mixed(work, 0.5, file)
    held_out = "".join((work.raw("valid").read_text() + work.raw("test").read_text()).split())
    found = [one for one in texts if "".join(one.split()) in held_out]
    assert len(found) == replayed(work.training).left_out == 18
    said = "".join(text.split())
    assert not [one for one in found if "".join(one.split()) in said] and "number" in said


def test_the_courses_own_text_holds_nothing_that_06_measures() -> None:
    never = {*validation_documents()}
    found = [document for document, _ in zip(replay_documents(), range(1000), strict=False)]
    assert len({*found}) == len(found) == 1000 and not never & {*found}


def test_scarce_text_is_read_again_and_said_so(work: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "one.txt"
    file.write_text("Seldom so little.\n")
    settings, text = mixed(work, 0.5, file)
    assert text.count("Seldom so little.") > 100
    assert "times as often as yours" in replayed(work.training).note
    sizes, _ = read_sizes(folders_to_train(work, settings)[0] / "train1")
    assert (np.asarray(sizes[::2]) == 1).all(), "a blank line behind each"


def test_of_shards_each_has_its_share(work: Workspace) -> None:
    for name in ("shard00", "shard01"):
        shutil.copytree(work.data_bin, work.root / name)
    shutil.rmtree(work.data_bin)
    work.data_bin.mkdir()
    for name in ("shard00", "shard01"):
        shutil.move(work.root / name, work.data_bin / name)
    settings, _ = mixed(work, 0.25)
    folders = folders_to_train(work, settings)
    assert [folder.name for folder in folders] == ["shard00", "shard01"]
    own = tokens(folders[0] / "train")
    assert all(tokens(folder / "train1") >= own / 3 for folder in folders)
    assert len({(folder / "train1.bin").read_bytes() for folder in folders}) == 2
    assert data_folders(folders[0].parent) == folders


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_files_are_read_as_texts_are_elsewhere(
    work: Workspace, tmp_path: Path, encoding: str
) -> None:
    file = tmp_path / "通用.txt"
    file.write_bytes(awkward.CHINESE.encode(encoding))
    _, text = mixed(work, 0.25, file)
    assert {*text.split("\n")} <= {"", *awkward.CHINESE.split("\n")}


def test_a_long_line_is_wrapped_and_the_last_document_ends_with_a_line(
    work: Workspace, tmp_path: Path
) -> None:
    file = tmp_path / "long.txt"
    file.write_text("many words and more " * 3000)
    settings, _ = mixed(work, 0.5, file)
    sizes, _ = read_sizes(folders_to_train(work, settings)[0] / "train1")
    assert sizes.max() <= LIMIT + 1
    assert replayed(work.training).tokens < 2 * tokens(work.data_bin / "train")


def test_names_that_lead_nowhere_and_files_without_text_are_refused(
    work: Workspace, tmp_path: Path
) -> None:
    with pytest.raises(CourseError, match="no file or folder nowhere") as caught:
        mixed(work, 0.5, Path("nowhere.txt"))
    assert "in replay_files" in caught.value.hint
    (tmp_path / "blank.txt").write_text("\n\n \n")
    with pytest.raises(CourseError, match="no text for replay"):
        mixed(work, 0.5, tmp_path / "blank.txt")


def test_without_replay_the_data_are_ones_own(work: Workspace) -> None:
    assert folders_to_train(work, FinetuneSettings()) == [work.data_bin]
    assert replay_files(work, FinetuneSettings()) == []
    files = ROAD["finetune"].inputs(work, FinetuneSettings(replay=0.1, replay_files="texts"))
    assert {*(work.texts.iterdir())} <= {*files}


@given(texts=st.lists(awkward.text.filter(str.strip), min_size=1), most=st.integers(1, 300))
def test_documents_of_any_text_are_whole_lines(texts: list[str], most: int) -> None:
    texts = ["\n".join(line for line in t.split("\n") if line.strip()) for t in texts]
    pool = _Pool(own_order(), 16, set())
    pool.fill(texts)
    if not any(count_tokens(line.strip()) for text in texts for line in text.split("\n")):
        return
    lines = pool.next(most)
    sizes = np.frombuffer(lines.sizes, "<i4")
    assert sizes[-1] == 1 and sizes.max() <= 17
    assert sizes[:-2].sum() - len(sizes[:-2]) < most, "not a line more than is needed"


@given(st.lists(st.text("ab中", min_size=1), min_size=1), st.integers(0, 30))
def test_documents_are_drawn_by_lot_each_once(texts: list[str], wanted: int) -> None:
    drawn = _drawn(texts, wanted, lambda text: True)
    assert len({*drawn}) == len(drawn) and {*drawn} <= {*texts}
    assert drawn == _drawn(reversed(texts), wanted, lambda text: True)
    enough = sum(len(text.encode()) for text in {*texts}) > 8 * wanted
    kept = sum(len(text.encode()) for text in drawn)
    assert kept > 8 * wanted if enough else {*drawn} == {*texts}
