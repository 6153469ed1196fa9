"""What a run is set to, in one shape: from a tmrl config.json, or from our own settings."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.errors import UsageError, shown
from data.reward import RewardSettings
from trainer.config import TrainConfig
from trainer.tmrl.config import unknown
from trainer.tmrl.keys import KNOWN
from trainer.tmrl.reader import ALG, ENV, MODEL, REWARD, TmrlConfig
from trainer.tmrl.session import rate_of, reward_of
from trainer.tmrl.values import plain


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
    lookahead_pct: float | None = None
    lookahead_spacing_m: float | None = None
    """Where it is given as a percentage of the track, with a point every so many metres."""
    reward_unknown: tuple[str, ...] = ()
    """Terms of the reward that are set and not known: what a step pays cannot be reckoned then."""
    crash_penalty: float = 0.0
    crash_cooldown: int = 0
    """Steps after a crash in which another one costs nothing."""
    reward: RewardSettings | None = None
    ignored: tuple[str, ...] = ()
    """Sentences about settings that contradict each other or are read by nothing."""
    name: str = "config"
    foreign: bool = False
    unknown: tuple[str, ...] = ()
    """Keys that are not known."""


def read_recipe(path: Path) -> Recipe:
    """Read an existing config.json. Only the numbers named above are taken; keys and passwords stay where they are.

    Raises InputFileError.
    """
    return from_tmrl(TmrlConfig.read(path))


def from_tmrl(config: TmrlConfig) -> Recipe:
    """Take what matters from a tmrl configuration, whichever layout it has."""
    number = config.number
    points = number("NUMBER_OF_POINTS", *ALG, *ENV)
    stride = number("POINTS_DISTANCE", *ALG, *ENV, default=0.0)
    recipe = Recipe(
        gamma=number("GAMMA", *ALG, default=0.995),
        n_step=int(number("N_STEPS", *ALG, default=1) or 1),
        alpha=number("ALPHA", *ALG, default=0.01),
        learn_alpha=bool(config.get("LEARN_ENTROPY_COEF", *ALG)),  # as tmrl reads it
        backup_clip=number("BACKUP_CLIP_RANGE", *ALG) or None,
        clip_critic=number("GRAD_CLIP_CRITIC", *ALG) or None,
        clip_actor=number("GRAD_CLIP_ACTOR", *ALG) or None,
        utd=number("MAX_TRAINING_STEPS_PER_ENVIRONMENT_STEP", *MODEL, default=4),
        updates_per_row=int(number("TRAINING_STEPS_PER_ROUND", *MODEL, default=200) or 200),
        memory_size=number("MEMORY_SIZE", *MODEL, default=1e6),
        batch_size=int(number("BATCH_SIZE", *MODEL, default=256) or 256),
        hz=rate_of(config) or 20.0,
        lookahead_points=None if points is None else int(points),
        lookahead_stride=max(1, int(stride or 0)),
        lookahead_pct=number("TRACK_LOOK_AHEAD_PCT", *REWARD, *ENV) or None,
        lookahead_spacing_m=number("TRACK_POINT_SPACING_M", *REWARD, *ENV) or None,
        reward=reward_of(config),
        reward_unknown=_unknown_terms(config),
        crash_penalty=number("CRASH_PENALTY", *ENV, *REWARD, default=0.0) or 0.0,
        crash_cooldown=int(number("CRASH_COOLDOWN", *ENV, *REWARD, default=0.0) or 0),
        name=config.name,
        foreign=True,
        unknown=tuple(sorted(unknown(config))),
    )
    recipe.ignored = (*_contradictions(config), *config.unusable)
    return recipe


def _unknown_terms(config: TmrlConfig) -> tuple[str, ...]:
    """Return the reward's keys that are in force and that nothing here knows."""
    found = (e for e in config.entries if e.section in REWARD and e.key not in KNOWN)
    return tuple(e.key for e in found if plain(e.value) not in (None, 0, 0.0, False, ""))


def _contradictions(config: TmrlConfig) -> list[str]:
    """Return sentences about settings that contradict each other, or that the code of that file never reads."""

    def env(key: str) -> Any:
        return plain(config.get(key, *ENV))

    def reward(key: str) -> Any:
        return plain(config.get(key, *REWARD))

    # The TQC fork alone has these sections, this algorithm, these interfaces.
    interface = str(env("RTGYM_INTERFACE") or "")
    fork = "MODEL" in config.sections or config.get("ALGORITHM", *ALG) == "TQC" or interface.startswith("TQC")
    found, end, penalty = [], config.number("END_OF_TRACK_REWARD", *ENV), reward("CONSTANT_PENALTY")
    if end is not None and reward("END_OF_TRACK") not in (None, end):
        found.append(f"ENV.END_OF_TRACK_REWARD {end:g} wins over REWARD_CONFIG.END_OF_TRACK {reward('END_OF_TRACK')}")
    if fork and penalty:
        found.append(f"REWARD_CONFIG.CONSTANT_PENALTY {penalty} is read by nothing in that code")
    if fork and reward("FAILURE_COUNTDOWN") not in (None, 10):
        found.append(f"REWARD_CONFIG.FAILURE_COUNTDOWN {reward('FAILURE_COUNTDOWN')} is read by nothing in that code")
    if env("CONSTANT_PENALTY") and penalty not in (None, env("CONSTANT_PENALTY")):
        found.append("ENV.CONSTANT_PENALTY and REWARD_CONFIG.CONSTANT_PENALTY differ")
    given = config.get("LEARN_ENTROPY_COEF", *ALG)
    if isinstance(given, str) and plain(given) == 0:
        found.append(f"LEARN_ENTROPY_COEF is {shown(repr(given))}: tmrl takes any text between quotes for true")
    return found


def from_settings(
    train: Mapping[str, Any], reward: Mapping[str, Any] | None, hz: float, lookahead_m: float | None
) -> Recipe:
    """Take what matters from our own training settings (``TrainConfig.to_dict``) and a session's reward settings."""
    times = None
    with contextlib.suppress(UsageError):  # of another version
        times = TrainConfig.from_dict(train).times(hz) if "gamma" in train else None
    return Recipe(
        gamma=times.gamma if times else None,
        n_step=times.n_step if times else None,
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
        reward=RewardSettings.of(reward) if reward else None,
        name="settings",
    )
