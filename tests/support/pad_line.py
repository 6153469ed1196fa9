"""Pads of other processes, seen by a process that SDL cannot show them to: no /dev/uinput is needed.

A process that has a pad connects, as a virtual pad's driver is opened, and sends what it presses; the pad is plugged in for as
long as the connection holds, so it goes away with its process. `tests.support.hitl_with_pads` shows it to hitl.
"""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.virtual_pad import VirtualPad

FORMAT = "<fffI"
SIZE = struct.calcsize(FORMAT)
A, B, SHOULDER, QUIT = 0x1000, 0x2000, 0x0200, 0x0080
NAMES = {A: "a", B: "b", SHOULDER: "rightshoulder", QUIT: "rightstick"}


class PadOut:
    """The side that presses."""

    def __init__(self, port: int) -> None:
        self._link = socket.create_connection(("127.0.0.1", port), timeout=10.0)

    def send(self, gas: float = 0.0, brake: float = 0.0, steer: float = 0.0, buttons: int = 0) -> None:
        """Press so from now on."""
        self._link.sendall(struct.pack(FORMAT, gas, brake, steer, buttons))

    def close(self) -> None:
        """Unplug it."""
        self._link.close()


class PadIn:
    """The side where SDL shows it. ``look`` is called by the thread that reads pads."""

    def __init__(self, port: int, name: str) -> None:
        self._server = socket.create_server(("127.0.0.1", port))
        self._server.setblocking(False)
        self._name = name
        self._link: socket.socket | None = None
        self._pad: VirtualPad | None = None
        self._raw = b""

    def look(self) -> None:
        """Take in what has come since the last look."""
        if self._link is None:
            try:
                self._link, _ = self._server.accept()
            except BlockingIOError:
                return
            self._link.setblocking(False)
            from tests.support.virtual_pad import VirtualPad  # and SDL, which the side that presses does not need

            self._pad, self._raw = VirtualPad(self._name), b""
        try:
            while piece := self._link.recv(65536):
                self._raw += piece
            gone = True
        except BlockingIOError:
            gone = False
        except OSError:
            gone = True
        assert self._pad is not None
        while len(self._raw) >= SIZE:
            gas, brake, steer, buttons = struct.unpack(FORMAT, self._raw[:SIZE])
            self._raw = self._raw[SIZE:]
            self._pad.axis("gas", gas)
            self._pad.axis("brake", brake)
            self._pad.axis("steer", steer)
            for bit, button in NAMES.items():
                (self._pad.press if buttons & bit else self._pad.release)(button)
        if gone:
            self._pad.unplug()
            self._link.close()
            self._link = self._pad = None
