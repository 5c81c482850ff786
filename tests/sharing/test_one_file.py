"""The model as one file: whole or not at all, and a button that is harmless until it is pressed."""

import os
import zipfile
from pathlib import Path

import pytest

from helpers.common.errors import CourseError, InUse, StageMissing
from helpers.panels.one_file import OneFilePanel
from helpers.sharing.one_file import as_one_file, relative_link
from helpers.workflow.workspace import Workspace


def test_what_a_killed_packing_has_left_goes(copied: Workspace) -> None:
    (copied.root / ".hf.zip.0123abcd").write_bytes(b"half of it")
    as_one_file(copied)
    assert not [*copied.root.glob(".hf.zip.*")]


def test_all_of_the_folder_is_in_it(copied: Workspace) -> None:
    (copied.hf / ".in-use.lock").touch()
    file = as_one_file(copied)
    (copied.hf / ".in-use.lock").unlink()
    with zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        found = {info.filename: archive.read(info) for info in archive.infolist()}
        how = archive.getinfo("hf/model.safetensors").compress_type
    assert found == {f"hf/{each.name}": each.read_bytes() for each in copied.hf.iterdir()}
    assert how == zipfile.ZIP_STORED
    assert file == copied.root / "hf.zip"


def test_it_can_be_loaded_where_it_is_unpacked(copied: Workspace, tmp_path: Path) -> None:
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    with zipfile.ZipFile(as_one_file(copied)) as archive:
        archive.extractall(tmp_path / "there")
    assert AutoModelForMaskedLM.from_pretrained(tmp_path / "there" / "hf")
    assert AutoTokenizer.from_pretrained(tmp_path / "there" / "hf").mask_token == "<mask>"


def test_it_is_made_anew_and_what_a_person_has_put_there_is_kept(copied: Workspace) -> None:
    as_one_file(copied)
    (copied.hf / "more.txt").write_text("more")
    assert "hf/more.txt" in zipfile.ZipFile(as_one_file(copied)).namelist()
    assert not (copied.root / "hf.zip.old-1").exists()
    (copied.root / "hf.zip").write_text("mine")
    as_one_file(copied)
    assert (copied.root / "hf.zip.old-1").read_text() == "mine"
    with zipfile.ZipFile(copied.root / "hf.zip", "w") as archive:
        archive.writestr("mine", "too")
    as_one_file(copied)
    assert zipfile.ZipFile(copied.root / "hf.zip.old-2").namelist() == ["mine"]


@pytest.mark.parametrize(
    ("what", "said"), [("link", "is a link to"), ("folder", "is a folder"), ("loose", "is a link")]
)
def test_what_stands_in_its_place_is_left_alone(copied: Workspace, what: str, said: str) -> None:
    file, other = copied.root / "hf.zip", copied.root / "other"
    if what == "folder":
        file.mkdir()
    else:
        file.symlink_to(other)
        if what == "link":
            other.write_text("mine")
    with pytest.raises(CourseError, match=said) as error:
        as_one_file(copied)
    assert error.value.message and error.value.hint
    assert file.is_dir() if what == "folder" else file.is_symlink()
    assert other.exists() is (what == "link")


def test_a_full_disk_leaves_the_one_that_was_there(
    copied: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = as_one_file(copied).read_bytes()

    def full(archive: zipfile.ZipFile, *_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(zipfile.ZipFile, "write", full)
    with pytest.raises(CourseError, match="the disk is full") as error:
        as_one_file(copied)
    assert "Make room" in error.value.hint
    assert (copied.root / "hf.zip").read_bytes() == before
    assert not [path for path in copied.root.iterdir() if path.name.startswith(".hf")]


def test_without_a_model_it_says_which_notebook_makes_one(workspace: Workspace) -> None:
    with pytest.raises(StageMissing) as error:
        as_one_file(workspace)
    assert "05_convert" in error.value.hint
    assert not workspace.root.exists()


def test_nothing_is_packed_while_it_is_made(copied: Workspace) -> None:
    with copied.lock("convert"), pytest.raises(InUse):
        as_one_file(copied)
    assert not (copied.root / "hf.zip").exists()


def test_a_panel_that_is_only_shown_packs_nothing(copied: Workspace) -> None:
    panel = OneFilePanel(copied)
    shown = panel._repr_mimebundle_()
    assert "hf.zip" in shown["text/plain"] and "hf.zip" in shown["text/html"]
    assert "application/vnd.jupyter.widget-view+json" in shown
    assert not (copied.root / "hf.zip").exists()


def test_its_button_shows_a_link_from_where_the_notebook_lies(
    copied: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    (copied.root / "notebooks").mkdir(exist_ok=True)
    monkeypatch.chdir(copied.root / "notebooks")
    panel = OneFilePanel(copied)
    button = panel.children[1].children[0]
    button.click()
    button.click()  # of two links one stays
    (shown,) = panel.link.outputs
    assert "<a href='../hf.zip' download>" in shown["data"]["text/html"]
    assert "MB" in panel.told.value and (copied.root / "hf.zip").is_file()


def test_the_button_says_what_went_wrong(copied: Workspace) -> None:
    (copied.root / "hf.zip").mkdir()
    panel = OneFilePanel(copied)
    panel.make()
    assert "⚠" in panel.told.value and "is a folder" in panel.told.value
    assert panel.link.outputs == ()


def test_a_link_is_one_that_a_page_can_follow(tmp_path: Path) -> None:
    assert "%23" in relative_link(tmp_path / "a #1" / "hf.zip")
    assert not relative_link(Path.cwd() / "hf.zip").startswith("/")
