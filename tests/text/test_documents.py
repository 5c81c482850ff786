"""Finding text files, reading them in whatever encoding they have, and cutting documents."""

import codecs
import io
import itertools
import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.common.errors import CourseError
from helpers.text import documents as documents_module
from helpers.text.decoding import archives, encodings
from helpers.text.decoding.damage import Faults
from helpers.text.decoding.encodings import encoding_of
from helpers.text.decoding.kinds import BINARY
from helpers.text.documents import Passage, documents, lines, passages_of_blocks
from helpers.text.files import text_files
from tests.support.awkward import CHINESE, MARKS, TEXTS, TRADITIONAL, text

JAPANESE = (
    "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。何でも薄暗いじめじめした"
    "所でニャーニャー泣いていた事だけは記憶している。吾輩はここで始めて人間というものを見た。\n"
)
KOREAN = (
    "모든 국민은 인간으로서의 존엄과 가치를 가지며, 행복을 추구할 권리를 가진다. 국가는 개인이 "
    "가지는 불가침의 기본적 인권을 확인하고 이를 보장할 의무를 진다.\n"
)
FRENCH = "Le café est fermé à Noël; « déjà vu », dit-il, n’est pas une excuse. L’été, à la plage.\n"
GERMAN = "Die Straße nach Österreich war über Nacht gesperrt. Größere Übungen hören früh auf.\n"
RUSSIAN = "Все люди рождаются свободными и равными в своём достоинстве и правах.\n"
QUOTES = "It’s “fine”, he said – really.\n" * 5
TOLD = {  # what `auto` has to get right
    "utf-8": (CHINESE, "utf-8"),
    "utf-8 with mark": (CHINESE, "utf-8-sig"),
    "Notepad's Unicode": ("Hello\r\n你好\r\n", "utf-16"),
    "utf-16-le, English": ("Hello there\nsecond line\n", "utf-16-le"),
    "utf-16-be, English": ("Hello there\nsecond line\n", "utf-16-be"),
    "utf-16-le, Chinese": (CHINESE, "utf-16-le"),
    "utf-16-be, Chinese": (CHINESE, "utf-16-be"),
    "utf-32": ("Hello\n你好\n", "utf-32"),
    "gb18030": (CHINESE, "gb18030"),
    "gbk": (CHINESE, "gbk"),
    "gb18030, one sentence": ("这是一个测试。\n", "gb18030"),
    "gb18030, one word": ("你好世界", "gb18030"),
    "gb18030 amid English": ("fairseq 的 BPE 用法\n", "gb18030"),
    "gb18030 behind much English": ("Nothing to see here.\n" * 100_000 + CHINESE, "gb18030"),
    "gb18030, rare characters": (CHINESE + "𠮷𠀀\n", "gb18030"),
}
NOT_CHINESE = {  # the right guess or an error, never other letters
    "big5": (TRADITIONAL, "big5"),
    "big5, short": ("這是語料", "big5"),
    "shift_jis": (JAPANESE, "shift_jis"),
    "shift_jis, short": ("これは試験です", "shift_jis"),
    "euc_jp": (JAPANESE, "euc_jp"),
    "euc_kr": (KOREAN, "euc_kr"),
    "euc_kr, short": (KOREAN[:12], "euc_kr"),
    "cp1252, French": (FRENCH, "cp1252"),
    "cp1252, German": (GERMAN, "cp1252"),
    "cp1252, one word": ("café", "cp1252"),
    "cp1252, quotes behind much English": ("Nothing here.\n" * 100_000 + QUOTES, "cp1252"),
    "cp1251": (RUSSIAN, "cp1251"),
    "koi8-r": (RUSSIAN, "koi8-r"),
}


def read(file: Path, wanted: str = "auto") -> str:
    encoding = encoding_of(file, wanted)
    return "\n".join(lines(file, encoding, faults=Faults(file, encoding, hint="")))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "text 文.txt"


@pytest.mark.parametrize("name", TOLD)
def test_auto_reads_what_students_bring(name: str, file: Path):
    content, encoding = TOLD[name]
    file.write_bytes(content.encode(encoding))
    assert read(file) == "\n".join(content.splitlines())


@pytest.mark.parametrize("name", NOT_CHINESE)
def test_auto_is_right_or_asks(name: str, file: Path):
    content, encoding = NOT_CHINESE[name]
    file.write_bytes(content.encode(encoding))
    try:
        found = read(file)
    except CourseError as error:
        assert str(file) in error.message and "Name the encoding" in error.hint
    else:
        assert found == content.rstrip("\n")


@pytest.mark.parametrize("name", ["big5", "euc_kr", "shift_jis", "euc_jp", "cp1251", "koi8-r"])
def test_auto_tells_long_texts_of_other_scripts(name: str, file: Path):
    content, encoding = NOT_CHINESE[name]
    file.write_bytes(content.encode(encoding))
    assert read(file) == content.rstrip("\n")


def test_auto_refuses_what_is_no_text(file: Path):
    file.write_bytes(b"MZ\x90\0\x03\0\0\0" + bytes(range(256)) * 99)
    with pytest.raises(CourseError, match="cannot be guessed"):
        read(file)


def test_auto_does_not_take_a_damaged_utf8_file_for_another_encoding(file: Path):
    file.write_bytes(("好的文本。\n" * 50).encode() + b"\xff\n" + "好的文本。\n".encode())
    with pytest.raises(CourseError, match=r"not utf-8: line 51, byte 800 \("):
        read(file)


@pytest.mark.parametrize("wanted", ["utf-8", "gb18030", "utf-16-be", "auto"])
def test_a_byte_order_mark_decides(wanted: str, file: Path):
    file.write_bytes(codecs.BOM_UTF16_LE + "Grüße\n你好".encode("utf-16-le"))
    assert read(file, wanted) == "Grüße\n你好"


# A good text of more than a megabyte, then bytes that are not of the encoding.
BAD = {
    "utf-8": ("naïve 文\n", "utf-8", b"\xff"),
    "utf-8 with mark": ("naïve 文\n", "utf-8-sig", b"\xff"),
    "gb18030": ("中文 text\n", "gb18030", b"\xff\xff"),
    "gb18030, CRLF": ("中文 text\r\n", "gb18030", b"\xff\xff"),
    "old Macintosh": ("naïve 文\r", "utf-8", b"\xff"),
    "utf-16, little": ("中文 text\n", "utf-16-le", b"\x00\xdc"),
    "utf-16, big": ("中文 text\n", "utf-16-be", b"\xdc\x00"),
    "NUL": ("naïve 文\n", "utf-8", b"\0"),
    "NUL in utf-16": ("naïve 文\n", "utf-16-be", b"\0\0"),
}


@pytest.mark.parametrize("many", [0, 3, 150_000])
@pytest.mark.parametrize("name", BAD)
def test_bad_bytes_are_named_with_line_and_byte(name: str, many: int, file: Path):
    line, encoding, bad = BAD[name]
    mark = {"utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}.get(encoding, b"")
    good = mark + (line * many + "ab").encode(encoding)
    file.write_bytes(good + bad + ("x" + line).encode(encoding.removesuffix("-sig")))
    with pytest.raises(CourseError) as caught:
        read(file, encoding)
    assert f"line {many + 1}, byte {len(good)} (" in caught.value.message
    assert str(file) in caught.value.message
    assert "encoding" in caught.value.hint


@pytest.mark.parametrize("content", ["一\n二".encode()[:-1], b"abc\r\xff", b"ab\r\n\xff"])
def test_damage_right_behind_a_line_end_is_in_the_next_line(content: bytes, file: Path):
    file.write_bytes(content)
    with pytest.raises(CourseError, match=r"line 2, byte 4 \("):
        read(file, "utf-8")


@pytest.mark.parametrize(
    ("content", "encoding"),
    [(CHINESE, "gb18030"), (TRADITIONAL, "big5"), ("Hello\nthere\n" * 9, "utf-16-le")],
    ids=["gb18030", "big5", "utf-16-le"],
)
def test_the_error_names_an_encoding_that_works(content: str, encoding: str, file: Path):
    file.write_bytes(content.encode(encoding))
    with pytest.raises(CourseError) as caught:
        read(file, "utf-8")
    suggested = caught.value.hint.split("'")[1]
    assert read(file, suggested) == content.rstrip("\n")


@given(content=text | st.sampled_from([*TEXTS.values()]), block=st.integers(1, 9))
def test_lines_are_those_of_text_mode(content: str, block: int, tmp_path_factory):
    file = tmp_path_factory.getbasetemp() / "text"
    content = content.replace("\0", "").removeprefix("\ufeff")
    file.write_bytes(content.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archives, "BLOCK", block if len(content) < 1000 else 1000 + block)
        found = list(lines(file, "utf-8"))
    assert found == [line.rstrip("\n") for line in io.StringIO(content, newline=None)]


UNITS = {
    "blank-line": ["a\n b", "c "],
    "file": ["a\n b\n\n\nc "],
    "line": ["a", " b", "c "],
}


@pytest.mark.parametrize("unit", UNITS)
def test_documents_by_unit(unit: str):
    assert documents("\n \na\n b\n\u3000\n\nc \n\t\n\n ", unit) == UNITS[unit]


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("blank", ["", "\n", " ", "\n \t\n\u2028\n", "\n" * 1_000_000])
def test_blank_lines_are_no_document(blank: str, unit: str):
    assert documents(blank, unit) == []


def by_lines(text: str, unit: str) -> list[str]:
    """The same, independently: line by line."""
    lines = text.split("\n")
    blank = [not line.strip() for line in lines]
    if unit == "line":
        return [line for line in lines if line.strip()]
    if unit == "blank-line":
        groups = itertools.groupby(lines, lambda line: not line.strip())
        return ["\n".join(group) for is_blank, group in groups if not is_blank]
    if all(blank):
        return []
    first, last = blank.index(False), len(lines) - blank[::-1].index(False)
    return ["\n".join(line if line.strip() else "" for line in lines[first:last])]


def put_together(cut_up: list[Passage], unit: str) -> list[str]:
    found: list[str] = []
    for passage in cut_up:
        if passage.whole:
            found += documents(passage.text, unit)
        else:
            found += [passage.lines] if passage.begins else []
            found[-1] += "" if passage.begins else "\n" + passage.lines
    return found


blocks = st.lists(st.text("ab \n\n\n\t\u3000\x1c文", max_size=12), max_size=12)


@pytest.mark.parametrize("unit", UNITS)
@given(blocks=blocks, size=st.integers(1, 12), more=st.integers(0, 12))
def test_pieces_of_any_size_hold_the_same_documents(unit, blocks, size, more):
    text = "".join(blocks)
    found = [*passages_of_blocks(blocks, unit, size, size + more)]
    assert "".join(passage.text for passage in found) == text
    assert put_together(found, unit) == documents(text, unit) == by_lines(text, unit)
    for passage in found:
        assert passage.whole or passage.lines.strip()


@pytest.mark.parametrize("unit", UNITS)
def test_pieces_stay_small(unit: str):
    """Whether there are blank lines, none, or such with spaces in them."""
    for line in ("a\n", "a\n\n", "a\n \n"):
        found = [*passages_of_blocks([line * 50] * 400, unit, 1000, 2000)]
        assert max(len(passage.text) for passage in found) <= 2400
        assert any(not passage.whole for passage in found) == (
            unit == "file" or (line == "a\n" and unit != "line")
        )


@pytest.mark.parametrize("unit", UNITS)
def test_a_long_line_is_not_looked_through_with_every_block(unit: str, monkeypatch):
    looked_at, place_to_cut = [], documents_module._place_to_cut

    def counted(text: str, *how: object) -> tuple[int, bool]:
        looked_at.append(len(text))
        return place_to_cut(text, *how)

    monkeypatch.setattr(documents_module, "_place_to_cut", counted)
    blocks = ["a\n", *["x" * 100] * 1000, "\n\nb"]
    found = put_together([*passages_of_blocks(blocks, unit, 1000, 10_000)], unit)
    assert found == by_lines("".join(blocks), unit)
    assert len(looked_at) < 20


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("text", ["\n", " \n", "a", " ", "a\n \n", "\n" * 9 + " ", "a\n\n\nb "])
def test_five_megabytes_of_anything_take_a_moment(text: str, unit: str):
    begun = time.process_time()
    block = text * (1_000_000 // len(text))
    found = put_together([*passages_of_blocks([block] * 5, unit)], unit)
    same = found == by_lines(block * 5, unit)
    assert same  # shown in full, a difference would take hours
    assert time.process_time() - begun < 20


def test_files_folders_and_patterns_are_found_once(with_texts):
    workspace = with_texts(b="b", a="a")
    (workspace.texts / "in a folder").mkdir()
    (workspace.texts / "in a folder" / "c.TXT").write_text("c")
    (workspace.texts / "notes.md").write_text("no")
    names = ["texts/a.txt", "texts", "texts/*.txt", str(workspace.texts / "?.txt")]
    found = text_files(names, workspace).files
    assert [f.name for f in found] == ["a.txt", "b.txt", "c.TXT"]


def test_hidden_copies_are_left_out(with_texts):
    workspace = with_texts(a="a")
    copies = workspace.texts / ".ipynb_checkpoints"
    copies.mkdir()
    (copies / "a-checkpoint.txt").write_text("an older a")
    (workspace.texts / "._a.txt").write_bytes(b"\0\5")
    assert [f.name for f in text_files(["texts"], workspace).files] == ["a.txt"]


def test_patterns_work_below_a_folder_with_brackets_in_its_name(with_texts, tmp_path: Path):
    folder = tmp_path / "novels [1]"
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    assert text_files([str(folder / "*.txt")], with_texts()).files == [folder.resolve() / "a.txt"]


@pytest.mark.parametrize("name", ["novels.txt", "novels/", "/nowhere/at all.txt"])
def test_a_missing_file_is_named(name: str, workspace):
    with pytest.raises(CourseError, match=f"There is no file or folder {name}") as caught:
        text_files([name], workspace)
    assert (f" in {Path.cwd()} or in " in str(caught.value)) == (not name.startswith("/"))


@pytest.mark.parametrize("name", ["texts", "texts/*.text"])
def test_a_folder_or_pattern_without_texts_is_an_error(name: str, with_texts):
    with pytest.raises(CourseError, match="no text files in texts"):
        text_files([name], with_texts())


@pytest.mark.parametrize("wanted", ["utf-8", "auto", "gb18030"])
@pytest.mark.parametrize("place", BINARY)
def test_another_kind_of_file_renamed_to_txt_is_named(file: Path, wanted: str, place: tuple):
    at, sign = place
    file.write_bytes(b"a" * at + sign + bytes(range(256)))
    with pytest.raises(CourseError, match=re.escape(f"is no plain text, but {BINARY[place]}")):
        encoding_of(file, wanted)


def test_every_mark_is_tried_here():
    assert {mark for mark, _ in encodings.MARKS} == {*MARKS}


@pytest.mark.parametrize("more", [0, 1])
@pytest.mark.parametrize("unit", ["blank-line", "file", "line"])
def test_the_longest_line_is_kept_and_a_longer_one_is_told(unit, more, put, monkeypatch):
    """Also where a block ends just behind it."""
    monkeypatch.setattr(documents_module, "LONGEST", 100)
    blocks = ["short\n\n" + "x" * (100 + more), "\nthe end\n"]
    monkeypatch.setattr(documents_module, "decoded_blocks", lambda *_: [*blocks, ""])
    file = put("a.txt", "".join(blocks).encode())
    if more:
        with pytest.raises(CourseError, match="line 3 has more than 100 characters"):
            [*documents_module.passages(file, "utf-8", unit)]
    else:
        assert "".join(p.text for p in documents_module.passages(file, "utf-8", unit)) == "".join(
            blocks
        )
