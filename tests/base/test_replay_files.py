"""Files of general text are read as the texts that are split: with the settings of that step."""

import gzip
import json
import shutil
from pathlib import Path

import pytest

from helpers.base.replay import mix, replayed
from helpers.base.replay_files import GeneralText, look_at_replay_files
from helpers.common.errors import CourseError
from helpers.stages.road import ROAD
from helpers.training.command import folders_to_train
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace
from tests.support.input_makers import BAD, parquet
from tests.support.road import begin, do
from tests.support.small import untrained

NEW = [f"A new sentence, number {i}.\nIts second line 第二行." for i in range(5)]
CAFE = "Café au lait, s'il vous plaît.\n"


@pytest.fixture
def work(small: Workspace, tmp_path: Path) -> Workspace:
    """Nothing was trained in it."""
    return untrained(small, tmp_path / "O'Brien 的 work")


def split_with(work: Workspace, **settings: object) -> None:
    """As if the texts had been split with these settings."""
    record = work.record
    record.entry("split").settings.update(settings)
    record.save()


def settings_for(*files: Path) -> FinetuneSettings:
    return FinetuneSettings(replay=0.5, replay_files=tuple(map(str, files)))


def read(work: Workspace, *files: Path) -> tuple[list[str], tuple[str, ...]]:
    """The documents, and what is said of the reading."""
    settings = settings_for(*files)
    look_at_replay_files(work, settings)
    text = GeneralText(work, settings)
    return list(text.documents()), text.notes()


def rows(field: str) -> list[dict[str, object]]:
    return [{"id": i, "text": "no text", field: text} for i, text in enumerate(NEW)]


def json_lines(field: str) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows(field)).encode()


def table(field: str) -> bytes:
    quoted = [f'{i},"{text}"' for i, text in enumerate(NEW)]
    return "\n".join((f"id,{field}", *quoted, "")).encode()


KINDS = {
    "a.jsonl": json_lines("content"),
    "a.jsonl.gz": gzip.compress(json_lines("content")),
    "part-000": json_lines("content"),
    "a.json": json.dumps(rows("content")).encode(),
    "a.csv": table("content"),
}


@pytest.mark.parametrize("name", KINDS)
def test_records_are_read_by_the_field_that_was_set_for_the_texts(work, name, tmp_path) -> None:
    folder = tmp_path / "general"
    folder.mkdir()
    (folder / name).write_bytes(KINDS[name])
    split_with(work, text_field="content", unit="line")
    assert read(work, folder) == (NEW, ())


def test_a_record_without_that_field_is_refused_with_where_it_is_set(work, tmp_path) -> None:
    (tmp_path / "a.jsonl").write_bytes(json_lines("content").replace(b'"text"', b'"other"'))
    with pytest.raises(CourseError, match=r"there is no field 'text'\. There is") as caught:
        look_at_replay_files(work, settings_for(tmp_path / "a.jsonl"))
    assert "in text_field. General text is read with the text_field and" in caught.value.hint
    (tmp_path / "a.parquet").write_bytes(parquet(NEW))
    split_with(work, text_field="content")
    with pytest.raises(CourseError, match="has no column 'content'"):
        read(work, tmp_path / "a.parquet")


def test_what_is_refused_is_refused_before_anything_is_trained(work, tmp_path) -> None:
    (tmp_path / "a.csv").write_bytes(table("content"))
    (tmp_path / "late.txt").write_bytes(b"good\n" * 300_000 + BAD)
    for name, said in (("a.csv", "has no column"), ("late.txt", "line 300001")):
        with pytest.raises(CourseError, match=said) as caught:
            ROAD.run("finetune", work, settings_for(tmp_path / name))
        assert "of 01_split" in caught.value.hint
        assert not any(work.training.glob("*.pt")) and not work.checkpoints.exists()
    with pytest.raises(CourseError, match="has no column"):
        ROAD.plan("finetune", work, settings_for(tmp_path / "a.csv"))


@pytest.mark.parametrize(
    ("errors", "number", "said"),
    [("skip", 4, "Left out: 1 document that holds"), ("replace", 5, "Replaced by U+FFFD: 1 place")],
)
def test_what_is_no_character_is_treated_as_in_the_texts(
    work, errors, number, said, tmp_path
) -> None:
    file = tmp_path / "general.txt"
    file.write_bytes("\n\n".join(NEW).encode().replace(b"number 3", b"number " + BAD))
    with pytest.raises(CourseError, match="is not utf-8: line 10") as caught:
        read(work, file)
    assert "of 01_split" in caught.value.hint
    split_with(work, errors=errors)
    texts, notes = read(work, file)
    assert len(texts) == number and len([text for text in texts if text in NEW]) == 4
    assert len(notes) == 1 and notes[0].startswith(said) and "general.txt, line 10" in notes[0]
    mix(work, settings_for(file))
    assert notes[0] in replayed(work.training).note


def test_of_a_long_document_the_parts_with_such_bytes_are_left_out(work, tmp_path) -> None:
    file = tmp_path / "long.txt"
    file.write_bytes(b"a line of a long document\n" * 400_000 + BAD + b" the end\n")
    split_with(work, errors="skip")
    texts, notes = read(work, file)
    assert len(texts) > 1 and not any("the end" in text for text in texts)
    assert notes[0].startswith("Left out: 1 document")


def test_an_encoding_is_found_out_or_is_that_of_the_texts(work, tmp_path) -> None:
    (tmp_path / "utf8.txt").write_text(NEW[0], "utf-8")
    (tmp_path / "gb.txt").write_text(NEW[1] * 9, "gb18030")
    (tmp_path / "cafe.txt").write_text(CAFE, "cp1252")
    split_with(work, encoding="cp1252")
    texts, notes = read(work, *(tmp_path / name for name in ("utf8.txt", "gb.txt", "cafe.txt")))
    assert texts == [NEW[0], NEW[1] * 9, CAFE.strip()]
    assert notes == ("Not in UTF-8: gb.txt (gb18030), cafe.txt (cp1252).",)
    for encoding in ("utf-8", "auto"):
        split_with(work, encoding=encoding)
        with pytest.raises(CourseError, match=r"is not utf-8|cannot be guessed") as caught:
            read(work, tmp_path / "cafe.txt")
        assert "of 01_split" in caught.value.hint


def test_what_is_not_read_is_told(work, tmp_path) -> None:
    folder = tmp_path / "general"
    folder.mkdir()
    (folder / "a.txt").write_text(NEW[0])
    (folder / "empty.txt").touch()
    (folder / "book.epub").write_bytes(b"PK")
    texts, notes = read(work, folder)
    assert texts == NEW[:1]
    assert notes == ("empty.txt is empty.", "Not read (1): book.epub (another kind of file).")
    (folder / "a.txt").write_text(work.raw("test").read_text("utf-8"))
    with pytest.raises(CourseError, match=r"no text for replay, beside .* Not read \(1\): book"):
        mix(work, settings_for(folder))


def test_where_a_person_has_brought_split_texts_the_usual_settings_hold(work, tmp_path) -> None:
    record = work.record
    del record.stages["split"]
    record.save()
    (tmp_path / "a.txt").write_text(NEW[0])
    assert read(work, tmp_path / "a.txt") == (NEW[:1], ())


def test_the_whole_way_with_records(small: Workspace, tmp_path: Path) -> None:
    """One's own and the general ones, both by the field that the split was told."""
    work = begin(Workspace(tmp_path / "work"))
    shutil.copytree(small.base_dict.parent, work.base_dict.parent, dirs_exist_ok=True)
    for file in work.texts.iterdir():
        file.unlink()
    own = [{"body": f"The text with the number {i}."} for i in range(90)]
    (work.texts / "own.jsonl").write_text("".join(json.dumps(row) + "\n" for row in own))
    do(work, "split", text_field="body")
    for name in ("encode", "binarize"):
        do(work, name)
    (tmp_path / "general.jsonl").write_bytes(json_lines("body"))
    settings = settings_for(tmp_path / "general.jsonl")
    mix(work, settings)
    assert replayed(work.training).documents == len(NEW)
    assert (folders_to_train(work, settings)[0] / "train1.bin").is_file()
