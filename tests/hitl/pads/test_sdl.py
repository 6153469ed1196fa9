"""Pads through SDL, on SDL's own virtual joysticks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pygame
import pytest

from data.errors import DeviceError
from data.records import AGENT, HUMAN
from hitl.arbiter import GatingSettings, Inputs, State, step
from hitl.pads.base import MISSING, Pad, PadState, braking_action, neutral_action, to_action
from hitl.pads.devices import Devices, devices
from hitl.pads.sdl import SdlPad, pick_by_press
from tests.support.places import ROOT
from tests.support.virtual_pad import VirtualPad


@pytest.fixture
def hub() -> Iterator[Devices]:
    with VirtualPad("Warm-up"):  # starts SDL
        pass
    shared = devices()
    shared.poll()
    assert not shared.present
    yield shared
    shared.guards.clear()


def test_reads_sticks_triggers_and_buttons(hub: Devices) -> None:
    with VirtualPad() as device:
        pad = SdlPad(hub=hub)
        assert isinstance(pad, Pad)
        assert pad.read() == PadState()
        device.axis("steer", -1.0)
        device.axis("gas", 1.0)
        device.axis("brake", 0.5)
        device.press("rightshoulder")
        device.press("y")
        state = pad.read()
        assert state.connected
        assert state.steer == pytest.approx(-1.0, abs=0.01)
        assert state.gas == pytest.approx(1.0, abs=0.01)
        assert state.brake == pytest.approx((0.5 - 0.05) / 0.95, abs=0.01)
        assert state.buttons == {"takeover", "star"}
        device.release("rightshoulder")
        assert pad.read().buttons == {"star"}


def test_reads_the_other_stick_and_the_cross(hub: Devices) -> None:
    with VirtualPad() as device:
        pad = SdlPad(hub=hub)
        assert pad.read().more == ()
        for axis, value in (("rightx", 1.0), ("righty", 1.0), ("lefty", -1.0)):
            device.axis(axis, value)
        device.press("dpright")
        assert dict(pad.read().more) == pytest.approx({"right_x": 1.0, "right_y": -1.0, "stick_y": 1.0, "cross_x": 1.0}, abs=0.01)


def test_dead_zone_and_curve_are_applied(hub: Devices) -> None:
    with VirtualPad() as device:
        pad = SdlPad(hub=hub)
        device.axis("steer", 0.05)
        assert pad.read().steer == 0.0
        device.axis("steer", 0.5)
        assert 0.0 < pad.read().steer < 0.5


def test_unplugged_is_missing_not_neutral_and_comes_back(hub: Devices) -> None:
    with VirtualPad() as device:
        pad = SdlPad(hub=hub)
        device.axis("gas", 1.0)
        assert pad.read().gas > 0.9
        device.unplug()
        assert pad.read() == MISSING
        assert pad.read() == MISSING
        device.plug()
        assert pad.read() == PadState()
        device.axis("gas", 1.0)
        assert pad.read().gas > 0.9


def test_unplugging_is_noticed_when_others_eat_the_events(hub: Devices) -> None:
    with VirtualPad() as device, VirtualPad.wheel() as wheel:
        pad, other = SdlPad("xbox", hub=hub), SdlPad("wheel", hub=hub)
        assert pad.read().connected
        assert other.read().connected
        device.unplug()
        wheel.unplug()
        pygame.event.clear()
        assert not pad.read().connected
        assert not other.read().connected


def test_a_pad_that_left_and_another_that_came_in_one_tick(hub: Devices) -> None:
    with VirtualPad("Pad A") as first, VirtualPad("Pad B") as second:
        second.unplug()
        pad = SdlPad(hub=hub)
        assert pad.name == "Pad A"
        first.unplug()
        second.plug()
        second.axis("gas", 1.0)
        assert pad.read() == MISSING  # another model is not taken for the one that was bound


def test_a_pad_may_come_later(hub: Devices) -> None:
    pad = SdlPad(hub=hub)
    assert pad.read() == MISSING
    with VirtualPad():
        assert pad.read() == PadState()


def test_choosing_by_name_and_first_of_several(hub: Devices) -> None:
    with VirtualPad.wheel("Some Wheel"), VirtualPad("Red Pad"), VirtualPad("Blue Pad") as blue:
        assert SdlPad(hub=hub).name == "Red Pad"
        named = SdlPad("blue", hub=hub)
        blue.axis("gas", 1.0)
        assert named.read().gas > 0.9
        assert SdlPad("WHEEL", hub=hub).name == "Some Wheel"
        assert SdlPad("green", hub=hub).read() == MISSING


def test_choosing_by_pressing_a_button(hub: Devices) -> None:
    with VirtualPad("Red Pad") as red, VirtualPad("Blue Pad") as blue:
        red.press("a")  # already down: not a choice
        hub.poll()
        looks = []

        def tick() -> None:
            looks.append(1)
            if len(looks) == 3:
                blue.press("b")

        chosen = pick_by_press(hub, 5.0, tick=tick)
        assert chosen is not None
        assert chosen.name == "Blue Pad"
        assert pick_by_press(hub, 0.03) is None


def test_two_pads_of_one_model_stay_apart(hub: Devices) -> None:
    with VirtualPad() as one, VirtualPad() as two:
        hub.poll()
        by_id = hub.present
        first, second = SdlPad(device=by_id[one.instance], hub=hub), SdlPad(device=by_id[two.instance], hub=hub)
        two.axis("gas", 1.0)
        assert first.read().gas == 0.0
        assert second.read().gas > 0.9


def test_a_wheel_is_a_plain_joystick(hub: Devices) -> None:
    with VirtualPad.wheel() as wheel:
        wheel.raw_axis(1, 1.0)  # both pedals rest at +1, as many do
        wheel.raw_axis(2, 1.0)
        pygame.event.pump()
        pad = SdlPad(hub=hub)
        assert pad.read() == PadState()
        wheel.raw_axis(0, 0.5)
        wheel.raw_axis(1, -1.0)
        wheel.raw_button(0, True)
        state = pad.read()
        assert state.gas == pytest.approx(1.0, abs=0.01)
        assert state.brake == 0.0
        assert state.steer == pytest.approx(0.49, abs=0.01)
        assert state.buttons == {"takeover"}


def test_a_pedal_that_has_not_spoken_yet_is_released(hub: Devices) -> None:
    with VirtualPad.wheel() as wheel:  # a wheel whose pedals read 0, the middle, until they first move
        pad = SdlPad(hub=hub)
        assert pad.read() == PadState()
        wheel.raw_axis(1, -0.5)
        assert pad.read().gas == pytest.approx((0.25 - 0.05) / 0.95, abs=0.01)
        wheel.raw_axis(1, 0.0)
        assert pad.read().gas > 0.4  # it has spoken: now the middle is the middle


def test_stored_mappings_are_used(hub: Devices) -> None:
    with VirtualPad.wheel() as wheel:
        hub.poll()
        key = next(iter(hub.present.values())).key
        # one axis for both pedals, steering the other way round, takeover on another button
        table = {
            "steer": {"low": 1.0, "high": -1.0, "dead_zone": 0.0},
            "gas": {"source": "axis2", "low": 0.0, "high": 1.0},
            "brake": {"source": "axis2", "low": 0.0, "high": -1.0},
            "buttons": {"takeover": ["button5"], "pause": []},
        }
        pad = SdlPad(hub=hub, tables={key: table})
        wheel.raw_axis(0, 0.5)
        wheel.raw_axis(2, -1.0)
        wheel.raw_button(5, True)
        wheel.raw_button(1, True)
        state = pad.read()
        assert state.steer == pytest.approx(-0.5, abs=0.01)
        assert (state.gas, state.brake) == (0.0, pytest.approx(1.0, abs=0.01))
        assert state.buttons == {"takeover"}
        wheel.raw_axis(2, 1.0)
        assert pad.read().gas == pytest.approx(1.0, abs=0.01)


def test_a_mapping_to_a_control_that_is_not_there_is_a_sentence(hub: Devices) -> None:
    with VirtualPad.wheel():
        hub.poll()
        device = next(iter(hub.present.values()))
        with pytest.raises(DeviceError, match="axis9"):
            SdlPad(device=device, hub=hub, tables={device.key: {"gas": {"source": "axis9"}}})
        pad = SdlPad(hub=hub, tables={device.key: {"gas": {"source": "axis9"}}})
        assert pad.read() == MISSING  # in a session it waits, and says why
        assert "axis9" in pad.problem


def test_rumble_reaches_the_pad_and_a_lost_pad_does_not_mind(hub: Devices) -> None:
    with VirtualPad() as device:
        pad = SdlPad(hub=hub)
        pad.rumble(0.5, 1.0, 0.2)
        assert device.rumbles
        assert device.rumbles[-1] == (32767, 65535)
        device.unplug()
        pad.rumble(1.0, 1.0, 0.2)


def test_a_closed_pad_is_missing(hub: Devices) -> None:
    with VirtualPad():
        pad = SdlPad(hub=hub)
        pad.close()
        assert pad.read() == MISSING


def test_what_nobody_polls_is_not_connected(hub: Devices, monkeypatch: pytest.MonkeyPatch) -> None:
    with VirtualPad() as device:
        pad = SdlPad(hub=hub)
        device.axis("gas", 1.0)
        assert pad.read().gas > 0.9
        seen: list[PadState] = []

        def elsewhere() -> None:
            seen.append(pad.read())  # fresh enough: the main thread has just polled
            hub._polled -= 10.0
            seen.append(pad.read())  # nobody has polled for ten seconds

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        assert seen[0].gas > 0.9
        assert seen[1] == MISSING


def test_the_queue_keeps_other_events_and_no_axis_motion(hub: Devices) -> None:
    with VirtualPad() as device:
        pad = SdlPad(hub=hub)
        pygame.event.clear()
        pygame.event.post(pygame.event.Event(pygame.USEREVENT))
        for k in range(50):
            device.axis("steer", k / 50)
            pad.read()
        types = [event.type for event in pygame.event.get()]
        assert pygame.USEREVENT in types
        assert pygame.JOYAXISMOTION not in types


def test_a_reading_costs_little(hub: Devices) -> None:
    with VirtualPad():
        pad = SdlPad(hub=hub)
        costs = []
        for _ in range(500):
            began = time.perf_counter()
            pad.read()
            costs.append(time.perf_counter() - began)
        assert sorted(costs)[250] < 1e-4


def test_a_thousand_presses_act_on_the_next_tick(hub: Devices) -> None:
    """From the pad's event to the executed action, through pad, mapping and arbiter."""
    names = ("gas_brake", "steer")
    with VirtualPad() as device:
        pad = SdlPad(hub=hub)
        settings, state, tick = GatingSettings(minimum_s=0.0), State(), 0

        def look() -> int:
            nonlocal state, tick
            seen = pad.read()
            action = to_action(seen, names)
            still = neutral_action(names)
            inputs = Inputs(tick * 0.05, still, action, still, braking_action(names), seen)
            state, decision = step(state, inputs, settings)
            tick += 1
            return decision.driver

        look()
        for _ in range(1000):
            device.press("rightshoulder")
            assert look() == HUMAN
            device.release("rightshoulder")
            assert [look() for _ in range(3)][-1] == AGENT


@pytest.mark.realtime
@pytest.mark.parametrize(("setting", "heard"), [(None, True), ("0", False)])
def test_a_pad_is_heard_while_another_window_has_the_focus(setting: str | None, heard: bool) -> None:
    """A program of its own, whose window has lost the focus; with SDL's own default (0) it would hear nothing."""
    program = """
import pygame, hitl.pads
pygame.display.init()
window = pygame.Window("ours", (80, 60))
from tests.support.virtual_pad import VirtualPad
from hitl.pads.sdl import SdlPad
with VirtualPad() as device:
    pad = SdlPad()
    window.hide()
    assert not window.focused
    device.press("rightshoulder")
    device.axis("gas", 1.0)
    state = pad.read()
    print(sorted(state.buttons), state.gas)
"""
    environment = {k: v for k, v in os.environ.items() if k != "SDL_JOYSTICK_ALLOW_BACKGROUND_EVENTS"}
    environment["SDL_VIDEODRIVER"] = "dummy"
    if setting is not None:
        environment["SDL_JOYSTICK_ALLOW_BACKGROUND_EVENTS"] = setting
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.splitlines()[-1] == ("['takeover'] 1.0" if heard else "[] 0.0")


@pytest.mark.skipif(os.name == "nt", reason="Windows ends a process without asking it")
def test_a_process_that_reads_pads_can_be_asked_to_end() -> None:
    reads = "from hitl.pads.devices import devices; import time; devices(); print(1, flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", reads], cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip().endswith(b"1")
        process.terminate()
        assert process.wait(30) == -signal.SIGTERM
