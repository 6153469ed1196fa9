"""A tmrl ``config.json`` as training settings: what each key does here, what was changed, what is not used.

Passwords, keys and paths are never shown or kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.errors import InputFileError, UsageError, shown
from data.suggest import did_you_mean, nearest
from trainer.config import BARE, TrainConfig
from trainer.tmrl.keys import (
    AT_THE_START,
    DEFAULTS,
    DIRECT,
    ELSEWHERE,
    KEPT,
    KNOWN,
    NOT_USED,
    SECRET,
    SECRETS,
    TIMEOUT,
    TOGETHER,
)
from trainer.tmrl.networks import note, set_network
from trainer.tmrl.reader import ROOT, TmrlConfig
from trainer.tmrl.session import overruled, use_of
from trainer.tmrl.values import plain

POINT_M = 0.35
"""Metres between the points of a line as tmrl records them."""
USED, CHANGED, SESSION, NOT_CARRIED = "used", "changed", "session", "not carried over"
UNUSED, HIDDEN, UNKNOWN = "read, not used", "never kept", "unknown"
ALGORITHMS = ("SAC", "REDQSAC", "TQC")
"""Those that are trained here, all of them on continuous actions."""


@dataclass(frozen=True)
class KeyUse:
    """What became of one key."""

    section: str
    key: str
    value: Any
    status: str
    """``used``, ``changed``, ``session`` (`hitl play --tmrl-config FILE` takes it over), ``not carried over`` (of the live side),
    ``read, not used``, ``never kept`` or ``unknown``."""
    note: str


def read(path: Path) -> tuple[TrainConfig, list[KeyUse]]:
    """Return the training settings of a ``config.json`` and what became of each key. Raises InputFileError."""
    return settings_of(TmrlConfig.read(path))


def settings_of(config: TmrlConfig) -> tuple[TrainConfig, list[KeyUse]]:
    """Return the training settings of a configuration and what became of each key. Raises InputFileError."""
    sections = {entry.key: entry.section for entry in config.entries}
    ours = {*DIRECT, *TOGETHER, *KEPT}
    _refuse(config)
    flat = {k: plain(v) if k in ours else v for k, v in config.flat.items()}
    train, changed = _settings(flat, config.name)
    asleep = dormant(flat)
    uses = []
    if not config.has_version:
        uses.append(KeyUse(ROOT, "__VERSION__", None, CHANGED, "not there; read as 0.6.0, whose keys these are"))
    for section, key, value in config.entries:
        status, note_ = _status(key, changed, train.network)
        if status in (USED, CHANGED) and key in asleep:
            status, note_ = UNUSED, asleep[key]
        if section != sections[key] and status in (USED, CHANGED):
            status, note_ = UNUSED, f"{sections[key]}.{key} is there, too, and wins over it"
        if status == SESSION and (why := overruled(config, section, key)):
            status, note_ = UNUSED, why
        secret = status == HIDDEN or (SECRET.search(key) and value and (status == UNKNOWN or isinstance(value, str)))
        uses.append(KeyUse(section, key, "…" if secret else value, status, note_))
    return train, uses


def device_of(config: TmrlConfig) -> str:
    """Return the device that CUDA_TRAINING asks for: ``cuda``, ``cpu``, or ``auto`` where the key is not there."""
    asked = config.flat.get("CUDA_TRAINING")
    return "auto" if asked is None else "cuda" if asked else "cpu"


def _refuse(config: TmrlConfig) -> None:
    """Raise InputFileError for what cannot be meant: a truth between quotes, an algorithm of another kind."""
    for key in sorted(config.quoted_truths()):
        raise InputFileError(
            f"The configuration '{config.name}' holds a value of the wrong kind: {key} is {shown(repr(config.flat[key]))}, where "
            "true or false without quotes was expected. tmrl takes any text between quotes for true."
        )
    kind = str(config.flat.get("ALGORITHM", "SAC"))
    if kind.upper() not in ALGORITHMS:
        raise InputFileError(
            f"The configuration '{config.name}' is of {shown(kind, 30)}, which is not ours: hitl trains {', '.join(ALGORITHMS)} "
            "on continuous controls, no algorithm that chooses from a list of actions. Your laps can be brought all the same: "
            "`hitl import PATH`."
        )


def dormant(flat: Mapping[str, Any]) -> dict[str, str]:
    """Return the keys that would be used with other settings, each with what keeps it from being used."""
    found: dict[str, str] = {}

    def off(reason: str, *keys: str) -> None:
        found.update(dict.fromkeys(keys, reason))

    if not flat.get("LEARN_ENTROPY_COEF", False):
        off("LEARN_ENTROPY_COEF is false: the temperature is fixed", "TARGET_ENTROPY", "LR_ENTROPY")
    residual = flat.get("USE_RESIDUAL_SOPHY") or flat.get("USE_RESIDUAL_MLP")
    if residual:
        off("the residual network is built", "API_MLP_SIZES", "MLP_LAYERNORM")
    else:
        off("the residual network is not built", "RESIDUAL_MLP_HIDDEN_DIM", "RESIDUAL_MLP_NUM_BLOCKS")
    if flat.get("USE_RESIDUAL_SOPHY"):
        off("USE_RESIDUAL_SOPHY is true, and there is one residual network here", "USE_RESIDUAL_MLP")
    if str(flat.get("ALGORITHM", "SAC")).upper() != "REDQSAC":
        off("of REDQSAC alone", "REDQ_N", "REDQ_M", "REDQ_Q_UPDATES_PER_POLICY_UPDATE")
    if not flat.get("ONLINE_INJECTION", False):
        off("ONLINE_INJECTION is false: laps are not weighted", "DEMO_SAMPLING_WEIGHT")
    return found


def unknown(config: TmrlConfig) -> list[str]:
    """Return the keys that are not known, each with the nearest one that is."""
    found = []
    for section, key, _ in config.entries:
        if _status(key, {}, "")[0] == UNKNOWN:
            meant = nearest(key, KNOWN)
            found.append(f"{section}.{shown(key)}".lstrip(".") + (f" (for {meant}?)" if meant else ""))
    return found


def _settings(flat: Mapping[str, Any], name: str) -> tuple[TrainConfig, dict[str, str]]:
    """Return the settings that the keys make, and a note for each key whose meaning was changed."""
    changed: dict[str, str] = {}
    set_: dict[str, Any] = {"demo_fraction": 0.0, "one_replay": True, "takeover_priority": 1.0, "star_priority": 1.0}
    try:
        for key, (field, convert) in DIRECT.items():
            if key in flat or key in DEFAULTS:
                set_[field] = _converted(key, convert, flat.get(key, DEFAULTS.get(key)), name)
        set_network(flat, set_, changed)
        _algorithm(flat, set_, changed)
        points, stride = flat.get("NUMBER_OF_POINTS"), flat.get("POINTS_DISTANCE", 0)
        if type(points) is int and 0 < points < 1000 and stride in (0, 1):
            changed["NUMBER_OF_POINTS"] = (
                f"{points} neighbouring points of a recorded line, {POINT_M} m apart, look {points * POINT_M:.1f} m ahead; here "
                "the look-ahead is given in seconds or metres and reaches beyond the braking distance"
            )
    except (TypeError, ValueError, OverflowError, AttributeError) as error:
        raise InputFileError(f"The configuration '{name}' holds a value of the wrong kind: {shown(error, 120)}.") from error
    try:
        return BARE.with_values(**set_), changed
    except UsageError as error:
        raise InputFileError(f"The configuration '{name}' cannot be trained with. {error}") from error


def _converted(key: str, convert: Callable[[Any], Any], value: Any, name: str) -> Any:
    try:
        return convert(value)
    except ValueError as error:
        raise InputFileError(
            f"The configuration '{name}' holds a value of the wrong kind: {key} is {shown(repr(value))}, where {error} was "
            "expected."
        ) from error


def _algorithm(flat: Mapping[str, Any], set_: dict[str, Any], changed: dict[str, str]) -> None:
    kind = str(flat.get("ALGORITHM", "SAC")).upper()
    if kind == "TQC":
        most = 2 * set_["quantiles"] - 1  # of two critics
        if set_["drop_pool"] > most:
            changed["TOP_QUANTILES_TO_DROP"] = f"{most}: one of the {most + 1} quantiles must be left"
            set_["drop_pool"] = most
        return
    # One quantile for each critic, the smallest of the critics as the target, squared error: SAC's critics.
    actor = "" if kind == "REDQSAC" else "; the actor follows their mean, not the smaller one"
    changed["ALGORITHM"] = f"{kind} as TQC with one quantile a critic, the smallest as the target, squared error{actor}"
    for key in ("QUANTILES_NUMBER", "TOP_QUANTILES_TO_DROP"):
        if key in flat:
            changed[key] = f"is not used by {kind}"
    set_["quantiles"], set_["drop_pool"], set_["critic_loss"] = 1, 1, "mse"
    if kind == "REDQSAC":
        set_["critics"], set_["target_critics"] = int(flat.get("REDQ_N", 10)), int(flat.get("REDQ_M", 2))
        set_["drop_pool"] = set_["target_critics"] - 1
        set_["actor_every"] = int(flat.get("REDQ_Q_UPDATES_PER_POLICY_UPDATE", 20))


def _status(key: str, changed: Mapping[str, str], network: str) -> tuple[str, str]:
    if key in changed:
        return CHANGED, changed[key]
    if key in DIRECT:
        return USED, DIRECT[key][0]
    if key in TOGETHER:
        return USED, TOGETHER[key]
    if key in AT_THE_START:
        return USED, AT_THE_START[key]
    if key in KEPT:
        used, text = note(key, network)
        return (USED if used else UNUSED), text
    if key in NOT_USED:
        return UNUSED, NOT_USED[key]
    if key in SECRETS:
        return HIDDEN, "passwords, keys and paths stay where they are"
    if (live := use_of(key)) is not None:
        return (SESSION if live[0] else NOT_CARRIED), live[1]
    if key in ELSEWHERE or TIMEOUT.match(key):
        return UNUSED, "of the connection between machines, or of logging"
    return UNKNOWN, f"not a known key.{did_you_mean(key, KNOWN)}".removesuffix(".")
