"""The player's own tmrl environment, with its observation and reward as they are, for a session with takeovers.

tmrl runs it through rtgym on a thread of its own, and waits there for a game that may have gone: a guard stands around its
interface, and an environment that was lost is replaced by a new one.
"""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from data.errors import DeviceError, InputFileError
from data.ranges import ActionRange
from hitl.games.ending import Ending
from hitl.games.hang_guard import RESET_S, EnvironmentLost, Worker
from hitl.games.pictures import pixel_names
from hitl.games.tmrl.importing import check_reward, find_data, import_tmrl, usual_reward
from hitl.games.tmrl.layout import point_clients, where
from hitl.games.tmrl.rtgym_guard import GuardedInterface, guarded_interfaces
from hitl.games.tmrl.seen_car import SeenCar
from hitl.games.trackmania.frames import SIZES, frame
from hitl.games.world import no_road
from hitl.road.track import Track, load_track

ACTIONS = ("gas", "brake", "steer")
CLOSE_S = 2.0  # s that the running time-step is waited for at the end; the guard bounds it to a few ticks
See = Callable[[Any], Any]


class TmrlEnv(gymnasium.Env[NDArray[np.float32], NDArray[np.float32]]):
    """``make`` gives the environment (rtgym inside), ``see`` is the player's observation preprocessor.

    Observation: (O,) float32, all parts of what ``see`` gives, one behind the other; a picture (three or four axes: frames, rows,
    columns, colours) comes last. Raises EnvironmentLost when the environment raises or hangs; the next ``reset`` makes a new one.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 (gymnasium's own convention)

    def __init__(self, make: Callable[[], Any], see: See | None, track: Track, *, has_line: bool) -> None:
        self._make, self._see, self.track = make, see, track
        self._interface_worker, self._rtgym_worker = Worker("hitl-tmrl"), Worker("hitl-rtgym")
        self._env: Any = None
        self._interface: Any = None
        self.guard: GuardedInterface | None = None
        self._picture: int | None = None  # which part is a picture
        self._bytes = False  # its brightness goes up to 255
        self.on_pad: Callable[[Any], None] = lambda pad: None  # called with the pad that tmrl has made
        self.notices: list[str] = []
        """What the player is to know of it, told as the first episode begins."""
        self._leaving: Callable[[], bool] = lambda: False
        self._car = SeenCar(track, has_line=has_line)
        self._renew()
        env: Any = self._env
        space = env.action_space
        if not isinstance(space, spaces.Box) or space.shape != (len(ACTIONS),):
            self.close()
            raise DeviceError(
                f"This tmrl environment takes {space} and not gas, brake and steering: use --env gym:ID for it."
            )
        self._scaled = ActionRange(space)
        self.action_space = spaces.Box(-1.0, 1.0, (len(ACTIONS),), np.float32)
        zeros = tuple(np.zeros(part.shape, part.dtype) for part in env.observation_space.spaces)
        shown = [np.asarray(part) for part in self._parts(zeros)]
        self._picture = next((k for k, part in enumerate(shown) if part.ndim in (3, 4)), None)
        self.image = shown[self._picture].shape[:3] if self._picture is not None else ()
        self.size = len(self._joined(zeros))
        pixels = pixel_names(*self.image) if self.image else ()
        self.observation_names = (*(f"observation_{k}" for k in range(self.size - len(pixels))), *pixels)
        self.observation_space = spaces.Box(-np.inf, np.inf, (self.size,), np.float32)
        self.hz = 1.0 / float(env.unwrapped.time_step_duration)
        self._ending = Ending(self.hz)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin an episode as tmrl does; a start on the line cannot be chosen."""
        if self._env is None:
            self._renew()
        env = self._env
        observation, _ = self._guarded(lambda: env.reset(seed=seed))
        self._watch(self._interface)
        self._car.begin()
        self._ending.begin()
        self._look()
        told = self._car.info(None)
        if self.notices:
            told["notices"] = (*told.get("notices", ()), *self.notices)
            self.notices = []
        return self._joined(observation), told

    def step(self, action: NDArray[np.float32]) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Pass the action on; return what the time-step before it has led to."""
        env = self._env
        given = self._scaled(action)
        observation, reward, terminated, truncated, _ = self._guarded(lambda: env.step(given))
        self._look()
        self._ending.step(self._car.state if self._car.is_seen else None)
        reason = self._ending.reason(bool(terminated), bool(truncated), self._car.finished)
        return self._joined(observation), float(reward), bool(terminated), bool(truncated), self._car.info(reason)

    def wait(self) -> None:
        """Return when the running time-step has ended. Raises EnvironmentLost when something failed in it."""
        env = self._env
        self._guarded(lambda: env.unwrapped.stop())  # rtgym's own word for it

    def heed(self, leaving: Callable[[], bool]) -> None:
        """Have ``leaving`` asked while tmrl is waited for: whether the player wants to go."""
        self._leaving = leaving
        self._interface_worker.leaving = self._rtgym_worker.leaving = leaving

    def release(self) -> None:
        """Let go of all controls at once, even where the environment hangs or has failed."""
        interface = self._interface
        if interface is not None and getattr(interface, "initialized", True):
            with contextlib.suppress(Exception):
                interface.send_control(np.zeros(len(ACTIONS), np.float32))

    def close(self) -> None:
        """Let go of the environment and of its pad."""
        if (env := self._env) is not None:
            # The running time-step sends its action on a thread of rtgym's: letting go must be what comes last.
            with contextlib.suppress(EnvironmentLost):
                self._rtgym_worker.call(lambda: env.unwrapped.stop(), CLOSE_S, "rtgym")
        self.release()
        self._abandon()
        self._interface = None
        self._interface_worker.close()
        self._rtgym_worker.close()

    # -- inside

    def _renew(self) -> None:
        self._interface = None
        if self._interface_worker.hangs:  # the interface that hangs is never used again, so the new one need not wait for it
            self._interface_worker.close()
            self._interface_worker = Worker("hitl-tmrl")
            self.heed(self._leaving)
        with guarded_interfaces(self._interface_worker) as guards:
            self._env = self._interface_worker.call(self._make, RESET_S, "making tmrl's environment")
        if not guards:
            raise DeviceError(
                "The environment of this tmrl is not made by gymnasium.make of an rtgym environment: rtgym 0.13 or newer is "
                "needed; an environment of another kind is driven by --env gym:ID."
            )
        self.guard = guards[-1]
        self._interface = self.guard.interface

    def _guarded(self, job: Callable[[], Any]) -> Any:
        """Return rtgym's answer. Raises EnvironmentLost when the guard had to answer in the interface's place."""
        if self.guard is None:
            raise EnvironmentLost("tmrl's environment is gone: the next episode makes a new one.")
        try:
            # The guard waits for the interface; this long rtgym itself could only hang by a fault of its own.
            result = self._rtgym_worker.call(job, 2 * RESET_S, "rtgym")
            self.guard.check()
        except BaseException:
            self._abandon()
            raise
        return result

    def _abandon(self) -> None:
        """Never use this environment again: a call of its interface may hang for good."""
        client = getattr(self._interface, "client", None)
        if client is not None and hasattr(client, "_nb_bytes"):
            client._nb_bytes = _Ends()  # its thread reads for ever, at full speed once the game has gone
        self._env = self.guard = None

    def _watch(self, interface: Any) -> None:
        """Read along when tmrl takes a frame of telemetry: tmrl doesn't pass on where the car is."""
        client = getattr(interface, "client", None)
        if client is None or hasattr(client, "hitl_newest"):
            return
        take = client.retrieve_data
        client.hitl_newest = None

        def taken(*args: Any, **kwargs: Any) -> Any:
            numbers = take(*args, **kwargs)
            client.hitl_newest = (time.perf_counter(), numbers)
            return numbers

        client.retrieve_data = taken
        pad = getattr(interface, "j", None)
        if pad is not None:
            self.on_pad(pad)

    def _look(self) -> None:
        newest = getattr(getattr(self._interface, "client", None), "hitl_newest", None)
        if newest is not None and len(newest[1]) in SIZES:
            self._car.see(frame([float(number) for number in newest[1]], newest[0]))

    def _joined(self, observation: Any) -> NDArray[np.float32]:
        parts = [np.asarray(part) for part in self._parts(observation)]
        if self._picture is not None:
            parts.append(self._light(parts.pop(self._picture)))
        return np.concatenate([np.asarray(part, np.float32).ravel() for part in parts])

    def _parts(self, observation: Any) -> Any:
        return self._see(observation) if self._see is not None else observation

    def _light(self, picture: NDArray[Any]) -> NDArray[np.float32]:
        """Return a picture (frames, rows, columns) grey and from 0 to 1; one that is ever brighter than 1 goes up to 255."""
        light = picture.astype(np.float32)
        if light.ndim == 4:
            light = light.mean(axis=3)
        self._bytes = self._bytes or picture.dtype == np.uint8 or float(light.max(initial=0.0)) > 1.5
        return light / 255.0 if self._bytes else light


class _Ends:
    """Ends a thread that compares a number with it."""

    def __gt__(self, other: object) -> bool:
        raise SystemExit


def open_tmrl(folder: str | Path = "", *, host: str = "127.0.0.1", port: int = 9000) -> TmrlEnv:
    """Return the environment that the player's own tmrl set-up describes.

    Raises:
        DeviceError: tmrl is not installed or cannot be imported, or its environment cannot be driven.
        InputFileError: it is not set up.
    """
    tmrl = import_tmrl(folder)
    objects = import_tmrl(folder, "tmrl.config.config_objects")
    constants = import_tmrl(folder, "tmrl.config.config_constants")
    make = getattr(tmrl, "get_environment", None)
    if make is None:
        raise DeviceError(f"The tmrl in {where()} has no get_environment(), so it cannot be driven by --env tmrl.")
    point_clients(host, port)
    warnings.filterwarnings("ignore", message="Time-step timed out", module="rtgym")
    reward = Path(getattr(constants, "REWARD_PATH", usual_reward(find_data(folder))))
    note = check_reward(reward)
    track, has_line = _road(reward)
    env = TmrlEnv(make, getattr(objects, "OBS_PREPROCESSOR", None), track, has_line=has_line)
    env.notices = [note] if note else []
    return env


def _road(reward: Path) -> tuple[Track, bool]:
    """Return the track of tmrl's own reward file, and whether it could be read."""
    try:
        return load_track(reward), True
    except InputFileError:
        return no_road("tmrl"), False
