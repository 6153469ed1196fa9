"""The embedded game in lock-step: control steps a second on one core, without drawing.

    python benchmarks/game.py [--json FILE]

Beside it, in the same run, what people would use instead: Gymnasium's own CarRacing-v3 (which draws its observation).
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from statistics import median

import gymnasium
import numpy as np
from common import stopwatch, write_report

from hitl.drivers.scripted import ScriptedDriver
from hitl.games.driving_env import DrivingEnv
from hitl.road.track import shipped_tracks

REPEATS = 7


def ours(track: str) -> float:
    """Return control steps a second over whole laps on a track, episode resets included."""
    env = DrivingEnv(track)
    driver = ScriptedDriver(env.track)
    _, info = env.reset(seed=0)
    actions = []
    done = False
    while not done:
        actions.append(driver.act(info["state"], info["place"]))
        _, _, terminated, truncated, info = env.step(actions[-1])
        done = terminated or truncated
    rates = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        for _ in range(3):
            env.reset(seed=0)
            for action in actions:
                env.step(action)
        rates.append(3 * len(actions) / (time.perf_counter() - began))
    return median(rates)


def car_racing() -> float:
    """Return steps a second of CarRacing-v3, of which three make one of our control steps' simulated time and more."""
    env = gymnasium.make("CarRacing-v3")
    env.reset(seed=0)
    action = np.array([0.0, 0.3, 0.0])
    rates = []
    for _ in range(3):
        began = time.perf_counter()
        for _ in range(100):
            env.step(action)
        rates.append(100 / (time.perf_counter() - began))
    return median(rates)


def main() -> None:
    """Print the table and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    with stopwatch() as watch:
        figures = {f"steps_per_s_{track}": ours(track) for track in shipped_tracks()}
        figures["steps_per_s_car_racing"] = car_racing()
    for name, value in figures.items():
        print(f"{name:<28} {value:>8,.0f}")
    if args.json:
        write_report(args.json, figures, seeds=[0], wall_seconds=watch.seconds)


if __name__ == "__main__":
    main()
