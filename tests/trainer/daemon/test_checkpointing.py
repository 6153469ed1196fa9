"""Checkpoints of a run: written, refused, forgotten, gone back to, and which one is the best."""

import time
from pathlib import Path

import pytest

from data.errors import CheckpointError, StoreError, TrainingError
from data.store import Store
from tests.support.daemon_runs import SMALL, drive, newest, train
from trainer.checkpoints import files
from trainer.checkpoints.files import load
from trainer.checkpoints.meta import CheckpointMeta
from trainer.daemon.daemon import Daemon
from trainer.daemon.evaluations import Watch
from trainer.daemon.heartbeat import read_heartbeat
from trainer.daemon.metric_logs import MetricRows
from trainer.daemon.reporting import Reporter
from trainer.daemon.wish import Wish
from trainer.replay.replay import Replay


def test_names_of_any_length_come_back_in_a_checkpoint_s_description() -> None:
    described = {"observation_names": ["o" * 300], "action_names": ["a"], "config": {}, "updates": 1, "env_steps": 2}
    assert CheckpointMeta.from_json(described).observation_names == ("o" * 300,)


def test_a_damaged_checkpoint_is_refused_and_the_one_before_taken(tmp_path: Path) -> None:
    drive(tmp_path / "store.sqlite", 40, 2)
    train(tmp_path, 30)
    train(tmp_path, 50)
    with Store(tmp_path / "store.sqlite") as store:
        last, before = store.checkpoints()[:2]
    path = tmp_path / "checkpoints" / last.name
    data = bytearray(path.read_bytes())
    for at, what in ((len(data) // 2, "altered"), (None, "half")):
        bad = data[: len(data) // 2] if at is None else data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        path.write_bytes(bad)
        with pytest.raises(CheckpointError, match="damaged"):
            load(path)
        said: list[str] = []
        daemon = Daemon(tmp_path, Wish(SMALL), stop=lambda: True, say=said.append)
        assert what
        opened = daemon._open()
        assert opened is not None
        assert opened.start.learner.updates == before.updates
        assert "damaged" in said[0]
        opened.follower.close()
    for file in (tmp_path / "checkpoints").iterdir():
        file.write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="--fresh"):
        train(tmp_path, 1)
    beat = read_heartbeat(tmp_path)
    assert beat is not None
    assert beat.state == "failed"
    assert train(tmp_path, 5, fresh=True).training.learner.updates >= 5


def test_explosion_goes_back_once_and_then_stops(tmp_path: Path) -> None:
    drive(tmp_path / "store.sqlite", 60, 2)
    daemon = Daemon(tmp_path, Wish(SMALL))
    poisoned: list[int] = []

    began = time.monotonic()

    def stop() -> bool:
        assert time.monotonic() - began < 30
        if daemon.training is not None and daemon.training.learner.updates >= 40 and len(poisoned) < 1:
            poisoned.append(daemon.training.learner.updates)
            daemon.training.learner.critic_flat.values[5] = float("nan")
        return daemon.training is not None and daemon.training.learner.updates >= 80

    daemon.stop = stop
    daemon.run()
    assert daemon.training.learner.lr_scale == 0.5
    assert daemon.training.learner.healthy()
    with Store(tmp_path / "store.sqlite") as store:
        events = store.conn.execute("SELECT message FROM events WHERE kind = 'rollback'").fetchall()
    assert len(events) == 1
    assert "half the learning rates" in events[0][0]
    drive(tmp_path / "store.sqlite", 60, 2)
    poisoned.clear()
    again = Daemon(tmp_path, Wish(SMALL))
    again.stop = lambda: (
        again.training is not None and bool(again.training.learner.critic_flat.values[5].fill_(float("nan")) == 0)
    )
    with pytest.raises(TrainingError, match="exploded again"):
        again.run()


def test_evaluations_make_the_best(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    drive(path, 40, 2)
    config = SMALL.with_values(checkpoint_seconds=60.0)
    train(tmp_path, None, config)
    first = newest(tmp_path).id
    with Store(path) as store:
        store.upsert_corner("default", "hairpin", 10.0, 20.0, "track")
    drive(path, 12, 15, takeover=False, purpose="evaluation", checkpoint_id=first, progress=30.0)
    train(tmp_path, None, config)
    with Store(path) as store:
        assert store.best_checkpoint() is None  # fifteen episodes prove too little
    drive(path, 12, 5, takeover=False, purpose="evaluation", checkpoint_id=first, progress=30.0)
    drive(path, 15, 1)
    daemon = train(tmp_path, None, config)
    with Store(path) as store:
        best = store.best_checkpoint()
    assert best is not None
    assert best.id == first
    assert daemon.training.replay.online_steps == 95  # evaluations are no online steps
    later = newest(tmp_path).id
    drive(path, 12, 20, takeover=False, purpose="evaluation", checkpoint_id=later, progress=5.0)
    train(tmp_path, None, config)
    with Store(path) as store:
        events = [row[0] for row in store.conn.execute("SELECT kind FROM events ORDER BY id")]
        names = {row[0] for row in store.conn.execute("SELECT DISTINCT name FROM metrics")}
    assert events.count("collapse") == 1
    assert "best" in events
    recipe = "return_train episode_length_train return_test episode_length_test losses/loss_actor losses/loss_critic memory_len"
    recipe += " lrs/actor_lr lrs/critic_lr round_time training_step_duration idle_time sampling_duration"
    for name in ("q_a1", "q1", "q2", "backup", "q_a1_targ", "r", "a_0", "a_1", "a1_0", "a1_1", "a2_0", "a2_1"):
        recipe += f" debug/{name} debug/{name}_std"
    for name in ("demo_fraction_in_batch", "demo_sampling_weight", "critic_grad_norm", "actor_grad_norm", "log_pi", "logp_a2"):
        recipe += f" debug/{name}"
    assert set(recipe.split()) <= names


def test_checkpoints_by_updates_and_old_ones_go(tmp_path: Path) -> None:
    drive(tmp_path / "store.sqlite", 50, 2)
    config = SMALL.with_values(
        checkpoint_updates=16, checkpoint_seconds=1e9, checkpoint_seconds_max=1e9, keep_checkpoints=3
    )
    train(tmp_path, None, config)
    with Store(tmp_path / "store.sqlite") as store:
        updates = [r.updates for r in reversed(store.checkpoints())]
    assert updates == [0, *range(16, 80, 16), 80]
    assert len(list((tmp_path / "checkpoints").iterdir())) == 3


def test_a_full_disk_is_told_once_and_survived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drive(tmp_path / "store.sqlite", 40, 2)

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    daemon, said, began = Daemon(tmp_path, Wish(SMALL.with_values(checkpoint_updates=5))), [], time.monotonic()
    daemon._report._say = said.append
    with monkeypatch.context() as patch:
        patch.setattr("trainer.checkpoints.files.os.replace", full)
        patch.setattr("data.files.held.os.replace", full)  # nor can a heartbeat be written beside the one before
        (tmp_path / "trainer.json").write_text("{}" + " " * 3000)

        def stop() -> bool:
            assert time.monotonic() - began < 60
            return daemon.training is not None and daemon.training.learner.updates >= 50

        daemon.stop = stop
        daemon.run()
    assert "The disk is full" in daemon.beat.problem
    assert not list((tmp_path / "checkpoints").iterdir())  # nothing half-written lies about
    told = [text for text in said if "The disk is full" in text]
    assert told == [f"{daemon.beat.problem} Training goes on meanwhile, and tries it again."], "however often it was tried"
    beat = read_heartbeat(tmp_path)
    assert beat is not None
    assert (beat.state, beat.problem) == ("stopped", daemon.beat.problem)
    assert beat.unsaved == beat.updates >= 50


def test_once_there_is_room_again_that_is_told_and_why_there_was_none_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drive(tmp_path / "store.sqlite", 40, 2)
    tries: list[int] = []

    def save(*args: object) -> tuple[str, str]:
        tries.append(1)
        if len(tries) < 4:
            raise CheckpointError("The disk is full.")
        return files.save(*args)  # type: ignore[arg-type]

    monkeypatch.setattr("trainer.daemon.checkpointing.save", save)
    daemon = train(tmp_path, None, SMALL.with_values(checkpoint_updates=5))
    assert daemon.beat.problem == ""
    assert daemon.beat.unsaved == 0
    with Store(tmp_path / "store.sqlite") as store:
        events = [row[0] for row in store.conn.execute("SELECT message FROM events WHERE kind = 'checkpoint' ORDER BY id")]
    assert len(events) == 2
    assert events[0].startswith("The disk is full.")
    assert "are written again" in events[1]
    assert events[1].endswith("Before: The disk is full.")


def test_where_nothing_can_be_printed_it_trains_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drive(tmp_path / "store.sqlite", 40, 2)

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    def gone(*args: object) -> None:
        raise BrokenPipeError

    reporter = Reporter(tmp_path, full, full)
    reporter.event("graphs", "A sentence.")
    reporter.write("idle", Watch())
    with pytest.raises(BrokenPipeError):
        Reporter(tmp_path, gone, gone).say("A sentence.")
    monkeypatch.setattr("trainer.daemon.reporting.is_reader_gone", lambda error: error.errno == 22)  # as on Windows

    def gone_there(*args: object) -> None:
        raise OSError(22, "Invalid argument")

    with pytest.raises(OSError, match="Invalid argument"):
        Reporter(tmp_path, gone_there, gone_there).say("A sentence.")


def test_a_checkpoint_without_a_row_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store is locked or its disk full for hours: what is written for nothing must not fill the disk further."""
    drive(tmp_path / "store.sqlite", 40, 2)
    train(tmp_path, 30)
    before = sorted(f.name for f in (tmp_path / "checkpoints").iterdir())
    half = tmp_path / "checkpoints" / ".000000031-abcdefab.safetensors.99.part"
    half.write_bytes(b"what a killed trainer leaves")

    def refuse(*_: object) -> None:
        raise StoreError("The store is locked.")

    monkeypatch.setattr(Store, "add_checkpoint", refuse)
    daemon = train(tmp_path, 60)
    assert sorted(f.name for f in (tmp_path / "checkpoints").iterdir()) == before
    assert "locked" in daemon.beat.problem


def test_the_share_of_demos_is_that_of_the_batches_since_the_last_row(tmp_path: Path) -> None:
    """A mean over the whole run would fall for long after the laps with which it began."""
    rows = MetricRows(tmp_path, SMALL, (), Reporter(tmp_path, lambda text: None, lambda beat, watch: None))
    replay = Replay(2, 1, SMALL)
    shares = []
    for demo, drawn in ((1000, 1000), (1500, 2000), (1500, 2000), (50, 200)):
        replay.demo_rows_drawn, replay.rows_drawn = demo, drawn
        shares.append(rows._demo_share(replay))
    assert shares == [1.0, 0.5, 0.75, 0.25], "after a rollback it is another replay, which begins anew"
