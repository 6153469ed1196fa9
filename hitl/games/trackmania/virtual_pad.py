"""The virtual pad that the game reads: made through ``vgamepad``, loaded only when one is asked for.

It never keeps the car going by accident. When the session sends nothing for three ticks, a watchdog thread releases
everything; so do pause, close, the end of the block and the end of the program. A process that is killed takes the
device with it, because the driver belongs to its open handle.
"""

from __future__ import annotations

import atexit
import importlib
import math
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from data.errors import DeviceError
from data.extras import install
from hitl.games.hang_guard import brief
from hitl.pads.own_pad import Guard, own_pads

if TYPE_CHECKING:
    from hitl.pads.devices import Devices

WATCHDOG_TICKS = 3
FIND_S = 3.0  # s that SDL gets to show the new device before the session begins
BUTTONS = {"restart": 0x2000, "confirm": 0x1000, "respawn": 0x8000}  # B, A and Y, as TrackMania has them


class VirtualPad:
    """One Xbox 360 pad of our own. ``hub``: the devices that the player's pad is read from, to tell them apart from ours.

    Open the player's pad first. ``module`` stands in for ``vgamepad``. Raises `DeviceError` with what is missing: package,
    driver, library, or the right to use ``/dev/uinput``.
    """

    def __init__(self, *, hz: float = 20.0, hub: Devices | None = None, module: Any = None) -> None:
        self._lock = threading.RLock()
        self._limit = WATCHDOG_TICKS / hz
        self._sent: float | None = None  # None: nothing to watch
        self._wake = threading.Condition(self._lock)
        self._closed = False
        self.stalls = 0  # how often the watchdog had to let go
        self.guard = Guard(hub) if hub is not None else None
        try:
            self._pad: Any = plug_in(module)
        except BaseException:
            if self.guard is not None:
                self.guard.close()
            raise
        own_pads.add(self)
        self._neutral()
        if self.guard is not None:
            self.guard.write = self._mark
            self._find(self.guard)
        self._thread = threading.Thread(target=self._watch, name="hitl-vpad-watchdog", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def send(self, gas: float, brake: float, steer: float) -> tuple[float, float, float] | None:
        """Press the pedals and turn the stick: each -1..1 as an action has it, pedals at or below 0 released.

        Call it each tick: it also feeds the watchdog. A number that is not finite lets go of everything. Returns what was
        pressed where that differs from what was asked for (keys), else None.
        """
        if not all(map(math.isfinite, (gas, brake, steer))):
            gas = brake = steer = 0.0
        with self._lock:
            if self._closed:
                raise DeviceError("The virtual pad is closed; start the session again.")
            self._pad.right_trigger_float(value_float=min(1.0, max(0.0, float(gas))))
            self._pad.left_trigger_float(value_float=min(1.0, max(0.0, float(brake))))
            self._pad.left_joystick_float(x_value_float=min(1.0, max(-1.0, float(steer))), y_value_float=0.0)
            self._pad.update()
            self._sent = time.monotonic()
            self._wake.notify()
            return getattr(self._pad, "obeyed", None)

    @property
    def problem(self) -> str:
        """What the player must be told, "" for nothing."""
        return str(getattr(self._pad, "problem", ""))

    @property
    def by_keys(self) -> bool:
        """Whether keys stand in for the pad."""
        return hasattr(self._pad, "obeyed")

    def press(self, name: str, down: bool = True) -> None:
        """Press or release "restart" (B), "confirm" (A) or "respawn" (Y). The game needs some 0.1 s between the two."""
        with self._lock:
            if not self._closed:
                (self._pad.press_button if down else self._pad.release_button)(button=BUTTONS[name])
                self._pad.update()

    def pause(self) -> None:
        """Let go of everything until the next `send`."""
        with self._lock:
            if not self._closed:
                self._neutral()

    def close(self) -> None:
        """Let go of everything and unplug. Calling it again does nothing."""
        with self._lock:
            if self._closed:
                return
            self._neutral()
            self._closed = True
            self._wake.notify_all()
            if self.guard is not None:
                self.guard.close()
            self._pad = None  # vgamepad unplugs when its object goes
        own_pads.discard(self)
        atexit.unregister(self.close)
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout=1.0)

    def _neutral(self) -> None:
        with self._lock:
            self._sent = None
            self._pad.reset()
            self._pad.update()

    def _mark(self, x: float, y: float) -> None:
        """Write a challenge where no driving game listens: the right stick."""
        with self._lock:
            if not self._closed:
                self._pad.right_joystick_float(x_value_float=x, y_value_float=y)
                self._pad.update()

    def _find(self, guard: Guard) -> None:
        until = time.monotonic() + FIND_S
        while not guard.own and time.monotonic() < until:
            guard.tick()
            time.sleep(0.01)  # the session has not begun: the driver may take its time

    def _watch(self) -> None:
        with self._lock:
            while not self._closed:
                if self._sent is None:
                    self._wake.wait()
                    continue
                left = self._sent + self._limit - time.monotonic()
                if left > 0.0:
                    self._wake.wait(left)
                    continue
                self.stalls += 1
                self._neutral()

    def __enter__(self) -> VirtualPad:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def plug_in(module: Any = None) -> Any:
    """Load vgamepad and plug a pad in, as any program does. Raises DeviceError, with what is missing."""
    if module is None:
        try:
            module = importlib.import_module("vgamepad")
        except ModuleNotFoundError as error:
            if error.name != "vgamepad":
                raise DeviceError(_missing(error)) from None
            raise DeviceError(
                f"The virtual pad needs the package vgamepad, which is not installed; run {install('trackmania')}."
            ) from None
        except Exception as error:  # it opens the driver while being imported, and raises whatever that raises
            raise DeviceError(_missing(error)) from None
    try:
        return module.VX360Gamepad()
    except PermissionError:
        raise DeviceError(
            "The virtual pad may not use /dev/uinput; give your user the right to write it (docs/pads.md shows the "
            "udev rule) and log in again."
        ) from None
    except Exception as error:
        raise DeviceError(_missing(error)) from None


def _missing(error: Exception) -> str:
    if sys.platform == "win32":
        why = brief(error)
        return f"The virtual pad needs the driver ViGEmBus, which does not answer ({why}); install ViGEmBus and start again."
    if isinstance(error, FileNotFoundError) or "uinput" in str(error):
        return "The virtual pad needs /dev/uinput, which this system does not have; load it with `sudo modprobe uinput`."
    return (
        f"The virtual pad needs the library libevdev, which cannot be used ({brief(error)}); "
        "run `sudo apt install libevdev2` and start again."
    )
