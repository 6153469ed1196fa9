"""An agent from elsewhere at the wheel: of every game, with what is recorded, kept and shown of it."""

from __future__ import annotations

import json
import shutil
import sqlite3

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from data.errors import InputFileError
from data.files.paths import as_typed
from data.ranges import ActionRange
from data.store import Store
from hitl.agents.actions import Continuous
from hitl.agents.keeping import driving_agent, folder_of
from hitl.agents.policy import ForeignPolicy, agent_policy
from hitl.cli import main
from hitl.home import Home
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from hitl.settings import AgentSettings, load
from tests.hitl.agents.conftest import Small, box


def rows(home, sql):
    with sqlite3.connect(home.store_path) as db:
        return db.execute(sql).fetchall()


@pytest.fixture
def pendulum(tmp_path_factory, archives):
    """A home in which an agent of SB3 has driven Gymnasium's Pendulum."""
    home = Home(tmp_path_factory.mktemp("pendulum"))
    policy = agent_policy(AgentSettings(use=str(archives.folder / "ddpg.zip")), home)
    with SessionSetup(home, SessionOptions(env="gym:Pendulum-v1"), policy=policy) as rig:
        rig.session.stop = lambda: rig.session._result.steps >= 25
        rig.session.episode("drive", seed=0)
    return home


def test_what_it_does_is_recorded_and_who_drove_is_known(pendulum, archives):
    found = rows(pendulum, "SELECT observation, executed, proposed, checkpoint_id, driver FROM steps")
    assert len(found) == 25
    seen, did, meant = (np.stack([np.frombuffer(row[k], np.float32) for row in found]) for k in range(3))
    theirs, _ = archives.models["ddpg"].predict(seen, deterministic=True)
    np.testing.assert_allclose(did * 2, theirs, atol=2e-6)
    np.testing.assert_array_equal(did, meant)
    assert {row[3:] for row in found} == {(None, 0)}
    with Store(pendulum.store_path) as store:
        (known,) = store.agents().values()
    assert (known["kind"], known["name"]) == ("TD3", "ddpg.zip")
    assert str(archives.folder) not in pendulum.store_path.read_bytes().decode("latin1")


def test_whoever_learns_from_it_can_ask_it_again(pendulum, archives):
    (archives.folder / "ddpg.zip").rename(archives.folder / "moved.zip")
    try:
        with Store(pendulum.store_path) as store:
            agent = driving_agent(store, pendulum)
    finally:
        (archives.folder / "moved.zip").rename(archives.folder / "ddpg.zip")
    looks = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    theirs, _ = archives.models["ddpg"].predict(looks, deterministic=True)
    np.testing.assert_allclose(agent.act_many(looks) * 2, theirs, atol=2e-6)
    kept = folder_of(pendulum, agent.identity.as_dict())
    assert sorted(p.name for p in kept.iterdir()) == ["agent.json", "ddpg.zip"]
    (kept / "ddpg.zip").unlink()
    (kept / "agent.json").write_text(json.dumps({"opened": {"use": "os:mkdir"}}))
    with Store(pendulum.store_path) as store, pytest.raises(InputFileError, match="run only where it is named"):
        driving_agent(store, pendulum)
    (kept / "agent.json").unlink()
    with Store(pendulum.store_path) as store, pytest.raises(InputFileError, match="is not kept in this home folder"):
        driving_agent(store, pendulum)


def test_a_program_in_a_home_is_run_only_where_it_is_named(pendulum):
    with Store(pendulum.store_path) as store:
        (identity,) = store.agents().values()
        kept = folder_of(pendulum, identity) / "agent.json"
        said = json.loads(kept.read_text())
        (kept.parent / "theirs.pt").write_bytes(b"")
        kept.write_text(json.dumps(said | {"opened": said["opened"] | {"use": "theirs.pt"}}))
        with pytest.raises(InputFileError, match="only where it is named with --agent"):
            driving_agent(store, pendulum)


def test_no_agent_is_known_where_the_homes_own_drove(tmp_path):
    home = Home(tmp_path)
    with SessionSetup(home, SessionOptions()):
        pass
    with Store(home.store_path) as store:
        assert driving_agent(store, home) is None


COUNTS = """
class Counts:
    steps = 0
    def reset(self):
        self.steps = 0
    def __call__(self, observation):
        self.steps += 1
        return [self.steps / 1000]
"""


def test_a_pause_and_a_takeover_are_one_step_each(tmp_path, monkeypatch):
    (tmp_path / "counts_steps.py").write_text(COUNTS)
    monkeypatch.chdir(tmp_path)
    policy = agent_policy(AgentSettings(use="counts_steps:Counts"), Home(tmp_path / "home"))(("a", "b"), ("gas",))
    assert isinstance(policy, ForeignPolicy)
    policy.begin_episode()
    seen = np.zeros(2, np.float32)
    assert [policy.act(seen, True)[0] for _ in range(3)] == [np.float32(0.001)] * 3  # paused
    policy.stepped(np.ones(1, np.float32))  # a human drove
    assert policy.act(seen, False)[0] == np.float32(0.002)
    policy.begin_episode()
    assert policy.act(seen, True)[0] == np.float32(0.001)


def agent_for_the_road(tmp_path):
    """An archive that fits the embedded game."""
    from stable_baselines3 import SAC

    from hitl.games.box2d import Box2DGame
    from hitl.games.driving_env import DrivingEnv
    from hitl.road.track import load_track

    track = load_track("default")
    env = DrivingEnv(track, None, Box2DGame(track))
    SAC("MlpPolicy", env, policy_kwargs={"net_arch": [8]}, buffer_size=1, device="cpu").save(tmp_path / "road.zip")
    env.close()
    return tmp_path / "road.zip"


def test_the_commands_drive_with_it(tmp_path, capsys):
    archive, home = agent_for_the_road(tmp_path), Home(tmp_path / "home")
    alone = ["play", "--home", str(home.root), "--headless", "--pad", "none", "--episodes", "1", "--agent", str(archive)]
    assert main(alone) == 0
    assert "at random" not in capsys.readouterr().out
    assert main(["eval", "--home", str(home.root), "--episodes", "1", "--agent", str(archive), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["checkpoint"] == "road.zip"
    assert main(["eval", "--home", str(home.root), "--episodes", "1", "--agent", str(archive)]) == 0
    assert "road.zip (SAC), 1 episode" in capsys.readouterr().out
    with Store(home.store_path) as store:
        assert len(store.agents()) == 3
        assert {session.kind for session in [store.newest_session()]} == {"evaluation"}
    assert [kind for (kind,) in rows(home, "SELECT DISTINCT purpose FROM episodes ORDER BY 1")] == ["drive", "evaluation"]
    assert main([*alone, "--agent-stack", "2"]) == 3
    assert "in a stack of 2" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["eval", "--agent", str(archive), "--checkpoint", "best"])


def test_settings_name_it_and_the_command_line_can_take_it_back(tmp_path):
    home = Home(tmp_path)
    (tmp_path / "settings.toml").write_text('[agent]\nuse = "mine.zip"\nstack = 2\nrange = [-2, 2]\n')
    wanted = load(home).agent
    assert (wanted.use, wanted.stack, wanted.range) == ("mine.zip", 2, (-2.0, 2.0))
    assert agent_policy(wanted, home) is not None
    assert agent_policy(load(home, over={"agent": {"use": "none"}}).agent, home) is None


def statistics(path, size=3, **more):
    env = DummyVecEnv([lambda: Small(box((-2, 2)), (size,))])
    path.parent.mkdir(parents=True, exist_ok=True)
    VecNormalize(env, **more).save(path)


def told_beside(archive, seen=("a", "b", "c")):
    policy = agent_policy(AgentSettings(use=str(archive)), Home(archive.parent / "home"))(seen, ("torque",))
    return policy.notices


@pytest.mark.parametrize(
    ("agent", "file"),
    [
        ("ddpg.zip", "vecnormalize.pkl"),
        ("ddpg.zip", "ddpg_vecnormalize.pkl"),
        ("rl_model_500_steps.zip", "rl_model_vecnormalize_500_steps.pkl"),
        ("Pendulum-v1_1/best_model.zip", "Pendulum-v1_1/Pendulum-v1/vecnormalize.pkl"),
        ("Pendulum-v1_1/Pendulum-v1.zip", "Pendulum-v1_1/Pendulum-v1/vecnormalize.pkl"),
    ],
)
def test_statistics_beside_it_are_asked_for(tmp_path, archives, agent, file):
    folder = tmp_path / "its agents"
    statistics(folder / file)
    statistics(folder / "rl_model_vecnormalize_400_steps.pkl")
    for name in (agent, "rl_model_400_steps.zip"):
        shutil.copyfile(archives.folder / "ddpg.zip", folder / name)
    (said,) = told_beside(folder / agent)
    assert said.endswith(f"only with --agent-normalize {as_typed(folder / file)}.")


def test_statistics_that_cannot_be_its_own_are_not_asked_for(tmp_path, archives):
    for name in ("ddpg", "other"):
        shutil.copyfile(archives.folder / "ddpg.zip", tmp_path / f"{name}.zip")
    (tmp_path / "normal.pkl").write_bytes(b"x")
    statistics(tmp_path / "vecnormalize.pkl", 5)
    statistics(tmp_path / "vec_normalize.pkl", norm_obs=False)
    statistics(tmp_path / "other_vecnormalize.pkl")
    assert told_beside(tmp_path / "ddpg.zip") == []
    assert "other_vecnormalize.pkl" in told_beside(tmp_path / "other.zip")[0]


def test_an_archive_that_says_it_saw_all_as_it_came_is_asked_for_no_statistics(tmp_path):
    from stable_baselines3 import PPO

    for name, env in (("plain", lambda env: env), ("normalised", VecNormalize)):
        model = PPO("MlpPolicy", env(DummyVecEnv([lambda: gymnasium.make("Pendulum-v1")])), n_steps=8, batch_size=8, device="cpu")
        model.learn(8).save(tmp_path / name)
    statistics(tmp_path / "vecnormalize.pkl")
    assert told_beside(tmp_path / "plain.zip") == []
    assert len(told_beside(tmp_path / "normalised.zip")) == 1


def test_a_folder_is_told_so_and_the_archive_in_it_is_named(tmp_path, archives):
    home = Home(tmp_path / "home")
    zoo = tmp_path / "my zoo" / "Pendulum-v1_1"
    (zoo / "Pendulum-v1").mkdir(parents=True)

    def refused():
        with pytest.raises(InputFileError) as found:
            agent_policy(AgentSettings(use=str(zoo)), home)(("a", "b", "c"), ("torque",))
        return str(found.value)

    assert refused().startswith("'Pendulum-v1_1' is a folder, and an agent is a file: it holds no file that can be one (.zip,")
    for name in ("Pendulum-v1.zip", "best_model.zip"):
        shutil.copyfile(archives.folder / "ddpg.zip", zoo / name)
    best = as_typed(zoo / "best_model.zip")
    assert refused() == f"'Pendulum-v1_1' is a folder, and an agent is a file. Name one of the 2 there: --agent {best}."
    with SessionSetup(home, SessionOptions()):
        pass
    assert "is a folder" in refused(), "in a home that has a store, too"


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (-2.0, 2.0, ""),
        (-1.0, 1.0, ""),  # in proportion: 0 is 0
        (0.0, 1.0, "torque from 0 to 1, and the game takes it from -2 to 2. Taken around 0, which is rest here, 0 becomes 0. "
         "If it was trained to mean -2 (RescaleAction), it drives wrongly"),
        (-1.0, 3.0, "0 becomes 0. If it was trained to mean -1 (RescaleAction)"),
        (-np.inf, np.inf, ""),
    ],
)  # fmt: skip
def test_bounds_that_are_not_those_of_the_game_are_told(low, high, said):
    actions = Continuous(("torque",), np.array([low]), np.array([high]))
    game = ActionRange(spaces.Box(-2.0, 2.0, (1,)))
    told = actions.unlike(game)
    assert said in told
    assert bool(told) == bool(said)
    assert Continuous(("torque",), np.array([low]), np.array([high]), assumed=True).unlike(game) == ""


def test_an_agent_of_another_range_is_told_in_a_drive_and_in_an_evaluation(tmp_path, capsys):
    from stable_baselines3 import SAC

    env = gymnasium.wrappers.RescaleAction(gymnasium.make("Pendulum-v1"), np.float32(0), np.float32(1))
    SAC("MlpPolicy", env, policy_kwargs={"net_arch": [8]}, buffer_size=1, device="cpu").save(tmp_path / "a.zip")
    more = ["--home", str(tmp_path / "home"), "--env", "gym:Pendulum-v1", "--agent", str(tmp_path / "a.zip"), "--episodes", "1"]
    assert main(["play", "--headless", "--pad", "none", *more]) == 0
    assert "from 0 to 1, and the game takes it from -2 to 2" in " ".join(capsys.readouterr().out.split())
    assert main(["eval", "--json", *more]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["checkpoint"] == "a.zip"
    assert "from 0 to 1, and the game takes it from -2 to 2" in said.err
