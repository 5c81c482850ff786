"""Bytes that another encoding reads without an error, as other characters: told, or refused."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from helpers.common.errors import CourseError
from helpers.text.decoding.guesses import guessed_encoding, in_seven_bits
from helpers.text.inputs import inputs_of, look_at
from helpers.workflow.settings import SplitSettings
from tests.support.awkward import CHINESE
from tests.support.input_makers import documents_of, outcome

ENGLISH = "It was late, and they went on.\nNobody knew why.\n"
MISTAKEN = {
    "ASCII": (b"hello\n", "utf-16-le", "begins in utf-8"),
    "UTF-8": ("天气很好，我们\n".encode(), "utf-16-be", "begins in utf-8"),
    "UTF-8, utf-32": (b"hell", "utf-32-le", "begins in utf-8"),
    "GB18030": (CHINESE.replace("\n", "").encode("gb18030"), "utf-16-le", "begins in gb18030"),
    "the other order": (ENGLISH.encode("utf-16-be"), "utf-16-le", "from line 1 on"),
    "the other order, Chinese": (CHINESE.encode("utf-16-le"), "utf-16-be", "from line 1 on"),
    "ASCII behind it": (
        (CHINESE * 3).encode("utf-16-le") + ENGLISH.replace("\n", " \n").encode(),
        "utf-16-le",
        "line 10 is UTF-8",
    ),
    "UTF-8 behind it": ((CHINESE + "。").encode("utf-16") + CHINESE.encode(), "utf-8", "line 4 is"),
    "a byte too many": (
        ENGLISH.encode("utf-16") + b"x" + (ENGLISH * 3).encode("utf-16-le"),
        "utf-8",
        "is not utf-16 from line 3 on",
    ),
    "two bytes too few": (
        ENGLISH.encode("utf-16-le")[1:] + (CHINESE * 9).encode("utf-16-le")[1:],
        "utf-16-le",
        "from line 1 on",
    ),
    "a byte too few in Chinese": (
        (CHINESE.replace("\n", "") * 9).encode("utf-16-le")[1:],
        "utf-16-le",
        "from line 1 on",
    ),
    "no EBCDIC": (ENGLISH.encode(), "cp037", "line 1 is UTF-8"),
}


@pytest.mark.parametrize("errors", ["strict", "replace", "skip"])
@pytest.mark.parametrize("name", MISTAKEN)
def test_what_would_be_read_as_other_characters_is_refused(
    name: str, errors: str, put: Callable
) -> None:
    content, encoding, said = MISTAKEN[name]
    with pytest.raises(CourseError, match=said):
        outcome(put("a.txt", content), errors, encoding)


RIGHT = {
    "utf-16-le": CHINESE * 40 + ENGLISH + "\u2500" * 40 + "\u4e00" * 20 + "\u2026" * 60 + "═" * 80,
    "utf-16-be": "一二三开言\n上海\n" + "\ue000\ue001" * 900 + "\n",
    "utf-32-le": CHINESE + ENGLISH,
    "cp874": "แกงแดงแบบแกงแกงแกงแกงแกงแกง\n" + "ไฟฟ" * 9 + "\n",
    "cp866": "сад" * 9 + " так" * 9 + "\n",
    "cp037": ENGLISH,
}


@pytest.mark.parametrize("encoding", RIGHT)
def test_what_is_in_the_encoding_is_read(encoding: str, put: Callable) -> None:
    file = put("a.txt", RIGHT[encoding].encode(encoding))
    assert outcome(file, "strict", encoding)[0] == documents_of(RIGHT[encoding])


@pytest.mark.parametrize(
    "begins", [b"\xff\xfe", "\ufeffText".encode("utf-16-le"), b"Text.\n" * 400]
)
def test_zeros_without_an_end_are_refused_at_once(begins: bytes, tmp_path: Path) -> None:
    with (tmp_path / "a.txt").open("wb") as file:
        file.write(begins)
        file.truncate(1 << 40)  # reading them all would take hours
    with pytest.raises(CourseError, match=r"a\.txt"):
        outcome(tmp_path / "a.txt", "strict", "auto")


JAPANESE = "春の雨が静かに降る。\n子供たちは外へ出た。\n"
KOREAN = "오늘은 날씨가 좋아서 공원에 갔다.\n"
SEVEN_BITS = {
    "hz": CHINESE,
    "utf-7": "About: " + CHINESE,
    "iso2022_jp": JAPANESE,
    "iso2022_kr": KOREAN,
}


@pytest.mark.parametrize("encoding", SEVEN_BITS)
def test_encodings_that_look_like_ascii_are_told(encoding: str, put: Callable) -> None:
    text = SEVEN_BITS[encoding]
    file = put("a.txt", text.encode(encoding))
    found, source, _ = outcome(file, "strict", "auto")
    assert (source.encoding, found) == (encoding, documents_of(text))
    look_at(file, SplitSettings(encoding="auto"))
    with pytest.raises(CourseError, match=f"in {encoding}, which looks like ASCII"):
        outcome(file, "strict")


@pytest.mark.parametrize("content", [b"", b"\n", b"\r", b"\xef\xbb\xbf", b"a"])
def test_a_file_with_next_to_nothing_is_looked_at(content: bytes, put: Callable) -> None:
    look_at(put("a.txt", content), SplitSettings(encoding="auto"))


@given(
    st.lists(st.sampled_from(["+", "~{", "~}", "-", "a", "Z", "2", "/", " ", "+2HoA", "\x1b$B"]))
)
@example(["+2HoAegB6"])  # half of a pair in UTF-7
def test_no_ascii_is_a_traceback(parts: list[str]) -> None:
    in_seven_bits("".join(parts).encode())


def test_ascii_stays_ascii(put: Callable) -> None:
    text = "~{a~} +12345678901234567890 C++Builder a+b=cdefg-h +ABCDEFGHIJKLMNOP ~~\x1b[31m"
    for encoding in ("auto", "utf-8"):
        assert outcome(put("a.txt", text.encode()), "strict", encoding)[0] == [text]


SPOKEN_KOREAN = (
    "오늘은 날씨가 좋아서 공원에 갔다.\n아이들이 뛰어놀고 있었다.\n나는 벤치에 앉아 책을 읽었다.\n"
    "친구와 함께 점심을 먹었다.\n학교에서 선생님을 만났다.\n집에 돌아오니 어머니가 계셨다.\n"
)
RUSSIAN = "Сегодня хорошая погода, и мы пошли в парк.\nДети играли у реки.\n"
THAI = "วันนี้อากาศดีมาก เราไปเที่ยวสวนสาธารณะ\n"


@pytest.mark.parametrize("encoding", ["cp949", "cp866", "cp1251", "cp874", "mac_cyrillic", "cp850"])
def test_auto_tells_an_encoding_or_says_that_it_cannot(encoding: str, put: Callable) -> None:
    text = {"cp949": SPOKEN_KOREAN, "cp874": THAI, "cp850": "Il était très éloigné, ce garçon.\n"}
    text = text.get(encoding, RUSSIAN)
    file = put("a.txt", text.encode(encoding))
    if encoding in ("mac_cyrillic", "cp850"):  # others give nearly the same text
        with pytest.raises(CourseError, match="cannot be guessed") as caught:
            outcome(file, "strict", "auto")
        assert "Name the encoding" in caught.value.hint
        assert "not a text" not in caught.value.message
    else:
        found, source, _ = outcome(file, "strict", "auto")
        assert (source.encoding, found) == (encoding, documents_of(text))


UKRAINIAN = "Сьогодні гарна погода, і ми пішли до парку.\nЇї мати купила хліб.\n"
FRENCH = "Il était très éloigné, ce garçon. À l'école, où les élèves étudiaient, l'été commença.\n"
DANISH = "Hun så på æblerne og spiste røde grøntsager på øen; så gik de hjem.\n"
HUNGARIAN = "Árvíztűrő tükörfúrógép. Ma szép idő van, és elmentünk a parkba.\n"
TURKISH = "Bugün hava güzel ve parka gittik. Çocuklar nehrin kıyısında oynuyordu.\n"
NEIGHBOURS = {  # with most letters where another code page has them
    "big5": "學校在城市的主要街道上。孩子們每天早上去那裡學習讀書寫字。老師給他們講過去的故事。\n",
    "mac_roman": DANISH,
    "cp850": FRENCH,
    "cp852": HUNGARIAN,
    "mac_latin2": HUNGARIAN,
    "cp857": TURKISH,
    "mac_turkish": TURKISH,
    "koi8_u": UKRAINIAN,
    "cp1125": UKRAINIAN,
}


@pytest.mark.parametrize("encoding", NEIGHBOURS)
def test_auto_takes_no_code_page_for_its_neighbour(encoding: str) -> None:
    content = NEIGHBOURS[encoding].encode(encoding)
    guess = guessed_encoding(content)
    assert guess is None or content.decode(guess) == NEIGHBOURS[encoding]


TABLE = "编号,正文\n" + "".join(f"{i},今天天气很好，我们一起去公园。\n" for i in range(9))
LATIN = "n,naïveté\n" + "".join(f"{i},C'est l'été.\n" for i in range(9))


@pytest.mark.parametrize(
    ("table", "encoding"),
    [(TABLE, "gb18030"), (TABLE, "hz"), (LATIN, "utf-16-le"), (LATIN, "utf-16-be")],
)
def test_under_auto_a_look_finds_the_column_that_is_read(
    table: str, encoding: str, put: Callable
) -> None:
    field = table.split("\n")[0].split(",")[1]
    file = put("a.csv", table.encode(encoding))
    settings = SplitSettings(encoding="auto", text_field=field)
    look_at(file, settings)
    [source] = inputs_of([file], settings)
    assert len([*source.passages()]) == 9


GBK = CHINESE.encode("gb18030")
CIRCLES = {
    "a mark before GB18030": (
        b"\xef\xbb\xbf" + GBK,
        "gb18030",
        "mark of utf-8-sig",
        "Try encoding",
    ),
    "half a character of UTF-16": (CHINESE.encode("utf-16") + b"\n", "utf-16", "mark of", "Try"),
    "some UTF-8 in GBK": (GBK * 9 + "——我\n".encode() + GBK, "auto", "two encodings", "'auto'"),
    "pairs in UTF-8": (b"He \xed\xa0\xbd\xed\xb8\x80 laughs\n" * 9, "utf-8", "Mend", "gb18030'"),
    "escapes": (b"one \\x zz\ntwo\n", "unicode_escape", "Mend these places", "big5"),
}


@pytest.mark.parametrize("name", CIRCLES)
def test_a_hint_does_not_lead_back_to_the_same_error(name: str, put: Callable) -> None:
    content, encoding, said, not_said = CIRCLES[name]
    with pytest.raises(CourseError) as caught:
        outcome(put("a.txt", content), "strict", encoding)
    assert said in caught.value.hint and not_said not in caught.value.hint
