"""A store that cannot be used for a moment ends no session between two episodes, and no star is lost."""

import sqlite3

import numpy as np
import pytest

from data.errors import StoreError
from data.records import HUMAN, StepRow
from data.store import Store
from hitl.home import Home
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions


@pytest.fixture
def rig(tmp_path):
    with SessionSetup(Home(tmp_path), SessionOptions()) as made:
        yield made


@pytest.fixture
def refused(monkeypatch):
    """Return what makes every opening of the store fail, until it is called again."""
    real, state = Store.__init__, {"refuse": False}

    def opened(self, *args, **kwargs):
        if state["refuse"]:
            raise StoreError("The store cannot be opened (disk I/O error).")
        return real(self, *args, **kwargs)

    monkeypatch.setattr(Store, "__init__", opened)
    return lambda: state.update(refuse=not state["refuse"])


def test_the_weights_in_force_drive_on(rig, refused):
    refused()
    rig.policy.begin_episode()
    assert "disk I/O error" in rig.policy.problem
    assert rig.policy.act(np.zeros(len(rig.observation_names), np.float32), True).shape == (2,)
    refused()
    rig.policy.begin_episode()
    assert rig.policy.problem == ""


def test_a_star_is_kept_while_the_store_is_locked(rig):
    row = StepRow(np.zeros(len(rig.observation_names), np.float32), np.zeros(2), np.zeros(2), HUMAN, 0.0)
    rig.session.segments.begin_episode()
    rig.recorder.begin_episode()
    rig.session.segments.begin_takeover("button", None, 0)
    for _ in range(5):
        rig.recorder.step(row)
    assert rig.written()
    with sqlite3.connect(rig.home.store_path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        rig.session.segments.star()
        assert not rig.recorder.flush(2.0)  # it lies beside the store
        other.execute("ROLLBACK")
    assert rig.written()
    with Store(rig.home.store_path) as store:
        assert [s.verdict for s in store.segments()] == ["star"]
