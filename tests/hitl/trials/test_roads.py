"""Drives of an actor alone in copies of the game, and which of a checkpoint's weights drive."""

import dataclasses
import json
import sys

import numpy as np
import pytest
import torch

from data.errors import DeviceError
from data.store import Store
from hitl.demo.shipped import open_shipped
from hitl.drivers.held_weights import UNFINISHED
from hitl.drivers.policy import CheckpointPolicy
from hitl.games.hang_guard import EnvironmentLost
from hitl.games.supertuxkart.game import SuperTuxKartGame
from hitl.home import Home
from hitl.road.track import load_track
from hitl.session.lockstep import Lockstep
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from hitl.trials.copies import Trials
from hitl.trials.drives import Solo, SoloDrives
from tests.support.laps import drive_laps
from tests.support.places import ROOT
from trainer.checkpoints.files import load, save
from trainer.daemon.proving import LAP, Trial
from trainer.learner.make import make_learner
from trainer.presets import PRESETS


@pytest.fixture(scope="module")
def shipped(tmp_path_factory) -> Home:
    home = Home(tmp_path_factory.mktemp("shipped"))
    open_shipped(home)
    return home


@pytest.fixture
def home(shipped, tmp_path) -> Home:
    import shutil

    shutil.copytree(shipped.root, tmp_path / "home")
    return Home(tmp_path / "home")


def layout_of(home: Home):
    with Store(home.store_path, read_only=True) as store:
        session = store.newest_session()
    return session.observation_names, session.action_names


def agent_of(home: Home):
    return load(max(home.checkpoints.glob("*.safetensors")))


class Coasts(torch.nn.Module):
    def act(self, seen, deterministic):
        assert all(p.device == seen.device for p in self.parameters())
        return torch.tensor([[0.2, 0.0]]).repeat(len(seen), 1)


class CoastsElsewhere(Coasts):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.empty(1, device="meta"))


def test_a_trial_drives_the_track_of_the_newest_session(home):
    trials = Trials(home)
    trial = trials(layout_of(home))
    assert trials(layout_of(home)) == trial, "the copies are used again"
    drives = trial.share.__self__
    assert drives.track.name == "default"
    drives.envs, drives.episodes = drives.envs[:2], 2
    assert 0.0 < trial.share(Coasts(), 1) < 0.4
    assert trial.share(Coasts(), 1) == trial.share(Coasts(), 1) == trial.share(CoastsElsewhere(), 1)
    assert trial.share(Coasts(), 2) != trial.share(Coasts(), 1), "each trial has its own starts"
    with SessionSetup(home, SessionOptions(track="esses", real_time=False)):
        pass
    other = trials(layout_of(home))
    assert other != trial
    assert other.share.__self__.track.name == "esses"
    trials.close()


def test_where_it_cannot_be_tried(home, tmp_path):
    layout = layout_of(home)
    assert Trials(Home(tmp_path / "nothing"))(layout) is None
    assert Trials(home)((layout[0][:-1], layout[1])) is None, "the actor sees something else"
    with Store(home.store_path) as store:
        store.db.execute("UPDATE sessions SET hz = 10")
        assert Trials(home)(layout) is None, "it was driven at another rate than is set"
        store.db.execute("UPDATE sessions SET hz = 20, env = 'trackmania'")
        assert Trials(home)(layout) is None
        store.db.execute("UPDATE sessions SET env = 'box2d', track = 'one that is away'")
        assert Trials(home)(layout) is None
        store.db.execute("UPDATE sessions SET kind = 'import', track = 'default'")
        assert Trials(home)(layout) is None


def test_it_is_driven_by_the_rules_of_the_session_whatever_is_set_now(home):
    trials = Trials(home)
    settings = home.root / "settings.toml"
    settings.write_text("[observation]\npoints = 'many'\n")
    assert trials(layout_of(home)) is None
    settings.write_text("[reward]\nmax_stray = 1.0\n")
    trial = trials(layout_of(home))
    assert trial is not None, "the settings can be read again"
    with Store(home.store_path) as store:
        session = store.newest_session()
        stored = json.loads(store.db.execute("SELECT reward FROM sessions WHERE id = ?", (session.id,)).fetchone()[0])
        assert trial.share.__self__.envs[0].task.reward.settings.max_stray == stored["max_stray"] != 1.0
        reward = json.dumps(stored | {"max_stray": 3.0})
        store.db.execute("UPDATE sessions SET reward = ? WHERE id = ?", (reward, session.id))
    other = trials(layout_of(home))
    assert other.share.__self__.envs[0].task.reward.settings.max_stray == 3.0
    settings.write_text("[observation")
    assert trials(layout_of(home)) == other, "what is known stays while a file cannot be read"


def test_a_long_road_is_tried_by_fewer_drives(home, tmp_path):
    line = tmp_path / "long.csv"
    line.write_text("x,y\n" + "\n".join(f"{x},{40 * np.sin(x / 80):.2f}" for x in range(0, 3000, 5)))
    with SessionSetup(home, SessionOptions(track=str(line), real_time=False)):
        pass
    assert len(Trials(home)(layout_of(home)).share.__self__.envs) == 4


class Straight:
    """Stands for an actor: full gas, straight ahead."""

    def parameters(self):
        return iter(())

    def act(self, observations, deterministic):
        return torch.tensor([[1.0, 0.0]]).repeat(len(observations), 1)


def test_a_game_that_is_not_on_this_machine_is_asked_for_once(home, monkeypatch):
    asked = []

    def missing(*how):
        asked.append(how)
        raise DeviceError("The game is not installed.")

    monkeypatch.setattr("hitl.trials.copies.copies", missing)
    trials = Trials(home)
    assert trials(layout_of(home)) is trials(layout_of(home)) is None
    assert len(asked) == 1


def test_few_cars_drive_what_many_do():
    track = load_track("esses")
    many, few = (SoloDrives(track, 5, most=most)(Straight(), 70) for most in (5, 2))
    assert few == many
    assert len({result.total for result in many}) == 5, "from five starts"


def test_a_game_that_goes_away_costs_its_drive_alone(tmp_path):
    program = [sys.executable, str(ROOT / "tests" / "support" / "stand_in_engine.py"), "crash:20"]
    home = Home(tmp_path).create()
    drives = SoloDrives(load_track("fortmagma"), 3, game=lambda track: SuperTuxKartGame(track, home, program), most=1)
    try:
        first, *others = drives(Straight(), 70)
        assert first.reason == "lost"
        assert all(result.reason == "off_road" and result.progress > 10 for result in others)
        assert 0.0 < drives.share(Straight(), 1) < 1.0
    finally:
        drives.close()


@pytest.mark.parametrize("away", [1, 2])
def test_a_game_that_stays_away_takes_no_drives_from_the_others(away):
    def reset(**more):
        raise EnvironmentLost("It does not begin.")

    drives = SoloDrives(load_track("esses"), 5, most=2)
    for env in drives.envs[:away]:
        env.reset = reset
    reasons = [result.reason for result in drives(Straight(), 70)]
    assert reasons.count("lost") == (1 if away == 1 else 5)


def test_where_all_drives_are_lost_nothing_is_said_of_the_actor():
    class Lost(SoloDrives):
        def __call__(self, actor, first_seed):
            return [Solo(reason="lost"), Solo(reason="lost")]

    with pytest.raises(EnvironmentLost):
        Lost(load_track("esses"), 1).share(Straight(), 1)


def test_whoever_waits_for_a_trial_is_asked_in_each_step_and_can_end_it(home):
    asked = []

    def meanwhile():
        asked.append(1)
        if len(asked) > 5:
            raise InterruptedError

    trials = Trials(home)
    trials.meanwhile = meanwhile
    trial = trials(layout_of(home))
    with pytest.raises(InterruptedError):
        trial.share(Straight(), 1)
    assert len(asked) == 6
    trials.close()


def test_a_whole_lap_is_all_of_it():
    class Done(SoloDrives):
        def __call__(self, actor, first_seed):
            return [Solo(reason="finish", progress=self.track.line.length - 1.9), Solo(reason="off_road", progress=0.0)]

    assert Done(load_track("esses"), 0).share(None, 1) == 0.5


def test_an_agent_that_stands_at_the_last_corner_drives_no_laps():
    class Stands(SoloDrives):
        def __call__(self, actor, first_seed):
            return [Solo(reason="off_road", progress=0.97 * self.track.line.length)] * 4

    assert Stands(load_track("esses"), 0).share(None, 1) == UNFINISHED < LAP


def test_drives_without_noise_are_by_the_proven_weights(home):
    tensors, meta = agent_of(home)
    learner = make_learner(len(meta.observation_names), len(meta.action_names), PRESETS["hitl"].from_dict(meta.config))
    learner.load_networks(tensors)
    learner.proven = make_learner(learner.observation_size, 2, learner.config.with_values(seed=5)).actor
    meta = dataclasses.replace(meta, updates=meta.updates + 1)
    name, sha = save(home.checkpoints, learner, meta)
    with Store(home.store_path) as store:
        store.add_checkpoint(name, sha, meta.updates, 0, "train", meta.config)
    policy = CheckpointPolicy(home, meta.observation_names, meta.action_names)
    policy.begin_episode()
    assert policy.checkpoint_name == name
    looks = torch.randn(50, learner.observation_size, generator=torch.Generator().manual_seed(0))
    apart = (learner.newest.act(looks) - learner.proven.act(looks)).abs().amax(1)
    at_once = looks[int(apart.argmax())][None]  # where the two differ most
    seen = at_once[0].numpy()
    assert np.allclose(policy.act(seen, True), learner.proven.act(at_once)[0])
    policy.begin_episode()
    noisy = np.mean([policy.act(seen, False) for _ in range(400)], 0)
    spread = np.abs(noisy - learner.newest.act(at_once)[0].numpy()).max()
    assert spread < np.abs(noisy - learner.proven.act(at_once)[0].numpy()).max()
    assert policy.can_judge()
    policy.pin("latest")
    assert np.allclose(policy.act(seen, True), learner.proven.act(at_once)[0])


def test_in_lockstep_a_collapse_is_not_driven(home):
    config = PRESETS["hitl"].with_values(utd=0.0001, lap_utd=0.0)
    init = max(home.checkpoints.glob("*.safetensors"))
    with Lockstep(home, SessionOptions(kind="demo", greedy_every=2), config, init=init, proves=True) as lockstep:
        drives = lockstep.proving.trial.share.__self__
        drives.envs, drives.episodes = drives.envs[:2], 2
        lockstep.proving.trial = dataclasses.replace(lockstep.proving.trial, worth=0.3)  # the shipped agent stalls at a corner
        lockstep.learn()
        before = lockstep.learner.driving
        assert before is not lockstep.learner.newest
        for actor in (lockstep.learner.actor_flat, lockstep.learner.average_flat):
            actor.values.zero_()
        lockstep.learn()
        assert lockstep.learner.driving is before
        assert lockstep.proving.held_back < lockstep.proving.share
        noisy, greedy = lockstep.drive(1), lockstep.drive(1)
        assert greedy.progress > 100 > noisy.progress, "the newest weights no longer drive"
        tensors, numbers = lockstep.learner.tensors(), lockstep.learner.numbers()
    with Lockstep(home, SessionOptions(kind="demo"), config, init=init) as lockstep:
        lockstep.learner.load(tensors, numbers)
        lockstep.proving.use(None)
        assert lockstep.learner.driving is lockstep.learner.newest, "without trials the newest drive"


def test_in_lockstep_weights_are_tried_within_the_updates_of_a_long_drive(home, monkeypatch):
    monkeypatch.setattr("hitl.session.lockstep.TRIAL_EVERY", 3)
    config = PRESETS["hitl"].with_values(batch_size=16, hidden=16, lap_utd=0.0, warmup_steps=0)
    drive_laps(home, 1)
    with Lockstep(home, SessionOptions(kind="demo"), config, proves=True) as lockstep:
        tried_at: list[int] = []
        lockstep.proving.use(Trial(lambda actor, number: tried_at.append(lockstep.learner.updates) or 0.0))
        lockstep.learn()
        lockstep.budget.count_steps(4)
        lockstep.steps = 4
        lockstep.learn()
    assert tried_at == [0, 3, 6, 8], "utd 2: eight updates"


def test_without_trials_drives_without_noise_go_back_to_weights_that_drove(home, monkeypatch):
    monkeypatch.setattr("hitl.drivers.held_weights.LAP", 0.3)  # the shipped agent stalls at a corner
    config = PRESETS["hitl"].with_values(utd=0.0001, lap_utd=0.0)
    init = max(home.checkpoints.glob("*.safetensors"))
    with Lockstep(home, SessionOptions(kind="demo", greedy_every=1), config, init=init) as lockstep:
        first = lockstep.save()
        far = lockstep.drive(1).progress
        for actor in (lockstep.learner.actor_flat, lockstep.learner.average_flat):
            actor.values.zero_()
        second = lockstep.save()
        driven = [lockstep.drive(1).progress for _ in range(3)]
        assert far > 100 > driven[0], "it is seen to fall"
        assert driven[1:] == [far, far]
        assert lockstep.policy.checkpoint_id == first, "what is stored of a drive names the weights that drove it"
        lockstep.policy.begin_episode()
        assert lockstep.policy.checkpoint_id == second
    with Store(home.store_path, read_only=True) as store:
        rows = store.db.execute("SELECT DISTINCT episode_id, checkpoint_id FROM steps ORDER BY episode_id DESC").fetchall()
    assert [number for _, number in rows[:4]] == [first, first, second, first]
