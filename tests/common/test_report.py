"""Reports and tables: the same numbers in a terminal and, escaped, in a notebook."""

import dataclasses
import json

import pytest

from helpers.common.report import Grid, Report, Table, cell, html_table, text_table


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fruit(Report):
    TITLE = "Fruit <fresh>"
    name: str
    count: int

    def table(self) -> Table:
        return ("name", "count"), [(self.name, self.count)]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1234567, "1,234,567"),
        (0.123456, "0.1235"),
        (1e-9, "1e-09"),
        (True, "yes"),
        (False, "no"),
        (None, "–"),
        (("a", 1000), "a, 1,000"),
        ("text", "text"),
    ],
)
def test_a_value_is_shown_as_people_write_it(value, shown):
    assert cell(value) == shown


def test_a_report_reads_the_same_in_a_terminal_and_a_notebook():
    report = Fruit(name="plum & pear", count=12345, notes=("a <note>",))
    assert str(report).splitlines() == [
        "Fruit <fresh>",
        "name          count",
        "plum & pear  12,345",
        "note: a <note>",
    ]
    html = report._repr_html_()
    for word in ("Fruit &lt;fresh&gt;", "plum &amp; pear", "12,345", "a &lt;note&gt;"):
        assert word in html


def test_a_report_survives_the_record_and_says_that_it_was_made_before():
    report = Fruit(name="plum", count=1, notes=("a",))
    plain = json.loads(json.dumps(report.to_json()))
    assert plain == {"name": "plum", "count": 1, "notes": ["a"]}
    again = Fruit(**plain, reused=True)
    assert again.remarks() == ["Nothing to do: this was made before, from the same inputs.", "a"]
    assert report.remarks() == ["a"]


def test_numbers_stand_to_the_right_and_texts_to_the_left():
    table = text_table(("n", "word"), [(1, "a"), (1000, "bcd")])
    assert table == "    n  word\n    1  a\n1,000  bcd"
    html = html_table(("n", "word"), [(1, "a")])
    assert "<td style='text-align:right;white-space:pre-wrap'>1</td>" in html
    assert "<td style='text-align:left;white-space:pre-wrap'>a</td>" in html


def test_a_table_without_rows_still_has_its_head():
    assert text_table(("a", "b"), []) == "a  b"
    assert "<th" in html_table(("a", "b"), [])


def test_a_grid_escapes_its_title_and_its_cells():
    grid = Grid(("<a>",), [("<script>",)], "T&T")
    assert str(grid) == "T&T\n<a>\n<script>"
    assert "<script>" not in grid._repr_html_()
    assert "T&amp;T" in grid._repr_html_()
