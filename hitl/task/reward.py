"""The reward: named terms, each a small function, added up and squashed.

The terms and their meaning are those of the reference recipe; ``m`` is the distance to the line in metres, ``v`` the speed in
km/h, and ``S = safe_ratio * max_stray`` the distance up to which a car counts as on its line.
"""

from __future__ import annotations

import math

from data.reward import RECKLESS_M, RewardSettings, speed_bonus


def progress_reward(gained_m: float, length_m: float, distance_m: float, settings: RewardSettings) -> float:
    """Pay ``progress`` for the whole line: by arc length gained, less when far from the line, nothing beyond 2 ``max_stray``."""
    if distance_m > 2 * settings.max_stray:
        return 0.0
    pay = settings.progress * gained_m / length_m
    safe = settings.safe_ratio * settings.max_stray
    if distance_m > safe and settings.max_stray > safe:
        pay *= max(1 - settings.proximity_shaping, 1 - (distance_m - safe) / (settings.max_stray - safe))
    return pay


def reckless_penalty(speed_kmh: float, distance_m: float, settings: RewardSettings) -> float:
    """Cost of speed far from the line (a number below or at zero)."""
    if distance_m <= RECKLESS_M or speed_kmh <= settings.reckless_speed:
        return 0.0
    return -settings.reckless_factor * (speed_kmh - settings.reckless_speed) * distance_m / RECKLESS_M


def wall_hug_penalty(steps: int, distance_m: float, settings: RewardSettings) -> float:
    """Cost of the ``steps``-th step in a row of moving along a wall without progress (below or at zero)."""
    safe = settings.safe_ratio * settings.max_stray
    return -settings.wall_hug_factor * steps * distance_m / safe if safe > 0 else 0.0


def squash(total: float, settings: RewardSettings) -> float:
    """Return ``tanh(reward_scale * total)``: no single step can dominate."""
    return math.tanh(settings.reward_scale * total)


RewardMemory = tuple[float, int]
"""What the reward remembers of an episode: the farthest metre paid, steps along a wall."""


class Reward:
    """Adds the terms up over one episode and says when it is over.

    ``length_m``: length of the line; ``hz``: steps in a second. Progress is paid against the farthest point reached, so it is
    never paid twice.
    """

    def __init__(self, length_m: float, settings: RewardSettings | None = None, hz: float = 20.0) -> None:
        self.length_m = length_m
        self.settings = settings or RewardSettings()
        self.countdown, self.least = self.settings.standstill(hz)
        """Steps without progress that end the episode, and steps before which it does not end so."""
        self.begin(0.0)

    def begin(self, progress_m: float) -> None:
        """Begin an episode at that place of the line: what lies behind is not paid, nor the way (below 0) to its beginning."""
        self.best_m = progress_m
        self.steps = self.idle = self.hugging = 0

    def save(self) -> RewardMemory:
        """Return what is remembered of the episode, for ``restore``."""
        return self.best_m, self.hugging

    def restore(self, saved: RewardMemory) -> None:
        """Go on from what was remembered, in an episode of its own.

        A car that stood or crept there is taken over by someone who has to see where they are: it may need twice the usual time.
        """
        self.best_m, self.hugging = saved
        self.steps, self.idle = 0, -self.countdown

    @property
    def stands(self) -> float:
        """How much of the time without progress that ends the episode is used up, 0 to 1.

        Half of it is what a car may need to set off, and only the other half counts until it has.
        """
        used = min(1.0, max(0, self.idle) / self.countdown)
        return max(0.0, 2.0 * used - 1.0) if self.idle == self.steps else used

    def step(self, progress_m: float, distance_m: float, speed_kmh: float, finished: bool) -> tuple[float, str | None]:
        """Return (reward, why the episode ends or None) of one step.

        Reasons: ``finish``, ``off_road``, ``stalled``.
        """
        settings = self.settings
        self.steps += 1
        gained = max(0.0, progress_m - self.best_m)
        paid_m = max(0.0, min(gained, progress_m))
        self.best_m += gained
        self.idle = 0 if gained > 0.01 and speed_kmh >= 5 else self.idle + 1
        hugging = (
            gained <= 0.01
            and speed_kmh > settings.wall_hug_speed
            and distance_m > settings.safe_ratio * settings.max_stray
        )
        self.hugging = self.hugging + 1 if hugging else 0
        total = (
            progress_reward(paid_m, self.length_m, distance_m, settings)
            + speed_bonus(speed_kmh, distance_m, settings)
            + reckless_penalty(speed_kmh, distance_m, settings)
            + (wall_hug_penalty(self.hugging, distance_m, settings) if hugging else 0.0)
            - settings.constant_penalty
        )
        reward = squash(total, settings)
        if finished:
            return reward + settings.end_of_track, "finish"  # outside the tanh, or it could not be felt
        if distance_m > settings.max_stray:
            return reward, "off_road"
        if (self.idle >= self.countdown and self.steps > self.least) or self.hugging > 3 * self.countdown:
            return reward, "stalled"
        return reward, None
