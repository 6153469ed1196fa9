"""sbx's TQC (JAX) in a process of its own, as it is installed: told how many updates to make, it answers how long they took.

Run by `tqc.py` with the Python that has sbx: its JAX need not be installed beside our torch. Its own replay draws the batches,
and 64 updates at a time are one compiled loop, as its ``learn`` has it with ``gradient_steps=64``.
"""

from __future__ import annotations

import json
import os
import sys
import time

LOOP, STEPS = 64, 50_000


def main() -> None:
    """Answer a line with seconds for each line with a number of updates; 0 ends it."""
    asked = json.loads(sys.argv[1])
    if asked["device"] == "cpu":
        os.environ["JAX_PLATFORMS"] = "cpu"
        os.environ["OMP_NUM_THREADS"] = str(asked["threads"])
        if hasattr(os, "sched_setaffinity"):  # JAX takes a thread for each processor that it may use
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: asked["threads"]])
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # the others want some of a GPU's memory, too
    import gymnasium
    import jax
    import numpy as np
    from sbx import TQC

    class Nothing(gymnasium.Env):  # it is asked for its spaces alone
        observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (asked["observations"],), np.float32)
        action_space = gymnasium.spaces.Box(-1.0, 1.0, (asked["actions"],), np.float32)

    layers = [asked["hidden"]] * asked["layers"]
    model = TQC(
        "MlpPolicy", Nothing(), learning_rate=3e-4, buffer_size=STEPS, batch_size=asked["rows"], tau=0.005, gamma=0.9925,
        ent_coef="auto_0.1", seed=0, policy_kwargs={"net_arch": {"pi": layers, "qf": layers}},
    )  # fmt: skip
    from stable_baselines3.common.logger import Logger

    model.set_logger(Logger(None, []))
    rng, buffer = np.random.default_rng(0), model.replay_buffer
    for name in ("observations", "next_observations", "rewards"):
        part = getattr(buffer, name)
        part[:] = rng.standard_normal(part.shape, np.float32)
    buffer.actions[:] = rng.uniform(-1, 1, buffer.actions.shape)
    buffer.full = True
    model.train(LOOP, asked["rows"])  # compiles it
    clock = time.process_time if asked["device"] == "cpu" and asked["threads"] == 1 else time.perf_counter
    print(json.dumps({"sbx": jax.__version__, "device": str(jax.devices()[0])}), flush=True)
    for line in sys.stdin:
        count = int(line)
        if not count:
            return
        began = clock()
        for _ in range(max(1, count // LOOP)):
            model.train(LOOP, asked["rows"])
        jax.block_until_ready(model.policy.actor_state.params)
        print((clock() - began) / (max(1, count // LOOP) * LOOP) * count, flush=True)


if __name__ == "__main__":
    main()
