"""Where nobody helps and there is no road: the recipe against sb3-contrib's TQC, at equal steps.

    python benchmarks/outside.py [--envs Pendulum-v1:5000,...] [--arms plain,sb3] [--seeds 5] [--first 0] [--json FILE]

Ours is driven by the product's own session, store and replay (``Lockstep``), with the preset that `hitl train` chooses by itself
there (``plain``), or another. sb3-contrib's is its own, as it comes. Both are asked for their greedy actions in the same 20
episodes at the end. ``ID@pay=1000`` is an environment whose rewards are a thousand times as large, ``ID@see=0.001`` one whose
observations are a thousandth; what is earned is shown in the usual unit. ``CarRacingNumbers-v3`` is CarRacing-v3 without pictures
(``car_numbers.py``).
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import mean, median
from typing import Any

import car_numbers
import numpy as np
from common import print_table, run_jobs, stopwatch

EPISODES = 20
ENVS = {"Pendulum-v1": 5_000, "MountainCarContinuous-v0": 10_000, "LunarLanderContinuous-v3": 20_000}
"""Environments, and the driven steps after which they are compared."""
ARMS: dict[str, tuple[str, dict[str, Any]]] = {
    "hitl": ("hitl", {}),
    "no_average": ("hitl", {"actor_average": None}),
    "free": ("hitl", {"actor_average": None, "log_std_max": 2.0, "learn_alpha": True, "alpha": 1.0}),
    "plain": ("plain", {}),
    "units_as_they_are": ("plain", {"scale_observations": False, "scale_rewards": False}),
}
"""Preset and what is changed in it; ``sb3`` is sb3-contrib's."""


def registered(name: str) -> str:
    """Return the Gymnasium id of an environment, also of one in other units."""
    import gymnasium

    if name == "CarRacingNumbers-v3":
        return car_numbers.register()
    id_, _, unit = name.partition("@")
    if not unit:
        return id_
    what, _, factor = unit.partition("=")

    def make(**how: Any) -> Any:
        env, by = gymnasium.make(id_, **how), float(factor)
        if what == "pay":
            return gymnasium.wrappers.TransformReward(env, lambda reward: by * float(reward))
        return gymnasium.wrappers.TransformObservation(env, lambda seen: (by * seen).astype(np.float32), wide(env, by))

    def wide(env: Any, by: float) -> Any:
        space = env.observation_space
        return gymnasium.spaces.Box((by * space.low).astype(np.float32), (by * space.high).astype(np.float32))

    scaled = f"{id_.rpartition('-v')[0]}{what.title()}{str(factor).replace('.', '_')}-v0"
    if scaled not in gymnasium.registry:
        gymnasium.register(scaled, make)
    return scaled


def returns(env: Any, act: Callable[[np.ndarray], np.ndarray], episodes: int = EPISODES) -> list[float]:
    """Return what each of the episodes earned."""
    totals = []
    for k in range(episodes):
        seen, _ = env.reset(seed=1_000_000 + k)
        total, over = 0.0, False
        while not over:
            seen, reward, terminated, truncated, _ = env.step(act(seen))
            total, over = total + float(reward), terminated or truncated
        totals.append(total)
    env.close()
    return totals


def ours(env: str, arm: str, seed: int, steps: int) -> list[float]:
    """Drive and learn in turn; return what the greedy policy earns then."""
    import torch

    from hitl.games.gym.env import open_gym
    from hitl.home import Home
    from hitl.session.lockstep import Lockstep
    from hitl.session_options import SessionOptions
    from trainer.presets import PRESETS

    preset, changes = ARMS[arm]
    config = PRESETS[preset].with_values(seed=seed, **changes)
    options = SessionOptions(env=f"gym:{registered(env)}", seed=seed, greedy_every=0)
    with (
        tempfile.TemporaryDirectory() as folder,
        Lockstep(Home(Path(folder) / "home"), options, config) as lockstep,
    ):
        episode = 0
        while lockstep.steps < steps:
            lockstep.drive(10_000 * (seed + 1) + episode)
            episode += 1
        actor = lockstep.policy.actor

        def act(seen: np.ndarray) -> np.ndarray:
            with torch.no_grad():
                return np.asarray(actor.act(torch.from_numpy(seen)[None], True)[0])

        return returns(open_gym(registered(env)), act)


def theirs(env: str, seed: int, steps: int) -> list[float]:
    """Return what sb3-contrib's TQC earns after as many steps."""
    import gymnasium
    from sb3_contrib import TQC

    model = TQC("MlpPolicy", gymnasium.make(registered(env)), seed=seed, device="cpu")
    model.learn(steps)
    return returns(gymnasium.make(registered(env)), lambda seen: model.predict(seen, deterministic=True)[0])


def run(job: tuple[str, str, int, int]) -> dict[str, Any]:
    """One agent."""
    import torch

    torch.set_num_threads(1)
    env, arm, seed, steps = job
    with stopwatch() as watch:
        totals = theirs(env, seed, steps) if arm == "sb3" else ours(env, arm, seed, steps)
    if "@pay=" in env:
        totals = [total / float(env.rpartition("=")[2]) for total in totals]
    return {"env": env, "arm": arm, "seed": seed, "steps": steps, "mean": mean(totals), "least": min(totals), "s": watch.seconds}


def iqm(values: list[float]) -> float:
    """Return the mean of the middle half (Agarwal et al. 2021)."""
    cut = len(values) // 4
    return mean(sorted(values)[cut : len(values) - cut])


def main() -> None:
    """Run them all and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--envs", default=",".join(f"{name}:{steps}" for name, steps in ENVS.items()))
    parser.add_argument("--arms", default="plain,sb3")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=0, help="the first seed: others than the recipe was chosen on")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    envs = [(name, int(steps)) for name, _, steps in (part.partition(":") for part in args.envs.split(","))]
    arms = args.arms.split(",")
    seeds = list(range(args.first, args.first + args.seeds))
    jobs = [(env, arm, seed, steps) for env, steps in envs for seed in seeds for arm in arms]
    results = run_jobs(run, jobs, args.jobs, args.json, seeds)
    rows = []
    for env, steps in envs:
        for arm in arms:
            found = [r["mean"] for r in results if (r["env"], r["arm"]) == (env, arm)]
            spread = f"{min(found):,.1f} to {max(found):,.1f}"
            seconds = median(r["s"] for r in results if (r["env"], r["arm"]) == (env, arm))
            rows.append((env, f"{steps:,}", arm, f"{iqm(found):,.1f}", spread, f"{seconds:.0f}"))
    print_table("Greedy return, 20 episodes", ("environment", "steps", "who", "IQM", "agents", "s each"), rows)


if __name__ == "__main__":
    main()
