"""The faults that the diagnosis is measured on, each with the plan that makes it and the findings that name it.

All but these are trained or recorded with the fault itself:

- *weights in mid-episode*: weights do change in mid-episode and are written down with each step, but the scripted driver, which
  stands in for the agent, does not drive by them.
- *worse while Q rises*: the critic is a single one without truncation; that the agent drives worse for it is acted (more noise).
- Not here at all, for no training makes them: a look-ahead counted in points of a foreign line, a line with an artefact,
  contradicting settings, columns of a foreign log that lost their meaning, a memory that is slow to draw from. They are settings,
  files and other people's programs; ``tests/trainer/diagnosis`` gives them as such, the recorded runs and the recorded line among
  them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
import torch
from planted import CONFIG, Interface, Plan

from data.reward import RewardSettings
from hitl.drivers.scripted import Skill
from hitl.games.driving_env import DrivingEnv
from hitl.task.driving_task import TaskSettings
from hitl.task.observation import ObservationSettings
from hitl.task.reward import Reward
from trainer.learner.tqc import TQC
from trainer.replay.batch import Batch

C = CONFIG.with_values
CAREFUL = Skill(corner_grip=18.0, braking=12.0)  # slower than the human in every corner, and through each of them
RASH = Skill(corner_grip=60.0, braking=40.0)  # brakes too late for the default track's hairpin, and gets through all others

# In the learner


def policy_in_critic(learner: TQC, batch: Batch) -> None:
    """The fault of the reference run: the critic is regressed at Q(o, pi(o))."""
    assert isinstance(batch.observation, torch.Tensor)
    batch.pair = torch.cat((batch.observation, learner.actor.act(batch.observation, False, learner.generator)), 1)


@torch.no_grad()
def same_seed(learner: TQC) -> None:
    """Both critics begin as the same one: then the same batches keep them the same."""
    for network in (learner.critics, learner.targets):
        for value in network.parameters():
            value[1] = value[0]


def gamma_once(learner: TQC, batch: Batch) -> None:
    """n-step returns bootstrapped with gamma instead of its n-th power."""
    batch.discount = torch.where(batch.discount > 0, learner.config.times().gamma, 0.0)


def detached(learner: TQC) -> None:
    """The critics' answer reaches the actor's loss without its gradient."""
    run = learner.critics.run

    def without(*args: Any) -> Any:
        tape = run(*args)
        slope = tape.slope
        tape.slope = lambda *how: torch.zeros_like(slope(*how))  # type: ignore[method-assign]
        return tape

    learner.critics.run = without  # type: ignore[method-assign,assignment]


def growing(learner: TQC, batch: Batch) -> None:
    """A discount above one, as a wrong sign in its exponent gives: every update pays for more than the one before."""
    batch.discount = torch.where(batch.discount > 0, 1 / batch.discount.clamp_min(1e-6) ** 8, 0.0)


# In the interface


class Seen(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Changes each observation (O,) in place, as an interface that is wrong about it would."""

    def __init__(self, env: DrivingEnv, change: Callable[[np.ndarray, Any], None]) -> None:
        super().__init__(env)
        self._change = change

    def _changed(self, observation: np.ndarray, info: dict[str, Any]) -> np.ndarray:
        seen = observation.copy()
        self._change(seen, info["state"])
        return seen

    def reset(self, **how: Any) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin an episode."""
        observation, info = self.env.reset(**how)
        return self._changed(observation, info), info

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Go on."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        return self._changed(observation, info), float(reward), terminated, truncated, info


def seen(name: str, value: Callable[[float, Any], float]) -> Interface:
    """Return an interface that gives ``value(number, state)`` for the observation of that name."""

    def through(env: DrivingEnv) -> Seen:
        i = env.task.observer.names.index(name)

        def change(observation: np.ndarray, state: Any) -> None:
            observation[i] = value(float(observation[i]), state)

        return Seen(env, change)

    return through


def turned(heading: float) -> float:
    """Return an angle in (-pi, pi]."""
    return math.atan2(math.sin(heading), math.cos(heading))


class Squashed(Reward):
    """Squashes the finish bonus with all the rest, so that it cannot be felt."""

    def step(self, *how: Any) -> tuple[float, str | None]:
        """Return (reward, reason)."""
        reward, reason = super().step(*how)
        return (math.tanh(reward) if reason == "finish" else reward), reason


def squashed(env: DrivingEnv) -> DrivingEnv:
    """Pay by :class:`Squashed`."""
    env.task.reward = Squashed(env.task.reward.length_m, env.task.reward.settings)
    return env


def paid(**values: float) -> Callable[[TaskSettings], TaskSettings]:
    """Return a change of the reward's settings."""
    return lambda t: replace(t, reward=replace(t.reward or RewardSettings(), **values))  # type: ignore[type-var]


def looking(**values: float) -> Callable[[TaskSettings], TaskSettings]:
    """Return a change of the observation's settings."""
    return lambda t: replace(t, observation=replace(ObservationSettings(), **values))  # type: ignore[arg-type]


def scaled(*factors: float) -> Callable[[np.ndarray], np.ndarray]:
    """Return what writes actions down in other units."""
    return lambda action: action * np.array(factors, np.float32)


FAULTS: dict[str, tuple[Plan, tuple[str, ...]]] = {
    # name: (how it is made, the findings that name it)
    # the learner
    "critic fed with the policy's action": (
        Plan(config=C(bc_weight=0.0), batch=policy_in_critic),
        ("critic-ignores-actions",),
    ),
    "actor that does not learn": (Plan(config=C(lr_actor=1e-12, bc_weight=0.0)), ("uniform-policy",)),
    "critics of one seed": (Plan(begin=same_seed), ("twin-critics-identical",)),
    "gamma once for n steps": (Plan(config=C(n_step=5), batch=gamma_once), ("discount-power",)),
    "ends taken for time limits": (Plan(ends=False), ("terminal-dropped",)),
    "temperature without end": (
        Plan(config=C(learn_alpha=True, lr_alpha=0.02, target_entropy=4.0, bc_weight=0.0)),
        ("temperature-runaway",),
    ),
    "targets clipped": (Plan(config=C(backup_clip=1.5)), ("targets-at-clip",)),
    "gradients clipped": (Plan(config=C(grad_clip_critic=0.001)), ("gradients-clipped",)),
    "detached loss": (Plan(config=C(bc_weight=0.0, alpha=1e-10), begin=detached), ("gradients-zero",)),
    "entropy with the wrong sign": (
        Plan(config=C(alpha=-0.05, lr_actor=3e-3, bc_weight=0.0)),
        ("actions-saturated", "gradients-zero"),
    ),
    "discount above one": (Plan(batch=growing), ("exploded", "discount-power")),
    "worse while Q rises": (
        Plan(config=C(critics=1, drop_per_critic=0, bc_weight=0.0), worse=0.9),
        ("q-return-apart",),
    ),
    "short horizon": (Plan(config=C(gamma=0.9)), ("horizon-short",)),
    # pace and memory
    "trainer too slow": (Plan(config=C(utd=2.0), pace=0.125), ("update-ratio",)),
    "laps in one replay": (
        Plan(config=C(one_replay=True, demo_fraction=0.0)),
        ("batch-composition", "demo-share-drift"),
    ),
    "laps pushed out": (Plan(memory=1500), ("demos-evicted",)),
    # laps of another day
    "rewards of laps stale": (Plan(lap_task=paid(progress=40.0)), ("demos-stale",)),
    "observations of laps stale": (Plan(lap_task=looking(speed_scale=12.0)), ("demos-stale",)),
    "laps steered the other way": (Plan(label=scaled(1, -1)), ("demo-units",)),
    "laps in other units": (Plan(label=scaled(1, 0.1)), ("demo-units",)),
    "pedals of laps from 0 to 1": (
        Plan(label=lambda a: np.array([0.5 + 0.5 * a[0], a[1]], np.float32)),
        ("demo-units",),
    ),
    # the interface
    "heading in world axes, clipped": (
        Plan(interface=seen("heading_sin", lambda _, state: float(np.clip(turned(state.heading), -1, 1)))),
        ("observation-clipped",),
    ),
    "speed clipped": (Plan(interface=seen("forward_speed", lambda v, _: min(v, 0.5))), ("observation-clipped",)),
    "sensor that is not read": (Plan(interface=seen("yaw_rate", lambda *_: 0.25)), ("observation-constant",)),
    "short look-ahead": (Plan(task=looking(horizon_m=6.0)), ("lookahead-short",)),
    # the reward
    "finish squashed": (Plan(interface=squashed), ("finish-unpaid",)),
    "speed bonus with a dip": (Plan(task=paid(speed_bonus=0.02)), ("crawl-optimum",)),
    "standing costs more than driving pays": (Plan(task=paid(constant_penalty=0.6)), ("reward-dominated",)),
    # judging and driving
    "nothing evaluated": (Plan(evaluations=0), ("evaluation-missing",)),
    "two evaluations each": (Plan(evaluations=2), ("evaluation-noisy",)),
    "weights in mid-episode": (Plan(mid_episode=True), ("weights-swapped",)),
    "one corner too fast": (Plan(skill=RASH, track="default"), ("failures-in-one-corner", "demos-uncovered")),
}
SOUND: dict[str, Plan] = {
    "as set": Plan(),
    "one step, no cloning": Plan(config=C(n_step=1, bc_weight=0.0)),
    "learned temperature": Plan(config=C(learn_alpha=True, bc_weight=0.0)),
    "five steps, three critics": Plan(config=C(n_step=5, critics=3)),
    "a careful driver": Plan(skill=CAREFUL),
}
"""Sound runs are of several kinds, or the absence of false alarms would say little."""
