"""The demo over several seeds: passes before and after, seconds of takeover, wall time.

    python benchmarks/demo.py [--seeds 5] [--skill good] [--json FILE]

``--skill``: who stands in for the player (`hitl/drivers/person.py`); ``expert`` is the scripted driver itself.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from common import stopwatch, write_report

from hitl.drivers.person import SKILLS

FIGURES = ("before_passes", "after_passes", "takeover_seconds", "agent_steps", "updates", "wall_seconds")


def run(seed: int, track: str, skill: str) -> dict[str, float]:
    """Run one demo as a player would and return its figures."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "demo.json"
        command = [sys.executable, "-m", "hitl", "demo", "--headless", "--seed", str(seed), "--track", track, "--skill", skill]
        command += ["--home", str(Path(folder) / "home"), "--json", str(out)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        result = json.loads(out.read_text(encoding="utf-8"))
    return {
        "before_passes": result["before"]["corner_passes"],
        "after_passes": result["after"]["corner_passes"],
        "takeover_seconds": result["takeover_seconds"],
        "agent_steps": result["agent_steps"],
        "updates": result["updates"],
        "wall_seconds": result["wall_seconds"],
    }


def main() -> None:
    """Print a row a seed, the medians, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--track", default="default")
    parser.add_argument("--skill", choices=SKILLS, default="good")
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    seeds = list(range(args.seeds))
    rows = []
    print(f"{'seed':>6} {'before':>7} {'after':>7} {'takeover s':>11} {'steps':>7} {'updates':>8} {'wall s':>7}")
    line = (
        "{:>6} {before_passes:>7.0f} {after_passes:>7.0f} {takeover_seconds:>11.1f} "
        "{agent_steps:>7.0f} {updates:>8.0f} {wall_seconds:>7.0f}"
    )
    with stopwatch() as watch:
        for seed in seeds:
            rows.append(run(seed, args.track, args.skill))
            print(line.format(seed, **rows[-1]), flush=True)
    figures = {name: [row[name] for row in rows] for name in FIGURES}
    print(line.format("median", **{name: median(values) for name, values in figures.items()}))
    if args.json:
        write_report(args.json, figures, seeds=seeds, wall_seconds=watch.seconds)


if __name__ == "__main__":
    main()
