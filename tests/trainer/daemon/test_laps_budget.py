"""What laps owe, which of them are held out, and the end of learning from them, part by part."""

import math
import time
from pathlib import Path

import pytest
import torch

from data.errors import CheckpointError
from data.recording.recorder import Recorder
from data.records import HUMAN, StepRow
from data.store import Store
from tests.support.batches import ACT, OBS, TINY, random_episode
from tests.support.daemon_runs import drive, info, newest, train
from tests.trainer.daemon.test_laps_first import LAPS, events, record_laps
from trainer.config import TrainConfig
from trainer.daemon import checkpointing
from trainer.daemon.daemon import Daemon
from trainer.daemon.heartbeat import read_heartbeat
from trainer.daemon.wish import Wish
from trainer.learner.tqc import TQC
from trainer.replay.replay import Replay
from trainer.updates.update_budget import LapsFirst, UpdateBudget

CLONED = TINY.with_values(bc_weight=1.0, lap_utd=0.5)


def with_laps(config: TrainConfig, *numbers: int) -> Replay:
    """A replay with laps of 40 steps and these numbers."""
    replay = Replay(OBS, ACT, config)
    for number in numbers:
        replay.add(random_episode(number, purpose="lap"))
    return replay


def test_no_more_is_owed_than_the_limit() -> None:
    budget = UpdateBudget(1.0, limit=10, lap_utd=1.0)
    assert budget.count_laps({1: 99}) == budget.due == 10
    assert budget.count_laps({2: 99}) == 0
    assert budget.last_lap == 2


def test_one_lap_of_ten_is_held_out_and_of_few_none() -> None:
    replay = with_laps(CLONED, *range(1, 13))
    laps = set(replay.new_laps(0))
    assert len(laps) == 12
    replay.hold_laps_out(laps)
    assert replay.lap_count == 11
    held_out = replay.held_out(most=10)
    assert held_out is not None
    assert 5 < len(held_out[0]) <= 10  # type: ignore[arg-type]
    assert not replay.table.array[replay.demos.held_out(replay._episodes), replay.table.columns.cloned].any()
    replay.release_laps()
    assert (replay.lap_count, replay.held_out()) == (12, None)
    few = with_laps(CLONED, 5, 6, 7, 8)
    few.hold_laps_out(few.new_laps(0))
    assert few.held_out() is None
    recurrent = with_laps(CLONED.with_values(network="recurrent", rnn_size=4, sequence=4, burn_in=0), *range(1, 13))
    recurrent.hold_laps_out(recurrent.new_laps(0))
    assert recurrent.lap_count == 12


def test_laps_that_weigh_nothing_or_are_still_driven_are_not_counted(tmp_path: Path) -> None:
    assert with_laps(CLONED.with_values(lap_priority=0.0), 1, 2).new_laps(0) == {}
    with Recorder(tmp_path / "store.sqlite", info()) as recorder:
        recorder.begin_episode("lap")
        recorder.begin_segment("lap")
        seen = torch.zeros(3).numpy()
        for t in range(40):
            recorder.step(StepRow(seen, seen[:2], seen[:2], HUMAN, 1.0, progress=float(t)))
        assert recorder.flush(20)
        assert train(tmp_path, None, LAPS).training.replay.new_laps(0) == {}


@pytest.mark.parametrize("cause", ["a smaller limit", "another run's checkpoint"])
def test_it_ends_when_nothing_more_is_owed(cause: str) -> None:
    replay, learner = with_laps(CLONED, *range(1, 6)), TQC(OBS, ACT, CLONED)
    learner.updates, learner.clones_until = 30, 100
    budget = UpdateBudget(1.0, limit=50 if cause == "a smaller limit" else math.inf, lap_utd=0.5, last_lap=5)
    budget.owed = 50.0 if cause == "a smaller limit" else 0.0
    laps = LapsFirst(learner, replay, budget)
    laps.count()
    assert learner.clones_until == 30 + budget.due
    while budget.due:
        learner.updates += 1
        budget.pay(1)
    assert laps.just_ended()
    assert not laps.just_ended()
    assert laps.finish().startswith("It has learned from 5 laps")


def test_what_is_said_of_laps_that_come_one_by_one() -> None:
    replay, learner, budget = Replay(OBS, ACT, CLONED), TQC(OBS, ACT, CLONED), UpdateBudget(1.0, lap_utd=0.5)
    laps, said = LapsFirst(learner, replay, budget), []
    for number in range(1, 10):
        replay.add(random_episode(number, purpose="lap"))
        laps.count()
        assert not laps.just_ended()
        assert laps.active
        assert laps.share < 1.0
        learner.updates += budget.due
        budget.pay(budget.due)
        assert laps.just_ended()
        if laps.finish():
            said.append(number)
    assert said == [1, 2, 4, 8]


def test_the_error_on_laps_that_were_held_out_is_that_of_what_drives() -> None:
    config = CLONED.with_values(actor_average=0.9)
    replay, learner = with_laps(config, *range(1, 13)), TQC(OBS, ACT, config)
    budget = UpdateBudget(1.0, lap_utd=0.5)
    laps = LapsFirst(learner, replay, budget)
    laps.count()
    learner.actor_flat.values.mul_(5.0)  # the newest weights are others than their average
    held_out = replay.held_out()
    assert held_out is not None
    assert learner.average is not None
    seen, did = held_out
    error = float((learner.average.act(seen, True) - did).abs().mean())
    assert f"are {error:.2f} from yours" in laps.finish()
    assert abs(float((learner.actor.act(seen, True) - did).abs().mean()) - error) > 0.02


def test_drives_meanwhile_are_learned_from_afterwards(tmp_path: Path) -> None:
    record_laps(tmp_path / "store.sqlite", 1, 31)
    drive(tmp_path / "store.sqlite", 60, 2)
    daemon = train(tmp_path, None, LAPS.with_values(lap_utd=1 / 3))
    (text,) = events(tmp_path)
    assert "(10 updates)" in text, "they end to the update, whatever else is owed"
    assert daemon.training.learner.updates == 10 + 100


def test_the_heartbeat_tells_of_drives_alone(tmp_path: Path) -> None:
    record_laps(tmp_path / "store.sqlite", 6)
    drive(tmp_path / "store.sqlite", 60, 2)
    daemon = train(tmp_path, 40, LAPS)
    daemon.training.fill_heartbeat()
    beat = daemon.beat
    assert daemon.training.laps_first.active
    assert (beat.steps_behind, beat.utd) == (0, 0.0)
    assert 0.0 < beat.laps_learned < 1.0
    beat_after = train(tmp_path, None, LAPS).beat
    assert beat_after.utd >= 0.0
    assert beat_after.laps_learned == 1.0


def test_stopped_before_the_first_update_it_leaves_nothing(tmp_path: Path) -> None:
    record_laps(tmp_path / "store.sqlite", 2)
    train(tmp_path, 0, LAPS)
    with Store(tmp_path / "store.sqlite") as store:
        assert store.checkpoints() == []


def test_it_is_said_when_the_checkpoint_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record_laps(tmp_path / "store.sqlite", 2)
    rows = []

    def event(self: object, kind: str, *args: object, **more: object) -> None:
        rows.append(newest(tmp_path).updates)

    monkeypatch.setattr("trainer.daemon.reporting.Reporter.event", event)
    train(tmp_path, None, LAPS)
    assert rows == [40]


def test_without_room_for_the_first_checkpoint_it_is_tried_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drive(tmp_path / "store.sqlite", 40, 1)
    tries: list[float] = []

    def no_room(*args: object) -> tuple[str, str]:
        tries.append(time.monotonic())
        raise CheckpointError("There is no room.")

    monkeypatch.setattr(checkpointing, "save", no_room)
    daemon = Daemon(tmp_path, Wish(LAPS.with_values(checkpoint_seconds=10.0)))
    daemon.stop = lambda: bool(tries) and time.monotonic() > tries[0] + 0.5
    daemon.run()
    assert 1 <= len(tries) <= 3
    beat = read_heartbeat(tmp_path)
    assert beat is not None
    assert "no room" in beat.problem


def test_only_what_was_held_out_before_a_stop_is_held_out_after(tmp_path: Path) -> None:
    record_laps(tmp_path / "store.sqlite", 10)
    train(tmp_path, 100, LAPS)
    record_laps(tmp_path / "store.sqlite", 9)  # number 15 is among them
    daemon = train(tmp_path, 200, LAPS)
    assert daemon.training.replay.demos._held_out == {5}
