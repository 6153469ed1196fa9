"""Does a takeover break a ceiling that more training does not? A stalled agent, forked into arms with equal steps and updates.

    python benchmarks/ceiling.py [--env ENV] [--track NAME or FILE] [--arms a,b,…] [--seeds 5] [--steps 7500] [--jobs 2]
                                 [--json FILE]

Phase 1 trains the reference kind of learner (``arms.RUN_L``: one replay, laps in it, no takeovers) from nothing until it stands
at a corner: until five evaluations in a row, a thousand steps apart, have 20 episodes (ten on a long road) that reach the corner
and none that passes it, and the agent has tried it a dozen times meanwhile (which takes more evaluations on a long road), within
15,000 steps, or twice as many in a real game. (Some seeds never do: they need no help, and the next seed takes their place.
``--learner stall`` is the learner of ``hitl stall`` instead.) Phase 2 copies that home (networks, optimisers, every step, the
laps) once for each arm of ``arms.py`` and goes on. Every arm drives the same number of steps and does the same number of updates
for each, unless its text says otherwise; what differs is where the human's seconds go and what the learner makes of them.
``--keep DIR`` keeps the stalled homes, and takes those that are there.

``--env supertuxkart`` does the same in a real game, on laps of a minute: there an evaluation has ten episodes, of which nine must
pass, and the corner's clock is read more rarely.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from statistics import fmean, median
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from arms import ARMS as OURS
from arms import HELP_S, RUN_L, UTD, Arm
from common import print_table, stopwatch, write_report
from corner_clock import EVERY as CLOCK_EVERY
from corner_clock import TRIES, CornerClock
from helping import helper, practice_starts
from label_rules import LABEL_RULES
from offline_rl import OFFLINE_RL
from opponents import OPPONENTS

from hitl.demo.shipped import SHIPPED
from hitl.demo.stall import LEAST, RECIPE
from hitl.drivers.person import SKILLS
from hitl.games.registry import COPIES
from hitl.trials.drives import Solo, SoloDrives

if TYPE_CHECKING:
    from data.records import Corner
    from hitl.protocols import EpisodeResult
    from hitl.task.driving_task import TaskSettings

ARMS = OURS | {
    name: Arm(
        o.text, takeovers=True, settings=o.settings, make_learner=o.make, make_replay=o.make_replay,
        greedy_every=2 * (name not in OPPONENTS), proves=name not in OPPONENTS,
    )
    for name, o in (OPPONENTS | OFFLINE_RL | LABEL_RULES).items()
}  # fmt: skip
LEARNERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "run_l": (RUN_L, RUN_L),
    "stall": ({}, RECIPE | {"utd": UTD}),
}
"""Learners that stall: what phase 1 adds to the recipe of ``hitl stall``, and what `continue` goes on with."""
EVALUATE_EVERY = 250  # driven steps, until the corner is passed
WATCH_EVERY = 500  # driven steps, afterwards
ENOUGH = 0.9  # of an evaluation's episodes
RARER = 5  # times as rarely the corner's clock is read, with as many times fewer tries, where a copy of the game is a process
CALL_S = 6.0  # s of attention beside the takeover itself when the player is called: the countdown and the way to the corner
MOST_STEPS = 15_000  # until it has stalled
IN_A_ROW = 5  # evaluations without a pass that make a stall


def stall(folder: Path, track: str, seed: int, env: str = "box2d", learner: str = "run_l") -> dict[str, Any] | None:
    """Phase 1 for one seed, with one of ``LEARNERS``; returns where it stands, or None when it never stalled."""
    from hitl.demo.stall import train_until_stalled
    from hitl.home import Home

    noted = folder / "stalled.json"
    if noted.is_file():
        known: dict[str, Any] | None = json.loads(noted.read_text())
        return known
    shutil.rmtree(folder, ignore_errors=True)
    result = train_until_stalled(
        Home(folder),
        track,
        env=env,
        seed=seed,
        max_steps=MOST_STEPS * (2 if COPIES[env].own_process else 1),
        in_a_row=IN_A_ROW,
        settings=LEARNERS[learner][0],
        report=lambda e: print(f"  seed {seed}: {e.agent_steps:,} steps, {e.progress_mean:.0f} m, {e.passes}", flush=True),
    )
    corner = result.corner
    place = None if corner is None else {"corner": [corner.name, corner.from_m, corner.to_m], "steps": result.agent_steps}
    noted.write_text(json.dumps(place))
    return place


def run(
    folder: Path, track: str, name: str, seed: int, steps: int, hold: int, place: dict[str, Any], skill: str = "expert",
    env: str = "box2d", learner: str = "run_l", shape: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:  # fmt: skip
    """Phase 2: one arm from one stalled home (which is copied, not changed), for ``steps`` driven steps at most.

    Once the corner is passed, by whole laps and by the corner's clock, it is watched for ``hold`` more. ``shape``: settings of
    every arm, such as the networks'.
    """
    from data.records import Corner
    from hitl.home import Home
    from hitl.session.lockstep import Lockstep
    from hitl.session_options import SessionOptions
    from trainer.presets import PRESETS

    arm, corner = ARMS[name], Corner(*place["corner"])
    settings = LEARNERS[learner][1] if name == "continue" else arm.settings
    config = PRESETS["hitl"].with_values(**{"utd": UTD, **settings, **shape, "seed": seed, "warmup_steps": 0})
    with tempfile.TemporaryDirectory() as fresh:
        home = Home(Path(fresh) / "home")
        shutil.copytree(folder, home.root)
        init = max(home.checkpoints.glob("*.safetensors"))
        options = SessionOptions(env, track, kind="demo", seed=seed, greedy_every=arm.greedy_every)
        with Lockstep(
            home, options, config, init=init, make_learner=arm.make_learner, make_replay=arm.make_replay,
            proves=arm.proves,
        ) as lockstep:
            rig = lockstep.rig
            hz = rig.task.settings.hz
            human_lap = median(_laps(home, hz))
            wheel, human = helper(arm, rig, lockstep, corner, seed, skill)
            lap_steps = human  # of further laps, which are driven before the first step that is counted
            rig.session.human = wheel
            lap_utd, lockstep.budget.lap_utd = lockstep.budget.lap_utd, 0.0  # laps, old and new, owe no updates of their own
            lockstep.learn()  # takes in what the stalled run left; no update is owed yet
            lockstep.budget.lap_utd = lap_utd
            game, most, seldom = copies_in(env, home)
            task = rig.task.settings
            judge = _Judge(rig.track, corner, hz, game, most, task)
            tries = max(most, TRIES // seldom)
            clock = CornerClock(rig.track, corner, folder / home.store_path.name, tries, game, most, task)
            curve = [judge(lockstep, 0.0)]
            paid = Paid(human)
            episode, share_from = 0, (0, human)
            due, next_reading = EVALUATE_EVERY, CLOCK_EVERY * seldom
            reached: int | None = None

            def watched() -> bool:
                """Tell whether both clocks have found their first pass, and what came of it was watched long enough."""
                first = clock.figures()["first_pass_steps"]
                return reached is not None and first is not None and lockstep.steps >= max(reached, first) + hold

            while lockstep.steps < steps and not watched():
                start = practice_starts(home, rig, corner) if arm.practice and episode % 2 else {}
                with stopwatch() as watch:
                    result = lockstep.drive(10_000 * (seed + 1) + episode, **start)
                episode += 1
                paid.add(result, corner, lockstep.steps, watch.seconds)
                if lockstep.steps >= next_reading:
                    clock.read(lockstep.policy.actor, steps=lockstep.steps, attempts=paid.attempts)
                    sought = reached is None or clock.figures()["first_pass_steps"] is None
                    next_reading = lockstep.steps + seldom * (CLOCK_EVERY if sought else WATCH_EVERY)
                if lockstep.steps >= due:
                    driven, helped = lockstep.steps - share_from[0], paid.human - share_from[1]
                    curve.append(judge(lockstep, helped / driven))
                    share_from = (lockstep.steps, paid.human)
                    if reached is None and curve[-1]["passes"] >= ENOUGH * judge.episodes:
                        reached = lockstep.steps
                    due = lockstep.steps + (EVALUATE_EVERY if reached is None else WATCH_EVERY)
            clock.close()
            judge.close()
    after = [c["passes"] / judge.episodes for c in curve if reached is not None and c["steps"] > reached]
    return {
        "arm": name if skill == "expert" else f"{name}:{skill}",
        "skill": skill,
        "seed": seed,
        "steps_to_90": reached,
        "held": fmean(after) if after else None,
        **paid.figures(hz),
        **clock.figures(),
        "lap_steps": lap_steps,
        "human_lap_seconds": human_lap,
        "final_return": curve[-1]["return"],
        "finished_laps": curve[-1]["finished"],
        "lap_seconds": curve[-1]["lap_seconds"],
        "takeover_share": curve[-1]["takeover_share"],
        "others_before": curve[0]["others"],
        "others_after": curve[-1]["others"],
        "episodes": judge.episodes,
        "curve": curve,
        "clock": clock.readings,
    }


@dataclass
class Paid:
    """What an arm has cost a person, in steps of driving, and how often the agent tried the corner meanwhile."""

    human: int
    """At the wheel."""
    takeovers: int = 0
    attempts: int = 0
    """Episodes that came to the corner."""
    watched: int = 0
    """Driven until the last takeover ended: what somebody sees who watches all of it."""
    machine_s: float = 0.0
    """Seconds of driving (as fast as it goes) and learning, without what is only measured."""

    def add(self, result: EpisodeResult, corner: Corner, driven: int, seconds: float) -> None:
        """Take in an episode. ``driven``: steps so far, with it; ``seconds``: what it took the machine."""
        self.machine_s += seconds
        self.human += result.human_steps
        self.takeovers += result.takeovers
        self.attempts += result.progress >= corner.from_m
        if result.takeovers:
            self.watched = driven

    def figures(self, hz: float) -> dict[str, float]:
        """Return seconds at the wheel, and of attention: of one who watches, and of one who is called to each takeover."""
        human = self.human / hz
        return {
            "human_seconds": human,
            "takeovers": self.takeovers,
            "attempts": self.attempts,
            "watched_seconds": max(self.watched / hz, human),
            "called_seconds": human + CALL_S * self.takeovers,
            "machine_seconds": self.machine_s,
        }


def _laps(home: Any, hz: float) -> list[float]:
    """Return the seconds of the human laps in a store."""
    from data.store import Store

    with Store(home.store_path, read_only=True) as store:
        rows = store.conn.execute("SELECT length FROM episodes WHERE purpose = 'lap' AND reason = 'finish'").fetchall()
    return [length / hz for (length,) in rows] or [math.nan]


def copies_in(env: str, home: Any) -> tuple[Callable[[Any], Any], int, int]:
    """Return what makes a copy of a game for a track, how many are driven at once, and how many times as rare readings are."""
    how = COPIES[env]
    make = resolve_name(how.make)
    return lambda track: make(track, home), how.most, RARER if how.own_process else 1


class _Judge:
    """Evaluates a learner: deterministic episodes, on starts that no other evaluation of the arm has had."""

    def __init__(
        self, track: Any, corner: Any, hz: float, game: Callable[[Any], Any], most: int, task: TaskSettings | None = None
    ) -> None:  # fmt: skip
        from hitl.road.corners import corners_from_curvature

        self.episodes = track.line.drives(LEAST)
        self._drive, self._corner, self._hz = SoloDrives(track, self.episodes, task, game, most), corner, hz
        self._others = [c for c in corners_from_curvature(track.line) if c.to_m <= corner.from_m]
        self._count = 0

    def close(self) -> None:
        """Let go of the games."""
        self._drive.close()

    def __call__(self, lockstep: Any, takeover_share: float) -> dict[str, Any]:
        found: list[Solo] = self._drive(lockstep.policy.actor, 3_000_000 + 1000 * self._count)
        self._count += 1
        ends = [r for r in found if r.reason == "finish"]
        return {
            "steps": lockstep.steps,
            "passes": sum(r.progress >= self._corner.to_m for r in found),
            "others": min((sum(r.progress >= c.to_m for r in found) for c in self._others), default=self.episodes),
            "return": fmean(r.total for r in found),
            "finished": len(ends),
            "lap_seconds": median(r.steps for r in ends) / self._hz if ends else math.nan,
            "takeover_share": takeover_share,
        }


def _stall(job: tuple[Any, ...]) -> dict[str, Any] | None:
    return stall(*job)


def _run(job: tuple[Any, ...]) -> dict[str, Any]:
    return run(*job)


def summary(results: list[dict[str, Any]], steps: int) -> dict[str, Any]:
    """Return the figures by arm, one entry a seed; a seed that never got there counts as ``None``."""
    figures: dict[str, Any] = {}
    for name in dict.fromkeys(r["arm"] for r in results):
        rows = sorted((r for r in results if r["arm"] == name), key=lambda r: r["seed"])
        names = [key for key in rows[0] if key not in ("arm", "skill", "seed", "curve", "clock")]
        figures[name] = {key: [r[key] for r in rows] for key in names}
        figures[name] |= {"seeds": [r["seed"] for r in rows], "curves": [r["curve"] for r in rows]}
        figures[name] |= {"clocks": [r["clock"] for r in rows]}
    return {"budget_steps": steps, "arms": figures}


def show(figures: dict[str, Any], steps: int) -> None:
    """Print the table: medians over the seeds, and the range of the steps to 90 %."""
    rows = []
    for name, f in figures["arms"].items():
        reached = [s if s is not None else math.inf for s in f["steps_to_90"]]
        held = [h for h in f["held"] if h is not None]
        rows.append(
            (
                name,
                f"{median(reached):,.0f}".replace("inf", f"> {steps:,}"),
                f"{min(reached):,.0f}–{max(reached):,.0f}".replace("inf", "never"),
                f"{sum(r < math.inf for r in reached)}/{len(reached)}",
                f"{fmean(held):.0%}" if held else "–",
                f"{median(f['human_seconds']):.0f}",
                f"{median(f['final_return']):.1f}",
                f"{median(f['finished_laps']):.0f} of {f['episodes'][0]}",
                ARMS[name.partition(":")[0]].text,
            )
        )
    columns = ("arm", "steps to 90 %", "range", "seeds", "held", "human s", "return", "laps", "")
    print_table("Steps until 90 % of the deterministic episodes pass the corner (median over seeds)", columns, rows)


def main() -> None:
    """Run both phases and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", default="box2d", choices=list(COPIES), metavar="ENV", help="box2d or supertuxkart")
    parser.add_argument("--track", default="default")
    parser.add_argument("--arms", default="continue,rlpd,laps,takeover", help="comma-separated, or `all`")
    parser.add_argument("--seeds", type=int, default=5, help="stalled agents; seeds that never stall are passed over")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=7500, help="driven steps an arm")
    parser.add_argument("--hold", type=int, default=5000, help="driven steps that a corner is watched once it is passed")
    parser.add_argument(
        "--skill", nargs="+", default=["expert"], choices=SKILLS, help="who helps: see hitl/drivers/person.py"
    )
    parser.add_argument(
        "--learner", default="run_l", choices=list(LEARNERS), help="what stalls; stall: that of `hitl stall`"
    )
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--keep", type=Path, metavar="DIR", help="where stalled homes are kept, and found again")
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    if args.env != "box2d" and args.track == "default":
        args.track = SHIPPED[args.env]
    arms = list(ARMS) if args.arms == "all" else [name for name in args.arms.split(",") if name]
    for name in arms:
        if name not in ARMS:
            parser.error(f"there is no arm '{name}'; known: {', '.join(ARMS)}")
    os.environ["OMP_NUM_THREADS"] = "1"
    folder = args.keep or Path(tempfile.mkdtemp(prefix="ceiling-"))

    def home(seed: int) -> Path:
        other = "" if args.learner == "run_l" else f"-{args.learner}"
        return folder / f"{Path(args.track).stem}{other}-{seed}"

    results: list[dict[str, Any]] = []
    figures: dict[str, Any] = {}
    stalled: list[int] = []
    try:
        with stopwatch() as watch, multiprocessing.get_context("spawn").Pool(args.jobs) as pool:
            where: dict[int, dict[str, Any] | None] = {}
            while len(stalled) < args.seeds and len(where) < 3 * args.seeds:
                first = args.first_seed + len(where)
                more = range(first, first + args.seeds - len(stalled))
                places = pool.map(_stall, [(home(seed), args.track, seed, args.env, args.learner) for seed in more], 1)
                for seed, place in zip(more, places, strict=True):
                    told = f"stands at '{place['corner'][0]}' after {place['steps']:,} steps" if place else "never stalled"
                    print(f"seed {seed}: {told}", flush=True)
                    where[seed] = place
                stalled = [seed for seed, place in where.items() if place is not None]
            jobs = [
                (home(seed), args.track, name, seed, args.steps, args.hold, where[seed], skill, args.env, args.learner)
                for seed in stalled
                for name in arms
                for skill in (args.skill if ARMS[name].takeovers or ARMS[name].laps_s else args.skill[:1])
            ]
            for result in pool.imap_unordered(_run, jobs, 1):
                results.append(result)
                reached = f"{result['steps_to_90']:,} steps" if result["steps_to_90"] else "not reached"
                print(f"  {result['arm']:<12} seed {result['seed']}: {reached}", flush=True)
                figures = {"track": Path(args.track).stem, "help_seconds": HELP_S, **summary(results, args.steps)}
                figures["learner"] = args.learner
                figures["stalled_after"] = {str(s): p["steps"] if p else None for s, p in where.items()}
                write_report(args.json, figures, stalled, watch.seconds)  # what is done stays, should it be cut short
    finally:
        if args.keep is None:
            shutil.rmtree(folder, ignore_errors=True)
    if results:
        show(figures, args.steps)


if __name__ == "__main__":
    main()
