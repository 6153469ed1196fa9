"""What a tmrl ``config.json`` says of the live side: reward and rate, which a session here takes over, and what it cannot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from data.reward import RewardSettings
from trainer.tmrl.keys import LIVE_SIDE, PICTURES
from trainer.tmrl.reader import ALG, ENV, REWARD, TmrlConfig

REWARD_KEYS = {
    "PROXIMITY_REWARD_SHAPING": "proximity_shaping",
    "CONSTANT_PENALTY": "constant_penalty",
    "SPEED_BONUS": "speed_bonus",
    "SPEED_MIN_THRESHOLD": "speed_min",
    "SPEED_MEDIUM_THRESHOLD": "speed_medium",
    "RECKLESS_SPEED_THRESHOLD": "reckless_speed",
    "RECKLESS_PENALTY_FACTOR": "reckless_factor",
    "WALL_HUG_SPEED_THRESHOLD": "wall_hug_speed",
    "WALL_HUG_PENALTY_FACTOR": "wall_hug_factor",
    "MAX_STRAY": "max_stray",
    "SPEED_SAFE_DEVIATION_RATIO": "safe_ratio",
    "FAILURE_COUNTDOWN": "failure_countdown",
    "MIN_STEPS": "min_steps",
    "END_OF_TRACK_REWARD": "end_of_track",
    "END_OF_TRACK": "end_of_track",
    "REWARD_SCALE": "reward_scale",
}
"""Keys of the reward that have a setting here."""
NOT_CARRIED = {
    **dict.fromkeys(PICTURES, "for gym:ID there is [pictures] in settings.toml; tmrl's own environment keeps to it"),
    "NUMBER_OF_POINTS": "here the look-ahead is given in metres, horizon_m of [observation], beyond the braking distance",
    "POINTS_DISTANCE": "here the look-ahead is given in metres, horizon_m of [observation]",
    "TRACK_LOOK_AHEAD_PCT": "here the look-ahead is given in metres, horizon_m of [observation]",
    "TRACK_POINT_SPACING_M": "here the look-ahead is given in metres, horizon_m of [observation]",
    "MAP_NAME": "--track FILE says which line is driven",
    "RTGYM_INTERFACE": "a session has an interface of its own; `hitl play --env tmrl` drives yours",
    "CRASH_PENALTY": "no term of the reward here: leaving the road ends the drive",
    "CRASH_COOLDOWN": "no term of the reward here: leaving the road ends the drive",
    "SLEEP_TIME_AT_RESET": "settle_s of [trackmania] in settings.toml",
    "VIRTUAL_GAMEPAD": "controls of [trackmania] in settings.toml",
    "CHECK_FORWARD": "the nearest place on the line is looked for in metres here",
    "CHECK_BACKWARD": "the nearest place on the line is looked for in metres here",
}
"""Why a key of the live side says nothing to a session."""


@dataclass(frozen=True)
class SessionSettings:
    """What a session takes from such a file."""

    reward: dict[str, Any]
    """Settings of ``[reward]``, empty where the file says nothing of it."""
    hz: float | None
    """Steps in a second, where the file says it."""


def _sections(key: str) -> tuple[str, ...]:
    """Return where a key of the reward is looked for, the first one that has it wins."""
    if key == "END_OF_TRACK_REWARD":
        return ENV
    return (*ALG, *REWARD) if key in ("SPEED_BONUS", "SPEED_MIN_THRESHOLD", "SPEED_MEDIUM_THRESHOLD") else REWARD


def overruled(config: TmrlConfig, section: str, key: str) -> str:
    """Return why a key of the reward is without effect where it stands, "" where it is in force."""
    if key not in REWARD_KEYS:
        return ""
    end = "END_OF_TRACK_REWARD"
    if key == "END_OF_TRACK" and config.number(end, *_sections(end)) is not None:
        return f"{_placed(_in_force(config, end), end)} is there, too, and wins over it"
    wins = _in_force(config, key)
    if wins == section:
        return ""
    if wins is not None:
        return f"{_placed(wins, key)} is there, too, and wins over it"
    return f"it is read in {' and '.join(s or 'the root' for s in _sections(key))} alone"


def _in_force(config: TmrlConfig, key: str) -> str | None:
    """Return the section whose value counts; None where the key is in none that it is looked for in."""
    here = {e.section for e in config.entries if e.key == key}
    return next((s for s in _sections(key) if s in here), None)


def _placed(section: str | None, key: str) -> str:
    return f"{section}.{key}" if section else key


def reward_of(config: TmrlConfig) -> RewardSettings:
    """Return the reward's numbers, with the defaults of the code that such a file is read by."""

    def of(key: str, default: float) -> float:
        return config.number(key, *_sections(key), default=default) or 0.0

    end = config.number("END_OF_TRACK_REWARD", *_sections("END_OF_TRACK_REWARD"))
    return RewardSettings(
        proximity_shaping=of("PROXIMITY_REWARD_SHAPING", 0.5),
        constant_penalty=of("CONSTANT_PENALTY", 0.0),
        speed_bonus=of("SPEED_BONUS", 0.0),
        speed_min=of("SPEED_MIN_THRESHOLD", 0.0),
        speed_medium=of("SPEED_MEDIUM_THRESHOLD", 0.0),
        reckless_speed=of("RECKLESS_SPEED_THRESHOLD", 120.0),
        reckless_factor=of("RECKLESS_PENALTY_FACTOR", 0.002),
        wall_hug_speed=of("WALL_HUG_SPEED_THRESHOLD", 10.0),
        wall_hug_factor=of("WALL_HUG_PENALTY_FACTOR", 0.005),
        max_stray=of("MAX_STRAY", 100.0),
        safe_ratio=of("SPEED_SAFE_DEVIATION_RATIO", 0.6),
        failure_countdown=int(of("FAILURE_COUNTDOWN", 10)),
        min_steps=int(of("MIN_STEPS", 70)),
        end_of_track=end if end is not None else of("END_OF_TRACK", 100.0),
        reward_scale=of("REWARD_SCALE", 3.0),
    )


def rate_of(config: TmrlConfig) -> float | None:
    """Return the steps in a second that the file asks for; None where it says nothing."""
    table = config.get("RTGYM_CONFIG", *ENV)
    step = config.usable("time_step_duration", table.get("time_step_duration")) if isinstance(table, dict) else None
    return 1.0 / max(step, 1e-3) if step else None


def session_of(config: TmrlConfig) -> SessionSettings:
    """Return what a session takes over: the whole reward where any of its keys is there, and the rate."""
    said = any(e.key in REWARD_KEYS and not overruled(config, e.section, e.key) for e in config.entries)
    return SessionSettings(reward_of(config).as_dict() if said else {}, rate_of(config))


def use_of(key: str) -> tuple[bool, str] | None:
    """Return whether a session takes a key of the live side over, and what it becomes or why not; None for other keys."""
    if key in REWARD_KEYS:
        return True, "`hitl play --tmrl-config FILE` takes it over into [reward]"
    if key in ("RTGYM_CONFIG", "REWARD_CONFIG"):
        return True, "`hitl play --tmrl-config FILE` takes over what it holds of the reward, and time_step_duration"
    if key in NOT_CARRIED or key in LIVE_SIDE or key in PICTURES:
        return False, NOT_CARRIED.get(key, "a session has no such setting; tmrl's own environment keeps to it")
    return None
