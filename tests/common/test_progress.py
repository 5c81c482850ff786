"""The bar: amounts, rate and time left, as HTML and in a terminal."""

import time

from helpers.common import progress as module
from helpers.common.progress import Progress, drawn_by


def test_of_bytes_it_shows_megabytes_their_rate_and_the_time_left(monkeypatch):
    clock, drawn = [100.0], []
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    with drawn_by(drawn.append), Progress(80_000_000, "bytes", 20_000_000) as bar:
        clock[0] += 4
        bar.update(40_000_000, "reading")
        clock[0] += 8
        bar.update(80_000_000)
    assert "MB/s" not in drawn[0] and "left" not in drawn[0]
    assert "40.0 of 80.0 MB · 4 s · 5 MB/s · about 8 s left · reading" in drawn[1]
    assert "80.0 of 80.0 MB · 12 s · 5 MB/s · reading" in drawn[-1]


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
