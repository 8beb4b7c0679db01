"""How far a run is: a bar on a terminal, a line a minute in a log."""

from __future__ import annotations

import io
from itertools import count

import pytest
from SpectBoneMetSegLib.batch import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch):
    """Half a minute passes between two readings of the clock."""
    ticking = count(0, 30)
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(ticking)))


@pytest.mark.usefixtures("clock")
def test_a_log_has_a_line_a_minute_with_rate_time_left_and_failures():
    stream = io.StringIO()
    shown = progress.CaseProgress(100, stream)
    for number in range(6):
        shown.tick(failed=number == 2)
    shown.close()
    lines = stream.getvalue().splitlines()
    assert len(lines) == 3
    assert lines[-1] == "6 of 100, 1.7 a minute, about 55 min left, 1 failed"


@pytest.mark.usefixtures("clock")
def test_a_terminal_has_one_bar_below_the_messages(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    stream = Terminal()
    shown = progress.CaseProgress(4, stream)
    shown.tick()
    shown.print_line("one.dcm: broken")
    shown.tick(failed=True)
    shown.close()
    text = stream.getvalue()
    assert text.count("\n") == 1
    assert "[" + "#" * 8 + "." * 22 + "] 1 of 4" in text
    assert text.endswith("\r")


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("columns", [70, 80, 81, 200])
def test_the_failures_are_visible_in_a_narrow_terminal(monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    stream = Terminal()
    shown = progress.CaseProgress(20_000, stream)
    shown.tick(failed=True)
    line = stream.getvalue().rpartition("\r")[2]
    assert len(line) < columns
    assert line.endswith("1 failed")
