"""Twenty runs with one planted fault each and twenty sound ones: how many faults are named first or second, how many false
alarms there are.

    python benchmarks/diagnosis.py [--seed N] [--only N] [--json FILE]
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from common import parser, print_table, write_report
from planted import FAULTS, TRACKS, Plan, make

from hitl.diagnosing import of_home
from trainer.diagnosis.finding import Report
from trainer.diagnosis.run import diagnose

RUNS = 20


def look(plan: Plan | None, seed: int) -> Report:
    """Make a run, look at it, and throw it away; seed and track change from run to run."""
    with tempfile.TemporaryDirectory() as folder:
        return diagnose([of_home(make(Path(folder), plan, seed, TRACKS[seed % len(TRACKS)]))])


def main() -> None:
    """Make the runs, look at them, print and write the figures."""
    line = parser("Planted faults named, and false alarms.")
    line.add_argument("--only", type=int, default=RUNS, metavar="N", help="so many runs of each kind")
    line.add_argument("--seed", type=int, default=100, help="of the first run; the sound ones begin 100 later")
    args = line.parse_args()
    rows, named, alarms = [], 0, 0
    for seed, (name, (plan, wanted)) in enumerate(list(FAULTS.items())[: args.only]):
        found = [f.fault for f in look(plan, args.seed + seed).findings]
        place = next((i for i, f in enumerate(found, 1) if f in wanted), 0)
        named += place in (1, 2)
        rows.append((name, TRACKS[(args.seed + seed) % len(TRACKS)], place or "not named", ", ".join(found[:3])))
    for seed in range(args.only):
        found = [f.fault for f in look(None, args.seed + 100 + seed).above_notes]
        alarms += bool(found)
        if found:
            rows.append(("sound", TRACKS[(args.seed + 100 + seed) % len(TRACKS)], "false alarm", ", ".join(found)))
    print_table(f"{named} of {args.only} named first or second", ("planted", "track", "named", "findings"), rows)
    print(f"{alarms} false alarms in {args.only} sound runs")
    write_report(args.json, {"planted_named": named, "false_alarms": alarms}, seeds=[args.seed, args.seed + 100])


if __name__ == "__main__":
    main()
