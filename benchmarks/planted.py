"""Small runs with one planted fault, or none: a home folder each, with drives, laps, metrics and a checkpoint.

Game, observation, reward, replay and learner are the real ones, and a fault sits where it would sit in a real run: in the
interface through which the game is seen or paid, in what the recorder writes down, in the memory, in the learner; then the run is
driven, recorded and trained with it. Nothing is changed afterwards. What cannot be trained in is said beside its fault in
``planted_faults``. One thing stands in: what drives as the agent is the scripted driver with noise on its actions, so that a run
takes seconds and not an hour. The learner learns from its steps.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from data.reading.episodes import EpisodeData, EpisodeWriter, SegmentData
from data.records import AGENT, HUMAN, SessionInfo
from data.store import Store
from hitl.drivers.scripted import ScriptedDriver, Skill
from hitl.games.driving_env import DrivingEnv
from hitl.road.track import Track, load_track
from hitl.task.driving_task import DrivingTask, TaskSettings
from trainer.checkpoints.files import save
from trainer.checkpoints.meta import CheckpointMeta
from trainer.config import BARE, TrainConfig
from trainer.learner.tqc import TQC
from trainer.replay.batch import Batch
from trainer.replay.from_arrays import finished_episode
from trainer.replay.replay import Replay

TRACKS = ("default", "chicane", "decreasing")
LAPS, DRIVES = 3, 12
ROW = 10
"""Updates between two rows of metrics."""
CONFIG = BARE.with_values(
    hidden=48, batch_size=128, utd=0.25, warmup_steps=0, metrics_every=ROW, bc_weight=1.0, grad_clip_actor=10.0,
    grad_clip_critic=10.0,
)  # fmt: skip
Interface = Callable[[DrivingEnv], Any]


@dataclass
class Plan:
    """How a run is made; a fault changes one thing."""

    config: TrainConfig = CONFIG
    task: Callable[[TaskSettings], TaskSettings] = lambda t: t
    """What is seen and paid, by settings that the run states."""
    interface: Interface = lambda env: env
    """Through which the game is seen, whoever drives."""
    lap_task: Callable[[TaskSettings], TaskSettings] | None = None
    """Settings of the time when the laps were recorded, which nobody wrote down; None: as today."""
    label: Callable[[np.ndarray], np.ndarray] = lambda action: action
    """What was written down as a lap's action when the game received ``action``."""
    begin: Callable[[TQC], None] = lambda learner: None
    batch: Callable[[TQC, Batch], None] = lambda learner, batch: None
    after: Callable[[TQC], None] = lambda learner: None
    pace: float = 1.0
    """Share of the updates owed that this trainer gets done."""
    ends: bool = True
    """Whether the end of an episode is one for the learner, or taken for a time limit."""
    memory: int | None = None
    """Rows of a memory that is first in, first out for everything, as the old trainer's; it writes a history, and no store."""
    skill: Skill | None = None
    """Of the agent; the human's is the scripted driver's own."""
    noise: float = 0.15
    worse: float = 0.0
    """Noise that the agent has gained by the end."""
    evaluations: int = 10
    mid_episode: bool = False
    """New weights are taken in the middle of an episode, as soon as they are there."""
    drives: int = DRIVES
    track: str = ""
    """Where it is one; empty: anywhere."""


class Fifo(Replay):
    """The memory of the old trainer: laps are steps as all others, and the oldest step gives way to the newest."""

    limit = 0

    def add(self, new: Any) -> int:
        """Take in steps, whoever drove them, and let go of the oldest."""
        new.segments = {}
        new.episodes = {i: replace(e, purpose="drive") for i, e in new.episodes.items()}
        count = super().add(new)
        leaves = np.zeros(len(self.table), bool)
        leaves[self.online.rows[: max(0, self.online.count - self.limit)]] = True
        self.online.drop(leaves)
        return count


class Run:
    """One run in the making."""

    def __init__(self, root: Path, plan: Plan, seed: int, road: Track) -> None:
        self.root, self.plan, self.seed, self.road = root, plan, seed, road
        self.settings = TaskSettings(reward=DrivingTask(road).reward.settings)
        self.base = DrivingEnv(road, plan.task(self.settings))
        self.env = plan.interface(self.base)
        self.names = (*self.base.task.observer.names, *(f"pending_{n}" for n in self.base.game.action_names))
        self.actions = self.base.game.action_names
        self.config = plan.config.with_values(seed=seed)
        sizes = len(self.names), len(self.actions)
        self.learner, self.replay = TQC(*sizes, self.config), (Fifo if plan.memory else Replay)(*sizes, self.config)
        if isinstance(self.replay, Fifo):
            self.replay.limit = plan.memory or 0
        plan.begin(self.learner)
        self.generator = torch.Generator().manual_seed(seed)
        self.returns: dict[str, float] = {}
        self.rows: list[dict[str, float]] = []
        self.newest = -1
        self.count = 0

    def make(self) -> None:
        """Drive, write down and train, as planned."""
        plan = self.plan
        human = ScriptedDriver(self.road, seed=self.seed)
        agent = ScriptedDriver(self.road, plan.skill, seed=self.seed + 1)
        with Store(self.root / "store.sqlite") as self.store:
            for corner in self.road.corners:
                self.store.upsert_corner(self.road.name, corner.name, corner.from_m, corner.to_m, "track")
            self._laps(human)
            self.session = self._session("play")
            self.checkpoint()
            for k in range(plan.drives):
                noise = plan.noise + plan.worse * k / plan.drives
                data = self.drive(self.env, agent, noise, 1000 * self.seed + 100 + k, "drive")
                self.keep(data, self.session)
                self.returns.update(return_train=float(data.reward.sum()), episode_length_train=float(len(data)))
                self.learn(0.5 if plan.mid_episode else 1.0)
                self.checkpoint()
                every = 6 if plan.evaluations >= 10 else 4
                if plan.evaluations and k % every == every - 1:
                    self._evaluate(agent, 500_000 + 1000 * self.seed + 50 * k)
            self.store.end_session(self.session)
        self.base.close()
        if plan.memory:
            self._export()

    def _session(self, kind: str) -> int:
        reward = self.base.task.reward.settings.as_dict() if kind == "play" else {}
        return self.store.start_session(
            SessionInfo(kind=kind, env="box2d", track=self.road.name, hz=20.0, observation_names=self.names,
                        action_names=self.actions, reward=reward)
        )  # fmt: skip

    def _laps(self, human: ScriptedDriver) -> None:
        """Drive the laps: in the run's own interface, or as they were recorded by the settings of another day."""
        old = self.plan.lap_task
        env = DrivingEnv(self.road, old(self.settings)) if old else self.env
        session = self._session("import" if old else "play")
        for k in range(LAPS):
            self.keep(self.drive(env, human, 0.0, 1000 * self.seed + k, "lap"), session)
        self.store.end_session(session)
        if old:
            env.close()

    def _evaluate(self, agent: ScriptedDriver, seed: int) -> None:
        for j in range(self.plan.evaluations):
            data = self.drive(self.env, agent, 0.5 * self.plan.noise, seed + j, "evaluation")
            self.keep(data, self.session)
            self.returns["return_test"] = float(data.reward.sum())

    def drive(self, env: Any, driver: ScriptedDriver, noise: float, seed: int, purpose: str) -> EpisodeData:
        """Drive one episode and return it as it is written down."""
        rng = np.random.default_rng(seed)
        observation, info = env.reset(seed=seed)
        driver.begin()
        seen, done, weights = [observation], [], []
        paid: list[float] = []
        columns: dict[str, list[float]] = {k: [] for k in ("progress", "x", "y", "heading", "speed")}
        push, using, lap = np.zeros(2), self.newest, purpose == "lap"
        while True:
            state = info["state"]
            columns["progress"].append(info["progress"])
            for name in ("x", "y", "heading", "speed"):
                columns[name].append(getattr(state, name))
            if self.plan.mid_episode and purpose == "drive" and len(paid) == 80:
                self.learn(1.0)
                self.checkpoint()
                using = self.newest
            push = 0.8 * push + 0.6 * noise * rng.standard_normal(2)
            action = np.clip(driver.act(state, info["place"]) + push, -1, 1).astype(np.float32)
            observation, reward, terminated, truncated, info = env.step(action)
            seen.append(observation)
            done.append(self.plan.label(action) if lap else action)
            paid.append(reward)
            weights.append(using)
            if terminated or truncated:
                break
        n = len(paid)
        return EpisodeData(
            observation=np.stack(seen[:n]), executed=np.stack(done), reward=np.array(paid),
            driver=np.full(n, HUMAN if lap else AGENT, np.uint8),
            terminated=np.arange(n) == (n - 1 if terminated else n), truncated=np.arange(n) == (n - 1 if truncated else n),
            columns={k: np.array(v) for k, v in columns.items()}, last_observation=seen[n], purpose=purpose,
            end="terminated" if terminated else "truncated", reason=info["reason"],
            segments=[SegmentData("lap", 0, n)] if lap else [], checkpoint_id=None if lap else np.array(weights),
        )  # fmt: skip

    def keep(self, data: EpisodeData, session: int) -> None:
        """Write an episode down, and give it to the learner."""
        with EpisodeWriter(self.store.conn, session) as writer:
            id_ = writer.add(data)
        assert id_ is not None
        if data.checkpoint_id is not None:
            first = int(np.asarray(data.checkpoint_id)[0])
            self.store.conn.execute("UPDATE episodes SET checkpoint_id = ? WHERE id = ?", (first, id_))
        if data.purpose != "evaluation":
            whole = np.vstack([data.observation, data.last_observation[None]])  # type: ignore[index]
            ended = data.end == "terminated" and self.plan.ends
            driver = np.asarray(data.driver)
            self.replay.add(
                finished_episode(id_, whole, data.executed, data.reward, terminated=ended, purpose=data.purpose, driver=driver)
            )  # fmt: skip

    def learn(self, share: float) -> None:
        """Do a share of the updates that are owed."""
        learner, plan = self.learner, self.plan
        laps = LAPS if plan.memory else 0  # there they are steps as all others
        learner.env_steps = self.replay.online_steps
        owed = plan.pace * self.config.utd * self.replay.online_steps - learner.updates
        until = learner.updates + share * owed
        while learner.updates < until:
            for batch in self.replay.sample_many(ROW, self.config.batch_size, self.generator):
                if laps:
                    batch.demo = batch.human
                plan.batch(learner, batch)
                learner.update(batch)
                plan.after(learner)
            values = {**learner.metrics(), **self.returns, "memory_len": float(len(self.replay))}
            self.rows.append(values)
            self.store.add_metrics(learner.updates, values)

    def checkpoint(self) -> None:
        """Write the learner down; from then on this is the newest."""
        meta = CheckpointMeta.of(self.learner, self.names, self.actions)
        name, sha256 = save(self.root / "checkpoints", self.learner, meta)
        learner, told = self.learner, self.config.to_dict()
        self.newest = self.store.add_checkpoint(name, sha256, learner.updates, learner.env_steps, "train", told)

    def _export(self) -> None:
        """Write what the old trainer would leave behind."""
        c, times = self.config, self.config.times()
        config = {
            "MODEL": {"MEMORY_SIZE": self.plan.memory, "TRAINING_STEPS_PER_ROUND": ROW,
                      "MAX_TRAINING_STEPS_PER_ENVIRONMENT_STEP": c.utd},
            "ALG": {"GAMMA": times.gamma, "N_STEPS": times.n_step, "ALPHA": c.alpha, "GRAD_CLIP_CRITIC": c.grad_clip_critic,
                    "GRAD_CLIP_ACTOR": c.grad_clip_actor},
            "ENV": {},
        }  # fmt: skip
        (self.root / "config.json").write_text(json.dumps(config))
        (self.root / "history.jsonl").write_text("\n".join(json.dumps(row) for row in self.rows))


def make(root: Path, plan: Plan | None = None, seed: int = 0, track: str = "default") -> Path:
    """Make a run in an empty folder and return the folder."""
    torch.set_num_threads(1)
    root.mkdir(parents=True, exist_ok=True)
    Run(root, plan or Plan(), seed, load_track(track)).make()
    return root
