"""Runs of the trainer's daemon in this process, and what they are given to learn from."""

import contextlib
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from data.recording.recorder import Recorder
from data.records import SessionInfo, StepRow
from data.store import Store
from trainer.config import BARE, TrainConfig
from trainer.daemon.daemon import Daemon
from trainer.daemon.wish import Wish

NAMES, ACTIONS = ("a", "b", "c"), ("gas_brake", "steer")
SMALL = BARE.with_values(
    hidden=16, layers=1, quantiles=5, drop_per_critic=1, batch_size=16, warmup_steps=20, checkpoint_seconds=0.1, metrics_every=10
)


def info() -> SessionInfo:
    return SessionInfo(kind="play", env="box2d", track="default", hz=20.0, observation_names=NAMES, action_names=ACTIONS)


def drive(
    path: Path, steps: int = 100, episodes: int = 2, *, takeover: bool = True, purpose: str = "drive", **end: object
):
    """Record some episodes; every episode has a takeover from step 10 to 20."""
    rng = np.random.default_rng(steps)
    recorder = Recorder(path, info())
    for _ in range(episodes):
        recorder.begin_episode(purpose, checkpoint_id=end.get("checkpoint_id"))  # type: ignore[arg-type]
        number = None
        for t in range(steps):
            human = takeover and 10 <= t < 20
            if human and number is None:
                number = recorder.begin_segment("takeover", corner="hairpin")
            if number is not None and not human:
                recorder.end_segment(number, "cleared")
                number = None
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


def train(
    root: Path,
    until: int | None,
    config: TrainConfig = SMALL,
    said: set[str] | None = None,
    teacher_of: Any = None,
    **wish: object,
) -> Daemon:
    """Run a daemon in this process until so many updates are done, or nothing is left to do.

    ``said`` takes what its heartbeats say that it does. ``teacher_of``: as of the daemon.
    """
    words = said if said is not None else set()
    daemon = Daemon(root, Wish(config, **wish), show=lambda beat, _: words.add(beat.doing))  # type: ignore[arg-type]
    daemon.teacher_of = teacher_of or daemon.teacher_of
    began = time.monotonic()

    def stop() -> bool:
        assert time.monotonic() - began < 60
        done = daemon.training is not None and daemon.beat.state in ("idle", "waiting")
        return done if until is None else daemon.training is not None and daemon.training.learner.updates >= until

    daemon.stop = stop
    daemon.run()
    return daemon


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


def state(daemon: Daemon) -> dict[str, torch.Tensor]:
    return {**daemon.training.learner.tensors(), "replay": daemon.training.generator.get_state()}


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
