"""At the size of the run that stood for 15.7 hours: does a takeover free an agent with that much in its memory, too?

    python benchmarks/original_size.py [--arms continue,no_help,takeover,practice] [--seeds 3] [--network residual] [--json FILE]

A lap of a hundred seconds with one hard corner (``tracks/two_minutes.toml``), 83 numbers seen, twenty whole laps in one replay.
The reference kind of learner is trained on this until it stalls, and then its memory is filled up to a million steps with copies
of what it drove: more hours at the same corner would have brought the same. From there on it is as in ``ceiling.py``: the home
is copied for each arm, and what is told are attempts at the corner. ``--network``: the small one of the preset ``hitl``, or the
reference recipe's, with batches of 512: its residual blocks (an update takes eighteen times as long) or its LSTM (seven times).
``--learner stall`` then comes to the corner sooner.
``--keep DIR`` keeps the stalled homes, and takes those that are there.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from ceiling import IN_A_ROW, LEARNERS, run
from common import print_table, stopwatch, write_report

TRACK = str(Path(__file__).parent / "tracks" / "two_minutes.toml")
NETWORKS: dict[str, dict[str, Any]] = {
    "small": {},
    "residual": {"network": "residual", "hidden": 256, "layers": 3, "batch_size": 512},
    "lstm": {"network": "recurrent", "hidden": 256, "layers": 2, "rnn_size": 64, "batch_size": 512},
}
POINTS = 35  # of the road ahead, two numbers each, beside 13 of the car
LAPS = 20
MEMORY = 1_000_000  # steps
MOST_STEPS = 20_000  # until it has stalled


def stall(folder: Path, seed: int, learner: str, shape: dict[str, Any]) -> dict[str, Any] | None:
    """Train one agent until it stalls and fill its memory; returns where it stands, or None when it never stalled.

    ``learner``: one of ``ceiling.LEARNERS``; ``shape``: settings of the networks and batches.
    """
    from hitl.demo.stall import train_until_stalled
    from hitl.home import Home

    noted = folder / "stalled.json"
    if noted.is_file():
        known: dict[str, Any] | None = json.loads(noted.read_text())
        return known
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "settings.toml").write_text(f"[observation]\npoints = {POINTS}\n")
    home = Home(folder)
    settings = LEARNERS[learner][0] | shape | {"lap_utd": 0.0}
    result = train_until_stalled(
        home, TRACK, seed=seed, max_steps=MOST_STEPS, in_a_row=IN_A_ROW, laps=LAPS, settings=settings,
        report=lambda e: print(f"  seed {seed}: {e.agent_steps:,} steps, {e.progress_mean:.0f} m, {e.passes}", flush=True),
    )  # fmt: skip
    corner = result.corner
    place = None if corner is None else {"corner": [corner.name, corner.from_m, corner.to_m], "steps": result.agent_steps}
    if corner is not None:
        fill(home.store_path)
    noted.write_text(json.dumps(place))
    return place


def fill(store: Path, most: int = MEMORY) -> None:
    """Copy the agent's drives until the store holds ``most`` of its own steps."""
    with closing(sqlite3.connect(store)) as conn:
        own = conn.execute("SELECT id, length FROM episodes WHERE purpose = 'drive' ORDER BY id").fetchall()
        (number,) = conn.execute("SELECT max(number) FROM episodes").fetchone()
        episode = ", ".join(name for _, name, *_ in conn.execute("PRAGMA table_info(episodes)") if name not in ("id", "number"))
        step = ", ".join(name for _, name, *_ in conn.execute("PRAGMA table_info(steps)") if name not in ("id", "episode_id"))
        steps, k = sum(length for _, length in own), 0
        while steps < most:
            (row, length), k, number = own[k % len(own)], k + 1, number + 1
            copy = conn.execute(
                f"INSERT INTO episodes (number, {episode}) SELECT ?, {episode} FROM episodes WHERE id = ?", (number, row)
            ).lastrowid
            conn.execute(
                f"INSERT INTO steps (episode_id, {step}) SELECT ?, {step} FROM steps WHERE episode_id = ? ORDER BY t", (copy, row)
            )
            steps += length
        conn.commit()


def job(given: tuple[Path, str, int, int, int, dict[str, Any], str, str, dict[str, Any]]) -> dict[str, Any]:
    """One arm of one agent."""
    folder, arm, seed, steps, hold, place, skill, learner, shape = given
    return run(folder, TRACK, arm, seed, steps, hold, place, skill, learner=learner, shape=shape)


def main() -> None:
    """Run both phases and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arms", default="continue,no_help,takeover,practice")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=5000, help="driven steps an arm")
    parser.add_argument("--hold", type=int, default=2500)
    parser.add_argument("--skill", default="good")
    parser.add_argument("--learner", default="run_l", choices=list(LEARNERS), help="what stalls; stall: that of `hitl stall`")
    parser.add_argument("--network", default="small", choices=list(NETWORKS))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--keep", type=Path, metavar="DIR", help="where stalled homes are kept, and found again")
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    seeds = list(range(args.first_seed, args.first_seed + args.seeds))
    results: list[dict[str, Any]] = []
    shape = NETWORKS[args.network]
    with (
        stopwatch() as watch,
        tempfile.TemporaryDirectory() as temporary,
        multiprocessing.get_context("spawn").Pool(args.jobs) as pool,
    ):
        homes = {seed: (args.keep or Path(temporary)) / f"seed{seed}" for seed in seeds}
        places = pool.starmap(stall, [(homes[seed], seed, args.learner, shape) for seed in seeds], 1)
        jobs = [
            (homes[seed], arm, seed, args.steps, args.hold, place, args.skill, args.learner, shape)
            for seed, place in zip(seeds, places, strict=True) if place is not None for arm in args.arms.split(",")
        ]  # fmt: skip
        for result in pool.imap_unordered(job, jobs, 1):
            results.append(result)
            print(json.dumps({k: v for k, v in result.items() if k not in ("curve", "clock")}), flush=True)
            write_report(args.json, {"runs": results}, seeds, watch.seconds)
    rows = [
        (
            r["seed"], r["arm"], r["steps_to_90"] or "never", r["attempts"], f"{r['human_seconds']:.0f}",
            "–" if r["held"] is None else f"{r['held']:.0%}", f"{r['others_after']} of {r['episodes']}",
            f"{r['finished_laps']} of {r['episodes']}", "–" if math.isnan(r["lap_seconds"]) else f"{r['lap_seconds']:.1f}",
        )
        for r in sorted(results, key=lambda r: (r["seed"], r["arm"]))
    ]  # fmt: skip
    columns = ("seed", "arm", "steps to 90 %", "attempts", "human s", "held", "other corners", "laps", "lap s")
    print_table("A million steps in memory, 83 numbers seen, laps of a hundred seconds", columns, rows)


if __name__ == "__main__":
    main()
