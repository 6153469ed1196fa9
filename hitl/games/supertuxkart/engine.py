"""The program that drives SuperTuxKart: it reads requests, one JSON list a line, and answers each with one line of JSON.

It is run as a script of its own and imports nothing of hitl; hitl never imports it. One process is one track, because the engine
crashes when a second race is restarted. What the engine prints goes to stderr, so that the pipe carries answers only.

``engine.py TRACK KART`` answers "ready" when the track is loaded, and then

- ``["restart", x, y, z, heading, speed]`` and ``["step", gas, brake, steer, seconds]`` with a state;
- ``["road"]`` with an object: ``nodes``, ``width``, ``successors``, ``length``.

A state is [x, y, z, heading, vx, vy, yaw_rate]: metres, seconds and radians; the road plane is (x, y), z is height, and angles
grow counter-clockwise. The engine's own axes are left-handed with y up, so its (x, z), seen from above, is this plane.
"""

from __future__ import annotations

import json
import math
import os
import sys

READY_SET_GO = 5.05  # s of the engine's countdown; one long step skips it
SETTLE_STEPS = 10  # of TICK, in which a car that was put down comes to rest on its wheels
PUSH_STEPS = 80  # most steps of full gas to reach the speed of a start
TICK = 0.05  # s
ABOVE_M = 0.4  # above the road, from which a car is let down


class Engine:
    """One race with one kart."""

    def __init__(self, track: str, kart: str) -> None:
        import pystk2

        self._stk = pystk2
        pystk2.init(pystk2.GraphicsConfig.none())
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

    def step(self, gas: float, brake: bool, steer: float, seconds: float) -> list[float]:
        """Let time pass with these controls."""
        self._pass(seconds, acceleration=gas, brake=bool(brake), steer=steer)
        return self.state()

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


def main() -> None:
    """Answer requests until the pipe is closed."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the engine prints
    engine = Engine(sys.argv[1], sys.argv[2])
    print(json.dumps("ready"), file=answers, flush=True)
    for line in sys.stdin:
        name, *values = json.loads(line)
        print(json.dumps(getattr(engine, name)(*values)), file=answers, flush=True)


if __name__ == "__main__":
    main()
