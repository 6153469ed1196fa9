"""Which of the devices that are plugged in is the player's pad, and what is said where none of them is."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from data.errors import DeviceError, UsageError
from hitl import doctor
from hitl.commands import pads
from hitl.home import Home
from hitl.pads.base import PadState
from hitl.pads.devices import Devices, devices
from hitl.pads.keyboard import KeyboardPad
from hitl.pads.open import open_pad
from hitl.pads.sdl import SdlPad
from hitl.pads.wheels.known import FANATEC, LOGITECH, MOZA
from hitl.settings import PadChoice, Settings, load
from tests.support.virtual_pad import VirtualPad

G29, DRIVING_FORCE_GT = (LOGITECH, 0xC24F), (LOGITECH, 0xC29A)


@pytest.fixture(autouse=True)
def hub() -> Iterator[Devices]:
    with VirtualPad("Warm-up"):
        pass
    shared = devices()
    shared.guards.clear()
    shared.poll()
    yield shared
    shared.guards.clear()


def run(home: Path, capsys: pytest.CaptureFixture[str], *args: str) -> str:
    assert pads.main(["--home", str(home), *args]) == 0
    return " ".join(capsys.readouterr().out.split())


def test_a_wheel_with_both_pedals_on_one_axis_is_a_pad(tmp_path: Path, capsys: pytest.CaptureFixture[str], hub: Devices) -> None:
    with VirtualPad.wheel("Driving Force GT", axes=2, buttons=12, model=DRIVING_FORCE_GT) as wheel:
        assert json.loads(run(tmp_path, capsys, "--json"))["pad"] == "Driving Force GT"
        assert "Stored for Driving Force GT" in run(tmp_path, capsys, "--set", "steer.dead_zone=0.1")
        wheel.raw_axis(1, -1.0)
        assert SdlPad(hub=hub).read().gas == pytest.approx(1.0, abs=0.01)


def test_wheels_go_before_other_joysticks_and_controllers_before_wheels(hub: Devices) -> None:
    with VirtualPad.wheel("Flight Stick", axes=4), VirtualPad.wheel("G29", axes=4, buttons=25, model=G29):
        assert SdlPad(hub=hub).name == "G29"
        with VirtualPad("Red Pad"):
            assert SdlPad(hub=hub).name == "Red Pad"


@pytest.mark.parametrize(
    ("name", "axes", "buttons", "model"),
    [
        ("Fanatec ClubSport Pedals V3", 3, 0, (FANATEC, 0x183B)),
        ("MOZA SRP Pedals", 4, 4, (MOZA, 0x0003)),
        ("Accelerometer", 3, 0, (0, 0)),
        ("Arcade Stick", 2, 12, (0x0E8F, 0x3013)),
    ],
)
def test_what_is_no_wheel_never_beats_one(hub: Devices, name: str, axes: int, buttons: int, model: tuple[int, int]) -> None:
    with VirtualPad.wheel(name, axes, buttons, model), VirtualPad.wheel("MOZA R5 Base", 4, 30, (MOZA, 0x0004)) as wheel:
        assert SdlPad(hub=hub).name == "MOZA R5 Base"
        wheel.unplug()
        assert SdlPad(hub=hub).device is None


def test_a_joystick_without_an_axis_for_a_pedal_does_not_press_it(hub: Devices) -> None:
    with VirtualPad.wheel("Arcade Stick", axes=2):
        assert SdlPad("Arcade", hub=hub).read() == PadState()


def test_a_device_that_was_measured_is_used_from_then_on(tmp_path: Path, hub: Devices) -> None:
    with VirtualPad.wheel("Arcade Stick", axes=2):
        assert SdlPad(hub=hub).device is None
        hub.poll()
        key = next(iter(hub.present.values())).key
        assert SdlPad(hub=hub, tables={key: {"steer": {"low": -1.0}}}).name == "Arcade Stick"


def test_a_name_that_nothing_has_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert SdlPad("G-29").problem == "", "it may be plugged in later"
    said = "No pad whose name holds 'G-29' is plugged in. Plugged in: G29. Did you mean 'G29'?"
    with VirtualPad.wheel("G29", axes=4, buttons=25, model=G29):
        out = run(tmp_path, capsys, "--name", "G-29", "--once")
        assert "keyboard" in out
        assert said in out
        assert "G29 (joystick" in out
        pad = open_pad(Settings(), "auto", "G-29")
        assert isinstance(pad, KeyboardPad)
        assert pad.problem == said
        for wish in ("--find", "--calibrate", "--reset", "--set=gas.curve=2"):
            with pytest.raises(DeviceError, match="G-29"):
                pads.main(["--home", str(tmp_path), "--name", "G-29", wish])


@pytest.mark.parametrize("table", ['source = "axis9"', 'low = "abc"'])
def test_settings_that_keep_a_pad_away_are_said_and_can_be_mended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], hub: Devices, table: str
) -> None:
    with VirtualPad.wheel("G29", axes=4, buttons=25, model=G29):
        hub.poll()
        key = next(iter(hub.present.values())).key
        (tmp_path / "pads.toml").write_text(f'[devices."{key}".gas]\n{table}\n')
        out = run(tmp_path, capsys, "--once")
        assert "keyboard" in out
        assert ("'axis9'. It has axis0 to axis3, button0 to button24." if "axis9" in table else "low") in out
        state, found, *_ = doctor._pads(Home(tmp_path))
        assert state == doctor.NOTE
        assert ("axis9" if "axis9" in table else "low") in found
        if "axis9" in table:
            run(tmp_path, capsys, "--set", "gas.source=axis2")
        else:
            assert "Forgotten" in run(tmp_path, capsys, "--reset")
        assert json.loads(run(tmp_path, capsys, "--json"))["pad"] == "G29"
        assert doctor._pads(Home(tmp_path))[0] == doctor.OK


def test_without_anything_to_use_it_says_what_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with VirtualPad.wheel("Arcade Stick", axes=2):
        assert "None of these is used by itself" in run(tmp_path, capsys, "--once")
        for wish in ("--find", "--set=steer.dead_zone=0.1"):
            with pytest.raises(DeviceError, match=r"Arcade Stick\), so none is used by itself"):
                pads.main(["--home", str(tmp_path), wish])


def test_a_name_without_a_kind_is_of_the_pad_that_a_session_opens() -> None:
    with VirtualPad("Red Pad"), VirtualPad("Blue Pad"):
        assert open_pad(Settings(pad=PadChoice("auto", "Blue")), "sdl").name == "Blue Pad"


def test_a_reset_leaves_nothing_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with VirtualPad("Red Pad"):
        run(tmp_path, capsys, "--set", "gas.curve=2")
        out = run(tmp_path, capsys, "--reset")
        assert "Forgotten" in out
        assert "Stored" not in out
        assert "devices" not in (tmp_path / "pads.toml").read_text()


@pytest.mark.parametrize(
    ("wish", "said"), [("gas.low=2", "from -1 to 1"), ("gas.source=axis0", "steer and gas would both be axis0")]
)
def test_what_cannot_drive_is_not_stored(tmp_path: Path, wish: str, said: str) -> None:
    with VirtualPad.wheel("G29", axes=4, buttons=25, model=G29):
        with pytest.raises(UsageError, match=said):
            pads.main(["--home", str(tmp_path), "--set", wish])
        with pytest.raises(UsageError) as raised:
            pads.main(["--home", str(tmp_path), "--name", "G29", "--set", wish])
        assert ("`" not in str(raised.value)) or "--name G29`" in str(raised.value)
        assert load(Home(tmp_path)).devices == {}


def test_a_pedal_on_the_axis_that_steers_leaves_the_wheel_straight(hub: Devices) -> None:
    with VirtualPad.wheel("G29", axes=4, buttons=25, model=G29):
        hub.poll()
        key = next(iter(hub.present.values())).key
        assert SdlPad(hub=hub, tables={key: {"gas": {"source": "axis0"}}}).read() == PadState()


def test_a_button_that_is_taken_away_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with VirtualPad.wheel("G29", axes=4, buttons=25, model=G29):
        assert "button9 was pause, and is quit now; pause is on no button" in run(tmp_path, capsys, "--set", "quit=button9")
        assert "button4 was takeover, and is rewind now; takeover is button0." in run(tmp_path, capsys, "--set", "rewind=button4")
        assert "No button of this pad takes over now" in run(tmp_path, capsys, "--set", "takeover=")
        assert run(tmp_path, capsys, "--set", "keep=button10") == "Stored for G29 in pads.toml."


def test_setting_up_another_pad_says_which_one_is_driven_with(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with VirtualPad("Red Pad"), VirtualPad.wheel("G29", axes=4, buttons=25, model=G29):
        out = run(tmp_path, capsys, "--name", "G29", "--set", "gas.curve=2")
        assert "You still drive with Red Pad: `hitl pads --choose --home" in out


def test_names_that_cannot_be_shown_and_equal_names(tmp_path: Path, capsys: pytest.CaptureFixture[str], hub: Devices) -> None:
    with VirtualPad.wheel("", axes=3), VirtualPad.wheel("Two\nlines", axes=3):
        assert "Stored for a pad without a name in pads.toml." in run(tmp_path, capsys, "--set", "gas.curve=2")
        assert pads.main(["--home", str(tmp_path), "--once"]) == 0
        assert "Two lines (joystick" in capsys.readouterr().out
    with VirtualPad("Red Pad"), VirtualPad("Red Pad"):
        assert "Red Pad (number 2, controller" in run(tmp_path, capsys, "--once")


@pytest.mark.skipif(sys.platform != "linux", reason="the axes of this wheel are others elsewhere")
def test_a_quick_first_press_is_no_rest_where_the_rest_is_known(hub: Devices) -> None:
    with VirtualPad.wheel("G29", axes=4, buttons=25, model=G29) as wheel:
        pad = SdlPad(hub=hub)
        assert pad.read() == PadState()
        wheel.raw_axis(2, -1.0)
        assert pad.read().gas == pytest.approx(1.0, abs=0.01)
        wheel.raw_axis(2, 1.0)
        assert pad.read() == PadState()
