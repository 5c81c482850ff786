"""Files of every kind that texts are read from, written without the course."""

import base64
import csv
import gzip
import io
import json
import re
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from helpers.text.documents import documents
from helpers.text.inputs import Input, input_of

ALL = {"train": 1, "valid": 0, "test": 0}  # shares
BAD, HALF = b"\xff", "half \ud83d"  # no UTF-8, and half of a character
SMALL = "".join(
    f"Document {i} of 40: 微调之前 é.\nIts second line, {i * i}.\n\n" for i in range(40)
)
# Made of it by `zstd -19`, with its checksum.
SMALL_ZST = base64.b64decode(
    "KLUv/WQoCI0HADIOKCKgKR0A/8st8hdVsRZC/HmQyMTT6mSOrdxbSimTRF97U8UDTeP46T30urO6O92dZ+OZ78w/"
    "6/rM1s649rjU+l6pq1J9XvOqEr/POy78jeibod16a/wt77qy5tX5p3WNXvUZ0bdv28xmr0Vdi0pP86nGPbzdNI4l"
    "wAMdEKkARYRHkRSLQeNELAniwDwol8YkI6lgUsAwGaJkaQE9CQYhEgROqBGwrL7/b8AzSwcS2EEgWgAT/P/9ASEQ"
    "bIzIyKFR5rlKi7DQqGuvMJ8rZtFhKYTGL2EYJoch8BwCw/PJE3s4Dz0Ni1ythwZqE4YbQKpwpWNj"
)


def zst(data: bytes) -> bytes:
    """A zstd frame whose blocks are not compressed, after RFC 8878."""
    blocks = [data[i : i + 100_000] for i in range(0, len(data), 100_000)] or [b""]
    last = len(blocks) - 1
    heads = [
        ((i == last) | len(block) << 3).to_bytes(3, "little") for i, block in enumerate(blocks)
    ]
    blocks = (head + block for head, block in zip(heads, blocks, strict=True))
    return b"\x28\xb5\x2f\xfd\x00\x50" + b"".join(blocks)


def jsonl(texts: Iterable[str | None], ascii_only: bool = False) -> bytes:
    rows = ({"id": i, "text": text, "meta": {"text": 0}} for i, text in enumerate(texts))
    return "".join(json.dumps(r, ensure_ascii=ascii_only) + "\n" for r in rows).encode()


def parquet(texts: Iterable[str | None], kind: pa.DataType | None = None, **how: object) -> bytes:
    values = list(texts)
    column = pa.array(values, pa.string()).cast(kind or pa.string())
    out = pa.BufferOutputStream()
    table = pa.table({"id": range(len(values)), "text": column})
    pq.write_table(table, out, write_page_checksum=True, **how)
    return out.getvalue().to_pybytes()


def array(texts: Iterable[str | None]) -> bytes:
    """A JSON array of objects, as people can read it."""
    return json.dumps(
        [json.loads(line) for line in jsonl(texts, True).splitlines()], indent=2
    ).encode()


def table(texts: Iterable[str], delimiter: str = ",") -> bytes:
    """CSV or TSV, with quotes where they are needed, and Windows' line ends between the rows."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerow(("id", "text", "label"))
    writer.writerows((i, text, "good, or not") for i, text in enumerate(texts))
    return out.getvalue().encode()


LINES = (".jsonl", ".ndjson")
PACK = {"": lambda data: data, ".gz": gzip.compress, ".zst": zst}
WRITE = {
    **{f".txt{end}": lambda d, p=p: p("\n\n".join(d).encode()) for end, p in PACK.items()},
    **{f"{kind}{end}": lambda d, p=p: p(jsonl(d)) for kind in LINES for end, p in PACK.items()},
    **{f".json{end}": lambda d, p=p: p(array(d)) for end, p in PACK.items()},
    **{f".csv{end}": lambda d, p=p: p(table(d)) for end, p in PACK.items()},
    **{f".tsv{end}": lambda d, p=p: p(table(d, "\t")) for end, p in PACK.items()},
    ".parquet": lambda d: parquet(d, row_group_size=7),
}


def read(file: Path, encoding: str = "utf-8", unit: str = "blank-line") -> list[str]:
    source = input_of(file, encoding, unit, "text")
    found: list[str] = []
    for passage in source.passages():
        if passage.whole:
            found += documents(passage.text, source.unit)
        elif passage.begins:
            found.append(passage.lines)
        else:
            found[-1] += "\n" + passage.lines
    return found


def documents_of(text: str) -> list[str]:
    """Independently of the course: the documents that blank lines part."""
    text = text.replace("\0", "").replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")
    blank = (line if line.strip() else "" for line in text.split("\n"))
    return [d for d in (p.strip("\n") for p in re.split("\n\n+", "\n".join(blank))) if d]


def outcome(
    file: Path, errors: str, encoding: str = "utf-8", unit: str = "blank-line"
) -> tuple[list[str], Input, object]:
    """The documents of a file, how it is read, and what was found."""
    source = input_of(file, encoding, unit, "text", errors)
    faults = source.faults()
    found = [d for p in source.passages(faults=faults) for d in p.documents(source.unit)]
    return found, source, faults
