"""Racing wheels: which axes and buttons they have by their model, and how those of others are found out."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from data.errors import DeviceError, InputFileError, UsageError
from hitl.commands import pads
from hitl.home import Home
from hitl.pads.base import PadState
from hitl.pads.calibration import measure
from hitl.pads.devices import devices
from hitl.pads.mapping import JOYSTICK
from hitl.pads.sdl import SdlPad
from hitl.pads.wheels import finding
from hitl.pads.wheels.known import FANATEC, LOGITECH, MOZA, THRUSTMASTER, Model, is_wheel, wheel_map
from hitl.settings import load
from tests.support.clocks import own_time
from tests.support.virtual_pad import VirtualPad

G29, G920, T300, R9 = Model(LOGITECH, 0xC24F), Model(LOGITECH, 0xC262), Model(THRUSTMASTER, 0xB66E), Model(MOZA, 0x0002)


@pytest.fixture(autouse=True)
def no_pads() -> None:
    with VirtualPad("Warm-up"):
        pass
    devices().guards.clear()
    devices().poll()


@pytest.mark.parametrize(
    ("model", "axes", "platform", "gas", "brake", "known"),
    [
        (G29, 4, "linux", "axis2", "axis3", True),
        (G29, 4, "win32", "axis1", "axis2", True),
        (G920, 4, "linux", "axis1", "axis2", True),
        (T300, 4, "linux", "axis3", "axis1", True),
        (T300, 4, "win32", "axis2", "axis1", True),
        (T300, 3, "linux", "axis2", "axis1", True),
        (Model(FANATEC, 0x0020), 8, "win32", "axis1", "axis2", True),
        (Model(FANATEC, 0x0020), 8, "linux", "axis1", "axis2", False),
        (R9, 8, "win32", "axis1", "axis2", False),
        (Model(0, 0), 2, "linux", "axis1", "axis1", True),
    ],
)
def test_the_pedals_of_a_model(model: Model, axes: int, platform: str, gas: str, brake: str, known: bool) -> None:
    made, told = wheel_map(model, axes, platform)
    assert (made.steer.source, made.gas.source, made.brake.source, told) == ("axis0", gas, brake, known)
    pressed = [source for sources in made.buttons.values() for source in sources]
    assert len(pressed) == len(set(pressed)), "a button means one thing"


def test_the_model_is_in_the_guid() -> None:
    assert Model.of("030000006d0400004fc2000011010000") == G29
    assert Model.of("0500e1f16d0400004fc2000011010000") == G29, "with a checksum of the name"
    assert Model.of("05000000576972656c65737320436f6e") == Model(0, 0), "a name, and no numbers"
    assert Model.of("nonsense") == Model(0, 0)


@pytest.mark.parametrize(
    ("model", "name", "wheel"),
    [
        (G29, "", True), (R9, "", True), (Model(0, 0), "Some Racing Wheel", True), (Model(0, 0), "SIMUCUBE 2 Pro", True),
        (Model(LOGITECH, 0xC215), "Logitech Extreme 3D", False), (Model(THRUSTMASTER, 0xB10A), "T.16000M", False),
        (Model(0, 0), "Flight Stick", False), (Model(LOGITECH, 0xC29A), "", True), (Model(MOZA, 0x0003), "SRP Pedals", False),
        (Model(0, 0), "Racing Handbrake", False), (Model(0, 0), "Racing Wheel with Pedals", True),
    ],
)  # fmt: skip
def test_what_is_a_wheel(model: Model, name: str, wheel: bool) -> None:
    assert is_wheel(model, name) is wheel


def test_a_known_wheel_drives_as_it_is_plugged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    with VirtualPad.wheel("G29", axes=4, buttons=25, model=(LOGITECH, 0xC24F)) as wheel:
        for axis in (1, 2, 3):
            wheel.raw_axis(axis, 1.0)  # Logitech's pedals rest at the upper end
        pad = SdlPad(hub=devices())
        assert not pad.guessed
        assert pad.read() == PadState()
        wheel.raw_axis(2, -1.0)
        assert pad.read().gas == pytest.approx(1.0, abs=0.01)
        wheel.raw_axis(2, 1.0)
        wheel.raw_axis(3, -1.0)
        wheel.raw_button(4, True)
        state = pad.read()
        assert (state.gas, state.brake) == pytest.approx((0.0, 1.0), abs=0.01)
        assert state.buttons == {"takeover"}
        wheel.raw_button(5, True)
        assert pad.read().buttons == {"takeover", "rewind"}


def test_both_pedals_on_one_axis_are_its_halves() -> None:
    with VirtualPad.wheel("Old Racing Wheel", axes=2) as wheel:
        pad = SdlPad("wheel", hub=devices())
        assert not pad.guessed
        assert pad.read() == PadState()
        wheel.raw_axis(1, -1.0)
        assert (pad.read().gas, pad.read().brake) == pytest.approx((1.0, 0.0), abs=0.01)
        wheel.raw_axis(1, 0.9)
        state = pad.read()
        assert state.gas == 0.0
        assert state.brake > 0.8


REST = {"axis0": 0.0, "axis1": 1.0, "axis2": 0.0, "axis3": -1.0}


def moved(**ends: float) -> dict[str, tuple[float, float]]:
    return {s: (min(at, ends.get(s, at)), max(at, ends.get(s, at))) for s, at in REST.items()}


def test_each_control_is_the_axis_that_moved_when_it_was_asked_for() -> None:
    seen = {"right": moved(axis0=-0.9), "left": moved(axis0=0.95), "gas": moved(axis3=0.8), "brake": moved(axis0=0.1, axis1=-1.0)}
    made = finding.found(JOYSTICK, REST, seen)
    assert (made.map.steer.source, made.map.gas.source, made.map.brake.source) == ("axis0", "axis3", "axis1")
    assert not made.combined
    assert (made.map.steer.stick(-0.9), made.map.steer.stick(0.95)) == pytest.approx((1.0, -1.0), abs=1e-6)
    assert (made.map.gas.pedal(-1.0), made.map.gas.pedal(0.8)) == pytest.approx((0.0, 1.0), abs=1e-6)
    assert (made.map.brake.pedal(1.0), made.map.brake.pedal(-1.0)) == pytest.approx((0.0, 1.0), abs=1e-6)


def test_combined_pedals_are_told() -> None:
    seen = {"right": moved(axis0=1.0), "left": moved(axis0=-1.0), "gas": moved(axis2=-1.0), "brake": moved(axis2=1.0)}
    made = finding.found(JOYSTICK, REST, seen)
    assert made.combined
    assert "cancel each other out" in made.said
    assert (made.map.gas.pedal(-1.0), made.map.brake.pedal(-1.0)) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"left": moved(axis0=0.9)}, "same way twice"),
        ({"brake": moved(axis3=0.8)}, "same pedal was pressed twice"),
        ({"gas": moved(axis0=1.0)}, "Only the wheel moved"),
    ],
)
def test_what_cannot_be_is_asked_again(changed: dict[str, dict[str, tuple[float, float]]], said: str) -> None:
    seen = {"right": moved(axis0=1.0), "left": moved(axis0=-1.0), "gas": moved(axis3=0.8), "brake": moved(axis1=-1.0)}
    with pytest.raises(InputFileError, match=said):
        finding.found(JOYSTICK, REST, seen | changed)
    with pytest.raises(InputFileError, match="Nothing moved"):
        finding.ask(lambda: moved(), REST, lambda text: None)


Plans = dict[str, list[tuple[int, float]]]


def finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wheel: VirtualPad, plans: Plans, *args: str) -> None:
    """Run the command while the player does what is planned for each control that it asks for: axes and where they go."""
    moves: list[tuple[int, float]] = []
    real, sleep, looks, now = finding.ask, time.sleep, [0], [0.0]

    def ask(look, rest, say):  # type: ignore[no-untyped-def]
        asked = iter(plans)

        def hear(text: str) -> None:
            moves[:] = plans[next(asked)]
            say(text)

        return real(look, rest, hear)

    def wait(seconds: float) -> None:  # the player moves between the command's looks
        looks[0] += 1
        now[0] += seconds
        if moves and looks[0] % 5 == 0:
            wheel.raw_axis(*moves.pop(0))
        sleep(0.001)

    with monkeypatch.context() as patched:
        patched.setattr(finding, "ask", ask)
        # As many looks as it takes on an idle machine, however busy this one is.
        own_time(patched, pads, measure, sleep=wait, perf_counter=lambda: now[0])
        assert pads.main(["--home", str(tmp_path), "--find", "--seconds", "0.3", *args]) == 0


def test_the_command_finds_out_and_stores_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pedals read half pressed until they first move, as many drivers have it."""
    with VirtualPad.wheel("Moza R9 Base", axes=6, model=(MOZA, 0x0002)) as wheel:
        devices().poll()

        def run(*args: str) -> str:
            assert pads.main(["--home", str(tmp_path), *args]) == 0
            return capsys.readouterr().out

        assert "`hitl pads --find --home" in " ".join(run("--once").split())
        plans: Plans = {
            "right": [(0, 1.0), (0, 0.0)], "left": [(0, -1.0), (0, 0.0)],
            "gas": [(5, 1.0), (5, -1.0)], "brake": [(2, 0.7), (2, -1.0)],
        }  # fmt: skip
        finds(tmp_path, monkeypatch, wheel, plans)
        out = capsys.readouterr().out
        assert "The wheel is axis0, the gas axis5, the brake axis2." in out
        assert "Straight ahead is" not in out
        assert "guessed" not in run("--once")
        wheel.raw_axis(5, 1.0)
        wheel.raw_axis(2, 0.7)
        told = json.loads(run("--json"))
        assert (told["gas"], told["brake"]) == pytest.approx((1.0, 1.0), abs=0.02)


@pytest.mark.parametrize("stays", [0.0, 1.0])
def test_pedals_that_sleep_at_first_are_seen_from_their_own_rest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, stays: float
) -> None:
    """They rest at +1 and read 0 until they first move; the wheel is not turned to the stop, the brake needs half its way."""
    with VirtualPad.wheel("Moza R9 Base", axes=6, model=(MOZA, 0x0002)) as wheel:
        plans: Plans = {
            "right": [(0, 0.5), (0, 0.9), (0, 0.9 * stays)], "left": [(0, -0.9), (0, -0.9 * stays)],
            "gas": [(1, 0.9), (1, -1.0), (1, 1.0)], "brake": [(2, 0.9), (2, 0.1), (2, 1.0)],
        }  # fmt: skip
        finds(tmp_path, monkeypatch, wheel, plans)
        assert "The wheel is axis0, the gas axis1, the brake axis2." in capsys.readouterr().out
        pad = SdlPad(tables=load(Home(tmp_path)).devices, hub=devices())
        assert (pad.map.gas.low, pad.map.gas.high) == pytest.approx((1.0, -1.0), abs=0.01)
        assert (pad.map.brake.low, pad.map.brake.high) == pytest.approx((1.0, 0.1), abs=0.01)
        assert (pad.map.steer.low, pad.map.steer.centre, pad.map.steer.high) == pytest.approx((-0.9, 0.0, 0.9), abs=0.01)


def test_a_wheel_that_did_not_stand_straight_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with VirtualPad("Red Pad"), VirtualPad.wheel("Moza R9 Base", axes=3, model=(MOZA, 0x0002)) as wheel:
        wheel.raw_axis(0, 0.12)
        plans: Plans = {
            "right": [(0, 1.0), (0, 0.12)], "left": [(0, -1.0), (0, 0.12)],
            "gas": [(1, 1.0), (1, -1.0)], "brake": [(2, 1.0), (2, -1.0)],
        }  # fmt: skip
        finds(tmp_path, monkeypatch, wheel, plans)  # and of a gamepad and a wheel, this is about the wheel
        out = capsys.readouterr().out
        assert "Moza R9 Base: put the wheel straight ahead" in out
        assert "where the wheel stood at the beginning, at +0.12" in out
        assert "You still drive with Red Pad" in out


def test_a_controller_has_nothing_to_find_out(tmp_path: Path) -> None:
    with VirtualPad("Red Pad"), pytest.raises(UsageError, match="no wheel"):
        pads.main(["--home", str(tmp_path), "--find"])
    with pytest.raises(DeviceError, match="plugged in"):
        pads.main(["--home", str(tmp_path), "--find"])
