"""Small runs with one planted fault, or none: a home folder each, with drives, laps, metrics and a checkpoint.

The learner, its replay and its training are the real ones, and so are game, observation and reward. What drives as the agent is
the scripted driver with noise on its actions, so that a run takes seconds and not an hour; the learner learns from its steps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from data.episodes import EpisodeData, EpisodeWriter, SegmentData
from data.records import AGENT, HUMAN, SessionInfo
from data.store import Store
from hitl.env import DrivingEnv
from hitl.observation import ObservationSettings
from hitl.reward import RewardSettings
from hitl.scripted import ScriptedDriver, Skill
from hitl.task import DrivingTask, TaskSettings
from hitl.track import load_track
from trainer.batch import Batch
from trainer.checkpoint import CheckpointMeta, save
from trainer.config import TrainConfig
from trainer.episodes import finished_episode
from trainer.replay import Replay
from trainer.tqc import TQC

TRACKS = ("default", "chicane", "decreasing")
LAPS, DRIVES = 3, 12
CONFIG = TrainConfig(
    hidden=48, batch_size=128, utd=0.25, warmup_steps=0, metrics_every=10, bc_weight=1.0, grad_clip_actor=10.0,
    grad_clip_critic=10.0,
)  # fmt: skip


@dataclass
class Plan:
    """How a run is made; a fault changes one thing."""

    config: TrainConfig = CONFIG
    told: dict[str, Any] = field(default_factory=dict)
    """Settings that the store names though others are in force."""
    task: Callable[[TaskSettings], TaskSettings] = lambda t: t
    batch: Callable[[TQC, Batch], None] = lambda learner, batch: None
    after: Callable[[TQC], None] = lambda learner: None
    episode: Callable[[EpisodeData, tuple[str, ...]], None] = lambda data, names: None
    """Changes an episode before it is stored and learned from."""
    skill: Skill | None = None
    """Of the agent; the human's is the scripted driver's own."""
    noise: float = 0.15
    evaluations: int = 12
    checkpoints_in_episode: int = 1
    drives: int = DRIVES


def drive(env: DrivingEnv, driver: ScriptedDriver, noise: float, seed: int, purpose: str) -> EpisodeData:
    """Drive one episode and return it whole."""
    rng = np.random.default_rng(seed)
    observation, info = env.reset(seed=seed)
    driver.begin()
    seen, done, paid = [observation], [], []
    columns: dict[str, list[float]] = {k: [] for k in ("progress", "x", "y", "heading", "speed")}
    push = np.zeros(2)
    while True:
        state = info["state"]
        columns["progress"].append(info["progress"])
        for name in ("x", "y", "heading", "speed"):
            columns[name].append(getattr(state, name))
        push = 0.8 * push + 0.6 * noise * rng.standard_normal(2)
        action = np.clip(driver.act(state, info["place"]) + push, -1, 1).astype(np.float32)
        observation, reward, terminated, truncated, info = env.step(action)
        seen.append(observation)
        done.append(action)
        paid.append(reward)
        if terminated or truncated:
            break
    n = len(paid)
    lap = purpose == "lap"
    return EpisodeData(
        observation=np.stack(seen[:n]), executed=np.stack(done), reward=np.array(paid),
        driver=np.full(n, HUMAN if lap else AGENT, np.uint8),
        terminated=np.arange(n) == (n - 1 if terminated else n), truncated=np.arange(n) == (n - 1 if truncated else n),
        columns={k: np.array(v) for k, v in columns.items()}, last_observation=seen[n], purpose=purpose,
        end="terminated" if terminated else "truncated", reason=info["reason"],
        segments=[SegmentData("lap", 0, n)] if lap else [],
    )  # fmt: skip


def make(root: Path, plan: Plan | None = None, seed: int = 0, track: str = "default") -> Path:
    """Make a run in an empty folder and return the folder."""
    plan = plan or Plan()
    torch.set_num_threads(1)
    root.mkdir(parents=True, exist_ok=True)
    road = load_track(track)
    own = DrivingTask(road).reward.settings
    env = DrivingEnv(road, plan.task(TaskSettings(reward=own)))
    names = (*env.task.observer.names, *(f"pending_{n}" for n in env.game.action_names))
    actions = env.game.action_names
    config = plan.config.with_values(seed=seed)
    learner, replay = TQC(len(names), len(actions), config), Replay(len(names), len(actions), config)
    generator = torch.Generator().manual_seed(seed)
    human = ScriptedDriver(road, seed=seed)
    agent = ScriptedDriver(road, plan.skill, seed=seed + 1)
    told = {**config.to_dict(), **plan.told}
    with Store.open(root / "store.sqlite") as store:
        info = SessionInfo(
            kind="play", env="box2d", track=road.name, hz=20.0, observation_names=names, action_names=actions,
            reward={**env.task.reward.settings.as_dict(), **{k: v for k, v in plan.told.items() if k in own.as_dict()}},
        )  # fmt: skip
        session = store.start_session(info)
        for corner in road.corners:
            store.upsert_corner(road.name, corner.name, corner.from_m, corner.to_m, "track")

        def keep(data: EpisodeData) -> None:
            plan.episode(data, names)
            with EpisodeWriter(store.conn, session) as writer:
                id_ = writer.add(data)
            assert id_ is not None
            if data.checkpoint_id is not None:
                first = int(np.asarray(data.checkpoint_id)[0])
                store.conn.execute("UPDATE episodes SET checkpoint_id = ? WHERE id = ?", (first, id_))
            if data.purpose != "evaluation":
                whole = np.vstack([data.observation, data.last_observation[None]])  # type: ignore[index]
                ended = data.end == "terminated"
                replay.add(
                    finished_episode(id_, whole, data.executed, data.reward, terminated=ended, purpose=data.purpose)
                )

        def checkpoint() -> int:
            meta = CheckpointMeta.of(learner, names, actions)
            name, sha256 = save(root / "checkpoints", learner, replace(meta, config=told))
            return store.add_checkpoint(name, sha256, learner.updates, learner.env_steps, "train", told)

        for k in range(LAPS):
            keep(drive(env, human, 0.0, 1000 * seed + k, "lap"))
        ids = [checkpoint()]
        returns: dict[str, float] = {}
        for k in range(plan.drives):
            data = drive(env, agent, plan.noise, 1000 * seed + 100 + k, "drive")
            n = len(data)
            both = np.array([ids[-min(plan.checkpoints_in_episode, len(ids))], ids[-1]])
            data.checkpoint_id = both[np.minimum(2 * np.arange(n) // n, 1)]
            keep(data)
            returns.update(return_train=float(data.reward.sum()), episode_length_train=float(n))
            learner.env_steps = replay.online_steps
            while learner.updates < config.utd * replay.online_steps:
                for batch in replay.sample_many(10, config.batch_size, generator):
                    plan.batch(learner, batch)
                    learner.update(batch)
                    plan.after(learner)
                values = {**learner.metrics(), **returns, "memory_len": float(len(replay))}
                store.add_metrics(learner.updates, values)
            ids.append(checkpoint())
            if plan.evaluations and k % 4 == 3:
                for j in range(plan.evaluations):
                    data = drive(env, agent, 0.5 * plan.noise, 500_000 + 1000 * seed + 50 * k + j, "evaluation")
                    data.checkpoint_id = np.full(len(data), ids[-1])
                    keep(data)
                    returns["return_test"] = float(data.reward.sum())
        store.end_session(session)
    env.close()
    return root


def _policy_in_critic(learner: TQC, batch: Batch) -> None:
    """The fault of the reference run: the critic is regressed at Q(o, pi(o))."""
    batch.pair = torch.cat((batch.observation, learner.actor.act(batch.observation, False, learner.generator)), 1)


@torch.no_grad()
def _twins(learner: TQC) -> None:
    """Both critics the same: the same seed and the same steps."""
    for network in (learner.critics, learner.targets):
        for value in network.parameters():
            value[1] = value[0]


def _gamma_once(learner: TQC, batch: Batch) -> None:
    """n-step returns bootstrapped with gamma instead of its n-th power."""
    batch.discount = torch.where(batch.discount > 0, learner.config.gamma, 0.0)


Change = Callable[[EpisodeData, tuple[str, ...]], None]


def _seen(change: Callable[[np.ndarray, tuple[str, ...]], None], purpose: str = "") -> Change:
    """Return a change of all observations (n, O), in place; of one purpose's episodes, or of all."""

    def apply(data: EpisodeData, names: tuple[str, ...]) -> None:
        if purpose in ("", data.purpose):
            assert data.last_observation is not None
            whole = np.vstack([data.observation, data.last_observation[None]])
            change(whole, names)
            data.observation, data.last_observation = whole[:-1], whole[-1]

    return apply


def _clipped(seen: np.ndarray, names: tuple[str, ...]) -> None:
    i = names.index("forward_speed")
    seen[:, i] = np.clip(seen[:, i], 0.0, 0.5)


def _constant(seen: np.ndarray, names: tuple[str, ...]) -> None:
    seen[:, names.index("yaw_rate")] = 0.25


def _other_scale(seen: np.ndarray, names: tuple[str, ...]) -> None:
    seen[:, [i for i, n in enumerate(names) if n.startswith("ahead_")]] *= 0.5


def _cheap_laps(data: EpisodeData, names: tuple[str, ...]) -> None:
    if data.purpose == "lap":
        data.reward = 0.4 * data.reward


def _mirrored(data: EpisodeData, names: tuple[str, ...]) -> None:
    if data.purpose == "lap":
        data.executed = data.executed * np.array([1, -1], np.float32)


def _weak(data: EpisodeData, names: tuple[str, ...]) -> None:
    if data.purpose == "lap":
        data.executed = data.executed * np.array([1, 0.1], np.float32)


def _full_lock(data: EpisodeData, names: tuple[str, ...]) -> None:
    if data.purpose != "lap":
        data.executed = np.where(data.executed >= 0, 1.0, -1.0).astype(np.float32)


def _unpaid(data: EpisodeData, names: tuple[str, ...]) -> None:
    if data.reason == "finish":
        data.reward = data.reward.copy()
        data.reward[-1] -= 5.0


RASH = Skill(corner_grip=60.0, braking=40.0)  # brakes too late for the tightest corner, and for no other
C = CONFIG.with_values
FAULTS: dict[str, tuple[Plan, tuple[str, ...]]] = {
    # name: (how it is made, the findings that name it)
    "critic fed with the policy's action": (
        Plan(config=C(bc_weight=0.0), batch=_policy_in_critic),
        ("critic-ignores-actions",),
    ),
    "actor that does not learn": (Plan(config=C(lr_actor=1e-12, bc_weight=0.0)), ("uniform-policy",)),
    "identical twins": (Plan(after=_twins), ("twin-critics-identical",)),
    "gamma once for n steps": (Plan(config=C(n_step=5), batch=_gamma_once), ("discount-power",)),
    "temperature without end": (
        Plan(config=C(learn_alpha=True, lr_alpha=0.02, target_entropy=4.0, bc_weight=0.0)),
        ("temperature-runaway",),
    ),
    "targets clipped": (Plan(config=C(backup_clip=1.5)), ("targets-at-clip",)),
    "gradients clipped": (Plan(config=C(grad_clip_critic=0.001)), ("gradients-clipped",)),
    "trainer too slow": (Plan(told={"utd": 4.0}), ("update-ratio",)),
    "laps in one replay": (
        Plan(config=C(one_replay=True, demo_fraction=0.0)),
        ("batch-composition", "demo-share-drift"),
    ),
    "rewards of laps stale": (Plan(episode=_cheap_laps), ("demos-stale",)),
    "observations of laps stale": (Plan(episode=_seen(_other_scale, "lap")), ("demos-stale",)),
    "laps steered the other way": (Plan(episode=_mirrored), ("demo-units",)),
    "laps in other units": (Plan(episode=_weak), ("demo-units",)),
    "speed clipped": (Plan(episode=_seen(_clipped)), ("observation-clipped",)),
    "sensor that stands still": (Plan(episode=_seen(_constant)), ("observation-constant",)),
    "short look-ahead": (
        Plan(task=lambda t: replace(t, observation=ObservationSettings(horizon_m=6.0))),
        ("lookahead-short",),
    ),
    "nothing evaluated": (Plan(evaluations=0), ("evaluation-missing",)),
    "two evaluations each": (Plan(evaluations=2), ("evaluation-noisy",)),
    "weights swapped in mid-episode": (Plan(checkpoints_in_episode=2), ("weights-swapped",)),
    "finish not paid": (Plan(episode=_unpaid), ("finish-unpaid",)),
    "one corner too fast": (Plan(skill=RASH), ("failures-in-one-corner", "demos-uncovered")),
    "short horizon": (Plan(config=C(gamma=0.9)), ("horizon-short",)),
    "full lock always": (Plan(episode=_full_lock), ("actions-saturated",)),
    "speed bonus with a dip": (
        Plan(task=lambda t: replace(t, reward=replace(t.reward or RewardSettings(), speed_bonus=0.02))),
        ("crawl-optimum",),
    ),
}
"""Every fault that can be planted; the benchmark takes the first twenty."""
