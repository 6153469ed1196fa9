"""An agent with layers of its own, another activation and VecNormalize: from its first drive here to its own library again."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from data.store import Store
from hitl.agents.keeping import driving_agent
from hitl.cli import main
from hitl.games.driving_env import DrivingEnv
from hitl.home import Home
from tests.support.daemon_runs import train
from trainer.checkpoints.files import load
from trainer.presets import PRESETS

SMALL = PRESETS["hitl"].with_values(hidden=16, batch_size=16, utd=0.05, warmup_steps=20)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The archive, its statistics, and the model."""
    from stable_baselines3 import SAC
    from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

    folder = tmp_path_factory.mktemp("other")
    env = VecNormalize(DummyVecEnv([DrivingEnv]), clip_obs=5.0)
    layers = {"net_arch": [128, 128, 64], "activation_fn": torch.nn.Tanh}
    model = SAC("MlpPolicy", env, policy_kwargs=layers, seed=0, device="cpu", learning_starts=1000, buffer_size=1000)
    model.learn(100)  # random drives: statistics, and no update
    with torch.no_grad():
        model.actor.mu.bias.copy_(torch.tensor([0.5, 0.0]))  # or it stands
    model.save(folder / "other.zip")
    env.save(str(folder / "vecnormalize.pkl"))
    return SimpleNamespace(folder=folder, env=env)


def test_through_all_of_it(made, tmp_path, monkeypatch, capsys):
    from stable_baselines3 import SAC

    monkeypatch.setattr("hitl.agents.export.sb3.STEPS", 30)
    home, archive = Home(tmp_path / "home"), str(made.folder / "other.zip")
    mine = ["--home", str(home.root), "--agent", archive, "--agent-normalize", str(made.folder / "vecnormalize.pkl")]
    assert main(["play", *mine, "--headless", "--pad", "scripted", "--skill", "expert", "--episodes", "3"]) == 0
    train(home.root, None, SMALL)
    with Store(home.store_path, read_only=True) as store:
        agent, record = driving_agent(store, home), store.checkpoints()[0]
    assert agent is not None
    meta = load(home.checkpoints / record.name)[1]
    assert meta.zones["default"]
    seen = np.random.default_rng(0).normal(size=(20, len(meta.observation_names))).astype(np.float32)
    model = SAC.load(archive, device="cpu")
    theirs = model.predict(made.env.normalize_obs(seen), deterministic=True)[0]
    np.testing.assert_allclose(agent.act_many(seen), theirs, atol=1e-5)
    assert np.abs(theirs - model.predict(seen, deterministic=True)[0]).max() > 1e-3, "the statistics make a difference"

    capsys.readouterr()
    assert main(["eval", *mine, "--episodes", "1", "--json"]) == 0
    assert "where it was helped" in json.loads(capsys.readouterr().out.splitlines()[-1])["checkpoint"]

    assert main(["export", "agent", str(tmp_path / "both.pt"), *mine]) == 0
    program = torch.jit.load(tmp_path / "both.pt")
    outside = torch.full((20,), meta.zones["default"][-1][1] + 50)
    np.testing.assert_allclose(program(torch.from_numpy(seen), outside).numpy(), theirs, atol=1e-5)

    assert main(["export", "agent", str(tmp_path / "better.zip"), *mine]) == 0
    better = SAC.load(tmp_path / "better.zip", device="cpu")  # in its own library, behind its own statistics
    assert [layer.out_features for layer in better.actor.latent_pi if hasattr(layer, "out_features")] == [128, 128, 64]
    assert isinstance(better.actor.latent_pi[1], torch.nn.Tanh)
    did = better.predict(made.env.normalize_obs(seen), deterministic=True)[0]
    assert main(["play", "--home", str(tmp_path / "again"), *mine[2:], "--agent", str(tmp_path / "better.zip"), "--headless",
                 "--pad", "none", "--episodes", "1"]) == 0  # fmt: skip
    with Store(Home(tmp_path / "again").store_path, read_only=True) as store:
        again = driving_agent(store, Home(tmp_path / "again"))
    np.testing.assert_allclose(again.act_many(seen), did, atol=1e-5)
