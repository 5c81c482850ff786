"""What a stage says when it is done: plain numbers, readable in a notebook and a terminal."""

import dataclasses
import html
from collections.abc import Sequence
from typing import ClassVar

from wcwidth import wcswidth

from helpers.common.names import printable, spelled

Table = tuple[Sequence[str], Sequence[Sequence[object]]]


class Shown:
    """Gives a notebook the HTML and, where that is not shown, the text that ``print`` gives."""

    def _repr_html_(self) -> str:
        raise NotImplementedError

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return {"text/plain": str(self), "text/html": self._repr_html_()}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report(Shown):
    """Base of all reports. A title, one to three tables, and notes; all its fields are JSON."""

    TITLE: ClassVar[str] = ""

    notes: tuple[str, ...] = ()
    reused: bool = False

    def table(self) -> Table:
        """Column names and rows of the table that people see."""
        raise NotImplementedError

    def more(self) -> "Grid | None":
        """A second table, below the first."""
        return None

    def last(self) -> "Grid | None":
        """A third one."""
        return None

    def to_json(self) -> dict:
        content = {k: v for k, v in dataclasses.asdict(self).items() if k != "reused"}
        return content | {"notes": tuple(map(printable, self.notes))}

    def remarks(self) -> list[str]:
        again = ["Nothing to do: this was made before, from the same inputs."]
        return (again if self.reused else []) + [*map(printable, self.notes)]

    def __str__(self) -> str:
        head, rows = self.table()
        below = (str(grid or "") for grid in (self.more(), self.last()))
        lines = [self.TITLE, text_table(head, rows), *below]
        lines += [f"note: {n}" for n in self.remarks()]
        return "\n".join(line for line in lines if line)

    def _repr_html_(self) -> str:
        notes = "".join(f"<div>ⓘ {html.escape(note)}</div>" for note in self.remarks())
        more = "".join(grid._repr_html_() for grid in (self.more(), self.last()) if grid)
        table = html_table(*self.table())
        return f"<div><b>{html.escape(self.TITLE)}</b>{table}{more}{notes}</div>"


@dataclasses.dataclass(frozen=True)
class Grid(Shown):
    """A small table for a notebook's cell: column names, rows, and a title.

    Attributes:
        folded: the title alone is shown on a page, until it is opened.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[object]]
    title: str = ""
    folded: bool = False

    def __str__(self) -> str:
        return f"{self.title}\n{text_table(self.head, self.rows)}".lstrip()

    def _repr_html_(self) -> str:
        title = f"<b>{html.escape(self.title)}</b>" if self.title else ""
        table = html_table(self.head, self.rows)
        if self.folded:
            return f"<details><summary>{title}</summary>{table}</details>"
        return f"<div>{title}{table}</div>"


def cell(value: object) -> str:
    """A number with thousands separated, a list joined, anything else as text.

    >>> cell(1234567), cell(0.5), cell(("a", "b"))
    ('1,234,567', '0.5', 'a, b')
    """
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "–"}[value]
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, (tuple, list)):
        return ", ".join(map(cell, value))
    return printable(str(value))


def counted(number: int, one: str, many: str) -> str:
    """A number with what is counted.

    >>> counted(1, "line was", "lines were"), counted(2000, "line was", "lines were")
    ('1 line was', '2,000 lines were')
    """
    return f"{number:,} {one if number == 1 else many}"


def enumerated(names: Sequence[str], most: int) -> str:
    """The first names of many, and how many more there are.

    >>> enumerated(["a", "b"], 3), enumerated(["a", "b", "c"], 1)
    ('a, b', 'a and 2 more')
    """
    more = f" and {len(names) - most:,} more" if names[most:] else ""
    return ", ".join(names[:most]) + more


def text_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Columns under each other, numbers and what is above them to the right.

    >>> print(text_table(("word", "tokens"), [("微调", 6), ("a", 12)]))
    word  tokens
    微调       6
    a         12
    """
    table = [[spelled(cell(value)) for value in row] for row in (head, *rows)]
    width = [max(_columns(row[i]) for row in table) for i in range(len(head))]
    right = _right(rows)

    def padded(text: str, i: int) -> str:
        space = " " * (width[i] - _columns(text))
        return space + text if i in right else text + space

    return "\n".join(
        "  ".join(padded(text, i) for i, text in enumerate(row)).rstrip() for row in table
    )


def _columns(text: str) -> int:
    """How many columns of a terminal a text takes; Chinese takes two a character."""
    columns = wcswidth(text)
    return len(text) if columns < 0 else columns  # with control characters nobody knows


def html_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table with inline styles, so that it reads the same on any page."""
    right = _right(rows)

    def row(tag: str, values: Sequence[object]) -> str:
        return "".join(
            f"<{tag} style='text-align:{'right' if i in right else 'left'};"
            f"white-space:pre-wrap'>{html.escape(cell(v))}</{tag}>"
            for i, v in enumerate(values)
        )

    body = "".join(f"<tr>{row('td', values)}</tr>" for values in rows)
    gaps = "border-spacing:0.8em 0.2em"  # in a panel, where Jupyter has no style for tables
    return (
        f"<table style='{gaps}'><thead><tr>{row('th', head)}</tr></thead>"
        f"<tbody>{body}</tbody></table>"
    )


def _right(rows: Sequence[Sequence[object]]) -> set[int]:
    """The columns that stand to the right: those with a number in them."""
    return {i for row in rows for i, value in enumerate(row) if _is_number(value)}


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
