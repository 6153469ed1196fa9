"""An existing tmrl ``config.json`` read as training settings: what each key does here, what was changed, what is not used.

Layouts: upstream 0.6.0 (training keys at the root), the TQCGRAB fork (sections MODEL, ALG, PLAYER_RUNS, ENV, DEBUGGER), and its
later form (REWARD_CONFIG at the root). Passwords, keys and paths are never shown or kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.errors import InputFileError, UsageError, shown
from data.files.text_files import read_json
from data.suggest import did_you_mean, nearest
from trainer.config import PLAIN, TrainConfig
from trainer.tmrl.networks import KEPT, note, set_network
from trainer.tmrl.values import check_schema, entries, number, pair, plain, truth, whole

POINT_M = 0.35
"""Metres between the points of a line as tmrl records them."""
USED, CHANGED, SESSION, UNUSED, HIDDEN, UNKNOWN = (
    "used",
    "changed",
    "session",
    "read, not used",
    "never kept",
    "unknown",
)
SECRET = re.compile(r"PASSWORD|KEY$|_PATH|DIRECTORY|HOSTNAME|^PUBLIC_IP")


@dataclass(frozen=True)
class Finding:
    """What became of one key."""

    section: str
    key: str
    value: Any
    status: str
    """``used``, ``changed``, ``session`` (the live side's), ``read, not used``, ``never kept`` or ``unknown``."""
    note: str


def _zero_is_none(value: Any) -> Any:
    return number(value) or None if value is not None else None


DIRECT: dict[str, tuple[str, Callable[[Any], Any]]] = {
    # MODEL
    "MAX_TRAINING_STEPS_PER_ENVIRONMENT_STEP": ("utd", number),
    "ENVIRONMENT_STEPS_BEFORE_TRAINING": ("warmup_steps", whole),
    "UPDATE_MODEL_INTERVAL": ("checkpoint_updates", whole),
    "TRAINING_STEPS_PER_ROUND": ("metrics_every", whole),
    "MEMORY_SIZE": ("capacity", whole),
    "BATCH_SIZE": ("batch_size", whole),
    # ALG
    "LEARN_ENTROPY_COEF": ("learn_alpha", truth),
    "LR_ACTOR": ("lr_actor", number),
    "LR_CRITIC": ("lr_critic", number),
    "LR_ENTROPY": ("lr_alpha", number),
    "GAMMA": ("gamma", number),
    "POLYAK": ("polyak", number),
    "TARGET_ENTROPY": ("target_entropy", number),
    "ALPHA": ("alpha", number),
    "TOP_QUANTILES_TO_DROP": ("drop_pool", whole),
    "QUANTILES_NUMBER": ("quantiles", whole),
    "N_STEPS": ("n_step", whole),
    "BETAS_ACTOR": ("betas_actor", pair),
    "BETAS_CRITIC": ("betas_critic", pair),
    "GRAD_CLIP_ACTOR": ("grad_clip_actor", _zero_is_none),
    "GRAD_CLIP_CRITIC": ("grad_clip_critic", _zero_is_none),
    "BACKUP_CLIP_RANGE": ("backup_clip", _zero_is_none),
    "ACTOR_WEIGHT_DECAY": ("weight_decay_actor", number),
    # PLAYER_RUNS
    "DEMO_SAMPLING_WEIGHT": ("demo_weight", number),
    "ONLINE_INJECTION": ("one_replay", truth),
    # ENV
    "INIT_GAS_BIAS": ("init_gas_bias", number),
    "SEED": ("seed", whole),
}
"""Keys that are one setting here."""

DEFAULTS: dict[str, Any] = {
    "MAX_TRAINING_STEPS_PER_ENVIRONMENT_STEP": 4,
    "ENVIRONMENT_STEPS_BEFORE_TRAINING": 1000,
    "UPDATE_MODEL_INTERVAL": 200,
    "TRAINING_STEPS_PER_ROUND": 200,
    "LEARN_ENTROPY_COEF": False,
    "LR_ACTOR": 1e-5,
    "LR_CRITIC": 5e-5,
    "LR_ENTROPY": 3e-4,
    "GAMMA": 0.995,
    "POLYAK": 0.995,
    "TARGET_ENTROPY": -0.5,
    "ALPHA": 0.01,
    "TOP_QUANTILES_TO_DROP": 2,
    "QUANTILES_NUMBER": 1,
    "N_STEPS": 1,
    "GRAD_CLIP_ACTOR": 1,
    "GRAD_CLIP_CRITIC": 1,
    "BACKUP_CLIP_RANGE": 100,
    "ONLINE_INJECTION": False,
}
"""What a key means that is not there (where that is not the default here, too)."""

TOGETHER = {
    "API_MLP_SIZES": "hidden and layers of the mlp",
    "MLP_LAYERNORM": "layer_norm_actor and layer_norm_critic of the mlp",
    "USE_IMAGES": "network",
    "USE_RESIDUAL_MLP": "network",
    "USE_RESIDUAL_SOPHY": "network",
    "RESIDUAL_MLP_HIDDEN_DIM": "hidden of the residual network",
    "RESIDUAL_MLP_NUM_BLOCKS": "layers of the residual network",
    "ALGORITHM": "critics, quantiles, drop_pool",
    "REDQ_N": "critics, for REDQSAC",
    "REDQ_M": "target_critics, for REDQSAC",
    "REDQ_Q_UPDATES_PER_POLICY_UPDATE": "actor_every, for REDQSAC",
}
"""Keys that work with others."""

NOT_USED = {
    "UPDATE_BUFFER_INTERVAL": "the store is followed all the time; a new takeover is drawn within two seconds",
    "SAVE_MODEL_EVERY": "every checkpoint is a file of its own; keep_checkpoints says how many stay",
    "NOISY_LINEAR_CRITIC": "there are no noisy layers here: the policy explores by its own entropy",
    "NOISY_LINEAR_ACTOR": "there are no noisy layers here: the policy explores by its own entropy",
    "OUTPUT_DROPOUT": "there is no dropout here: layer_norm_critic and several critics do what it is for",
    "RNN_DROPOUT": "there is no dropout here: what is remembered would change from one look to the next",
    "API_LAYERNORM": "the network has no branch for it; MLP_LAYERNORM is used",
    "FROZEN_EFFNET_WIDTH_MULT": "the trained weights of EfficientNet exist for one width",
    "CONSUME_ON_READ": "`hitl import` leaves the files as they are",
    "MAX_FILES_PER_UPDATE": "`hitl import` takes all files at once",
    "RUN_NAME": "a run is a home folder",
    "RESET_TRAINING": "`hitl train --fresh` begins anew",
    "CUDA_TRAINING": "`hitl train --device cuda`",
    "CUDA_INFERENCE": "the policy acts on the CPU",
    "DCAC": "not an algorithm of this trainer",
    "MAX_EPOCHS": "training ends when it is stopped; utd bounds the updates by what was driven",
    "ROUNDS_PER_EPOCH": "training ends when it is stopped; utd bounds the updates by what was driven",
    "SCHEDULER": "learning rates stay as they are set",
    "CLIPPING_WEIGHTS": "weights are not clipped; GRAD_CLIP_ACTOR and GRAD_CLIP_CRITIC clip gradients",
    "CLIP_WEIGHTS_VALUE": "weights are not clipped; GRAD_CLIP_ACTOR and GRAD_CLIP_CRITIC clip gradients",
    "OPTIMIZER_ACTOR": "the optimiser is Adam",
    "OPTIMIZER_CRITIC": "the optimiser is Adam",
    "L2_ACTOR": "there is no L2 penalty; ACTOR_WEIGHT_DECAY is AdamW's",
    "L2_CRITIC": "there is no L2 penalty",
    "ADAM_EPS": "Adam's epsilon is 1e-8",
    "CRITIC_WEIGHT_DECAY": "critics have no weight decay",
    "DEMO_INJECTION_REPEAT": "DEMO_SAMPLING_WEIGHT alone says how much is drawn of demos",
    "DEMO_WEIGHT_DECAY_SAMPLES": "the weight of demos falls to 1 over 200,000 samples",
    "DEMO_MIN_BATCH_FRACTION": "DEMO_SAMPLING_WEIGHT alone says how much is drawn of demos",
    "DEMO_MAX_BATCH_FRACTION": "DEMO_SAMPLING_WEIGHT alone says how much is drawn of demos",
}
"""Keys that are read and do nothing, with the reason."""

_IMAGES = ["IMG_WIDTH", "IMG_HEIGHT", "IMG_GRAYSCALE", "IMG_HIST_LEN"]
_SESSION = [
    "NUMBER_OF_POINTS",
    "POINTS_DISTANCE",
    "SPEED_BONUS",
    "SPEED_MIN_THRESHOLD",
    "SPEED_MEDIUM_THRESHOLD",
    "RTGYM_INTERFACE",
    "MAP_NAME",
    "WINDOW_WIDTH",
    "WINDOW_HEIGHT",
    "SLEEP_TIME_AT_RESET",
    "END_OF_TRACK_REWARD",
    "CRASH_PENALTY",
    "CRASH_COOLDOWN",
    "CONSTANT_PENALTY",
    "LAP_REWARD",
    "LAP_COOLDOWN",
    "CHECKPOINT_REWARD",
    "MIN_NB_ZERO_REW_BEFORE_FAILURE",
    "MAX_NB_ZERO_REW_BEFORE_FAILURE",
    "MIN_NB_STEPS_BEFORE_FAILURE",
    "OSCILLATION_PERIOD",
    "NB_OBS_FORWARD",
    "RTGYM_CONFIG",
    "REWARD_CONFIG",
    "END_OF_TRACK",
    "CHECK_FORWARD",
    "CHECK_BACKWARD",
    "FAILURE_COUNTDOWN",
    "MIN_STEPS",
    "MAX_STRAY",
    "SPEED_SAFE_DEVIATION_RATIO",
    "RECKLESS_SPEED_THRESHOLD",
    "RECKLESS_PENALTY_FACTOR",
    "WALL_HUG_SPEED_THRESHOLD",
    "WALL_HUG_PENALTY_FACTOR",
    "PROXIMITY_REWARD_SHAPING",
    "REWARD_SCALE",
    "VIRTUAL_GAMEPAD",
    "RW_MAX_SAMPLES_PER_EPISODE",
    "LINUX_X_OFFSET",
    "LINUX_Y_OFFSET",
    "IMG_SCALE_CHECK_ENV",
]
_NETWORK = [
    "BUFFERS_MAXLEN",
    "LOCALHOST_WORKER",
    "LOCALHOST_TRAINER",
    "TLS",
    "NB_WORKERS",
    "PORT",
    "LOCAL_PORT_SERVER",
    "LOCAL_PORT_TRAINER",
    "LOCAL_PORT_WORKER",
    "BUFFER_SIZE",
    "HEADER_SIZE",
    "WAIT_BEFORE_RECONNECTION",
    "LOOP_SLEEP_TIME",
    "WANDB_PROJECT",
    "WANDB_ENTITY",
    "WANDB_GRADIENTS",
    "WANDB_DEBUG_REWARD",
    "WANDB_WORKER",
    "DEBUG_MODE",
    "CRC_DEBUG",
    "CRC_DEBUG_SAMPLES",
    "PROFILE_TRAINER",
    "PYTORCH_PROFILER",
    "WANDB_DEBUG",
]
_TIMEOUT = re.compile(r"^(SOCKET|SELECT|ACK|RECV)_TIMEOUT")
_KNOWN = (*DIRECT, *TOGETHER, *KEPT, *NOT_USED, *_IMAGES, *_SESSION, *_NETWORK)


def read(path: Path) -> tuple[TrainConfig, list[Finding]]:
    """Return the training settings of a ``config.json`` and what became of each key.

    Raises InputFileError when it cannot be read, is larger than any such file, or is older than 0.6.0.
    """
    values = read_json(path)
    check_schema(values, path.name)
    return understand(values, path.name)


def understand(values: Mapping[str, Any], name: str = "config.json") -> tuple[TrainConfig, list[Finding]]:
    """Return settings and findings for the content of a ``config.json``."""
    check_schema(values, name)
    every = list(entries(values))
    flat = {key: value for _, key, value in every}
    whose = {key: section for section, key, _ in every}
    meant, changed = _meant(flat)
    config, more = _settings(meant, name)
    findings = []
    if "__VERSION__" not in values:
        findings.append(Finding("", "__VERSION__", None, CHANGED, "not there; read as 0.6.0, whose keys these are"))
    for section, key, value in every:
        status = _status(key, changed | more, config.network)
        if section != whose[key] and status[0] in (USED, CHANGED):
            status = UNUSED, f"{whose[key]}.{key} is there, too, and goes before it"
        findings.append(_hidden(Finding(section, key, value, *status)))
    return config, findings


def _meant(flat: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return numbers and truths that stand between quotes as what they are, and a note where tmrl takes them for another."""
    meant, changed = dict(flat), {}
    for key in {*DIRECT, *TOGETHER, *KEPT} & flat.keys():
        if isinstance(flat[key], str) and not isinstance(value := plain(flat[key]), str):
            meant[key] = value
            if value is False:
                changed[key] = "read as false; tmrl takes any text between quotes for true, so its own runs had it on"
    return meant, changed


def unknown(values: Mapping[str, Any]) -> list[str]:
    """Return the keys that nothing here knows, each with the nearest one that is known."""
    found = []
    for section, key, _ in entries(values):
        if _status(key, {}, "")[0] == UNKNOWN:
            meant = nearest(key, _KNOWN)
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
        return PLAIN.with_values(**set_), changed
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
            changed[key] = f"means nothing for {kind}"
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
    if key in KEPT:
        used, text = note(key, network)
        return (USED if used else UNUSED), text
    if key in NOT_USED:
        return UNUSED, NOT_USED[key]
    if SECRET.search(key):
        return HIDDEN, "passwords, keys and paths stay where they are"
    if key in ("NUMBER_OF_POINTS", "POINTS_DISTANCE"):
        return CHANGED, "the look-ahead is given in seconds or metres and reaches beyond the braking distance"
    if key in _IMAGES:
        return SESSION, "tmrl's environment keeps to it; for gym:ID there is [pictures] in settings.toml"
    if key in _SESSION:
        return SESSION, "of the observation, the reward or the game: the live side's"
    if key in _NETWORK or _TIMEOUT.match(key):
        return UNUSED, "of the connection between machines, or of logging"
    return UNKNOWN, f"not a key that is known.{did_you_mean(key, _KNOWN)}".removesuffix(".")


def _hidden(finding: Finding) -> Finding:
    if finding.status == HIDDEN or (SECRET.search(finding.key) and isinstance(finding.value, str) and finding.value):
        return Finding(finding.section, finding.key, "…", finding.status, finding.note)
    return finding
