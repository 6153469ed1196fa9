"""A live session's punctuality while a trainer learns flat out on the same machine.

    python benchmarks/loop.py [--minutes 10] [--json FILE] [--no-trainer]

A real session at 20 Hz: the shipped agent, the recorder, a virtual SDL pad that is pressed at random moments by another
thread. Beside it `hitl train` runs with more updates owed than it can ever do. Lateness is how long after its time an action
is sent; a tick is missed when that is a whole tick or more. The time between two episodes, in which nobody drives, does not
count, and neither does a press that begins in it: what is held when an episode begins must be let go first
(`hitl/pads/hands.py`), so such a press is no takeover. They are counted apart.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np
from common import parser, print_table, stopwatch, write_report

from data.records import HUMAN
from hitl import arbiter
from hitl.demo.shipped import open_shipped
from hitl.drivers.human import HumanDriver
from hitl.home import Home
from hitl.pads.sdl import SdlPad
from hitl.protocols import Tick
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from hitl.timing.priority import real_time
from hitl.trainer_process import TrainerProcess
from tests.support.virtual_pad import VirtualPad

HELD_S, REST_S = (0.15, 0.35), (0.1, 0.5)  # how long the button is held and left alone, s


class Presser(threading.Thread):
    """Presses and releases the takeover button at random moments; ``presses`` holds when it began and was done (s)."""

    def __init__(self, pad: VirtualPad, seed: int) -> None:
        super().__init__(daemon=True)
        self.pad, self.random = pad, random.Random(seed)
        self.presses: list[tuple[float, float]] = []
        self.ended = threading.Event()

    def run(self) -> None:
        """Press until told to end."""
        while not self.ended.wait(self.random.uniform(*REST_S)):
            began = time.perf_counter()
            self.pad.press("rightshoulder")
            self.presses.append((began, time.perf_counter()))
            self.ended.wait(self.random.uniform(*HELD_S))
            self.pad.release("rightshoulder")


@dataclass
class Notes:
    """When the pad was read for each tick, who drove it, and which ticks were the first of an episode."""

    read: list[float] = field(default_factory=list)
    first: list[int] = field(default_factory=list)
    driver: list[int] = field(default_factory=list)
    paused: int = 0

    def tick(self, tick: Tick) -> None:
        """Take one tick down."""
        self.driver.append(tick.decision.driver)
        self.paused += tick.decision.paused


class NotedWheel(HumanDriver):
    """A pad whose moment of reading is noted."""

    def __init__(self, pad: SdlPad, notes: Notes) -> None:
        super().__init__(pad)
        self.notes = notes

    def begin(self) -> None:
        """An episode begins: the next reading is its first."""
        self.notes.first.append(len(self.notes.driver))

    def read(self, info: dict[str, Any]) -> Any:
        """Read it; the time noted is the one before, so a press that is missed had its chance."""
        self.notes.read.append(time.perf_counter())
        return super().read(info)


def next_tick(presses: list[tuple[float, float]], notes: Notes) -> tuple[int, int, int]:
    """Return (takeovers that were executed in the very next tick, takeovers, presses between two episodes).

    The next tick is the first whose pad was read after the press was done. Presses while the human drove already (the settle
    time after a release) are none, nor those after the last tick.
    """
    read, first = np.array(notes.read[: len(notes.driver)]), set(notes.first)
    hit = total = between = 0
    for began, done in presses:
        before, tick = np.searchsorted(read, (began, done)).tolist()
        if tick >= len(read) or (before > 0 and notes.driver[before - 1] == HUMAN):
            continue
        if first.intersection(range(before, tick + 1)):
            between += 1
            continue
        total += 1
        hit += notes.driver[tick] == HUMAN
    return hit, total, between


def arbiter_ms(repeats: int = 20_000, batch: int = 200) -> float:
    """Return what one decision costs, milliseconds of this thread's own time: the median of batches."""
    from hitl.pads.base import PadState

    action = np.zeros(2, np.float32)
    state, settings = arbiter.State(), arbiter.GatingSettings()
    pads = [PadState(), PadState(gas=0.5, buttons=frozenset({"takeover"}))]
    inputs = [arbiter.Inputs(k * 0.05, action, action, action, action, pads[(k // 20) % 2]) for k in range(repeats)]
    costs = []
    for first in range(0, repeats, batch):
        began = time.thread_time()
        for one in inputs[first : first + batch]:
            state, _ = arbiter.step(state, one, settings)
        costs.append((time.thread_time() - began) / batch * 1000)
    return float(np.median(costs))


def scheduling_class() -> str:
    """Return how a session may run here: in the real-time class or the ordinary one."""
    undo = real_time()
    if undo is None:
        return "ordinary"
    undo()
    return "real-time"


def drive(home: Home, seconds: float, seed: int, trainer: bool) -> tuple[dict[str, Any], SessionSetup]:
    """Run the session for that long and return the figures."""
    open_shipped(home)
    notes, ends = Notes(), [0.0]
    with VirtualPad() as virtual:
        presser = Presser(virtual, seed)
        rig = SessionSetup(
            home,
            SessionOptions(real_time=True, seed=seed, gating=arbiter.GatingSettings(mode="hold", settle_s=0.0, minimum_s=0.0)),
            human=lambda _: NotedWheel(SdlPad(virtual.name), notes),
            watch=notes.tick,
            stop=lambda: time.perf_counter() > ends[0],
        )
        process = TrainerProcess(home, "--quiet", "--set", "utd=1000", "--set", "warmup_steps=0") if trainer else None
        try:
            with rig:
                deadline = time.monotonic() + 60
                while process is not None and time.monotonic() < deadline:
                    beat = process.heartbeat()
                    if not process.alive or (beat is not None and beat.updates > 0):
                        break
                    time.sleep(0.05)
                rig.policy.begin_episode()  # loading torch for the first time is no part of driving
                ends[0] = time.perf_counter() + seconds
                presser.start()
                while not rig.session.stop():
                    rig.session.episode("drive", seed=seed)
                presser.ended.set()
                presser.join()
                lateness = rig.lateness
                assert lateness is not None
            updates = 0
            if process is not None:
                if not process.alive:
                    raise SystemExit(f"The trainer ended early: {process.last_line()}")
                beat = process.heartbeat()
                updates = beat.updates if beat is not None else 0
        finally:
            if process is not None:
                process.stop()
    late = np.array(lateness.recent) * 1000
    hit, total, between = next_tick(presser.presses, notes)
    figures = {
        "ticks": lateness.ticks,
        "missed": lateness.missed,
        "late_ms_p50": round(float(np.percentile(late, 50)), 3),
        "late_ms_p99": round(float(np.percentile(late, 99)), 3),
        "late_ms_max": round(lateness.worst * 1000, 3),
        "late_ticks": lateness.late,
        "takeovers": total,
        "presses_between_episodes": between,
        "next_tick_takeovers": round(hit / total, 5) if total else 0.0,
        "arbiter_ms": round(arbiter_ms(), 4),
        "trainer_updates": updates,
    }
    return figures, rig


def main() -> None:
    """Print the table and write the JSON."""
    made = parser(__doc__ or "")
    made.add_argument("--minutes", type=float, default=10.0)
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--no-trainer", action="store_true", help="for comparison: nothing else runs")
    args = made.parse_args()
    with tempfile.TemporaryDirectory() as folder, stopwatch() as watch:
        figures, _ = drive(Home(Path(folder) / "home"), 60 * args.minutes, args.seed, not args.no_trainer)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    figures |= {"load_average": round(load, 1), "class": scheduling_class()}
    print_table(
        f"{args.minutes:g} minutes at 20 Hz, trainer {'off' if args.no_trainer else 'flat out'}, load average {load:.1f}",
        ["", "value"],
        [(name, value if isinstance(value, str) else f"{value:,}") for name, value in figures.items()],
    )
    write_report(args.json, figures, seeds=[args.seed], wall_seconds=watch.seconds)


if __name__ == "__main__":
    main()
