"""Laps are learned from before anything is driven."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from data.recording.recorder import Recorder
from data.records import HUMAN, StepRow
from data.store import Store
from tests.support.daemon_runs import SMALL, die, drive, info, newest, state, train
from trainer.checkpoints.files import load
from trainer.checkpoints.meta import CheckpointMeta
from trainer.daemon import resume
from trainer.daemon.daemon import Daemon
from trainer.daemon.heartbeat import read_heartbeat
from trainer.daemon.wish import Wish

LAPS = SMALL.with_values(lap_utd=0.5, bc_weight=10.0, actor_average=0.9, lr_actor=3e-3, hidden=32).with_values(
    q_warmup_updates=100, q_after_laps=0.1
)


def record_laps(path: Path, laps: int, steps: int = 40) -> None:
    """Record laps by a human whose action follows from what is seen."""
    rng = np.random.default_rng(laps)
    with Recorder(path, info()) as recorder:
        for _ in range(laps):
            recorder.begin_episode("lap")
            number = recorder.begin_segment("lap")
            for t in range(steps):
                seen = rng.normal(size=3).astype(np.float32)
                did = np.tanh(seen[:2] - seen[2]).astype(np.float32)
                recorder.step(StepRow(seen, did, did, HUMAN, 1.0, terminated=t == steps - 1, progress=float(t)))
            recorder.end_segment(number)
            recorder.end_episode("terminated", "finish", seen)


def events(root: Path) -> list[str]:
    with Store(root / "store.sqlite") as store:
        return [message for _, _, kind, message in store.events() if kind == "laps"]


def test_they_are_cloned_before_the_first_checkpoint_drives(tmp_path: Path) -> None:
    record_laps(tmp_path / "store.sqlite", 10, 60)
    learner = train(tmp_path, None, LAPS).training.learner
    assert learner.updates == learner.clones_until == 10 * 60 / 2
    assert newest(tmp_path).updates == 300
    assert learner.helped_at == 0, "laps that come back from being held out are no news: the average goes on holding"
    with Store(tmp_path / "store.sqlite") as store:
        assert len(store.checkpoints()) == 1, "nothing half learned may drive"
    (text,) = events(tmp_path)
    assert text.startswith("It has learned from 9 laps (300 updates), and can drive: `hitl play`.")
    error, constant = map(float, re.findall(r"\d\.\d\d", text))
    assert error < constant / 3
    beat = read_heartbeat(tmp_path)
    assert beat is not None
    assert beat.owed_updates == 0


def test_then_drives_owe_their_own_updates_and_the_critics_gain_their_say(tmp_path: Path) -> None:
    record_laps(tmp_path / "store.sqlite", 3)
    said: set[str] = set()
    train(tmp_path, None, LAPS, said)
    assert any(text.startswith("training on your laps, before the first drive: ") for text in said)
    assert "waiting for 20 more driven steps: learning goes on after 20 (warmup_steps)" in said
    drive(tmp_path / "store.sqlite", 40, 2)
    daemon = train(tmp_path, None, LAPS)
    assert daemon.training.learner.updates == 60 + (80 - 20)
    assert daemon.training.learner.helped_at == 60, "takeovers are"
    assert daemon.training.learner.q_weight == pytest.approx(0.06)
    assert daemon.training.replay.lap_count == 3, "those that were held out are learned from, too"
    record_laps(tmp_path / "store.sqlite", 1)
    daemon = train(tmp_path, None, LAPS)
    assert daemon.training.learner.updates == 120 + 20
    assert daemon.training.learner.clones_until == 60, "laps that come later do not silence the critics again"


def state_after_laps_and_drives(root: Path, cuts: list[int]) -> dict[str, torch.Tensor]:
    """Return how a run ends that is stopped after so many updates, or killed where the number is negative."""
    record_laps(root / "store.sqlite", 4, 40)
    for cut in cuts:
        if cut > 0:
            train(root, cut, LAPS)
        else:
            die_without_a_checkpoint(root, -cut)
    train(root, None, LAPS)
    drive(root / "store.sqlite", 30, 2)
    return state(train(root, None, LAPS))


@pytest.fixture(scope="module")
def uncut(tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    return state_after_laps_and_drives(tmp_path_factory.mktemp("uncut"), [])


@pytest.mark.parametrize("cuts", [[40], [-60], [20, -35, 65]], ids=str)
def test_stopped_or_killed_in_between_it_ends_the_same(
    tmp_path: Path, uncut: dict[str, torch.Tensor], cuts: list[int]
) -> None:
    cut = state_after_laps_and_drives(tmp_path, cuts)
    for name, value in uncut.items():
        assert torch.equal(value, cut[name]), name


def die_without_a_checkpoint(root: Path, at: int) -> None:
    try:
        die(root, at, LAPS)
    except AssertionError:  # there is none yet: it begins with the first lap again
        assert not (root / "checkpoints").exists()


@pytest.mark.parametrize("steps", [31, 32, 33])
def test_no_fraction_of_an_update_keeps_the_end_from_coming(tmp_path: Path, steps: int) -> None:
    record_laps(tmp_path / "store.sqlite", 1, steps)
    train(tmp_path, None, LAPS.with_values(lap_utd=1 / 3))
    assert len(events(tmp_path)) == 1
    assert newest(tmp_path).updates == steps // 3


def test_laps_that_do_not_count_owe_nothing(tmp_path: Path) -> None:
    record_laps(tmp_path / "store.sqlite", 3)
    with Store(tmp_path / "store.sqlite") as store:
        store.label([s.id for s in store.segments()], verdict="bad")
    learner = train(tmp_path, None, LAPS).training.learner
    assert (learner.updates, learner.clones_until) == (0, 0)


def test_an_agent_that_has_driven_already_is_not_silenced(tmp_path: Path) -> None:
    drive(tmp_path / "store.sqlite", 30, 2)
    before = train(tmp_path, None, LAPS).training.learner.updates
    record_laps(tmp_path / "store.sqlite", 2)
    learner = train(tmp_path, None, LAPS).training.learner
    assert learner.updates == before + 2 * 40 // 2
    assert (learner.clones_until, learner.q_weight) == (0, 1.0)


def test_without_cloning_laps_are_experience_alone(tmp_path: Path) -> None:
    record_laps(tmp_path / "store.sqlite", 2)
    learner = train(tmp_path, None, LAPS.with_values(bc_weight=0.0)).training.learner
    assert (learner.updates, learner.q_weight) == (40, 1.0)


def test_laps_that_replace_bad_ones_are_learned_from(tmp_path: Path) -> None:
    record_laps(tmp_path / "store.sqlite", 3)
    assert train(tmp_path, None, LAPS).training.learner.updates == 60
    with Store(tmp_path / "store.sqlite") as store:
        store.label([s.id for s in store.segments()], verdict="bad")
    record_laps(tmp_path / "store.sqlite", 2)
    assert train(tmp_path, None, LAPS).training.learner.updates == 60 + 40


def test_laps_that_come_while_others_are_learned_from_owe_theirs(tmp_path: Path) -> None:
    record_laps(tmp_path / "store.sqlite", 4)
    train(tmp_path, 50, LAPS)
    record_laps(tmp_path / "store.sqlite", 1)
    learner = train(tmp_path, None, LAPS).training.learner
    assert (learner.updates, learner.clones_until) == (100, 100)
    assert len(events(tmp_path)) == 1


def test_laps_that_are_judged_bad_in_between_owe_nothing_more(tmp_path: Path) -> None:
    record_laps(tmp_path / "store.sqlite", 4)
    done = train(tmp_path, 50, LAPS).training.learner.updates
    with Store(tmp_path / "store.sqlite") as store:
        store.label([s.id for s in store.segments()], verdict="bad")
    drive(tmp_path / "store.sqlite", 30, 2, takeover=False)
    daemon = train(tmp_path, None, LAPS)
    assert daemon.training.learner.updates == done + 40
    assert daemon.training.learner.clones_until == done
    assert events(tmp_path) == []


def test_an_explosion_among_the_laps_begins_anew_with_half_the_learning_rates(tmp_path: Path) -> None:
    drive(tmp_path / "store.sqlite", 40, 1)
    train(tmp_path, None, SMALL)  # an older run, to which it must not go back
    older = newest(tmp_path).id
    record_laps(tmp_path / "store.sqlite", 5)
    daemon = Daemon(tmp_path, Wish(LAPS, fresh=True))
    spoilt: list[int] = []

    def stop() -> bool:
        training = daemon.training
        if training is not None and not spoilt and training.learner.updates >= 50:
            spoilt.append(training.learner.updates)
            training.learner.critic_flat.values.fill_(torch.nan)
        return training is not None and daemon.beat.state in ("idle", "waiting")

    daemon.stop = stop
    daemon.run()
    assert daemon.training is not None
    learner = daemon.training.learner
    assert learner.lr_scale == 0.5
    assert learner.healthy()
    assert learner.updates == learner.clones_until + 20 == 120, "all is owed again"
    with Store(tmp_path / "store.sqlite") as store:
        (rollback,) = [message for _, _, kind, message in store.events() if kind == "rollback"]
        assert all(c.updates >= 100 for c in store.checkpoints() if c.id > older)
    assert "back to the start, with half the learning rates" in rollback


@pytest.mark.parametrize("learned", [False, True])
def test_a_run_of_an_earlier_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, learned: bool) -> None:
    """Laps that it has learned from are not learned from again; those that it only waited with are."""
    record_laps(tmp_path / "store.sqlite", 5)
    if learned:
        drive(tmp_path / "store.sqlite", 40, 2)
    before = train(tmp_path, None, LAPS.with_values(lap_utd=0.0)).training.learner.updates

    def load_earlier(*args: object) -> tuple[dict[str, torch.Tensor], CheckpointMeta]:
        tensors, meta = load(*args)  # type: ignore[arg-type]
        later = {"lap_utd", "q_warmup_updates", "q_after_laps", "last_lap", "clones_until"}
        config, numbers = ({k: v for k, v in d.items() if k not in later} for d in (meta.config, meta.numbers))
        return tensors, dataclasses.replace(meta, config=config, numbers=numbers)

    monkeypatch.setattr(resume, "load", load_earlier)
    learner = train(tmp_path, None, LAPS, changes={}).training.learner
    assert (before, learner.updates) == ((60, 60) if learned else (0, 100))
