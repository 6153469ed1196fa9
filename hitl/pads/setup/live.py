"""A pad's live values in the terminal, and as JSON."""

from __future__ import annotations

import math
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from data.errors import shown
from hitl.console import console, marked
from hitl.home import in_home
from hitl.pads.base import Pad
from hitl.pads.device import UNNAMED
from hitl.pads.setup.wishes import which

AXES = ("steer", "gas", "brake")
_BAR = 21


def reading(pad: Pad) -> dict[str, Any]:
    """Return what a pad says now, and what else is plugged in."""
    if (sdl := getattr(pad, "instead_of", None)) is not None:  # the keyboard: a pad may have been plugged in meanwhile
        pad = sdl if sdl.read().connected else pad
    state, hub = pad.read(), getattr(sdl or pad, "hub", None)
    known = hub.identities() if hub is not None else {}
    return {
        "pad": pad.name,
        "connected": state.connected,
        **{name: round(getattr(state, name), 4) for name in AXES},
        "buttons": sorted(state.buttons),
        "mapping": _mapping(pad),
        "guessed": getattr(pad, "guessed", False),
        "looks": hub is not None,  # for pads; a keyboard does not
        "problem": getattr(pad, "problem", ""),
        "devices": [
            {
                "name": d.name,
                "guid": d.guid,
                "serial": d.serial,
                "port": d.port,
                "which": which(known.get(d.instance), known.values()).strip(" ()"),
                "kind": "controller" if d.controller is not None else "joystick",
                "in_use": d is getattr(pad, "device", None),
                "controls": {s: round(d.reader(s)(), 4) for s in d.sources()},
            }
            for d in (hub.present.values() if hub is not None else ())
        ],
    }


def _mapping(pad: Pad) -> dict[str, dict[str, Any]]:
    """Return what each axis is made from; empty for a device that has no axes."""
    made = getattr(pad, "map", None)
    if made is None or not getattr(pad, "device", True):
        return {}
    axes = ((name, getattr(made, name)) for name in AXES)
    return {name: {"source": a.source, "dead_zone": round(a.dead_zone, 4), "curve": round(a.curve, 4)} for name, a in axes}


def show(pad: Pad, seconds: float | None, home: Path | None) -> None:
    """Show a pad for so many seconds. 0: once; None: until Ctrl+C, once where this goes to no terminal. ``home``: as typed."""
    out = console()
    piped = seconds is None and not out.is_terminal  # nothing could be drawn anew there, and nothing would end it
    if seconds == 0.0 or piped:
        out.print(_screen(reading(pad), home))
        if piped:
            said = "One reading, because this does not go to a terminal. In one, `hitl pads` shows live values."
            print(said, file=sys.stderr)
        return
    until = math.inf if seconds is None else time.monotonic() + seconds
    with Live(_screen(reading(pad), home), console=out, refresh_per_second=20) as live:
        while time.monotonic() < until:
            live.update(_screen(reading(pad), home))
            time.sleep(0.05)


def _screen(now: dict[str, Any], home: Path | None) -> Group:
    head = f"[b]{escape(now['pad'])}[/b]  "
    head += "[green]connected[/]" if now["connected"] else "[red]missing[/]"
    values = Table.grid(padding=(0, 2))

    for name in AXES:
        sign, of, made = "+" if name == "steer" else "", now["mapping"].get(name), ""
        if of is not None:
            made = f"{of['source']}, dead zone {of['dead_zone']:.2g}, curve {of['curve']:.2g}" if of["source"] else "no axis"
        values.add_row(name, _bar(now[name], both=name == "steer"), f"{now[name]:{sign}.2f}", made)
    values.add_row("buttons", " ".join(now["buttons"]) or "-", "", "")
    rows: list[Any] = [marked(head), values]
    if now["guessed"]:
        guessed = "Which of this wheel's axes are its pedals is guessed: `hitl pads --find` finds out."
        rows.append(Text(in_home(guessed, home), style="yellow"))
    if now["problem"]:
        rows.append(Text(in_home(now["problem"], home), style="yellow"))
    for device in now["devices"]:
        moved = {n: v for n, v in device["controls"].items() if abs(v) > 0.02}
        raw = "  ".join(f"{name} {value:+.2f}" for name, value in moved.items()) or "all at zero"
        used = "▶" if device["in_use"] else " "
        number = f"{device['which']}, " if device["which"] else ""
        name = shown(device["name"]) or UNNAMED
        rows.append(Text(f"{used} {name} ({number}{device['kind']}, {len(device['controls'])} controls): {raw}"))
    if now["devices"] and not now["problem"] and not any(device["in_use"] for device in now["devices"]):
        able = any(not control.startswith("axis") for device in now["devices"] for control in device["controls"])
        why = "`hitl pads --choose`, then a press of a button on one, makes it yours" if able else "none has a button"
        rows.append(Text(in_home(f"None of these is used by itself: {why}.", home), style="yellow"))
    if not now["devices"] and now["looks"]:
        rows.append(Text("SDL sees no pad. `hitl pads` keeps looking: plug one in.", style="dim"))
    return Group(*rows)


def _bar(value: float, *, both: bool = False) -> str:
    begin, end = 0, round(value * _BAR)
    if both:
        middle = _BAR // 2
        begin, end = sorted((middle, middle + round(value * middle)))
        end += 1
    return "░" * begin + "█" * (end - begin) + "░" * (_BAR - end)
