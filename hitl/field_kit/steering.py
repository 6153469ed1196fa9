"""What TrackMania makes of the virtual pad's stick, by its own telemetry."""

from __future__ import annotations

import contextlib
import io
import time

from hitl.field_kit.site import FigureDict, MissingError, Site
from hitl.games.trackmania.stick_curve import HZ, hold
from hitl.games.trackmania.telemetry import Telemetry
from hitl.games.trackmania.virtual_pad import VirtualPad

STICK = (-1.0, -0.6, -0.3, -0.1, 0.0, 0.1, 0.3, 0.6, 1.0)
HOLD_S = 1.0  # each of them
WAIT_S = 3.0  # for the player to go back to the game


def measure(site: Site) -> FigureDict:
    """Return the steering for each value of the stick. Raises MissingError where telemetry no longer comes."""
    from hitl.pads.devices import devices
    from hitl.settings import load

    chosen = load(site.home, "trackmania").trackmania
    site.private.add(chosen.host)
    with (
        contextlib.closing(Telemetry(chosen.host, chosen.port, chosen.layout)) as telemetry,
        contextlib.redirect_stdout(io.StringIO()),
        VirtualPad(hz=HZ, hub=devices()) as pad,
    ):
        if telemetry.wait(lambda frame: True, WAIT_S) is None:
            raise MissingError(f"no telemetry now: {telemetry.problem}")
        time.sleep(WAIT_S)
        seen = [hold(pad, telemetry, stick, HOLD_S) for stick in STICK]
    return {
        "stick_sent": list(STICK),
        "steering_seen": [steering for steering, _ in seen],
        "ms_until_it_moved": [ms for _, ms in seen],
        "stalls": pad.stalls,
    }

