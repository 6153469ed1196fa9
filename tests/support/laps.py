"""Laps of the scripted driver, in a home of the test's own."""

from hitl.drivers.human import ScriptedHuman
from hitl.drivers.scripted import ScriptedDriver
from hitl.home import Home
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions


def drive_laps(home: Home, count: int = 2) -> None:
    """Drive finished laps on the default track."""
    with SessionSetup(home, SessionOptions(kind="play"), human=lambda t: ScriptedHuman(ScriptedDriver(t), None)) as rig:
        for seed in range(count):
            assert rig.session.episode("lap", seed=seed).reason == "finish"
        rig.written()
