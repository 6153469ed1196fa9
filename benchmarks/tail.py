"""The last laps: an agent that finishes most of them, in a game that disturbs it. What makes it finish nearly all?

    python benchmarks/tail.py [--tracks default,esses] [--arms no_help,takeovers] [--seeds 2] [--steps 20000] [--keep DIR]
                              [--jobs 2] [--json FILE]

The game is the embedded one on a rough day (``rough_game.py``), for the agent, the player and every trial alike. Phase 1 makes
the agent: 20 finished laps of a player (``--skill``), and then driving and learning without help until 80 to 97 of 100 laps
without noise of its own are finished. (An agent that never does so is named, and left out.)
Phase 2 copies its home for each arm, which drives ``--steps`` further steps with one update for each. Every 2,000 steps 100 laps
are driven, by the weights that drive without noise then: no two evaluations have the same starts and disturbances, and all arms
have the same.

What is asked: 99 of 100 laps, with the 95th percentile of their times at most 1.03 times the median, for a minute of help.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

import numpy as np
import rough_game
from common import print_table, run_jobs

from data.store import Store
from hitl.drivers.human import NoHuman, scripted_human
from hitl.drivers.person import SKILLS
from hitl.drivers.scripted import HelpRule
from hitl.games.base import Start
from hitl.home import Home
from hitl.session import practice
from hitl.session_options import SessionOptions
from hitl.trials.drives import SoloDrives

if TYPE_CHECKING:
    from hitl.session.lockstep import Lockstep
    from hitl.session.setup import SessionSetup

HELP_S = 60.0  # of a player's time in every arm that has any
LAPS = 20  # finished ones of the player, before the agent drives
DRIVES = 100
FEW, MANY = 80, 97  # of these, between which an agent has a tail
ENOUGH, EVEN = 99, 1.03
LOOK_EVERY, EVERY = 500, 2_000  # driven steps between two evaluations, in phase 1 and 2
MOST_STEPS = 8_000  # driven in phase 1
LEAD_S = 1.5  # s before the place of a failure at which a forced incident begins
AHEAD_M = 60.0  # how far behind that place such a drive ends
RECENT = 40  # failures that are used
SLOW, ASKEW, OFF = 12.0, 0.8, 0.6  # m/s, rad and share of the half width: the most at a start anywhere


@dataclass(frozen=True)
class Arm:
    """A way to go on."""

    text: str
    takeovers: bool = False
    laps: bool = False
    incidents: bool = False
    anywhere: bool = False


ARMS = {
    "no_help": Arm("drives on alone"),
    "laps": Arm("a minute of further laps", laps=True),
    "takeovers": Arm("taken over where the car is on its way off the road", takeovers=True),
    "incidents": Arm(
        "the same, and every second drive begins with an incident where one was lost", takeovers=True, incidents=True
    ),
    "incidents_alone": Arm("every second drive begins with an incident where one was lost; no help", incidents=True),
    "anywhere": Arm("every second drive begins anywhere on the lap, slow, askew and off the line; no help", anywhere=True),
}


def open_lockstep(home: Home, track: str, seed: int, init: Path | None = None) -> Lockstep:
    """Return session and learner on this track of the rough game."""
    from hitl.session.lockstep import Lockstep
    from trainer.presets import PRESETS

    config = PRESETS["hitl"].with_values(seed=seed, warmup_steps=0)
    options = SessionOptions(rough_game.register(), track, kind="demo", seed=seed, greedy_every=2)
    return Lockstep(home, options, config, init=init, proves=True)


class Looks:
    """Evaluations: each has starts of its own, the same in every arm."""

    def __init__(self, rig: SessionSetup, first: int) -> None:
        self._drives = SoloDrives(rig.track, DRIVES, rig.task.settings, rough_game.copy_of)
        self._hz, self._count = rig.task.settings.hz, first

    def __call__(self, lockstep: Lockstep) -> dict[str, Any]:
        """Return how many laps were finished, their median seconds, and the 95th percentile over the median."""
        found = self._drives(lockstep.policy.actor, 3_000_000 + 1_000 * self._count)
        self._count += 1
        ends = [r.steps / self._hz for r in found if r.reason == "finish"]
        middle = median(ends) if ends else math.nan
        late = float(np.quantile(ends, 0.95)) / middle if ends else math.nan
        return {"steps": lockstep.steps, "finished": len(ends), "lap_s": middle, "p95": late}

    def close(self) -> None:
        """Let go of the games."""
        self._drives.close()


def drive_laps(lockstep: Lockstep, skill: str, seed: int, enough: Callable[[int, int], bool]) -> tuple[list[float], int]:
    """Have a player drive laps until ``enough(finished, steps)``; return the finished ones' seconds, and all steps."""
    rig = lockstep.rig
    hz = rig.task.settings.hz
    rig.session.human = scripted_human(rig.track, skill, None, seed=seed, hz=hz)
    ends: list[float] = []
    steps = count = 0
    while not enough(len(ends), steps):
        result = rig.session.episode("lap", seed=500 * (seed + 1) + count)
        count, steps = count + 1, steps + result.steps
        if result.reason == "finish":
            ends.append(result.steps / hz)
    rig.session.human = NoHuman()
    return ends, steps


def make(folder: Path, track: str, skill: str, seed: int) -> dict[str, Any] | None:
    """Phase 1; return what the agent can do, None where it never had a tail. A home that is there already is taken."""
    noted = folder / "tail.json"
    if noted.is_file():
        known: dict[str, Any] | None = json.loads(noted.read_text())
        return known
    shutil.rmtree(folder, ignore_errors=True)
    found = None
    with open_lockstep(Home(folder), track, seed) as lockstep:
        laps, _ = drive_laps(lockstep, skill, 1000 + seed, lambda finished, steps: finished >= LAPS)
        lockstep.learn()
        looks = Looks(lockstep.rig, 0)
        episode, due = 0, 0
        while lockstep.steps < MOST_STEPS:
            if lockstep.steps >= due:
                seen = looks(lockstep)
                due = lockstep.steps + LOOK_EVERY
                print(f"  {track} {seed}: {seen}", flush=True)
                if FEW <= seen["finished"] <= MANY:
                    found = {**seen, "human_lap_s": median(laps)}
                    break
            lockstep.drive(10_000 * (seed + 1) + episode)
            episode += 1
        looks.close()
        if found is not None:
            lockstep.save()
    noted.write_text(json.dumps(found))
    return found


def lost_drives(home: Home, rig: SessionSetup) -> Iterator[tuple[Start, float]]:
    """Yield starts shortly before the places where the newest drives of the agent were lost, and these places (m)."""
    with Store(home.store_path, read_only=True) as store:
        failed = [e for e in store.episodes(rig.track.name, purpose=("drive",)) if e.failed]
        for episode in failed[-RECENT:]:
            drive = store.steps(episode, columns=("t", "progress"))
            at = practice.first_at(drive, episode.farthest - practice.THERE_M)
            passage = practice.passage_at(store, episode, max(1, (at or 0) - round(LEAD_S * episode.hz)))
            start = practice.start_at(passage, rig.track.line, rig.track.half_width) if passage is not None else None
            if start is not None:
                yield start, episode.farthest


def start_anywhere(rig: SessionSetup, rng: np.random.Generator) -> Start:
    """Return a start as after a bad moment: slow, askew and off the line."""
    at = float(rng.uniform(0.0, rig.track.line.length - AHEAD_M))
    offset = OFF * rig.track.half_width_at(at) * float(rng.uniform(-1, 1))
    return Start(at, offset, float(rng.uniform(-ASKEW, ASKEW)), float(rng.uniform(0.0, SLOW)))


def run(job: tuple[Path, str, str, str, int, int]) -> dict[str, Any]:
    """Phase 2: one arm from one agent."""
    import torch

    torch.set_num_threads(1)
    folder, track, skill, name, seed, steps = job
    arm, before = ARMS[name], json.loads((folder / "tail.json").read_text())
    with tempfile.TemporaryDirectory() as fresh:
        home = Home(Path(fresh) / "home")
        shutil.copytree(folder, home.root)
        init = max(home.checkpoints.glob("*.safetensors"))
        with open_lockstep(home, track, seed, init) as lockstep:
            rig, hz = lockstep.rig, lockstep.rig.task.settings.hz
            lap_utd, lockstep.budget.lap_utd = lockstep.budget.lap_utd, 0.0  # all arms make one update a driven step
            human = 0.0
            if arm.laps:
                human = drive_laps(lockstep, skill, 2000 + seed, lambda finished, driven: driven >= HELP_S * hz)[1] / hz
            lockstep.learn()
            lockstep.budget.lap_utd = lap_utd
            if arm.takeovers:
                rig.session.human = scripted_human(
                    rig.track, skill, HelpRule(), seed=seed + 7, corners=rig.corners, limit_s=HELP_S, hz=hz
                )
            looks, rng = Looks(rig, 100), np.random.default_rng(seed)
            curve, takeovers, episode, due = [looks(lockstep)], 0, 0, EVERY
            while lockstep.steps < steps:
                begin: dict[str, Any] = {}
                lost = list(lost_drives(home, rig)) if arm.incidents and episode % 2 else []
                if lost:
                    start, place = lost[int(rng.integers(len(lost)))]
                    end = min(place + AHEAD_M, rig.track.line.length - 3.0)
                    begin = {"purpose": "practice", "start": start, "until_m": end}
                    rig.env.game.pulled_at_once = True
                elif arm.anywhere and episode % 2:
                    start = start_anywhere(rig, rng)
                    begin = {"purpose": "practice", "start": start, "until_m": start.s + AHEAD_M - 3.0}
                result = lockstep.drive(10_000 * (seed + 1) + 5_000 + episode, **begin)
                episode += 1
                human += result.human_steps / hz
                takeovers += result.takeovers
                if lockstep.steps >= due:
                    curve.append(looks(lockstep))
                    due += EVERY
            looks.close()
    return {
        "track": Path(track).stem, "arm": name, "seed": seed, "before": before, "human_s": human, "takeovers": takeovers,
        "curve": curve,
    }  # fmt: skip


def _make(job: tuple[Path, str, str, int]) -> dict[str, Any] | None:
    import torch

    torch.set_num_threads(1)
    return make(*job)


def figures_of(curve: list[dict[str, Any]], before: dict[str, Any]) -> dict[str, Any]:
    """Return what came of an arm: finished laps over all evaluations and the last half, and from when on nearly all were."""
    later = curve[1:]
    half = later[len(later) // 2 :]
    good = [look["finished"] >= ENOUGH for look in later]
    since = next((look["steps"] for k, look in enumerate(later) if all(good[k:])), None)
    return {
        "before": before["finished"],
        "finished": fmean(look["finished"] for look in later),
        "least": min(look["finished"] for look in later),
        "finished_later": fmean(look["finished"] for look in half),
        "p95_later": fmean(look["p95"] for look in half),
        "lap_s_later": fmean(look["lap_s"] for look in half),
        "nearly_all_since": since,
    }


def show(results: list[dict[str, Any]]) -> None:
    """Print a row for each arm of each track."""
    rows = []
    for track, name in dict.fromkeys((r["track"], r["arm"]) for r in results):
        of = sorted((r for r in results if (r["track"], r["arm"]) == (track, name)), key=lambda r: r["seed"])
        each = [figures_of(r["curve"], r["before"]) for r in of]
        rows.append((
            track,
            name,
            *(", ".join(f"{f[key]:.0f}" for f in each) for key in ("before", "finished_later", "least")),
            ", ".join("never" if f["nearly_all_since"] is None else f"{f['nearly_all_since']:,}" for f in each),
            ", ".join(f"{f['p95_later']:.3f}" for f in each),
            ", ".join(f"{f['lap_s_later']:.1f}" for f in each),
            ", ".join(f"{r['human_s']:.0f}" for r in of),
        ))  # fmt: skip
    columns = ("track", "arm", "before", "later", "least", f"{ENOUGH} of {DRIVES} since", "p95 / median", "lap s", "human s")
    print_table(f"Finished of {DRIVES} disturbed laps: before, in the last half, at the least", columns, rows)


def main() -> None:
    """Make the agents, run the arms, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", default="default,esses")
    parser.add_argument("--arms", default="no_help,laps,takeovers,incidents,anywhere")
    parser.add_argument("--skill", choices=SKILLS, default="good")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--keep", type=Path, metavar="DIR", help="where the agents are kept, and found again")
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    arms = args.arms.split(",")
    if unknown := [name for name in arms if name not in ARMS]:
        parser.error(f"there is no arm '{unknown[0]}'; known: {', '.join(ARMS)}")
    with tempfile.TemporaryDirectory() as fresh, multiprocessing.get_context("spawn").Pool(args.jobs) as pool:
        agents = [
            (Path(args.keep or fresh) / f"{Path(track).stem}-{seed}", track, args.skill, seed)
            for seed in range(args.seeds) for track in args.tracks.split(",")
        ]  # fmt: skip
        made = pool.map(_make, agents, 1)
        for (_, track, _, seed), found in zip(agents, made, strict=True):
            if found is None:
                print(f"{track} {seed}: never between {FEW} and {MANY} of {DRIVES} laps")
        jobs = [
            (folder, track, skill, name, seed, args.steps)
            for (folder, track, skill, seed), found in zip(agents, made, strict=True) if found is not None
            for name in arms
        ]  # fmt: skip
        show(run_jobs(run, jobs, args.jobs, args.json, range(args.seeds)))


if __name__ == "__main__":
    main()
