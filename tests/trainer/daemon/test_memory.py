"""What the memory of a run takes, and what is said where the machine has less."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.store import Store
from tests.support.daemon_runs import SMALL, drive, train
from trainer.config import TrainConfig
from trainer.daemon import daemon
from trainer.daemon.process_tuning import FITS, free_memory, memory_advice
from trainer.replay.replay import Replay


@pytest.mark.parametrize(
    "settings", [{}, {"network": "recurrent"}, {"network": "cnn", "image": (2, 8, 8)}], ids=["numbers", "sequences", "pictures"]
)
def test_a_row_takes_what_it_says(settings: dict[str, object]) -> None:
    table = Replay(140, 2, TrainConfig(**settings)).table  # type: ignore[arg-type]
    arrays = [table.values, table.next, table.raw, table.driver, table.terminated, table.t, table.progress]
    if table.pixels is not None:
        arrays.append(table.pixels._rows)
    if table.chains is not None:
        arrays += [getattr(table.chains, name) for name in ("before", "after", "span", "step", "online", "demo")]
    assert table.row_bytes == sum(a.nbytes for a in arrays) / len(table)


@given(st.integers(1, 10**9), st.integers(1, 10**6), st.integers(10**9, 10**12))
def test_what_it_advises_fits(capacity: int, step_bytes: int, free: int) -> None:
    said = memory_advice(capacity, step_bytes, free)
    assert bool(said) == (capacity * step_bytes > FITS * free)
    if said:
        advised = int(re.search(r"capacity=(\d+)", said).group(1))  # type: ignore[union-attr]
        assert advised <= max(1_000, capacity)
        assert advised == 1_000 or memory_advice(advised, step_bytes, free) == ""


def test_a_run_that_would_not_fit_says_so_before_it_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert free_memory() > 1e6
    drive(tmp_path / "store.sqlite")
    train(tmp_path, 20)
    with Store(tmp_path / "store.sqlite") as store:
        assert not [text for _, _, kind, text in store.events() if kind == "memory"]
    monkeypatch.setattr(daemon, "free_memory", lambda: 10_000_000)
    train(tmp_path, 40, SMALL.with_values(capacity=10**6))
    with Store(tmp_path / "store.sqlite") as store:
        (said,) = [text for _, _, kind, text in store.events() if kind == "memory"]
    assert "`hitl train --set capacity=" in said
