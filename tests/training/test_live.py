"""The curve of a training that goes on: a picture that anybody can read, and the same in words."""

import base64
import contextlib
import html
import itertools
import math
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.common import progress
from helpers.common.progress import Progress
from helpers.training.log.events import LOG, Event, Tail
from helpers.training.log.live import HEIGHT, MOST, WIDTH, Curve, thinned, ticks

LINE = '[2026-01-02 03:04:05][{}][INFO] - {{"{}loss": "{}", "{}num_updates": "{}"}}\n'


def inner(update: int, loss: float, **values: float) -> Event:
    return Event("train_inner", update, loss, values)


def valid(update: int, loss: float) -> Event:
    return Event("valid", update, loss, {})


def curve(*events: Event, last: int = 500) -> Curve:
    found = Curve(0, last)
    for event in events:
        found.add(event)
    return found


def drawn(found: Curve) -> ElementTree.Element:
    """The picture, as it stands in the page."""
    source = re.search("src='data:image/svg.xml;base64,([^']*)'", found.picture())
    return ElementTree.fromstring(base64.b64decode(source[1]))


def words(svg: ElementTree.Element) -> list[str]:
    return [element.text for element in svg.iter("{http://www.w3.org/2000/svg}text")]


def lines(svg: ElementTree.Element) -> list[list[tuple[float, float]]]:
    found = svg.iter("{http://www.w3.org/2000/svg}polyline")
    return [[tuple(map(float, p.split(","))) for p in line.get("points").split()] for line in found]


def test_the_picture_says_what_it_shows_and_in_which_unit() -> None:
    found = curve(*(inner(u, 9 - u / 100) for u in range(10, 210, 10)), valid(200, 7.25))
    svg = drawn(found)
    told = "Loss in bits per hidden token: training 7.00 at update 200, validation 7.25 at update"
    assert svg.find("{http://www.w3.org/2000/svg}title").text.startswith(told)
    assert told in html.unescape(found.picture())
    assert "class='course-figure'" in found.picture()  # which is turned over on dark pages
    assert {"training", "validation", "updates", "loss (bits per hidden token)"} <= {*words(svg)}
    assert {"0", "100", "500"} <= {*words(svg)}  # up to the last update that is to come
    training, validation = lines(svg)
    assert len(training) == 20 and len(validation) == 1
    assert training[0][1] < training[-1][1] < HEIGHT  # it falls
    assert training[-1][0] < WIDTH / 2  # and has room to grow


def test_there_is_no_picture_before_there_is_a_line() -> None:
    assert curve().picture() == curve(inner(10, 9.0)).picture() == ""
    assert curve().words() == ""
    found = curve(inner(10, 9.0), inner(20, 9.0))
    before = found.picture()
    assert before and found.picture() is before  # not drawn again for nothing
    found.add(inner(30, 8.0))
    assert found.picture() != before


NUMBERS = st.floats(1e-6, 1e6)


@given(st.lists(NUMBERS, min_size=2, max_size=400), st.lists(NUMBERS, max_size=60))
def test_whatever_the_losses_are_the_picture_is_whole(train: list, validation: list) -> None:
    found = curve(
        *(inner(10 * i, loss) for i, loss in enumerate(train)),
        *(valid(7 * i, loss) for i, loss in enumerate(validation)),
        last=1,
    )
    svg = drawn(found)
    for x, y in itertools.chain(*lines(svg)):
        assert 0 <= x <= WIDTH and 0 <= y <= HEIGHT
    assert len(lines(svg)[0]) <= MOST
    assert len(found.picture()) < 30_000


@given(st.floats(-1e4, 1e4), st.floats(1e-3, 1e9))
def test_ticks_are_few_and_inside(low: float, width: float) -> None:
    found = ticks(low, low + width)
    assert 2 <= len(found) <= 8
    assert all(low - width * 1e-3 <= tick <= low + width * 1.001 for tick in found)


@given(st.integers(1, 5000))
def test_of_many_points_neighbours_are_one(number: int) -> None:
    points = [(u, float(u % 7)) for u in range(number)]
    found = thinned(points)
    assert len(found) <= MOST and found[-1][0] == number - 1
    assert number > MOST or found == points
    assert 0 <= min(found, key=lambda p: p[1])[1] <= max(found, key=lambda p: p[1])[1] <= 6


def test_where_a_training_goes_on_what_is_done_anew_is_no_second_line() -> None:
    found = curve(inner(10, 9.0), inner(20, 8.0), inner(30, 7.0), valid(25, 8.5), inner(20, 8.1))
    assert found.points["training"] == [(10, 9.0), (20, 8.1)]
    assert found.points["validation"] == [(25, 8.5)]


def test_the_numbers_are_named_with_their_units() -> None:
    found = curve(inner(10, 9.0, lr=0.000123, wps=9103.4), valid(10, 9.1))
    assert found.words() == (
        "loss 9.00 bits · validation loss 9.10 bits · rate 0.000123 · 9,103 tokens/s"
    )
    found.add(inner(20, math.nan))
    found.add(Event("train", 20, 8.0, {}))  # an epoch's mean would confuse beside the latest loss
    assert found.points["training"] == [(10, 9.0)]
    found.add(inner(30, 8.0, lr=math.nan, wps=math.nan))
    assert found.words() == "loss 8.00 bits · validation loss 9.10 bits"


def test_a_log_is_read_as_it_grows_and_from_its_beginning_where_it_is_another(tmp_path) -> None:
    log = tmp_path / LOG
    tail = Tail(log)
    assert tail.read() == []
    one = LINE.format("train_inner", "", 9.0, "", 10)
    log.write_text("fairseq starts\n" + one + one[:30], "utf-8")
    assert [event.update for event in tail.read()] == [10]
    assert tail.read() == []
    with log.open("a") as file:
        file.write(one[30:] + LINE.format("valid", "valid_", 8.5, "valid_", 20))
    assert [(event.kind, event.loss) for event in tail.read()] == [
        ("train_inner", 9.0),
        ("valid", 8.5),
    ]
    log.write_text(one, "utf-8")  # shorter
    assert tail.read() is None
    assert len(tail.read()) == 1
    log.unlink()
    assert tail.read() == []


@pytest.mark.parametrize("fails", [False, True])
def test_below_the_bar_it_stays_where_the_work_fails_and_else_gives_way(fails, monkeypatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr(progress, "_notebook_display", lambda: shown.append)
    bar = Progress(500, "updates", below=curve(inner(10, 9.0), inner(20, 8.0)).picture)
    with contextlib.suppress(KeyboardInterrupt), bar:
        bar.update(20, "loss 8.00 bits")
        bar._show()
        assert "<img" in shown[-1]
        if fails:
            raise KeyboardInterrupt
    assert ("<img" in shown[-1]) == fails
    assert "loss 8.00 bits" in shown[-1]
