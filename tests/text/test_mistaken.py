"""Bytes that another encoding reads without an error, as other characters: told, or refused."""

from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.common.errors import CourseError
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
    with pytest.raises(CourseError, match=f"in {encoding}, which looks like ASCII"):
        outcome(file, "strict")


def test_ascii_stays_ascii(put: Callable) -> None:
    text = "~{a~} +12345678901234567890 C++Builder a+b=cdefg-h +ABCDEFGHIJKLMNOP ~~\x1b[31m"
    for encoding in ("auto", "utf-8"):
        assert outcome(put("a.txt", text.encode()), "strict", encoding)[0] == [text]
