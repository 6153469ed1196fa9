"""Driving and learning in turn."""

from functools import partialmethod

from data.reading.follow import Follower
from hitl.home import Home
from hitl.session.lockstep import Lockstep
from hitl.session_options import SessionOptions
from trainer.presets import PRESETS


def test_all_that_was_driven_is_known_before_anything_is_learned_however_long_the_store_is(tmp_path, monkeypatch):
    monkeypatch.setattr(Follower, "poll", partialmethod(Follower.poll, limit=7))
    with Lockstep(Home(tmp_path), SessionOptions(kind="stall"), PRESETS["hitl"].with_values(hidden=16, utd=0.01)) as lockstep:
        for episode in range(2):
            lockstep.drive(episode)
            assert lockstep.replay.online_steps == lockstep.steps > 14 * (episode + 1)
