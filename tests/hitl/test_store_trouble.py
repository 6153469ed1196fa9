"""A store that cannot be used for a moment ends no session between two episodes, and no star is lost."""

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
    real, state = Store.open, {"refuse": False}

    def opened(*args, **kwargs):
        if state["refuse"]:
            raise StoreError("The store cannot be opened (disk I/O error).")
        return real(*args, **kwargs)

    monkeypatch.setattr(Store, "open", opened)
    return lambda: state.update(refuse=not state["refuse"])


def test_the_weights_in_force_drive_on(rig, refused):
    refused()
    rig.policy.begin_episode()
    assert "disk I/O error" in rig.policy.problem
    assert rig.policy.act(np.zeros(len(rig.observation_names), np.float32), True).shape == (2,)
    refused()
    rig.policy.begin_episode()
    assert rig.policy.problem == ""


def test_a_star_waits_until_it_can_be_written(rig, refused):
    row = StepRow(np.zeros(len(rig.observation_names), np.float32), np.zeros(2), np.zeros(2), HUMAN, 0.0)
    rig.recorder.begin_episode()
    number = rig.recorder.begin_segment("takeover")
    for _ in range(5):
        rig.recorder.step(row)
    rig.recorder.end_episode("terminated", "finish", row.observation)
    rig.session.starred = [number]
    refused()
    rig.star()
    assert rig.session.starred == [number]
    refused()
    rig.star()
    assert rig.session.starred == []
    with Store.open(rig.home.store_path) as store:
        assert [s.verdict for s in store.segments()] == ["star"]
