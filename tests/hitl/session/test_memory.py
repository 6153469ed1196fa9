"""Networks with a memory, and networks for pictures, from the session through the store and the trainer and back again."""

import shutil
import sqlite3
from dataclasses import replace

import gymnasium
import numpy as np
import pytest
import torch

from data.store import Store
from hitl.drivers.human import HumanSide
from hitl.drivers.policy import CheckpointPolicy
from hitl.home import Home
from hitl.pads.base import PadState
from hitl.session.lockstep import Lockstep
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from hitl.trials.drives import SoloDrives
from trainer.checkpoints.files import load, load_policy, save
from trainer.config import BARE, TrainConfig
from trainer.learner.tqc import TQC
from trainer.networks.actor_critic import Critics
from trainer.networks.recurrent import whole_episode
from trainer.replay.batch import beside

CONFIG = BARE.with_values(
    network="recurrent", hidden=16, layers=1, rnn_size=12, sequence=5, burn_in=5, quantiles=5, batch_size=20, warmup_steps=20,
    utd=0.1,
)  # fmt: skip


class Planned(HumanSide):
    """Pauses, takes over and pauses again, as planned."""

    name = "planned"

    def __init__(self):
        pause, press = PadState(buttons=frozenset({"pause"})), PadState(gas=0.4, buttons=frozenset({"takeover"}))
        rest = PadState()
        self.plan = [*[rest] * 4, pause, *[rest] * 3, pause, *[rest] * 4, *[press] * 10, *[rest] * 4, pause, rest, pause]

    def begin(self):
        self.left = list(self.plan)

    def read(self, info):
        return (self.left.pop(0) if self.left else PadState()), ""

    def rumble(self, *how):
        pass


def episodes(home):
    """Observations, executed and proposed actions and drivers of each episode."""
    with sqlite3.connect(home.store_path) as db:
        for (id_,) in db.execute("SELECT id FROM episodes ORDER BY id").fetchall():
            rows = db.execute(
                "SELECT observation, executed, proposed, driver FROM steps WHERE episode_id = ? ORDER BY t", (id_,)
            ).fetchall()
            arrays = [np.stack([np.frombuffer(r[k], np.float32) for r in rows]) for k in range(3)]
            yield *(torch.from_numpy(x) for x in arrays), np.array([r[3] for r in rows])


@pytest.fixture(scope="module")
def learned_once(tmp_path_factory):
    home = Home(tmp_path_factory.mktemp("learned"))
    with Lockstep(home, SessionOptions(seed=1), CONFIG) as lockstep:
        lockstep.drive(0)
        assert lockstep.learner.updates > 0
        lockstep.drive(1, "evaluation")
        lockstep.save()
    return home


@pytest.fixture
def learned(learned_once, tmp_path):
    """A home with a little experience and a recurrent checkpoint, and the file's path."""
    home = Home(shutil.copytree(learned_once.root, tmp_path / "home"))
    return home, next(home.checkpoints.iterdir())


@torch.no_grad()
def test_the_memory_is_right_through_pauses_takeovers_and_new_episodes(learned):
    home, path = learned
    begun = len(list(episodes(home)))
    with SessionSetup(home, SessionOptions(seed=2), human=lambda track: Planned()) as rig:
        for seed in range(2):
            rig.session.stop = lambda: rig.session._result.steps >= 35
            rig.session.leaving = False
            result = rig.session.episode("drive", seed=seed, deterministic=True)
            assert result.human_steps > 5
        rig.written()
    actor, _ = load_policy(path)
    drives = list(episodes(home))[begun:]
    assert len(drives) == 2
    for observation, executed, proposed, driver in drives:
        assert set(driver) == {0, 1}
        expected = actor.act(whole_episode(observation, executed))
        torch.testing.assert_close(proposed, expected, rtol=1e-4, atol=1e-5)
        # It does matter: without what was executed by the human, or without the past, it would propose something else.
        last = int(np.flatnonzero(driver)[-1]) + 1
        forgetful = actor.act(whole_episode(observation[last:], executed[last:]))
        assert float((proposed[last:] - forgetful).abs().max()) > 1e-3


@torch.no_grad()
def test_the_critics_of_the_running_episode_know_what_went_before(learned):
    home, path = learned
    observation, executed, _, _ = next(episodes(home))
    names = tuple(f"n{k}" for k in range(observation.shape[1]))
    tensors, meta = load(path)
    policy = CheckpointPolicy(home, meta.observation_names, meta.action_names)
    assert len(names) == policy.observation_size
    policy.begin_episode()
    assert policy.can_judge()
    policy.begin_episode()
    seen, did = observation.numpy()[:12], executed.numpy()[:12]
    running = []
    for o, a in zip(seen, did, strict=True):
        policy.act(o, True)
        running.append(policy.quantiles_now(o, a))
        policy.stepped(a)
    critics = Critics(len(names), 2, TrainConfig.from_dict(meta.config))
    critics.load_state_dict({k.removeprefix("critics."): v for k, v in tensors.items() if k.startswith("critics.")})
    expected = critics(beside(whole_episode(observation[:12], executed[:12]), executed[:12])).numpy()
    np.testing.assert_allclose(np.concatenate(running, 1), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(policy.quantiles(seen, did), expected, rtol=1e-4, atol=1e-5)


def test_settings_that_this_version_does_not_know_are_told_once(learned):
    home, path = learned
    _, meta = load(path)
    learner = TQC(len(meta.observation_names), len(meta.action_names), CONFIG)
    told = []
    with Store(home.store_path) as store:
        for updates in (1, 2):
            later = replace(meta, config=meta.config | {"dream_horizon": 15}, updates=updates)
            store.add_checkpoint(*save(home.checkpoints, learner, later), updates, 1, "train", later.config)
            with SessionSetup(home, SessionOptions(seed=3), tell=lambda level, text: told.append(text)) as rig:
                rig.session.stop = lambda: rig.session._result.steps >= 3
                rig.session.episode("drive", seed=0)
                rig.session.episode("drive", seed=1)
                assert rig.policy.updates == updates
        events = store.conn.execute("SELECT message FROM events WHERE message LIKE '%dream_horizon = 15%'").fetchall()
    assert len(events) == len(told) == 2  # once a session


class Blobs(gymnasium.Env):
    """A picture and a number beside it; nothing that one could drive far in."""

    observation_space = gymnasium.spaces.Dict(
        {"camera": gymnasium.spaces.Box(0, 255, (32, 40, 3), np.uint8), "speed": gymnasium.spaces.Box(-1, 1, (1,), np.float32)}
    )
    action_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return self._seen(), {}

    def step(self, action):
        self.t += 1
        return self._seen(), float(action[0]), False, self.t == 40, {}

    def _seen(self):
        camera = np.zeros((32, 40, 3), np.uint8)
        camera[8:16, self.t % 32 : self.t % 32 + 8] = 200
        return {"camera": camera, "speed": np.array([self.t / 40], np.float32)}


@pytest.fixture
def blobs():
    gymnasium.register("Blobs-v0", entry_point=Blobs)
    yield "gym:Blobs-v0"
    del gymnasium.registry["Blobs-v0"]


def test_pictures_go_from_an_environment_to_the_network_and_back(tmp_path, blobs):
    from trainer.daemon.daemon import Daemon
    from trainer.daemon.wish import Wish

    home = Home(tmp_path)
    home.root.joinpath("settings.toml").write_text("[pictures]\nrows = 8\ncolumns = 10\nframes = 3\n")
    with SessionSetup(home, SessionOptions(env=blobs, seed=1)) as rig:
        assert rig.observation_names[:2] == ("observation_0", "pixel_0_0_0")
        assert len(rig.observation_names) == 1 + 3 * 8 * 10
        rig.session.episode("drive", seed=0)
        rig.written()
    with sqlite3.connect(home.store_path) as db:
        assert db.execute("SELECT frame_shape FROM sessions").fetchone() == ("[8, 10]",)
        rows = db.execute("SELECT observation FROM steps ORDER BY t").fetchall()
    third = np.frombuffer(rows[2][0], np.float32)
    frames = third[1:].reshape(3, 8, 10)
    assert third[0] == np.float32(0.05)
    for k in range(3):  # oldest first: the blob at 0, 1 and 2 pixels of 40, of which four become one point
        np.testing.assert_allclose(frames[k, 2, 0] * 255, 200 * (4 - k) / 4, atol=1)
    settings = {"network": "cnn", "cnn_filters": [4, 8], "cnn_output": 8, "hidden": 16}
    settings |= {"batch_size": 8, "warmup_steps": 0, "utd": 0.5}
    daemon = Daemon(home.root, Wish.of(settings))
    daemon.stop = lambda: daemon.training is not None and daemon.training.learner.updates >= 8
    daemon.run()
    assert daemon.training.config.image == (3, 8, 10)
    again = Daemon(home.root, Wish.of({"network": "cnn"}), stop=lambda: True)
    opened = again._open()
    assert opened is not None
    start = opened.start
    assert start is not None
    assert start.config.image == (3, 8, 10)
    opened.follower.close()
    with SessionSetup(home, SessionOptions(env=blobs, seed=2)) as rig:
        rig.session.episode("evaluation", seed=1)
        assert rig.policy.checkpoint_id is not None
        actor, _ = load_policy(home.checkpoints / rig.policy.checkpoint_name)
        rig.written()
    observation, _, proposed, _ = list(episodes(home))[-1]
    torch.testing.assert_close(proposed, actor.act(observation), rtol=1e-4, atol=1e-5)


def test_a_network_for_pictures_is_refused_where_there_are_none(learned):
    from data.errors import UsageError
    from trainer.daemon.daemon import Daemon
    from trainer.daemon.wish import Wish

    daemon = Daemon(learned[0].root, Wish.of({"network": "cnn"}, fresh=True))
    with pytest.raises(UsageError, match="looks at pictures"):
        daemon.run()


def test_a_trial_knows_what_went_before_in_each_car(learned):
    home, path = learned
    actor, _ = load_policy(path)
    with SessionSetup(home, SessionOptions(seed=2)) as rig:
        expected = rig.evaluate(3, 5000)
        drives = SoloDrives(rig.track, 3, most=2)
        found = drives(actor, 5000)
        drives.close()
    assert [(r.steps, r.reason) for r in found] == [(r.steps, r.reason) for r in expected]
    assert [r.total for r in found] == pytest.approx([r.total for r in expected], rel=1e-4)
