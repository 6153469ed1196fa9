"""Everything goes wrong at once: a live session, the trainer and a review on one store, killed, starved, locked and lied to.

    python benchmarks/chaos.py [--minutes 20] [--seed N] [--json FILE] [--keep]

Three processes work on one home folder as a player would have them. At random moments one is killed with -9 and started again,
and one fault after the other is injected beside that: see ``chaos_faults.py``. What was driven is known from witnesses of
their own (``chaos_child.py``); at the end it is compared with the store (``chaos_verdict.py``). For the memory, each process
is left alive for a third of the time, one after the other, while all the rest goes on.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent))

from chaos_crew import ROLES, Crew
from chaos_faults import Faults
from chaos_stage import Stage
from chaos_verdict import Verdict, growth, judge, read_journal
from common import parser, print_table, stopwatch, write_report


def killer(crew: Crew, seconds: float, mean_s: float, dice: random.Random, over: threading.Event) -> None:
    """Kill one of the processes at random moments; one in eight is killed again while it starts, one in eight only stopped."""
    began = time.monotonic()
    again = ""
    while not over.wait(dice.uniform(0.0, 2.0) if again else dice.uniform(0.4, 1.6) * mean_s):
        spared = crew.spared = ROLES[min(2, int(3 * (time.monotonic() - began) / seconds))]
        again = "" if again == spared else again
        at_work = [r for r in ROLES if r != spared and crew.at_work(r)]
        if not (again or at_work):
            continue
        role = again or dice.choice(at_work)
        again = ""
        if dice.random() < 0.125:
            crew.stop(role)
        else:
            crew.kill(role)
        if over.wait(dice.uniform(0.2, 1.2)):
            return
        crew.start(role)
        if dice.random() < 0.125:
            again = role


def run(root: Path, seconds: float, seed: int, kill_s: float, short: bool) -> tuple[dict[str, Any], list[list[Any]]]:
    """Do it, and return the figures and the table."""
    dice, over = random.Random(seed), threading.Event()
    with Stage(root) as stage:
        crew = Crew(stage, dice)
        faults = Faults(stage, crew, random.Random(seed + 1), short)
        watch = threading.Thread(target=crew.look_after, args=(over,))
        kills = threading.Thread(target=killer, args=(crew, seconds, kill_s, dice, over))
        crew.wait_until_at_work()
        try:
            watch.start()
            kills.start()
            faults.go_on_until(time.monotonic() + seconds)
        finally:
            over.set()
            kills.join()
            watch.join()
            faults.end()
            for role in ("review", "session", "trainer"):
                crew.stop(role)
        for life in crew.lives:
            if life.role != "trainer":
                life.witness = read_journal(life.journal)
        sessions = [(life.witness, life.killed_at) for life in crew.lives if life.role == "session" and life.witness.uuid]
        verdict = judge(stage.store, sessions, [life.witness for life in crew.lives if life.role == "review"])
        return report(crew, faults, verdict)


def report(crew: Crew, faults: Faults, verdict: Verdict) -> tuple[dict[str, Any], list[list[Any]]]:
    """Put the figures together."""
    growths: dict[str, float] = {}
    for life in crew.lives:
        grown = growth(life.memory)
        if grown is not None:
            growths[life.role] = max(grown, growths.get(life.role, -1.0))
    back: dict[str, list[float]] = defaultdict(list)
    for life in crew.lives:
        if life.after_kill and (first := crew.first_sign(life)) is not None:
            back[f"kill -9 {life.role}"].append(first - life.started)
    counts = {f"kill -9 {role}": sum(life.killed for life in crew.lives if life.role == role) for role in ROLES}
    for name, times in faults.recovery(crew).items():
        counts[name], back[name] = faults.done[name], times
    figures: dict[str, Any] = {
        "kills": sum(life.killed for life in crew.lives),
        "lost_steps": verdict.lost,
        "hangs": len(crew.hangs),
        "memory_growth": round(max(growths.values()), 4) if growths else None,
        "memory_growth_by_process": {role: round(value, 4) for role, value in growths.items()},
        "steps_recorded": verdict.recorded,
        "steps_acknowledged": verdict.acknowledged,
        "steps_cut_off": verdict.cut_off,
        "cut_off_s_max": round(verdict.cut_off_s, 3),
        "labels": verdict.labels,
        "labels_lost": verdict.labels_lost,
        "unsound": verdict.unsound,
        "burst_ticks_max": faults.burst(crew),
        "starts": len(crew.lives),
        "refused_starts": len(crew.refused),
        "early_ends": len(crew.ended),
        "tracebacks": crew.tracebacks(),
        "stop_s_max": round(max(crew.stop_s, default=0.0), 2),
        "faults": {
            name: {
                "count": counts[name],
                "recover_s_median": round(median(back[name]), 2) if back[name] else None,
                "recover_s_max": round(max(back[name]), 2) if back[name] else None,
            }
            for name in counts
        },
        "hung": crew.hangs,
        "refusals": sorted(set(crew.refused)),
        "ends": sorted(set(crew.ended)),
    }
    rows = [[name, *("" if v is None else v for v in values.values())] for name, values in figures["faults"].items()]
    return figures, rows


def main() -> None:
    """Print the tables and write the JSON; the exit status says whether everything held."""
    made = parser(__doc__ or "")
    made.add_argument("--minutes", type=float, default=20.0)
    made.add_argument("--seed", type=int, default=None)
    made.add_argument("--kill-every", type=float, default=15.0, metavar="S", help="mean time between two kills")
    made.add_argument("--keep", action="store_true", help="leave the logs and journals for a look")
    args = made.parse_args()
    seed = random.randrange(1_000_000) if args.seed is None else args.seed
    root = Path(tempfile.mkdtemp(prefix="hitl-chaos-"))
    with stopwatch() as watch:
        figures, rows = run(root, 60 * args.minutes, seed, args.kill_every, args.minutes < 2)
    print_table(
        f"{args.minutes:g} minutes, seed {seed}", ["fault", "times", "back after, median s", "at most, s"], rows
    )
    print_table("", ["", "value"], [(k, v) for k, v in figures.items() if not isinstance(v, (dict, list))])
    for text in (*figures["hung"], *figures["refusals"], *figures["ends"], *figures["unsound"]):
        print(text)
    write_report(args.json, figures, seeds=[seed], wall_seconds=watch.seconds)
    if args.keep:
        print(f"Logs and journals: {root}")
    else:
        import shutil

        shutil.rmtree(root, ignore_errors=True)
    held = not (figures["lost_steps"] or figures["hangs"] or figures["labels_lost"] or figures["unsound"])
    sys.exit(0 if held and not figures["tracebacks"] and figures["cut_off_s_max"] <= 1.0 else 1)


if __name__ == "__main__":
    main()
