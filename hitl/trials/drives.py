"""Drives of an actor alone, many at once, in copies of the game: they show what weights can do before these take the wheel.

The episodes are those of ``SessionSetup.evaluate`` for the same seeds: same starts, environment and greedy actions. Only the
session around them (clock, arbiter, recorder) is left out, and the actor answers all cars that still drive in one pass.
"""

from __future__ import annotations

import contextlib
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from data.errors import HitlError
from hitl.drivers.held_weights import lap_share
from hitl.games.driving_env import DrivingEnv
from hitl.games.hang_guard import EnvironmentLost
from hitl.road.track import Track
from hitl.task.driving_task import TaskSettings

if TYPE_CHECKING:
    from torch import Tensor

    from trainer.daemon.proving import Trial
    from trainer.networks.actor_critic import Actor
    from trainer.networks.recurrent import Memory

Env = Any
"""An environment of a session: ``progress`` and ``reason`` are in ``info``, and it raises EnvironmentLost where it goes away."""
ATTEMPTS, LEAST = 20, 4  # drives in a trial: at most, and however long the road is
LONGEST_S = 10.0  # s that a trial of an environment may take: fewer drives of a slow one
LOST = "lost"  # the reason of a drive that ended because the game went away
FIRST_SEED, SEEDS_APART = 7_000_000, 100  # their starts are those of no evaluation


@dataclass
class Solo:
    """One episode: its return, steps, farthest metre and why it ended."""

    total: float = 0.0
    steps: int = 0
    progress: float = 0.0
    reason: str = ""


class _Copies(ABC):
    """Copies of a game, opened once and driven again for each actor."""

    def __init__(self, make: Callable[[], Env], episodes: int, most: int) -> None:
        """``make`` opens one, ``most`` at once. Raises what that raises."""
        self.episodes = episodes
        self.meanwhile: Callable[[], None] = lambda: None
        """Called in each step; what it raises ends the drives."""
        self.envs: list[Env] = []
        try:
            for _ in range(min(episodes, most)):
                self.envs.append(make())
        except HitlError:
            self.close()
            raise

    def __call__(self, actor: Actor, first_seed: int) -> list[Solo]:
        """Drive one episode a car, from the starts of ``first_seed`` and those that follow it.

        ``actor`` answers observations (B, O) with actions (B, A) by ``act(observations, deterministic)``, both as tensors. One
        that remembers its episode is asked for each car by itself.
        """
        results = [Solo() for _ in range(self.episodes)]
        waiting = iter(enumerate(results))
        driving: list[tuple[Env, NDArray[np.float32], Solo]] = []
        answer = _Answers(actor)

        def begin(env: Env) -> None:
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

    def share(self, actor: Actor, number: int) -> float:
        """Return how much of what can be reached the actor reaches on average. Each trial (``number``) has its own starts.

        Raises EnvironmentLost where the game went away in each drive, which says nothing of the actor.
        """
        found = [r for r in self(actor, FIRST_SEED + SEEDS_APART * number) if r.reason != LOST]
        if not found:
            raise EnvironmentLost("The copies of the game went away in every drive.")
        return sum(map(self._share, found)) / len(found)

    @property
    def trial(self) -> Trial:
        """The trial that these are."""
        from trainer.daemon.proving import Trial

        return Trial(self.share)

    @abstractmethod
    def _share(self, drive: Solo) -> float:
        """Return how much of what can be reached one drive reached."""

    def close(self) -> None:
        """Let go of the games."""
        for env in self.envs:
            env.close()


class SoloDrives(_Copies):
    """Cars on one track. A drive's share is that of the lap, 0 to 1."""

    def __init__(
        self,
        track: Track,
        episodes: int = ATTEMPTS,
        settings: TaskSettings | None = None,
        game: Callable[[Track], Any] | None = None,
        most: int = ATTEMPTS,
    ) -> None:
        """``game``: makes a game for a track, ``most`` at once; None: the embedded one. Raises what that raises."""
        super().__init__(lambda: DrivingEnv(track, settings, game(track) if game else None), episodes, most)
        self.track = track

    def _share(self, drive: Solo) -> float:
        return lap_share(drive.progress, self.track.line.length, drive.reason == "finish")


class GymDrives(_Copies):
    """One of Gymnasium's own environments. A drive's share: how far it came from what was earned alone to the best help."""

    def __init__(self, make: Callable[[], Env], known: Callable[[], tuple[float, float] | None]) -> None:
        """``known``: what the agent earned alone at first, and the most that help earned; None while either is not known."""
        super().__init__(make, ATTEMPTS, most=1)
        self._known = known
        self._range: tuple[float, float] | None = None

    def share(self, actor: Actor, number: int) -> float:
        """See `_Copies`. Before anything is known, all actors reach nothing."""
        self._range = self._known()
        if self._range is None:
            return 0.0
        began = time.monotonic()
        share = super().share(actor, number)
        took = (time.monotonic() - began) / self.episodes
        self.episodes = max(LEAST, min(ATTEMPTS, round(LONGEST_S / max(took, 1e-9))))
        return share

    @property
    def trial(self) -> Trial:
        """See `_Copies`. All that is clearly more than what was earned alone at first is worth holding."""
        from trainer.daemon.proving import FARTHER, Trial

        return Trial(self.share, FARTHER, self._told)

    def _told(self, share: float) -> str:
        low, high = self._range or (0.0, 0.0)
        return f"earned {low + share * (high - low):.4g}"

    def _share(self, drive: Solo) -> float:
        assert self._range is not None
        low, high = self._range
        return (drive.total - low) / (high - low)


class _Answers:
    """An actor's actions without noise, for many cars at once; what it remembers is each car's own."""

    def __init__(self, actor: Actor) -> None:
        weights = next(iter(actor.parameters()), None)
        self._actor, self._device = actor, weights.device if weights is not None else "cpu"
        self._memories: dict[Env, Memory] = {}

    def begin(self, car: Env) -> None:
        """An episode begins."""
        from trainer.networks.actor_critic import Actor, remember

        if isinstance(self._actor, Actor) and (memory := remember(self._actor)) is not None:
            self._memories[car] = memory

    def __call__(self, cars: list[tuple[Env, NDArray[np.float32]]]) -> NDArray[np.float32]:
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
