"""A stand-in for TrackMania: the Box2D car behind a real TCP server that sends one of the layouts at 100 frames a second.

    with StandIn(track, layout=20) as game:
        ... connect to game.port; `modules/vgamepad.py` drives it (STAND_IN_PORT) ...
        game.fault("silent", 0.5)

The car and what the game remembers belong to its own thread: others change them by the methods below, between two frames.

``python -m tests.support.stand_in_game PORT [LAYOUT [SESSION_PORT [TRACK]]]`` runs one as a process; a line
``FAULT SECONDS`` on its standard input makes it misbehave.
"""

from __future__ import annotations

import contextlib
import json
import math
import select
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from hitl.games.base import Start, VehicleState
from hitl.games.box2d import CLOCK, ENGINE_SHARE, FULL_LOCK, Box2DGame
from hitl.road.track import Track, load_track
from hitl.timing.priority import raise_priority

HZ = 100
A, B, Y = 0x1000, 0x2000, 0x8000
CHECKPOINT_M = 20.0
ASPHALT, GRASS = 16.0, 2.0
FAULTS = ("silent", "half", "nowhere", "nan", "garbage", "close", "down", "deaf", "other", "frozen", "no_buttons", "no_restart")


class FineGame(Box2DGame):
    """The car with physics at the rate of the frames."""

    def press(self, pedal: float, steer: float) -> None:
        """Do as ``send``, without an array a frame."""
        pedal, steer = float(pedal), float(steer)  # a driver's own are NumPy's, which the model cannot take
        self._gas, self._brake = min(max(pedal, 0.0), 1.0), min(max(-pedal, 0.0), 1.0)
        self._steer = min(max(steer, -1.0), 1.0)

    def advance(self, dt: float) -> None:
        car, world = self._car, self._world
        car.steer(-self._steer * FULL_LOCK)
        car.brake(self._brake * 0.8)
        self._grip()
        self._press(self._gas * ENGINE_SHARE)
        car.step(CLOCK * dt)
        world.Step(CLOCK * dt, 6, 2)
        self._time += dt


def _of_one_number(port: int) -> tuple[socket.socket, socket.socket]:
    """Return a listening TCP socket and a UDP one on the same port (0: any); one may be free where the other is taken."""
    for _ in range(50):
        server = socket.create_server(("127.0.0.1", port))
        pad = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            pad.bind(server.getsockname())
        except OSError:
            server.close()
            pad.close()
            if port:
                raise
        else:
            return server, pad
    raise OSError("no number is free for both TCP and UDP")


class StandIn:
    """The game on its own thread. ``countdown`` (s): how long after a restart the car stands still."""

    def __init__(
        self, track: Track | None = None, layout: int = 11, port: int = 0, countdown: float = 0.3, finish_m: float = 2.0,
        session_port: int = 0,
    ) -> None:
        self.track = track or load_track("default")
        self.layout, self.countdown, self.finish_m = layout, countdown, finish_m
        self.game = FineGame(self.track)
        self._state = self.game.state()  # in this frame
        self._server, self._pad = _of_one_number(port)
        self.port: int = self._server.getsockname()[1]
        self._session = socket.create_server(("127.0.0.1", session_port))
        self.session_port: int = self._session.getsockname()[1]
        self.map_uid = "StandInMapUid"  # "": none is loaded
        self.asked: list[str] = []  # at the session port
        self._clients: list[socket.socket] = []
        self._faults: dict[str, float] = {}
        self._lock = threading.Lock()
        self._changes: list[tuple[Callable[[], object], threading.Event]] = []  # of other threads, for the next frame
        self.buttons = 0
        self.input = (0.0, 0.0, 0.0)  # gas, brake, steer as heard
        self.heard: list[tuple[float, float, float, float]] = []  # with the time
        self.restarts = self.respawns = self.frames = 0
        self.pop_up = self.finished = False
        self.curve: tuple[list[float], list[float]] | None = None  # of the stick: what is sent, what is applied
        self._hold_until = 0.0
        self._place_s = self._finished_at = 0.0
        self.respawn_s: float | None = None  # where a respawn puts the car; None: the last checkpoint, one every 20 m
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stand-in", daemon=True)

    def __enter__(self) -> StandIn:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join(timeout=5)
        for s in (*self._clients, self._server, self._pad, self._session):
            s.close()

    def fault(self, kind: str, seconds: float = 0.0) -> None:
        """Misbehave in that way, for so long (or once)."""
        assert kind in FAULTS, kind
        with self._lock:
            self._faults[kind] = time.perf_counter() + seconds

    def between_frames(self, change: Callable[[], object]) -> None:
        """Make a change on the game's own thread, and return once a frame with it was sent."""
        assert self._soon(change).wait(20.0), "the stand-in's thread is gone"

    def _soon(self, change: Callable[[], object]) -> threading.Event:
        sent = threading.Event()
        with self._lock:
            self._changes.append((change, sent))
        return sent

    def finish(self) -> None:
        """Let the car have crossed the line, and the pop-up be there."""

        def finish() -> None:
            self.finished = self.pop_up = True
            self._finished_at = time.perf_counter()

        self.between_frames(finish)

    def hold(self, seconds: float) -> None:
        """Keep the car from driving for so long, as a countdown does."""

        def hold() -> None:
            self._hold_until = time.perf_counter() + seconds

        self.between_frames(hold)

    @property
    def held(self) -> bool:
        """Whether the car may not drive yet."""
        return time.perf_counter() < self._hold_until

    def hear(self, gas: float, brake: float, steer: float, buttons: int = 0) -> None:
        """Hear a keyboard or a person's own pad before the next frame; nothing is waited for."""
        self._soon(lambda: self._hear(gas, brake, steer, buttons))

    def where(self) -> tuple[VehicleState, float]:
        """Return the car as it is in one frame, and its place along the line (m)."""
        found: list[tuple[VehicleState, float]] = []
        self.between_frames(lambda: found.append((self.game.state(), self._place_s)))
        return found[0]

    def let_go(self, timeout: float = 1.0) -> bool:
        """Wait for all controls to be released: what was sent arrives within a frame."""
        until = time.perf_counter() + timeout
        while self.input != (0.0, 0.0, 0.0) and time.perf_counter() < until:
            time.sleep(0.005)
        return self.input == (0.0, 0.0, 0.0)

    def _on(self, kind: str) -> bool:
        """Tell whether that fault is on now; one that lasts no time happens once."""
        if not self._faults:  # asked ten times a frame
            return False
        with self._lock:
            until = self._faults.get(kind)
            if until is None:
                return False
            if time.perf_counter() >= until:
                del self._faults[kind]
                return kind in ("half", "close")
            return True

    def _run(self) -> None:
        due = time.perf_counter()
        while not self._stop.is_set():
            due += 1.0 / HZ
            self._listen(max(0.0, due - time.perf_counter()))
            if time.perf_counter() - due > 0.5:
                due = time.perf_counter()
            with self._lock:
                changes, self._changes = self._changes, []
            for change, _ in changes:
                change()
            if self._on("frozen"):
                self._state = self.game.state()
            else:
                self._physics()
            self._send()
            for _, sent in changes:
                sent.set()

    def _listen(self, wait: float) -> None:
        until = time.perf_counter() + wait
        while True:
            left = max(0.0, until - time.perf_counter())
            ready, _, _ = select.select([self._server, self._pad, self._session], [], [], left)
            if not ready:
                return  # it has waited for so long
            for s in ready:
                if s is self._server:
                    client, _ = s.accept()
                    if self._on("down"):
                        client.close()
                        continue
                    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    client.settimeout(0.2)
                    self._clients.append(client)
                elif s is self._session:
                    self._answer(s.accept()[0])
                else:
                    gas, brake, steer, buttons = struct.unpack("<fffI", s.recv(64))
                    self._hear(gas, brake, steer, 0 if self._on("no_buttons") else buttons)
            if left <= 0.0:
                return

    def _answer(self, client: socket.socket) -> None:
        """One line is asked and one answered; the plugin looks for the very characters of a question."""
        with client, contextlib.suppress(OSError):
            client.settimeout(0.2)
            asked = client.recv(16 * 1024).decode(errors="replace")
            self.asked.append(asked.strip())
            known = '"protocol_version":"2"' in asked
            said: dict[str, str] = {"status": "ok", "protocol_version": "2", "map_uid": self.map_uid, "ready": "false"}
            if known and '"command":"confirm_ready"' in asked:
                said["ready"] = str(time.perf_counter() >= self._hold_until).lower()
            elif not known or '"command":"verify_loaded_map"' not in asked:
                said = {"status": "error", "protocol_version": "2", "error": "unknown_command"}
            elif not self.map_uid:
                said = {"status": "error", "protocol_version": "2", "error": "no_local_map_loaded"}
            client.sendall(json.dumps(said).encode() + b"\n")

    def _hear(self, gas: float, brake: float, steer: float, buttons: int) -> None:
        if self._on("deaf"):
            return
        if self._on("other"):  # it hears another person's pad, who means the opposite
            gas, brake, steer = 0.0, 0.0, -1.0 if steer > 0.0 else 1.0
        pressed, self.buttons = buttons & ~self.buttons, buttons
        steer = self._applied(steer)
        self.input = (gas, brake, steer)
        self.heard.append((time.perf_counter(), gas, brake, steer))
        if pressed & A:
            self.pop_up = False
        if self.pop_up:
            return  # it swallows everything else
        if pressed & B and not self._on("no_restart"):
            self.restarts += 1
            self._restart(0.0)
        if pressed & Y:
            self.respawns += 1
            self._restart(CHECKPOINT_M * (self._place_s // CHECKPOINT_M) if self.respawn_s is None else self.respawn_s)

    def _restart(self, s: float) -> None:
        self.finished = False
        self.game.restart(Start(s=s))
        self._place_s = s
        self._hold_until = time.perf_counter() + self.countdown

    def _physics(self) -> None:
        gas, brake, steer = self.input
        if self.finished or time.perf_counter() < self._hold_until:
            gas = brake = steer = 0.0
        self.game.press(gas - brake, steer)
        self.game.advance(1.0 / HZ)
        self._state = state = self.game.state()
        self._place_s = self.track.line.locate(state.x, state.y, self._place_s).s
        if not self.finished and self._place_s >= self.track.line.length - self.finish_m:
            self.finished = self.pop_up = True
            self._finished_at = time.perf_counter()

    def _applied(self, steer: float) -> float:
        """What the game makes of the stick, after its own settings of sensitivity and dead zone."""
        return steer if self.curve is None else math.copysign(float(np.interp(abs(steer), *self.curve)), steer)

    def frame(self) -> bytes:
        state = self._state
        x, y, z = state.x + 100.0, 10.0, -(state.y + 50.0)  # away from the origin, which means something in this game
        gas, brake, steer = self.input
        if self.finished or self._on("nowhere"):
            x = y = z = 0.0
        speed, brake, finished = state.speed, float(brake > 0.1), float(self.finished)
        if self.layout == 11:
            numbers = [speed, 3.0, x, y, z, steer, gas, brake, finished, 3.0, 7000.0]
        elif self.layout == 33:
            until = self._finished_at if self.finished else time.perf_counter()
            race_ms = max(0.0, 1000.0 * (until - self._hold_until))
            forward = (math.cos(state.heading), 0.0, -math.sin(state.heading))
            numbers = [
                *(self._place_s // CHECKPOINT_M, 0.0, finished, race_ms),
                *(x, y, z, state.vx, 0.0, -state.vy),
                *(*forward, 0.0, 1.0, 0.0),
                *(speed, 1000.0 + 200.0 * speed, 1.0 + speed // 10.0),
                *self._wheels(state),
                *(0.0, 1.0, steer, gas, brake),
            ]
        else:
            yaw = math.remainder(state.heading + math.pi / 2, 2 * math.pi)
            numbers = [
                *(1.0, 0.0, speed, x, y, z, steer, gas, brake, finished),
                *(0.3, 0.1, yaw, 0.0, 0.1, 0.1, 0.0, 0.0, 0.0, 3.0),
            ]
        if self._on("nan"):
            numbers[2:5] = [math.nan] * 3
        return struct.pack(f"<{len(numbers)}f", *numbers)

    def _wheels(self, state: VehicleState) -> list[float]:
        """Four slips, four grounds, how many wheels skid: the rear ones slip as the car slides; beside the road is grass."""
        aside = math.cos(state.heading) * state.vy - math.sin(state.heading) * state.vx
        slip = min(1.0, abs(aside) / 5.0)
        off = abs(self.track.line.locate(state.x, state.y, self._place_s).offset) > self.track.half_width
        return [0.0, 0.0, slip, slip, *[GRASS if off else ASPHALT] * 4, 2.0 * (slip > 0.5)]

    def _send(self) -> None:
        raw = self.frame()
        self.frames += 1
        if self._on("close") or self._on("down"):
            for client in self._clients:
                client.close()
            self._clients.clear()
        if self._on("silent"):
            return
        if self._on("half"):
            raw = raw[: len(raw) // 2 - 3]
        if self._on("garbage"):
            raw = bytes(np.random.default_rng(self.frames).integers(0, 256, len(raw), dtype=np.uint8))
        for client in list(self._clients):
            try:
                client.sendall(raw)
            except OSError:
                self._clients.remove(client)
                client.close()


def stand_in_track(track: Track | None = None) -> Track:
    """Return the track where the stand-in's game has it: its world is moved, like a real map's."""
    from hitl.road.line import ReferenceLine

    track = track or load_track("default")
    line = ReferenceLine(track.line.points + np.array([100.0, 50.0]))
    return Track(track.name, line, track.half_width, track.corners)


if __name__ == "__main__":
    asked_port, asked_layout, asked_session = map(int, (*sys.argv[1:4], *("11", "0")[len(sys.argv) - 2 :]))
    asked_track = load_track(Path(sys.argv[4])) if len(sys.argv) > 4 else None
    with StandIn(asked_track, port=asked_port, layout=asked_layout, session_port=asked_session) as it:
        it.between_frames(raise_priority)  # a game that draws on time, whatever else runs on the machine
        print("ready", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            for text in sys.stdin:
                kind, _, seconds = text.strip().partition(" ")
                it.fault(kind, float(seconds or 0))
