"""Does a takeover break a ceiling that more training does not? A stalled agent, forked into arms with equal steps and updates.

    python benchmarks/ceiling.py [--track NAME] [--arms a,b,…] [--seeds 5] [--steps 7500] [--jobs 2] [--json FILE]

Phase 1 trains the plain learner (one replay, laps in it, no takeovers: ``hitl stall``) until it stands at a corner. Phase 2 forks
that state into the arms below. Every arm drives the same number of steps and does the same number of updates for each; what
differs is where the help comes from and what the learner makes of it. The learning rates are those of the ``hitl`` preset, thirty
times the reference recipe's, so that the stall is reached within minutes.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median
from typing import Any

from common import print_table, stopwatch, write_report

EVALUATE_EVERY = 500  # driven steps
EPISODES = 20
HELP_S = 30.0
ENOUGH = 18  # passes of 20


@dataclass(frozen=True)
class Arm:
    """One way to go on from the stall."""

    text: str
    takeovers: bool = False
    more_laps: bool = False  # as many seconds of whole human laps as the takeover arms may use
    settings: dict[str, Any] = field(default_factory=dict)  # on top of the ``hitl`` preset


PLAIN = {"one_replay": True, "demo_fraction": 0.0, "bc_weight": 0.0, "actor_average": None}
RLPD = {"bc_weight": 0.0, "actor_average": None}

ARMS: dict[str, Arm] = {
    "continue": Arm("no change: one replay, no takeovers", settings=PLAIN),
    "rlpd": Arm("half of each batch from the two laps it had", settings=RLPD),
    "laps": Arm("ours, but the seconds of help are whole laps", more_laps=True),
    "takeover": Arm("ours: takeovers at the corner", takeovers=True),
    "no_average": Arm("ours, driving with the newest weights", takeovers=True, settings={"actor_average": None}),
    "no_cloning": Arm("ours without cloning", takeovers=True, settings={"bc_weight": 0.0}),
    "weak_cloning": Arm("ours with a cloning weight of 3", takeovers=True, settings={"bc_weight": 3.0}),
    "q_filter": Arm("ours, cloning only what the critic finds better", takeovers=True, settings={"bc_q_filter": True}),
    "no_priority": Arm("ours, takeovers no likelier than laps", takeovers=True, settings={"takeover_priority": 1.0}),
    "cost": Arm("ours with a cost at the hand-over", takeovers=True, settings={"handover_cost": 1.0}),
    "skip": Arm(
        "ours, the half second before a takeover left out", takeovers=True, settings={"skip_before_takeover_s": 0.5}
    ),
    "demo_25": Arm("ours with a quarter of demos", takeovers=True, settings={"demo_fraction": 0.25}),
    "demo_75": Arm("ours with three quarters of demos", takeovers=True, settings={"demo_fraction": 0.75}),
    "n_1": Arm("ours with 1-step returns", takeovers=True, settings={"n_step": 1}),
    "n_5": Arm("ours with 5-step returns", takeovers=True, settings={"n_step": 5}),
    "utd_1": Arm("ours with one update a step", takeovers=True, settings={"utd": 1.0}),
    "utd_4": Arm("ours with four updates a step", takeovers=True, settings={"utd": 4.0}),
}


def stall(folder: Path, track: str, seed: int) -> dict[str, Any] | None:
    """Phase 1 for one seed; returns where it stands, or None when it never stalled."""
    from hitl.home import Home
    from hitl.stall import train_until_stalled

    result = train_until_stalled(Home(folder), track, seed=seed)
    return None if result.corner is None else {"name": result.corner.name, "steps": result.agent_steps}


def run(folder: Path, track: str, name: str, seed: int, steps: int) -> dict[str, Any]:
    """Phase 2: one arm from one stalled home (which is copied, not changed)."""
    from hitl.home import Home
    from hitl.lockstep import Lockstep
    from hitl.rig import Rig, RigOptions
    from hitl.scripted import Rule, ScriptedDriver, TakeoverRule
    from hitl.stall import LAPS
    from hitl.wheel import Nobody, ScriptedWheel
    from trainer.config import PRESETS

    arm = ARMS[name]
    config = PRESETS["hitl"].with_values(seed=seed, warmup_steps=0, **arm.settings)
    init = max((folder / "checkpoints").glob("*.safetensors"))
    with tempfile.TemporaryDirectory() as fresh:
        options = RigOptions(track=track, kind="demo", seed=seed)
        with Rig(Home(Path(fresh)), options) as rig, Lockstep(rig, config, init=init) as lockstep:
            corner = next(c for c in rig.corners)
            driver = ScriptedDriver(rig.track, seed=seed + 7)
            rig.session.wheel = ScriptedWheel(driver, None)
            human = laps = 0
            while laps < LAPS or (arm.more_laps and human < HELP_S * rig.task.settings.hz):
                lap = rig.session.episode("lap", seed=laps)
                human += lap.steps if laps >= LAPS else 0
                laps += 1
            rule = TakeoverRule(rig.track, Rule(corners=frozenset({corner.name}), danger=False, patient=True))
            rig.session.wheel = ScriptedWheel(driver, rule, limit_s=HELP_S) if arm.takeovers else Nobody()
            curve: list[dict[str, float]] = []
            episode = 0
            while lockstep.steps < steps:
                human += lockstep.drive(10_000 * (seed + 1) + episode).human_steps
                episode += 1
                if lockstep.steps >= (len(curve) + 1) * EVALUATE_EVERY:
                    found = rig.evaluate(EPISODES, 3_000_000 + 1000 * len(curve))
                    ends = [r for r in found if r.reason == "finish"]
                    curve.append(
                        {
                            "steps": lockstep.steps,
                            "passes": sum(r.passed[corner.name] for r in found),
                            "return": fmean(r.total for r in found),
                            "finished": len(ends),
                            "lap_seconds": median(r.steps for r in ends) / rig.task.settings.hz
                            if ends
                            else float("nan"),
                        }
                    )
            hz = rig.task.settings.hz
    reached = next((c["steps"] for c in curve if c["passes"] >= ENOUGH), None)
    after = [c["passes"] / EPISODES for c in curve if reached is not None and c["steps"] > reached]
    return {
        "arm": name,
        "seed": seed,
        "steps_to_90": reached,
        "held": fmean(after) if after else None,
        "human_seconds": human / hz,
        "final_return": curve[-1]["return"],
        "finished_laps": curve[-1]["finished"],
        "lap_seconds": curve[-1]["lap_seconds"],
        "curve": curve,
    }


def _stall(job: tuple[Path, str, int]) -> dict[str, Any] | None:
    return stall(*job)


def _run(job: tuple[Path, str, str, int, int]) -> dict[str, Any]:
    return run(*job)


def summary(results: list[dict[str, Any]], steps: int) -> dict[str, Any]:
    """Return the figures by arm, one entry a seed; a seed that never got there counts as ``None``."""
    figures: dict[str, Any] = {}
    names = ("steps_to_90", "held", "human_seconds", "final_return", "finished_laps", "lap_seconds")
    for name in dict.fromkeys(r["arm"] for r in results):
        rows = sorted((r for r in results if r["arm"] == name), key=lambda r: r["seed"])
        figures[name] = {key: [r[key] for r in rows] for key in names} | {"curves": [r["curve"] for r in rows]}
    return {"budget_steps": steps, "arms": figures}


def show(figures: dict[str, Any], steps: int) -> None:
    """Print the table: medians over the seeds, and the range of the steps to 90 %."""
    rows = []
    for name, f in figures["arms"].items():
        reached = [s if s is not None else float("inf") for s in f["steps_to_90"]]
        middle = median(reached)
        held = [h for h in f["held"] if h is not None]
        rows.append(
            (
                name,
                f"{middle:,.0f}" if middle < float("inf") else f"> {steps:,}",
                f"{min(reached):,.0f}–{max(reached):,.0f}".replace("inf", "never"),
                f"{sum(r < float('inf') for r in reached)}/{len(reached)}",
                f"{fmean(held):.0%}" if held else "–",
                f"{median(f['human_seconds']):.0f}",
                f"{median(f['final_return']):.1f}",
                f"{median(f['finished_laps']):.0f}",
                ARMS[name].text,
            )
        )
    columns = ("arm", "steps to 90 %", "range", "seeds", "held", "human s", "return", "laps of 20", "")
    print_table("Steps until 18 of 20 deterministic episodes pass the corner (median over seeds)", columns, rows)


def main() -> None:
    """Run both phases and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--track", default="default")
    parser.add_argument("--arms", default=",".join(ARMS), help="comma-separated")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=7500, help="driven steps an arm")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    arms = args.arms.split(",")
    for name in arms:
        if name not in ARMS:
            parser.error(f"there is no arm '{name}'; known: {', '.join(ARMS)}")
    os.environ["OMP_NUM_THREADS"] = "1"
    folder = Path(tempfile.mkdtemp(prefix="ceiling-"))
    try:
        with stopwatch() as watch, multiprocessing.get_context("spawn").Pool(args.jobs) as pool:
            homes = {seed: folder / f"stalled-{seed}" for seed in range(args.seeds)}
            where = dict(zip(homes, pool.map(_stall, [(h, args.track, s) for s, h in homes.items()], 1), strict=True))
            stalled = [seed for seed, place in where.items() if place is not None]
            for seed, place in where.items():
                told = f"stands at '{place['name']}' after {place['steps']:,} steps" if place else "never stalled"
                print(f"seed {seed}: {told}", flush=True)
            jobs = [(homes[seed], args.track, name, seed, args.steps) for seed in stalled for name in arms]
            results = []
            for result in pool.imap_unordered(_run, jobs, 1):
                results.append(result)
                reached = f"{result['steps_to_90']:,} steps" if result["steps_to_90"] else "not reached"
                print(f"  {result['arm']:<12} seed {result['seed']}: {reached}", flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    figures = {"track": args.track, **summary(results, args.steps)}
    if results:
        show(figures, args.steps)
    write_report(args.json, figures, stalled, watch.seconds)


if __name__ == "__main__":
    main()
