"""tmrl's actors, TorchScript, ONNX, the user's own code, and checkpoints of hitl."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from data.errors import CheckpointError, DeviceError, InputFileError, UsageError
from data.store import Store
from hitl.cli import main
from hitl.demo.shipped import open_shipped
from hitl.drivers.policy import CheckpointPolicy
from hitl.home import Home
from trainer.checkpoints.files import load

OBSERVATIONS = np.random.default_rng(1).normal(size=(20, 3)).astype(np.float32)
GAS = ("gas", "brake", "steer")


def saved(module, path):
    torch.save(module.state_dict(), path)
    return path


class Perceptron(nn.Module):
    """As tmrl's SquashedGaussianMLPActor names its layers."""

    def __init__(self, seen=3):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(seen, 7), nn.ReLU(), nn.Linear(7, 5), nn.ReLU())
        self.mu_layer, self.log_std_layer = nn.Linear(5, 3), nn.Linear(5, 3)

    def forward(self, x):
        return self.mu_layer(self.net(x)).tanh()


class Recurrent(nn.Module):
    """As tmrl's SquashedGaussianRNNActor names its layers."""

    def __init__(self):
        super().__init__()
        self.rnn, self.mlp = nn.GRU(3, 6, 2, batch_first=True), nn.Sequential(nn.Linear(6, 5), nn.ReLU())
        self.mu_layer, self.log_std_layer = nn.Linear(5, 3), nn.Linear(5, 3)

    def forward(self, episode):
        out, _ = self.rnn(episode[None])
        return self.mu_layer(self.mlp(out[0])).tanh()


class Block(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.linear1, self.ln1, self.linear2, self.ln2 = (
            nn.Linear(size, size), nn.LayerNorm(size), nn.Linear(size, size), nn.LayerNorm(size)
        )  # fmt: skip

    def forward(self, x):
        return nn.functional.silu(self.ln2(self.linear2(nn.functional.silu(self.ln1(self.linear1(x))))))


class Sophy(nn.Module):
    """As the TQCGRAB fork names the layers of its residual actor, in its earlier and its later form."""

    def __init__(self, later):
        super().__init__()
        self.layernorm_api = nn.LayerNorm(3)
        self.backbone = nn.Sequential(nn.Linear(3, 8), nn.LayerNorm(8), nn.SiLU(), Block(8), Block(8), Block(8), Block(8))
        if later:
            self.head_proj = nn.Sequential(nn.Linear(8, 8), nn.SiLU())
        else:
            self.attentionRNN = nn.MultiheadAttention(8, 2, batch_first=True)
        self.mu_layer, self.log_std_layer = nn.Linear(8, 3), nn.Linear(8, 3)
        self.later = later
        for p in self.parameters():
            nn.init.normal_(p, std=0.5)

    def forward(self, x):
        x = self.backbone[:3](self.layernorm_api(x))
        for block in self.backbone[3:]:
            x = x + block(x) * (0.5 if self.later else 1.0)
        x = self.head_proj(x) if self.later else self.attentionRNN(x[:, None], x[:, None], x[:, None])[0][:, 0]
        return self.mu_layer(x).tanh()


@pytest.mark.parametrize("make", [Perceptron, Recurrent, lambda: Sophy(True), lambda: Sophy(False)])
def test_actors_of_tmrl_drive_as_they_did(tmp_path, opened, make):
    torch.manual_seed(0)
    actor = make().eval()
    agent = opened(saved(actor, tmp_path / "a.tmod"), done=GAS)
    with torch.no_grad():
        expected = actor(torch.from_numpy(OBSERVATIONS)).numpy()
    np.testing.assert_allclose([agent.act(o) for o in OBSERVATIONS], expected, atol=1e-5)
    agent.reset()
    np.testing.assert_allclose(agent.act(OBSERVATIONS[0]), expected[0], atol=1e-5)
    np.testing.assert_allclose(agent.follow(OBSERVATIONS), expected, atol=1e-5)
    assert agent.remembers is isinstance(actor, Recurrent)
    assert expected.std() > 0.02


def test_tmrls_own_actor_drives_as_it_did(tmp_path, opened):
    models = pytest.importorskip("tmrl.custom.custom_models", reason="tmrl is not installed or not set up", exc_type=Exception)
    from gymnasium import spaces

    actor = models.SquashedGaussianMLPActor(spaces.Tuple([spaces.Box(-1, 1, (3,))]), spaces.Box(-1, 1, (3,)), (9, 4))
    actor.save(tmp_path / "a.tmod")
    agent = opened(tmp_path / "a.tmod", done=GAS)
    expected = [actor.act((torch.from_numpy(o)[None],), test=True) for o in OBSERVATIONS]
    np.testing.assert_allclose(agent.act_many(OBSERVATIONS), expected, atol=1e-6)


def test_other_actors_of_tmrl_are_refused_in_a_sentence(tmp_path, opened):
    actor = Sophy(True)
    actor.track_conv = nn.Linear(2, 2)
    with pytest.raises(InputFileError, match=r"residual actor of another form \(it has 'track_conv'\)"):
        opened(saved(actor, tmp_path / "a.tmod"), done=GAS)
    with pytest.raises(InputFileError, match="has no layer 'mu_layer'"):
        opened(saved(nn.Linear(2, 2), tmp_path / "b.tmod"), done=GAS)
    with pytest.raises(InputFileError, match="it answers with 3 numbers, and this session has 1 action"):
        opened(saved(Perceptron(), tmp_path / "c.tmod"))


def scripted(module, path):
    torch.jit.script(module).save(path)
    return path


class Pushes(nn.Module):
    """An action of twice the first number seen."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * x[:, :1]


def test_a_torchscript_program_drives(tmp_path, opened):
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1), nn.Tanh())
    agent = opened(scripted(net, tmp_path / "a.pt"))
    with torch.no_grad():
        np.testing.assert_allclose(agent.act_many(OBSERVATIONS), net(torch.from_numpy(OBSERVATIONS)), atol=1e-6)
    with pytest.raises(InputFileError, match=r"does not take the 5 numbers .* \(its first layer takes 3\)"):
        opened(tmp_path / "a.pt", seen=tuple("abcde"))
    with pytest.raises(InputFileError, match="no TorchScript program"):
        opened(saved(net, tmp_path / "b.pt"))


@pytest.mark.parametrize("kind", [torch.float64, torch.float16])
def test_a_program_in_numbers_of_another_length_drives(tmp_path, opened, kind):
    net = nn.Linear(3, 1).to(kind)
    agent = opened(scripted(net, tmp_path / "a.pt"))
    with torch.no_grad():
        expected = net(torch.from_numpy(OBSERVATIONS).to(kind)).float()
    np.testing.assert_allclose(agent.act_many(OBSERVATIONS), expected.clip(-1, 1), atol=1e-6)


@pytest.mark.parametrize("kind", [torch.float64, torch.float16])
def test_an_onnx_program_in_numbers_of_another_length_drives(tmp_path, opened, kind):
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    pytest.importorskip("onnx", reason="onnx is not installed")
    net = nn.Linear(3, 1).to(kind)
    torch.onnx.export(net, (torch.zeros(2, 3, dtype=kind),), tmp_path / "a.onnx", dynamic_axes={"x": {0: "n"}}, input_names=["x"],
                      dynamo=False)  # fmt: skip
    with torch.no_grad():
        expected = net(torch.from_numpy(OBSERVATIONS).to(kind)).float()
    np.testing.assert_allclose(opened(tmp_path / "a.onnx").act_many(OBSERVATIONS), expected.clip(-1, 1), atol=2e-3)


def test_a_range_can_be_stated_and_what_lies_beyond_is_told(tmp_path, opened):
    agent = opened(scripted(Pushes(), tmp_path / "a.ts"), range=(-6.0, 6.0))
    np.testing.assert_allclose(agent.act_many(OBSERVATIONS)[:, 0], OBSERVATIONS[:, 0] / 3, atol=1e-6)
    assert agent.actions.farthest is None
    agent = opened(tmp_path / "a.ts")
    assert np.abs(agent.act_many(OBSERVATIONS)).max() == 1.0
    assert agent.actions.farthest == ("torque", pytest.approx(2 * OBSERVATIONS[np.abs(OBSERVATIONS[:, 0]).argmax(), 0]))


def test_onnx_without_its_package_says_what_to_type(tmp_path, opened, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    (tmp_path / "a.onnx").write_bytes(b"x")
    with pytest.raises(DeviceError, match=r"needs the package onnxruntime.*\[onnx\]|needs the package onnxruntime.*\.onnx"):
        opened(tmp_path / "a.onnx")


def test_an_onnx_program_drives(tmp_path, opened):
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    pytest.importorskip("onnx", reason="onnx is not installed")
    from hitl.agents.export.programs import write_onnx

    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1), nn.Tanh())
    write_onnx(net, 3, tmp_path / "a.onnx")
    agent = opened(tmp_path / "a.onnx")
    with torch.no_grad():
        np.testing.assert_allclose(agent.act_many(OBSERVATIONS), net(torch.from_numpy(OBSERVATIONS)), atol=1e-6)
    with pytest.raises(InputFileError, match="takes 3 numbers, and this session shows it 5"):
        opened(tmp_path / "a.onnx", seen=tuple("abcde"))
    (tmp_path / "b.onnx").write_bytes(b"no such thing")
    with pytest.raises(InputFileError, match="no ONNX program"):
        opened(tmp_path / "b.onnx")


class Raises(nn.Module):
    """Drives so many times, and raises an error then."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.left = times

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.left == 0:
            raise ValueError("no more")
        self.left -= 1
        return torch.tanh(x[:, :1])


class Named(nn.Module):
    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"action": x[:, :1]}


class Short(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.tanh(x[:, :1]).to(torch.bfloat16)


def test_a_torchscript_program_that_raises_an_error_is_told_so(tmp_path, opened, capsys):
    with pytest.raises(InputFileError, match=r"'a\.pt' fails with the 3 numbers .*: ValueError: no more\.$"):
        opened(scripted(Raises(0), tmp_path / "a.pt"))
    with pytest.raises(InputFileError, match=r"The answer of 'b\.pt' is no tensor \(dict\)"):
        opened(scripted(Named(), tmp_path / "b.pt"))
    assert abs(opened(scripted(Short(), tmp_path / "c.pt")).act(np.ones(3, np.float32))[0] - np.tanh(1)) < 0.01
    late = scripted(Raises(20), tmp_path / "late.pt")
    played = ["--home", str(tmp_path / "home"), "--env", "gym:Pendulum-v1", "--headless", "--pad", "none", "--episodes", "1"]
    assert main(["play", *played, "--agent", str(late)]) == InputFileError.exit_code
    assert "'late.pt' fails with the 3 numbers that it is shown here: ValueError: no more." in capsys.readouterr().err
    with Store(Home(tmp_path / "home").store_path, read_only=True) as store:
        assert sum(len(store.steps(episode)) for episode in store.episodes()) == 19, "what it drove until then is kept"


OWN = """
import numpy as np
from gymnasium import spaces
episodes = 0

class Counting:
    def __init__(self):
        self.steps = 0
    def reset(self):
        self.steps = 0
    def __call__(self, observation):
        self.steps += 1
        return [self.steps / 100]

class Model:
    def predict(self, observation, deterministic):
        return np.array([observation[0] / 10]), None

class Ranged(Model):
    action_space = spaces.Box(-2.0, 4.0, (1,))

class Pair(Model):
    action_space = spaces.Box(-2.0, 4.0, (2,))

class Boundless(Model):
    action_space = spaces.Box(-np.inf, np.inf, (1,))

class Chooses(Model):
    action_space = spaces.Discrete(5)
    def predict(self, observation, deterministic):
        return np.array(1), None

def second(observation):
    return 1

def wide(observation):
    return [0.0, 0.0]

def fails(observation):
    return 1 / 0

thing = 3
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    name = f"own_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    yield name
    __import__("sys").modules.pop(name, None)


def test_the_users_own_code_drives(own, opened, table):
    agent = opened(f"{own}:Counting")
    assert [round(float(agent.act(o)[0]), 6) for o in OBSERVATIONS[:3]] == [0.01, 0.02, 0.03]
    agent.reset()
    assert agent.act(OBSERVATIONS[0])[0] == pytest.approx(0.01)
    assert agent.identity.kind == "Python"
    assert len(agent.identity.sha256) == 64
    assert opened(f"{own}:Model").act(np.ones(3, np.float32))[0] == pytest.approx(0.1)
    assert opened(f"{own}:second", actions=str(table)).act(OBSERVATIONS[0])[0] == -0.5


def test_a_model_states_the_range_of_its_actions_itself(own, opened, table):
    looks = np.array([[10, 0, 0], [20, 0, 0], [-20, 0, 0]], np.float32)
    acts = {what: [float(opened(f"{own}:{what}").act(o)[0]) for o in looks] for what in ("Ranged", "Boundless", "Model")}
    assert acts == {"Ranged": [0.25, 0.5, -1.0], "Boundless": [1.0, 1.0, -1.0], "Model": [1.0, 1.0, -1.0]}
    assert float(opened(f"{own}:Ranged", range=(-1.0, 1.0)).act(looks[0])[0]) == 1.0, "what is typed counts"
    assert opened(f"{own}:Chooses", actions=str(table)).act(looks[0])[0] == -0.5
    with pytest.raises(UsageError, match="its actions are numbers: omit --actions"):
        opened(f"{own}:Ranged", actions=str(table))


def test_a_model_of_stable_baselines_drives_as_its_archive(archives, own, opened, tmp_path):
    archive = archives.folder / "ddpg.zip"
    (tmp_path / f"{own}.py").write_text(f"from stable_baselines3 import TD3\nmodel = TD3.load({str(archive)!r}, device='cpu')\n")
    model, same = opened(f"{own}:model"), opened(archive)
    for look in OBSERVATIONS:
        np.testing.assert_allclose(model.act(look), same.act(look), atol=1e-6)


@pytest.mark.parametrize(
    ("what", "match"),
    [
        ("Chooses", r"chooses one of 5 actions.*give a table of 5 rows with --actions FILE"),
        ("Pair", r"has 2 action numbers, and this session has 1 \(torque\)"),
        ("wide", r"answers with 2 numbers, and this session has 1 action numbers \(torque\)"),
        ("fails", "fails with the 3 numbers that it is shown.*ZeroDivisionError"),
        ("missing", "has no 'missing'"),
        ("thing", "is a int, which can neither be called"),
    ],
)
def test_own_code_that_cannot_drive_is_told_so(own, opened, what, match):
    with pytest.raises(InputFileError, match=match):
        opened(f"{own}:{what}")


def test_a_module_that_is_not_there_is_told_so(opened):
    with pytest.raises(InputFileError, match="no module 'no_such_module' here"):
        opened("no_such_module:agent")


def test_a_checkpoint_of_ours_is_an_agent_too(tmp_path, opened):
    home = Home(tmp_path / "home")
    open_shipped(home)
    file = next(home.checkpoints.glob("*.safetensors"))
    meta = load(file)[1]
    with Store(home.store_path, read_only=True) as store:
        newest = store.latest_checkpoint()
    assert newest is not None
    seen, done = tuple(meta.observation_names), tuple(meta.action_names)
    policy = CheckpointPolicy(home, seen, done)
    policy.pin("latest")
    looks = np.random.default_rng(2).normal(size=(5, len(seen))).astype(np.float32)
    for use in ("latest", str(newest.id), file.stem, str(file)):
        agent = opened(use, seen=seen, done=done)
        np.testing.assert_allclose(agent.act_many(looks), [policy.act(o, True) for o in looks], atol=1e-6)
        assert agent.identity.kind == "checkpoint"
    with pytest.raises(InputFileError, match=f"trained for {len(seen)} observation numbers.*this session has 3"):
        opened("latest", done=done)
    with pytest.raises(CheckpointError, match="is gone by now"):
        opened("1", seen=seen, done=done)


def test_safetensors_of_another_program_are_no_damaged_checkpoint(tmp_path, opened):
    from safetensors.torch import save_file

    save_file(nn.Linear(3, 1).state_dict(), tmp_path / "a.safetensors")
    save_file(nn.Linear(3, 1).state_dict(), tmp_path / "b.safetensors", {"format": "pt"})
    for name in ("a", "b"):
        with pytest.raises(CheckpointError, match=rf"'{name}\.safetensors' is no checkpoint of hitl: it holds 2 tensors"):
            opened(tmp_path / f"{name}.safetensors")
