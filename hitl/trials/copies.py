"""Trials in copies of what is driven in a home folder: which game can be copied, and whether a copy is one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from pkgutil import resolve_name
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from data.errors import DeviceError, HitlError, InputFileError
from data.reading.drives import EpisodeSummary
from data.reading.new_steps import Layout
from data.records import ITS_END, ROADLESS, SessionRecord
from data.reward import RewardSettings
from data.store import Store
from hitl.coach.earned import NEWEST
from hitl.games.registry import COPIES
from hitl.home import Home
from hitl.road.known_tracks import stored_track
from hitl.road.track import Track
from hitl.task.driving_task import TaskSettings
from hitl.trials.drives import ATTEMPTS, LEAST, GymDrives, SoloDrives

if TYPE_CHECKING:
    from hitl.games.gym.env import GymEnv
    from trainer.daemon.proving import Trial

COMPARED = 50  # steps of a drive by which a copy of an environment is known for one


def copies(env: str, track: Track, home: Home, settings: TaskSettings) -> SoloDrives | None:
    """Return drives in copies of a game; None where it cannot be copied. Raises what opening the game raises."""
    if (how := COPIES.get(env)) is None:
        return None
    episodes = min(ATTEMPTS, track.line.drives(LEAST))
    make = resolve_name(how.make)
    return SoloDrives(track, episodes, settings, lambda road: make(road, home), how.most)


class Trials:
    """Trials in copies of the game that is driven in a home folder, where that game can be copied."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._driven: tuple[object, ...] | None = None
        self._drives: SoloDrives | GymDrives | None = None
        self.meanwhile: Callable[[], None] = lambda: None
        """See ``SoloDrives``."""

    def __call__(self, layout: Layout) -> Trial | None:
        """Return what tries an actor with these names of observation and action; None where that cannot be done.

        An equal one comes back as long as the same is driven.
        """
        with contextlib.suppress(HitlError), Store(self._home.store_path, read_only=True) as store:
            session = store.newest_session()
            driven = None if session is None else (session.env, session.track, session.hz, dict(session.reward), layout)
            if session is None or driven == self._driven:
                pass
            elif session.env.startswith(ROADLESS) and _seeded(store, session, layout) is None:
                self.close()  # nothing shows yet whether a copy is one: it is asked again
                self._driven = None
            else:
                of = self._of_gymnasium if session.env.startswith(ROADLESS) else self._copies
                try:
                    drives = of(store, session, layout)
                except DeviceError:  # the game is not on this machine, or does not open: nor will it the next time
                    drives = None
                self.close()
                self._driven, self._drives = driven, drives
        return self._drives.trial if self._drives is not None else None

    def _of_gymnasium(self, store: Store, session: SessionRecord, layout: Layout) -> GymDrives | None:
        """Return a copy of the environment that a session drives, where that is one of Gymnasium's own and drives the same way.

        A script may have put anything around it, and an environment of another package may move what there is only once.
        """
        from hitl.games.gym.env import open_gym
        from hitl.games.gym.ids import is_gymnasiums_own
        from hitl.settings import load

        name = session.env.removeprefix(ROADLESS)
        if not is_gymnasiums_own(name):
            return None
        pictures = load(self._home, "pictures").pictures
        drives = GymDrives(lambda: open_gym(name, pictures=pictures), lambda: earned_between(self._home, session.track))
        drives.meanwhile = lambda: self.meanwhile()
        env = drives.envs[0]
        fits = (env.observation_names, len(env.scaled)) == (layout[0], len(layout[1]))
        if fits and _drives_the_same(env, store, session, layout):
            return drives
        drives.close()
        return None

    def _copies(self, store: Store, session: SessionRecord, layout: Layout) -> SoloDrives | None:
        """Return copies of what a session drives; None where it is seen in another way by now than the actor has learned.

        Raises HitlError where the settings cannot be read at the moment.
        """
        from hitl.settings import load

        reward = RewardSettings.of(session.reward) if session.reward else None
        settings = replace(load(self._home, "observation").task, reward=reward)
        try:
            track = stored_track(store, session.track)
        except InputFileError:  # nobody has its line any more
            return None
        drives = copies(session.env, track, self._home, settings)
        if drives is None:
            return None
        drives.meanwhile = lambda: self.meanwhile()
        env = drives.envs[0]
        if (env.task.names(env.game.action_names), env.game.action_names) == layout and settings.hz == session.hz:
            return drives
        drives.close()
        return None

    def close(self) -> None:
        """Let go of the games."""
        if self._drives is not None:
            self._drives.close()
        self._drives = None


def _seeded(store: Store, session: SessionRecord, layout: Layout) -> EpisodeSummary | None:
    """Return the newest drive of what a session drives that has ended and can be begun again; None before there is one."""
    drives = store.episodes(session.track, env=session.env, purpose=("drive", "evaluation"), layout=layout, newest=20)
    return next((e for e in reversed(drives) if e.seed is not None), None)


def _drives_the_same(env: GymEnv, store: Store, session: SessionRecord, layout: Layout) -> bool:
    """Tell whether an environment answers the newest drive that has ended as that one was answered."""
    drive = _seeded(store, session, layout)
    assert drive is not None
    steps = store.steps(drive, stop=COMPARED, columns=("observation", "executed", "reward"))
    seen = env.reset(seed=drive.seed)[0]
    for observation, executed, reward in zip(steps.observation, steps.executed, steps.reward, strict=True):
        if not np.allclose(seen, observation, 1e-4, 1e-4):
            return False
        seen, paid, terminated, truncated, _ = env.step(executed)
        if not np.isclose(paid, reward, 1e-4, 1e-4) or terminated or truncated:
            return bool(np.isclose(paid, reward, 1e-4, 1e-4))
    return True


def earned_between(home: Home, track: str) -> tuple[float, float] | None:
    """Return what the agent earned alone at first, and the most that help earned; None while help has shown nothing better."""
    with Store(home.store_path, read_only=True) as store:
        drives = [e for e in store.episodes(track, purpose="drive", imported=False) if e.reason in ITS_END]
    alone, helped = [e.total for e in drives if not e.helped][:NEWEST], [e.total for e in drives if e.helped]
    if not alone or not helped or max(helped) <= median(alone):
        return None
    return median(alone), max(helped)
