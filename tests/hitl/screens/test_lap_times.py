"""Lap times, and how the agent does without help."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.records import Corner
from data.store import Store
from hitl.drivers.human import scripted_human
from hitl.home import Home
from hitl.protocols import EpisodeResult
from hitl.screens.lap_times import SHOWN_S, Lap, LapTimes, best_laps
from hitl.screens.without_help import LAST, Past, Try, WithoutHelp, recorded_past
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions

FIRST, SECOND = Corner("first", 100.0, 150.0), Corner("second", 200.0, 240.0)


def lap(times: LapTimes, metres_a_step: float, *, human: bool, finish: bool = True, end: float = 300.0) -> None:
    steps = round(end / metres_a_step)
    for k in range(1, steps + 1):
        times.step(k, k * metres_a_step, "human" if human else "agent", "finish" if finish and k == steps else "")


def test_each_driver_has_a_best_lap_and_a_lap_with_help_is_of_no_one() -> None:
    times = LapTimes((FIRST, SECOND), 20.0)
    assert times.view().last is None
    lap(times, 1.0, human=False)
    assert (times.view().last, times.view().best_agent, times.view().best_you) == (15.0, 15.0, None)
    lap(times, 1.5, human=True)
    assert (times.view().last, times.view().best_agent, times.view().best_you) == (10.0, 15.0, 10.0)
    lap(times, 1.2, human=True)
    assert (times.view().last, times.view().best_you) == (12.5, 10.0)
    for k in range(1, 151):
        times.step(k, 2.0 * k, "human" if k > 100 else "agent", "finish" if k == 150 else "")
    assert (times.view().last, times.view().best_agent, times.view().best_you) == (7.5, 15.0, 10.0)
    lap(times, 3.0, human=False, finish=False)
    assert times.view().last == 7.5, "a lap that does not reach the finish has no time"


def test_the_end_of_a_corner_is_compared_with_the_best_lap_for_a_moment() -> None:
    times = LapTimes((FIRST, SECOND), 20.0, {"human": Lap(15.0, {"first": 7.5, "second": 12.0})})
    for k in range(1, 101):
        times.step(k, 1.5 * k, "agent")
    shown = times.view()
    assert (shown.corner, shown.delta) == ("first", pytest.approx(-2.5))
    assert shown.running == 5.0
    for k in range(101, 101 + round(SHOWN_S * 20)):
        times.step(k, 151.0, "agent")
    assert times.view().delta is None
    times.step(1, 0.5, "agent")
    assert (times.view().running, times.view().delta) == (0.05, None)


def test_a_car_that_waits_at_the_start_is_not_ahead_of_anyone() -> None:
    times = LapTimes((), 20.0)
    lap(times, 1.5, human=True)
    for _ in range(3):
        times.step(0, 1.0, "human")
        assert times.view().to_best is None
    times.step(1, 1.0, "human")
    assert times.view().to_best is not None


def test_each_moment_is_compared_with_the_best_lap_and_with_the_humans_at_that_place() -> None:
    times = LapTimes((), 20.0)
    lap(times, 1.5, human=False)  # 300 m in 10 s
    assert (times.view().to_best, times.view().to_you) == (None, None), "nothing to compare it with while it was driven"
    lap(times, 1.0, human=True)  # in 15 s
    assert times.view().to_best == pytest.approx(5.0)
    for k in range(1, 101):
        times.step(k, 1.2 * k, "agent")
    shown = times.view()  # 120 m after 5 s: the agent's came here after 4 s, the human's after 6 s
    assert shown.to_best == pytest.approx(1.0)
    assert shown.to_you == pytest.approx(-1.0)
    for k in range(101, 121):
        times.step(k, 110.0, "agent")
    assert times.view().to_best == pytest.approx(2.0), "a car that does not move on loses a second each second"
    times.step(60, 72.0, "agent")  # back three seconds
    assert times.view().to_best == pytest.approx(3.0 - 72.0 / 30.0)


def test_where_your_lap_is_the_best_there_is_one_comparison_and_a_drive_that_begins_on_the_way_has_none() -> None:
    times = LapTimes((), 20.0)
    lap(times, 1.5, human=True)
    times.step(1, 1.0, "agent")
    assert times.view().to_best == pytest.approx(0.05 - 1.0 / 30.0, abs=0.02)
    assert times.view().to_you is None
    for k in range(1, 50):
        times.step(k, 80.0 + k, "agent")
    assert times.view().to_best is None


def test_a_lap_that_goes_back_keeps_its_pace() -> None:
    times = LapTimes((), 20.0)
    for k in [*range(1, 121), *range(60, 201)]:
        times.step(k, 1.5 * k, "human", "finish" if k == 200 else "")
    lap(times, 1.5, human=False, finish=False, end=90.0)
    assert times.view().to_best == pytest.approx(0.0, abs=1e-9)


def test_a_stored_lap_driven_again_is_neither_ahead_nor_behind(tmp_path: Path) -> None:
    home, seen = Home(tmp_path), []

    def watch(tick):
        seen.append((tick.steps, tick.info["progress"], tick.info.get("lap_s")))

    with SessionSetup(home, SessionOptions(), human=lambda track: scripted_human(track, "expert", None), watch=watch) as rig:
        rig.session.episode("lap", seed=1)
        rig.written()
        with Store(home.store_path, read_only=True) as store:
            best = best_laps(store, rig.track.name, rig.corners)
    times = LapTimes((), 20.0, {"agent": best["scripted"]})
    for steps, progress, _ in seen[:-1]:
        times.step(steps, progress, "agent")
        assert steps == 1 or times.view().to_best == pytest.approx(0.0, abs=1e-6), "in the first the car still stands"


def test_best_laps_come_from_the_store_with_the_times_at_the_corners(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with SessionSetup(home, SessionOptions(), human=lambda track: scripted_human(track, "expert", None)) as rig:
        results = [rig.session.episode("lap", seed=k) for k in range(2)]
        rig.written()
        assert {r.reason for r in results} == {"finish"}
        with Store(home.store_path, read_only=True) as store:
            best = best_laps(store, rig.track.name, rig.corners)
            past = recorded_past(store, rig.track.name, rig.corners)
            assert (past.tries, past.best_lap) == ([], None), "the scripted driver's laps are neither's"
    assert set(best) == {"scripted"}, "not a lap of the player"
    times = [r.lap_s for r in results]
    assert all(0.0 <= r.steps / 20.0 - time < 0.1 for r, time in zip(results, times, strict=True)), "finer than a step"
    assert best["scripted"].seconds == round(min(times), 3)
    assert 0.0 < best["scripted"].splits["hairpin"] < best["scripted"].seconds


def drive(alone: WithoutHelp, progress: float, total: float, reason: str = "off_road", human_at: float | None = None) -> None:
    for step, metre in enumerate(range(0, int(progress), 2), 1):
        alone.step(step, float(metre), human=metre == human_at)
    human_steps = int(human_at is not None)
    alone.end(EpisodeResult("drive", reason, total=total, progress=progress, human_steps=human_steps), own=True)


def test_the_agent_is_judged_by_the_corner_in_which_it_fails_most() -> None:
    assert WithoutHelp((FIRST, SECOND)).said() == ""
    assert WithoutHelp((FIRST, SECOND)).shares() == ()
    past = Past([Try(50.0, False)] * 8, {"first": [True] * 8, "second": [False] * 8})
    alone = WithoutHelp((FIRST, SECOND), past)
    assert alone.said() == "alone at second: 0 of 8"
    assert (alone.ceiling, alone.best) == (50.0, 50.0)
    for _ in range(3):
        drive(alone, 300.0, 100.0, "finish")
    drive(alone, 260.0, 80.0)  # through the corner, and off the road later
    assert alone.said() == f"alone at second: 4 of {LAST}"
    assert alone.shares()[-1] == (12.0, 0.4)
    assert alone.shares()[0] == (1.0, 0.0)
    drive(alone, 120.0, 10.0)  # never came there: no attempt of it
    drive(alone, 300.0, 400.0, "finish", human_at=210)  # helped there
    drive(alone, 210.0, 40.0, "stopped")  # says nothing
    assert alone.said() == f"alone at second: 4 of {LAST}"
    drive(alone, 300.0, 500.0, "finish", human_at=110)  # helped at the first corner, and alone at the second
    assert alone.said() == f"alone at second: 5 of {LAST}"
    assert (alone.ceiling, alone.best) == (50.0, 100.0), "the ceiling is what was before this session; help is no record"
    finished = WithoutHelp((FIRST, SECOND), Past([Try(100.0, True)], {"first": [True], "second": [True]}))
    assert finished.said() == "alone to the finish: 1 of 1"
    drive(finished, 210.0, 40.0)
    assert finished.said() == "alone to the finish: 1 of 2", "what is measured does not change within a session"
    assert finished.ceiling is None


def test_the_best_of_a_lap_is_the_players_own() -> None:
    alone = WithoutHelp((FIRST, SECOND), Past([Try(50.0, False)], best_lap=70.0))
    alone.end(EpisodeResult("lap", "finish", total=90.0, progress=300.0), own=False)
    assert (alone.best, alone.best_lap) == (50.0, 70.0)
    alone.end(EpisodeResult("lap", "finish", total=80.0, progress=300.0), own=True)
    assert (alone.best, alone.best_lap) == (50.0, 80.0)
