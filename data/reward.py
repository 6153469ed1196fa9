"""The numbers of the reward, as they are stored with each session, and the one term that more than the game reckons with.

``hitl/task/reward.py`` pays it; the diagnosis asks what it would pay.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

RECKLESS_M = 17.5  # m from the line beyond which high speed is reckless


@dataclass(frozen=True)
class RewardSettings:
    """The numbers of the recipe. The defaults are ours for the embedded game; every term can be switched on."""

    progress: float = 100.0  # paid over the whole line
    max_stray: float = 4.5  # m; farther away the episode ends
    safe_ratio: float = 0.9
    proximity_shaping: float = 0.5
    constant_penalty: float = 0.0
    speed_bonus: float = 0.0
    speed_min: float = 30.0  # km/h
    speed_medium: float = 20.0  # km/h
    reckless_speed: float = 45.0  # km/h
    reckless_factor: float = 0.0
    wall_hug_speed: float = 10.0  # km/h
    wall_hug_factor: float = 0.0
    failure_countdown: int = 40  # steps without progress that end the episode
    min_steps: int = 40
    end_of_track: float = 5.0
    reward_scale: float = 1.0

    def as_dict(self) -> dict[str, float]:
        """Return the settings as plain numbers, as they are kept with each session."""
        return asdict(self)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> RewardSettings:
        """Take the known numbers of a session's table; what is missing has its default."""
        known = {k: v for k in cls.__dataclass_fields__ if isinstance(v := values.get(k), int | float)}
        return cls(**known)  # type: ignore[arg-type]  # what is counted was written as whole numbers


def speed_bonus(speed_kmh: float, distance_m: float, settings: RewardSettings) -> float:
    """Pay for speed above ``speed_min``, on the line only; between medium and minimum by the recipe's second slope."""
    if distance_m > settings.safe_ratio * settings.max_stray:
        return 0.0
    if speed_kmh > settings.speed_min:
        return (speed_kmh - settings.speed_min) * settings.speed_bonus
    if speed_kmh > settings.speed_medium:
        return (speed_kmh - 0.75 * settings.speed_medium) * 2 * settings.speed_bonus
    return 0.0
