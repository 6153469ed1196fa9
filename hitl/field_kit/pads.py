"""The player's own pad, and the virtual one that the game reads."""

from __future__ import annotations

import contextlib
import io
import time
from typing import TYPE_CHECKING

from hitl.field_kit.site import FigureDict, MissingError, Site

if TYPE_CHECKING:
    from hitl.pads.sdl import SdlPad

HANDS_OFF_S = 1.5  # until they are
SWEEP_S = 8.0
LOOK_S = 0.001  # between two looks: what changes more often cannot be counted


def open_own(site: Site) -> SdlPad | None:
    """Return the player's own pad, None where none is plugged in; a kit may not hold what tells it from others of its model."""
    from hitl.pads.open import sdl_pad
    from hitl.settings import load

    settings = load(site.home, "pad")
    pad = sdl_pad(settings, settings.pad.name, settings.pad.id)
    for device in pad.hub.present.values():
        site.private.add(device.serial, device.port)
    if pad.device is None:
        pad.close()
        return None
    return pad


def measure_own(site: Site) -> FigureDict:
    """Return what the player's own pad is and does. Raises MissingError where there is none."""
    import pygame

    from hitl.pads.calibration.measure import averages, sweep

    pad = open_own(site)
    if pad is None or pad.device is None:
        raise MissingError("no pad is plugged in")
    device = pad.device
    try:
        controls = {name: device.reader(name) for name in device.sources()}
        site.say_text("Hands off ...")
        time.sleep(HANDS_OFF_S)
        rest = averages(pad, controls)
        site.say_text("Now move stick or wheel and both pedals to their ends, and press each button once ...")
        seen = sweep(pad, controls, rest, SWEEP_S, LOOK_S)
        mapped = {name: [getattr(state, name) for state in seen.states] or [0.0] for name in ("steer", "gas", "brake")}
        return {
            "name": device.name,
            "kind": "joystick" if device.controller is None else "controller",
            "vendor": int(device.guid[10:12] + device.guid[8:10], 16),  # SDL's GUID holds both, low byte first
            "product": int(device.guid[18:20] + device.guid[16:18], 16),
            "sdl": ".".join(map(str, pygame.get_sdl_version())),
            "pads_plugged_in": len(pad.hub.present),
            "axes": device.joystick.get_numaxes(),
            "buttons": device.joystick.get_numbuttons(),
            "hats": device.joystick.get_numhats(),
            "controls": list(controls),
            "control_at_rest": [rest[name] for name in controls],
            "control_least": [seen.ranges[name][0] for name in controls],
            "control_most": [seen.ranges[name][1] for name in controls],
            **{f"{name}_{word}": of(values) for name, values in mapped.items() for word, of in (("least", min), ("most", max))},
            "buttons_understood": sorted({button for state in seen.states for button in state.buttons}),
            "looks_per_s": seen.looks / seen.seconds,
            "changes_per_s": len(seen.changed) / seen.seconds,
            "changes_in_busiest_second": _busiest(seen.changed),
        }
    finally:
        pad.close()


def _busiest(times: tuple[float, ...]) -> int:
    """Return how many of the times (s) lie within one second, at most."""
    first = most = 0
    for last, moment in enumerate(times):
        while moment - times[first] > 1.0:
            first += 1
        most = max(most, last - first + 1)
    return most


def measure_virtual(site: Site) -> FigureDict:
    """Return whether a virtual pad can be made, and whether SDL, which reads the player's pads, hears it."""
    from hitl.games.trackmania.virtual_pad import VirtualPad
    from hitl.pads.devices import devices

    hub = devices()
    hub.poll()
    before = set(hub.present)
    began = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()), VirtualPad(hub=hub) as pad:  # vgamepad prints
        made_s = time.perf_counter() - began
        assert pad.guard is not None
        own = [hub.present[instance] for instance in pad.guard.own if instance in hub.present]
        for device in own:
            site.private.add(device.serial, device.port)
        return {
            "made": True,
            "heard": bool(own),
            "made_and_heard_s": made_s,
            "name": own[0].name if own else None,
            "new_devices": len(set(hub.present) - before),
        }
