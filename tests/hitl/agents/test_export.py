"""What learned here goes back: as programs of its own, and into the archive that an agent came in."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sys
import zipfile
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch

from data.errors import DeviceError, UsageError
from data.ranges import ActionRange
from data.recording.recorder import Recorder
from data.records import SessionInfo, StepRow
from data.store import Store
from hitl.agents.export.programs import driving_module, write_onnx, write_torchscript
from hitl.agents.formats.sb3 import read
from hitl.cli import main
from hitl.demo.shipped import open_shipped
from hitl.home import Home
from tests.hitl.agents.conftest import Small
from tests.support.places import ROOT
from trainer.checkpoints.files import load_policy
from trainer.config import TrainConfig
from trainer.networks.actor_critic import Actor


@pytest.mark.parametrize("network", ["mlp", "residual", "simba"])
@pytest.mark.parametrize("layer_norm", [True, False])
@pytest.mark.parametrize("units", [True, False])
def test_a_torchscript_program_does_what_the_actor_does(tmp_path, network, layer_norm, units):
    config = TrainConfig(network=network, hidden=12, layers=2, layer_norm_actor=layer_norm, scale_observations=units)
    actor = Actor(5, 2, config).eval().requires_grad_(False)
    looks = torch.randn(7, 5) * 30
    if actor.units is not None:
        actor.units.note(looks)
    write_torchscript(driving_module(actor), 5, tmp_path / "a.pt")
    program = torch.jit.load(tmp_path / "a.pt")
    for batch in (looks, looks[:1]):
        torch.testing.assert_close(program(batch), actor.act(batch), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("form", ["pt", "onnx"])
def test_a_program_tells_no_path_of_the_machine_where_it_was_made(tmp_path, form):
    module, path = driving_module(Actor(5, 2, TrainConfig(hidden=12)).eval().requires_grad_(False)), tmp_path / f"a.{form}"
    if form == "pt":
        write_torchscript(module, 5, path)
        with zipfile.ZipFile(path) as archive:
            held = {entry: archive.read(entry) for entry in archive.namelist()}
        assert torch.jit.load(path)(torch.zeros(1, 5)).shape == (1, 2)
    else:
        pytest.importorskip("onnx")
        write_onnx(module, 5, path)
        held = {"all": path.read_bytes()}
    for place in (ROOT, Path(torch.__file__).parent, Path(sys.prefix), tmp_path):
        assert [entry for entry, content in held.items() if str(place).encode() in content] == [], place


def test_an_actor_with_a_memory_cannot_be_a_program():
    with pytest.raises(UsageError, match="has a memory or sees pictures"):
        driving_module(Actor(5, 2, TrainConfig(network="recurrent", hidden=8)))


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    home = Home(tmp_path_factory.mktemp("home"))
    open_shipped(home)
    return home, load_policy(next(home.checkpoints.glob("*.safetensors")))


def test_the_command_writes_a_program_that_is_an_agent_again(tmp_path, shipped, opened, capsys):
    home, (actor, meta) = shipped
    seen, done = tuple(meta.observation_names), tuple(meta.action_names)
    assert main(["export", "agent", "--home", str(home.root), str(tmp_path / "ours.pt")]) == 0
    assert "without noise" in capsys.readouterr().out
    looks = np.random.default_rng(0).normal(size=(9, len(seen))).astype(np.float32)
    agent = opened(tmp_path / "ours.pt", seen=seen, done=done)
    np.testing.assert_allclose(agent.act_many(looks), actor.act(torch.from_numpy(looks)), atol=1e-5)
    assert main(["export", "agent", "--home", str(home.root), str(tmp_path / "ours.pt")]) == 2
    assert "is there already" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["export", "agent", "--home", str(home.root), str(tmp_path / "ours.exe")])


def test_onnx_is_written_where_its_package_is_there_and_else_told_of(tmp_path, shipped, opened, capsys):
    home, (actor, meta) = shipped
    status = main(["export", "agent", "--home", str(home.root), str(tmp_path / "ours.onnx")])
    try:
        import onnx  # noqa: F401
    except ImportError:
        assert status == DeviceError.exit_code
        assert "onnx" in capsys.readouterr().err
        return
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    assert status == 0
    seen, done = tuple(meta.observation_names), tuple(meta.action_names)
    looks = np.random.default_rng(0).normal(size=(9, len(seen))).astype(np.float32)
    agent = opened(tmp_path / "ours.onnx", seen=seen, done=done)
    np.testing.assert_allclose(agent.act_many(looks), actor.act(torch.from_numpy(looks)), atol=1e-5)


def classes():
    from sb3_contrib import TQC
    from stable_baselines3 import PPO, SAC, TD3

    off = {"buffer_size": 1, "device": "cpu"}
    return {
        "SAC": (SAC, off), "TQC": (TQC, off), "TD3": (TD3, off), "PPO": (PPO, {"device": "cpu"})
    }  # fmt: skip


@pytest.fixture
def taught(tmp_path, shipped, monkeypatch):
    """A home with a checkpoint, and observations in its layout on which the actor's actions vary."""
    monkeypatch.setattr("hitl.agents.export.sb3.STEPS", 400)
    source, (actor, meta) = shipped
    home = Home(tmp_path / "home")
    shutil.copytree(source.root, home.root)
    rng = np.random.default_rng(0)
    seen, done = tuple(meta.observation_names), tuple(meta.action_names)
    basis = rng.normal(size=(3, len(seen))).astype(np.float32)
    with Recorder(home.store_path, SessionInfo("play", "box2d", "default", 20.0, seen, done)) as recorder:
        for _ in range(12):
            recorder.begin_episode("drive")
            for look in rng.normal(size=(80, 3)).astype(np.float32) @ basis:
                action = np.zeros(len(done), np.float32)
                recorder.step(StepRow(look, action, action, 0, 0.0))
            recorder.end_episode("truncated", "time_limit", basis[0])
    return home, actor, len(seen), len(done), rng.normal(size=(50, 3)).astype(np.float32) @ basis


@pytest.mark.parametrize("name", ["SAC", "TQC", "TD3", "PPO"])
def test_an_archive_learns_to_drive_as_ours_and_is_loaded_by_its_library(tmp_path, taught, capsys, name):
    home, actor, seen, done, looks = taught
    kind, more = classes()[name]
    low, high = np.full(done, -3, np.float32), np.full(done, 2, np.float32)
    low[-1] = 0.0
    env = Small(gymnasium.spaces.Box(low, high), (seen,))
    model = kind("MlpPolicy", env, policy_kwargs={"net_arch": [64]}, **more)
    model.save(tmp_path / "theirs")
    theirs, out = str(tmp_path / "theirs.zip"), tmp_path / "back.zip"
    assert main(["export", "agent", "--home", str(home.root), "--agent", theirs, str(out)]) == 0
    said = capsys.readouterr().out
    assert "taught on" in said
    loaded = kind.load(out, device="cpu")
    given, _ = loaded.predict(looks, deterministic=True)
    ours = actor.act(torch.from_numpy(looks)).numpy()
    wanted = np.stack([ActionRange(env.action_space)(a) for a in ours])
    before = np.abs(model.predict(looks, deterministic=True)[0] - wanted).mean()
    after = np.abs(given - wanted).mean()
    assert after < 0.35 * before
    assert loaded.policy.state_dict().keys() == model.policy.state_dict().keys()
    model_ = read(out.read_bytes(), "back.zip")
    np.testing.assert_allclose(model_.network(looks).shape, given.shape)
    assert main(["export", "agent", "--home", str(home.root), "--agent", theirs, str(out)]) == 2


def test_an_archive_that_drove_here_need_not_be_named(tmp_path, taught, capsys):
    from hitl.agents.agent import AgentIdentity
    from hitl.agents.archives import sha256_of
    from hitl.agents.keeping import keep
    from hitl.settings import AgentSettings

    home, _, seen, done, _ = taught
    kind, more = classes()["TD3"]
    kind("MlpPolicy", Small(gymnasium.spaces.Box(-1, 1, (done,)), (seen,)), policy_kwargs={"net_arch": [8]}, **more).save(
        tmp_path / "mine"
    )
    words = ["export", "agent", "--home", str(home.root), str(tmp_path / "back.zip")]
    assert main(words) == 2
    assert "name its archive with --agent FILE" in capsys.readouterr().err
    identity = AgentIdentity("TD3", "mine.zip", sha256_of((tmp_path / "mine.zip").read_bytes()))
    keep(home, identity, AgentSettings(use=str(tmp_path / "mine.zip")))
    with Store(home.store_path) as store:
        store.add_event("agent", "", session_id=store.newest_session().id, data=identity.as_dict())
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "'mine.zip'" in said
    command = shlex.split(re.search("`hitl (.*)`", said)[1].replace("\\", "/"))
    assert main([*command, "--episodes", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["checkpoint"] == "back.zip", "and not what taught it"


def test_what_cannot_go_back_is_told_so(tmp_path, archives, shipped, capsys):
    home, _ = shipped
    for name, said in (("dqn", "chooses one of 5 actions"), ("sac", "takes 3 numbers, and this session shows it")):
        use = str(archives.folder / f"{name}.zip")
        assert main(["export", "agent", "--home", str(home.root), "--agent", use, str(tmp_path / "x.zip")]) == 3
        assert said in capsys.readouterr().err
