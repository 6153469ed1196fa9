"""What TrackMania makes of the virtual pad's stick, by its own telemetry."""

from __future__ import annotations

import contextlib
import io
import time
from statistics import median

from hitl.field_kit.site import Figures, MissingError, Site
from hitl.games.trackmania.frames import Frame
from hitl.games.trackmania.telemetry import Telemetry
from hitl.games.trackmania.virtual_pad import VirtualPad
from hitl.timing.clocks import PacedClock

HZ = 20.0
STICK = (-1.0, -0.6, -0.3, -0.1, 0.0, 0.1, 0.3, 0.6, 1.0)
HOLD_S = 1.0  # each of them
WAIT_S = 3.0  # for the player to go back to the game


def measure(site: Site) -> Figures:
    """Return the steering for each value of the stick. Raises MissingError where telemetry no longer comes."""
    from hitl.pads.devices import devices
    from hitl.settings import load

    chosen = load(site.home, "trackmania").trackmania
    site.private.add(chosen.host)
    telemetry = Telemetry(chosen.host, chosen.port, chosen.layout)
    try:
        with contextlib.redirect_stdout(io.StringIO()), VirtualPad(hz=HZ, hub=devices()) as pad:
            if telemetry.wait(lambda frame: True, WAIT_S) is None:
                raise MissingError(f"no telemetry now: {telemetry.problem}")
            time.sleep(WAIT_S)
            seen = [_held(pad, telemetry, stick) for stick in STICK]
    finally:
        telemetry.close()
    return {
        "stick_sent": list(STICK),
        "steering_seen": [steering for steering, _ in seen],
        "ms_until_it_moved": [ms for _, ms in seen],
        "stalls": pad.stalls,
    }


def _held(pad: VirtualPad, telemetry: Telemetry, stick: float) -> tuple[float | None, float | None]:
    """Send one value; return (the median steering of the second half, ms until the steering first changed), None if not seen."""
    clock, frames = PacedClock(HZ), list[Frame]()
    newest = telemetry.newest()
    before, began = newest.steer if newest is not None else 0.0, time.perf_counter()
    for _ in range(round(HOLD_S * HZ)):
        clock.wait_for_send()
        clock.sending()
        pad.send(0.0, 0.0, stick)
        last = frames[-1].received if frames else began
        frames += [frame for frame in telemetry.recent() if frame.received > last]
    late = [frame.steer for frame in frames if frame.received > began + HOLD_S / 2]
    moved = next((1000 * (frame.received - began) for frame in frames if abs(frame.steer - before) > 0.01), None)
    return (median(late) if late else None), moved
