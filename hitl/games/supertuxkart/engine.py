"""The program that drives SuperTuxKart: it reads requests, one JSON list a line, and answers each with one line of JSON.

It is run as a script of its own and imports nothing of hitl; hitl never imports it. One process is one track, because the engine
crashes when a second race is restarted. What the engine prints goes to stderr, so that the pipe carries answers only.

``engine.py TRACK KART`` answers "ready" when the track is loaded, and then

- ``["restart", x, y, z, heading, speed]`` and ``["step", gas, brake, steer, seconds]`` with a state; ``drift``, ``nitro`` and
  ``fire`` may follow;
- ``["replay", start, steps]`` with a state: ``start`` and each of ``steps`` are what follows the word in these two;
- ``["road"]`` with an object: ``nodes``, ``width``, ``successors``, ``length``.

``engine.py TRACK KART PICTURE ROWS QUALITY`` does the same, answers nothing after "ready", and draws what it sees into the file
PICTURE (`Frames`). The same requests give the same race, to the last bit, whether it is drawn or not.

A state is [x, y, z, heading, vx, vy, yaw_rate]: metres, seconds and radians; the road plane is (x, y), z is height, and angles
grow counter-clockwise. The engine's own axes are left-handed with y up, so its (x, z), seen from above, is this plane.
"""

from __future__ import annotations

import json
import math
import mmap
import os
import queue
import struct
import sys
import threading
import time
from typing import Any

READY_SET_GO = 5.05  # s of the engine's countdown; one long step skips it
SETTLE_STEPS = 10  # of TICK, in which a car that was put down comes to rest on its wheels
PUSH_STEPS = 80  # most steps of full gas to reach the speed of a start
TICK = 0.05  # s
ABOVE_M = 0.4  # above the road, from which a car is let down
PARTS = 3  # pictures in a step: 60 in a second for 20 steps
UNSEEN_ROWS = 576  # the most that are drawn without a window: SDL's screen is 1024 x 768 then
QUALITIES = {"low": "ld", "medium": "sd", "high": "hd"}  # what the engine calls them


class Engine:
    """One race with one kart. ``rows`` (pixels) and ``quality``: of the picture; 0 for none."""

    def __init__(self, track: str, kart: str, rows: int = 0, quality: str = "low") -> None:
        import pystk2

        self._stk = pystk2
        graphics = getattr(pystk2.GraphicsConfig, QUALITIES[quality] if rows else "none")()
        if rows:
            graphics.screen_width, graphics.screen_height = columns_of(rows), rows
            graphics.display = False  # it draws when it is asked for a picture, and not in each step
        pystk2.init(graphics)
        if rows and sys.platform == "win32":
            _hide_windows()
        config = pystk2.RaceConfig(
            track=track, num_kart=1, laps=99, seed=0, step_size=TICK, mode=pystk2.RaceConfig.RaceMode.TIME_TRIAL, overlay=False
        )
        player = pystk2.PlayerConfig(kart=kart, controller=pystk2.PlayerConfig.Controller.PLAYER_CONTROL)
        config.players[0].kart = player.kart
        config.players[0].controller = player.controller
        self._race = pystk2.Race(config)
        self._race.start()
        self._world = pystk2.WorldState()

    def restart(self, x: float, y: float, z: float, heading: float, speed: float) -> list[float]:
        """Begin the race anew, with the kart at a place and, nearly, at a speed.

        The engine can put a kart anywhere, but only at rest: it is given gas there, and put back, until it has the speed.
        """
        self._race.restart()
        self._pass(READY_SET_GO)
        place = [x, z + ABOVE_M, y], _turned(heading)
        self._put(*place)
        for _ in range(SETTLE_STEPS):
            self._pass(TICK)
        if speed > 0.5:
            settled = self._kart().location
            place = [x, settled[1], y], place[1]
            for _ in range(PUSH_STEPS):
                if self._kart().speed >= speed - 0.1:
                    break
                self._put(*place)
                self._pass(TICK, acceleration=1.0)
        return self.state()

    def step(
        self, gas: float, brake: bool, steer: float, seconds: float, drift: bool = False, nitro: bool = False, fire: bool = False
    ) -> list[float]:
        """Let time pass with these controls."""
        self._pass(seconds, acceleration=gas, brake=brake, steer=steer, drift=drift, nitro=nitro, fire=fire)
        return self.state()

    def replay(self, start: list[float], steps: list[list[float]]) -> list[float]:
        """Drive from a start as was driven before: it ends where that ended, to the last bit."""
        self.restart(*start)
        for step in steps:
            self.step(*step)  # type: ignore[arg-type]
        return self.state()

    def show(self, frames: Frames, requests: queue.SimpleQueue[Any]) -> None:
        """Follow requests until None comes, and draw; what has fallen behind is driven without a picture."""
        while (request := requests.get()) is not None:
            name, *values = request
            if name != "step":
                getattr(self, name)(*values)
                if requests.empty():
                    self._draw(frames)
                continue
            gas, brake, steer, seconds, *more = values
            began = time.monotonic()
            for part in range(PARTS):
                self.step(gas, brake, steer, seconds / PARTS, *more)
                if requests.empty():
                    time.sleep(max(0.0, began + part * seconds / PARTS - time.monotonic()))
                    self._draw(frames)

    def _draw(self, frames: Frames) -> None:
        image = self._race.render_data[0].image
        frames.add(image.tobytes(), image.shape[:2])

    def road(self) -> dict[str, object]:
        """Return the pieces of the track as the engine has them."""
        track = self._stk.Track()
        track.update()
        return {
            "nodes": [[[float(v) for v in end] for end in node] for node in track.path_nodes],
            "width": [[float(v) for v in width] for width in track.path_width],
            "successors": [[int(k) for k in following] for following in track.successors],
            "length": float(track.length),
        }

    def state(self) -> list[float]:
        """Return where the kart is and how it moves."""
        kart = self._kart()
        (x, y, z), (fx, _, fz), (vx, _, vz) = kart.location, kart.front, kart.velocity
        state = [x, z, y, math.atan2(fz - z, fx - x), vx, vz, -kart.angular_velocity[1]]
        return [float(v) for v in state]

    def _kart(self):  # type: ignore[no-untyped-def]
        self._world.update()
        return self._world.karts[0]

    def _put(self, location: list[float], rotation: list[float]) -> None:
        self._world.update()
        self._world.set_kart_location(0, location, rotation, 0.0)

    def _pass(self, seconds: float, **controls: float) -> None:
        self._race.config.step_size = seconds
        self._race.step(self._stk.Action(**controls))


def _turned(heading: float) -> list[float]:
    """Return the engine's quaternion (x, y, z, w) of a kart that points there; at 0 its nose is +z."""
    half = (math.pi / 2 - heading) / 2
    return [0.0, math.sin(half), 0.0, math.cos(half)]


def _hide_windows() -> None:
    """Hide this process's windows: the engine opens one to draw with, and the picture is shown elsewhere."""
    import ctypes
    from ctypes import wintypes

    user32 = ctypes.windll.user32  # type: ignore[attr-defined,unused-ignore]
    visit = ctypes.WINFUNCTYPE(wintypes.BOOL, wintypes.HWND, wintypes.LPARAM)  # type: ignore[attr-defined,unused-ignore]
    user32.EnumWindows.argtypes, user32.EnumWindows.restype = [visit, wintypes.LPARAM], wintypes.BOOL
    user32.GetWindowThreadProcessId.argtypes = [wintypes.HWND, ctypes.POINTER(wintypes.DWORD)]
    user32.GetWindowThreadProcessId.restype = wintypes.DWORD
    user32.ShowWindow.argtypes, user32.ShowWindow.restype = [wintypes.HWND, ctypes.c_int], wintypes.BOOL

    def hide(window: int, _: int) -> bool:
        owner = wintypes.DWORD()
        user32.GetWindowThreadProcessId(window, ctypes.byref(owner))
        if owner.value == os.getpid():
            user32.ShowWindow(window, 0)
        return True

    user32.EnumWindows(visit(hide), 0)


def columns_of(rows: int) -> int:
    """Return the columns of a picture of 16 : 9."""
    return rows * 16 // 9


class Frames:
    """The newest picture, in a file that another process maps: a head (number of the newest, rows, columns), then three pictures.

    Picture number n, RGB, lies in place n % 3, so that the last one that was finished can be read while the next is written.
    """

    HEAD = struct.Struct("<QII")

    def __init__(self, path: str, rows: int) -> None:
        """Raises OSError."""
        self._path, self._number = path, 0
        with open(path, "wb"):
            pass
        self._fit((rows, columns_of(rows)))

    def _fit(self, shape: tuple[int, int]) -> None:
        """Have room for pictures of this shape. The file never shrinks: another process has mapped it."""
        self._shape, self._size = shape, shape[0] * shape[1] * 3
        with open(self._path, "r+b") as file:
            file.truncate(max(os.path.getsize(self._path), self.HEAD.size + 3 * self._size))
            self._bytes = mmap.mmap(file.fileno(), 0)

    def add(self, picture: bytes, shape: tuple[int, int] | None = None) -> None:
        """Make a picture the newest one. ``shape``: its rows and columns; the engine draws smaller ones on a smaller screen."""
        if shape is not None and shape != self._shape:
            self._bytes.close()
            self._fit(shape)
        number = self._number + 1
        at = self.HEAD.size + number % 3 * self._size
        self._bytes[at : at + self._size] = picture
        self._bytes[: self.HEAD.size] = self.HEAD.pack(number, *self._shape)
        self._number = number


def _read(requests: queue.SimpleQueue[Any]) -> None:
    for line in sys.stdin:
        requests.put(json.loads(line))
    requests.put(None)


def main() -> None:
    """Answer requests until the pipe is closed, or draw what they lead to."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the engine prints
    track, kart, *drawn = sys.argv[1:]
    if drawn:
        path, quality = drawn[0], drawn[2]
        rows = min(int(drawn[1]), UNSEEN_ROWS) if os.environ.get("SDL_VIDEODRIVER") == "offscreen" else int(drawn[1])
        engine = Engine(track, kart, rows, quality)
        print(json.dumps("ready"), file=answers, flush=True)
        requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        threading.Thread(target=_read, args=(requests,), daemon=True).start()
        engine.show(Frames(path, rows), requests)
        return
    engine = Engine(track, kart)
    print(json.dumps("ready"), file=answers, flush=True)
    for line in sys.stdin:
        name, *values = json.loads(line)
        print(json.dumps(getattr(engine, name)(*values)), file=answers, flush=True)


if __name__ == "__main__":
    main()
