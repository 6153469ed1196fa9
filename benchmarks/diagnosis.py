"""Twenty runs with one planted fault each and twenty sound ones: how many faults are named first, how many first or second, and
how many false alarms there are.

    python benchmarks/diagnosis.py [--seed N] [--runs N] [--rest] [--names TEXT ...] [--cost] [--json FILE]

The seed draws the twenty from all that can be planted (``planted_faults``); ``--rest`` looks at the others as well. ``--cost``
measures instead what the checks take of a trainer's time.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from common import parser, print_table, write_report
from planted import TRACKS, Plan, make
from planted_faults import FAULTS, SOUND

from hitl.diagnosis.cases import cases
from trainer.diagnosis.finding import Diagnosis
from trainer.diagnosis.run import diagnose

RUNS = 20


def track_of(plan: Plan, seed: int) -> str:
    """Return the track of a run."""
    return plan.track or TRACKS[seed % len(TRACKS)]


def look(plan: Plan, seed: int) -> Diagnosis:
    """Make a run, look at it, and throw it away; seed and track change from run to run."""
    with tempfile.TemporaryDirectory() as folder:
        root = make(Path(folder), plan, seed, track_of(plan, seed))
        if plan.memory:
            return diagnose(cases(None, [root / "history.jsonl"], root / "config.json"))
        return diagnose(cases(root))


def cost(preset: str, looks: int = 40) -> dict[str, float]:
    """Return processor milliseconds of an update and of a look (median), and the largest share of a trainer's time that the
    looks take, beginning with the first: the processor's clock goes on by an update until the next look is due."""
    import numpy as np
    import torch

    from trainer.diagnosis.live import LiveChecks
    from trainer.learner.tqc import TQC
    from trainer.presets import PRESETS
    from trainer.replay.from_arrays import finished_episode
    from trainer.replay.replay import Replay

    torch.set_num_threads(1)
    config, rng = PRESETS[preset].with_values(warmup_steps=0, metrics_every=1), np.random.default_rng(0)
    learner, replay = TQC(45, 2, config), Replay(45, 2, config)
    for i in range(10):
        seen, done = rng.normal(size=(301, 45)), rng.uniform(-1, 1, (300, 2))
        paid, purpose = rng.normal(size=300), "lap" if i < 2 else "drive"
        replay.add(finished_episode(i, seen, done, paid, terminated=True, purpose=purpose))
    batch = replay.sample(config.batch_size)
    took = []
    for _ in range(12):
        began = time.process_time()
        learner.update(batch)
        took.append(time.process_time() - began)
    ahead = 0.0  # s of training that are skipped: only what a look takes is really spent
    checks = LiveChecks(config, clock=lambda: time.process_time() + ahead)
    metrics, spent, shares = learner.metrics(), [], []
    while checks.looks < looks:
        ahead += 0.25
        before, many = checks.spent_s, checks.looks
        checks.look(learner, batch, metrics, 10)
        if checks.looks > many:
            spent.append(checks.spent_s - before)
            shares.append(checks.share)
    update, each = (1000 * float(np.median(values)) for values in (took, spent))
    return {"update_ms": round(update, 2), "look_ms": round(each, 2), "share": round(max(shares), 5)}


def _counts(places: Iterable[int]) -> tuple[int, int]:
    """Return how many of the places are the first, and how many the first or second."""
    known = list(places)
    return known.count(1), known.count(1) + known.count(2)


def main() -> None:
    """Make the runs, look at them, print and write the figures."""
    line = parser("Planted faults named, and false alarms.")
    line.add_argument("--runs", type=int, default=RUNS, metavar="N", help="so many of each kind")
    line.add_argument("--seed", type=int, default=100, help="of the first run; the sound ones begin 1000 later")
    line.add_argument("--rest", action="store_true", help="also the faults that the seed did not draw")
    line.add_argument("--names", nargs="*", default=None, metavar="TEXT", help="these faults alone, and no sound run")
    line.add_argument("--cost", action="store_true", help="measure what the checks cost a trainer")
    args = line.parse_args()
    if args.cost:
        found_cost = {preset: cost(preset) for preset in ("hitl", "rlpd", "run_l")}
        table = [(p, c["update_ms"], c["look_ms"], f"{c['share']:.2%}") for p, c in found_cost.items()]
        print_table("What the checks cost", ("preset", "an update, ms", "a look, ms", "largest share"), table)
        write_report(args.json, {f"live_share_{p}": c["share"] for p, c in found_cost.items()}, seeds=[0])
        return
    order = random.Random(args.seed).sample(list(FAULTS), len(FAULTS))
    if args.names is not None:
        order = [n for n in FAULTS if any(t in n for t in args.names)]
    drawn = order if args.names is not None else order[: args.runs]
    rows: list[tuple[object, ...]] = []
    named: dict[str, int] = {}  # the place of the finding that names it; 0 for none

    def plant(k: int, name: str) -> None:
        plan, wanted = FAULTS[name]
        found = [f.fault for f in look(plan, args.seed + k).findings]
        place = named[name] = next((i for i, f in enumerate(found, 1) if f in wanted), 0)
        track = track_of(plan, args.seed + k)
        rows.append((name + ("" if name in drawn else " (rest)"), track, place or "not named", ", ".join(found[:3])))
        print(*rows[-1], sep=" | ", flush=True)

    for k, name in enumerate(drawn):
        plant(k, name)
    alarms = 0
    sound = list(SOUND.items())
    for k in range(args.runs if args.names is None else 0):
        kind, plan = sound[k % len(sound)]
        found = [f.fault for f in look(plan, args.seed + 1000 + k).above_notes]
        alarms += bool(found)
        if found:
            rows.append((f"sound: {kind}", TRACKS[(args.seed + 1000 + k) % len(TRACKS)], "false alarm", ", ".join(found)))
        print("sound", kind, found, sep=" | ", flush=True)
    for k, name in enumerate(order[len(drawn) :] if args.rest else []):
        plant(len(drawn) + k, name)
    first, named_early = _counts(named[n] for n in drawn)
    title = f"{first} of {len(drawn)} named first, {named_early} first or second"
    print_table(title, ("planted", "track", "named", "findings"), rows)
    figures = {"planted_first": first, "planted_named": named_early, "false_alarms": alarms}
    if args.rest:
        all_first, all_named = _counts(named.values())
        print(f"of all {len(order)} that can be planted: {all_first} first, {all_named} first or second")
        figures |= {"all_first": all_first, "all_named": all_named, "all_planted": len(order)}
    print(f"{alarms} false alarms in {args.runs} sound runs")
    write_report(args.json, figures, seeds=[args.seed, args.seed + 1000])


if __name__ == "__main__":
    main()
