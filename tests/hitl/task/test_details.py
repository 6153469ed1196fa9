"""The layout ``detailed``: what it adds to the road's, and what a frame of 33 numbers becomes in it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from hitl.games.base import AT_REST
from hitl.games.trackmania.details import car_details
from hitl.road.track import load_track
from hitl.task.details import NAMES, is_detailed
from hitl.task.driving_task import DrivingTask, TaskSettings

ACTIONS = ("gas", "brake", "steer")


def frame(**at):
    numbers = [0.0] * 33
    numbers[12], numbers[14] = 1.0, 1.0  # it looks along z and stands upright
    for index, value in at.items():
        numbers[int(index.removeprefix("n"))] = value
    return numbers


@pytest.fixture(scope="module")
def track():
    return load_track("default")


def seen(track, details, layout="detailed"):
    task = DrivingTask(track, TaskSettings(layout=layout))
    values, _ = task.begin(replace(AT_REST, details=details))
    names = task.names(ACTIONS)
    assert len(values) == len(names) - len(ACTIONS) == task.observer.size
    assert values.dtype == np.float32
    return dict(zip(names, values.tolist(), strict=False))


def test_it_is_the_roads_without_the_slip_that_no_plugin_sends_and_with_the_cars(track):
    road, detailed = seen(track, None, "road"), seen(track, car_details(frame()))
    assert [name for name in detailed if name not in NAMES] == [name for name in road if name != "slip"]
    assert list(detailed)[-len(NAMES) :] == list(NAMES)
    assert {name: detailed[name] for name in road if name != "slip"} == {n: v for n, v in road.items() if n != "slip"}
    assert is_detailed(detailed)
    assert not is_detailed(road)


def test_each_number_of_the_frame_arrives_under_its_name(track):
    numbers = frame(
        n0=7.0, n1=1.0, n8=-15.0, n17=8500.0, n18=4.0, n19=0.1, n20=0.2, n21=0.3, n22=0.4, n27=2.0, n28=0.3, n29=0.5,
        n23=16.0, n24=6.0, n25=80.0, n26=21.0,
    )  # fmt: skip
    values = seen(track, car_details(numbers))
    expected = {
        "up_speed": -0.5, "slip_front_left": 0.1, "slip_front_right": 0.2, "slip_rear_left": 0.3, "slip_rear_right": 0.4,
        "on_road": 0.25, "on_dirt": 0.25, "on_grass": 0.0, "on_ice": 0.25, "on_other": 0.0, "sliding": 0.5, "airborne": 1.0,
        "adherence": 0.5, "rpm": 0.85, "gear": 0.8, "checkpoints": 0.7, "lap": 0.1, "pitch": 0.0, "roll": 0.0,
    }  # fmt: skip
    assert {name: values[name] for name in NAMES} == pytest.approx(expected)
    assert seen(track, car_details(frame(n23=77.0)))["on_other"] == 0.25, "a ground that no one knows is another one"


@pytest.mark.parametrize("heading", [0.0, 1.0, -2.5])
def test_pitch_and_roll_are_those_of_the_car_wherever_it_heads(heading):
    nose_up, lean = 0.3, 0.2  # rad; to the right
    ahead, right, up = np.array([math.sin(heading), 0.0, math.cos(heading)]), np.zeros(3), np.array([0.0, 1.0, 0.0])
    right = np.cross(up, ahead)
    forward = math.cos(nose_up) * ahead + math.sin(nose_up) * up
    roof = np.cross(forward, math.cos(lean) * right - math.sin(lean) * np.cross(forward, right))
    numbers = frame()
    numbers[10:13], numbers[13:16] = forward.tolist(), roof.tolist()
    found = car_details(numbers)
    assert found.pitch == pytest.approx(math.sin(nose_up))
    assert found.roll == pytest.approx(math.sin(lean) * math.cos(nose_up), abs=1e-6)


def test_the_layout_frame_is_what_the_plugin_sends(track):
    numbers = [float(k) for k in range(33)]
    values = seen(track, car_details(numbers), "frame")
    assert list(values.values()) == numbers
    at = {
        0: "checkpoints", 3: "race_ms", 6: "place_z", 7: "velocity_x", 15: "up_z", 16: "speed", 17: "rpm", 22: "slip_rear_right",
        23: "ground_front_left", 28: "flying", 30: "steer", 32: "brake",
    }  # fmt: skip
    assert {k: list(values)[k] for k in at} == {k: f"frame_{name}" for k, name in at.items()}


def test_numbers_that_no_car_has_stay_within_bounds(track):
    values = seen(track, car_details(frame(n17=1e30, n18=-1e9, n19=1e20, n27=1e9, n29=-50.0, n11=9.0, n13=5.0)))
    assert max(abs(values[name]) for name in NAMES) <= 10.0
