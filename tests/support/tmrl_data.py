"""A prepared ``TmrlData`` folder, as tmrl's own installation makes it."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from hitl.road.track import Track

CONFIG: dict[str, Any] = {
    "__VERSION__": "0.6.0", "RUN_NAME": "test", "RESET_TRAINING": False, "BUFFERS_MAXLEN": 500000,
    "RW_MAX_SAMPLES_PER_EPISODE": 1000, "CUDA_TRAINING": False, "CUDA_INFERENCE": False, "VIRTUAL_GAMEPAD": True,
    "LOCALHOST_WORKER": True, "LOCALHOST_TRAINER": True, "PUBLIC_IP_SERVER": "0.0.0.0", "PASSWORD": "a password for tests",
    "TLS": False, "TLS_HOSTNAME": "default", "TLS_CREDENTIALS_DIRECTORY": "", "NB_WORKERS": -1, "WANDB_PROJECT": "tmrl",
    "WANDB_ENTITY": "tmrl", "WANDB_KEY": "a key that must not leak", "PORT": 55555, "LOCAL_PORT_SERVER": 55556,
    "LOCAL_PORT_TRAINER": 55557, "LOCAL_PORT_WORKER": 55558, "BUFFER_SIZE": 536870912, "HEADER_SIZE": 12,
    "SOCKET_TIMEOUT_CONNECT_TRAINER": 300.0, "MAX_EPOCHS": 10000, "ROUNDS_PER_EPOCH": 100, "TRAINING_STEPS_PER_ROUND": 200,
    "MAX_TRAINING_STEPS_PER_ENVIRONMENT_STEP": 4.0, "ENVIRONMENT_STEPS_BEFORE_TRAINING": 1000, "UPDATE_MODEL_INTERVAL": 200,
    "UPDATE_BUFFER_INTERVAL": 200, "SAVE_MODEL_EVERY": 0, "MEMORY_SIZE": 1000000, "BATCH_SIZE": 256,
    "ALG": {
        "ALGORITHM": "SAC", "LEARN_ENTROPY_COEF": False, "LR_ACTOR": 1e-5, "LR_CRITIC": 5e-5, "LR_ENTROPY": 3e-4,
        "GAMMA": 0.995, "POLYAK": 0.995, "TARGET_ENTROPY": -0.5, "ALPHA": 0.01, "REDQ_N": 10, "REDQ_M": 2,
        "REDQ_Q_UPDATES_PER_POLICY_UPDATE": 20, "OPTIMIZER_ACTOR": "adam", "OPTIMIZER_CRITIC": "adam",
        "BETAS_ACTOR": [0.9, 0.999], "BETAS_CRITIC": [0.9, 0.999], "L2_ACTOR": 0.0, "L2_CRITIC": 0.0,
    },
    "ENV": {
        "RTGYM_INTERFACE": "TM20FULL", "WINDOW_WIDTH": 256, "WINDOW_HEIGHT": 128, "IMG_WIDTH": 16, "IMG_HEIGHT": 16,
        "IMG_GRAYSCALE": True, "SLEEP_TIME_AT_RESET": 0.5, "IMG_HIST_LEN": 2,
        "RTGYM_CONFIG": {
            "time_step_duration": 0.05, "start_obs_capture": 0.04, "time_step_timeout_factor": 1.0, "act_buf_len": 2,
            "benchmark": False, "wait_on_done": True, "ep_max_length": 1000,
        },
        "REWARD_CONFIG": {
            "END_OF_TRACK": 100.0, "CONSTANT_PENALTY": 0.0, "CHECK_FORWARD": 500, "CHECK_BACKWARD": 10,
            "FAILURE_COUNTDOWN": 10, "MIN_STEPS": 70, "MAX_STRAY": 100.0,
        },
    },
}  # fmt: skip


def prepare(folder: Path, track: Track) -> Path:
    """Make ``TmrlData`` in ``folder``, with the reward file of that track; returns it."""
    data = folder / "TmrlData"
    for name in ("config", "weights", "checkpoints", "dataset", "reward"):
        (data / name).mkdir(parents=True)
    (data / "config" / "config.json").write_text(json.dumps(CONFIG))
    x, y = track.line.points.T
    points = np.stack([x, np.full(len(x), 10.0), -y], axis=1)  # the game's axes
    (data / "reward" / "reward.pkl").write_bytes(pickle.dumps(points))
    return data
