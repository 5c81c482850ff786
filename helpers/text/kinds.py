"""What a file is, told by its beginning: text, records in one of several forms, or neither."""

import csv
import itertools
import json
import re
from typing import Literal, NamedTuple

# What files have at their beginning that have only been renamed, or are an archive in an archive.
BINARY = {
    (0, b"PK\x03\x04"): "a Word, Excel or zip file",
    (0, b"\xd0\xcf\x11\xe0"): "an old Word or Excel file",
    (0, b"%PDF-"): "a PDF",
    (0, b"%!PS-Adobe"): "a PostScript file",
    (0, b"{\\rtf"): "an RTF file",
    (60, b"BOOKMOBI"): "a Kindle book",
    (0, b"AT&TFORM"): "a DjVu file",
    (0, b"\x1f\x8b"): "a gzip archive",
    (0, b"\x28\xb5\x2f\xfd"): "a zstd archive",
    (4, b"1AY&SY"): "a bzip2 archive",
    (0, b"\xfd7zXZ\0"): "an xz archive",
    (0, b"\x5d\0\0"): "an lzma archive",
    (0, b"\x04\x22\x4d\x18"): "an lz4 archive",
    (0, b"\x1f\x9d"): "a compress archive (.Z)",
    (0, b"7z\xbc\xaf\x27\x1c"): "a 7z archive",
    (0, b"Rar!\x1a\x07"): "a rar archive",
    (257, b"ustar"): "a tar archive",
    (0, b"PAR1"): "a Parquet file",
    (0, b"ARROW1"): "an Arrow file",
    (0, b"\xff\xff\xff\xff"): "an Arrow stream",
    (0, b"FEA1"): "a Feather file",
    (0, b"\x89HDF"): "an HDF5 file",
    (0, b"\x93NUMPY"): "a NumPy array",
    (0, b"SQLite format 3\0"): "an SQLite database",
    (0, b"\x80\x02"): "a pickle",
    (0, b"\x80\x03"): "a pickle",
    (0, b"\x80\x04"): "a pickle",
    (0, b"\x80\x05"): "a pickle",
    (0, b"\x89PNG"): "a PNG picture",
    (0, b"\xff\xd8\xff"): "a JPEG picture",
    (0, b"GIF87a"): "a GIF picture",
    (0, b"GIF89a"): "a GIF picture",
    (8, b"WAVEfmt "): "a sound file",
    (0, b"ID3\x03"): "a sound file",
    (0, b"ID3\x04"): "a sound file",
    (0, b"OggS\0"): "a sound file",
    (0, b"\x7fELF"): "a program",
}
SAVE_AS_TEXT = "Unpack it, or save it as plain text with its own program, and remove this file."
_TAGS_OFF = "Take the text out of its tags, for example with a browser or a program for it."
_TIMES_OFF = "Save its sentences without their times, for example with a program for subtitles."
# A page; or a part of one, with three tags that end.
_PAGE = r"(?is)(<!--.*?-->\s*)*<(!doctype html|(html|head|body|title|meta|link)[\s>])"
_PART = r"<(div|p|span|table|h[1-6]|ul|ol|article|section)[\s>](.*?</\w+>){3}"
# Files that are read as text, but are not the text. Each with what it is, and what to do.
_MARKED_UP = (
    (f"{_PAGE}|{_PART}", "an HTML page", _TAGS_OFF),
    (r"(?i)<(\?xml|!doctype|mediawiki|tei|rss|feed|page>|text>|corpus>)", "an XML file", _TAGS_OFF),
    ("<DOC(NO|ID)?[ >]", "an SGML file", _TAGS_OFF),
    (r"\d+\s*\n\d+:\d\d:\d\d[,.]\d+ *-->", "a file of subtitles", _TIMES_OFF),
    (r"\d+:\d\d:\d\d\.\d+,\d+:\d\d:\d\d\.\d+\s", "a file of subtitles", _TIMES_OFF),
    (r"(?i)WEBVTT|\[Script Info\]|\{\d+\}\{\d+\}", "a file of subtitles", _TIMES_OFF),
    (r"\[\d+:\d\d\.\d+\]", "a file of song words with their times", _TIMES_OFF),
    (
        "version https://git-lfs",
        "a pointer of Git LFS to the file",
        "Fetch the file itself: git lfs pull.",
    ),
    (
        "/annex/objects/",
        "a pointer of git-annex to the file",
        "Fetch the file itself: git annex get.",
    ),
)

Kind = Literal["text", "json-lines", "json", "table", "wiki", "parquet"]
_OBJECT = re.compile(r'\{\s*("(?:[^"\\]|\\.)*"\s*:|\})', re.DOTALL)
_OBJECTS = re.compile(r"\[\s*(\{|\])")
_WIKI = re.compile(r'<doc( \w+="[^\n]*")*>$', re.MULTILINE)
JSON, TABLES = (".json", ".jsonl", ".ndjson"), (".csv", ".tsv")
LOOKED_AT = 1 << 16  # characters, to tell a table


def binary(head: bytes) -> str | None:
    """Which known kind of file that holds no plain text begins so."""
    return next((w for (at, sign), w in BINARY.items() if head.startswith(sign, at)), None)


def marked_up(head: str) -> tuple[str, str] | None:
    """What else than plain text it is that begins so, and what to do."""
    head = head.lstrip()
    found = ((what, hint) for begins, what, hint in _MARKED_UP if re.match(begins, head))
    return next(found, None)


def kind_of(ending: str, head: str, field: str) -> Kind:
    """How the text of a file is written, told by its beginning; where that is open, by its name.

    Args:
        ending: of the file's name, without an archive's.
        head: its beginning as text, at most a block.
        field: the column that holds the text; a table with another name is told by its columns.

    >>> kind_of(".txt", 'In [1] they say {"text": 1}.', "text")
    'text'
    >>> kind_of("", '{"text": "Ann"}\\n{"text": "Bob"}\\n', "text")
    'json-lines'
    >>> kind_of(".txt", "id\\ttext\\n1\\tAnn\\n", "text")
    'table'
    """
    head = head.lstrip()
    if ending in (".jsonl", ".ndjson"):
        return "json-lines"
    if _OBJECT.match(head):
        line, end, _ = head.partition("\n")
        return "json" if end and not _is_json(line) else "json-lines"
    if _OBJECTS.match(head) or ending == ".json" or _are_texts(head):
        return "json"
    if ending in TABLES or is_table(head, field):
        return "table"
    return "wiki" if _WIKI.match(head) else "text"


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _are_texts(head: str) -> bool:
    """Whether it begins as an array of texts; ``["Well," she said]`` is prose."""
    if not re.match(r'\[\s*"', head):
        return False
    try:
        _, end = json.JSONDecoder().raw_decode(head, head.index('"'))
    except ValueError:
        return False
    return bool(re.match(r'\s*(\]\s*$|,\s*")', head[end:]))


class Dialect(NamedTuple):
    """How a table is written.

    Attributes:
        delimiter: what stands between two fields.
        quoting: of the module ``csv``: whether a field in quotes may hold the delimiter.
    """

    delimiter: str
    quoting: int


def dialect_of(head: str) -> Dialect:
    """The one that its first line names, as Excel does it (``sep=;``); or else that in which the
    most of the first rows have as many fields as the header.
    """
    if named := re.match(r"sep=(.)\n", head, re.IGNORECASE):
        return Dialect(named[1], csv.QUOTE_MINIMAL)
    found = itertools.product(",\t;|", (csv.QUOTE_MINIMAL, csv.QUOTE_NONE))
    return max(itertools.starmap(Dialect, found), key=lambda dialect: _fit(head, dialect))


def _fit(head: str, dialect: Dialect) -> tuple[float, int]:
    """The share of the first rows that have as many fields as the header, and how many."""
    rows = first_rows(head, dialect)
    wide = len(rows[0]) if rows else 0
    same = sum(len(row) == wide for row in rows)
    return (same / len(rows) if wide > 1 else 0.0), wide


def first_rows(head: str, dialect: Dialect, most: int = 50) -> list[list[str]]:
    """The first rows of a table that are whole."""
    lines = [f"{line}\n" for line in head[:LOOKED_AT].split("\n")]
    rows = csv.reader(lines, delimiter=dialect.delimiter, quoting=dialect.quoting)
    try:
        found = [row for row in itertools.islice(rows, most) if row]
    except csv.Error:
        return []
    return found[:-1] if len(head) > LOOKED_AT and len(found) < most else found


def is_table(head: str, field: str) -> bool:
    """Whether all rows have as many fields, and a column is so named or holds only numbers."""
    dialect = dialect_of(head)
    header, *rows = first_rows(head, dialect) or [[]]
    if len(header) < 2 or not rows or any(len(row) != len(header) for row in rows):
        return False
    named = all(re.fullmatch(r"[\w .-]{1,40}", name) for name in header)
    return field in header or (
        len(rows) > 2 and named and any(map(_are_numbers, zip(*rows, strict=True)))
    )


def _are_numbers(column: tuple[str, ...]) -> bool:
    return all(re.fullmatch(r"-?[\d.]+", value) for value in column)
