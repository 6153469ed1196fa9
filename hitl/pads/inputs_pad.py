"""The player's pad through the ``inputs`` package, which keeps delivering without any window or event pump.

Its reads block, so a thread reads and `read` only looks. It does not notice a pad that comes back, so the thread scans for the
same device again. On Windows it sees XInput slots only, and our own virtual pad would be one of them: open this before making
that one.
"""

from __future__ import annotations

import contextlib
import os
import struct
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

from data.errors import DeviceError
from data.extras import install
from hitl.pads.base import MISSING, PadState
from hitl.pads.calibration.rest import Resting
from hitl.pads.mapping import CONTROLLER, from_table
from hitl.pads.own_pad import own_pads

AGAIN_S = 0.5  # s between tries to open a device that went away
POLL_S = 0.004  # s between looks on Windows, where the package would spin on a whole core
#: evdev's names to those that SDL's database uses, so that one mapping serves both.
AXES = {
    "ABS_X": "leftx", "ABS_Y": "lefty", "ABS_RX": "rightx", "ABS_RY": "righty", "ABS_Z": "triggerleft", "ABS_RZ": "triggerright",
}  # fmt: skip
BUTTONS = {
    "BTN_SOUTH": "a", "BTN_EAST": "b", "BTN_NORTH": "x", "BTN_WEST": "y", "BTN_SELECT": "back", "BTN_START": "start",
    "BTN_MODE": "guide", "BTN_TL": "leftshoulder", "BTN_TR": "rightshoulder", "BTN_THUMBL": "leftstick",
    "BTN_THUMBR": "rightstick",
}  # fmt: skip
HATS = {"ABS_HAT0X": ("dpleft", "dpright"), "ABS_HAT0Y": ("dpup", "dpdown")}
_ABS_CODES = ("ABS_X", "ABS_Y", "ABS_Z", "ABS_RX", "ABS_RY", "ABS_RZ")  # by the kernel's numbers
_EVIOCGABS = 0x80184540


class InputsPad:
    """One gamepad of the ``inputs`` package, chosen by ``name``.

    ``find`` overrides the choice, and is called again for a pad that went away; it returns None until that is back.
    """

    def __init__(
        self,
        name: str = "",
        *,
        find: Callable[[], Any] | None = None,
        tables: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self._device = find() if find is not None else _choose(name)
        self._find = find or self._same_device
        self.name = str(self._device)
        self.key = f"inputs {self.name}"
        self._own_path = _path(self._device)
        own = f"{self.key} {self._own_path}"  # which one of its name
        self.map = from_table((tables or {}).get(own) or (tables or {}).get(self.key, {}), CONTROLLER)
        self._ranges = {code: (0.0, 255.0) if code in ("ABS_Z", "ABS_RZ") else (-32768.0, 32767.0) for code in AXES}
        self._state = MISSING  # replaced as a whole by the thread, so a reader never sees half an event
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hitl-inputs", daemon=True)
        self._thread.start()

    def read(self) -> PadState:
        """Return the newest complete state."""
        return self._state

    def rumble(self, strong: float, weak: float, seconds: float) -> None:
        """Not through this package: it would start a process for each shake."""

    def close(self) -> None:
        """Read as missing from now on. The thread ends with its read, at the latest with the program."""
        self._over.set()
        self._state = MISSING

    def _run(self) -> None:
        while not self._over.is_set():
            # Unplugged comes as OSError 19, or on Windows as a RuntimeError of the package's own.
            with contextlib.suppress(OSError, RuntimeError):
                self._follow()
            self._state, found = MISSING, None
            while found is None and not self._over.wait(AGAIN_S):
                with contextlib.suppress(OSError, RuntimeError):
                    found = self._find()
            self._device = found

    def _follow(self) -> None:
        raw = dict.fromkeys((*AXES.values(), *BUTTONS.values(), "dpleft", "dpright", "dpup", "dpdown"), 0.0)
        raw.update(self._look(self._device.get_char_device_path()))
        # Of 256 steps none lies exactly in the middle.
        resting = Resting(self.map, lambda source: raw.get(source, 0.0), slack=0.01)
        while not self._over.is_set():
            events = self._events()
            for event in events:
                self._take(event, raw)
                if event.ev_type == "Sync":
                    self._publish(resting)
            if not events:
                self._publish(resting)
                self._over.wait(POLL_S)

    def _events(self) -> list[Any]:
        """Wait for the next events; on Windows only look for some."""
        if sys.platform != "win32":
            return list(self._device.read())
        # The two inner steps of the package's `read()`, which would spin on a whole core until something is pressed.
        self._device._GamePad__check_state()
        return self._device._do_iter() or []

    def _publish(self, resting: Resting) -> None:
        state = resting.state()
        if not self._over.is_set():
            self._state = state

    def _take(self, event: Any, raw: dict[str, float]) -> None:
        if event.ev_type == "Absolute" and event.code in AXES:
            raw[AXES[event.code]] = self._scaled(event.code, event.state)
        elif event.ev_type == "Absolute" and event.code in HATS:
            low, high = HATS[event.code]
            raw[low], raw[high] = float(event.state < 0), float(event.state > 0)
        elif event.ev_type == "Key" and event.code in BUTTONS:
            raw[BUTTONS[event.code]] = float(bool(event.state))

    def _scaled(self, code: str, value: float) -> float:
        low, high = self._ranges[code]
        share = (value - low) / (high - low)
        if code in ("ABS_Z", "ABS_RZ"):
            return share
        scaled = share * 2.0 - 1.0
        # The package turns Y round on Windows, where up is positive; SDL's down is positive everywhere.
        return -scaled if code in ("ABS_Y", "ABS_RY") and sys.platform == "win32" else scaled

    def _look(self, path: str) -> dict[str, float]:
        """Ask the kernel for each axis's range and present value; a pipe has none, and keeps the usual ranges."""
        if sys.platform == "win32":
            return {}
        import fcntl

        seen: dict[str, float] = {}
        with open(path, "rb", buffering=0) as device:
            for number, code in enumerate(_ABS_CODES):
                with contextlib.suppress(OSError):
                    value, low, high = struct.unpack("6i", fcntl.ioctl(device, _EVIOCGABS + number, bytes(24)))[:3]
                    if high > low:
                        self._ranges[code] = (float(low), float(high))
                        seen[AXES[code]] = self._scaled(code, value)
        return seen

    def _same_device(self) -> Any:
        """Look for the device again: it may have come back under another number. None while it is away."""
        import inputs

        return next((pad for pad in inputs.DeviceManager().gamepads if _path(pad) == self._own_path), None)


def _path(device: Any) -> str:
    """Return what tells two pads of one name apart: on Linux the file's name, which holds the serial number."""
    return os.path.basename(repr(device)).rstrip('")')


def _choose(name: str) -> Any:
    if own_pads:
        raise DeviceError(
            "The package `inputs` cannot tell your pad from our virtual one, which exists already; start the session "
            "again, so that yours is opened first, or use --pad sdl."
        )
    try:
        import inputs
    except ImportError:
        raise DeviceError(f"The package `inputs` is not installed; {install()}, or use --pad sdl.") from None
    except Exception as error:  # it scans the devices at import, and lets every failure out
        raise DeviceError(f"The package `inputs` cannot start ({error}); use --pad sdl.") from None
    pads = [pad for pad in inputs.devices.gamepads if str(pad).casefold() == name.casefold()]
    pads = pads or [p for p in inputs.devices.gamepads if name.lower() in f"{p} {_path(p)}".lower()]
    if not pads:
        what = f"no gamepad whose name holds {name!r}" if name else "no gamepad"
        raise DeviceError(f"The package `inputs` sees {what}; plug it in and start again, or use --pad sdl.")
    return pads[0]
