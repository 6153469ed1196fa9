"""A stand-in for the package ``vgamepad``: its pad is heard by the stand-in game, over UDP on the port in STAND_IN_PORT."""

from __future__ import annotations

import os
import socket
import struct

FORMAT = "<fffI"


class VX360Gamepad:
    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._to = ("127.0.0.1", int(os.environ.get("STAND_IN_PORT", "9000")))
        self.reset()

    def reset(self) -> None:
        self._gas = self._brake = self._steer = 0.0
        self._buttons = 0

    def right_trigger_float(self, value_float: float) -> None:
        self._gas = value_float

    def left_trigger_float(self, value_float: float) -> None:
        self._brake = value_float

    def left_joystick_float(self, x_value_float: float, y_value_float: float) -> None:
        self._steer = x_value_float

    def right_joystick_float(self, x_value_float: float, y_value_float: float) -> None:
        pass

    def press_button(self, button: int) -> None:
        self._buttons |= button

    def release_button(self, button: int) -> None:
        self._buttons &= ~button

    def update(self) -> None:
        self._socket.sendto(struct.pack(FORMAT, self._gas, self._brake, self._steer, self._buttons), self._to)
