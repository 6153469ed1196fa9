"""`hitl pads` on virtual pads."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from data.errors import DeviceError, InputFileError, UsageError
from hitl.commands import pads
from hitl.home import Home
from hitl.pads.calibration import measure
from hitl.pads.devices import devices
from hitl.pads.mapping import JOYSTICK, calibrated
from hitl.settings import PadChoice, load
from tests.support.clocks import own_time
from tests.support.in_use import in_use
from tests.support.virtual_pad import VirtualPad


@pytest.fixture(autouse=True)
def no_pads() -> None:
    with VirtualPad("Warm-up"):
        pass
    devices().guards.clear()
    devices().poll()


def run(home: Path, capsys: pytest.CaptureFixture[str], *args: str) -> str:
    assert pads.main(["--home", str(home), *args]) == 0
    return capsys.readouterr().out


def test_one_snapshot_shows_what_the_pad_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with VirtualPad("Red Pad") as device, VirtualPad.wheel("Some Wheel"):
        device.axis("steer", -1.0)
        device.press("a")
        out = run(tmp_path, capsys, "--once")
        assert "Red Pad" in out
        assert "Some Wheel" in out
        assert "connected" in out
        assert "-1.00" in out
        assert "takeover" in out
        assert "leftx, dead zone 0.08, curve 1.3" in out  # beside the value that it makes
        told = json.loads(run(tmp_path, capsys, "--json", "--name", "wheel"))
        assert told["pad"] == "Some Wheel"
        assert told["connected"]
        assert [d["in_use"] for d in told["devices"]] == [False, True]


def test_without_a_pad_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "missing" in run(tmp_path, capsys, "--pad", "sdl", "--once")
    assert not json.loads(run(tmp_path, capsys, "--pad", "sdl", "--json"))["connected"]
    assert "keyboard" in run(tmp_path, capsys, "--once")


def test_live_values_end_in_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with VirtualPad("Red Pad"):
        assert "Red Pad" in run(tmp_path, capsys, "--seconds", "0.2")
        assert pads.main(["--home", str(tmp_path)]) == 0, "in a pipe it ends by itself"
        told = capsys.readouterr()
        assert "Red Pad" in told.out
        assert "One reading" in told.err


def test_choosing_by_a_press_is_remembered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with VirtualPad("Red Pad"), VirtualPad("Blue Pad") as blue:
        over = threading.Event()

        def press_again_and_again() -> None:
            while not over.wait(0.05):
                blue.press("b")
                over.wait(0.05)
                blue.release("b")

        thread = threading.Thread(target=press_again_and_again)
        thread.start()
        try:
            out = run(tmp_path, capsys, "--choose", "--seconds", "20")
        finally:
            over.set()
            thread.join()
        assert "Blue Pad is the pad" in out
        assert load(Home(tmp_path)).pad == PadChoice("sdl", "Blue Pad")
        assert json.loads(run(tmp_path, capsys, "--json"))["pad"] == "Blue Pad"
        with pytest.raises(DeviceError, match="No button"):
            pads.main(["--home", str(tmp_path), "--choose", "--seconds", "0.1"])


def test_settings_of_a_pad_are_stored_and_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with VirtualPad("Red Pad") as device:
        run(tmp_path, capsys, "--set", "steer.dead_zone=0.5", "--set", "takeover=x,dpup", "--set", "gas.source=lefty")
        device.axis("steer", 0.4)
        device.press("dpup")
        told = json.loads(run(tmp_path, capsys, "--json"))
        assert told["steer"] == 0.0
        assert told["buttons"] == ["takeover"]
        run(tmp_path, capsys, "--reset")
        told = json.loads(run(tmp_path, capsys, "--json"))
        assert told["steer"] > 0.0
        assert told["buttons"] == ["keep"]  # what it means unless told otherwise


@pytest.mark.parametrize(
    ("wish", "error", "words"),
    [
        ("steer.dead_zone", UsageError, "no value"),
        ("steer.dead_zone=much", InputFileError, "steer"),
        ("wings=3", InputFileError, "wings"),
        ("gas.source=axis77", DeviceError, "axis77"),
    ],
)
def test_a_setting_that_cannot_be_is_a_sentence(
    tmp_path: Path, wish: str, error: type[Exception], words: str
) -> None:
    with VirtualPad("Red Pad"):
        with pytest.raises(error, match=words):
            pads.main(["--home", str(tmp_path), "--set", wish])
        assert load(Home(tmp_path)).devices == {}


def test_calibrating_a_wheel(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with VirtualPad.wheel() as wheel:

        def at(*values: float) -> None:
            for axis, value in enumerate(values):
                wheel.raw_axis(axis, value)

        rest = (0.1, 0.8, -0.7)  # off centre, one pedal the other way round, short travel
        moves = iter([(-0.6, 0.8, -0.7), (0.8, -0.5, -0.7), (0.1, 0.8, 0.9), rest])
        waits, now = [], [0.0]

        def wait(seconds: float) -> None:  # the player moves between the command's looks
            waits.append(seconds)
            now[0] += seconds
            if seconds < 0.01 and len(waits) % 4 == 0:
                at(*next(moves, rest))
            sleep(0.001)

        sleep = time.sleep
        own_time(monkeypatch, pads, measure, sleep=wait, perf_counter=lambda: now[0])
        at(*rest)
        devices().poll()
        run(tmp_path, capsys, "--calibrate", "--seconds", "0.5")
        assert next(moves, None) is None
        assert json.loads(run(tmp_path, capsys, "--json"))["steer"] == 0.0
        at(0.8, -0.5, 0.9)
        told = json.loads(run(tmp_path, capsys, "--json"))
        assert (told["steer"], told["gas"], told["brake"]) == pytest.approx((1.0, 1.0, 1.0), abs=0.02)
        at(-0.6, 0.8, -0.7)
        told = json.loads(run(tmp_path, capsys, "--json"))
        assert (told["steer"], told["gas"], told["brake"]) == pytest.approx((-1.0, 0.0, 0.0), abs=0.02)


@pytest.mark.parametrize("asked", [True, False])
def test_what_was_measured_is_not_lost_where_the_file_is_in_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, asked: bool
) -> None:
    program = in_use(tmp_path / "pads.toml.new")

    def enter() -> str:  # the player closes the program first
        program.__exit__(None, None, None)
        return "\n"

    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: asked, readline=enter))
    words = "--set", "gas.curve=1.5"
    with VirtualPad("Red Pad"):
        program.__enter__()
        if asked:
            out = run(tmp_path, capsys, *words)
            assert "pads.toml cannot be written (another program has it open): close that program" in out
            assert "curve = 1.5" in (tmp_path / "pads.toml").read_text()
            return
        with pytest.raises(InputFileError, match="close that program"):
            pads.main(["--home", str(tmp_path), *words])
        program.__exit__(None, None, None)
        assert "curve = 1.5" in capsys.readouterr().out
        assert not (tmp_path / "pads.toml").exists()


def test_a_calibration_without_movement_is_refused() -> None:
    rest = {"axis0": 0.0, "axis1": -1.0, "axis2": -1.0}
    seen = {"axis0": (-1.0, 1.0), "axis1": (-1.0, 1.0), "axis2": (-1.0, -0.95)}
    with pytest.raises(InputFileError, match="brake"):
        calibrated(JOYSTICK, rest, seen)


def test_a_keyboard_has_nothing_to_set(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="keyboard"):
        pads.main(["--home", str(tmp_path), "--pad", "keyboard", "--calibrate"])


def test_the_command_is_in_the_table_and_its_help_is_light() -> None:
    program = (
        "import sys\nfrom hitl import cli\n"
        "try: cli.main(['pads', '--help'])\nexcept SystemExit: pass\nprint('pygame' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split()[-1] == "False"
