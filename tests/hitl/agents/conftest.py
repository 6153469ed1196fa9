"""Agents as other programs save them: tiny networks, made once, and never trained."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import gymnasium
import numpy as np
import pytest
import torch

from hitl.agents.opening import open_agent
from hitl.home import Home
from hitl.settings import AgentSettings

SEEN, DONE = ("cos", "sin", "speed"), ("torque",)


class Small(gymnasium.Env):
    """Three numbers seen, with a space of actions of one's choice; it is never stepped."""

    def __init__(self, actions, shape=(3,)):
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, shape, np.float32)
        self.action_space = actions

    def reset(self, *, seed=None, options=None):
        return np.zeros(self.observation_space.shape, np.float32), {}


def box(*ends):
    low, high = np.array(ends, np.float32).T
    return gymnasium.spaces.Box(low, high)


def models():
    """Yield (name, model) of every kind that is known, with weights that make a difference."""
    from sb3_contrib import QRDQN, TQC
    from stable_baselines3 import DDPG, DQN, PPO, SAC, TD3

    net, two, one, five = {"net_arch": [8, 6]}, box((-2, 3), (0, 1)), box((-2, 2)), gymnasium.spaces.Discrete(5)
    off = {"buffer_size": 1, "device": "cpu", "seed": 1}
    yield "sac", SAC("MlpPolicy", Small(two), policy_kwargs={**net}, **off)
    yield "gsde", SAC("MlpPolicy", Small(one), use_sde=True, policy_kwargs={**net, "clip_mean": 0.1}, **off)
    elu = {"net_arch": {"pi": [9], "qf": [4]}, "activation_fn": torch.nn.ELU}
    yield "tqc", TQC("MlpPolicy", Small(two), policy_kwargs=elu, **off)
    yield "td3", TD3("MlpPolicy", Small(two), policy_kwargs={**net}, **off)
    yield "ddpg", DDPG("MlpPolicy", Small(one), policy_kwargs={**net}, **off)
    yield "ppo", PPO("MlpPolicy", Small(two), policy_kwargs={"net_arch": {"pi": [8, 6], "vf": [4]}}, device="cpu", seed=1)
    yield "choice", PPO("MlpPolicy", Small(five), policy_kwargs={**net}, device="cpu", seed=1)
    yield "dqn", DQN("MlpPolicy", Small(five), policy_kwargs={**net}, **off)
    yield "qrdqn", QRDQN("MlpPolicy", Small(five), policy_kwargs={**net, "n_quantiles": 7}, **off)
    yield "stacked", SAC("MlpPolicy", Small(one, (4, 3)), policy_kwargs={**net}, **off)


@pytest.fixture(scope="session")
def archives(tmp_path_factory):
    """The folder of saved models, and the models by name, their weights spread so that actions reach their bounds."""
    folder, made = tmp_path_factory.mktemp("archives"), {}
    for name, model in models():
        with torch.no_grad():
            for parameter in model.policy.parameters():
                parameter.mul_(2.5)
            if hasattr(model.policy, "action_net"):
                model.policy.action_net.weight.mul_(100)  # it starts a hundredth as large
        model.save(folder / name)
        made[name] = model
    return SimpleNamespace(folder=folder, models=made)


@pytest.fixture
def opened(tmp_path):
    """What opens an agent for a session that sees three numbers and does one."""

    def open_(use, seen=SEEN, done=DONE, **more):
        return open_agent(AgentSettings(use=str(use), **more), Home(tmp_path / "home"), seen, done)

    return open_


@pytest.fixture
def table(tmp_path) -> Path:
    """Five actions of one number."""
    path = tmp_path / "actions.csv"
    path.write_text("torque\n-1\n-0.5\n0\n0.5\n1\n")
    return path
