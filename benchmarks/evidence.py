"""Run the plan of the evidence (``evidence.toml``) as a queue that can be cut off at any time and goes on where it was.

    python benchmarks/evidence.py FOLDER [--questions a,b,…] [--jobs 2] [--hours H] [--seeds N] [--tracks a,b,…]
        [--arms a,b,…] [--plan]

Each run of one arm from one stalled agent becomes one file in FOLDER/runs, so what is done is never done again. The budget in
hours is printed before anything starts (``--plan``: and that is all). Runs go seed by seed, all arms of a seed first, so what is
there after any time is balanced. At the end, or with what there is: a table for each question and FOLDER/evidence.json. What was
not run is named.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import time
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from ceiling import ARMS, run, stall
from ceiling_numbers import Estimate, estimate
from common import print_table, write_report
from corner_clock import figures_of

PLAN = Path(__file__).with_suffix(".toml")
ROOT = PLAN.parent.parent
STALL_STEPS = 9_000  # driven steps that a stall takes, as a rule
PROBES, PROBE_UPDATES = 5, 16


@dataclass(frozen=True)
class Job:
    """One arm, helped by hands of one skill, from one stalled agent."""

    question: str
    track: str
    seed: int
    arm: str
    skill: str
    steps: int
    hold: int

    @property
    def agent(self) -> str:
        """The stalled agent: a track and a seed."""
        return f"{Path(self.track).stem}-{self.seed}"

    @property
    def file(self) -> str:
        """What its result is called: the same for the same run, whatever question it answers."""
        return f"{self.agent}_{self.arm}_{self.skill.replace('@', '-')}_{self.steps}_{self.hold}.json"


def jobs_of(questions: Iterable[dict[str, Any]], seeds: int | None = None) -> Iterator[Job]:
    """Yield all runs of some questions, seed by seed."""
    questions = list(questions)
    for seed in range(max(q["seeds"] for q in questions)):
        for q in questions:
            if seed >= min(q["seeds"], seeds or q["seeds"]):
                continue
            for track in q["tracks"]:
                for arm in q["arms"]:
                    helped = ARMS[arm].takeovers or ARMS[arm].laps_s
                    for skill in q["skills"] if helped else q["skills"][:1]:
                        yield Job(q["name"], track, seed, arm, skill, q["steps"], q["hold"])


def seconds_a_step() -> float:
    """Return what a driven step with its update costs on this machine, evaluations included, measured for a second or two."""
    import torch
    from tqc import our_updates

    from trainer.presets import PRESETS

    torch.set_num_threads(1)
    make = our_updates(PRESETS["hitl"], "cpu")
    times = []
    for _ in range(PROBES):
        begin = time.perf_counter()
        make(PROBE_UPDATES)
        times.append((time.perf_counter() - begin) / PROBE_UPDATES)
    return 1.4 * median(times)


def work(job: tuple[Path, Job, float]) -> str:
    """Do one run, unless the time is over; returns what to say of it."""
    folder, j, until = job
    if time.time() > until:
        return ""
    track = str(ROOT / j.track) if j.track.endswith(".toml") else j.track
    home = folder / "stalled" / j.agent
    place = json.loads((home / "stalled.json").read_text())
    result = run(home, track, j.arm, j.seed, j.steps, j.hold, place, j.skill)
    target = folder / "runs" / j.file
    fresh = target.with_suffix(".part")
    fresh.write_text(json.dumps(result | {"track": Path(track).stem, "name": j.arm}))
    fresh.replace(target)
    reached = result["first_pass_attempts"]
    return f"{j.agent} {j.arm} {j.skill}: {'not passed' if reached is None else f'{reached} attempts'}"


def make_stalled(job: tuple[Path, str, int, float]) -> str:
    """Let one agent stall, unless it is there or the time is over; returns what to say of it."""
    folder, track, seed, until = job
    if time.time() > until:
        return ""
    name = f"{Path(track).stem}-{seed}"
    place = stall(folder / "stalled" / name, str(ROOT / track) if track.endswith(".toml") else track, seed)
    return f"{name}: {'never stalled' if place is None else 'stands at ' + place['corner'][0]}"


def stalled(folder: Path, job: Job) -> bool | None:
    """Tell whether the agent of a run stalled; None while it is not known."""
    noted = folder / "stalled" / job.agent / "stalled.json"
    return json.loads(noted.read_text()) is not None if noted.is_file() else None


def read(file: Path) -> dict[str, Any]:
    """Return the result in a file, with the corner's clock counted as it is now."""
    result: dict[str, Any] = json.loads(file.read_text())
    return result | figures_of(result["clock"])


def attempts(result: dict[str, Any]) -> int:
    """Return the attempts at the corner until it was passed; all that there were where it never was."""
    first: int | None = result["first_pass_attempts"]
    return int(result["attempts"]) if first is None else first


def driven(result: dict[str, Any]) -> int:
    """Return the driven steps until it was passed, or all of them, with those of the human's laps before."""
    first: int | None = result["first_pass_steps"]
    return int(result["clock"][-1]["steps"] if first is None else first) + int(result.get("lap_steps", 0))


def ratios(
    results: list[dict[str, Any]], skill: str, needed: Callable[[dict[str, Any]], int] = attempts
) -> dict[tuple[str, str], tuple[int, Estimate]]:
    """Return, for each arm and skill, how many times what `takeover` by hands of ``skill`` needs it needs.

    Each with the number of agents that did both: the interquartile mean over them and its 95 % interval, tracks as strata.
    """
    base = {(r["track"], r["seed"]): needed(r) for r in results if (r["name"], r["skill"]) == ("takeover", skill)}
    found = {}
    for name in dict.fromkeys((r["name"], r["skill"]) for r in results):
        strata: dict[str, list[float | None]] = {}
        for r in results:
            if (r["name"], r["skill"]) == name and (r["track"], r["seed"]) in base:
                strata.setdefault(r["track"], []).append(
                    float(np.log(max(needed(r), 1) / max(base[r["track"], r["seed"]], 1)))
                )
        if name != ("takeover", skill) and strata:
            e = estimate(list(strata.values()))
            middle, low, high = (float(np.exp(x)) for x in (e.middle, e.low, e.high))
            found[name] = sum(map(len, strata.values())), Estimate(middle, low, high)
    return found


def rows_of(results: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """Return a row of texts for each arm and skill: medians over the agents."""
    rows = []
    for name in dict.fromkeys((r["name"], r["skill"]) for r in results):
        of = [r for r in results if (r["name"], r["skill"]) == name]
        tried = [attempts(r) for r in of]
        held = [r["corner_held"] for r in of if r["corner_held"] is not None]
        rows.append((
            *name,
            f"{sum(r['first_pass_attempts'] is not None for r in of)}/{len(of)}",
            f"{median(tried):.0f} ({min(tried)}–{max(tried)})",
            f"{median(driven(r) for r in of):,.0f}",
            f"{median(held):.0%}" if held else "–",
            f"{median(r['corner_last'] or 0.0 for r in of):.0%}",
            *(f"{median(r[key] for r in of):.0f}" for key in ("human_seconds", "takeovers", "watched_seconds", "called_seconds")),
        ))  # fmt: skip
    return rows


COLUMNS = (
    *("arm", "hands", "passed", "attempts at the corner", "steps", "held", "at the end"),
    *("s at the wheel", "takeovers", "s watched", "s if called"),
)


def show(folder: Path, questions: list[dict[str, Any]], jobs: list[Job], seen: list[str]) -> dict[str, Any]:
    """Print a table for each question, on tracks that were seen and on others, and what was not run; returns the figures."""
    figures: dict[str, Any] = {}
    for q in questions:
        of = [j for j in jobs if j.question == q["name"]]
        done = {j: folder / "runs" / j.file for j in of if (folder / "runs" / j.file).is_file()}
        results = [read(file) for file in done.values()]
        for kind, known in (("looked at while the recipe was chosen", True), ("not looked at", False)):
            part = [r for r in results if (r["track"] in seen) is known]
            if part:
                print_table(f"{q['text']} — tracks {kind}", COLUMNS, rows_of(part))
        found, steps = ratios(results, q["skills"][0]), ratios(results, q["skills"][0], driven)
        if found:
            rows = [(*name, str(agents), e.text(".2f"), steps[name][1].text(".2f")) for name, (agents, e) in found.items()]
            title = f"Over those of takeover by {q['skills'][0]} hands, agent by agent: interquartile mean and 95 % interval"
            print_table(title, ("arm", "hands", "agents", "attempts", "driven steps"), rows)
        left = [j for j in of if j not in done and stalled(folder, j) is not False]
        if left:
            print(f"{q['name']}: {len(left)} of {len(of)} runs are not done, the first: {left[0].file}")
        figures[q["name"]] = {
            "runs": len(done),
            "left": len(left),
            "ratios": {" ".join(name): [agents, e.middle, e.low, e.high] for name, (agents, e) in found.items()},
            "step_ratios": {" ".join(name): [agents, e.middle, e.low, e.high] for name, (agents, e) in steps.items()},
            "results": [{**r, "curve": None} for r in results],
        }
    return figures


def main() -> None:
    """Print the budget, do the runs, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where stalled agents and results are kept, and found again")
    parser.add_argument("--questions", help="comma-separated; all without it")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--hours", type=float, default=float("inf"), help="start no run after so many")
    parser.add_argument("--seeds", type=int, help="no more than so many agents a track")
    parser.add_argument("--tracks", help="only these of a question's tracks, by name, comma-separated")
    parser.add_argument("--arms", help="only these of a question's arms")
    parser.add_argument("--plan", action="store_true", help="print the budget and the tables, and run nothing")
    args = parser.parse_args()
    plan = tomllib.loads(PLAN.read_text(encoding="utf-8"))
    known = [q["name"] for q in plan["question"]]
    wanted = args.questions.split(",") if args.questions else known
    if unknown := [name for name in wanted if name not in known]:
        parser.error(f"there is no question '{unknown[0]}'; known: {', '.join(known)}")
    questions = [q for q in plan["question"] if q["name"] in wanted]
    tracks, arms = (named.split(",") if named else None for named in (args.tracks, args.arms))
    jobs = [
        j for j in jobs_of(questions, args.seeds)
        if (tracks is None or Path(j.track).stem in tracks) and (arms is None or j.arm in arms)
    ]  # fmt: skip
    if not jobs:
        parser.error("no run of these questions is of such an arm on such a track")
    folder: Path = args.folder.resolve()
    (folder / "runs").mkdir(parents=True, exist_ok=True)
    agents = list(dict.fromkeys((j.track, j.seed) for j in jobs))
    cost = seconds_a_step() / 3600 / args.jobs
    total = 0.0
    for q in questions:
        new = {
            j.file: j for j in jobs
            if j.question == q["name"] and not (folder / "runs" / j.file).is_file() and stalled(folder, j) is not False
        }  # fmt: skip
        hours = cost * sum(j.steps for j in new.values())
        total += hours
        print(f"{q['name']}: {len(new)} runs, at most {hours:.1f} hours with {args.jobs} at a time. {q['text']}")
    missing = [a for a in agents if stalled(folder, next(j for j in jobs if (j.track, j.seed) == a)) is None]
    print(f"{len(missing)} agents are to be stalled first: about {cost * STALL_STEPS * len(missing):.1f} hours.", flush=True)
    if not args.plan:
        os.environ["OMP_NUM_THREADS"] = "1"
        until = time.time() + 3600 * args.hours
        with multiprocessing.get_context("spawn").Pool(args.jobs, maxtasksperchild=1) as pool:
            _queue(pool, folder, jobs, agents, until)
    figures = show(folder, questions, jobs, plan["seen"])
    if not args.plan:
        write_report(folder / "evidence.json", figures, sorted({j.seed for j in jobs}))


def _queue(pool: Any, folder: Path, jobs: list[Job], agents: list[tuple[str, int]], until: float) -> None:
    """Stall the agents and do their runs, seed by seed. ``until``: seconds since 1970 after which nothing is begun."""
    for seed in sorted({seed for _, seed in agents}):
        for text in pool.imap_unordered(make_stalled, [(folder, t, s, until) for t, s in agents if s == seed]):
            print(text, end="\n" if text else "", flush=True)
        todo = {j.file: j for j in jobs if j.seed == seed and stalled(folder, j) and not (folder / "runs" / j.file).is_file()}
        for text in pool.imap_unordered(work, [(folder, j, until) for j in todo.values()]):
            print(text, end="\n" if text else "", flush=True)


if __name__ == "__main__":
    main()
