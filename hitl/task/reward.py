"""The reward: named terms, each a small function, added up and squashed.

The terms and their meaning are those of the reference recipe; ``m`` is the distance to the line in metres, ``v`` the speed in
km/h, and ``S = safe_ratio * max_stray`` the distance up to which a car counts as on its line.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Annotated

from msgspec import Meta

RECKLESS_M = 17.5  # m from the line beyond which high speed is reckless


Pay = Annotated[float, Meta(ge=0, le=1e6)]
Speed = Annotated[float, Meta(ge=0, le=2000)]


@dataclass(frozen=True)
class RewardSettings:
    """The numbers of the recipe. The defaults are ours for the embedded game; every term can be switched on."""

    progress: Pay = 100.0  # paid over the whole line; not set: a third for each metre of the track
    max_stray: Annotated[float, Meta(gt=0, le=10_000)] = 4.5  # m; farther away the episode ends; not set: half the track's width
    safe_ratio: Annotated[float, Meta(ge=0, le=1)] = 0.9  # share of max_stray up to which a car counts as on its line
    proximity_shaping: Annotated[float, Meta(ge=0, le=1)] = 0.5  # share of the progress that is not paid far from the line
    constant_penalty: Pay = 0.0  # cost of each step
    speed_bonus: Pay = 0.0  # for each km/h above speed_min, on the line
    speed_min: Speed = 30.0  # km/h
    speed_medium: Speed = 20.0  # km/h; between it and speed_min the bonus has a slope of its own
    reckless_speed: Speed = 45.0  # km/h above which far from the line is reckless
    reckless_factor: Pay = 0.0  # cost for each km/h of that
    wall_hug_speed: Speed = 10.0  # km/h above which moving beside the line without progress is hugging a wall
    wall_hug_factor: Pay = 0.0  # cost of each step of that, growing with their number
    failure_countdown: Annotated[int, Meta(ge=1, le=100_000)] = 40  # steps without progress that end the episode
    min_steps: Annotated[int, Meta(ge=0, le=100_000)] = 40  # before which no episode ends for want of progress
    end_of_track: Annotated[float, Meta(ge=-1e6, le=1e6)] = 5.0  # paid for the finish
    reward_scale: Annotated[float, Meta(gt=0, le=1000)] = 1.0  # of the sum of all others, before it is squashed

    def as_dict(self) -> dict[str, float]:
        """Return the settings as plain numbers, as they are kept with each session."""
        return asdict(self)


def progress_reward(gained_m: float, length_m: float, distance_m: float, settings: RewardSettings) -> float:
    """Pay ``progress`` for the whole line: by arc length gained, less when far from the line, nothing beyond 2 ``max_stray``."""
    if distance_m > 2 * settings.max_stray:
        return 0.0
    pay = settings.progress * gained_m / length_m
    safe = settings.safe_ratio * settings.max_stray
    if distance_m > safe and settings.max_stray > safe:
        pay *= max(1 - settings.proximity_shaping, 1 - (distance_m - safe) / (settings.max_stray - safe))
    return pay


def speed_bonus(speed_kmh: float, distance_m: float, settings: RewardSettings) -> float:
    """Pay for speed above ``speed_min``, on the line only; between medium and minimum by the recipe's second slope."""
    if distance_m > settings.safe_ratio * settings.max_stray:
        return 0.0
    if speed_kmh > settings.speed_min:
        return (speed_kmh - settings.speed_min) * settings.speed_bonus
    if speed_kmh > settings.speed_medium:
        return (speed_kmh - 0.75 * settings.speed_medium) * 2 * settings.speed_bonus
    return 0.0


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


class Reward:
    """Adds the terms up over one episode and says when it is over.

    ``length_m``: length of the line. Progress is paid against the farthest point reached, so it is never paid twice.
    """

    def __init__(self, length_m: float, settings: RewardSettings | None = None) -> None:
        self.length_m = length_m
        self.settings = settings or RewardSettings()
        self.begin(0.0)

    def begin(self, progress_m: float) -> None:
        """Begin an episode at that place of the line: what lies behind is not paid, nor the way (below 0) to its beginning."""
        self.best_m = progress_m
        self.steps = self.idle = self.hugging = 0

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
        stuck = self.idle >= settings.failure_countdown and self.steps > settings.min_steps
        if stuck or self.hugging > 3 * settings.failure_countdown:
            return reward, "stalled"
        return reward, None
