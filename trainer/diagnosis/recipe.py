"""What a run is set to, in one shape: from an old config.json (three layouts), or from our own settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data.errors import shown
from data.files.text_files import read_json
from trainer.tmrl.config import unknown
from trainer.tmrl.values import check_schema, known_number, plain, truth


@dataclass(slots=True)
class RewardTerms:
    """The numbers of the reward (speeds in km/h, distances in m); what each is meant to do stands in the reward itself."""

    progress: float = 100.0
    constant_penalty: float = 0.0
    speed_bonus: float = 0.0
    speed_min: float = 30.0
    speed_medium: float = 20.0
    reckless_speed: float = 0.0
    reckless_factor: float = 0.0
    wall_hug_factor: float = 0.0
    max_stray: float = 100.0
    safe_ratio: float = 0.6
    failure_countdown: float = 10.0
    min_steps: float = 70.0
    end_of_track: float = 0.0
    reward_scale: float = 3.0


@dataclass(slots=True)
class Recipe:
    """Settings of a run; None where not known."""

    gamma: float | None = None
    n_step: int | None = None
    alpha: float | None = None
    learn_alpha: bool | None = None
    backup_clip: float | None = None
    clip_critic: float | None = None
    clip_actor: float | None = None
    utd: float | None = None
    utd_exact: bool = False
    """Whether ``utd`` is what is done (ours) or only the most that may be done (the old trainer)."""
    updates_per_row: int | None = None
    """Updates between two rows of the history."""
    memory_size: float | None = None
    batch_size: int | None = None
    hz: float = 20.0
    lookahead_points: int | None = None
    lookahead_stride: int | None = None
    """Line points from one look-ahead point to the next."""
    lookahead_m: float | None = None
    """Where it is given in metres."""
    reward: RewardTerms | None = None
    ignored: tuple[str, ...] = ()
    """Sentences about settings that contradict each other or are read by nothing."""
    interface: str = ""
    name: str = "config"
    foreign: bool = False
    unknown: tuple[str, ...] = ()
    """Keys that nobody knows."""
    extra: dict[str, Any] = field(default_factory=dict)


def read_recipe(path: Path) -> Recipe:
    """Read an existing config.json. Only the numbers named above are taken; keys and passwords stay where they are.

    Raises InputFileError.
    """
    values = read_json(path)
    check_schema(values, path.name)
    return from_config(values, path.name)


def _section(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = values.get(name)
    return dict(found) if isinstance(found, dict) else {}


def from_config(values: Mapping[str, Any], name: str = "config") -> Recipe:
    """Take what matters from the values of a config.json, whichever layout it has."""
    alg, env = ({**values, **_section(values, name)} for name in ("ALG", "ENV"))  # the oldest layouts have all at the root
    model = {**values, **_section(values, "MODEL")}
    unread: list[str] = []
    reward = {**_section(env, "REWARD_CONFIG"), **_section(values, "REWARD_CONFIG")}
    env, reward = ({k: plain(v) for k, v in table.items()} for table in (env, reward))

    def number(table: Mapping[str, Any], key: str, default: float | None = None) -> float | None:
        value = table.get(key, default)
        found = known_number(value)
        if found is None and value is not None:
            unread.append(f"{key} is {shown(repr(value))}, which is no number")
        return default if found is None else found

    def of_reward(key: str, default: float) -> float:
        return number(reward, key, default) or 0.0

    points = number(alg, "NUMBER_OF_POINTS", number(env, "NUMBER_OF_POINTS"))
    stride = number(alg, "POINTS_DISTANCE", number(env, "POINTS_DISTANCE", 0.0))
    end = number(env, "END_OF_TRACK_REWARD")
    terms = RewardTerms(
        constant_penalty=of_reward("CONSTANT_PENALTY", 0.0),
        speed_bonus=number(alg, "SPEED_BONUS", number(reward, "SPEED_BONUS", 0.0)) or 0.0,
        speed_min=number(alg, "SPEED_MIN_THRESHOLD", number(reward, "SPEED_MIN_THRESHOLD", 0.0)) or 0.0,
        speed_medium=number(alg, "SPEED_MEDIUM_THRESHOLD", number(reward, "SPEED_MEDIUM_THRESHOLD", 0.0)) or 0.0,
        reckless_speed=of_reward("RECKLESS_SPEED_THRESHOLD", 120.0),
        reckless_factor=of_reward("RECKLESS_PENALTY_FACTOR", 0.002),
        wall_hug_factor=of_reward("WALL_HUG_PENALTY_FACTOR", 0.005),
        max_stray=of_reward("MAX_STRAY", 100.0),
        safe_ratio=of_reward("SPEED_SAFE_DEVIATION_RATIO", 0.6),
        failure_countdown=of_reward("FAILURE_COUNTDOWN", 10.0),
        min_steps=of_reward("MIN_STEPS", 70.0),
        end_of_track=end if end is not None else of_reward("END_OF_TRACK", 100.0),
        reward_scale=of_reward("REWARD_SCALE", 3.0),
    )
    step = number(_section(env, "RTGYM_CONFIG"), "time_step_duration", 0.05) or 0.05
    clip = number(alg, "BACKUP_CLIP_RANGE")
    learns = bool(given := alg.get("LEARN_ENTROPY_COEF", False))  # as tmrl reads it
    if isinstance(given, str) and not _meant(given):
        unread.append(f"LEARN_ENTROPY_COEF is {shown(repr(given))}: tmrl takes any text between quotes for true")
    return Recipe(
        gamma=number(alg, "GAMMA", 0.995),
        n_step=int(number(alg, "N_STEPS", 1) or 1),
        alpha=number(alg, "ALPHA", 0.01),
        learn_alpha=learns,
        backup_clip=clip if clip else None,
        clip_critic=number(alg, "GRAD_CLIP_CRITIC") or None,
        clip_actor=number(alg, "GRAD_CLIP_ACTOR") or None,
        utd=number(model, "MAX_TRAINING_STEPS_PER_ENVIRONMENT_STEP", 4),
        updates_per_row=int(number(model, "TRAINING_STEPS_PER_ROUND", 200) or 200),
        memory_size=number(model, "MEMORY_SIZE", 1e6),
        batch_size=int(number(model, "BATCH_SIZE", 256) or 256),
        hz=1.0 / max(step, 1e-3),
        lookahead_points=None if points is None else int(points),
        lookahead_stride=max(1, int(stride or 0)),
        reward=terms,
        ignored=(*_ignored(env, reward, end, fork=_is_fork(values, alg, env)), *dict.fromkeys(unread)),
        interface=str(env.get("RTGYM_INTERFACE", ""))[:60],
        name=name,
        foreign=True,
        unknown=tuple(sorted(unknown(values))),
    )


def _meant(text: str) -> bool:
    try:
        return truth(text)
    except ValueError:
        return True


def _is_fork(values: Mapping[str, Any], alg: Mapping[str, Any], env: Mapping[str, Any]) -> bool:
    """Whether these are settings of the TQC fork: it alone has these sections, this algorithm, these interfaces."""
    return "MODEL" in values or alg.get("ALGORITHM") == "TQC" or str(env.get("RTGYM_INTERFACE", "")).startswith("TQC")


def _ignored(env: Mapping[str, Any], reward: Mapping[str, Any], end: float | None, fork: bool) -> list[str]:
    found = []
    if end is not None and "END_OF_TRACK" in reward and reward["END_OF_TRACK"] != end:
        found.append(f"ENV.END_OF_TRACK_REWARD {end:g} wins over REWARD_CONFIG.END_OF_TRACK {reward['END_OF_TRACK']}")
    if fork and reward.get("CONSTANT_PENALTY"):
        found.append(f"REWARD_CONFIG.CONSTANT_PENALTY {reward['CONSTANT_PENALTY']} is read by nothing in that code")
    if fork and reward.get("FAILURE_COUNTDOWN", 10) != 10:
        found.append(f"REWARD_CONFIG.FAILURE_COUNTDOWN {reward['FAILURE_COUNTDOWN']} is read by nothing in that code")
    if env.get("CONSTANT_PENALTY") and reward.get("CONSTANT_PENALTY") not in (None, env["CONSTANT_PENALTY"]):
        found.append("ENV.CONSTANT_PENALTY and REWARD_CONFIG.CONSTANT_PENALTY differ")
    return found


def from_settings(
    train: Mapping[str, Any], reward: Mapping[str, Any] | None, hz: float, lookahead_m: float | None
) -> Recipe:
    """Take what matters from our own training settings (``TrainConfig.to_dict``) and a session's reward settings."""
    terms = None
    if reward:
        known = {
            f: float(reward[f]) for f in RewardTerms.__dataclass_fields__ if isinstance(reward.get(f), int | float)
        }
        terms = RewardTerms(**known)
    return Recipe(
        gamma=train.get("gamma"),
        n_step=train.get("n_step"),
        alpha=train.get("alpha"),
        learn_alpha=train.get("learn_alpha"),
        backup_clip=train.get("backup_clip"),
        clip_critic=train.get("grad_clip_critic"),
        clip_actor=train.get("grad_clip_actor"),
        utd=train.get("utd"),
        utd_exact=True,
        memory_size=train.get("capacity"),
        batch_size=train.get("batch_size"),
        hz=hz,
        lookahead_m=lookahead_m,
        reward=terms,
        name="settings",
    )
