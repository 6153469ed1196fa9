"""Does the agent ask for help before it fails? Measured on held-out episodes.

    python benchmarks/risk.py [--home DIR ...] [--checkpoints 3] [--episodes 80] [--json FILE]

For the shipped stalled agent, and for checkpoints spread over the run of each home given (`hitl demo --headless --home DIR` makes
one), the agent drives `--episodes` episodes from which the predictor is fitted and its threshold set to one request a lap, and
as many others on which it is judged. A lap is one attempt, from the start to its end. A crash is foreseen when a request begins
1 to 6 s before it; `crash` is leaving the road, `failure` is that or standing still. Beside it, with thresholds set in the same
way: the critics' numbers alone, and two simple rules, speed against curvature (the largest v^2 k on the next 1.5 s of road) and
distance to the line.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from data.records import DRIVING_FAULTS

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np
from common import parser, print_table, stopwatch, write_report
from numpy.typing import NDArray

from hitl.demo.shipped import open_shipped
from hitl.drivers.policy import CheckpointPolicy
from hitl.games.driving_env import DrivingEnv
from hitl.home import Home
from hitl.session.risk import Attempt, calibrate, features, fit, requests

HZ = 20.0
EARLIEST_S, LATEST_S = 6.0, 1.0  # s before a crash in which a request foresees it
METHODS = ("hitl", "critics", "spread", "disagreement", "low tail", "speed rule", "distance rule")


@dataclass
class Drive:
    """One episode of the agent without help."""

    features: NDArray[np.float64]
    speed_rule: NDArray[np.float64]
    distance_rule: NDArray[np.float64]
    reason: str


def collect(policy: CheckpointPolicy, env: DrivingEnv, episodes: int, first_seed: int) -> list[Drive]:
    """Let the agent drive as it does in a session."""
    line, drives = env.track.line, []
    bend = np.abs(line.curvatures)
    for k in range(episodes):
        observation, info = env.reset(seed=first_seed + k)
        seen, did, speed_rule, distance_rule, done = [], [], [], [], False
        while not done:
            action = policy.act(observation, False)
            state, place = info["state"], info["place"]
            here = int(place.s / line.spacing)
            ahead = bend[here : here + int(1.5 * state.speed / line.spacing) + 2]
            speed_rule.append(state.speed**2 * float(ahead.max(initial=0.0)))
            distance_rule.append(abs(place.offset))
            seen.append(observation)
            did.append(action)
            observation, _, terminated, truncated, info = env.step(action)
            done = terminated or truncated
        rows = features(np.stack(seen), policy.quantiles(np.stack(seen), np.stack(did)))
        drives.append(Drive(rows, np.array(speed_rule), np.array(distance_rule), info["reason"]))
    return drives


def scores(fitted: list[Drive], size: int) -> dict[str, Callable[[Drive], NDArray[np.float64]]]:
    """Return what each method makes of a drive; ``size`` is that of an observation."""

    def model(part: slice) -> Callable[[Drive], NDArray[np.float64]]:
        found = fit([Attempt(d.features[:, part], d.reason in DRIVING_FAULTS) for d in fitted], HZ)
        return lambda d: found.risk(d.features[:, part]) if found is not None else np.zeros(len(d.features))

    return {
        "hitl": model(slice(None)),
        "critics": model(slice(size, None)),
        "spread": lambda d: d.features[:, size + 1],
        "disagreement": lambda d: d.features[:, size + 2],
        "low tail": lambda d: -d.features[:, size + 5],
        "speed rule": lambda d: d.speed_rule,
        "distance rule": lambda d: d.distance_rule,
    }


def judge(
    score: Callable[[Drive], NDArray[np.float64]], fitted: list[Drive], held_out: list[Drive]
) -> dict[str, float]:
    """Set the threshold to one request an attempt on the fitted drives, and count on the others."""
    threshold = calibrate([score(d) for d in fitted], float(len(fitted)), HZ)
    asked = right = 0
    foreseen = {reason: [0, 0] for reason in DRIVING_FAULTS}
    for drive in held_out:
        begun = requests(score(drive), threshold, HZ)
        steps = len(drive.features)
        timely = [t for t in begun if LATEST_S * HZ <= steps - t <= EARLIEST_S * HZ]
        asked += len(begun)
        if drive.reason in DRIVING_FAULTS:
            right += len(timely)
            foreseen[drive.reason][0] += bool(timely)
            foreseen[drive.reason][1] += 1
    return {
        "foreseen": foreseen["off_road"][0],
        "crashes": foreseen["off_road"][1],
        "failures_foreseen": sum(f for f, _ in foreseen.values()),
        "failures": sum(n for _, n in foreseen.values()),
        "requests": asked,
        "right": right,
        "laps": len(held_out),
    }


def agents(homes: list[Path], count: int) -> list[tuple[str, Home, str]]:
    """Return (name, home, checkpoint) of checkpoints spread evenly over the run of each home."""
    found = []
    for root in homes:
        files = sorted(f.name for f in (root / "checkpoints").glob("*.safetensors"))
        picked = np.unique(np.linspace(0, len(files) - 1, count + 2).round().astype(int)[1:-1])
        found += [(f"{root.name} {files[i].split('-')[0].lstrip('u0')} updates", Home(root), files[i]) for i in picked]
    return found


def share(part: float, whole: float) -> float | None:
    """Return part / whole, None of nothing."""
    return round(part / whole, 3) if whole else None


def main() -> None:
    """Print a table an agent, one for all, and write the JSON."""
    made = parser(__doc__ or "")
    made.add_argument("--home", type=Path, action="append", default=[], help="a home whose checkpoints are judged, too")
    made.add_argument("--checkpoints", type=int, default=3, help="how many of each home")
    made.add_argument("--episodes", type=int, default=80)
    args = made.parse_args()
    env = DrivingEnv()
    names = (*env.task.observer.names, *(f"pending_{name}" for name in env.game.action_names))
    totals: dict[str, dict[str, float]] = {method: {} for method in METHODS}
    per_agent = {}
    cost = []
    with TemporaryDirectory() as folder, stopwatch() as watch:
        shipped = Home(Path(folder) / "stalled")
        open_shipped(shipped)
        for label, home, which in [("stalled (shipped)", shipped, "latest"), *agents(args.home, args.checkpoints)]:
            policy = CheckpointPolicy(home, names, env.game.action_names)
            policy.pin(which)
            policy.can_judge()
            fitted = collect(policy, env, args.episodes, 500_000)
            held_out = collect(policy, env, args.episodes, 600_000)
            rows = []
            began = time.perf_counter()
            made_scores = scores(fitted, len(names))
            cost.append(time.perf_counter() - began)
            for method in METHODS:
                result = judge(made_scores[method], fitted, held_out)
                for key, value in result.items():
                    totals[method][key] = totals[method].get(key, 0) + value
                rows.append(row(method, result))
            per_agent[label] = rows[0][1]
            print_table(label, COLUMNS, rows)
    print_table("all of them", COLUMNS, [row(method, totals[method]) for method in METHODS])
    figures: dict[str, object] = {"fit_seconds": round(max(cost), 2), "per_agent": per_agent}
    for method, prefix in [
        ("hitl", ""),
        ("critics", "critics_"),
        ("speed rule", "speed_"),
        ("distance rule", "distance_"),
    ]:
        total = totals[method]
        figures[f"{prefix}crashes_foreseen"] = share(total["foreseen"], total["crashes"])
        figures[f"{prefix}failures_foreseen"] = share(total["failures_foreseen"], total["failures"])
        figures[f"{prefix}requests_per_lap"] = share(total["requests"], total["laps"])
    write_report(args.json, figures, seeds=[500_000, 600_000], wall_seconds=watch.seconds)


COLUMNS = ("", "crashes foreseen", "failures foreseen", "requests a lap", "requests in time")


def row(method: str, r: dict[str, float]) -> tuple[str, ...]:
    """Return a table's row."""

    def of(part: float, whole: float) -> str:
        return f"{part / whole:.0%} of {whole:.0f}" if whole else "none happened"

    return (
        method,
        of(r["foreseen"], r["crashes"]),
        of(r["failures_foreseen"], r["failures"]),
        f"{r['requests'] / r['laps']:.2f}",
        of(r["right"], r["requests"]),
    )


if __name__ == "__main__":
    main()
