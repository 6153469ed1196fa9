import os
import sys
import threading
import time
import types
from collections.abc import Callable
from pathlib import Path

import pytest

from data.errors import UsageError
from trainer.daemon.metric_logs import Aside, sinks


class Recorder:
    def __init__(self, *args: object, **kwargs: object) -> None:
        self.made, self.rows, self.closed = (args, kwargs), [], False

    def add_scalar(self, name: str, value: float, step: int) -> None:
        self.rows.append((step, name, value))

    def log(self, values: dict[str, float], step: int) -> None:
        self.rows += [(step, k, v) for k, v in values.items()]

    def close(self) -> None:
        self.closed = True

    finish = close


def test_metrics_go_where_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: dict[str, Recorder] = {}

    def maker(name: str) -> Callable[..., Recorder]:  # each is made on its own thread, in any order
        def make(*args: object, **kwargs: object) -> Recorder:
            return made.setdefault(name, Recorder(*args, **kwargs))

        return make

    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setitem(sys.modules, "wandb", types.SimpleNamespace(init=maker("wandb")))
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", types.SimpleNamespace(SummaryWriter=maker("tensorboard")))
    monkeypatch.setitem(sys.modules, "tensorboard", types.SimpleNamespace())
    before = dict(os.environ)
    both = sinks(tmp_path, ("wandb:corner", "tensorboard"), {"gamma": 0.99})
    for sink in both:
        sink.add(7, {"debug/q1": 1.5})
        sink.close()
    assert {name: r.rows for name, r in made.items()} == {key: [(7, "debug/q1", 1.5)] for key in ("wandb", "tensorboard")}
    assert all(r.closed for r in made.values())
    assert dict(os.environ) == before, "a script's own run is recorded as it says"
    options = made["wandb"].made[1]
    assert (options["mode"], options["project"], options["config"]) == ("offline", "corner", {"gamma": 0.99})


def test_a_missing_package_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(UsageError, match=r"pip install .*\[wandb\]"):
        sinks(tmp_path, ("wandb",), {})
    with pytest.raises(UsageError, match="no metrics log 'csv'"):
        sinks(tmp_path, ("csv",), {})


def test_real_logs_hold_the_metrics_and_nothing_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.setattr("trainer.daemon.metric_logs.CLOSE_S", 120.0)  # a busy machine
    secret = "0123456789abcdef0123456789abcdef01234567"
    for name in [n for n in os.environ if n.startswith("WANDB")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("WANDB_API_KEY", secret)
    monkeypatch.setenv("WANDB_SILENT", "true")
    for name in ("DISABLE_GIT", "X_DISABLE_META"):
        monkeypatch.setenv(f"WANDB_{name}", "true")  # whatever else is set here goes away with the test
    home = tmp_path / "a-private-name"
    before = dict(os.environ)
    try:
        for sink in sinks(home, ("tensorboard", "wandb:corner"), {"gamma": 0.987654}):
            for update in (3, 9):
                sink.add(update, {"debug/q1": update + 0.5})
            sink.close()
    finally:
        os.environ.clear()
        os.environ.update(before)
    events = EventAccumulator(str(home / "tensorboard")).Reload().Scalars("debug/q1")
    assert [(e.step, e.value) for e in events] == [(3, 3.5), (9, 9.5)]
    (run,) = home.glob("wandb/offline-run-*/*.wandb")
    until = time.monotonic() + 60.0
    while b"debug/q1" not in (content := run.read_bytes()):  # it is another process that writes it
        assert time.monotonic() < until
        time.sleep(0.05)
    assert b"0.987654" in content
    assert b"a-private-name" not in content
    for file in home.rglob("*"):
        assert not file.is_file() or secret.encode() not in file.read_bytes()


class Unreachable:
    """A server that does not answer."""

    def __init__(self, hangs: threading.Event | None = None) -> None:
        if hangs is None:
            raise ConnectionError("Network is unreachable")
        hangs.wait(30)


def test_a_server_that_cannot_be_reached_costs_its_metrics_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    sink = Aside("Weights & Biases", Unreachable, said.append)  # type: ignore[arg-type]
    sink._thread.join(5)
    sink.add(1, {"a": 1.0})
    sink.close()
    assert len(said) == 1
    assert "Network is unreachable" in said[0]
    assert "Training goes on" in said[0]
    monkeypatch.setattr("trainer.daemon.metric_logs.CLOSE_S", 0.05)
    never = threading.Event()
    sink = Aside("Weights & Biases", lambda: Unreachable(never), said.append)  # type: ignore[arg-type, return-value]
    began = time.monotonic()
    for k in range(2_000):
        sink.add(k, {"a": 1.0})
    sink.close()
    assert time.monotonic() - began < 5
    assert "fast enough" in said[1]
    assert len(said) == 2
    never.set()
