"""The machine is kept awake while there is work, and no longer."""

import sys

from hitl.commands.train import kept_awake
from hitl.timing import awake
from tests.support.clocks import own_time
from trainer.daemon.evaluations import Watch
from trainer.daemon.heartbeat import Heartbeat


def test_the_system_is_asked_every_half_minute(monkeypatch):
    now, asked = [100.0], []
    own_time(monkeypatch, awake, monotonic=lambda: now[0])
    stay = awake.StayAwake(asked.append)
    for _ in range(5):
        stay()
        now[0] += 20.0
    assert asked == [1, 1, 1]


def test_a_trainer_that_has_nothing_to_do_lets_it_sleep():
    asked, shown = [], []
    show = kept_awake(lambda beat, watch: shown.append(beat.state), awake.StayAwake(asked.append))
    for state in ("starting", "waiting", "idle", "paused"):
        show(Heartbeat(state=state), Watch())
    assert asked == []
    show(Heartbeat(state="training"), Watch())
    assert asked == [1]
    assert shown == ["starting", "waiting", "idle", "paused", "training"]


def test_elsewhere_nothing_is_asked(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    awake.StayAwake()()
