import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from data.errors import CheckpointError, StoreError, TrainingError, UsageError
from data.recording.recorder import Recorder
from data.records import SessionInfo, StepRow
from data.store import Store
from trainer.checkpoints.files import load, load_policy, save
from trainer.checkpoints.meta import CheckpointMeta
from trainer.config import PLAIN, TrainConfig
from trainer.daemon import control
from trainer.daemon.daemon import Daemon
from trainer.daemon.heartbeat import read_heartbeat
from trainer.daemon.wish import Wish
from trainer.learner.tqc import TQC
from trainer.replay.batch import Batch
from trainer.retired import RETIRED

NAMES, ACTIONS = ("a", "b", "c"), ("gas_brake", "steer")
SMALL = PLAIN.with_values(
    hidden=16, quantiles=5, drop_per_critic=1, batch_size=16, warmup_steps=20, checkpoint_seconds=0.1, metrics_every=10
)


def info(kind: str = "play") -> SessionInfo:
    return SessionInfo(kind=kind, env="box2d", track="default", hz=20.0, observation_names=NAMES, action_names=ACTIONS)


def drive(
    path: Path, steps: int = 100, episodes: int = 2, *, takeover: bool = True, purpose: str = "drive", **end: object
):
    """Record some episodes; every episode has a takeover from step 10 to 20."""
    rng = np.random.default_rng(steps)
    recorder = Recorder(path, info())
    for _ in range(episodes):
        recorder.begin_episode(purpose, checkpoint_id=end.get("checkpoint_id"))  # type: ignore[arg-type]
        token = None
        for t in range(steps):
            human = takeover and 10 <= t < 20
            if human and token is None:
                token = recorder.begin_segment("takeover", corner="hairpin")
            if token is not None and not human:
                recorder.end_segment(token, "cleared")
                token = None
            recorder.step(
                StepRow(
                    rng.normal(size=3).astype(np.float32),
                    rng.uniform(-1, 1, 2).astype(np.float32),
                    rng.uniform(-1, 1, 2).astype(np.float32),
                    int(human),
                    float(rng.normal()),
                    terminated=t == steps - 1,
                    progress=float(end.get("progress", 0.0)),  # type: ignore[arg-type]
                )
            )
        recorder.end_episode("terminated", "off_road", rng.normal(size=3).astype(np.float32))
    assert recorder.flush(20)
    recorder.close()


def train(root: Path, until: int | None, config: TrainConfig = SMALL, **wish: object) -> Daemon:
    """Run a daemon in this process until so many updates are done, or nothing is left to do."""
    daemon = Daemon(root, Wish(config, **wish))  # type: ignore[arg-type]
    began = time.monotonic()

    def stop() -> bool:
        assert time.monotonic() - began < 60
        done = daemon.training is not None and daemon.beat.state in ("idle", "waiting")
        return done if until is None else daemon.training is not None and daemon.training.learner.updates >= until

    daemon.stop = stop
    daemon.run()
    return daemon


def state(daemon: Daemon) -> dict[str, torch.Tensor]:
    return {**daemon.training.learner.tensors(), "replay": daemon.training.generator.get_state()}


def test_trains_within_the_ratio_and_leaves_checkpoints(tmp_path: Path) -> None:
    drive(tmp_path / "store.sqlite")
    daemon = train(tmp_path, None)
    assert daemon.training.learner.updates == 200 - 20  # utd 1, 200 steps, 20 of warm-up
    drive(tmp_path / "store.sqlite", 50, 1)
    drive(tmp_path / "store.sqlite", 50, 1, purpose="lap", takeover=False)  # a lap is no online step
    daemon = train(tmp_path, None)
    assert daemon.training.learner.updates == 180 + 50
    with Store(tmp_path / "store.sqlite") as store:
        records = store.checkpoints()
        assert records[0].updates == 230
        assert records[0].env_steps == 250
        assert records[0].parent == records[1].id
        actor, meta = load_policy(tmp_path / "checkpoints" / records[0].name)
        assert (meta.observation_names, meta.action_names, meta.updates) == (NAMES, ACTIONS, 230)
        assert actor.act(torch.zeros(1, 3)).shape == (1, 2)
    beat = read_heartbeat(tmp_path)
    assert beat is not None
    assert (beat.state, beat.updates, beat.owed_updates, beat.online_steps) == ("stopped", 230, 0, 250)


def test_a_step_that_cannot_be_learned_from_is_told_of_once_and_training_goes_on(tmp_path: Path) -> None:
    """One number of a store that an older version recorded: it made every start explode, and the learning rates were blamed."""
    path = tmp_path / "store.sqlite"

    def spoil(t: int, value: float) -> None:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
            with np.errstate(over="ignore"):
                bad = np.array([0.0, value, 0.0], "<f4").tobytes()
            db.execute("UPDATE steps SET observation = ? WHERE t = ?", (bad, t))

    drive(path)
    for t, value in ((5, np.nan), (15, np.inf), (99, 1e30)):
        spoil(t, value)
    daemon = train(tmp_path, None)
    assert daemon.training.replay.online_steps == 200 - 6
    assert daemon.training.learner.updates == 194 - 20
    assert daemon.training.learner.healthy()
    drive(path, 50, 1)
    spoil(7, np.nan)
    daemon = train(tmp_path, None)
    assert daemon.training.learner.healthy()
    with Store(path) as store:
        events = store.conn.execute("SELECT level, message FROM events WHERE kind = 'numbers'").fetchall()
        kinds = {kind for (kind,) in store.conn.execute("SELECT kind FROM events")}
    assert len(events) == 2  # one for each start
    assert events[0][1].startswith("6 steps hold numbers that cannot be learned from (b in 6)")
    assert "rollback" not in kinds


def test_what_comes_while_it_trains_is_told_of_once(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    drive(path)
    said: list[str] = []
    daemon = Daemon(tmp_path, Wish(SMALL), say=said.append)
    polls = 0

    def stop() -> bool:
        nonlocal polls
        if daemon.beat.state == "idle":
            polls += 1
            if polls > 4:
                return True
            before = daemon.training.intake.follower.last_step
            drive(path, 30, 1)
            with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
                db.execute("UPDATE steps SET reward = 1e300 WHERE id > ? AND t % 10 = 3", (before,))
            daemon.beat.state = ""
        return False

    daemon.stop = stop
    daemon.run()
    assert daemon.training.replay.online_steps == 200 + 4 * 27
    assert len([text for text in said if "the reward in 3" in text]) == 1
    assert len([text for text in said if "cannot be learned from" in text]) == 1


def test_interrupted_and_uninterrupted_agree_bit_for_bit(tmp_path: Path) -> None:
    config = SMALL.with_values(
        bc_weight=3.0, learn_alpha=True, critics=3, target_critics=2, actor_average=0.9, actor_average_growth=0.25,
        utd=2.0, recent_fraction=0.5, recent_steps=40, log_std_max=-1.0
    )
    results = []
    for cuts in ([], [50, 51, 130], [-90, -230]):
        root = tmp_path / f"home{len(cuts)}"
        root.mkdir()
        drive(root / "store.sqlite", 60, 3)
        for cut in cuts:
            if cut > 0:
                train(root, cut, config)
            else:
                die(root, -cut, config)
        results.append(train(root, None, config))
    assert len(list((tmp_path / "home2" / "checkpoints").iterdir())) > 3
    one, *others = results
    assert one.training.learner.demo_rows == one.training.replay.human_rows > 0
    for other in others:
        assert one.training.learner.updates == other.training.learner.updates == 2 * 160
        for name, value in state(one).items():
            assert torch.equal(value, state(other)[name]), name


def die(root: Path, at: int, config: TrainConfig) -> None:
    """Run a daemon that dies in mid-work: no last checkpoint, and the newest one is of some time before."""
    daemon = Daemon(root, Wish(config.with_values(checkpoint_updates=40)))

    def stop() -> bool:
        if daemon.training is not None and daemon.training.learner.updates >= at:
            raise KeyboardInterrupt
        return False

    daemon.stop = stop
    with pytest.raises(KeyboardInterrupt):
        daemon.run()
    assert newest(root).updates < at


@pytest.mark.realtime
def test_idle_it_looks_up_now_and_then_and_lets_others_go_first(tmp_path: Path) -> None:
    drive(tmp_path / "store.sqlite")
    turns: list[float] = []
    nice: list[int] = []
    daemon = Daemon(tmp_path, Wish(SMALL))

    def stop() -> bool:
        if daemon.beat.state == "idle":
            turns.append(time.thread_time())
            nice.append(os.nice(0) if sys.platform != "win32" else 5)
        return bool(turns) and len(turns) > 20

    daemon.stop = stop
    began = time.monotonic()
    daemon.run()
    assert nice[-1] >= 5
    assert time.monotonic() - began > 20 * 0.03
    assert (turns[-1] - turns[0]) / 20 < 0.3 * 0.03  # s of processor for each look: far below a core (measured: 1 %)


def test_killed_without_warning_it_goes_on(tmp_path: Path) -> None:
    drive(tmp_path / "store.sqlite", 400, 5)
    args = [sys.executable, "-m", "hitl", "train", "--home", str(tmp_path), "--quiet", "--seed", "1"]
    for key in ("hidden=16", "quantiles=5", "batch_size=16", "checkpoint_seconds=0.05", "utd=20", "warmup_steps=20"):
        args += ["--set", key]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(args, env=environment) as process, ended(process):
        wait_for(lambda: (b := read_heartbeat(tmp_path)) is not None and b.updates > 100)
        with pytest.raises(TrainingError, match="Another trainer"):
            train(tmp_path, 1)
        process.kill()
    assert not control.running(tmp_path / "store.sqlite")
    before = newest(tmp_path).updates
    with subprocess.Popen(args, env=environment) as process, ended(process):
        wait_for(
            lambda: (b := read_heartbeat(tmp_path)) is not None and b.pid == process.pid and b.updates > before + 20
        )
        if sys.platform == "win32":
            control.ask(tmp_path, control.STOP)
        else:
            process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    beat = read_heartbeat(tmp_path)
    assert beat is not None
    assert beat.state == "stopped"
    assert newest(tmp_path).updates == beat.updates > before


def newest(root: Path):
    with Store(root / "store.sqlite") as store:
        record = store.latest_checkpoint()
    assert record is not None
    return record


@contextlib.contextmanager
def ended(process: subprocess.Popen[bytes]):
    """Whatever happens in the block, the process does not outlive it: else the test would wait for it for ever."""
    try:
        yield
    finally:
        process.kill()


def wait_for(condition, seconds: float = 120.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_names_of_any_length_come_back_in_a_checkpoint_s_description() -> None:
    described = {"observation_names": ["o" * 300], "action_names": ["a"], "config": {}, "updates": 1, "env_steps": 2}
    assert CheckpointMeta.from_json(described).observation_names == ("o" * 300,)


def test_a_damaged_checkpoint_is_refused_and_the_one_before_taken(tmp_path: Path) -> None:
    drive(tmp_path / "store.sqlite")
    train(tmp_path, 90)
    train(tmp_path, 120)
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
    drive(tmp_path / "store.sqlite")
    daemon = Daemon(tmp_path, Wish(SMALL))
    poisoned: list[int] = []

    began = time.monotonic()

    def stop() -> bool:
        assert time.monotonic() - began < 30
        if daemon.training is not None and daemon.training.learner.updates >= 60 and len(poisoned) < 1:
            poisoned.append(daemon.training.learner.updates)
            daemon.training.learner.critic_flat.values[5] = float("nan")
        return daemon.training is not None and daemon.training.learner.updates >= 150

    daemon.stop = stop
    daemon.run()
    assert daemon.training.learner.lr_scale == 0.5
    assert daemon.training.learner.healthy()
    with Store(tmp_path / "store.sqlite") as store:
        events = store.conn.execute("SELECT message FROM events WHERE kind = 'rollback'").fetchall()
    assert len(events) == 1
    assert "half the learning rates" in events[0][0]
    drive(tmp_path / "store.sqlite")
    poisoned.clear()
    again = Daemon(tmp_path, Wish(SMALL))
    again.stop = lambda: (
        again.training is not None and bool(again.training.learner.critic_flat.values[5].fill_(float("nan")) == 0)
    )
    with pytest.raises(TrainingError, match="exploded again"):
        again.run()


def test_begins_from_another_run_with_its_whole_state(tmp_path: Path) -> None:
    learner = TQC(3, 2, SMALL.with_values(hidden=8))
    learner.updates, learner.env_steps = 500, 1000
    (tmp_path / "home").mkdir()
    name, _ = save(tmp_path, learner, CheckpointMeta.of(learner, NAMES, ACTIONS, "stall"))
    drive(tmp_path / "home" / "store.sqlite", 30, 1)
    said: list[str] = []
    daemon = Daemon(tmp_path / "home", Wish(SMALL, init=tmp_path / name), say=said.append)
    seen: list[int] = []
    began = time.monotonic()

    def stop() -> bool:
        assert time.monotonic() - began < 30
        if daemon.beat.state == "idle" and not seen:
            seen.append(daemon.training.learner.updates)
            drive(tmp_path / "home" / "store.sqlite", 40, 1)
        return daemon.beat.state == "idle" and daemon.training.learner.updates == 540

    daemon.stop = stop
    daemon.run()
    assert seen == [500]  # what it was trained on is not paid for again, and there is no warm-up
    assert daemon.training.learner.updates == 540
    assert daemon.training.config.hidden == 8
    assert any("keep the shape" in text for text in said)
    with pytest.raises(UsageError, match="hidden = 8"):
        train(tmp_path / "home", 1, SMALL.with_values(hidden=32), insisted=frozenset({"hidden"}))


def test_pause_and_stop_files(tmp_path: Path) -> None:
    drive(tmp_path / "store.sqlite")
    control.ask(tmp_path, control.PAUSE)
    control.ask(tmp_path, control.STOP)  # a stale one from before is no order
    daemon = Daemon(tmp_path, Wish(SMALL))
    thread = threading.Thread(target=daemon.run)
    thread.start()
    wait_for(lambda: daemon.beat.state == "paused")
    assert daemon.training.learner.updates == 0
    control.withdraw(tmp_path, control.PAUSE)
    wait_for(lambda: daemon.training.learner.updates > 0)
    control.ask(tmp_path, control.STOP)
    thread.join(20)
    assert not thread.is_alive()
    assert newest(tmp_path).updates == daemon.training.learner.updates


def test_evaluations_make_the_best(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    drive(path)
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
    assert daemon.training.replay.online_steps == 215  # evaluations are no online steps
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


def test_a_takeover_is_drawn_from_within_two_seconds_of_its_end(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    drive(path, 200, 5, takeover=False)
    daemon = Daemon(tmp_path, Wish(SMALL.with_values(utd=50.0)))  # busy all the time
    thread = threading.Thread(target=daemon.run)
    thread.start()
    try:
        wait_for(lambda: daemon.beat.state == "training")
        recorder = Recorder(path, info())
        recorder.begin_episode("drive")
        token = recorder.begin_segment("takeover")
        row = StepRow(np.ones(3, np.float32), np.zeros(2, np.float32), np.zeros(2, np.float32), 1, 0.0)
        for _ in range(30):
            recorder.step(row)
        recorder.end_segment(token, "cleared")
        ended = time.monotonic()
        agent = StepRow(np.ones(3, np.float32), np.zeros(2, np.float32), np.zeros(2, np.float32), 0, 0.0)
        while daemon.training.replay.drawn_demo == 0:
            recorder.step(agent)  # the episode goes on
            time.sleep(0.02)
            assert time.monotonic() - ended < 2.0
        recorder.close()
        assert daemon.beat.state == "training"
    finally:
        control.ask(tmp_path, control.STOP)
        thread.join(20)
    assert daemon.training.learner.demo_rows == daemon.training.replay.human_rows > 0
    assert daemon.training.learner.helped_at > 0  # the average that drives follows closely from here


@pytest.mark.parametrize(("network", "update_s"), [("mlp", 0.0), ("recurrent", 0.3)])
@pytest.mark.realtime
def test_every_judgement_is_in_force_within_two_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, network: str, update_s: float
) -> None:
    path = tmp_path / "store.sqlite"
    drive(path, 200, 3)
    learn = TQC.update

    def update(learner: TQC, batch: Batch) -> None:  # as long as one takes with a large network
        time.sleep(update_s)
        learn(learner, batch)

    monkeypatch.setattr(TQC, "update", update)
    config = SMALL.with_values(utd=50.0, bc_weight=1.0, network=network, rnn_size=4, sequence=4, burn_in=2, batch_size=8)
    daemon = Daemon(tmp_path, Wish(config))
    thread = threading.Thread(target=daemon.run)
    thread.start()

    def in_force() -> tuple[int, int]:
        table = daemon.training.replay.table
        return daemon.training.replay.demo_rows, int(table.array[:, table.cloned].sum())

    def soon(rows: int) -> None:
        began = time.monotonic()
        while in_force() != (rows, rows):
            time.sleep(0.02)
            assert time.monotonic() - began < 2.0, (in_force(), rows)

    try:
        wait_for(lambda: daemon.beat.state == "training")
        with Store(path) as store:
            first, second, third = (s.id for s in store.segments())
            soon(30)
            store.label([first], verdict="bad")
            soon(20)
            store.label([second], trim=(2, 3))
            soon(15)
            store.label([third], priority=0.0)
            soon(5)
            store.undo()
            soon(15)
            store.undo([second])  # the trim
            soon(20)
            store.undo([first])
            soon(30)
        assert daemon.beat.state == "training"
    finally:
        control.ask(tmp_path, control.STOP)
        thread.join(20)


def test_settings_of_a_checkpoint_that_are_not_known_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drive(tmp_path / "store.sqlite")
    plain = TrainConfig.to_dict
    monkeypatch.setattr(TrainConfig, "to_dict", lambda config: plain(config) | {"dream_horizon": 15})  # a later version
    train(tmp_path, None)
    monkeypatch.undo()
    said: list[str] = []
    daemon = Daemon(tmp_path, Wish.of({}), stop=lambda: daemon.beat.state in ("idle", "waiting"), say=said.append)
    daemon.run()
    with Store(tmp_path / "store.sqlite") as store:
        events = store.conn.execute("SELECT level, message FROM events WHERE kind = 'settings'").fetchall()
    assert len(events) == 1
    assert events[0][0] == "warning"
    assert "dream_horizon = 15" in events[0][1]
    assert events[0][1] in said
    assert daemon.training.config == SMALL  # and all that is known goes on


def test_settings_of_a_checkpoint_that_are_no_more_are_told_where_they_did_something(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drive(tmp_path / "store.sqlite")
    plain = TrainConfig.to_dict
    earlier = {name: usual for name, (usual, _) in RETIRED.items()} | {"bc_loss": "nll"}
    monkeypatch.setattr(TrainConfig, "to_dict", lambda config: plain(config) | earlier)  # an earlier version
    train(tmp_path, None)
    monkeypatch.undo()
    said: list[str] = []
    daemon = Daemon(tmp_path, Wish.of({}), stop=lambda: daemon.beat.state in ("idle", "waiting"), say=said.append)
    daemon.run()
    (text,) = (text for text in said if "does not know" in text)
    assert '(bc_loss = "nll")' in text
    assert daemon.training.config == SMALL


def test_checkpoints_by_updates_and_old_ones_go(tmp_path: Path) -> None:
    drive(tmp_path / "store.sqlite")
    config = SMALL.with_values(
        checkpoint_updates=16, checkpoint_seconds=1e9, checkpoint_seconds_max=1e9, keep_checkpoints=3
    )
    train(tmp_path, None, config)
    with Store(tmp_path / "store.sqlite") as store:
        updates = [r.updates for r in reversed(store.checkpoints())]
    assert updates == [0, *range(16, 180, 16), 180]
    assert len(list((tmp_path / "checkpoints").iterdir())) == 3


def test_a_full_disk_is_told_and_survived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drive(tmp_path / "store.sqlite")

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("trainer.checkpoints.files.os.replace", full)
    daemon = train(tmp_path, 100)
    assert "could not be written" in daemon.beat.problem
    assert daemon.training.learner.updates >= 100
    assert not list((tmp_path / "checkpoints").iterdir())  # nothing half-written lies about


def test_a_jump_of_the_clock_makes_no_trainer_old_or_young(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drive(tmp_path / "store.sqlite")
    train(tmp_path, 30)
    real = time.time
    for jump in (0.0, 86_400.0, -86_400.0):
        monkeypatch.setattr("time.time", lambda jump=jump: real() + jump)
        beat = read_heartbeat(tmp_path)
        assert beat is not None
        assert 0.0 <= beat.age_s < 30.0
        assert beat.checkpoint_age_s is not None
        assert beat.age_s <= beat.checkpoint_age_s < 30.0
    monkeypatch.undo()
    beat.ticks = time.monotonic() + 1e6  # the machine was started since: its monotonic clock began anew
    beat.at = time.time() - 500.0
    assert 499.0 < beat.age_s < 530.0


def test_a_checkpoint_without_a_row_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store is locked or its disk full for hours: what is written for nothing must not fill the disk further."""
    drive(tmp_path / "store.sqlite")
    train(tmp_path, 30)
    before = sorted(f.name for f in (tmp_path / "checkpoints").iterdir())
    half = tmp_path / "checkpoints" / ".000000031-abcdefab.safetensors.99.part"
    half.write_bytes(b"what a killed trainer leaves")

    def refuse(*_: object) -> None:
        raise StoreError("The store is locked.")

    monkeypatch.setattr(Store, "add_checkpoint", refuse)
    daemon = train(tmp_path, 100)
    assert sorted(f.name for f in (tmp_path / "checkpoints").iterdir()) == before
    assert "locked" in daemon.beat.problem


def test_a_start_on_a_pruned_or_a_large_store_owes_what_was_driven_since_and_no_more(tmp_path: Path) -> None:
    config = SMALL.with_values(capacity=60)
    path = tmp_path / "store.sqlite"
    drive(path, 100, 4)
    assert train(tmp_path, None, config).training.learner.updates == 400 - 20
    drive(path, 50, 1)  # while no trainer is there
    with Store(path) as store:
        (newest,) = store.conn.execute("SELECT max(started) FROM episodes").fetchone()
        assert store.prune(newest) > 200
    daemon = train(tmp_path, None, config)
    assert daemon.training.learner.updates == 400 - 20 + 50
    drive(path, 60, 1)
    daemon = train(tmp_path, None, config)
    assert daemon.training.learner.updates == 400 - 20 + 50 + 60
    assert daemon.training.intake.follower.skipped  # what is older than the capacity was not read
    assert daemon.training.replay.demo_seconds() == 6 * 10 / 20  # every takeover is still learned from
    fresh = train(tmp_path, None, config, fresh=True)
    assert fresh.training.learner.updates > 0
    assert fresh.training.budget.online > 400
