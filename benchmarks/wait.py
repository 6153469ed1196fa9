"""How long a person waits from help to help learned: from the end of the first takeover to a checkpoint that passes alone.

    python benchmarks/wait.py [--runs 5] [--seconds 90] [--skill good] [--json FILE] [--set NAME=VALUE …]

A real session at 20 Hz without a window: the shipped agent, which stalls in a corner of the default track, a scripted driver that
helps there, and `hitl train` in a process of its own, as in the demo. Afterwards each checkpoint that was written since the first
takeover ended drives alone, in turn; the first that passes the corner in three of four drives ends the wait. A run in which none
did so counts as `--seconds`, and says so.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent.parent))

from common import parser, print_table, stopwatch, write_report

from data.records import HUMAN
from data.store import Store
from hitl.demo.shipped import open_shipped, stalled_at
from hitl.drivers.human import scripted_human
from hitl.drivers.scripted import HelpRule
from hitl.home import Home
from hitl.protocols import Tick
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from hitl.trainer_process import TrainerProcess

TRACK, DRIVES, ENOUGH, HELP_S = "default", 4, 3, 6.0
LONGEST_S = 300.0
"""Seconds in which the first takeover must have ended."""


class FirstHelp:
    """Notes when the first takeover ended (seconds since 1970)."""

    def __init__(self) -> None:
        self.ended: float | None = None
        self._helping = False

    def tick(self, tick: Tick) -> None:
        """Take one tick down."""
        helping = tick.decision.driver == HUMAN
        if self._helping and not helping and self.ended is None:
            self.ended = time.time()
        self._helping = helping


def drive(home: Home, seconds: float, seed: int, skill: str, settings: Sequence[str]) -> tuple[float, int | None]:
    """Drive until so long after the first takeover; return when that ended, and the agent's tries until one passed alone."""
    corner, first, began = stalled_at(home, TRACK), FirstHelp(), time.time()
    assert corner is not None

    def over() -> bool:
        now = time.time()
        return now > first.ended + seconds if first.ended is not None else now > began + LONGEST_S

    options = ["--quiet", *(part for setting in settings for part in ("--set", setting))]
    passed, tries = None, 0
    with SessionSetup(home, SessionOptions(real_time=True, seed=seed), watch=first.tick, stop=over) as rig:
        wanted = HelpRule(corners=frozenset({corner.name}), danger=False, patient=True)
        hz = rig.task.settings.hz
        rig.session.human = scripted_human(
            rig.track, skill, wanted, seed=seed + 7, corners=rig.corners, limit_s=HELP_S, hz=hz
        )
        trainer = TrainerProcess(home, *options)
        try:
            while not over():
                helped_before = first.ended is not None
                result = rig.session.episode("drive", seed=10_000 * (seed + 1) + tries)
                if not helped_before or result.reason == "stopped":
                    continue
                tries += 1
                if passed is None and not result.human_steps and result.passed[corner.name]:
                    passed = tries
            if not trainer.alive:
                raise SystemExit(f"The trainer ended early: {trainer.last_line()}")
        finally:
            trainer.stop()
    if first.ended is None:
        raise SystemExit(f"No takeover ended within {LONGEST_S:.0f} s: is this machine too busy for a session at 20 Hz?")
    return first.ended, passed


def first_to_pass(home: Home, ended: float) -> tuple[float | None, int]:
    """Return the seconds from ``ended`` to the first checkpoint that passes alone (None: none does), and how many were tried."""
    corner = stalled_at(home, TRACK)
    assert corner is not None
    with Store(home.store_path, read_only=True) as store:
        written = [(datetime.fromisoformat(c.created).timestamp(), c) for c in store.checkpoints()]
    since = sorted((at, c.id) for at, c in written if at > ended and (home.checkpoints / c.name).exists())
    with SessionSetup(home, SessionOptions(kind="evaluation")) as referee:
        for tried, (at, id_) in enumerate(since, 1):
            referee.policy.pin(str(id_))
            results = referee.evaluate(DRIVES, 2_000_000)
            for result in results:
                result.judge((corner,))
            if sum(result.passed[corner.name] for result in results) >= ENOUGH:
                return at - ended, tried
    return None, len(since)


def main() -> None:
    """Print the table and write the JSON."""
    made = parser((__doc__ or "").splitlines()[0])
    made.add_argument("--runs", type=int, default=5)
    made.add_argument("--seconds", type=float, default=90.0, help="of driving after the first takeover (default: 90)")
    made.add_argument("--skill", default="good", help="of the scripted driver (default: good)")
    made.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the trainer, to compare")
    args = made.parse_args()
    waits: list[float] = []
    attempts: list[int | None] = []
    rows: list[Sequence[Any]] = []
    with stopwatch() as watch:
        for run in range(args.runs):
            with tempfile.TemporaryDirectory() as folder:
                home = Home(Path(folder) / "home")
                open_shipped(home)
                settings = ["keep_checkpoints=1000", *args.set]
                ended, tries = drive(home, args.seconds, run, args.skill, settings)
                wait, tried = first_to_pass(home, ended)
            waits.append(round(args.seconds if wait is None else wait, 1))
            attempts.append(tries)
            rows.append((run, f"{wait:.1f}" if wait is not None else f"none of {tried} in {args.seconds:.0f} s", tries or "none"))
            print(f"run {run}: {rows[-1][1]} s", flush=True)
    print_table("From help to help learned, in real time at 20 Hz", ("run", "wait, s", "first try that passed alone"), rows)
    print(f"median {statistics.median(waits):.1f} s (goal: 20)")
    figures = {"wait_s": waits, "wait_s_median": statistics.median(waits), "first_pass_attempts": attempts}
    write_report(args.json, figures, seeds=list(range(args.runs)), wall_seconds=watch.seconds)


if __name__ == "__main__":
    main()
