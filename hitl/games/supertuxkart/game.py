"""SuperTuxKart as a game to drive: one kart alone on one of its tracks.

The engine runs in a process of its own (`engine_process.py`). Its time is ours. ``advance`` sends the controls and does not wait,
``state`` takes the answer: meanwhile the session thinks, and in real time the answer has long come.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from data.errors import DeviceError, shown
from data.extras import install
from data.files.paths import private_folder
from data.suggest import did_you_mean
from data.words import listed
from hitl.games.base import AT_REST, Start, VehicleState
from hitl.games.hang_guard import EnvironmentLost
from hitl.games.supertuxkart.data_folder import Found, engine_version, find, named_in_vain, own_folder, usable
from hitl.games.supertuxkart.engine_process import LOG, EngineProcess, apart_from_the_players, unwritable
from hitl.games.supertuxkart.mirror import LOG as PICTURE_LOG
from hitl.games.supertuxkart.mirror import Mirror, drawing_unseen
from hitl.home import Home
from hitl.pads.base import Control
from hitl.processes import script
from hitl.road.kart_tracks import KART_TRACKS
from hitl.road.track import Track, load_track

if TYPE_CHECKING:
    from hitl.games.world import World
    from hitl.session_options import SessionOptions

TRACK = "fortmagma"  # what is driven where no track is named
COPY_LOG = "supertuxkart-trials.log"  # in the home
KART = "tux"  # of the middle class, and in every copy of the game
BRAKES_FROM = 0.3  # share of the pedal from which the brake acts: the game knows no half
LOAD_S, RESTART_S, STEP_S = 60.0, 20.0, 5.0  # s that loading a track, beginning an episode and one step may take
ENGINE = Path(__file__).with_name("engine.py")
MORE = ("drift", "nitro", "fire")  # actions that the player may allow the agent: pressed while they are above 0
NOT_PRESSED = -0.5  # what a person's controls, which have none of these, say of them
Step = tuple[float | bool, ...]  # gas, brake, steer, seconds, and whether each of MORE is pressed


@dataclass(frozen=True, slots=True)
class KartRun:
    """A run up to a moment: its start, what was driven since, and what is pressed now."""

    start: tuple[float, ...]
    driven: list[Step]  # what each step asked for; it grows, and only the first ``steps`` count
    steps: int
    now: NDArray[np.float32]
    time: float  # s
    heading: float  # rad, unwrapped: of a step before


class SuperTuxKartGame:
    """One kart on one track. Deterministic: the same start and the same actions give the same run, in a new process, too.

    That is how it goes back: the engine is asked to drive the run again from its start, in less than a second for a lap.
    """

    def __init__(
        self, track: Track, home: Home, program: Sequence[str] | None = None, log: str = LOG, more: bool = False
    ) -> None:
        """Load the track.

        ``program``: the engine's command line, without track and kart; ``log``: in the home; ``more``: with ``MORE``'s actions.

        Raises DeviceError when package or data are missing, EnvironmentLost when the engine fails.
        """
        self.track, self._home = track, home
        self._program, self._log = program, log
        self.action_names: tuple[str, ...] = ("gas_brake", "steer", *(MORE if more else ()))
        self.controls = (Control("gas_brake"), Control("steer"), *(Control("none", rest=NOT_PRESSED) for _ in MORE if more))
        """Of a person's pad, for each action."""
        self._child: EngineProcess | None = None
        self._leaving: Callable[[], bool] = lambda: False
        self._action = np.zeros(len(self.action_names), np.float32)
        self._waits = False  # for the answer to the last step
        self._state = AT_REST
        self.notices: list[str] = []
        """Sentences for the player."""
        self.mirror: Mirror | None = None
        """What draws the picture; None where there is no window, or the player wants none."""
        self._open()

    def _open(self) -> EngineProcess:
        self._child = child = start_engine(self.track.name, self._home, self._program, self._log)
        child.leaving = self._leaving
        self._answer(LOAD_S, "loading the track")
        return child

    def heed(self, leaving: Callable[[], bool]) -> None:
        """Ask, while the engine is waited for, whether the player wants to leave."""
        self._leaving = leaving
        if self._child is not None:
            self._child.leaving = leaving

    def restart(self, start: Start) -> None:
        """Put the kart at the start, with about its speed; one that slides or turns cannot be had. A lost engine starts anew."""
        child = self._child or self._open()
        if self._waits:  # for a step whose result nobody wants any more
            self._take()
        x, y, heading = self.track.line.beside(start.s, start.offset)
        self.release()
        self._start: tuple[float, ...] = (x, y, self.track.height_at(start.s), heading + start.turn, start.speed)
        self._driven: list[Step] = []
        self._send(child, "restart", *self._start)
        self._time, self._heading = 0.0, heading + start.turn
        self._note(self._answer(RESTART_S, "the beginning of an episode"))

    def send(self, action: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Take (gas_brake, steer, *MORE), each in [-1, 1]. Returns what they were set to: the brake is either on or off."""
        if self._waits:
            self._take()  # the step before was driven with the action before
        pedal = float(action[0])
        self._action = np.array(action, np.float32)
        self._action[0] = pedal if pedal >= 0.0 else -float(pedal <= -BRAKES_FROM)
        return self._action if -1.0 < pedal < 0.0 else None

    def release(self) -> None:
        """Let go of the pedals and straighten the wheel."""
        self._action = np.zeros(len(self.action_names), np.float32)

    def advance(self, dt: float) -> None:
        """Let ``dt`` seconds pass; ``state`` waits until they have."""
        if self._child is None:
            raise EnvironmentLost("SuperTuxKart is not running; the next episode starts it anew.")
        pedal, steer, *more = self._action.tolist()
        self._driven.append((max(pedal, 0.0), pedal < 0.0, steer, dt, *(value > 0.0 for value in more)))
        self._send(self._child, "step", *self._driven[-1])
        self._time += dt
        self._waits = True

    def state(self) -> VehicleState:
        """Return the kart as it is after the time that has passed."""
        if self._waits:
            self._take()
        return self._state

    def save(self) -> KartRun:
        """Return this moment; it costs as much after an hour as at the start."""
        return KartRun(self._start, self._driven, len(self._driven), self._action, self._time, self._heading)

    def restore(self, saved: KartRun) -> None:
        """Drive the run of that moment again, up to it. A lost engine starts anew."""
        child = self._child or self._open()
        if self._waits:
            self._take()
        self._start, self._driven = saved.start, saved.driven[: saved.steps]
        self._action, self._time, self._heading = saved.now, saved.time, saved.heading
        self._send(child, "replay", self._start, tuple(self._driven))  # as it is now: it grows, and the picture may come later
        self._note(self._answer(RESTART_S + STEP_S * len(self._driven) / 100, "driving back to where you were"))

    def close(self) -> None:
        """End the engine."""
        if self.mirror is not None:
            self.mirror.close()
        child, self._child, self._waits = self._child, None, False
        if child is not None:
            child.close()

    def _take(self) -> None:
        self._waits = False
        self._note(self._answer(STEP_S, "a step"))

    def _note(self, numbers: list[float]) -> None:
        x, y, z, heading, vx, vy, yaw_rate = numbers
        self._heading += math.remainder(heading - self._heading, math.tau)  # unwrapped
        pedal, steer, *_ = self._action.tolist()
        self._state = VehicleState(
            self._time, x, y, z, self._heading, vx, vy, yaw_rate, steer=steer, gas=max(pedal, 0.0), brake=max(-pedal, 0.0)
        )

    def _send(self, child: EngineProcess, *request: object) -> None:
        if self.mirror is not None:
            self.mirror.follow(*request)
        try:
            child.ask(*request)
        except EnvironmentLost:
            self._forget()
            raise

    def _answer(self, timeout: float, what: str) -> list[float]:
        assert self._child is not None
        try:
            answer: list[float] = self._child.answer(timeout, what)
        except EnvironmentLost:
            self._forget()
            raise
        return answer

    def _forget(self) -> None:
        """The engine is gone: the next episode starts another."""
        self._child, self._waits = None, False
        self._state = replace(self._state, vx=0.0, vy=0.0, yaw_rate=0.0)


def start_engine(
    track: str, home: Home, program: Sequence[str] | None = None, log: str = LOG, picture: Sequence[str] = ()
) -> EngineProcess:
    """Start the engine with a track; it answers once when the track is loaded. Raises as the game does.

    ``picture``: the file that it draws into, the rows and the quality of that; empty: it draws nothing, and answers all requests.
    """
    data = _data(home, track) if program is None else home.root
    folder = own_folder(home)
    try:
        private_folder(folder)
        env = apart_from_the_players(folder, data)
    except OSError as error:
        raise unwritable(home.root, error) from error
    if picture:
        drawing_unseen(env)
    return EngineProcess([*(program or script(ENGINE)), track, KART, *picture], env, home.root / log)


def installed(home: Home) -> Found:
    """Return where the game's data are. Raises DeviceError when they, or the engine's package, are missing. Writes nothing."""
    if engine_version() is None:
        raise DeviceError(f"SuperTuxKart's engine is not installed: {install('supertuxkart')}.")
    found = find(home)
    if found is None:
        why = f"{said} " if (said := named_in_vain()) else ""
        raise DeviceError(
            f"SuperTuxKart's tracks and karts are not on this machine. {why}`hitl supertuxkart` says how to get them."
        )
    return found


def drivable_here(home: Home, track: str) -> Found:
    """Return where the game's data are, which hold that track.

    Raises DeviceError when they, the track in them, or the engine's package are missing. Writes nothing.
    """
    found = installed(home)
    there = found.tracks()
    if track not in there:
        others = f"of these tracks it has {listed(there)}" if there else "it has none of the tracks that hitl knows"
        raise DeviceError(
            f"SuperTuxKart's track '{track}' is not in {found.where}: {others}. Drive another, or put the whole game there."
        )
    return found


def _data(home: Home, track: str) -> Path:
    """Return the folder of the game's data for the engine. Raises as `drivable_here`."""
    found = drivable_here(home, track)
    try:
        return usable(found, home)
    except OSError as error:
        raise unwritable(home.root, error) from error


def kart_track(name: str) -> Track:
    """Return the track of that name. Raises DeviceError for one that is none of the game's."""
    if name == "default":
        name = TRACK
    if name not in KART_TRACKS:
        meant = did_you_mean(name, KART_TRACKS)
        named, tracks = shown(os.path.basename(name)), ", ".join(KART_TRACKS)
        raise DeviceError(f"SuperTuxKart has no track '{named}'; its tracks are {tracks}.{meant}")
    return load_track(name)


def copy_of(track: Track, home: Home) -> SuperTuxKartGame:
    """Return another kart on a track, in an engine of its own: as exact as the first one."""
    from hitl.settings import load

    return SuperTuxKartGame(track, home, log=COPY_LOG, more=load(home, "supertuxkart").supertuxkart.more_actions)


def supertuxkart_world(options: SessionOptions, home: Home) -> World:
    """Open SuperTuxKart."""
    from hitl.games.open_game import driven
    from hitl.settings import load

    track = kart_track(options.track)
    chosen = load(home, "supertuxkart").supertuxkart
    game = SuperTuxKartGame(track, home.create(), more=chosen.more_actions)
    open_world = partial(driven, game, track, options, home, heed=game.heed, controls=game.controls)
    if not options.show or chosen.picture == "off":
        return open_world()
    from takeover_ui.window.picture import picture_path

    path = picture_path(own_folder(home))
    drawn = str(path), str(chosen.rows), chosen.picture
    game.mirror = Mirror(lambda: start_engine(track.name, home, log=PICTURE_LOG, picture=drawn), path, game.notices)
    return open_world(picture=path)
