"""An agent that people have already: freed from its stall beside ours, or by what they would do instead.

    python benchmarks/foreign.py [--agents sac:default:0,...] [--arms beside,cloned,continue] [--steps 2500] [--json FILE]

Phase 1 trains an agent of Stable-Baselines3 or sb3-contrib in its own loop, with its own defaults, on our environment until it
stalls by the rule of `hitl stall` (five evaluations in a row without a pass of the place that it reaches; 20,000 steps at most).
Phase 2 goes on from its archive, and a `good` player helps at that place for 60 s at most:

- ``beside``: ours, as `hitl play --agent` and `hitl train` do it. The agent drives eight times alone before the first help.
- ``cloned``: the takeovers are cloned into the agent's own actor, half of each batch of 256 takeovers and half its own drives.
- ``continue``: its own trainer goes on for as many steps.

All are evaluated by the same twenty drives. ``--keep DIR`` keeps the agents, and takes those that are there.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np
from common import print_table, stopwatch, write_report

EPISODES, ENOUGH, HELP_S, ALONE = 20, 18, 60.0, 8
EVALUATE_EVERY, WATCH_EVERY = 250, 500  # driven steps, before and after the first pass
AGENTS = "tqc:default:0,tqc:default:1,tqc:esses:0,sac:default:0,sac:esses:0"
ARMS = ("beside", "cloned", "continue")


def kind_of(name: str) -> Any:
    """Return the class of an algorithm."""
    from sb3_contrib import TQC
    from stable_baselines3 import SAC

    return {"tqc": TQC, "sac": SAC}[name]


class Judge:
    """Twenty drives without noise, from starts that no other evaluation has had."""

    def __init__(self, track: str) -> None:
        from hitl.games.driving_env import DrivingEnv

        self.envs = [DrivingEnv(track) for _ in range(EPISODES)]
        self.track = self.envs[0].track
        self._count = 0

    def __call__(self, act: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> list[Any]:
        """Drive. ``act``: observations (B, O) and metres (B,) to actions (B, A)."""
        from hitl.protocols import EpisodeResult

        first = 3_000_000 + 1000 * self._count
        self._count += 1
        seen = np.stack([env.reset(seed=first + k)[0] for k, env in enumerate(self.envs)])
        results = [EpisodeResult("evaluation") for _ in self.envs]
        metres, driving = np.zeros(len(self.envs)), list(range(len(self.envs)))
        while driving:
            still = []
            for k, action in zip(driving, act(seen[driving], metres[driving]), strict=True):
                seen[k], reward, terminated, truncated, info = self.envs[k].step(action)
                result, metres[k] = results[k], info["progress"]
                result.total, result.steps = result.total + reward, result.steps + 1
                result.progress = max(result.progress, metres[k])
                if terminated or truncated:
                    result.reason = info["reason"]
                else:
                    still.append(k)
            driving = still
        return results


def alone(model: Any) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Return how a model of Stable-Baselines3 drives."""
    return lambda seen, metres: np.asarray(model.predict(seen, deterministic=True)[0])


def make(job: tuple[Path, str, str, int]) -> dict[str, Any] | None:
    """Phase 1: an agent in its own loop; returns where it stalled, None where it did not."""
    import torch
    from stable_baselines3.common.callbacks import BaseCallback

    from hitl.demo.stall import mastered, stalled_corner
    from hitl.games.driving_env import DrivingEnv
    from hitl.road.corners import corners_from_curvature

    folder, kind, track, seed = job
    archive = folder / f"{kind}-{track}-{seed}"
    noted = archive.with_suffix(".json")
    if noted.is_file():
        known: dict[str, Any] | None = json.loads(noted.read_text())
        return known
    torch.set_num_threads(1)
    env, judge = DrivingEnv(track), Judge(track)
    corners = env.track.corners or tuple(corners_from_curvature(env.track.line))
    found: list[list[Any]] = []
    place: list[dict[str, Any]] = []

    class Watch(BaseCallback):
        def _on_step(self) -> bool:
            if self.num_timesteps % 1000:
                return True
            found.append([r.judge(corners) for r in judge(alone(self.model))])
            self.model.save(archive)
            corner = stalled_corner(found, corners, env.track.line.length, 5)
            if corner is not None:
                place.append({"corner": [corner.name, corner.from_m, corner.to_m], "steps": self.num_timesteps})
            return corner is None and not mastered(found)

    kind_of(kind)("MlpPolicy", env, seed=seed, device="cpu").learn(20_000, callback=Watch())
    noted.write_text(json.dumps(place[0] if place else None))
    return place[0] if place else None


class Curve:
    """What evaluations find, until the place is passed and for a while after."""

    def __init__(self, place: dict[str, Any], steps: int, hold: int) -> None:
        self.to_m, self._steps, self._hold = place["corner"][2], steps, hold
        self.points: list[tuple[int, int]] = []  # driven steps, passes
        self.reached: int | None = None
        self.farthest: list[float] = []

    def goes_on(self, steps: int) -> bool:
        """Whether there is more to drive."""
        return steps < self._steps if self.reached is None else steps < self.reached + self._hold

    def due(self, steps: int) -> bool:
        """Whether it is time for an evaluation."""
        every = EVALUATE_EVERY if self.reached is None else WATCH_EVERY
        return not self.points or steps >= self.points[-1][0] + every

    def add(self, steps: int, results: list[Any]) -> None:
        """Take up an evaluation."""
        passes = int(sum(r.progress >= self.to_m for r in results))
        self.points.append((steps, passes))
        self.farthest.append(float(fmean(r.progress for r in results)))
        if self.reached is None and passes >= ENOUGH:
            self.reached = steps

    def as_dict(self) -> dict[str, Any]:
        """Return the figures."""
        after = [p / EPISODES for steps, p in self.points if self.reached is not None and steps > self.reached]
        held = fmean(after) if after else None
        return {"steps_to_90": self.reached, "held": held, "metres": self.farthest, "curve": self.points}


def helped(job: tuple[Path, str, str, int, str, int, int]) -> dict[str, Any]:
    """Phase 2 with takeovers: ``beside`` or ``cloned``."""
    import torch

    from data.records import HUMAN, Corner
    from hitl.agents.opening import open_agent
    from hitl.agents.policy import ForeignPolicy
    from hitl.drivers.human import scripted_human
    from hitl.drivers.scripted import HelpRule
    from hitl.home import Home
    from hitl.session.lockstep import Lockstep
    from hitl.session_options import SessionOptions
    from hitl.settings import AgentSettings
    from trainer.presets import PRESETS

    folder, kind, track, seed, arm, steps, hold = job
    archive = folder / f"{kind}-{track}-{seed}.zip"
    place = json.loads(archive.with_suffix(".json").read_text())
    corner, curve, judge = Corner(*place["corner"]), Curve(place, steps, hold), Judge(track)
    beside = arm == "beside"
    settings: dict[str, Any] = {"utd": 1.0} if beside else {"utd": 1e-4, "lap_utd": 0.0, "hidden": 16}
    config = PRESETS["hitl"].with_values(warmup_steps=0, seed=seed, frozen_agent=beside, **settings)
    model = kind_of(kind).load(archive, device="cpu")
    optimiser, rng = torch.optim.Adam(model.actor.parameters(), lr=3e-4), np.random.default_rng(seed)

    class Own:
        """The archive's own network, which ``cloned`` changes."""

        def act(self, observation: np.ndarray, deterministic: bool) -> np.ndarray:
            return np.asarray(model.predict(observation, deterministic=True)[0], np.float32)

        def begin_episode(self) -> None: ...

        def stepped(self, executed: np.ndarray) -> None: ...

    with tempfile.TemporaryDirectory() as fresh:
        home = Home(Path(fresh) / "home")
        with Lockstep(home, SessionOptions(track=track, kind="demo", seed=seed), config, frozen=Own()) as run:
            names = run.rig.observation_names, run.rig.action_names
            if beside:  # the product's own door
                agent = open_agent(AgentSettings(use=str(archive)), home, *names)
                run.policy.frozen = ForeignPolicy(agent, len(names[0]))
            for k in range(ALONE):
                run.drive(10_000 * (seed + 1) + k)
            before, episode, human = run.steps, ALONE, 0
            rule = HelpRule(corners=frozenset({corner.name}), danger=False, patient=True)
            corners = (corner, *run.rig.corners)
            run.rig.session.human = scripted_human(
                run.rig.track, "good", rule, seed=seed + 7, corners=corners, limit_s=HELP_S, hz=20.0
            )
            table = run.replay.table

            def act(seen: np.ndarray, metres: np.ndarray) -> np.ndarray:
                theirs = alone(model)(seen, metres)
                inside = [any(low <= m <= high for low, high in run.policy.zones) for m in metres]
                ours = run.policy.actor.act(torch.from_numpy(seen), True).numpy()
                return np.where(np.array(inside)[:, None], ours, theirs)

            while curve.goes_on(run.steps - before):
                if curve.due(run.steps - before):
                    curve.add(run.steps - before, judge(act if beside else alone(model)))
                result = run.drive(10_000 * (seed + 1) + episode)
                episode, human = episode + 1, human + result.human_steps
                rows = np.concatenate([e.rows for e in run.replay._episodes.values()])
                shown, own = rows[table.driver[rows] == HUMAN], rows[table.driver[rows] != HUMAN]
                for _ in range(0 if beside or len(shown) < 20 else result.steps):
                    drawn = np.concatenate((rng.choice(shown, 128), rng.choice(own, 128)))
                    seen, did = (torch.from_numpy(table.array[drawn, p].copy()) for p in (slice(table.numbers), table.action))
                    optimiser.zero_grad()
                    (model.actor(seen, deterministic=True) - did).square().mean().backward()
                    optimiser.step()
    return {"agent": f"{kind}:{track}:{seed}", "arm": arm, "human_seconds": human / 20.0, **curve.as_dict()}


def continued(job: tuple[Path, str, str, int, str, int, int]) -> dict[str, Any]:
    """Phase 2 without help: its own trainer, with a new memory, for an archive holds none."""
    from hitl.games.driving_env import DrivingEnv

    folder, kind, track, seed, arm, steps, hold = job
    archive = folder / f"{kind}-{track}-{seed}.zip"
    curve, judge = Curve(json.loads(archive.with_suffix(".json").read_text()), steps, hold), Judge(track)
    model = kind_of(kind).load(archive, device="cpu", env=DrivingEnv(track))
    model.learning_starts, driven = 500, 0
    curve.add(0, judge(alone(model)))
    while curve.goes_on(driven):
        model.learn(EVALUATE_EVERY, reset_num_timesteps=False)
        driven += EVALUATE_EVERY
        curve.add(driven, judge(alone(model)))
    return {"agent": f"{kind}:{track}:{seed}", "arm": arm, "human_seconds": 0.0, **curve.as_dict()}


def run(job: tuple[Path, str, str, int, str, int, int]) -> dict[str, Any]:
    """One arm from one agent."""
    import torch

    torch.set_num_threads(1)
    return (continued if job[4] == "continue" else helped)(job)


def main() -> None:
    """Run both phases and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", default=AGENTS, help="ALGORITHM:TRACK:SEED, comma-separated")
    parser.add_argument("--arms", default=",".join(ARMS))
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
            print(json.dumps({k: v for k, v in result.items() if k not in ("curve", "metres")}), flush=True)
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


if __name__ == "__main__":
    main()
