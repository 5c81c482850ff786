"""The panels' controls for files: texts sent from the browser, and where a base model is."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from helpers.common.files import files_below
from helpers.panels.settings.base_source import BaseSource
from helpers.panels.settings.text_files import TextFiles
from helpers.text.files import text_files
from helpers.workflow.parameters import About
from helpers.workflow.settings import BaseSettings
from helpers.workflow.workspace import Workspace
from tests.support.hands import SCRIPT, all_html, move, panel_of

ABOUT = About.of(BaseSettings.model_fields["source"])
MODEL, FOLDER = ABOUT.kinds


@pytest.fixture
def texts(workspace: Workspace) -> TextFiles:
    return TextFiles("txt_files", workspace.root / "my-texts")


def send(control: TextFiles, *files: tuple[str, bytes]) -> str:
    """What a browser does when files are chosen; what is said then."""
    control.upload.value = [
        {
            "name": name,
            "type": "text/plain",
            "size": len(content),
            "content": memoryview(content),
            "last_modified": datetime.now(),
        }
        for name, content in files
    ]
    assert control.upload.value == ()
    return control.said.value


def found(control: TextFiles) -> dict[str, bytes]:
    return {
        file.relative_to(control.folder.parent).as_posix(): file.read_bytes()
        for file in files_below(control.folder.parent)
    }


NAMES = {
    "notes.txt": "notes.txt",
    "小说 第一章.txt": "小说 第一章.txt",
    "LOUD.TXT": "LOUD.TXT",
    "notes": "notes.txt",
    "notes.md": "notes.md.txt",
    "小说.jsonl": "小说.jsonl",
    "A.TXT.GZ": "A.TXT.GZ",
    "a.jsonl.zst": "a.jsonl.zst",
    "../a.parquet": "a.parquet",
    "notes.md.GZ": "notes.md.txt.gz",
    "table.parquet.gz": "table.parquet.txt.gz",
    "../../notes.txt": "notes.txt",
    "/etc/passwd": "passwd.txt",
    "C:\\texts\\notes.txt": "notes.txt",
    "..\\..\\notes.txt": "notes.txt",
    ".notes.txt": "notes.txt",
    "...": "text.txt",
    "..": "text.txt",
    "folder/": "text.txt",
    "": "text.txt",
    ".txt": "txt.txt",
    "a\0b.txt": "ab.txt",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_file_lands_in_the_folder_as_a_visible_text(name: str, texts: TextFiles, workspace):
    said = send(texts, (name, "你好\r\n".encode()))
    assert found(texts) == {f"my-texts/{NAMES[name]}": "你好\r\n".encode()}
    assert "1 file" in said and "(8 bytes)" in said and "my-texts/ now" in said
    assert texts.value == texts.names.value == "my-texts"
    assert [file.name for file in text_files([texts.value], workspace).files] == [NAMES[name]]


def test_a_browser_offers_files_of_every_kind(texts: TextFiles):
    """It looks at the last ending of a name only."""
    assert texts.upload.accept.split(",") == sorted(
        (".csv", ".gz", ".json", ".jsonl", ".ndjson", ".parquet", ".tsv", ".txt", ".zst")
    )


@given(name=st.text(st.sampled_from("./\\a小 ~\0"), max_size=20) | st.text(max_size=60))
@settings(max_examples=40)
@example(name="../../up")
def test_no_name_leads_elsewhere(name: str, tmp_path_factory):
    root = tmp_path_factory.mktemp("sent")
    control = TextFiles("txt_files", root / "deep" / "down" / "my-texts")
    said = send(control, (name, b"x"))
    kept = [file.parent for file in files_below(root)]
    assert kept == ([control.folder] if "my-texts/ now" in said else [])
    assert kept or "cannot be written" in said


def test_a_name_that_is_too_long_is_shortened_or_explained(texts: TextFiles):
    said = send(texts, ("很长的名字" * 20 + ".txt", b"x"))
    assert len(found(texts)) == ("my-texts/ now" in said)
    assert said


def test_an_earlier_file_with_another_text_is_kept_beside(texts: TextFiles):
    send(texts, ("a.txt", b"one"), ("b.txt", b"b"))
    said = send(texts, ("a.txt", b"two"), ("b.txt", b"b"))
    assert "The earlier one is kept as a.txt.old-1." in said
    assert "b.txt" not in said
    send(texts, ("a.txt", b"three"))
    contents = {"a.txt": b"three", "a.txt.old-1": b"one", "a.txt.old-2": b"two", "b.txt": b"b"}
    assert found(texts) == {f"my-texts/{name}": content for name, content in contents.items()}


def test_the_same_file_may_be_sent_again(texts: TextFiles):
    for _ in range(2):
        assert "earlier" not in send(texts, ("a.txt", b""))
    assert found(texts) == {"my-texts/a.txt": b""}


def test_the_panel_shows_every_file_that_was_sent(workspace: Workspace):
    panel = panel_of("split", workspace)
    send(panel.controls["txt_files"].widget, ("a.txt", b"one\n\ntwo\n\nthree"))
    assert "one" in panel.preview.value
    assert panel.settings.txt_files == ("my-texts",)
    send(panel.controls["txt_files"].widget, ("b.txt", b"four\n\nfive"))
    assert "b.txt" in panel.preview.value


@pytest.mark.parametrize("refused", ["mkdir", "write_bytes", "rename", "replace", "read_bytes"])
def test_a_folder_that_refuses_is_a_sentence(refused: str, texts: TextFiles, monkeypatch):
    if refused in ("rename", "read_bytes"):
        send(texts, ("a.txt", b"one"))

    def refuse(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, refused, refuse)
        said = send(texts, ("a.txt", b"two"))
    assert "Permission denied" in said
    assert "a.txt" in said or "my-texts" in said
    assert b"two" not in found(texts).values()
    texts.folder.mkdir(parents=True, exist_ok=True)
    assert "now" in send(texts, ("a.txt", b"two"))


def test_a_file_in_the_place_of_the_folder_is_a_sentence(tmp_path: Path):
    (tmp_path / "<script>").write_text("no folder")
    said = send(TextFiles("txt_files", tmp_path / "<script>"), ("a.txt", b"x"))
    assert "&lt;script&gt; cannot be written" in said
    assert "<script" not in said


def test_names_of_files_are_shown_as_they_are(workspace: Workspace):
    panel = panel_of("split", workspace)
    for content in (b"one", b"two"):
        send(panel.controls["txt_files"].widget, ("<script>.txt", content))
    assert "&lt;script&gt;.txt" in all_html(panel)
    assert "<script" not in all_html(panel)


def test_names_and_value_are_one(texts: TextFiles):
    for name in ("novels/*.txt\na.txt", "", "小说"):
        texts.value = name
        assert texts.names.value == name
        texts.names.value = f"{name}\nmore"
        assert texts.value == f"{name}\nmore"


# Where a base model is


@pytest.fixture
def source() -> BaseSource:
    return BaseSource("source", ABOUT.words, ABOUT.kinds)


PLACES = {
    "scratch": "scratch",
    "model.pt": MODEL,
    "/my models/roberta.base.tar.gz": MODEL,
    "base.tgz": MODEL,
    "roberta-base": FOLDER,
    "模型/文件夹": FOLDER,
}


def state(source: BaseSource) -> tuple:
    return source.value, source.kind.value, source.path.layout.display == "none"


@pytest.mark.parametrize("place", PLACES)
def test_a_source_set_from_outside_is_shown(place: str, source: BaseSource):
    source.value = "course"
    seen: list[str] = []
    source.observe(lambda change: seen.append(change["new"]), "value")
    source.value = place
    assert state(source) == (place, PLACES[place], place == "scratch")
    assert source.path.value == ("" if place == "scratch" else place)
    assert set(seen) == {place}
    assert {**ABOUT.words, **ABOUT.kinds}[PLACES[place]].split(".")[0] in source.needs.value
    source.value = "course"
    assert state(source) == ("course", "course", True)


def test_a_source_chosen_by_hand_is_the_value(source: BaseSource):
    source.kind.value = FOLDER
    assert state(source) == ("", FOLDER, False)
    source.path.value = "roberta-base"
    assert state(source) == ("roberta-base", FOLDER, False)
    source.kind.value = MODEL
    assert state(source) == ("roberta-base", MODEL, False)
    source.kind.value = "scratch"
    assert state(source) == ("scratch", "scratch", True)
    source.kind.value = FOLDER
    assert state(source) == ("roberta-base", FOLDER, False)


@pytest.mark.parametrize("path", ["course/model.pt", "scratch/me/roberta"])
def test_the_list_does_not_jump_while_a_path_is_typed(path: str, source: BaseSource):
    source.kind.value = MODEL
    for end in range(1, len(path) + 1):
        source.path.value = path[:end]
        assert source.kind.value == MODEL
    assert state(source) == (path, MODEL, False)


@pytest.mark.parametrize("command", ["base", "split", "convert"])
def test_a_path_is_looked_for_when_it_was_typed_not_at_every_letter(
    command: str, with_texts: Callable[..., Workspace]
):
    """On the way to a folder stand those above it, with everything that is in them."""
    panel = panel_of(command, with_texts(a="a"))
    for name, info in panel.model.model_fields.items():
        if About.of(info).path:
            control = panel.controls[name].widget
            field = getattr(control, "names", getattr(control, "path", control))
            assert not field.continuous_update


def test_a_missing_model_is_said_and_can_be_named_again(workspace: Workspace):
    panel = panel_of("base", workspace)
    move(panel, "source", f"{SCRIPT}.pt")
    assert "There is no base model" in panel.message.value
    assert "<script" not in all_html(panel)
    move(panel, "source", "scratch")
    assert panel.message.value == ""
