"""TrackMania 2020 as a `Game`: its telemetry in, a virtual pad out."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from data.errors import DeviceError
from hitl.games.base import Start, VehicleState
from hitl.games.hang_guard import TICKS, EnvironmentLost
from hitl.games.trackmania.details import car_details
from hitl.games.trackmania.frames import Frame, time_at_finish
from hitl.games.trackmania.motion import Motion, ground
from hitl.games.trackmania.relay import Relay
from hitl.games.trackmania.session_port import SessionPort
from hitl.games.trackmania.stick_curve import StickCurve
from hitl.games.trackmania.telemetry import Telemetry
from hitl.games.trackmania.virtual_pad import VirtualPad
from hitl.road.track import Track

PRESS_S = 0.1  # s that a button is held: the game does not notice a shorter press
SETTLE_S = 1.5  # s from the restart until the car may drive: the game counts down
READY_S = 1.0  # s after that until a frame must show it at its start
CLOCK_S = 0.1  # s by which the lap clock may be ahead of ours
TRIES = 3  # restarts before the game counts as lost
GLITCH_S = 0.5  # s that the position may be (0, 0, 0) without a finish
SLOW = 1.5  # pictures a tick below which the player is told
FROZEN_S = 0.5  # s that a car which says that it moves may stand on one spot
DEVIATION = 0.25  # of steering or gas between what was sent and what the game obeyed
DEVIATES_TICKS = 6
FULL_LOCK = 0.9  # of the stick, from which the game steers fully whatever its settings
WAIT_S = 5.0  # s for the first frame
WITH_SESSION = 33  # numbers a frame of the plugin that has a session port
LAG_TICKS = 3  # between a send and the frame that shows it, at most
NOT_OBEYED = (
    "The game does not obey this session's pad: click into the game's window; if it hears your own pad, hide that from it "
    "(HidHide); if it hears none, choose the pad in its settings."
)
NOT_OBEYED_KEYS = (
    "The game does not obey the keys that are pressed for it: start it without administrator's rights, because Windows passes no "
    "keys on to such a program, and let the arrow keys drive in its settings."
)


class TrackManiaGame:
    """The car in TrackMania. ``state`` and ``send`` return at once; ``restart`` takes some two seconds.

    A start on the line (s = 0) is the map's own start; any other is the game's respawn at the last checkpoint, because the
    game cannot put a car down anywhere. Raises EnvironmentLost when no believable frame has come for three ticks.
    """

    action_names: tuple[str, ...] = ("gas", "brake", "steer")

    def __init__(self, track: Track, telemetry: Telemetry, *, hz: float = 20.0, settle_s: float = SETTLE_S) -> None:
        self.track, self.telemetry = track, telemetry
        self.pad: VirtualPad | None = None  # plugged in later: the player's own must be known by then
        self.spare: Callable[[], VirtualPad | None] = lambda: None  # keys, for a restart that the pad's buttons do not bring
        self._stale_s, self._settle_s, self._hz = TICKS / hz, settle_s, hz
        self.motion = Motion()
        self.age = 0.0  # s: of the newest frame when it was last asked for
        self.respawned = False  # by the last restart: at a checkpoint, and not at the start
        self.map_uid = ""  # of the map that is loaded; "" where the plugin does not tell
        self.session_port: SessionPort | None = None  # of the plugin that has one
        self.curve: StickCurve | None = None  # of the game's own settings, which is undone before sending
        self.needs_details = False  # a frame without them is of no use
        self.notices: list[str] = []  # sentences for the player; whoever shows them empties it
        self._sent: list[tuple[float, float, float]] = []
        self._deviating = 0
        self._began = time.perf_counter()
        self._place: tuple[float, float, float] | None = None
        self._nowhere_since: float | None = None
        self._lap_time = math.nan
        self._moved = 0.0  # s: when the position last changed, or the car said that it stands
        self._told_yaw = self._told_slow = False
        self._problem = ""
        self._notable = True

    def restart(self, start: Start) -> None:
        """Restart the run by the pad's buttons and wait until the car stands ready. Raises EnvironmentLost if it never does."""
        if self.pad is None:
            raise EnvironmentLost("There is no virtual pad to drive TrackMania with.")
        self.telemetry.hurry()
        frame = self.telemetry.wait(lambda f: True, 3.0)
        if frame is None:
            raise EnvironmentLost(f"TrackMania sends no telemetry: {self.telemetry.problem}. See docs/trackmania.md.")
        respawn = start.s > 0.0 and not (frame.finished or frame.nowhere)
        for number in range(TRIES):
            self.pad.pause()
            newest = self.telemetry.newest()
            pop_up = newest is not None and (newest.finished or newest.nowhere)
            self._begin_anew(self.pad, respawn, pop_up)
            if number == TRIES - 1 and (keys := self.spare()) is not None:
                try:
                    self._begin_anew(keys, respawn, pop_up)
                finally:
                    keys.close()
            pressed = time.perf_counter()
            ready = self._settled(pressed, respawn)
            if ready is not None:
                break
        else:
            raise EnvironmentLost(
                "TrackMania does not restart: click into its window, close what is open there, and check that its restart "
                "button is B."
            )
        looked_s = time.perf_counter() - pressed
        rate = self.telemetry.rate(looked_s) if looked_s >= 0.3 else math.inf
        if rate < SLOW * self._hz and not self._told_slow:
            self._told_slow = True
            self.notices.append(
                f"TrackMania draws only {rate:.0f} pictures a second, and this session drives by them {self._hz:.0f} times a "
                "second: lower graphics, or no frame limit, makes it drive better."
            )
        self.respawned = respawn
        line = self.track.line
        here = line.locate_anywhere(*ground(ready)) if respawn else line.begin_at(*ground(ready))
        self.motion.begin(here.heading)
        self._place = (ready.x, ready.y, ready.z)
        self._nowhere_since, self._deviating = None, 0
        self._lap_time = math.nan
        self._moved = time.perf_counter()
        self._notable = True
        self._sent.clear()
        self._began = time.perf_counter()

    def _settled(self, pressed: float, respawn: bool) -> Frame | None:
        """Wait for the car to stand ready after a press; return the frame that shows it, None where it never did."""
        if self.session_port is None:
            time.sleep(self._settle_s)
            return self.telemetry.wait(lambda f: f.received > pressed and _ready(f, respawn), READY_S)

        def anew(frame: Frame) -> bool:
            since = frame.received - pressed
            # A lap clock that runs for longer than since the press is that of the run before.
            return since > 0.0 and _ready(frame, respawn) and (respawn or not frame.race_s > since + CLOCK_S)

        until = pressed + SETTLE_S + READY_S
        if self.telemetry.wait(anew, SETTLE_S + READY_S) is None or not self.session_port.ready(until):
            return None
        return self.telemetry.wait(anew, READY_S)

    def send(self, action: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Take (gas, brake, steer); pedals at or below 0 are released. Returns what the game gets where that differs."""
        gas, brake, steer = (float(v) for v in action)
        pressed = None
        if self.pad is not None:
            bent = steer if self.curve is None or self.pad.by_keys else self.curve.stick_for(steer)
            pressed, problem = self.pad.send(gas, brake, bent), self.pad.problem
            if problem not in ("", self._problem):
                self.notices.append(problem)
            self._problem = problem
        if pressed is not None:
            gas, brake, steer = pressed
        self._sent.append((min(max(gas, 0.0), 1.0), min(max(brake, 0.0), 1.0), steer))
        del self._sent[: -LAG_TICKS - 1]
        return None if pressed is None else np.array(pressed, np.float32)

    def state(self) -> VehicleState:
        """Return the newest state. Raises EnvironmentLost when it is too old to drive by."""
        frames = self.telemetry.recent()
        now = time.perf_counter()
        newest = frames[-1] if frames else None
        self.age = now - newest.received if newest is not None else math.inf
        if newest is None or self.age > self._stale_s:
            why = self.telemetry.problem or "the game has stopped sending"
            self.telemetry.trouble()  # which the error says already
            raise EnvironmentLost(f"The telemetry has been silent for {1000 * self._stale_s:.0f} ms: {why}.")
        if self.needs_details and not newest.numbers:
            raise EnvironmentLost(
                f"The game's plugin sends {self.telemetry.layout} numbers a frame now, and this session needs {WITH_SESSION}: "
                "use the plugin of its beginning, or start the session again."
            )
        if newest.finished and math.isnan(self._lap_time):
            self._lap_time = time_at_finish(frames, self._began)
        if newest.nowhere and self._place is not None and math.hypot(*self._place) > 1.0:
            return self._stand_in(newest, now)
        self._nowhere_since = None
        here = (newest.x, newest.y, newest.z)
        if here != self._place or abs(newest.speed) < 1.0:
            self._moved = now
        elif now - self._moved > FROZEN_S:
            raise EnvironmentLost("TrackMania's car reports speed and does not move: is a menu open, or does the game hang?")
        self._place = here
        self.notices += self.telemetry.trouble()
        self.motion.follow([f for f in frames if not f.nowhere])
        if self.motion.problem and not self._told_yaw:
            self._told_yaw = True
            self.notices.append(self.motion.problem)
        self._compare(newest)
        return self._vehicle(newest, now)

    def _stand_in(self, newest: Frame, now: float) -> VehicleState:
        """The position is gone, as after a finish: use the last one that was seen, for a while."""
        self._nowhere_since = self._nowhere_since or now
        if not newest.finished and now - self._nowhere_since > GLITCH_S:
            raise EnvironmentLost("TrackMania says that the car is nowhere: is a menu open, or was the map left?")
        return self._vehicle(newest, now)

    def _vehicle(self, newest: Frame, now: float) -> VehicleState:
        assert self._place is not None
        x, y, z = self._place
        motion = self.motion
        return VehicleState(
            time=now - self._began,
            x=x,
            y=-z,
            z=y,
            heading=motion.heading,
            vx=motion.vx,
            vy=motion.vy,
            yaw_rate=motion.yaw_rate,
            steer=newest.steer,
            gas=newest.gas,
            brake=newest.brake,
            finished=newest.finished,
            lap_time=self._lap_time,
            details=car_details(newest.numbers) if newest.numbers else None,
        )

    def _compare(self, newest: Frame) -> None:
        """Notice when the game obeys another pad than ours."""
        if len(self._sent) <= LAG_TICKS or time.perf_counter() - self._began < 1.0:
            return
        obeyed = any(
            self._may_be(steer, newest.steer) and (abs(newest.gas - gas) <= DEVIATION or brake > 0.1)
            for gas, brake, steer in self._sent
        )
        # Now and then another pad does by chance what was sent: such a tick takes one back, and does not begin the count anew.
        self._deviating = max(0, self._deviating - 1) if obeyed else min(DEVIATES_TICKS, self._deviating + 1)
        if self._deviating == DEVIATES_TICKS and self._notable:
            self._notable = False
            self.notices.append(NOT_OBEYED_KEYS if self.pad is not None and self.pad.by_keys else NOT_OBEYED)
        if not self._deviating and not self._notable and max(newest.gas, abs(newest.steer)) > 0.3:
            self._notable = True  # it does again: tell the player the next time

    def _may_be(self, steer: float, applied: float) -> bool:
        """Tell whether the game may have made this of the steering that was asked for."""
        if self.curve is None:
            return _bent(steer, applied)
        return abs(applied - self.curve.gives(self.curve.stick_for(steer))) <= DEVIATION

    def _begin_anew(self, controls: VirtualPad, respawn: bool, pop_up: bool) -> None:
        """Press the buttons that begin a run again."""
        names = ("confirm",) if pop_up else ()  # the pop-up after a finish swallows every other button
        for name in (*names, "respawn" if respawn else "restart"):
            for down in (True, False):
                controls.press(name, down)
                time.sleep(PRESS_S)  # between episodes, so no tick waits

    def release(self) -> None:
        """Let go of all controls at once."""
        if self.pad is not None:
            self.pad.pause()

    def close(self) -> None:
        """Let go of the pad and of the game."""
        try:
            if self.pad is not None:
                self.pad.close()
        finally:
            self.telemetry.close()


def _bent(sent: float, applied: float) -> bool:
    """Tell whether the game may have made this of the stick: the same, or less of it to the same side.

    The game's own settings of sensitivity and dead zone bend the stick (half of it may steer straight ahead), but full lock
    is full lock.
    """
    if abs(applied - sent) <= DEVIATION:
        return True
    return abs(sent) < FULL_LOCK and 0.0 <= math.copysign(1.0, sent) * applied <= abs(sent)


def _ready(frame: Frame, respawn: bool) -> bool:
    """Tell whether the car stands on its start, or (after a respawn) is on the road again."""
    return not frame.finished and not frame.nowhere and (respawn or abs(frame.speed) < 3.0)


def open_trackmania(
    track: Track, *, host: str, port: int, layout: int, hz: float, settle_s: float, session_port: int = 0,
    relay_port: int = 0,
) -> TrackManiaGame:
    """Connect to the game. ``session_port``: of the plugin with 33 numbers, 0 where it is not asked; ``relay_port``: where other
    programs on this machine get what the plugin sends, 0: nowhere.

    Raises DeviceError, in one sentence, when nothing believable comes within five seconds.
    """
    telemetry = Telemetry(host, port, layout, Relay(relay_port) if relay_port else None)
    if telemetry.wait(lambda f: True, WAIT_S) is None:
        problem = telemetry.problem
        telemetry.close()
        raise DeviceError(
            f"TrackMania sends no telemetry: {problem}. Start the game, load a map and the OpenPlanet plugin "
            "(docs/trackmania.md), and look with `hitl doctor`."
        )
    game = TrackManiaGame(track, telemetry, hz=hz, settle_s=settle_s)
    if session_port and telemetry.layout == WITH_SESSION:
        asked = SessionPort(host, session_port)
        game.map_uid = asked.map_uid()
        game.session_port = asked if asked.answers() else None
    return game
