"""Lap times: where the time of a lap goes, what tries come to, and the gate that they must pass."""

from __future__ import annotations

import numpy as np
import pytest

from data.errors import UsageError
from data.reading.drives import Drive
from data.records import Corner
from data.statistics import bootstrap
from hitl.road.gate import parse_gate
from hitl.road.laps import ELSEWHERE, LapTry, corner_times, laps_of, stretches, time_at
from tests.support.recorded import summary

CORNERS = (Corner("late", 300.0, 340.0), Corner("early", 100.0, 150.0))


def driven(progress, lap_s=None, first=0):
    episode = summary(reason="finish" if lap_s else "off_road")
    from dataclasses import replace

    t = np.arange(first, first + len(progress))
    return Drive(replace(episode, lap_s=lap_s), {"t": t, "progress": np.asarray(progress, np.float64)})


def test_the_moment_at_a_metre_lies_between_the_steps():
    drive = driven([0.0, 3.0, 6.0, 9.0])
    assert time_at(drive, 4.5) == pytest.approx(1.5 / 20)
    assert time_at(drive, 9.0) == pytest.approx(3 / 20)
    assert time_at(drive, 9.1) is None
    assert time_at(driven([50.0, 52.0]), 20.0) is None, "it began behind that place"


def test_the_straight_behind_a_corner_is_the_corners():
    assert stretches(CORNERS) == [("early", 70.0, 270.0), ("late", 270.0, None)]
    close = [Corner("a", 10.0, 50.0), Corner("b", 60.0, 80.0)]
    assert [s[1:] for s in stretches(close)] == [(0.0, 50.0), (50.0, None)]
    drive = driven(np.arange(0.0, 401.0, 1.0), lap_s=20.5)
    assert corner_times(drive, stretches(CORNERS)) == {"early": pytest.approx(10.0), "late": pytest.approx(7.0)}
    assert set(corner_times(driven(np.arange(0.0, 290.0)), stretches(CORNERS))) == {"early"}, "the other was not driven through"


def test_what_tries_come_to():
    finished = [LapTry("finish", 36.0 + k, 36.1 + k, 400.0, 1.0) for k in range(8)]
    crashed = [LapTry("off_road", None, 12.0, 95.0, 0.2), LapTry("stalled", None, 30.0, 200.0, 0.4)]
    laps = laps_of([*finished, *crashed], CORNERS)
    assert (laps.finish.k, laps.finish.n, laps.best, laps.worst) == (8, 10, 36.0, 43.0)
    assert laps.median.value == 39.5
    assert 36.0 <= laps.median.low < 39.5 < laps.median.high <= 43.0
    assert laps.p95.value == pytest.approx(42.65)
    assert laps.crashes == {"early": 1, ELSEWHERE: 1}
    assert laps.competition.value == pytest.approx((8 * 39.5 + 12 + 30 + 2 * 10) / 10)
    assert laps_of(finished, CORNERS).competition is None, "fewer than ten"
    assert laps_of(crashed, CORNERS).median is None


def test_the_bootstrap_covers_the_mean_of_what_is_drawn():
    rng = np.random.default_rng(3)
    samples = rng.normal(5.0, 1.0, (200, 30))
    inside = [low <= 5.0 <= high for low, high in (bootstrap(s, np.mean, 400) for s in samples)]
    assert 0.88 <= np.mean(inside) <= 0.99
    assert bootstrap(samples[0], np.mean) == bootstrap(samples[0], np.mean)


def test_a_gate_holds_or_says_why_not():
    laps = laps_of([LapTry("finish", 36.0, 36.1, 400.0, 1.0), LapTry("off_road", None, 5.0, 120.0, 0.0)], CORNERS)

    def failures(text):
        return [said for condition in parse_gate(text) if (said := condition.failure(laps))]

    assert failures("finish>=0.5, p95<=40 ,crashes<2") == []
    assert failures("finish>0.5,worst<36") == ["finish is 0.500, not > 0.5", "worst is 36.000, not < 36"]
    (unknown,) = failures("competition<40")
    assert "not known" in unknown
    for bad in ("finish=1", "", "p95<=", "p95<=40,"):
        with pytest.raises(UsageError, match="conditions like"):
            parse_gate(bad)
    with pytest.raises(UsageError, match="median"):
        parse_gate("medain<40")


def test_a_share_is_no_percentage() -> None:
    from hitl.road.gate import parse_gate

    with pytest.raises(UsageError, match=r"finish is a share from 0 to 1, so 95 % is 0\.95"):
        parse_gate("finish>=95")
