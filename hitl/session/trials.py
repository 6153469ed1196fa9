"""Drives of an actor alone, many at once, in copies of the game: they show what weights can do before these take the wheel.

The episodes are those of ``SessionSetup.evaluate`` for the same seeds: same starts, environment and greedy actions. Only the
session around them (clock, arbiter, recorder) is left out, and the actor answers all cars that still drive in one pass.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from data.errors import DeviceError, HitlError, InputFileError
from data.reading.update import Layout
from data.records import SessionRecord
from data.reward import RewardSettings
from data.store import Store
from hitl.drivers.held_weights import lap_share
from hitl.games.driving_env import DrivingEnv
from hitl.games.hang_guard import EnvironmentLost
from hitl.games.registry import COPIES
from hitl.home import Home
from hitl.road.known_tracks import stored_track
from hitl.road.track import Track
from hitl.task.driving_task import TaskSettings

if TYPE_CHECKING:
    from torch import Tensor

    from trainer.networks.actor_critic import Actor
    from trainer.networks.recurrent import Memory

ATTEMPTS, LEAST = 20, 4  # drives in a trial: at most, and however long the road is
LOST = "lost"  # the reason of a drive that ended because the game went away
FIRST_SEED, SEEDS_APART = 7_000_000, 100  # their starts are those of no evaluation


@dataclass
class Solo:
    """One episode: its return, steps, farthest metre and why it ended."""

    total: float = 0.0
    steps: int = 0
    progress: float = 0.0
    reason: str = ""


class SoloDrives:
    """Cars on one track, built once and driven again for each actor."""

    def __init__(
        self,
        track: Track,
        episodes: int = ATTEMPTS,
        settings: TaskSettings | None = None,
        game: Callable[[Track], Any] | None = None,
        most: int = ATTEMPTS,
    ) -> None:
        """``game``: makes a game for a track, ``most`` at once; None: the embedded one. Raises what that raises."""
        self.track, self._episodes = track, episodes
        self.meanwhile: Callable[[], None] = lambda: None
        """Called in each step; what it raises ends the drives."""
        self.envs: list[DrivingEnv] = []
        try:
            for _ in range(min(episodes, most)):
                self.envs.append(DrivingEnv(track, settings, game(track) if game else None))
        except HitlError:
            self.close()
            raise

    def __call__(self, actor: Actor, first_seed: int) -> list[Solo]:
        """Drive one episode a car, from the starts of ``first_seed`` and those that follow it.

        ``actor`` answers observations (B, O) with actions (B, A) by ``act(observations, deterministic)``, both as tensors. One
        that remembers its episode is asked for each car by itself.
        """
        results = [Solo() for _ in range(self._episodes)]
        waiting = iter(enumerate(results))
        driving: list[tuple[DrivingEnv, NDArray[np.float32], Solo]] = []
        answer = _Answers(actor)

        def begin(env: DrivingEnv) -> None:
            """Begin the next episode with a car, if there is one; a game that cannot even begin is given no more of them."""
            for number, result in waiting:
                with _unless_lost(result):
                    driving.append((env, env.reset(seed=first_seed + number)[0], result))
                    answer.begin(env)
                return

        for env in self.envs:
            begin(env)
        while driving:
            self.meanwhile()
            actions = answer([(env, observation) for env, observation, _ in driving])
            now, driving = driving, []
            for (env, _, result), action in zip(now, actions, strict=True):
                with _unless_lost(result):
                    observation, reward, terminated, truncated, info = env.step(action)
                    result.total += reward
                    result.steps += 1
                    result.progress = max(result.progress, info["progress"])
                    result.reason = info["reason"] if terminated or truncated else ""
                if result.reason:
                    begin(env)
                else:
                    driving.append((env, observation, result))
        for _, result in waiting:  # no game was left for them
            result.reason = LOST
        return results

    def lap_share(self, actor: Actor, number: int) -> float:
        """Return how much of the lap the actor drives on average, 0 to 1. ``number``: of the trial, which has its own starts.

        Raises EnvironmentLost where the game went away in each drive, which says nothing of the actor.
        """
        found = [r for r in self(actor, FIRST_SEED + SEEDS_APART * number) if r.reason != LOST]
        if not found:
            raise EnvironmentLost("The copies of the game went away in every drive.")
        return sum(lap_share(r.progress, self.track.line.length, r.reason == "finish") for r in found) / len(found)

    def close(self) -> None:
        """Let go of the games."""
        for env in self.envs:
            env.close()


class _Answers:
    """An actor's actions without noise, for many cars at once; what it remembers is each car's own."""

    def __init__(self, actor: Actor) -> None:
        weights = next(iter(actor.parameters()), None)
        self._actor, self._device = actor, weights.device if weights is not None else "cpu"
        self._memories: dict[DrivingEnv, Memory] = {}

    def begin(self, car: DrivingEnv) -> None:
        """An episode begins."""
        from trainer.networks.actor_critic import Actor, remember

        if isinstance(self._actor, Actor) and (memory := remember(self._actor)) is not None:
            self._memories[car] = memory

    def __call__(self, cars: list[tuple[DrivingEnv, NDArray[np.float32]]]) -> NDArray[np.float32]:
        """Return an action (A,) for what each car sees."""
        import torch

        seen = torch.from_numpy(np.stack([observation for _, observation in cars])).to(self._device)
        if not self._memories:
            actions = self._actor.act(seen, True)
        else:
            actions = torch.cat([self._alone(self._memories[car], seen[k : k + 1]) for k, (car, _) in enumerate(cars)])
        found: NDArray[np.float32] = actions.cpu().numpy()
        return found

    def _alone(self, memory: Memory, seen: Tensor) -> Tensor:
        action = self._actor.act(seen, True, memory=memory)
        memory.stepped(action)
        return action


@contextlib.contextmanager
def _unless_lost(result: Solo) -> Iterator[None]:
    """Where the game goes away meanwhile, say so in the result: that drive shows nothing, and the next one starts it anew."""
    try:
        yield
    except EnvironmentLost:
        result.reason = LOST


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
        self._drives: SoloDrives | None = None
        self.meanwhile: Callable[[], None] = lambda: None
        """See ``SoloDrives``."""

    def __call__(self, layout: Layout) -> Callable[[Actor, int], float] | None:
        """Return what tries an actor with these names of observation and action; None where that cannot be done.

        The same function comes back as long as the same is driven.
        """
        with contextlib.suppress(HitlError), Store(self._home.store_path, read_only=True) as store:
            session = store.newest_session()
            driven = None if session is None else (session.env, session.track, session.hz, dict(session.reward), layout)
            if session is not None and driven != self._driven:
                try:
                    drives = self._copies(store, session, layout)
                except DeviceError:  # the game is not on this machine, or does not open: nor will it the next time
                    drives = None
                self.close()
                self._driven, self._drives = driven, drives
        return self._drives.lap_share if self._drives is not None else None

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
