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
    (0, bytes(64)): "a file of zeros, such as a download that was never filled",
}
SAVE_AS_TEXT = "Unpack it, or save it as plain text with its own program, and name that instead."
_TAGS_OFF = "Take the text out of its tags, for example with a browser or a program for it."
_TIMES_OFF = "Save its sentences without their times, for example with a program for subtitles."
# A page; or a part of one, with three tags that end.
_PAGE = r"<(!doctype html|(html|head|body|title)(\s+[\w-]+=[^>]*)?>|(meta|link)\s+[\w-]+=)"
_PART = r"<(div|p|span|table|h[1-6]|ul|ol|article|section)[\s>](.*?</\w+>){3}"
_XML = r"<(\?xml|!doctype|(mediawiki|rss|feed|tei|svg|tt|opml|fictionbook)(\s+[\w:-]+=|>))"
# Files that are read as text, but are not the text. Each with what it is, and what to do.
_MARKED_UP = (
    (rf"(?is){_PAGE}|{_PART}", "an HTML page", _TAGS_OFF),
    (r"<DOC(NO|ID)?[ >]", "an SGML file", _TAGS_OFF),
    (rf"(?i){_XML}|<(docs?|page|text|corpus)\b[^\n>]*>\s*<", "an XML file", _TAGS_OFF),
    (r"<doc\b[^\n]*</doc>", "an XML file", _TAGS_OFF),
    (r"(\d+\s*\n)?(\d+:)?\d\d:\d\d[,.]\d+ *-->", "a file of subtitles", _TIMES_OFF),
    (r"\d+:\d\d:\d\d\.\d+,\d+:\d\d:\d\d\.\d+\s", "a file of subtitles", _TIMES_OFF),
    (r"WEBVTT(\s|$)|\[Script Info\]", "a file of subtitles", _TIMES_OFF),
    (r"(\{\d+\}\{\d+\}[^\n]+\n){2}", "a file of subtitles", _TIMES_OFF),
    (
        r"(\[[a-z]+:[^\n]*\]\s*\n)*(\[\d+:\d\d\.\d+\][^\n]*\n){2}",
        "a file of song words with their times",
        _TIMES_OFF,
    ),
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
_ARRAY = re.compile(r'\[\s*(\{|\]|"|null\s*,)')
DOC = re.compile(r"<doc\b[^\n]*>[ \t]*$", re.MULTILINE)  # a line of its own
JSON, TABLES = (".json", ".jsonl", ".ndjson"), (".csv", ".tsv")
LOOKED_AT = 1 << 16  # characters, to tell a table


def binary(head: bytes) -> str | None:
    """Which known kind of file that holds no plain text begins so."""
    found = ((sign, what) for (at, sign), what in BINARY.items() if head.startswith(sign, at))
    # A sign of letters may begin a text, and then no byte is zero.
    return next((what for sign, what in found if b"\0" in head or not sign.isalnum()), None)


def marked_up(head: str) -> tuple[str, str] | None:
    """What else than plain text it is that begins so, and what to do."""
    head = head.lstrip()
    while head.startswith("<!--") and "-->" in head:
        head = head.partition("-->")[2].lstrip()
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
    if ending == ".json" or _begins_as_json(head):
        line, end, _ = head.partition("\n")
        is_lines = _OBJECT.match(head) and (not end or _is_json(line))
        return "json-lines" if is_lines else "json"
    if ending in TABLES or is_table(head, field):
        return "table"
    return "wiki" if DOC.match(head) else "text"


def _begins_as_json(head: str) -> bool:
    """Whether a value stands there alone: ``{"a": 1} is an object`` and ``[]`` in prose are prose.

    Where the first value is damaged or longer than the beginning, the lines behind it decide.
    """
    if not (_OBJECT.match(head) or _ARRAY.match(head)):
        return False
    try:
        value, end = json.JSONDecoder().raw_decode(head)
    except (ValueError, RecursionError):
        whole = head[1:].lstrip() if head[0] == "[" else head
        first, *others = head.split("\n", 2)[:2]
        return len(first) > LOOKED_AT or any(map(_is_object, others)) or _is_object(whole)
    rest = head[end:].lstrip(" \t\r")
    return rest[:1] in ("", "\n", "{") if isinstance(value, dict) else not rest.strip()


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _is_object(text: str) -> bool:
    """Whether a whole JSON object stands at the beginning."""
    try:
        return isinstance(json.JSONDecoder().raw_decode(text)[0], dict)
    except (ValueError, RecursionError):
        return False


class Dialect(NamedTuple):
    """How a table is written.

    Attributes:
        delimiter: what stands between two fields.
        quoting: of the module ``csv``: whether a field in quotes may hold the delimiter.
    """

    delimiter: str
    quoting: int


# Between tabs, quotes are often none; between commas they always are (RFC 4180).
_DIALECTS = [*(Dialect(sign, csv.QUOTE_MINIMAL) for sign in ",\t;|"), Dialect("\t", csv.QUOTE_NONE)]


def dialect_of(head: str) -> Dialect:
    """The one that its first line names, as Excel does it (``sep=;``); or else that in which the
    most of the first rows have as many fields as the header.
    """
    if named := re.match(r"sep=(.)\n", head, re.IGNORECASE):
        return Dialect(named[1], csv.QUOTE_MINIMAL)
    return max(_DIALECTS, key=lambda dialect: _fit(head, dialect))


def _fit(head: str, dialect: Dialect) -> tuple[float, int, int]:
    """The share of the first rows that have as many fields as the header; fields, and rows.

    Where lines are rows as well without quotes, no quote runs over several of them.
    """
    rows = first_rows(head, dialect)
    wide = len(rows[0]) if rows else 0
    same = sum(len(row) == wide for row in rows)
    return (same / len(rows) if wide > 1 else 0.0), wide, len(rows)


def first_rows(head: str, dialect: Dialect, most: int = 50) -> list[list[str]]:
    """The first rows of a table that are whole."""
    lines = [f"{line}\n" for line in head[:LOOKED_AT].split("\n")]
    rows = csv.reader(
        lines,
        delimiter=dialect.delimiter,
        quoting=dialect.quoting,
        strict=dialect.delimiter == "\t",  # else what is damaged is found when it is read
    )
    found: list[list[str]] = []
    is_cut = len(head) > LOOKED_AT
    try:
        found += (row for row in itertools.islice(rows, most) if row)
    except csv.Error as error:
        return found if is_cut and "unexpected end" in str(error) else []
    return found[:-1] if is_cut and len(found) < most else found


def is_table(head: str, field: str) -> bool:
    """Whether the rows have as many fields as a header that names them.

    A column is named ``field``, and there are some rows; or one holds only numbers, as ids are.
    """
    head = re.sub(r"\Asep=.\n", "", head, flags=re.IGNORECASE)
    header, *rows = first_rows(head, dialect_of(head)) or [[]]
    if len(header) < 2 or not rows or any(len(row) != len(header) for row in rows):
        return False
    if not all(re.fullmatch(r"[^\W\d][\w .-]{0,40}", name.strip()) for name in header):
        return False
    if all(re.fullmatch(r"[-: ]+", value) for value in rows[0]):  # the line below it in Markdown
        return False
    has_numbers = any(map(_are_numbers, zip(*rows, strict=True)))
    if field in (name.strip() for name in header):
        return len(rows) > 2 or has_numbers
    return len(rows) > 2 and has_numbers


def _are_numbers(column: tuple[str, ...]) -> bool:
    return all(re.fullmatch(r"-?\d+([.,]\d+)?", value) for value in column)
