"""Pads through the ``inputs`` package, fed from a pipe as the kernel would feed a device."""

from __future__ import annotations

import contextlib
import errno
import os
import struct
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

if sys.platform == "win32":
    pytest.skip("named pipes in the file system", allow_module_level=True)

inputs = pytest.importorskip("inputs")

from data.errors import DeviceError  # noqa: E402
from hitl.pads import inputs_pad  # noqa: E402
from hitl.pads.base import MISSING, Pad, PadState  # noqa: E402
from hitl.pads.inputs_pad import InputsPad  # noqa: E402
from hitl.pads.own_pad import own_pads  # noqa: E402

KEY, ABS = 1, 3
SOUTH, TR, START = 0x130, 0x137, 0x13B
X, Y, Z, RZ, HAT0X = 0, 1, 2, 5, 0x10


class FedPad(inputs.GamePad):  # type: ignore[misc,name-defined]
    """The package's gamepad on a pipe."""

    def _set_name(self) -> None:
        self.name = "Fed Pad"

    def _get_data(self, read_size: int) -> bytes:
        """Read from the pipe; its end is what the kernel says of a device that is gone."""
        data: bytes = super()._get_data(read_size)
        if not data:
            self._character_file.close()
            raise OSError(errno.ENODEV, "no such device")
        return data


class Feed:
    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path)
        by_id = "/dev/input/by-id/usb-Fed_Pad-event-joystick"
        manager = inputs.DeviceManager()
        self.pad = InputsPad(find=lambda: FedPad(manager, by_id, char_path_override=str(path)))
        self.pipe: Any = None
        self._reader = -1

    def plug(self) -> None:
        # The pad opens the file once for its ranges and once more to read. A pipe breaks in between, a device does not:
        # so a reader of our own, which never reads, keeps it whole.
        self._reader = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)
        self.pipe = open(self.path, "wb", buffering=0)  # noqa: SIM115 - stays open as long as the pad is plugged in

    def unplug(self) -> None:
        self.pipe.close()
        os.close(self._reader)

    def close(self) -> None:
        """Close the pad, and wake its thread where that waits for the pipe to be opened."""
        self.pad.close()
        if self.pipe is not None and not self.pipe.closed:
            self.unplug()
        while self.pad._thread.is_alive():
            with contextlib.suppress(OSError):  # nobody waits: the thread is on its way out
                os.close(os.open(self.path, os.O_WRONLY | os.O_NONBLOCK))
            self.pad._thread.join(0.01)

    def send(self, *events: tuple[int, int, int], sync: bool = True) -> None:
        for kind, code, value in (*events, *([(0, 0, 0)] if sync else [])):
            self.pipe.write(struct.pack("llHHi", 0, 0, kind, code, value))

    def sees(self, condition: Callable[[PadState], bool]) -> bool:
        end = time.monotonic() + 5.0
        while not condition(self.pad.read()):
            if time.monotonic() > end:
                return False
            time.sleep(0.002)
        return True


@pytest.fixture
def feed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Feed]:
    monkeypatch.setattr(inputs_pad, "AGAIN_S", 0.01)
    feed = Feed(tmp_path / "pad")
    yield feed
    feed.close()


def test_before_anything_is_plugged_in_it_is_missing(feed: Feed) -> None:
    assert isinstance(feed.pad, Pad)
    assert feed.pad.read() == MISSING
    assert feed.pad.name == "Fed Pad"


def test_sticks_triggers_and_buttons(feed: Feed) -> None:
    feed.plug()
    feed.send((ABS, X, -32768), (ABS, RZ, 255), (ABS, Z, 0), (KEY, TR, 1))
    assert feed.sees(lambda s: s.buttons == {"takeover"})
    state = feed.pad.read()
    assert state.connected
    assert state.steer == pytest.approx(-1.0)
    assert state.gas == pytest.approx(1.0)
    assert state.brake == 0.0
    feed.send((ABS, X, 0), (KEY, TR, 0), (KEY, START, 1), (ABS, Z, 255))
    assert feed.sees(lambda s: s.buttons == {"pause"} and s.brake == pytest.approx(1.0) and s.steer == 0.0)


def test_half_a_report_is_not_shown(feed: Feed) -> None:
    feed.plug()
    feed.send((KEY, START, 0))
    assert feed.sees(lambda s: s.connected)
    feed.send((ABS, RZ, 255), sync=False)
    feed.send((ABS, X, 32767), sync=False)
    time.sleep(0.05)
    assert feed.pad.read() == PadState()
    feed.send()
    assert feed.sees(lambda s: s.gas > 0.9 and s.steer > 0.9)


def test_unplugged_is_missing_and_it_may_come_back(feed: Feed) -> None:
    feed.plug()
    feed.send((ABS, RZ, 255), (KEY, SOUTH, 1))
    assert feed.sees(lambda s: s.gas > 0.9)
    feed.unplug()
    assert feed.sees(lambda s: s == MISSING)
    feed.plug()
    feed.send((KEY, START, 1))
    assert feed.sees(lambda s: s.buttons == {"pause"})
    assert feed.pad.read().gas == 0.0  # the old pressure does not come back with it


def test_a_trigger_in_the_middle_of_its_travel_has_not_spoken_yet(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    silent = {"triggerright": 128 / 255, "triggerleft": 127 / 255}  # as the kernel says it before the first report
    monkeypatch.setattr(InputsPad, "_look", lambda self, path: silent)
    feed.plug()
    feed.send((KEY, START, 1))
    assert feed.sees(lambda s: s.buttons == {"pause"})
    assert feed.pad.read() == PadState(buttons=frozenset({"pause"}))
    feed.send((ABS, RZ, 255))
    assert feed.sees(lambda s: s.gas == 1.0 and s.brake == 0.0)
    feed.send((ABS, RZ, 128))
    assert feed.sees(lambda s: 0.4 < s.gas < 0.6)


class Named:
    def __init__(self, name: str, path: str) -> None:
        self.name, self._device_path = name, f"/dev/input/by-id/{path}"

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f'inputs.GamePad("{self._device_path}")'


def test_a_whole_name_goes_before_a_part_of_one_and_twins_are_told_by_their_file(monkeypatch: pytest.MonkeyPatch) -> None:
    there = [Named("DualSense Wireless Controller", "a"), Named("Wireless Controller", "usb-B-S1"), Named("Pad", "usb-P-77")]
    monkeypatch.setattr(inputs.devices, "gamepads", [*there, Named("Pad", "usb-P-78")])
    assert inputs_pad._choose("wireless controller") is there[1]
    assert inputs_pad._choose("dualsense") is there[0]
    assert inputs_pad._choose("") is there[0]
    assert inputs_pad._choose("P-78")._device_path.endswith("78")


def test_reading_never_waits(feed: Feed) -> None:
    began = time.perf_counter()
    for _ in range(1000):
        feed.pad.read()
    assert time.perf_counter() - began < 0.1


def test_without_a_gamepad_it_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs.devices, "gamepads", [])
    with pytest.raises(DeviceError, match="sees no gamepad"):
        InputsPad()
    with pytest.raises(DeviceError, match="'red'"):
        InputsPad("red")


def test_without_the_package_it_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "inputs", None)
    with pytest.raises(DeviceError, match="pip install"):
        InputsPad()


def test_it_is_opened_before_our_own_pad_or_not_at_all() -> None:
    class Own:
        pass

    own = Own()
    own_pads.add(own)
    with pytest.raises(DeviceError, match="opened first"):
        InputsPad()
    own_pads.discard(own)
