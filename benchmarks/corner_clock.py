"""A finer clock than whole laps: many short tries at one corner, begun as the stalled agent came to it.

In a game without chance twenty drives of one policy are one decision twenty times over. So each try carries disturbances: of
its start (place, direction, speed), and of every action.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from data.records import Corner
    from hitl.games.base import Start
    from hitl.road.track import Track
    from hitl.task.driving_task import TaskSettings
    from trainer.networks.actor_critic import Actor

TRIES = 40
LEAD_S = 3.0  # s before the corner at which a try begins
LIMIT_S = 20.0  # s that a try lasts at most
OFFSET_M, TURN, SPEED_SHARE, ACTION = 0.3, 0.02, 0.02, 0.03  # standard deviations of the disturbances
ENOUGH = 0.9  # share of tries that pass, twice in a row
EVERY = 50  # driven steps between two readings at least: weights change after whole drives only, which are some 200 apart


class CornerClock:
    """Reads, again and again, what share of disturbed tries at a corner pass it."""

    def __init__(
        self, track: Track, corner: Corner, store: Path, tries: int | None = None,
        game: Callable[[Track], Any] | None = None, most: int | None = None, settings: TaskSettings | None = None,
    ) -> None:  # fmt: skip
        """``store``: of the stalled agent, whose approaches the tries begin with. The others: as for ``SoloDrives``.

        ``tries`` and ``most``: None for ``TRIES``. Raises ValueError where the store holds no approach.
        """
        from data.store import Store
        from hitl.games.driving_env import DrivingEnv
        from hitl.session.practice import starts

        with Store(store, read_only=True) as opened:
            self._starts = starts(opened, track.name, corner, track.line, track.half_width, LEAD_S)
        if not self._starts:
            raise ValueError(f"no drive in {store} comes to {corner.name}")
        self._corner = corner
        self._tries = TRIES if tries is None else tries
        count = self._tries if most is None else min(self._tries, most)
        self._envs = [DrivingEnv(track, settings, game(track) if game else None) for _ in range(count)]
        self._limit = round(LIMIT_S * self._envs[0].task.settings.hz)
        self.readings: list[dict[str, Any]] = []

    def __call__(self, actor: Actor, number: int) -> float:
        """Return the share of tries that pass, 0 to 1. ``number``: of the reading; each has disturbances of its own."""
        rng = np.random.default_rng([9_000_000, number])
        begins = [disturbed(self._starts[k % len(self._starts)], rng) for k in range(self._tries)]
        passed = 0
        for first in range(0, self._tries, len(self._envs)):
            passed += self._drive(actor, begins[first : first + len(self._envs)], first, rng)
        return passed / self._tries

    def _drive(self, actor: Actor, begins: list[Start], first: int, rng: np.random.Generator) -> int:
        """Drive these tries at once, of which ``first`` is the number of the first one; return how many pass."""
        import torch

        seen = np.stack([
            env.reset(seed=first + k, options={"start": start})[0]
            for k, (env, start) in enumerate(zip(self._envs, begins, strict=False))
        ])  # fmt: skip
        driving, passed = list(range(len(begins))), 0
        for _ in range(self._limit):
            actions = actor.act(torch.from_numpy(seen[driving]), True).cpu().numpy()
            actions = actions + ACTION * rng.standard_normal(actions.shape).astype(np.float32)
            still = []
            for k, action in zip(driving, actions, strict=True):
                seen[k], _, terminated, truncated, info = self._envs[k].step(action)
                if info["progress"] >= self._corner.to_m:
                    passed += 1
                elif not (terminated or truncated):
                    still.append(k)
            driving = still
            if not driving:
                break
        return passed

    def read(self, actor: Actor, **now: Any) -> float:
        """Read it and note the share beside what else is true ``now``."""
        share = self(actor, len(self.readings))
        self.readings.append({**now, "share": share})
        return share

    def figures(self) -> dict[str, Any]:
        """Return ``figures_of`` what was read."""
        return figures_of(self.readings)

    def close(self) -> None:
        """Let go of the games."""
        for env in self._envs:
            env.close()


def first_pass(shares: Sequence[float], enough: float = ENOUGH) -> int | None:
    """Return the first reading that, and the one after it, reach ``enough``; None where there is none."""
    return next((k for k in range(len(shares) - 1) if min(shares[k : k + 2]) >= enough), None)


def figures_of(readings: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return when the corner was first passed (``None``: never), and what share of tries passed later, on average and last.

    The two readings that make the first pass are no part of what is held: they are high because they were chosen so. What was
    held is None where none followed them.
    """
    last = readings[-1]["share"] if readings else None
    found = first_pass([r["share"] for r in readings])
    if found is None:
        return {"first_pass_steps": None, "first_pass_attempts": None, "corner_held": None, "corner_last": last}
    later = [r["share"] for r in readings[found + 2 :]]
    return {
        "first_pass_steps": readings[found]["steps"],
        "first_pass_attempts": readings[found]["attempts"],
        "corner_held": fmean(later) if later else None,
        "corner_last": last,
    }


def disturbed(start: Start, rng: np.random.Generator) -> Start:
    """Return a start a little beside this one."""
    offset, turn, speed = rng.standard_normal(3) * (OFFSET_M, TURN, SPEED_SHARE)
    return replace(
        start, offset=start.offset + float(offset), turn=start.turn + float(turn), speed=start.speed * (1 + float(speed))
    )
