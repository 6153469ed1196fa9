"""Circuits: the start is the start, and a lap counts when it was driven, wherever the line ends."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.records import Corner
from data.reward import RewardSettings
from hitl.games.base import Start, VehicleState
from hitl.games.driving_env import DrivingEnv
from hitl.games.trackmania.frames import Frame
from hitl.games.trackmania.line_recorder import LineRecorder
from hitl.road.corner_stats import visit
from hitl.road.line import ReferenceLine
from hitl.road.track import Track, finish_artefact, lay_segments
from hitl.task.driving_task import DrivingTask, TaskSettings
from tests.support.examples import examples

BEND = {"radius": 20, "angle": 90}


def closed():
    points, _ = lay_segments(
        "c", [{"straight": 40}, BEND, {"straight": 60}, BEND, {"straight": 80}, BEND, {"straight": 60}, BEND, {"straight": 40}]
    )
    return points


CLOSED = closed()
ARC = np.r_[0.0, np.cumsum(np.hypot(*np.diff(CLOSED, axis=0).T))]
AROUND = float(ARC[-1])


def road(at):
    """The positions (..., 2) at metres of the closed road, which go round and round."""
    return np.stack([np.interp(np.asarray(at) % AROUND, ARC, CLOSED[:, k]) for k in range(2)], axis=-1)


def circuit(late=0.0, gap=0.0):
    """A circuit whose line begins ``late`` metres behind the start and ends ``gap`` metres before it (below 0: beyond)."""
    at = np.arange(late, AROUND - gap, 0.5)
    return Track("ring", ReferenceLine(road(at)), 8.0)


def state(at, speed, time=0.0, **more):
    (x, y), (ahead_x, ahead_y) = road([at, at + 0.5]).tolist()
    heading = math.atan2(ahead_y - y, ahead_x - x)
    vx, vy = speed * math.cos(heading), speed * math.sin(heading)
    return VehicleState(time, x, y, 0.0, heading, vx, vy, 0.0, 0.0, 1.0, 0.0, **more)


def drive(track, metres, start=0.0):
    """Go to each of these places (m from the start), one a tick; return (reason, steps, paid, progress)."""
    task = DrivingTask(track, TaskSettings(reward=RewardSettings(max_stray=8.0, progress=100.0)))
    first = state(start, 0.0)
    task.begin(first, track.line.begin_at(first.x, first.y, at_most=start and track.line.length).s)
    paid, before = 0.0, start
    for steps, at in enumerate(np.asarray(metres).tolist(), 1):
        _, reward, terminated, info = task.step(state(at, 20.0 * (at - before)))
        paid, before = paid + reward, at
        if terminated:
            return info["reason"], steps, paid, info["progress"]
    return None, len(metres), paid, info["progress"]


lines = st.builds(circuit, st.floats(-5.0, 20.0), st.floats(-30.0, 10.0))


@settings(max_examples=examples(30), deadline=None)
@given(track=lines)
def test_a_lap_is_a_finish_once_it_was_driven(track):
    reason, steps, paid, progress = drive(track, np.arange(1.0, 2 * AROUND))
    assert reason == "finish"
    assert steps >= AROUND - 14.0 - 20.0
    assert progress == track.line.length  # the last corner has been left, wherever it ends
    assert paid > 50.0


@settings(max_examples=examples(30), deadline=None)
@given(track=lines, back=st.floats(1.0, 30.0))
def test_backwards_over_the_start_is_neither_a_finish_nor_paid(track, back):
    reason, _, paid, progress = drive(track, -np.linspace(0.5, back, 39))
    assert reason in (None, "off_road")
    assert paid <= 0.0
    assert progress <= 6.0  # a line may begin that far before the start
    reason, _, paid, _ = drive(track, [*-np.linspace(0.5, back, 30), *-np.linspace(back, 0.0, 30)])
    assert reason in (None, "stalled", "off_road")
    assert paid <= 0.01


@settings(max_examples=examples(20), deadline=None)
@given(track=lines)
def test_standing_at_the_start_is_a_stall(track):
    assert drive(track, np.zeros(60))[0] == "stalled"


@settings(max_examples=examples(30), deadline=None)
@given(track=lines, share=st.floats(0.1, 0.9))
def test_a_try_that_begins_in_mid_track_still_finishes(track, share):
    start = share * AROUND
    reason, steps, _, _ = drive(track, np.arange(start + 1.0, 2 * AROUND), start)
    assert reason == "finish"
    assert steps == pytest.approx(AROUND - start, abs=35.0)


def test_who_is_put_down_behind_the_finish_has_driven_nothing():
    track = circuit()
    task = DrivingTask(track)
    end = track.line.length
    task.begin(state(end - 1.0, 0.0), end - 1.0)
    _, reward, terminated, _ = task.step(state(end - 0.5, 10.0))
    assert not terminated
    assert reward < 1.0


def test_the_way_to_a_line_that_begins_ahead_is_progress_that_is_not_paid():
    track = circuit(late=30.0, gap=0.0)
    reason, steps, paid, _ = drive(track, np.arange(0.25, 29.0, 0.25))  # 115 steps: longer than a stall takes
    assert (reason, steps) == (None, 115)
    assert paid == 0.0


class Game:
    """Stands where it is told, and says so."""

    action_names = ("gas", "brake", "steer")

    def __init__(self, at, respawned=False):
        self.at, self.respawned, self.notices = at, respawned, []

    def restart(self, start):
        """It is somewhere already."""

    def send(self, action):
        """It does not move."""

    def state(self):
        return state(self.at, 0.0)


@pytest.mark.parametrize("gap", [0.7, 0.0, -3.0])
def test_a_live_game_is_found_at_its_start_and_a_respawn_where_it_is(gap):
    track = circuit(0.7, gap)
    env = DrivingEnv(track, game=Game(0.0))
    assert env.reset()[1]["progress"] < 1.0
    env.game.at, env.game.respawned = 200.0, True
    assert env.reset(options={"start": Start(s=230.0)})[1]["progress"] == pytest.approx(199.3, abs=1.0)
    env.game.at, env.game.respawned = AROUND - 0.2, False  # the last try was near the end; this is a restart
    assert env.reset(options={"start": Start(s=230.0)})[1]["progress"] < 1.0


def test_a_line_of_another_map_is_told_once():
    far = circuit()
    far = replace(far, line=ReferenceLine(far.line.points + 300.0))
    env = DrivingEnv(far, game=Game(0.0))
    (sentence,) = env.reset()[1]["notices"]
    assert "hitl line record" in sentence
    assert "notices" not in env.reset()[1]


def drive_of(track, reason="finish", far=None):
    from data.reading.drives import Drive
    from tests.support.recorded import summary

    at = np.arange(0.0, track.line.length - 2.0, 1.0)
    n = len(at)
    columns = {
        "t": np.arange(n), "driver": np.zeros(n, np.uint8), "progress": at, "speed": np.full(n, 20.0),
        "executed": np.zeros((n, 1), "f4"),
    }  # fmt: skip
    return Drive(summary(1, "drive", reason, far or track.line.length, ("brake",)), columns)


def test_a_corner_over_the_seam_is_passed_at_both_ends():
    bend_first = np.roll(CLOSED[:-1], -round(50 / 0.25), axis=0)  # begins in the middle of the first bend
    line = ReferenceLine(bend_first)
    from hitl.road.corners import corners_from_curvature

    corners = corners_from_curvature(line)
    assert corners[0].from_m <= 2.0
    assert corners[-1].to_m >= line.length - 1.0
    whole = drive_of(Track("r", line, 8.0))
    seen = [visit(whole, corner, corner.from_m - 30.0) for corner in (corners[0], corners[-1])]
    assert [one is not None and one.passed for one in seen] == [True, True]
    last = Corner("end", line.length - 20.0, line.length)
    short = visit(drive_of(Track("r", line, 8.0), "off_road", line.length - 4.0), last, last.from_m - 30.0)
    assert short is not None
    assert not short.passed


def test_a_circuit_that_begins_at_the_worlds_origin_keeps_its_last_straight():
    ground = np.c_[CLOSED[:, 0], np.zeros(len(CLOSED)), CLOSED[:, 1]]
    assert finish_artefact(ground) == len(ground)


def frame(at, speed, **more):
    x, y = road(at).tolist()
    values = {"received": 0.0, "speed": speed, "x": x + 500.0, "y": 9.0, "z": -y, "steer": 0.0, "gas": 1.0, "brake": 0.0,
              "finished": False, "yaw": 0.0}  # fmt: skip
    return Frame(**(values | more))


def test_a_restart_near_the_start_begins_the_line_anew():
    recorder = LineRecorder()
    for at in np.arange(0.0, AROUND - 10.0, 0.5):
        recorder.take(frame(at, 20.0))
    recorder.take(frame(0.0, 0.0))  # 10 m on: a restart just before the lap was full
    assert len(recorder.points) == 1
    assert not recorder.rolling
    for at in np.arange(0.5, AROUND, 0.5):
        recorder.take(frame(at, 20.0))
    recorder.take(frame(AROUND, 20.0, finished=True))
    assert recorder.over
    assert recorder.length == pytest.approx(AROUND, abs=1.0)


def test_a_line_that_begins_with_a_rolling_car_is_known():
    recorder = LineRecorder()
    recorder.take(frame(12.0, 15.0))
    assert recorder.rolling


def test_tmrl_is_found_at_its_start_and_a_finish_has_the_whole_line_behind_it():
    from hitl.games.tmrl.seen_car import SeenCar
    from hitl.games.trackmania.frames import frame

    car, (x, y) = SeenCar(track := circuit(0.7, 0.0), has_line=True), road(0.0).tolist()
    car.see(frame([0.0, 0.0, x, 9.0, -y, 0.0, 0.0, 0.0, 0.0, 1.0, 900.0], 1.0))
    assert car.info(None)["progress"] < 1.0
    assert car.info("finish")["progress"] == track.line.length
