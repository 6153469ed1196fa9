"""The numbers of the reward, as they are stored with each session, and the one term that more than the game reckons with.

``hitl/task/reward.py`` pays it; the diagnosis asks what it would pay.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from msgspec import Meta

RECKLESS_M = 17.5  # m from the line beyond which high speed is reckless


Pay = Annotated[float, Meta(ge=0, le=1e6)]
Speed = Annotated[float, Meta(ge=0, le=2000)]


@dataclass(frozen=True)
class RewardSettings:
    """The terms of the reward. The defaults are for the embedded game; every term can be switched on."""

    progress: Pay = 100.0  # total for the whole line; not set: a third for each metre of the track
    max_stray: Annotated[float, Meta(gt=0, le=10_000)] = 4.5  # m; farther away the episode ends; not set: half the track's width
    safe_ratio: Annotated[float, Meta(ge=0, le=1)] = 0.9  # share of max_stray up to which a car counts as on its line
    proximity_shaping: Annotated[float, Meta(ge=0, le=1)] = 0.5  # share of the progress reward that is lost far from the line
    constant_penalty: Pay = 0.0  # cost of each step
    speed_bonus: Pay = 0.0  # for each km/h above speed_min, on the line
    speed_min: Speed = 30.0  # km/h
    speed_medium: Speed = 20.0  # km/h; between it and speed_min the bonus has another slope
    reckless_speed: Speed = 45.0  # km/h above which driving far from the line is reckless
    reckless_factor: Pay = 0.0  # cost of each km/h above reckless_speed, far from the line
    wall_hug_speed: Speed = 10.0  # km/h above which moving beside the line without progress is hugging a wall
    wall_hug_factor: Pay = 0.0  # cost of each step of hugging a wall, growing with their number
    standstill_s: Annotated[float, Meta(gt=0, le=10_000)] = 2.0  # s without progress that end the episode
    failure_countdown: Annotated[int, Meta(ge=1, le=100_000)] | None = None  # standstill_s in steps; takes precedence when set
    least_s: Annotated[float, Meta(ge=0, le=10_000)] = 2.0  # s before which no episode ends for lack of progress
    min_steps: Annotated[int, Meta(ge=0, le=100_000)] | None = None  # least_s in steps; takes precedence when set
    end_of_track: Annotated[float, Meta(ge=-1e6, le=1e6)] = 5.0  # reward for the finish
    reward_scale: Annotated[float, Meta(gt=0, le=1000)] = 1.0  # factor on the sum of all others, before it is squashed

    def as_dict(self) -> dict[str, float]:
        """Return the settings as plain numbers, as they are kept with each session; not those that are not set."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def standstill(self, hz: float) -> tuple[int, int]:
        """Return at ``hz`` steps in a second: steps without progress that end an episode, and steps before which none does."""
        countdown, least = self.failure_countdown, self.min_steps
        return (
            max(1, round(self.standstill_s * hz)) if countdown is None else countdown,
            round(self.least_s * hz) if least is None else least,
        )

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
