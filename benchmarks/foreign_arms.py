"""The ways to free an agent that people have already, and what their drives are measured by (`foreign.py`)."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np

EPISODES, ENOUGH, HELP_S, ALONE = 20, 18, 60.0, 8
EVALUATE_EVERY, WATCH_EVERY = 250, 1000  # driven steps, before and after the first pass
TAUGHT_STEPS = 3000  # that an agent which teaches may drive alone before the first help
ARMS: dict[str, dict[str, Any]] = {
    "beside": {"utd": 1.0},
    "beside_q": {"utd": 1.0, "q_weight": 0.05},
    "taught": {"utd": 1.0, "frozen_teaches": True},
    "taught_tried": {"utd": 1.0, "frozen_teaches": True},
    "past_seen": {"utd": 1.0, "frozen_teaches": True, "past_action_dropout": 0.0},
    "taught_q": {"utd": 1.0, "frozen_teaches": True, "q_after_laps": 1.0, "q_warmup_updates": 3000},
    "cloned": {"utd": 1e-4, "lap_utd": 0.0, "hidden": 16},
}
"""Changes to the preset; ``cloned`` uses what is recorded, and not the learner."""
TRIED = frozenset({"taught_tried", "past_seen"})
"""Arms in which new weights must pass a trial before they drive, as with `hitl train`."""
Job = tuple[Path, str, str, int, str, int, int]
"""Folder, kind, track, seed, arm, steps, hold."""
Act = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Observations (B, O) and metres (B,) to actions (B, A)."""


def kind_of(name: str) -> Any:
    """Return the class of an algorithm."""
    from sb3_contrib import TQC
    from stable_baselines3 import SAC

    return {"tqc": TQC, "sac": SAC}[name]


def file_of(folder: Path, kind: str, track: str, seed: int) -> Path:
    """Return where an agent is kept; beside it, a ``.json`` says where it stalled."""
    return folder / f"{kind}-{track}-{seed}{'.safetensors' if kind == 'hitl' else '.zip'}"


class Judge:
    """Twenty drives without noise, from starts that no other evaluation has had."""

    def __init__(self, track: str) -> None:
        from hitl.games.driving_env import DrivingEnv
        from hitl.road.corners import corners_from_curvature

        self.envs = [DrivingEnv(track) for _ in range(EPISODES)]
        self.track = self.envs[0].track
        self.corners = tuple(corners_from_curvature(self.track.line))
        self.traces: list[np.ndarray] = []
        """Of each drive of the last evaluation, the metres after each step."""
        self._count = 0

    def __call__(self, act: Act) -> list[Any]:
        """Drive."""
        from hitl.protocols import EpisodeResult

        first = 3_000_000 + 1000 * self._count
        self._count += 1
        seen = np.stack([env.reset(seed=first + k)[0] for k, env in enumerate(self.envs)])
        results = [EpisodeResult("evaluation") for _ in self.envs]
        traces: list[list[float]] = [[] for _ in self.envs]
        metres, driving = np.zeros(len(self.envs)), list(range(len(self.envs)))
        while driving:
            still = []
            for k, action in zip(driving, act(seen[driving], metres[driving]), strict=True):
                seen[k], reward, terminated, truncated, info = self.envs[k].step(action)
                result, metres[k] = results[k], info["progress"]
                result.total, result.steps = result.total + reward, result.steps + 1
                result.progress = max(result.progress, metres[k])
                traces[k].append(result.progress)
                if terminated or truncated:
                    result.reason = info["reason"]
                else:
                    still.append(k)
            driving = still
        self.traces = [np.array(trace) for trace in traces]
        return results

    def by_corner(self) -> dict[str, tuple[int, int, float | None]]:
        """Return, for each corner of the last evaluation: drives that reached it, that passed it, their median seconds in it."""
        found: dict[str, tuple[int, int, float | None]] = {}
        for corner in self.corners:
            reached = [trace for trace in self.traces if len(trace) and trace[-1] >= corner.from_m]
            passed = [trace for trace in reached if trace[-1] >= corner.to_m]
            seconds = [float(np.diff(np.searchsorted(t, (corner.from_m, corner.to_m)))[0]) / 20.0 for t in passed]
            found[corner.name] = len(reached), len(passed), median(seconds) if seconds else None
        return found


class Curve:
    """What evaluations find, until the place is passed and for a while after."""

    def __init__(self, place: dict[str, Any], steps: int, hold: int) -> None:
        _, self._from_m, self.to_m = place["corner"]
        self._steps, self._hold = steps, hold
        self.points: list[tuple[int, int]] = []  # driven steps, passes
        self.reached: int | None = None
        self.farthest: list[float] = []
        self.laps: list[tuple[int, float | None]] = []  # finishes, and their median seconds
        self.corners: list[dict[str, tuple[int, int, float | None]]] = []

    def goes_on(self, steps: int) -> bool:
        """Whether there is more to drive."""
        return steps < self._steps if self.reached is None else steps < self.reached + self._hold

    def due(self, steps: int) -> bool:
        """Whether it is time for an evaluation."""
        every = EVALUATE_EVERY if self.reached is None else WATCH_EVERY
        return not self.points or steps >= self.points[-1][0] + every

    def add(self, steps: int, judge: Judge, act: Act) -> None:
        """Take up an evaluation."""
        results = judge(act)
        passes = int(sum(r.progress >= self.to_m for r in results))
        self.points.append((steps, passes))
        self.farthest.append(float(fmean(r.progress for r in results)))
        finished = [r.steps / 20.0 for r in results if r.reason == "finish"]
        self.laps.append((len(finished), median(finished) if finished else None))
        self.corners.append(judge.by_corner())
        if self.reached is None and passes >= ENOUGH:
            self.reached = steps

    def as_dict(self, judge: Judge) -> dict[str, Any]:
        """Return the figures. ``judge``: that made the evaluations."""
        after = [p / EPISODES for steps, p in self.points if self.reached is not None and steps > self.reached]
        return {
            "steps_to_90": self.reached, "held": fmean(after) if after else None, "metres": self.farthest,
            "curve": self.points, "laps": self.laps, "corners": self.corners,
            "before_it": [corner.name for corner in judge.corners if corner.to_m <= self._from_m],
        }  # fmt: skip


def run(job: Job) -> dict[str, Any]:
    """One arm from one agent."""
    import torch

    torch.set_num_threads(1)
    return (continued if job[4] == "continue" else helped)(job)


def helped(job: Job) -> dict[str, Any]:
    """Phase 2 with takeovers: ``beside``, ``taught`` or ``cloned``."""
    import torch

    from data.records import HUMAN, Corner
    from hitl.agents.actions import Continuous
    from hitl.agents.export.programs import driving_module
    from hitl.agents.formats.checkpoint import CheckpointNetwork
    from hitl.agents.opening import open_agent
    from hitl.agents.policy import ForeignPolicy
    from hitl.drivers.human import scripted_human
    from hitl.drivers.scripted import HelpRule
    from hitl.games.driving_env import DrivingEnv
    from hitl.home import Home
    from hitl.session.lockstep import Lockstep
    from hitl.session_options import SessionOptions
    from hitl.settings import AgentSettings
    from trainer.presets import PRESETS

    folder, kind, track, seed, arm, steps, hold = job
    file = file_of(folder, kind, track, seed)
    place = json.loads(file.with_suffix(".json").read_text())
    corner, curve, judge, cloned = Corner(*place["corner"]), Curve(place, steps, hold), Judge(track), arm == "cloned"
    config = PRESETS["hitl"].with_values(warmup_steps=0, seed=seed, frozen_agent=not cloned, **ARMS[arm])
    game, statistics = DrivingEnv(track), file.with_suffix(".pkl")
    with tempfile.TemporaryDirectory() as fresh:
        home = Home(Path(fresh) / "home")
        wanted = AgentSettings(use=str(file), normalize=str(statistics) if statistics.is_file() else "")
        agent = open_agent(wanted, home, game.observation_names, game.action_names)
        network = agent.network
        student = driving_module(network.actor) if isinstance(network, CheckpointNetwork) else network.module  # type: ignore[attr-defined]
        student.requires_grad_(cloned)
        to_outputs = agent.actions
        assert isinstance(to_outputs, Continuous)
        optimiser, rng = torch.optim.Adam(student.parameters(), lr=3e-4), np.random.default_rng(seed)

        class Own:
            """The agent's own network, which ``cloned`` changes."""

            def act(self, observation: np.ndarray, deterministic: bool) -> np.ndarray:
                return own(observation[None], np.zeros(1))[0]

            def begin_episode(self) -> None: ...

            def stepped(self, executed: np.ndarray) -> None: ...

        def own(seen: np.ndarray, metres: np.ndarray) -> np.ndarray:
            with torch.no_grad():
                return agent.actions(student(torch.from_numpy(agent.shown.many(seen))).numpy())

        frozen = Own() if cloned else ForeignPolicy(agent, len(game.observation_names))
        options = SessionOptions(track=track, kind="demo", seed=seed)
        with Lockstep(home, options, config, frozen=frozen, teacher=agent.follow, proves=arm in TRIED) as run:
            table, alone = run.replay.table, 0

            def act(seen: np.ndarray, metres: np.ndarray) -> np.ndarray:
                inside = [any(low <= m <= high for low, high in run.policy.zones) for m in metres]
                ours = run.policy.actor.act(torch.from_numpy(seen), True).numpy()
                return np.where(np.array(inside)[:, None], ours, agent.act_many(seen))

            act = own if cloned else act
            while alone < ALONE or (run.teaching.active and run.steps < TAUGHT_STEPS):
                run.drive(10_000 * (seed + 1) + alone)
                alone += 1
            before, episode, human = run.steps, alone, 0
            rule = HelpRule(corners=frozenset({corner.name}), danger=False, patient=True)
            corners = (corner, *run.rig.corners)
            run.rig.session.human = scripted_human(
                run.rig.track, "good", rule, seed=seed + 7, corners=corners, limit_s=HELP_S, hz=20.0
            )
            apart = run.teaching.apart
            while curve.goes_on(run.steps - before):
                if curve.due(run.steps - before):
                    curve.add(run.steps - before, judge, act)
                result = run.drive(10_000 * (seed + 1) + episode)
                episode, human = episode + 1, human + result.human_steps
                rows = np.concatenate([e.rows for e in run.replay._episodes.values()])
                shown, others = rows[table.driver[rows] == HUMAN], rows[table.driver[rows] != HUMAN]
                for _ in range(0 if not cloned or len(shown) < 20 else result.steps):
                    drawn = np.concatenate((rng.choice(shown, 128), rng.choice(others, 128)))
                    seen, did = (table.array[drawn, part].copy() for part in (table.columns.observation, table.columns.action))
                    answer = student(torch.from_numpy(agent.shown.many(seen)))
                    optimiser.zero_grad()
                    (answer - torch.from_numpy(to_outputs.wanted(did))).square().mean().backward()
                    optimiser.step()
    found = {"agent": f"{kind}:{track}:{seed}", "arm": arm, "human_seconds": human / 20.0, "alone_steps": before}
    return found | {"apart": apart, **curve.as_dict(judge)}


def continued(job: Job) -> dict[str, Any]:
    """Phase 2 without help: its own trainer, with a new memory, for an archive holds none."""
    folder, kind, track, seed, arm, steps, hold = job
    file = file_of(folder, kind, track, seed)
    curve, judge, driven = Curve(json.loads(file.with_suffix(".json").read_text()), steps, hold), Judge(track), 0
    with tempfile.TemporaryDirectory() as fresh:
        go_on, act, close = (_ours if kind == "hitl" else _theirs)(file, kind, track, seed, Path(fresh))
        curve.add(0, judge, act)
        while curve.goes_on(driven):
            driven = go_on(driven)
            if curve.due(driven):
                curve.add(driven, judge, act)
        close()
    found = {"agent": f"{kind}:{track}:{seed}", "arm": arm, "human_seconds": 0.0, "alone_steps": 0}
    return found | {"apart": None, **curve.as_dict(judge)}


GoOn = tuple[Callable[[int], int], Act, Callable[[], None]]


def _theirs(file: Path, kind: str, track: str, seed: int, fresh: Path) -> GoOn:
    from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

    from hitl.games.driving_env import DrivingEnv

    env: Any = DummyVecEnv([lambda: DrivingEnv(track)])
    if (statistics := file.with_suffix(".pkl")).is_file():
        env = VecNormalize.load(str(statistics), env)
    model = kind_of(kind.partition("_")[0]).load(file, device="cpu", env=env)
    model.learning_starts = 500

    def go_on(driven: int) -> int:
        model.learn(EVALUATE_EVERY, reset_num_timesteps=False)
        return driven + EVALUATE_EVERY

    def act(seen: np.ndarray, metres: np.ndarray) -> np.ndarray:
        return np.asarray(model.predict(env.normalize_obs(seen) if statistics.is_file() else seen, deterministic=True)[0])

    return go_on, act, lambda: None


def _ours(file: Path, kind: str, track: str, seed: int, fresh: Path) -> GoOn:
    import torch

    from hitl.demo.stall import RECIPE
    from hitl.home import Home
    from hitl.session.lockstep import Lockstep
    from hitl.session_options import SessionOptions
    from trainer.presets import PRESETS

    config = PRESETS["hitl"].with_values(**{**RECIPE, "warmup_steps": 500}, seed=seed)
    run = Lockstep(Home(fresh / "home"), SessionOptions(track=track, kind="stall", seed=seed, greedy_every=0), config, init=file)

    def go_on(driven: int) -> int:
        run.drive(20_000 * (seed + 1) + driven)
        return run.steps

    return go_on, lambda seen, metres: run.policy.actor.act(torch.from_numpy(seen), True).numpy(), run.close
