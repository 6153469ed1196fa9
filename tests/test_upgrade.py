"""What each earlier commit that changed a format wrote is read by this one: stores as SQL text, checkpoints as they were.

The files were written by those very commits; each drives the same: one drive of 12 steps with a takeover, one of 8 without; three
updates of a small learner.
"""

import hashlib
import sqlite3
from pathlib import Path

import pytest
import torch

from data.connect import version_of
from data.exchange.merge import merge
from data.reading.follow import Follower
from data.recording.recorder import Recorder
from data.schema import MIGRATIONS
from data.store import Store
from data.tables.checkpoints import CheckpointRecord
from tests.support.batches import random_batch
from tests.support.recorded import drive, session_info
from trainer.checkpoints.files import load_policy
from trainer.daemon.resume import begin
from trainer.daemon.wish import Wish

HERE = Path(__file__).parent
STORES = sorted((HERE / "data" / "stores").glob("commit-*.sql"))
CHECKPOINTS = sorted((HERE / "trainer" / "checkpoints").glob("commit-*.safetensors"))


@pytest.mark.parametrize("dump", STORES, ids=lambda p: p.stem)
def test_a_store_of_an_earlier_commit_is_migrated_followed_merged_and_written_to(dump, tmp_path):
    path = tmp_path / "store.sqlite"
    conn = sqlite3.connect(path)
    conn.executescript(dump.read_text())
    conn.close()
    with Store(tmp_path / "new.sqlite") as store:
        assert merge(store.conn, tmp_path / "new.sqlite", path).steps == 20
        assert [s.verdict for s in store.segments()] == ["star"]
    with Store(path) as store:
        assert version_of(store.conn) == len(MIGRATIONS)
        assert store.check() == []
        (segment,) = store.segments(kind="takeover")
        assert (segment.verdict, segment.tags, segment.outcome) == ("star", ("wet",), "cleared")
        assert store.latest_checkpoint().updates == 100
    with Follower(path) as follower:
        new = follower.poll()
    assert (len(new), int(new.driver.sum())) == (20, 4)
    with Recorder(path, session_info()) as recorder:
        drive(recorder)
    with Store(path) as store:
        assert store.check() == []
        assert len(store.segments(kind="takeover")) == 2


@pytest.mark.parametrize("file", CHECKPOINTS, ids=lambda p: p.stem)
def test_a_checkpoint_of_an_earlier_commit_drives_and_is_trained_on(file):
    data = file.read_bytes()
    actor, meta = load_policy(file)
    action = actor.act(torch.zeros(1, len(meta.observation_names)))
    assert action.shape == (1, 2)
    assert bool(torch.isfinite(action).all())
    record = CheckpointRecord(
        1, file.name, hashlib.sha256(data).hexdigest(), 3, 24, "train", meta.config, None, False, "2026-11-23T00:00:00.000Z"
    )
    said: list[str] = []
    start = begin(Wish.of({}), [record], file.parent, said.append)
    assert said == []
    assert start is not None
    assert start.own
    assert (start.learner.updates, start.learner.env_steps) == (3, 24)
    start.generator()
    start.learner.update(random_batch(0, rows=8))
    assert start.learner.updates == 4
    assert start.learner.healthy()


def test_there_are_files_of_every_format():
    assert len(STORES) >= 3
    assert len(CHECKPOINTS) >= 6


@pytest.mark.parametrize("dump", sorted((HERE / "data" / "stores").glob("*.sql")), ids=lambda p: p.stem)
def test_the_doctor_finds_no_fault_in_an_older_store(dump, tmp_path):
    from hitl.doctor import OK, _store
    from hitl.home import Home

    conn = sqlite3.connect(tmp_path / "store.sqlite")
    conn.executescript(dump.read_text())
    conn.close()
    assert _store(Home(tmp_path))[0] == OK
