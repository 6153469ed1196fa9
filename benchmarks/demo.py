"""The demo over several seeds, with help and without: passes before and after, seconds of takeover, wall time.

    python benchmarks/demo.py [--seeds 5] [--skills good,none] [--agents own] [--track default] [--set q_weight=0] [--json FILE]

``--skills``: who stands in for the player (`hitl/drivers/person.py`); ``expert`` is the scripted driver itself, with ``none``
nobody helps. ``--agents own``: each seed first trains an agent of its own until it stalls, as the shipped one was made (by
itself, with no lap in its memory), instead of beginning with that. ``--set``: a training setting of the demo's trainer.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from common import parser, print_table, run_jobs

from hitl.drivers.person import NO_ONE, SKILLS

IN_A_ROW = 5  # evaluations without a pass, as with the shipped agent
MINUTES = 15.0  # beyond these the demo's limit of driven steps ends it
FIGURES = ("takeovers", "takeover_seconds", "agent_steps", "updates", "wall_seconds")


@dataclass(frozen=True)
class Job:
    """One demo."""

    skill: str
    seed: int
    track: str
    own: bool
    settings: tuple[str, ...] = ()
    """``NAME=VALUE`` each, as in the section ``train`` of a home's settings.toml."""


def run(job: Job) -> dict[str, Any]:
    """Run one demo as `hitl demo --headless` does; return its figures."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
        result = demo(job, Path(folder))
    found = {"skill": job.skill, "seed": job.seed, "track": job.track, "own_agent": job.own, "set": list(job.settings)}
    return found | ({"stalled": False} if result is None else {"stalled": True} | result)


def demo(job: Job, folder: Path) -> dict[str, Any] | None:
    """Return the content of the demo's ``--json``; None where the seed's own agent did not stall."""
    from hitl.demo.run import run_headless
    from hitl.demo.shipped import open_shipped, ship, stalled_at
    from hitl.demo.stall import train_until_stalled
    from hitl.home import Home
    from hitl.settings_desk.files import settings_path

    home = Home(folder / "home")
    if job.own:
        trained, shipped = Home(folder / "trained"), folder / "shipped"
        if train_until_stalled(trained, job.track, seed=job.seed, in_a_row=IN_A_ROW, laps=0).corner is None:
            return None
        ship(trained, shipped)
        open_shipped(home, job.track, shipped)
    else:
        open_shipped(home, job.track)
    if job.settings:
        settings_path(home).write_text("\n".join(("[train]", *job.settings, "")), encoding="utf-8")
    corner = stalled_at(home, job.track)
    assert corner is not None
    result = run_headless(home, "box2d", job.track, corner, seed=job.seed, minutes=MINUTES, skill=job.skill)
    return result.as_json() | {"ended": result.ended}


def arguments() -> argparse.Namespace:
    """Read the command line."""
    made = parser((__doc__ or "").splitlines()[0])
    made.add_argument("--seeds", type=int, default=5)
    made.add_argument("--skills", default=f"good,{NO_ONE}", help=f"of {', '.join((*SKILLS, NO_ONE))} (default: good,{NO_ONE})")
    made.add_argument("--agents", choices=("shipped", "own"), default="shipped")
    made.add_argument("--track", default="default")
    made.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="of its training settings; may come again")
    made.add_argument("--jobs", type=int, default=1, help="demos at once, of two processes each (default: 1)")
    args = made.parse_args()
    args.skills = args.skills.split(",")
    if unknown := set(args.skills) - {*SKILLS, NO_ONE}:
        made.error(f"no such skill: {', '.join(sorted(unknown))}")
    return args


def main() -> None:
    """Print a row a demo, the medians, and write the JSON."""
    args = arguments()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    seeds = list(range(args.seeds))
    jobs = [Job(skill, seed, args.track, args.agents == "own", tuple(args.set)) for seed in seeds for skill in args.skills]
    runs = run_jobs(run, jobs, args.jobs, args.json, seeds)
    rows = []
    for skill in args.skills:
        of_skill = sorted((r for r in runs if r["skill"] == skill and r["stalled"]), key=lambda r: r["seed"])
        passes = ((r["before"]["corner_passes"], r["after"]["corner_passes"]) for r in of_skill)
        cells = [(r["seed"], *both, *(r[f] for f in FIGURES)) for r, both in zip(of_skill, passes, strict=True)]
        rows += [(skill, *row) for row in cells]
        if cells:
            rows.append((skill, "median", *(round(median(column), 1) for column in zip(*(c[1:] for c in cells), strict=True))))
    columns = ("who helps", "seed", "passes before", "after", "takeovers", "s of takeover", "agent steps", "updates", "wall s")
    print_table(f"The demo on {args.track}, {args.agents} agents", columns, rows)


if __name__ == "__main__":
    main()
