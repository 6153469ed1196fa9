"""Where a script records: stores that cannot be written, names of none, and a store that goes away meanwhile."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

from data.errors import StoreError, UsageError
from data.recording.recorder import Recorder
from hitl import Store, SymmetricDataset, SymmetricReplay, Takeover
from tests.support.recorded import drive, session_info


def steps(env: Takeover, count: int = 5) -> None:
    env.reset(seed=0)
    for _ in range(count):
        env.step(np.zeros(1, np.float32))


def takeover(store: Any) -> Takeover:
    return Takeover(gymnasium.make("Pendulum-v1"), None, store=store)


def test_nothing_is_recorded_into_a_store_that_can_only_be_read_or_is_closed(tmp_path: Path) -> None:
    home = tmp_path
    with Recorder(home / "store.sqlite", session_info()) as recorder:
        drive(recorder)
    before = (home / "store.sqlite").read_bytes()
    with Store(home, read_only=True) as store:
        with pytest.raises(StoreError, match=r"The store store.sqlite can only be read here"):
            takeover(store)
        with SymmetricReplay(store, "plain", hidden=8) as replay:
            learner = replay.learner()
            with pytest.raises(StoreError, match="can only be read here"):
                replay.save(learner)
    with pytest.raises(StoreError, match=r"The store store.sqlite is closed: open it again"):
        takeover(store)
    assert (home / "store.sqlite").read_bytes() == before
    assert not (home / "checkpoints").exists()


@pytest.mark.parametrize("store", ["", 5, b"here", True])
def test_what_names_no_store_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: Any) -> None:
    monkeypatch.chdir(tmp_path)
    for use in (Store, SymmetricReplay, SymmetricDataset, takeover):
        with pytest.raises(UsageError, match=f"^{re.escape(repr(store))} names no store: give a home folder"):
            use(store)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps a file that is open")
@pytest.mark.parametrize("gone", ["folder", "file", "moved"])
def test_a_store_that_goes_away_while_it_is_recorded_into_is_said(
    tmp_path: Path, logged: list[str], gone: str
) -> None:
    home, away = tmp_path / "home", tmp_path / "away"
    env = takeover(home)
    steps(env)
    assert env.flush()
    if gone == "folder":
        shutil.rmtree(home)
    elif gone == "file":
        (home / "store.sqlite").unlink()
    else:
        home.rename(away)
    steps(env)
    assert not env.flush()
    said = "The store store.sqlite is no longer at its place: it was deleted, moved or replaced while"
    assert "".join(logged).count(said) == 1
    logged.clear()
    if gone == "moved":  # and back again: nothing is lost
        away.rename(home)
        assert env.flush()
    env.close()
    assert "".join(logged).count(said) == (gone != "moved")
    if gone == "moved":
        with Store(home) as store:
            assert [episode.length for episode in store.episodes()] == [5, 5]
