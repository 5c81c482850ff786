"""Which encoding bytes are in that are not UTF-8."""

import codecs
import re

# What is tried when bytes are neither UTF-8 nor everyday Chinese. One that is not among them is
# taken for its neighbour, with a few other letters; with both, neither is sure.
_CANDIDATES = [
    *("cp1252", "cp1250", "cp1251", "koi8_r", "koi8_u", "cp1253", "cp1254", "cp1257"),
    *("cp866", "cp1125", "cp850", "cp852", "cp857", "iso8859_2"),
    *("mac_cyrillic", "mac_roman", "mac_latin2", "mac_turkish"),
    *("gb18030", "big5", "cp932", "euc_jp", "cp949", "utf_16_le", "utf_16_be"),
]
# Chinese in two bytes a character. Microsoft's and Hong Kong's are Big5 with more characters.
CHINESE = ("gb18030", "cp950", "big5hkscs")
_CHINESE_MARKS = "，。、；：？！“”‘’（）《》「」『』—…　·﹏‧～"
# Letters, digits and signs of ASCII, as wide as a Chinese character, and of two currencies.
_FULL_WIDTH = "".join(map(chr, range(0xFF01, 0xFF5F))) + "￥￡"
_WITH_ESCAPES = ("iso2022_jp", "iso2022_kr", "iso2022_jp_ext", "iso2022_jp_2004", "iso2022_jp_2")
# Half by half, as Java and Oracle write in UTF-8 what takes a pair in UTF-16 (CESU-8).
_PAIR = re.compile(rb"\xed[\xa0-\xaf][\x80-\xbf]\xed[\xb0-\xbf][\x80-\xbf]")
_ESCAPE = re.compile(rb"\x1b\$(?:[@AB]|[()][A-D])")  # from ASCII to a set of two bytes
# Signs above or below a consonant without one, and a vowel before one, that has none.
_NOT_THAI = re.compile(
    "(?<![\u0e01-\u0e2e\u0e31-\u0e3a\u0e47-\u0e4e])[\u0e31\u0e34-\u0e3a\u0e47-\u0e4e]"
    "|[\u0e40-\u0e44](?![\u0e01-\u0e2e])"
)
_VOWEL_OR_SIGN = re.compile("[\u0e30-\u0e3a\u0e40-\u0e44\u0e47-\u0e4e]")
_VOWELS = 0.22  # of Thai's letters, at least: it has from 0.25 to 0.52, by chance there are 0.15
SHORT, FEWEST = 4000, 20  # bytes that tell UTF-16 by its characters, and how many of these
_CHAOS = 0.1  # of charset-normalizer's measure: 0 for a text, 1 for none
_ENOUGH = 0.8  # of the characters outside ASCII


def guessed_encoding(sample: bytes) -> str | None:
    """The likely encoding of bytes; None if several would make sense, or none.

    A few bytes that are not UTF-8 do not make a UTF-8 file another one: it is damaged there. The
    same holds for Chinese.
    """
    if is_nearly_utf8(sample):
        return "utf-8"
    if sample.count(b"\0") > len(sample) / 20:  # UTF-16 without its mark: half of English is zeros
        name = max(("utf-16-le", "utf-16-be"), key=lambda name: _usual_signs(sample, name))
        return name if _is_whole(sample, name) else None
    if _is_thai(sample):
        return "cp874"
    found = {name: share for name in CHINESE if (share := _everyday_chinese(sample, name))}
    if found:  # of equally good ones the first
        return max(found, key=found.__getitem__)
    return _sole_candidate(sample[:100_000])


def in_seven_bits(sample: bytes) -> str | None:
    """Which encoding writes other characters in ASCII here: with escapes, or in base 64."""
    if not sample.isascii():
        return None
    if _ESCAPE.search(sample):
        return next((name for name in _WITH_ESCAPES if _is_whole(sample, name)), "iso2022_jp_ext")
    for name, begins in (("hz", b"~{"), ("utf-7", b"+")):
        if begins in sample:
            others = _other_than_ascii(sample.decode(name, "replace"))
            chinese = others.encode("gb18030", "ignore")  # base 64 may give half characters
            if len(chinese) > 10 and _everyday_chinese(chinese, "gb18030"):
                return name
    return None


def _other_than_ascii(text: str) -> str:
    return "".join(c for c in text if c > "\x7f")


def is_nearly_utf8(sample: bytes) -> bool:
    """Whether only a few places in it are not."""
    text = _PAIR.sub("😀".encode(), sample).decode("utf-8", "replace")
    bad, zeros = text.count("\ufffd"), text.count("\0")
    good = sum(c > "\x7f" for c in text) - bad
    return good >= 4 * bad and zeros <= len(sample) / 100 and (good > 0 or zeros > 0)


def _is_whole(sample: bytes, encoding: str) -> bool:
    """Whether all of it can be read; the last character may be cut off."""
    try:
        return "\0" not in codecs.getincrementaldecoder(encoding)().decode(sample)
    except UnicodeDecodeError:
        return False


def chinese_in_utf_16(block: bytes) -> str | None:
    """The order of its bytes, where a block is Chinese in UTF-16 without a mark.

    In long paragraphs there are few zeros; and any bytes in pairs are some character.
    """
    for name in ("utf-16-le", "utf-16-be"):
        text = block[:SHORT].decode(name, "replace")
        share, pairs = _share_of_chinese(text)
        if share > _ENOUGH and len(pairs) >= FEWEST and any(c in _CHINESE_MARKS for c in text):
            return name if _is_whole(block, name) else None
    return None


def _usual_signs(sample: bytes, encoding: str) -> int:
    """How many characters are much used: letters and spaces of ASCII, Chinese and its marks."""
    text = sample.decode(encoding, "replace")
    return sum(
        (c.isalnum() or c.isspace() if c < "\x7f" else c in _CHINESE_MARKS or _is_everyday(c))
        for c in text
    )


def _is_everyday(character: str) -> bool:
    return "\u4e00" <= character <= "\u9fff" and _everyday(character) is not None


def _is_thai(sample: bytes) -> bool:
    """Whether all of it is Thai as it can be spelled; its bytes alone look like Chinese ones."""
    try:
        text = sample.decode("cp874")
    except UnicodeDecodeError:
        return False
    letters = _other_than_ascii(text)
    if len(letters) <= 30 or _NOT_THAI.search(text):
        return False
    digits = sum("\u0e50" <= c <= "\u0e5b" for c in letters)
    vowels = len(_VOWEL_OR_SIGN.findall(letters))
    return digits < len(letters) / 20 and vowels >= _VOWELS * len(letters)


def _sole_candidate(sample: bytes) -> str | None:
    """charset-normalizer's best guess, unless another one makes nearly as much sense.

    The Western, Central European and Baltic code pages often cannot be told from each other.
    """
    import charset_normalizer

    found = charset_normalizer.from_bytes(sample, cp_isolation=_CANDIDATES)
    best, *others = [match for match in found if "\0" not in str(match)] or [None]
    rivals = (match for match in others if str(match) != str(best))
    if best is None or best.chaos > _CHAOS:
        return None
    if any(
        match.chaos < best.chaos + _CHAOS and match.coherence >= 0.65 * best.coherence
        for match in rivals
    ):
        return None
    name = min(best.could_be_from_charset, key=_CANDIDATES.index)  # of those that read the same
    return (
        name
        if name not in ("gb18030", "big5") or _share_of_chinese(str(best))[0] > _ENOUGH
        else None
    )


def _everyday_chinese(sample: bytes, encoding: str) -> float:
    """The share of everyday Chinese in what an encoding makes of the bytes outside ASCII.

    Both character sets begin with what is used most: GB 2312 with 3 755 characters in rows B0–D7,
    sorted by sound, Big5 with 5 401 in rows A4–C6, sorted by strokes. Read in another encoding,
    characters scatter over the whole table. Korean and Japanese alone lie in the same rows, but
    in a part of them, which is told by their bytes.

    Returns:
        0.0 where it is not enough to be sure.
    """
    text = codecs.getincrementaldecoder(encoding)("replace").decode(sample)
    share, pairs = _share_of_chinese(text)
    if not pairs or share <= _ENOUGH:
        return 0.0
    if encoding == "gb18030":  # Korean lies in rows B0–C8
        typical = [gb[0] > 0xC8 for gb, _ in pairs if gb]
    else:  # second bytes of Korean and Japanese are above A0
        typical = [big5[1] < 0x80 for _, big5 in pairs if big5]
    if not typical or sum(typical) <= 0.15 * len(typical):
        return 0.0
    return share


def _share_of_chinese(text: str) -> tuple[float, list[tuple[bytes, bytes]]]:
    """Of the characters outside ASCII, those that are everyday Chinese or its marks.

    Returns:
        Their share, and of the Chinese ones what :func:`_everyday` gives.
    """
    other = _other_than_ascii(text)
    pairs = [pair for c in other if "\u4e00" <= c <= "\u9fff" and (pair := _everyday(c))]
    marks = sum(c in _CHINESE_MARKS or c in _FULL_WIDTH for c in other)
    return (len(pairs) + marks) / max(1, len(other)), pairs


def _everyday(character: str) -> tuple[bytes, bytes] | None:
    """Its bytes in GB 2312 and in Big5, where they are among the most used; None if in neither."""
    gb, big5 = (character.encode(name, "ignore") for name in ("gb2312", "big5"))
    gb = gb if b"\xb0" <= gb[:1] <= b"\xd7" else b""
    big5 = big5 if b"\xa4" <= big5[:1] <= b"\xc6" else b""
    return (gb, big5) if gb or big5 else None
