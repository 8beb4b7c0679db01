"""How long steps take and wait, reported and stored."""

from __future__ import annotations

import pytest
from SpectBoneMetSegTrainingLib.common import pace
from SpectBoneMetSegTrainingLib.common.pace import Pace, Stopwatch
from SpectBoneMetSegTrainingLib.common.progress import loss_line


@pytest.fixture
def clock(monkeypatch):
    """The time that the stopwatch reads; add to its first entry."""
    now = [100.0]
    monkeypatch.setattr(pace.time, "monotonic", lambda: now[0])
    return now


def test_waiting_working_and_what_lies_between_steps_are_distinguished(clock):
    def batches():
        for wait in (5.0, 1.0, 2.0):
            clock[0] += wait
            yield wait

    watch = Stopwatch()
    for wait in watch.waiting(batches()):
        clock[0] += 3
        watch.stepped()
        assert (watch.waiting_seconds, watch.step_seconds) == (wait, wait + 3)
        if wait == 5.0:
            assert watch.pace() == Pace(8.0, 8.0, 5 / 8)
        clock[0] += 10
    # The first step is left out: two steps of 4 and 5 s, 3 s of which were waiting, 10 s after each.
    assert watch.pace() == Pace((4 + 10 + 5 + 10) / 2, 4.5, 3 / 9)


def test_the_line_states_seconds_a_step_and_the_share_of_waiting(capsys):
    loss_line()(20, 80, 0.5, Pace(2.0, 1.25, 0.04))
    assert capsys.readouterr().err == (
        "step 20 of 80, loss 0.500, 1.25 s a step, 4% of it waiting for data, about 2 min left\n"
    )
