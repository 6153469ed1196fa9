"""Triggers and pedals at rest: at -1, at +1, or silent until they first move. As pedals and as buttons."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import InputFileError
from hitl.commands import pads
from hitl.home import Home
from hitl.pads.base import PadState
from hitl.pads.calibration import measure
from hitl.pads.calibration.rest import Resting
from hitl.pads.devices import Devices, devices
from hitl.pads.mapping import CONTROLLER, JOYSTICK, PadMap, from_table, to_table
from hitl.pads.sdl import SdlPad
from hitl.settings import load
from tests.support.clocks import own_time
from tests.support.virtual_pad import VirtualPad


@pytest.fixture
def hub() -> Devices:
    with VirtualPad("Warm-up"):
        pass
    shared = devices()
    shared.guards.clear()
    shared.poll()
    return shared


class Axes:
    """Raw readings of a device that is none."""

    def __init__(self, mapping: PadMap, **at: float) -> None:
        self.at = at
        self.resting = Resting(mapping, self.raw)

    def raw(self, source: str) -> float:
        return self.at.get(source, 0.0)

    def __call__(self, **at: float) -> PadState:
        self.at |= at
        return self.resting.state()


def takeover_by(source: str) -> PadMap:
    return from_table({"buttons": {"takeover": [source]}}, JOYSTICK)


@given(st.sampled_from([-1.0, 1.0]), st.floats(0.0, 1.0), st.booleans())
def test_an_axis_is_a_pressed_button_beyond_half_its_way_from_rest(rest: float, share: float, speaks: bool) -> None:
    axes = Axes(takeover_by("axis5"), axis5=rest if speaks else 0.0, axis1=-1.0, axis2=-1.0)
    assert not axes(axis5=rest).buttons
    for value in (rest - 2.0 * share * rest, rest, 0.0, -rest, rest, 0.0, rest):
        way = abs(value - rest) / 2.0
        if value == 0.0 or abs(way - 0.5) > 1e-6:
            assert axes(axis5=value).buttons == ({"takeover"} if way > 0.5 else frozenset())


def test_a_digital_cross_that_reads_as_an_axis_is_a_button_from_its_second_press_on() -> None:
    axes = Axes(takeover_by("axis5"), axis1=-1.0, axis2=-1.0)
    assert not axes(axis5=0.0).buttons
    axes(axis5=1.0)  # it may as well be a trigger that now says for the first time where it rests
    for _ in range(20):
        axes(axis5=0.0)
    for _ in range(3):
        assert axes(axis5=1.0).buttons == {"takeover"}
        assert not axes(axis5=0.0).buttons


@pytest.mark.parametrize("rest", [-1.0, 1.0])
@pytest.mark.parametrize("speaks", [True, False])
@pytest.mark.parametrize("source", ["axis1", "axis4"])
def test_a_pedal_that_nobody_touches_gives_nothing_wherever_it_rests(rest: float, speaks: bool, source: str) -> None:
    mapping = from_table({"gas": {"source": source}}, JOYSTICK)
    axes = Axes(mapping, **{"axis1": -1.0, "axis2": -1.0, source: rest if speaks else 0.0})
    assert axes() == PadState()
    assert axes(**{source: rest}) == PadState()
    assert axes(**{source: 0.8 * rest}).gas < 0.15
    assert axes(**{source: -rest}).gas == 1.0
    assert axes(**{source: 0.0}).gas == pytest.approx(0.45 / 0.95)
    assert axes(**{source: rest}) == PadState()


def test_a_measured_pedal_that_has_not_spoken_is_released_although_0_is_not_its_middle() -> None:
    table = {"gas": {"low": -0.9, "high": 0.7}, "brake": {"low": 0.8, "high": -0.6}}
    axes = Axes(from_table(table, JOYSTICK))
    axes.resting = Resting(from_table(table, JOYSTICK), axes.raw, measured=("gas", "brake"))
    assert axes() == PadState()
    assert axes(axis1=-0.9, axis2=0.8) == PadState()
    assert axes(axis1=0.7, axis2=-0.6) == PadState(gas=1.0, brake=1.0)


def test_a_controllers_trigger_that_has_not_spoken_is_released() -> None:
    at = {"triggerright": 0.49998, "triggerleft": 0.5}
    resting = Resting(CONTROLLER, lambda s: at.get(s, 0.0))
    assert resting.state() == PadState()
    at["triggerright"] = 1.0
    assert resting.state() == PadState(gas=1.0)


def test_a_trigger_of_a_plain_joystick_takes_over_when_it_is_pulled(tmp_path: Path, hub: Devices) -> None:
    for rest in (-1.0, 1.0):
        home = tmp_path / str(rest)
        with VirtualPad.wheel("Old Racing Pad", axes=6) as device:
            for axis in (1, 2, 4, 5):
                device.raw_axis(axis, rest)
            hub.poll()
            assert pads.main(["--home", str(home), "--set", "takeover=axis5", "--set", "pause=axis4"]) == 0
            device.raw_axis(5, -rest)  # pulled already when the session begins: its rest is known from before
            pad = SdlPad(tables=load(Home(home)).devices, hub=hub)
            assert pad.read().buttons == {"takeover"}
            device.raw_axis(5, rest)
            assert pad.read() == PadState()
            device.raw_axis(4, -rest)
            assert pad.read().buttons == {"pause"}


def test_what_is_held_when_a_pad_comes_back_is_not_taken_for_its_rest(hub: Devices) -> None:
    with VirtualPad.wheel("Old Racing Pad", axes=6) as device:
        for axis in (1, 2, 5):
            device.raw_axis(axis, -1.0)
        hub.poll()
        key = next(iter(hub.present.values())).key
        pad = SdlPad(tables={key: {"buttons": {"takeover": ["axis5"]}}}, hub=hub)
        assert pad.read() == PadState()
        device.unplug()
        pad.read()
        device.plug()
        for axis, value in ((1, 1.0), (2, -1.0), (5, 1.0)):
            device.raw_axis(axis, value)
        state = pad.read()
        assert (state.gas, state.buttons) == (pytest.approx(1.0, abs=0.01), {"takeover"})
        device.raw_axis(1, -1.0)
        device.raw_axis(5, -1.0)
        assert pad.read() == PadState()


def test_setting_one_thing_stores_that_thing_and_nothing_that_was_not_measured(tmp_path: Path, hub: Devices) -> None:
    with VirtualPad.wheel() as wheel:  # its pedals are silent still, and rest at +1
        hub.poll()
        pads.main(["--home", str(tmp_path), "--set", "takeover=button5", "--set", "steer.curve=1.5"])
        (table,) = load(Home(tmp_path)).devices.values()
        assert table == {"buttons": {"takeover": ["button5"]}, "steer": {"curve": 1.5}}
        pad = SdlPad(tables=load(Home(tmp_path)).devices, hub=hub)
        wheel.raw_axis(1, 1.0)
        wheel.raw_axis(2, 1.0)
        assert pad.read() == PadState()
        wheel.raw_axis(1, -1.0)
        assert pad.read().gas == pytest.approx(1.0, abs=0.01)


def test_another_axis_does_not_inherit_what_was_measured_of_the_old_one(tmp_path: Path, hub: Devices) -> None:
    with VirtualPad.wheel(axes=5) as wheel:
        hub.poll()
        key = next(iter(hub.present.values())).key
        (tmp_path / "pads.toml").write_text(f'[devices."{key}".gas]\nsource = "axis1"\nlow = 0.9\nhigh = -0.4\ncurve = 2.0\n')
        pads.main(["--home", str(tmp_path), "--set", "gas.source=axis4"])
        (table,) = load(Home(tmp_path)).devices.values()
        assert table["gas"] == {"source": "axis4", "curve": 2.0}
        pad = SdlPad(tables={key: table}, hub=hub)
        wheel.raw_axis(4, -1.0)
        assert pad.read().gas == 0.0


def test_calibrating_a_wheel_whose_pedals_have_not_spoken_yet(
    tmp_path: Path, hub: Devices, monkeypatch: pytest.MonkeyPatch
) -> None:
    with VirtualPad.wheel() as wheel:
        hub.poll()
        moves = iter([(-1.0, 0.9, -0.9), (1.0, -0.9, -0.9), (0.0, 0.9, 0.9), (0.0, 0.9, -0.9)])
        waits: list[float] = []
        now = [0.0]
        sleep = time.sleep

        def wait(seconds: float) -> None:  # the player moves between the command's looks
            waits.append(seconds)
            now[0] += seconds
            if seconds < 0.01 and len(waits) % 4 == 0:
                for axis, value in enumerate(next(moves, (0.0, 0.9, -0.9))):
                    wheel.raw_axis(axis, value)
            sleep(0.001)

        own_time(monkeypatch, pads, measure, sleep=wait, perf_counter=lambda: now[0])
        pads.main(["--home", str(tmp_path), "--calibrate", "--seconds", "0.5"])
        pad = SdlPad(tables=load(Home(tmp_path)).devices, hub=hub)
        assert pad.read() == PadState()
        assert (pad.map.gas.low, pad.map.brake.low) == pytest.approx((0.9, -0.9), abs=0.01)


def test_a_sleeping_pedal_that_was_only_touched_is_not_calibrated(hub: Devices) -> None:
    with VirtualPad.wheel() as wheel:
        pad = SdlPad(hub=hub)
        calibration, now = measure.Calibration(pad, 1.0), 0.0
        moves = iter([(-1.0, 0.9, 0.9), (1.0, -1.0, 1.0), (0.0, 1.0, 1.0)])
        while calibration.phase != "done":
            if calibration.phase == "move" and (move := next(moves, None)) is not None:
                for axis, value in enumerate(move):
                    wheel.raw_axis(axis, value)
            calibration.look(now)
            now += 0.05
        with pytest.raises(InputFileError, match="brake"):
            calibration.result()


def test_rests_survive_their_table() -> None:
    mapping = from_table({"rests": {"axis5": -1}}, JOYSTICK)
    assert from_table(to_table(mapping), JOYSTICK) == mapping
    assert "rests" not in to_table(JOYSTICK)
