"""An agent and ours beside it go out as one program, which does what the two do."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pytest
import torch

from data.errors import UsageError
from data.store import Store
from hitl.agents.agent import Floats
from hitl.agents.beside import beside_policy
from hitl.agents.export.programs import driving_module, write_onnx, write_torchscript
from hitl.agents.export.together import agent_module, together
from hitl.cli import main
from hitl.home import Home
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from hitl.settings import AgentSettings
from tests.hitl.agents.conftest import DONE, SEEN
from tests.support.daemon_runs import train
from trainer.checkpoints.files import load_policy
from trainer.config import TrainConfig
from trainer.networks.actor_critic import Actor
from trainer.presets import PRESETS

CLOSE = 1e-5
"""By how much an action (-1 to 1) may differ between a program and what it was made of."""


def looks(count=64, size=3) -> Floats:
    return np.random.default_rng(0).normal(size=(count, size)).astype(np.float32) * 2


@pytest.mark.parametrize("name", ["sac", "gsde", "tqc", "td3", "ddpg", "ppo", "dqn", "qrdqn", "choice"])
@pytest.mark.parametrize("normalized", [False, True])
def test_an_agent_as_a_module_does_what_it_does(archives, opened, tmp_path, name, normalized):
    more = {}
    if normalized:
        np.savez(tmp_path / "seen.npz", mean=[0.5, -1.0, 2.0], var=[4.0, 0.3, 1.0], clip=1.5)
        more["normalize"] = str(tmp_path / "seen.npz")
    if name in ("dqn", "qrdqn", "choice"):
        (tmp_path / "table.csv").write_text("\n".join(f"{x}" for x in (-1, -0.5, 0, 0.5, 1)))
        more["actions"] = str(tmp_path / "table.csv")
    done = ("steer", "gas") if name in ("sac", "tqc", "td3", "ppo") else DONE
    agent = opened(archives.folder / f"{name}.zip", SEEN, done, **more)
    expected = agent.act_many(looks())
    assert np.ptp(expected, 0).min() > 0.1, "weights that make a difference"
    np.testing.assert_allclose(agent_module(agent)(torch.from_numpy(looks())).numpy(), expected, atol=CLOSE)


def test_one_that_remembers_cannot_be_a_module(archives, opened):
    agent = opened(archives.folder / "stacked.zip")
    with pytest.raises(UsageError, match="remembers what it saw"):
        agent_module(agent)
    with pytest.raises(UsageError, match=r"remembers|no program of torch"):
        agent_module(opened("tests.support.straight:drive", SEEN, ("steer", "gas")))


@pytest.mark.parametrize("form", ["torchscript", "onnx"])
def test_each_drives_where_it_did(archives, opened, tmp_path, form):
    agent = opened(archives.folder / "ddpg.zip")
    ours = Actor(3, 1, TrainConfig(hidden=8)).eval().requires_grad_(False)
    module = together(agent, driving_module(ours), [(10.0, 20.0), (50.0, 60.0)])
    seen, metres = looks(), np.linspace(0, 70, 64, dtype=np.float32)
    if form == "onnx":
        pytest.importorskip("onnx")
        runtime = pytest.importorskip("onnxruntime")
        write_onnx(module, 3, tmp_path / "both.onnx", placed=True)
        session = runtime.InferenceSession((tmp_path / "both.onnx").read_bytes())
        did = session.run(None, {"observation": seen, "progress": metres})[0]
    else:
        write_torchscript(module, 3, tmp_path / "both.pt", placed=True)
        did = torch.jit.load(tmp_path / "both.pt")(torch.from_numpy(seen), torch.from_numpy(metres)).numpy()
    inside = ((metres >= 10) & (metres <= 20)) | ((metres >= 50) & (metres <= 60))
    np.testing.assert_allclose(did[inside], ours.act(torch.from_numpy(seen)).numpy()[inside], atol=CLOSE)
    np.testing.assert_allclose(did[~inside], agent.act_many(seen)[~inside], atol=CLOSE)


@pytest.fixture
def straight(tmp_path):
    """A TorchScript agent that drives straight on, and what a session with it sees."""

    class Straight(torch.nn.Module):
        def forward(self, seen: torch.Tensor) -> torch.Tensor:
            return torch.tensor([[0.5, 0.0]]).repeat(len(seen), 1)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = io.BytesIO()
        torch.jit.save(torch.jit.script(Straight()), made)
    (tmp_path / "straight.pt").write_bytes(made.getvalue())
    return str(tmp_path / "straight.pt")


def test_by_the_commands(straight, tmp_path, capsys):
    home, agent = Home(tmp_path / "home"), AgentSettings(use=straight)
    played = ["--home", str(home.root), "--agent", straight, "--headless", "--episodes", "2"]
    assert main(["play", *played, "--pad", "scripted", "--skill", "expert"]) == 0
    train(home.root, None, PRESETS["hitl"].with_values(hidden=16, batch_size=16, utd=0.05, warmup_steps=20))
    capsys.readouterr()
    export = ["export", "agent", str(tmp_path / "both.pt"), "--home", str(home.root)]
    assert main(export) == 3, "a program is run only where it is named"
    assert main([*export, "--agent", straight, "--track", "esses"]) == 2
    assert "takes over on 'default'" in " ".join(capsys.readouterr().err.split())
    assert main([*export, "--agent", straight]) == 0
    assert "45 numbers and the metres along the track in" in " ".join(capsys.readouterr().out.split())
    program = torch.jit.load(tmp_path / "both.pt")
    with Store(home.store_path, read_only=True) as store:
        actor, meta = load_policy(home.checkpoints / store.checkpoints()[0].name)
    (low, high) = meta.zones["default"][0]
    with SessionSetup(home, SessionOptions(), policy=beside_policy(agent, home)) as rig:
        rig.policy.track = "default"
        rig.policy.begin_episode()
        seen = looks(40, len(meta.observation_names))
        for k, metre in enumerate(np.linspace(low - 20, high + 20, 40)):
            rig.policy.at(float(metre))
            did = program(torch.from_numpy(seen[k : k + 1]), torch.tensor([metre], dtype=torch.float32))[0].numpy()
            np.testing.assert_allclose(did, rig.policy.act(seen[k], True), atol=CLOSE)
    assert actor.act(torch.from_numpy(seen)).std() > 0
