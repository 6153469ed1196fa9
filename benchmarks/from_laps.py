"""From nothing, with laps in the store and no help: how many driven steps until the agent drives the whole track?

    python benchmarks/from_laps.py [--tracks default,esses] [--arms default,no_updates] [--seeds 5] [--laps 20] [--json FILE]

Every agent begins with random weights and the same number of finished laps by a model of a person (``hitl.drivers.person``; laps
that failed in between are in its store, too). It is evaluated every 250 driven steps by 20 deterministic episodes, and drives
the track when 18 of them pass every corner. If it does within ``--steps``, it is watched for ``--hold`` further
steps: what was held is the share of evaluations, every 500 steps, that stayed at 18 or more.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from common import print_table, stopwatch, write_report

from hitl.drivers.person import SKILLS
from hitl.trials.drives import SoloDrives

EVERY, HELD_EVERY, EPISODES, ENOUGH = 250, 500, 20, 18
ARMS: dict[str, dict[str, Any]] = {
    "default": {},
    "no_updates": {"lap_utd": 0.0},  # laps are in every batch, but nothing is learned before the first drive
    "q_at_once": {"q_after_laps": 1.0, "q_warmup_updates": 0},
    "q_10000": {"q_after_laps": 1.0, "q_warmup_updates": 10_000},
    "q_30000": {"q_after_laps": 1.0},
    "failed_laps": {"failed_laps": True},
    "past_seen": {"past_action_dropout": 0.0},
    "q_third": {"q_after_laps": 1 / 3},
}
"""Changes to the preset."""


def run(track: str, arm: str, seed: int, laps: int, skill: str, steps: int, hold: int) -> dict[str, Any]:
    """One agent."""
    from hitl.drivers.human import NoHuman, scripted_human
    from hitl.home import Home
    from hitl.road.corners import corners_from_curvature
    from hitl.session.lockstep import Lockstep
    from hitl.session_options import SessionOptions
    from trainer.presets import PRESETS

    config = PRESETS["hitl"].with_values(seed=seed, **ARMS[arm])
    with tempfile.TemporaryDirectory() as folder:
        options = SessionOptions(track=track, kind="demo", seed=seed, greedy_every=2)
        with Lockstep(Home(Path(folder) / "home"), options, config, proves=True) as lockstep:
            rig, hz = lockstep.rig, lockstep.rig.task.settings.hz
            rig.session.human = scripted_human(rig.track, skill, None, seed=1000 + seed, hz=hz)
            lap_seconds: list[float] = []
            while len(lap_seconds) < laps:
                result = rig.session.episode("lap", seed=len(lap_seconds))
                if result.reason == "finish":
                    lap_seconds.append(result.steps / hz)
            rig.session.human = NoHuman()
            lockstep.learn()
            corners = corners_from_curvature(rig.track.line)
            drive, count = SoloDrives(rig.track, EPISODES), 0
            curve: list[tuple[int, int, int, float]] = []
            reached, finished_at, episode, due = None, None, 0, 0

            def evaluate() -> None:
                nonlocal count, reached
                found = drive(lockstep.policy.actor, 3_000_000 + 1000 * count)
                count += 1
                passes = min(sum(r.progress >= c.to_m for r in found) for c in corners)
                ends = [r.steps for r in found if r.reason == "finish"]
                curve.append((lockstep.steps, passes, len(ends), median(ends) / hz if ends else math.nan))
                if reached is None and passes >= ENOUGH:
                    reached = lockstep.steps

            while lockstep.steps < (steps if reached is None else reached + hold):
                if lockstep.steps >= due:
                    evaluate()
                    due = lockstep.steps + (EVERY if reached is None else HELD_EVERY)
                result = lockstep.drive(10_000 * (seed + 1) + episode)
                if finished_at is None and result.reason == "finish":
                    finished_at = lockstep.steps
                episode += 1
            evaluate()
    after = [c[1] >= ENOUGH for c in curve if reached is not None and c[0] > reached]
    return {
        "track": track, "arm": arm, "seed": seed, "steps_to_all": reached, "first_finish": finished_at,
        "held": sum(after) / len(after) if after else None, "human_lap_s": median(lap_seconds),
        "lap_s": curve[-1][3], "curve": curve,
    }  # fmt: skip


def _run(job: tuple[Any, ...]) -> dict[str, Any]:
    return run(*job)


def main() -> None:
    """Run them all and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", default="default")
    parser.add_argument("--arms", default="default,no_updates")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--laps", type=int, default=20)
    parser.add_argument("--skill", choices=SKILLS, default="good")
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--hold", type=int, default=3000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    jobs = [
        (track, arm, seed, args.laps, args.skill, args.steps, args.hold)
        for seed in range(args.seeds) for track in args.tracks.split(",") for arm in args.arms.split(",")
    ]  # fmt: skip
    results: list[dict[str, Any]] = []
    with stopwatch() as watch, multiprocessing.get_context("spawn").Pool(args.jobs) as pool:
        for result in pool.imap_unordered(_run, jobs, 1):
            results.append(result)
            print(json.dumps(result), flush=True)
            write_report(args.json, {"runs": results}, list(range(args.seeds)), watch.seconds)
    columns = ("track", "arm", "median", "range", "held", "human lap s", "lap s")
    rows = []
    for track in args.tracks.split(","):
        for arm in args.arms.split(","):
            own = [r for r in results if (r["track"], r["arm"]) == (track, arm)]
            steps = sorted(r["steps_to_all"] if r["steps_to_all"] is not None else math.inf for r in own)
            held = [r["held"] for r in own if r["held"] is not None]
            rows.append((track, arm, f"{median(steps):,.0f}", f"{steps[0]:,.0f}–{steps[-1]:,.0f}",
                         f"{sum(held) / len(held):.0%}" if held else "–",
                         f"{median(r['human_lap_s'] for r in own):.1f}", f"{median(r['lap_s'] for r in own):.1f}"))  # fmt: skip
    print_table("Driven steps until 18 of 20 pass every corner", columns, rows)


if __name__ == "__main__":
    main()
