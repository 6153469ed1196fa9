"""A worker of another program, as its process: it reads the plugin's numbers, drives by a pad of its own, and restarts by itself.

``python -m tests.support.their_worker CONFIG PAD_PORT GEOMETRY``; CONFIG is its run file, of which it reads the telemetry's port.
Prints a line for each run that it begins and ends. It knows nothing of hitl's session.
"""

from __future__ import annotations

import math
import re
import socket
import struct
import sys
import time
from pathlib import Path

import numpy as np

from tests.support.pad_line import B, PadOut

FRAME = struct.Struct("<33f")


class Telemetry:
    """Reads whole frames from the first byte on, as the plugin sends them; connects again when it hangs up."""

    def __init__(self, port: int) -> None:
        self.port, self.raw = port, b""
        self.link = self._connect()

    def _connect(self) -> socket.socket:
        until = time.monotonic() + 30.0
        while True:
            try:
                return socket.create_connection(("127.0.0.1", self.port), timeout=10.0)
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)

    def newest(self) -> tuple[float, ...]:
        """Wait for a frame and return the newest one."""
        while True:
            piece = self.link.recv(65536)
            if not piece:
                self.link.close()
                self.link, self.raw = self._connect(), b""
                continue
            self.raw += piece
            whole = len(self.raw) // FRAME.size
            if whole:
                frame = FRAME.unpack_from(self.raw, (whole - 1) * FRAME.size)
                self.raw = self.raw[whole * FRAME.size :]
                return frame


def _main(config: Path, pad_port: int, geometry: Path) -> None:
    said = re.search(r"^\s*port: (\d+)$", config.read_text(), re.M)
    assert said is not None, "no port in the run file"
    telemetry = Telemetry(int(said[1]))
    pad = PadOut(pad_port)
    with np.load(geometry) as file:
        middle = file["center"][:, (0, 2)].astype(float)
    ended = False
    print("driving", flush=True)
    while True:
        frame = telemetry.newest()
        assert 0.0 <= frame[31] <= 1.0, "the stream is out of step"
        assert abs(frame[30]) <= 1.0
        if frame[2] == 1.0:
            if not ended:
                print("finished", flush=True)
            ended = True
            pad.send()
            time.sleep(0.5)
            pad.send(buttons=B)  # it restarts by itself
            time.sleep(0.1)
            pad.send()
            continue
        if ended:
            print("begins", flush=True)
        ended = False
        here, ahead = np.array([frame[4], frame[6]]), math.atan2(frame[12], frame[10])
        nearest = int(np.argmin(((middle - here) ** 2).sum(axis=1)))
        to = middle[min(nearest + 8, len(middle) - 1)] - here
        turn = math.remainder(math.atan2(to[1], to[0]) - ahead, 2 * math.pi)
        pad.send(gas=0.5 if frame[16] < 11.0 else 0.0, steer=max(-1.0, min(1.0, 1.5 * turn)))


if __name__ == "__main__":
    _main(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
