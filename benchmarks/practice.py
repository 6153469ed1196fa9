"""How many more tries at one corner practice gives in a minute than whole laps, and what a try is worth.

    python benchmarks/practice.py [--tries 30] [--seconds 60] [--json FILE]

The shipped agent, which stalls in the hairpin of the default track, and the scripted driver in the player's place. Laps and
tries are whole ones, with all that lies between one and the next: real sessions in real time, `--seconds` of each kind.

- agent: its tries, against whole laps. It finishes none itself, so the laps are the scripted driver's.
- player: the scripted driver drives all of every try, against its own laps. It gets through each time, so the whole corner
  counts; `corner_s` is what the corner alone takes it, and `bound` what could be reached if a try were nothing else.
- both: the agent's tries, the scripted driver helping in every second one, against laps of the agent helped in the corner.

In lock-step: from how long before the agent's failure the scripted driver can still save the try (`saved`, by s before the
failure). That is what `OPEN_S` in `hitl/session/practice.py` is set by.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np
from common import parser, print_table, stopwatch, write_report

from data.records import HUMAN
from data.store import Store
from hitl.demo.shipped import open_shipped
from hitl.drivers.human import HumanSide, NoHuman, ScriptedHuman
from hitl.drivers.scripted import HelpRule, ScriptedDriver, TakeoverRule
from hitl.games.base import Start
from hitl.home import Home
from hitl.protocols import EpisodeResult
from hitl.session import practice
from hitl.session.practice import Practice
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions

CORNER = "hairpin"
LEADS_S = (1.0, 1.5, 2.0, 2.5, 2.7, 3.5)  # before a failure


def lap_wheel(rig: SessionSetup) -> HumanSide:
    """Return the scripted driver, driving all the time."""
    return ScriptedHuman(ScriptedDriver(rig.track), None)


def help_wheel(rig: SessionSetup) -> HumanSide:
    """Return the scripted driver, taking over at the corner and wherever the car is about to leave the road."""
    rule = HelpRule(corners=frozenset({CORNER}))
    return ScriptedHuman(ScriptedDriver(rig.track), TakeoverRule(rig.track, rule))


def a_minute(seconds: float, one: Callable[[int], EpisodeResult], wanted: str = "") -> tuple[float, list[EpisodeResult]]:
    """Drive for that long and return (drives a minute, the drives); ``wanted``: only those that ended so count."""
    results: list[EpisodeResult] = []
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        results.append(one(len(results)))
    minutes = (time.perf_counter() - began) / 60
    return sum(not wanted or r.reason == wanted for r in results) / minutes, results


def live(home: Home, seconds: float) -> dict[str, Any]:
    """Measure tries and laps in real time."""
    with SessionSetup(home, SessionOptions(real_time=True)) as rig:
        session = rig.session
        practised = Practice(rig, CORNER, 0)
        alone, nobody = a_minute(seconds, practised.attempt)[0], NoHuman()
        session.human = lap_wheel(rig)
        laps, driven = a_minute(seconds, lambda k: session.episode("lap", seed=k), "finish")
        scripted = lap_wheel(rig)
        session.human = scripted
        player, through = a_minute(seconds, practised.attempt)

        def helped_every_second(k: int) -> EpisodeResult:
            session.human = scripted if k % 2 else nobody
            return practised.attempt(k)

        both, mixed = a_minute(seconds, helped_every_second)
        session.human = help_wheel(rig)
        helped_laps, _ = a_minute(seconds, lambda k: session.episode("drive", seed=k), "finish")
        corner_s = time_in_corner(rig)
    return {
        "laps_a_minute": round(laps, 2),
        "lap_s": round(fmean(r.steps for r in driven if r.reason == "finish") / 20, 2),
        "agent_tries_a_minute": round(alone, 2),
        "agent_ratio": round(alone / laps, 2),
        "player_tries_a_minute": round(player, 2),
        "player_ratio": round(player / laps, 2),
        "player_through": round(fmean(r.passed[CORNER] for r in through), 3),
        "corner_s": round(corner_s, 2),
        "player_ratio_bound": round(60 / laps / corner_s, 2),
        "both_tries_a_minute": round(both, 2),
        "helped_laps_a_minute": round(helped_laps, 2),
        "both_ratio": round(both / helped_laps, 2) if helped_laps else None,
        "both_through": round(fmean(r.passed[CORNER] for r in mixed), 3),
    }


def time_in_corner(rig: SessionSetup) -> float:
    """Return how long the laps recorded were in the corner, s."""
    corner = rig.corner(CORNER)
    rig.written()
    with Store(rig.home.store_path, read_only=True) as store:
        (share,) = store.conn.execute(
            """SELECT count(*) * 1.0 / count(DISTINCT episode_id) FROM steps JOIN episodes e ON e.id = episode_id
               WHERE e.purpose = 'lap' AND e.reason = 'finish' AND progress BETWEEN ? AND ?""",
            (corner.from_m, corner.to_m),
        ).fetchone()
    return float(share) / 20


def lockstep(home: Home, tries: int) -> dict[str, Any]:
    """Let the agent fail, then look what a try is worth: what it holds, and from when it can be saved."""
    with SessionSetup(home, SessionOptions()) as rig:
        for k in range(tries):
            rig.session.episode("drive", seed=k)
        rig.written()
        practised = Practice(rig, CORNER, 0)
        begin = [s.s for s in practised.starts]
        speeds = [s.speed for s in practised.starts]
        results = [practised.attempt(k) for k in range(tries)]
        rig.written()
        with Store(home.store_path, read_only=True) as store:
            rows = store.conn.execute(
                """SELECT executed, progress, driver FROM steps JOIN episodes e ON e.id = episode_id
                   WHERE e.purpose = 'practice'"""
            ).fetchall()
        brake = np.array([-np.frombuffer(r[0], "<f4")[0] for r in rows])
        where = np.array([r[1] for r in rows])
        corner = rig.corner(CORNER)
        inside = (where >= corner.from_m) & (where < corner.to_m)
        saved = {}
        rig.session.human = lap_wheel(rig)
        for lead in LEADS_S:
            with Store(home.store_path, read_only=True) as store:
                practised.starts = before_failure(store, rig, lead)
            saved[f"{lead:g}"] = round(fmean(practised.attempt(k).passed[CORNER] for k in range(tries)), 3)
        assert not any(r[2] == HUMAN for r in rows)
    return {
        "try_begins_m": round(fmean(begin), 1),
        "try_begins_m_s": round(fmean(speeds), 1),
        "try_s": round(fmean(r.steps for r in results) / 20, 2),
        "try_braking_s": round(float((brake > 0.1).sum()) / 20 / tries, 2),
        "try_in_corner_s": round(float(inside.sum()) / 20 / tries, 2),
        "saved": saved,
    }


def before_failure(store: Store, rig: SessionSetup, lead_s: float) -> list[Start]:
    """Return starts that long before the agent's failures in the corner, wherever that is."""
    corner, hz = rig.corner(CORNER), rig.task.settings.hz
    found: list[Start | None] = []
    for episode in store.episodes(purpose="drive"):
        if episode.reason != "off_road" or not corner.from_m <= episode.farthest <= corner.to_m:
            continue
        step = practice.first_at(store.steps(episode, columns=("t", "progress")), episode.farthest - practice.THERE_M)
        at = practice.passage_at(store, episode, (step or 0) - round(lead_s * hz))
        found.append(practice.start_at(at, rig.track.line, rig.track.half_width) if at else None)
    return [start for start in found if start is not None]


def main() -> None:
    """Print the table and write the JSON."""
    made = parser(__doc__ or "")
    made.add_argument("--tries", type=int, default=30, help="in lock-step, of each kind")
    made.add_argument("--seconds", type=float, default=60.0, help="of driving in real time, of each of the five kinds")
    args = made.parse_args()
    with tempfile.TemporaryDirectory() as folder, stopwatch() as watch:
        home = Home(Path(folder) / "home")
        open_shipped(home)
        figures = lockstep(home, args.tries)
        if args.seconds > 0:
            figures |= live(home, args.seconds)
    print_table(
        f"Practice at the {CORNER} of the default track",
        ["", "value"],
        [(k, ", ".join(f"{a} s: {b:.0%}" for a, b in v.items()) if isinstance(v, dict) else v) for k, v in figures.items()],
    )
    write_report(args.json, figures, seeds=[0], wall_seconds=watch.seconds)


if __name__ == "__main__":
    main()
