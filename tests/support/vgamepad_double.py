"""A stand-in for the ``vgamepad`` package: its pad is one of SDL's virtual joysticks, so our reader can see it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from tests.support.virtual_pad import BUTTONS, VirtualPad

XINPUT = {0x1000: "a", 0x2000: "b"}


class X360:
    """What of ``vgamepad.VX360Gamepad`` is used; changes reach SDL at `update`, as with the real one."""

    made: list[X360] = []  # noqa: RUF012 - the test looks at the newest

    def __init__(self, name: str = "Virtual Xbox 360 Controller", visible: bool = True, deaf: bool = False) -> None:
        self.sdl = VirtualPad(name) if visible else None
        self.deaf = deaf  # seen by SDL, but its right stick is not
        self.reset()
        self.updates: list[dict[str, Any]] = []
        X360.made.append(self)

    def reset(self) -> None:
        self.report: dict[str, Any] = {"gas": 0.0, "brake": 0.0, "steer": (0.0, 0.0), "right": (0.0, 0.0), "buttons": set()}

    def right_trigger_float(self, value_float: float) -> None:
        self.report["gas"] = value_float

    def left_trigger_float(self, value_float: float) -> None:
        self.report["brake"] = value_float

    def left_joystick_float(self, x_value_float: float, y_value_float: float) -> None:
        self.report["steer"] = (x_value_float, y_value_float)

    def right_joystick_float(self, x_value_float: float, y_value_float: float) -> None:
        self.report["right"] = (x_value_float, y_value_float)

    def press_button(self, button: int) -> None:
        self.report["buttons"].add(XINPUT[button])

    def release_button(self, button: int) -> None:
        self.report["buttons"].discard(XINPUT[button])

    def update(self) -> None:
        self.updates.append({**self.report, "buttons": set(self.report["buttons"])})
        if self.sdl is None:
            return
        self.sdl.axis("gas", self.report["gas"])
        self.sdl.axis("brake", self.report["brake"])
        self.sdl.axis("leftx", self.report["steer"][0])
        if not self.deaf:
            self.sdl.axis("rightx", self.report["right"][0])
            self.sdl.axis("righty", -self.report["right"][1])  # up is positive for XInput, down for SDL
        for name in BUTTONS:
            self.sdl.raw_button(BUTTONS[name], name in self.report["buttons"])

    def __del__(self) -> None:
        if self.sdl is not None:
            self.sdl.unplug()


def module(**options: Any) -> Any:
    """Return the stand-in module."""
    X360.made.clear()
    return SimpleNamespace(VX360Gamepad=lambda: X360(**options))
