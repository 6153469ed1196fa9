"""New weights drive without noise only once a trial has shown that they come as far as those that drive now."""

import dataclasses
import hashlib
import json
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from data.errors import CheckpointError
from data.store import Store
from tests.support.batches import ACT, OBS, random_episode
from tests.support.daemon_runs import ACTIONS, NAMES, SMALL, drive, newest, train
from trainer.checkpoints.files import actor_of, has_proven, load, newest_actor_of, save
from trainer.checkpoints.meta import CheckpointMeta
from trainer.checkpoints.packed import policy_only
from trainer.daemon.daemon import Daemon
from trainer.daemon.heartbeat import read_heartbeat
from trainer.daemon.proving import FARTHER, LAP, PATIENCE, Proving, Trial
from trainer.daemon.resume import begin
from trainer.daemon.training import TRIES
from trainer.daemon.wish import Wish
from trainer.learner.make import make_learner
from trainer.presets import PRESETS
from trainer.replay.replay import Replay
from trainer.updates.update_budget import UpdateBudget

SEEN = torch.randn(5, 3, generator=torch.Generator().manual_seed(1))


class Weights:
    """Stands for a learner: its actor is how good it is."""

    def __init__(self) -> None:
        self.newest, self.proven = 0.0, None
        self.updates = self.helped_at = 0
        self.worth_holding = None

    def prove(self) -> None:
        self.proven = self.newest

    def return_to_proven(self) -> None:
        self.newest = self.proven


def trial_of(luck: dict[int, float]):
    """How far weights come; each trial's starts are harder or easier."""
    return Trial(lambda actor, number: min(1.0, max(0.0, actor + luck.get(number, 0.0))))


@given(st.lists(st.floats(0.2, 1.0), min_size=1, max_size=30))
def test_a_lap_that_was_driven_once_is_never_lost(skills: list[float]) -> None:
    learner = Weights()
    proving = Proving(learner)
    proving.use(trial_of({}))
    best = 0.0
    for skill in skills:
        learner.newest = skill
        drives = proving.offer()
        best = max(best, skill)
        if best < LAP:
            assert drives, "nothing is there to be lost"
            assert learner.proven is None
        else:
            assert drives == (learner.proven == skill)
            assert learner.proven == best
        assert (proving.held_back is None) == drives
        assert (proving.state == "") == drives


@given(st.floats(0.05, 0.5), st.lists(st.floats(0.05, 1.0), min_size=1, max_size=30))
def test_what_help_has_won_is_held_before_the_lap_is_finished(stood: float, skills: list[float]) -> None:
    learner = Weights()
    proving = Proving(learner)
    proving.use(trial_of({}))
    learner.newest = stood
    assert proving.offer()
    learner.updates = learner.helped_at = 100
    best = 0.0
    for skill in skills:
        learner.newest = skill
        proving.offer()
        assert learner.worth_holding == min(LAP, stood + FARTHER)
        best = max(best, skill)
        assert learner.proven == (best if best >= learner.worth_holding else None)
    held = learner.proven
    again = Proving(learner)  # the trainer is started anew
    again.use(trial_of({}))
    again.offer()
    assert learner.proven == held
    assert (learner.worth_holding is None) == (held is None)  # else it may be another road
    learner.updates = learner.helped_at = 200
    again.offer()
    assert learner.worth_holding is not None


def test_help_before_the_first_trial_moves_where_the_agent_stands() -> None:
    learner = Weights()
    proving = Proving(learner)
    proving.use(trial_of({}))
    learner.helped_at, learner.newest = 10, 0.6
    assert proving.offer()
    assert learner.worth_holding is None
    learner.helped_at = 20
    proving.offer()
    assert learner.worth_holding == 0.6 + FARTHER
    proving.use(trial_of({}))  # another road
    assert learner.worth_holding is None


@given(st.dictionaries(st.integers(1, 20), st.floats(-0.2, 0.2)))
def test_hard_starts_are_no_reason_to_hold_the_same_weights_back(luck: dict[int, float]) -> None:
    learner = Weights()
    learner.newest = learner.proven = 0.95
    proving = Proving(learner)
    proving.use(trial_of(luck))
    assert all(proving.offer() for _ in range(20))


def test_lucky_starts_do_not_hold_equals_back_for_ever() -> None:
    learner = Weights()
    learner.newest = 0.5
    proving = Proving(learner)
    proving.use(trial_of({1: 0.4}))
    proving.offer()
    assert proving.share == pytest.approx(0.9)
    learner.newest = 0.51
    assert proving.offer(), "the proven weights drive these starts no better"
    assert learner.proven == 0.51
    for _ in range(20):
        assert proving.offer()
    assert proving.share == pytest.approx(0.51, abs=0.02)


def test_small_steps_down_do_not_add_up() -> None:
    """Each is far within the noise of a trial. After two hundred the newest weights drive a seventh of the lap."""
    at_the_end = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        learner = Weights()
        learner.newest = 0.95
        proving = Proving(learner)
        proving.use(Trial(lambda actor, number, rng=rng: float(np.clip(actor + rng.normal(0, 0.05), 0, 1))))
        for _ in range(200):
            proving.offer()
            learner.newest -= 0.004
        at_the_end.append(learner.proven)
    assert learner.newest < 0.16
    assert np.median(at_the_end) > 0.6


def test_trials_take_a_tenth_of_the_time_and_a_third_after_help() -> None:
    now = [0.0]
    learner = Weights()

    def trial(actor: float, number: int) -> float:
        now[0] += 3.0
        return actor

    proving = Proving(learner, clock=lambda: now[0])
    assert not proving.due, "there is nothing to try with"
    proving.use(Trial(trial))
    assert proving.due
    proving.offer()
    now[0] += 9 * 3.0 - 0.1
    assert not proving.due
    now[0] += 0.2
    assert proving.due
    proving.offer()
    learner.updates = 70
    now[0] += 2 * 3.0 + 0.1
    assert not proving.due
    learner.helped_at = 50
    assert proving.due, "the human has shown something new"
    proving.offer()
    learner.helped_at = 71
    now[0] += 2 * 3.0 - 0.1
    assert not proving.due, "also then it does nothing else but learn for a while"


def test_on_another_road_the_proven_weights_prove_themselves_again() -> None:
    learner = Weights()
    learner.newest = learner.proven = 0.95  # as a checkpoint says
    proving = Proving(learner)
    here, there, elsewhere = trial_of({}), trial_of({}), trial_of(dict.fromkeys(range(99), -0.5))
    proving.use(here)
    assert learner.proven == 0.95, "a run goes on"
    learner.newest = 0.1
    assert not proving.offer()
    proving.use(here)
    assert "10 %" in proving.state
    assert "95 %" in proving.state
    proving.use(there)
    assert learner.proven == 0.95, "they must prove themselves again, and may be better there, too"
    assert proving.state == ""
    assert not proving.offer()
    learner.newest = 0.96
    assert proving.offer()
    learner.newest = 0.7
    proving.use(elsewhere)
    assert proving.offer(), "on this road the proven ones hardly come farther, and nothing is there to be lost"
    assert learner.proven is None
    learner.newest = 1.45
    assert proving.offer()
    assert learner.proven == 1.45
    proving.use(None)
    assert learner.proven is None
    assert not proving.due
    learner.proven = 0.5
    Proving(learner).use(None)
    assert learner.proven is None, "where nothing can be tried the newest weights drive"


def test_weights_that_stay_worse_for_long_are_given_up() -> None:
    learner = Weights()
    learner.newest = 0.95
    proving = Proving(learner)
    proving.use(trial_of({}))
    assert proving.offer()
    learner.newest = 0.3
    for learner.updates in (100, PATIENCE - 1):
        assert not proving.offer()
        assert (learner.newest, proving.gave_up) == (0.3, False)
    learner.updates = PATIENCE
    assert not proving.offer()
    assert (learner.newest, proving.gave_up) == (0.95, True)
    learner.newest = 0.4
    learner.updates += PATIENCE - 1
    assert not proving.offer()
    assert not proving.gave_up, "it begins anew"
    learner.newest = 0.97
    assert proving.offer()
    assert not proving.gave_up


@pytest.mark.parametrize("average", [None, 0.9])
def test_to_give_weights_up_leaves_the_critics_as_they_are(average: float | None) -> None:
    learner = make_learner(OBS, ACT, PRESETS["plain"].with_values(hidden=16, quantiles=5, batch_size=8, actor_average=average))
    replay = Replay(OBS, ACT, learner.config)
    replay.add(random_episode(1))
    batch = replay.sample(8, torch.Generator().manual_seed(0))
    learner.update(batch)
    learner.prove()
    seen = torch.randn(5, OBS)
    did = learner.driving.act(seen)
    for _ in range(3):
        learner.update(batch)
    assert not torch.equal(learner.newest.act(seen), did)
    critics = {name: value.clone() for name, value in learner.critics.state_dict().items()}  # the units are among them
    learner.return_to_proven()
    for actor in (learner.actor, learner.newest):
        actor.units = learner.proven.units
        assert torch.equal(actor.act(seen), did)
        actor.units = learner.critics.units
    assert all(torch.equal(value, critics[name]) for name, value in learner.critics.state_dict().items())
    assert learner.actor_optimiser.steps == 0
    learner.update(batch)
    assert not torch.equal(learner.newest.act(seen), did), "it learns on"


def changed(learner) -> None:
    learner.actor_flat.values.add_(0.1)
    if learner.average_flat is not None:
        learner.average_flat.values.add_(0.1)


@pytest.mark.parametrize("average", [None, 0.9])
def test_a_checkpoint_keeps_both(tmp_path: Path, average: float | None) -> None:
    config = SMALL.with_values(actor_average=average)
    learner = make_learner(3, 2, config)
    meta = CheckpointMeta.of(learner, NAMES, ACTIONS)
    tensors, _ = load(tmp_path / save(tmp_path, learner, meta)[0])
    assert not has_proven(tensors)
    assert torch.equal(actor_of(tensors, meta).act(SEEN), learner.newest.act(SEEN))
    learner.prove()
    before = learner.driving.act(SEEN)
    changed(learner)
    name, _ = save(tmp_path, learner, dataclasses.replace(meta, updates=1))
    tensors, meta = load(tmp_path / name)
    assert has_proven(tensors)
    assert torch.equal(actor_of(tensors, meta).act(SEEN), before)
    assert torch.equal(newest_actor_of(tensors, meta).act(SEEN), learner.newest.act(SEEN))
    assert not torch.equal(before, learner.newest.act(SEEN))
    sent = tmp_path / "sent.safetensors"
    sent.write_bytes(policy_only(tmp_path / name))
    small, meta = load(sent)
    assert torch.equal(actor_of(small, meta).act(SEEN), before)
    assert torch.equal(newest_actor_of(small, meta).act(SEEN), learner.newest.act(SEEN))
    other = make_learner(3, 2, config)
    other.load(tensors, learner.numbers())
    assert torch.equal(other.driving.act(SEEN), before)
    other.load({k: v for k, v in tensors.items() if not k.startswith("proven.")}, learner.numbers())
    assert other.proven is None


@pytest.mark.parametrize("worth", [None, 0.45])
@pytest.mark.parametrize("held_out", [(0, 0), (3, 5)])
def test_a_checkpoint_keeps_what_is_worth_holding(tmp_path: Path, worth: float | None, held_out: tuple[int, int]) -> None:
    learner = make_learner(3, 2, SMALL)
    learner.worth_holding = worth
    numbers = UpdateBudget(1.0, held_out=held_out).numbers()
    name, _ = save(tmp_path, learner, CheckpointMeta.of(learner, NAMES, ACTIONS, numbers=numbers))
    tensors, meta = load(tmp_path / name)
    other = make_learner(3, 2, SMALL)
    other.load(tensors, meta.numbers)
    assert other.worth_holding == worth
    assert (meta.numbers["held_from"], meta.numbers["held_to"]) == held_out
    with pytest.raises(AssertionError):
        CheckpointMeta.of(learner, NAMES, ACTIONS, numbers={"updates": 1})


def test_proven_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    learner = make_learner(3, 2, SMALL)
    learner.proven = make_learner(4, 2, SMALL).actor
    name, _ = save(tmp_path, learner, CheckpointMeta.of(learner, NAMES, ACTIONS))
    with pytest.raises(CheckpointError, match=r"proven\.body\.weight0 has another shape"):
        load(tmp_path / name)


def test_a_trainer_holds_worse_weights_back_also_after_it_was_stopped(tmp_path: Path) -> None:
    drive(tmp_path / "store.sqlite")
    first: list[torch.Tensor] = []

    def trial(actor, number: int) -> float:
        did = actor.act(SEEN)
        if not first:
            first.append(did)
        return 1.0 if torch.equal(did, first[0]) else 0.3

    def run(until: int, **more: object) -> Daemon:
        wish = Wish(SMALL.with_values(checkpoint_updates=20), **more)
        daemon = Daemon(tmp_path, wish, trials=lambda names: Trial(trial) if names == (NAMES, ACTIONS) else None)
        daemon.stop = lambda: daemon.training is not None and daemon.training.learner.updates >= until
        daemon.run()
        return daemon

    daemon = run(60)
    daemon.training._proving._took = 0.0
    daemon.training._checkpoint()
    tensors, meta = load(tmp_path / "checkpoints" / newest(tmp_path).name)
    assert torch.equal(actor_of(tensors, meta).act(SEEN), first[0])
    assert not torch.equal(newest_actor_of(tensors, meta).act(SEEN), first[0])
    beat = read_heartbeat(tmp_path)
    assert beat is not None
    assert "the agent as it is now came 30 % of the lap; as it was before, it came 100 % of the lap." in beat.held_back
    assert json.loads((tmp_path / "trainer.json").read_text())["held_back"] == beat.held_back
    run(100)
    tensors, meta = load(tmp_path / "checkpoints" / newest(tmp_path).name)
    assert torch.equal(actor_of(tensors, meta).act(SEEN), first[0]), "it knows them from the checkpoint"
    train(tmp_path, 140)
    tensors, _ = load(tmp_path / "checkpoints" / newest(tmp_path).name)
    assert not has_proven(tensors), "nothing can be tried here, so the newest weights drive"


def begun(root: Path, **wish: object):
    """A run whose newest weights were held back, and what a trainer with this wish begins with."""
    drive(root / "store.sqlite")
    config = SMALL.with_values(actor_average=0.9)
    learner = make_learner(3, 2, config)
    learner.prove()
    good = learner.driving.act(SEEN)
    changed(learner)
    numbers = {"online_steps": 0, "owed_updates": 0, "last_step": 0}
    meta = CheckpointMeta.of(learner, NAMES, ACTIONS, numbers=numbers)
    name, sha = save(root / "checkpoints", learner, meta, {"rng.replay": torch.Generator().get_state()})
    with Store(root / "store.sqlite") as store:
        store.set_best(store.add_checkpoint(name, sha, 0, 0, "train", config.to_dict()))
        records = store.checkpoints()
    found = begin(Wish(config, **wish), records, root / "checkpoints", lambda text: None)
    assert found is not None
    return found.learner, good


def test_to_begin_from_the_best_is_to_begin_from_what_drove(tmp_path: Path) -> None:
    learner, good = begun(tmp_path, init=Path("best"))
    assert torch.equal(learner.newest.act(SEEN), good)
    assert torch.equal(learner.actor.act(SEEN), good)


def test_a_run_that_goes_on_keeps_its_newest_weights(tmp_path: Path) -> None:
    learner, good = begun(tmp_path)
    assert not torch.equal(learner.newest.act(SEEN), good)
    assert torch.equal(learner.driving.act(SEEN), good)


def test_a_trial_that_fails_costs_no_training(tmp_path: Path) -> None:
    drive(tmp_path / "store.sqlite")

    def trial(actor, number: int) -> float:
        raise RuntimeError("the game is gone")

    daemon = Daemon(tmp_path, Wish(SMALL.with_values(checkpoint_updates=20)), trials=lambda names: Trial(trial))
    daemon.stop = lambda: daemon.training is not None and daemon.training.learner.updates >= 60
    daemon.run()
    assert newest(tmp_path).updates >= 60
    with Store(tmp_path / "store.sqlite") as store:
        assert [text for _, _, kind, text in store.events() if kind == "trials"] == [
            "Weights cannot be tried here (RuntimeError): the newest drive."
        ]


def test_who_stops_a_trainer_does_not_wait_for_a_trial(tmp_path: Path) -> None:
    drive(tmp_path / "store.sqlite")
    stopped: list[bool] = []

    def trial(actor, number: int) -> float:
        assert not stopped
        return 0.5

    daemon = Daemon(tmp_path, Wish(SMALL.with_values(checkpoint_updates=50)), trials=lambda names: Trial(trial))

    def stop() -> bool:
        if daemon.training is not None and daemon.training.learner.updates >= 70:
            daemon.training._proving._took = 0.0  # one would be due
            stopped.append(True)
        return bool(stopped)

    daemon.stop = stop
    daemon.run()
    assert newest(tmp_path).updates >= 70


@pytest.mark.parametrize(("slow_s", "times"), [(0.0, 1), (60.0, 0)])
def test_a_trial_that_takes_long_is_told_once(tmp_path: Path, slow_s: float, times: int, monkeypatch) -> None:
    """It comes before anything is learned, and a trainer that says nothing seems to hang."""
    monkeypatch.setattr("trainer.daemon.training.SLOW_TRIAL_S", slow_s)
    drive(tmp_path / "store.sqlite")
    said: list[str] = []
    tried: list[int] = []

    def trial(actor, number: int) -> float:
        for _ in range(3):
            daemon.during_trial()
        tried.append(number)
        return 0.5

    daemon = Daemon(tmp_path, Wish(SMALL), stop=lambda: bool(tried), say=said.append, trials=lambda names: Trial(trial))
    daemon.run()
    assert tried
    assert sum(text.startswith("Trying the newest weights in a copy of the game") for text in said) == times


def test_a_long_trial_shows_that_the_trainer_is_at_work_and_is_left_when_it_is_to_stop(tmp_path):
    drive(tmp_path / "store.sqlite")
    asked, beats = [], []
    daemon = Daemon(tmp_path, Wish(SMALL), stop=lambda: bool(asked))

    def trial(actor, number):
        for _ in range(2):
            time.sleep(0.6)
            daemon.during_trial()
            beats.append(daemon.beat.ticks)
            assert read_heartbeat(tmp_path).doing == f"training {TRIES}"
        asked.append("stop")
        daemon.during_trial()
        pytest.fail("it goes on")

    daemon._trials = lambda names: Trial(trial)
    daemon.run()
    assert beats[1] - beats[0] >= 0.5
    assert read_heartbeat(tmp_path).doing == "stopped"
    assert newest(tmp_path).updates == daemon.training.learner.updates
    with Store(tmp_path / "store.sqlite") as store:
        assert "trials" not in {kind for _, _, kind, _ in store.events()}


def test_a_workers_home_is_told_that_its_trainer_is_elsewhere(tmp_path: Path) -> None:
    learner, _ = begun(tmp_path)
    with Store(tmp_path / "store.sqlite") as store:
        own = store.checkpoints()
        data = policy_only(tmp_path / "checkpoints" / own[0].name)
        (tmp_path / "checkpoints" / "copy.safetensors").write_bytes(data)
        store.add_checkpoint("copy.safetensors", hashlib.sha256(data).hexdigest(), 9, 9, "train", learner.config.to_dict())
        copy, *_ = store.checkpoints()
    wish, said = Wish(SMALL.with_values(actor_average=0.9)), list[str]()
    with pytest.raises(CheckpointError, match="from a trainer on another machine") as told:
        begin(wish, [copy], tmp_path / "checkpoints", said.append)
    assert "`hitl train --fresh`" in str(told.value)
    assert said == []
    found = begin(wish, [copy, *own], tmp_path / "checkpoints", said.append)
    assert found is not None
    assert found.path.name == own[0].name
    assert "1 newer checkpoint here came from a trainer on another machine" in said[-1]
    init = dataclasses.replace(wish, init=tmp_path / "checkpoints" / "copy.safetensors", fresh=True)
    with pytest.raises(CheckpointError, match="can drive, but not learn"):
        begin(init, [], tmp_path / "checkpoints", said.append)
