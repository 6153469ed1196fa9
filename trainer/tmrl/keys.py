"""Every key of a tmrl ``config.json``, and what it is here: a setting of the trainer, the live side's, or nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from trainer.tmrl.values import not_negative, number, pair, truth, whole

SECRET = re.compile(r"PASSWORD|KEY$|_PATH|DIRECTORY|HOSTNAME|^PUBLIC_IP")
"""Keys whose values are never shown or kept, known or not."""
SECRETS = (
    "PASSWORD", "WANDB_KEY", "SOURCE_PATH", "PUBLIC_IP_SERVER", "TLS_HOSTNAME", "TLS_CREDENTIALS_DIRECTORY", "PUBLIC_IP",
)  # fmt: skip
"""Those of them that tmrl and its forks read."""


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
    "ALPHA": ("alpha", not_negative),
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

KEPT = {
    "RNN_SIZES": ("rnn_size", "recurrent"),
    "RNN_LENS": ("rnn_layers", "recurrent"),
    "R2D2_REWIND": ("burn_in", "recurrent"),
    "CNN_FILTERS": ("cnn_filters", "cnn"),
    "CNN_OUTPUT_SIZE": ("cnn_output", "cnn"),
    "USE_FROZEN_EFFNET": ("frozen_effnet", "cnn"),
    "FROZEN_EFFNET_EMBED_DIM": ("cnn_output with USE_FROZEN_EFFNET", "cnn"),
}
"""Keys of one kind of network: the setting that keeps the value, and the network that uses it."""

PICTURES = ("IMG_WIDTH", "IMG_HEIGHT", "IMG_GRAYSCALE", "IMG_HIST_LEN")
LIVE_SIDE = (
    "NUMBER_OF_POINTS", "POINTS_DISTANCE", "SPEED_BONUS", "SPEED_MIN_THRESHOLD", "SPEED_MEDIUM_THRESHOLD",
    "RTGYM_INTERFACE", "MAP_NAME", "WINDOW_WIDTH", "WINDOW_HEIGHT", "SLEEP_TIME_AT_RESET", "END_OF_TRACK_REWARD",
    "CRASH_PENALTY", "CRASH_COOLDOWN", "CONSTANT_PENALTY", "LAP_REWARD", "LAP_COOLDOWN", "CHECKPOINT_REWARD",
    "MIN_NB_ZERO_REW_BEFORE_FAILURE", "MAX_NB_ZERO_REW_BEFORE_FAILURE", "MIN_NB_STEPS_BEFORE_FAILURE",
    "OSCILLATION_PERIOD", "NB_OBS_FORWARD", "RTGYM_CONFIG", "REWARD_CONFIG", "END_OF_TRACK", "CHECK_FORWARD",
    "CHECK_BACKWARD", "FAILURE_COUNTDOWN", "MIN_STEPS", "MAX_STRAY", "SPEED_SAFE_DEVIATION_RATIO",
    "RECKLESS_SPEED_THRESHOLD", "RECKLESS_PENALTY_FACTOR", "WALL_HUG_SPEED_THRESHOLD", "WALL_HUG_PENALTY_FACTOR",
    "PROXIMITY_REWARD_SHAPING", "REWARD_SCALE", "VIRTUAL_GAMEPAD", "RW_MAX_SAMPLES_PER_EPISODE", "LINUX_X_OFFSET",
    "LINUX_Y_OFFSET", "IMG_SCALE_CHECK_ENV", "TRACK_LOOK_AHEAD_PCT", "TRACK_POINT_SPACING_M",
)  # fmt: skip
ELSEWHERE = (
    "BUFFERS_MAXLEN", "LOCALHOST_WORKER", "LOCALHOST_TRAINER", "TLS", "NB_WORKERS", "PORT", "LOCAL_PORT_SERVER",
    "LOCAL_PORT_TRAINER", "LOCAL_PORT_WORKER", "BUFFER_SIZE", "HEADER_SIZE", "WAIT_BEFORE_RECONNECTION",
    "LOOP_SLEEP_TIME", "WANDB_PROJECT", "WANDB_ENTITY", "WANDB_GRADIENTS", "WANDB_DEBUG_REWARD", "WANDB_WORKER",
    "DEBUG_MODE", "CRC_DEBUG", "CRC_DEBUG_SAMPLES", "PROFILE_TRAINER", "PYTORCH_PROFILER", "WANDB_DEBUG",
)  # fmt: skip
TIMEOUT = re.compile(r"^(SOCKET|SELECT|ACK|RECV)_TIMEOUT")
AT_THE_START = {"CUDA_TRAINING": "--device: cuda for true, cpu for false"}
"""Keys that are no setting of the learner, but say how it is started."""
KNOWN = (*DIRECT, *TOGETHER, *AT_THE_START, *KEPT, *NOT_USED, *PICTURES, *LIVE_SIDE, *ELSEWHERE, *SECRETS)
