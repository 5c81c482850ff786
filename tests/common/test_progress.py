"""The bar: amounts, rate and time left, as HTML and in a terminal."""

import time

import pytest

from helpers.common import progress as module
from helpers.common.progress import Progress, drawn_by, watched_by


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    """The time, which a test sets."""
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_of_bytes_it_shows_megabytes_their_rate_and_the_time_left(clock):
    drawn = []
    with drawn_by(drawn.append), Progress(80_000_000, "bytes", 20_000_000) as bar:
        for megabytes in (30, 40):
            clock[0] += 4
            bar.update(megabytes * 1_000_000, "reading")
        bar._show()
        at_forty = drawn[-1]
        clock[0] += 16
        bar.update(80_000_000)
    assert "MB/s" not in drawn[0] and "left" not in drawn[0]
    assert "40.0 of 80.0 MB · 8 s · 2 MB/s · about 16 s left · reading" in at_forty
    assert "80.0 of 80.0 MB · 24 s · 2 MB/s · reading" in drawn[-1]


def test_the_time_left_is_reckoned_from_the_last_steps(clock):
    drawn = []
    with drawn_by(drawn.append), Progress(1000, "updates", text="fairseq is starting") as bar:
        assert "0 of 1,000 updates · 0 s · fairseq is starting" in drawn[-1]
        clock[0] += 60  # fairseq has started, which is no measure for an update
        bar.update(10, "loss 9.00 bits")
        bar._show()
        assert "60 s · loss" in drawn[-1]
        for done in range(20, 110, 10):  # ten seconds each, and then a hundred
            clock[0] += 10
            bar.update(done)
        bar._show()
        assert "about 15 min left" in drawn[-1]
        for done in range(110, 190, 10):
            clock[0] += 100
            bar.update(done)
        bar._show()
        assert "about 2 h 17 min left" in drawn[-1]
        clock[0] += 1000  # it stands still: it will take longer
        bar._show()
        assert "about 5 h 32 min left" in drawn[-1]


def test_its_seconds_go_on_while_nothing_is_told(monkeypatch):
    monkeypatch.setattr(module, "TICK", 0.01)
    drawn, watched = [], []
    with drawn_by(drawn.append), watched_by(watched.append), Progress(5, "updates"):
        while len(drawn) < 3 or len(watched) < 3:
            time.sleep(0.01)
    assert watched[-1].passed > watched[0].passed
    assert watched[0].done == 0 and watched[0].total == 5


def test_of_other_things_it_counts_them(monkeypatch):
    drawn = []
    with drawn_by(drawn.append), Progress(2000, "updates") as bar:
        bar.update(1000, "loss 5.00 bits")
    assert "1,000 of 2,000 updates" in drawn[-1]
    assert "loss 5.00 bits" in drawn[-1] and "MB" not in drawn[-1]


def test_a_terminal_gets_a_bar_with_the_rate(capsys):
    with Progress(40_000_000, "bytes") as bar:
        time.sleep(0.15)
        bar.update(20_000_000, "writing")
    said = capsys.readouterr().err
    assert "20.0M/40.0M" in said and "MB/s" in said and "writing" in said


def bars(*totals: int) -> None:
    for total in totals:
        with Progress(total, "updates") as bar:
            bar.update(total // 2, "loss 2.5")


def test_a_bar_goes_where_the_innermost_asks(monkeypatch, capsys):
    below, outer, inner = [], [], []
    monkeypatch.setattr(module, "_notebook_display", lambda: below.append)
    with drawn_by(outer.append):
        with pytest.raises(KeyboardInterrupt), drawn_by(inner.append):
            bars(2)
            raise KeyboardInterrupt
        bars(4, 1234)
    assert any("617 of 1,234 updates" in bar and "loss 2.5" in bar for bar in outer)
    bars(6)
    for shown, totals in ((inner, ("2",)), (outer, ("4", "1,234")), (below, ("6",))):
        assert shown
        assert all(any(f"of {total} updates" in bar for total in totals) for bar in shown)
    assert "".join(capsys.readouterr()) == ""


def test_without_panel_and_notebook_the_bar_is_the_terminals(capsys):
    bars(8)
    assert "4/8" in capsys.readouterr().err
