"""Where the agent loses time, also where it always finishes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from data.reading.drives import Drive
from data.records import AGENT, HUMAN, Corner
from hitl.road.laps import corner_times, stretches
from hitl.road.time_lost import TimeLost, time_lost
from hitl.session.offers import CornerOffers
from tests.support.recorded import summary

CORNERS = (Corner("early", 100.0, 150.0), Corner("late", 300.0, 340.0))
STRETCHES = stretches(CORNERS)


def drive(slow=1.0, end=400.0, helped=()):
    """A drive at 20 m/s whose part from 270 m on takes ``slow`` times as long; a failure where it ends before 400 m."""
    progress = np.concatenate([np.arange(0.0, 270.0), np.arange(270.0, end + 0.5, 1.0 / slow)])
    finished = end >= 400.0
    episode = summary(reason="finish" if finished else "off_road", farthest=end)
    episode = replace(episode, lap_s=(len(progress) - 1) / 20 if finished else None)
    driver = np.full(len(progress), AGENT)
    for low, high in helped:
        driver[(progress >= low) & (progress < high)] = HUMAN
    return Drive(episode, {"t": np.arange(len(progress)), "driver": driver, "progress": progress})


def test_an_agent_that_always_finishes_is_shown_where_it_is_slow():
    best = corner_times(drive(), STRETCHES)
    found = time_lost([drive(slow=2.0), drive(slow=4.0)], STRETCHES, {"best": best})
    assert [one.corner for one in found] == ["late", "early"]
    late, early = found
    assert late.lost == late.against("best") == pytest.approx(2 * best["late"], abs=0.1), "the mean of one and three times more"
    assert early.lost == pytest.approx(0.0)
    assert late.against("human") is None


def test_a_failure_counts_as_ten_seconds_and_help_does_not_count():
    (first, second) = time_lost([drive(end=200.0), drive(), drive(helped=[(90.0, 120.0)])], STRETCHES, {})
    assert first == TimeLost("early", 2, 1, pytest.approx(10.0, abs=0.1), {})
    assert first.lost == 5.0
    assert (second.tries, second.failed, second.lost) == (2, 0, None)


def test_an_offer_can_be_about_time():
    offers = CornerOffers(CORNERS, "slow", lost={"late": 0.8, "early": 0.1})
    for name in ("early", "late"):
        for _ in range(3):
            offers.tried(name, True)
    assert offers.at(80.0, 20.0) == ""
    assert offers.at(280.0, 20.0) == "late"
    assert (offers.lost_at(280.0, 20.0), offers.lost_at(80.0, 20.0)) == (("late", pytest.approx(0.8, abs=0.05)), None)
    offers.mode = "failing"
    assert offers.at(280.0, 20.0) == ""
