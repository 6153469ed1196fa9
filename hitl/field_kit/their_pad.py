"""The pad of another program: whether hitl can tell it from its own, and whether the game hears it beside ours."""

from __future__ import annotations

import contextlib
import io
import socket
import time
from typing import TYPE_CHECKING, Any

from hitl.field_kit.site import FigureDict, Site

if TYPE_CHECKING:
    from hitl.agents.programs_pad import ProgramsPad
    from hitl.games.trackmania.telemetry import Telemetry

FIND_S = 3.0  # until a pad that was made is seen
ANSWER_S = 0.5  # until a value that was sent is read
STICK = (-1.0, -0.3, 0.05, 0.4, 1.0)
HOLD_S = 1.0
RELAY_S = 2.0
TURNED = 0.1  # of steering, from which the game has obeyed


def measure(site: Site) -> FigureDict:
    """Return what came of it. Raises DeviceError where no virtual pad can be made."""
    from hitl.agents.opening import NEXT
    from hitl.agents.programs_pad import ProgramsPad
    from hitl.games.trackmania.virtual_pad import VirtualPad, plug_in
    from hitl.pads.devices import devices

    hub = devices()
    reader = ProgramsPad(NEXT, hub=hub)
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # vgamepad prints
            theirs = plug_in()
            seen = _until(lambda: reader.read().connected, FIND_S)
            figures: FigureDict = {"seen": seen, "name": reader.name if seen else None, **_answers(theirs, reader, seen)}
            with VirtualPad(hub=hub) as ours:
                figures["still_theirs_beside_ours"] = seen and reader.read().connected
                figures["ours_heard"] = ours.guard is not None and bool(ours.guard.own)
                if reader.device is not None:
                    site.private.add(reader.device.serial, reader.device.port)
                return figures | _in_the_game(site, theirs, ours)
    finally:
        reader.close()


def _until(true: Any, seconds: float) -> bool:
    end = time.perf_counter() + seconds
    while not true():
        if time.perf_counter() > end:
            return False
        time.sleep(0.002)
    return True


def _press(pad: Any, steer: float) -> None:
    pad.left_joystick_float(x_value_float=steer, y_value_float=0.0)
    pad.update()


def _answers(theirs: Any, reader: ProgramsPad, seen: bool) -> FigureDict:
    """Return how exactly, and how soon, what the program sends is read."""
    if not seen:
        return {"stick_sent": list(STICK), "stick_read": [], "ms_until_read": []}
    read, waits = list[float](), list[float | None]()
    for value in STICK:
        began = time.perf_counter()
        _press(theirs, value)
        answered = _until(lambda value=value: abs(reader.read().steer - value) < 0.01, ANSWER_S)
        waits.append(1000 * (time.perf_counter() - began) if answered else None)
        read.append(reader.read().steer)
    _press(theirs, 0.0)
    return {"stick_sent": list(STICK), "stick_read": read, "ms_until_read": waits}


def _in_the_game(site: Site, theirs: Any, ours: Any) -> FigureDict:
    """Return whose pad the game obeys, and how its frames come through the relay; all None where no game is there."""
    from hitl.games.trackmania.relay import Relay
    from hitl.games.trackmania.telemetry import Telemetry
    from hitl.settings import load

    chosen = load(site.home, "trackmania").trackmania
    site.private.add(chosen.host)
    with contextlib.closing(Telemetry(chosen.host, chosen.port, chosen.layout, Relay(0))) as telemetry:
        if telemetry.wait(lambda frame: True, FIND_S) is None:
            return {"game_obeys_ours": None, "game_obeys_theirs": None, "relay_frames": None, "relay_frames_direct": None}
        _press(theirs, 1.0)
        by_theirs = _turned(telemetry, lambda: None)
        _press(theirs, 0.0)
        by_ours = _turned(telemetry, lambda: ours.send(0.0, 0.0, 1.0))
        ours.pause()
        return {"game_obeys_ours": by_ours, "game_obeys_theirs": by_theirs, **_through_the_relay(telemetry)}


def _turned(telemetry: Telemetry, each: Any) -> bool:
    """Tell whether the game steers at the end of a while in which ``each`` is done again and again."""
    end = time.perf_counter() + HOLD_S
    while time.perf_counter() < end:
        each()
        time.sleep(0.05)
    newest = telemetry.newest()
    return newest is not None and abs(newest.steer) > TURNED


def _through_the_relay(telemetry: Telemetry) -> FigureDict:
    from hitl.games.trackmania.frames import Stream

    assert telemetry.relay is not None
    stream, frames = Stream(telemetry.layout), 0
    with socket.create_connection(("127.0.0.1", telemetry.relay.port), timeout=1.0) as link:
        end = time.perf_counter() + RELAY_S
        with contextlib.suppress(TimeoutError):
            while time.perf_counter() < end and (piece := link.recv(65536)):
                frames += len(stream.feed(piece, time.perf_counter()))
    return {"relay_frames": frames, "relay_frames_direct": round(telemetry.rate(RELAY_S) * RELAY_S)}
