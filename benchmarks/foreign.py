"""An agent that people have already: freed from its stall by ours, or by what they would do instead.

    python benchmarks/foreign.py [--agents sac:default:0,...] [--arms beside,taught,cloned,continue] [--steps 2500] [--json FILE]

Phase 1 makes an agent that stalls by the rule of `hitl stall` (five evaluations in a row without a pass of the place that it
reaches; 20,000 steps at most): of Stable-Baselines3 or sb3-contrib in its own loop, with its own defaults, on our environment
(``sac``, ``tqc``; ``sac_other`` has other layers, tanh and `VecNormalize`), or by `hitl stall` itself (``hitl``: such agents
stall at the named corner, in the middle of the lap, and drive what lies before it). Phase 2 goes on from its file, and a `good`
player helps at that place for 60 s at most:

- ``beside``: ours, as `hitl play --agent` and `hitl train` do it. The agent drives eight times alone before the first help.
  In ``beside_q`` the critics count little.
- ``taught``: the agent first teaches ours (``frozen_teaches``), which then drives everywhere; ``taught_q`` follows Q sooner, and
  in ``taught_tried`` new weights must pass a trial before they drive, as with `hitl train`; so must they in ``past_seen``, where
  what is cloned always shows the actions before it (`past_action_dropout=0`).
- ``cloned``: the takeovers are cloned into the agent's own actor, half of each batch of 256 takeovers and half its own drives.
- ``continue``: its own trainer goes on for as many steps.

All are evaluated by the same twenty drives, corner by corner; the others are without trials. ``--keep DIR`` keeps the agents, and
takes those that are there.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import tempfile
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np
from common import print_table, stopwatch, write_report
from foreign_arms import Judge, file_of, kind_of, run

AGENTS = "tqc:default:0,tqc:default:1,tqc:esses:0,sac:default:0,sac:esses:0,hitl:default:0,hitl:esses:0"
SHOWN = ("beside", "taught", "cloned", "continue")


def make(job: tuple[Path, str, str, int]) -> dict[str, Any] | None:
    """Phase 1: an agent; returns where it stalled, None where it did not."""
    file = file_of(*job)
    noted = file.with_suffix(".json")
    if noted.is_file():
        known: dict[str, Any] | None = json.loads(noted.read_text())
        return known
    place = (_by_stall if job[1] == "hitl" else _in_its_loop)(file, *job[1:])
    noted.write_text(json.dumps(place))
    return place


def _by_stall(file: Path, kind: str, track: str, seed: int) -> dict[str, Any] | None:
    from hitl.demo.stall import train_until_stalled
    from hitl.home import Home

    with tempfile.TemporaryDirectory() as fresh:
        home = Home(Path(fresh) / "home")
        result = train_until_stalled(home, track, seed=seed, in_a_row=5)
        file.write_bytes(max(home.checkpoints.glob("*.safetensors")).read_bytes())
    corner = result.corner
    return None if corner is None else {"corner": [corner.name, corner.from_m, corner.to_m], "steps": result.agent_steps}


def _in_its_loop(file: Path, kind: str, track: str, seed: int) -> dict[str, Any] | None:
    import torch
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

    from hitl.demo.stall import mastered, stalled_corner
    from hitl.games.driving_env import DrivingEnv

    torch.set_num_threads(1)
    track_of, judge = DrivingEnv(track).track, Judge(track)
    corners = track_of.corners or judge.corners
    found: list[list[Any]] = []
    place: list[dict[str, Any]] = []
    algorithm, _, other = kind.partition("_")
    env: Any = DummyVecEnv([lambda: DrivingEnv(track)])
    if other:
        env = VecNormalize(env, norm_reward=False)
    layers = {"net_arch": [128, 128, 64], "activation_fn": torch.nn.Tanh} if other else {}

    def act(seen: np.ndarray, metres: np.ndarray) -> np.ndarray:
        return np.asarray(model.predict(env.normalize_obs(seen) if other else seen, deterministic=True)[0])

    class Watch(BaseCallback):
        def _on_step(self) -> bool:
            if self.num_timesteps % 1000:
                return True
            found.append([r.judge(corners) for r in judge(act)])
            self.model.save(file)
            if other:
                env.save(str(file.with_suffix(".pkl")))
            corner = stalled_corner(found, corners, track_of.line.length, 5)
            if corner is not None:
                place.append({"corner": [corner.name, corner.from_m, corner.to_m], "steps": self.num_timesteps})
            return corner is None and not mastered(found)

    model = kind_of(algorithm)("MlpPolicy", env, policy_kwargs=layers, seed=seed, device="cpu")
    model.learn(20_000, callback=Watch())
    return place[0] if place else None


def before_the_place(result: dict[str, Any]) -> tuple[str, str]:
    """Return passes and seconds in the corners that the agent could drive already: before the first help, and at the end."""
    found = []
    for corners in (result["corners"][0], result["corners"][-1]):
        known = [corners[name] for name in result["before_it"]]
        reached, passed = (sum(figures[k] for figures in known) for k in (0, 1))
        found.append(f"{passed} of {reached}, {sum(seconds or 0.0 for *_, seconds in known):.2f} s" if known else "none")
    return found[0], found[1]


def main() -> None:
    """Run both phases and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", default=AGENTS, help="ALGORITHM:TRACK:SEED, comma-separated")
    parser.add_argument("--arms", default=",".join(SHOWN))
    parser.add_argument("--steps", type=int, default=2500, help="driven steps an arm")
    parser.add_argument("--hold", type=int, default=5000, help="driven steps that the place is watched once it is passed")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--keep", type=Path, metavar="DIR")
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    folder = args.keep or Path(tempfile.mkdtemp(prefix="foreign-"))
    folder.mkdir(parents=True, exist_ok=True)
    agents = [(kind, track, int(seed)) for kind, track, seed in (name.split(":") for name in args.agents.split(","))]
    arms, results = args.arms.split(","), []
    with stopwatch() as watch, multiprocessing.get_context("spawn").Pool(args.jobs) as pool:
        places = pool.map(make, [(folder, *agent) for agent in agents], 1)
        for agent, place in zip(agents, places, strict=True):
            print(*agent, f"stands after {place['steps']:,} steps" if place else "never stalled", flush=True)
        stalled = [agent for agent, place in zip(agents, places, strict=True) if place]
        jobs = [(folder, *agent, arm, args.steps, args.hold) for agent in stalled for arm in arms]
        for result in pool.imap_unordered(run, jobs, 1):
            results.append(result)
            print(json.dumps({k: v for k, v in result.items() if k not in ("curve", "metres", "corners", "laps")}), flush=True)
            write_report(args.json, {"runs": results}, sorted({seed for *_, seed in stalled}), watch.seconds)
    rows = []
    for arm in arms:
        found = [r for r in results if r["arm"] == arm]
        if not found:
            continue
        reached = [r["steps_to_90"] if r["steps_to_90"] is not None else math.inf for r in found]
        held = [r["held"] for r in found if r["held"] is not None]
        spread = ", ".join(f"{s:,}" if s < math.inf else "never" for s in reached)
        middle = f"{median(reached):,.0f}" if median(reached) < math.inf else f"> {args.steps:,}"
        seconds = f"{median(r['human_seconds'] for r in found):.0f}"
        rows.append((arm, middle, spread, f"{fmean(held):.0%}" if held else "–", seconds))
    print_table("Steps until 18 of 20 pass where the agent stood", ("arm", "median", "agents", "held", "human s"), rows)
    rest = [(r["agent"], r["arm"], *before_the_place(r), r["laps"][-1][0]) for r in results]
    print_table("The corners before it, and laps of 20 at the end", ("agent", "arm", "before", "after", "laps"), rest)


if __name__ == "__main__":
    main()
