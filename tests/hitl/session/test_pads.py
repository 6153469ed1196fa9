"""Whole sessions with real devices: SDL's virtual joysticks, and the ``inputs`` package on a pipe."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

import numpy as np
import pytest

from data.records import AGENT, HUMAN
from hitl import arbiter
from hitl.drivers.human import HumanDriver
from hitl.home import Home
from hitl.pads.base import Pad
from hitl.pads.sdl import SdlPad
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from tests.support.virtual_pad import VirtualPad

pytestmark = pytest.mark.realtime

GATING = arbiter.GatingSettings(mode="hold", settle_s=0.0, minimum_s=0.0)


class Straight:
    checkpoint_id = None

    def act(self, observation, deterministic):
        return np.array([0.2, 0.0], np.float32)

    def begin_episode(self):
        pass


class Scripted(HumanDriver):
    """A person's pad, to which things happen at certain ticks."""

    def __init__(self, pad: Pad, happens: dict) -> None:
        super().__init__(pad)
        self.happens, self.tick = happens, -1

    def read(self, info):
        self.tick += 1
        self.happens.get(self.tick, lambda: None)()
        return super().read(info)


def drive(home: Path, pad: Pad, happens: dict, ticks: int, **gating) -> tuple[list[int], list[str], sqlite3.Connection]:
    """Return (driver by step, kinds of events, the store)."""
    seen: list = []
    with SessionSetup(
        Home(home),
        SessionOptions(gating=GATING if not gating else arbiter.GatingSettings(**gating)),
        human=lambda track: Scripted(pad, happens),
        watch=seen.append,
        stop=lambda: len(seen) >= ticks,
    ) as rig:
        rig.session.policy = Straight()
        rig.session.episode(seed=0)
    db = sqlite3.connect(home / "store.sqlite")
    kinds = [kind for (kind,) in db.execute("SELECT kind FROM events ORDER BY id")]
    return [tick.decision.driver for tick in seen], kinds, db


def test_a_pad_that_is_unplugged_in_mid_takeover_and_plugged_in_again(tmp_path):
    with VirtualPad("Red Pad") as device:
        happens = {
            5: lambda: device.press("rightshoulder"),
            6: lambda: device.axis("gas", 1.0),
            12: device.unplug,
            20: device.plug,
            # It comes back with nothing held, and takes over when it is asked to.
            26: lambda: device.press("rightshoulder"),
            32: lambda: device.release("rightshoulder"),
        }
        drivers, kinds, db = drive(tmp_path, SdlPad("red"), happens, 40)
    human = [k for k, driver in enumerate(drivers) if driver == HUMAN]
    assert human == [*range(5, 12), *range(26, 32)]
    assert [k for k in kinds if k in ("takeover", "pad_lost", "hand_back")] == ["takeover", "pad_lost", "takeover", "hand_back"]
    segments = db.execute('SELECT "start", "stop", interrupted FROM segments ORDER BY number').fetchall()
    assert segments == [(5, 12, 1), (26, 32, 0)]
    executed = [np.frombuffer(row[0], "<f4") for row in db.execute("SELECT executed FROM steps ORDER BY t")]
    assert executed[11][0] == pytest.approx(1.0)
    np.testing.assert_allclose(executed[12], [0.2, 0.0], atol=1e-6)  # the agent's, not a neutral hand


def test_the_other_pad_on_the_table_takes_nothing_and_its_loss_is_nothing(tmp_path):
    with VirtualPad("Red Pad") as red, VirtualPad("Blue Pad") as blue:
        happens = {
            3: lambda: blue.press("rightshoulder"),
            6: lambda: red.press("rightshoulder"),
            9: blue.unplug,
            12: lambda: red.release("rightshoulder"),
        }
        drivers, kinds, _ = drive(tmp_path, SdlPad("red"), happens, 18)
    assert [k for k, driver in enumerate(drivers) if driver == HUMAN] == [*range(6, 12)]
    assert "pad_lost" not in kinds


@pytest.mark.skipif(sys.platform == "win32", reason="named pipes in the file system")
def test_the_inputs_package_drives_a_session_and_its_loss_interrupts(tmp_path, monkeypatch):
    pytest.importorskip("inputs")
    from hitl.pads import inputs_pad
    from tests.hitl.pads.test_inputs import ABS, KEY, RZ, TR, Feed

    monkeypatch.setattr(inputs_pad, "AGAIN_S", 0.01)
    feed = Feed(tmp_path / "pipe")
    feed.plug()

    def until(condition):
        assert feed.sees(condition)

    def take():
        feed.send((KEY, TR, 1), (ABS, RZ, 255))
        until(lambda state: "takeover" in state.buttons)

    def leave():
        feed.unplug()
        until(lambda state: not state.connected)

    feed.send((ABS, RZ, 0))
    until(lambda state: state.connected)
    home = tmp_path / "home"
    drivers, kinds, _ = drive(home, feed.pad, {4: take, 9: leave}, 15)
    assert [k for k, driver in enumerate(drivers) if driver == HUMAN] == [*range(4, 9)]
    assert drivers[9:] == [AGENT] * len(drivers[9:])
    assert [k for k in kinds if k in ("takeover", "pad_lost")] == ["takeover", "pad_lost"]
    feed.close()


def test_touch_and_a_ramp_with_a_real_stick(tmp_path):
    with VirtualPad("Red Pad") as device:
        happens = {4: lambda: device.axis("steer", -1.0), 8: lambda: device.axis("steer", 0.0)}
        drivers, kinds, db = drive(tmp_path, SdlPad("red"), happens, 24, mode="touch", neutral_s=0.2, minimum_s=0.0, ramp_s=0.2)
    assert [k for k, driver in enumerate(drivers) if driver == HUMAN] == [*range(4, 11)]
    pedal = [float(np.frombuffer(row[0], "<f4")[0]) for row in db.execute("SELECT executed FROM steps ORDER BY t")]
    faded = pedal[11:15]  # from the player's 0 to the agent's 0.2
    assert faded == sorted(faded)
    assert 0.0 < faded[0] < 0.2
    assert pedal[16] == pytest.approx(0.2)
    assert kinds.count("hand_back") == 1
